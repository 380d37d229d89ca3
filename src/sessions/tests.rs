//! Sessions by themselves: their connections only note what they are told.

use super::*;

#[derive(Default)]
struct Told(Mutex<Vec<Event>>, Mutex<Vec<(SessionKey, Dismissal)>>);

impl Subscriber for Told {
    fn notify(&self, _: AccountId, event: &Event) {
        self.0.lock().unwrap().push(event.clone());
    }

    fn expect(&self, _: AccountId) {}

    fn settle(&self) {}

    fn dismiss(&self, key: SessionKey, why: Dismissal) {
        self.1.lock().unwrap().push((key, why));
    }

    fn peer(&self) -> Peer {
        Peer::Unix { user: 7 }
    }
}

const ANN: AccountId = AccountId(1);

fn sign_in(sessions: &Sessions) -> (Session, Arc<Told>) {
    let told = Arc::new(Told::default());
    let session = sessions.sign_in(ANN, Login::parse("ann").unwrap(), Arc::<Told>::clone(&told)).unwrap();
    (session, told)
}

#[test]
fn the_first_session_brings_an_account_online_and_the_end_of_the_last_takes_it_offline() {
    let sessions = Sessions::default();
    let (first, _) = sign_in(&sessions);
    assert_eq!(sessions.take_change().unwrap().status, Status::Online);
    let (second, _) = sign_in(&sessions);
    assert_eq!(sessions.take_change(), None);
    sessions.sign_out(&first);
    assert_eq!(sessions.take_change(), None);
    assert_eq!(sessions.status(ANN), Status::Online);
    sessions.sign_out(&second);
    assert_eq!(sessions.take_change().unwrap().status, Status::Offline);
    assert_eq!(sessions.status(ANN), Status::Offline);
    assert!(sessions.lock().online.is_empty() && sessions.lock().keys.is_empty());
}

#[test]
fn what_cancels_out_before_it_is_told_is_not_told() {
    let sessions = Sessions::default();
    let (first, _) = sign_in(&sessions);
    assert_eq!(sessions.take_change().unwrap().status, Status::Online);
    sessions.sign_out(&first);
    let (second, _) = sign_in(&sessions);
    assert_eq!(sessions.take_change(), None);
    sessions.sign_out(&second);
    sessions.sign_out(&second);
    assert_eq!(sessions.take_change().unwrap().status, Status::Offline);
    assert_eq!(sessions.take_change(), None);
}

#[test]
fn a_change_is_told_when_the_next_one_is_asked_for() {
    let sessions = Sessions::default();
    assert!(!sessions.lock().is_untold(ANN));
    let (session, _) = sign_in(&sessions);
    assert!(sessions.lock().is_untold(ANN));
    sessions.take_change().unwrap();
    assert!(sessions.lock().is_untold(ANN));
    assert_eq!(sessions.take_change(), None);
    assert!(!sessions.lock().is_untold(ANN));
    sessions.sign_out(&session);
    sessions.take_change().unwrap();
    assert!(sessions.lock().is_untold(ANN) && !sessions.lock().is_untold(AccountId(2)));
}

#[test]
fn a_session_of_a_process_before_goes_on_and_nobody_is_told() {
    let sessions = Sessions::default();
    let session =
        Session { account: ANN, login: Login::parse("ann").unwrap(), key: SessionKey::new([1, 2, 3, 4]).unwrap() };
    sessions.resume(&session, Arc::new(Told::default())).unwrap();
    assert_eq!(sessions.resume(&session, Arc::new(Told::default())), Err(KeyTaken));
    // Another of hers did not go on; she is online all the same.
    sessions.was_online(ANN, session.login.clone());
    assert_eq!(sessions.take_change(), None);
    assert_eq!(sessions.status(ANN), Status::Online);
    sessions.sign_out(&session);
    assert_eq!(sessions.take_change().unwrap().status, Status::Offline);
}

#[test]
fn who_was_online_and_is_not_any_more_is_told_so() {
    let sessions = Sessions::default();
    sessions.was_online(ANN, Login::parse("ann").unwrap());
    assert_eq!(sessions.take_change().unwrap().status, Status::Offline);
    assert_eq!(sessions.take_change(), None);
    assert!(sessions.lock().online.is_empty());
}

#[test]
fn every_session_of_an_account_is_told() {
    let sessions = Sessions::default();
    let ((_, first), (_, second)) = (sign_in(&sessions), sign_in(&sessions));
    let event = Event::ContactStatus(Login::parse("bob").unwrap(), Status::Online);
    sessions.notify(ANN, &event);
    sessions.notify(AccountId(2), &event);
    assert_eq!(*first.0.lock().unwrap(), std::slice::from_ref(&event));
    assert_eq!(*second.0.lock().unwrap(), [event]);
}

#[test]
fn all_sessions_of_many_accounts_are_told_and_no_others() {
    let sessions = Sessions::default();
    let sign_in = |account: i64| {
        let told = Arc::new(Told::default());
        let login = Login::parse(&format!("person{account}")).unwrap();
        sessions.sign_in(AccountId(account), login, Arc::<Told>::clone(&told)).unwrap();
        told
    };
    let told = [1, 2, 2].map(sign_in);
    let other = sign_in(3);
    let event = Event::ContactStatus(Login::parse("bob").unwrap(), Status::Online);
    sessions.notify_all(&[AccountId(2), AccountId(4), AccountId(1)], &event);
    for told in told {
        assert_eq!(*told.0.lock().unwrap(), std::slice::from_ref(&event));
    }
    assert_eq!(*other.0.lock().unwrap(), []);
}

#[test]
fn those_sessions_are_ended_that_are_meant_and_no_others() {
    let sessions = Sessions::default();
    let ((_, first), (kept, second)) = (sign_in(&sessions), sign_in(&sessions));
    let other = sessions
        .sign_in(AccountId(2), Login::parse("bob").unwrap(), Arc::<Told>::clone(&Arc::new(Told::default())))
        .unwrap();
    assert_eq!(sessions.dismiss(ANN, Some(kept.key), Dismissal::PasswordChanged).sessions(), 1);
    assert_eq!(first.1.lock().unwrap().len(), 1);
    assert_eq!(*second.1.lock().unwrap(), []);
    let numbers: Vec<_> = sessions.list(None).into_iter().map(|held| (held.login.to_string(), held.number)).collect();
    assert_eq!(numbers, [("ann".to_owned(), 1), ("ann".to_owned(), 2), ("bob".to_owned(), 3)]);
    assert_eq!(sessions.list(Some(other.account)).len(), 1);
    assert_eq!(sessions.dismiss_one(2, Dismissal::Killed).unwrap().sessions(), 1);
    assert!(sessions.dismiss_one(4, Dismissal::Killed).is_none());
    assert_eq!(*second.1.lock().unwrap(), [(kept.key, Dismissal::Killed)]);
}

#[test]
fn keys_are_unique_and_hold_no_separator() {
    let mut taken = HashSet::new();
    for _ in 0..10_000 {
        assert!(!new_key(&mut taken).unwrap().bytes().contains(&b'\r'));
    }
    assert_eq!(taken.len(), 10_000);
}
