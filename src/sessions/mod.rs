//! Who is online, on which connections, under which key.
//!
//! An account is online while it has at least one session; it may have several, each on a connection of its own. A
//! change from none to one or back is put where [`Sessions::next_change`] takes it out: one at a time, so that an
//! account's "online" and "offline" are told in the order in which they happened, and folded when they cancel out.
//!
//! Errors: only the operating system's random source can fail, see [`Sessions::sign_in`].
//!
//! Must not be here: passwords, SQL, bytes of a protocol, sockets. A connection is seen as a [`Subscriber`].
//!
//! Locks: the one here is held for look-ups only, never while a subscriber is told something.

use crate::domain::{AccountId, AccountMap, Event, Login, Peer, SessionKey, Status};
use std::collections::hash_map::Entry;
use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, oneshot};

/// What a session needs of its connection.
pub trait Subscriber: Send + Sync {
    /// Tells the account's session on this connection what happened. Never waits: what can't be sent now is queued,
    /// and what can't be queued costs the connection. A connection that has no session of that account (any more)
    /// ignores it.
    fn notify(&self, account: AccountId, event: &Event);

    /// A session of this account is about to begin here. Noted where a crash can't take it away, before anybody is told,
    /// so that whoever was told can be told that it came to nothing.
    fn expect(&self, account: AccountId);

    /// Notes what the peer has taken by now, without waiting for the moment at which it would be noticed.
    fn settle(&self);

    /// The session ends for a reason that is not its peer's, and its connection with it: mail that was not taken stays in
    /// the mailbox. A connection that has not that session (any more) ignores it.
    fn dismiss(&self, key: SessionKey, why: Dismissal);

    /// Where the session is held from.
    fn peer(&self) -> Peer;
}

/// Why a session is ended from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Dismissal {
    /// An administrator ended it.
    #[error("an administrator ended the session")]
    Killed,
    /// The account is disabled.
    #[error("the account was disabled")]
    Disabled,
    /// The account has another password.
    #[error("the account's password was changed")]
    PasswordChanged,
    /// The account is erased.
    #[error("the account was erased")]
    Erased,
}

/// Sessions that were told to end.
#[derive(Debug)]
pub struct Dismissed {
    account: AccountId,
    keys: Vec<SessionKey>,
}

impl Dismissed {
    /// How many they are.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.keys.len()
    }
}

/// A session as an administrator sees it: without its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Whose.
    pub account: AccountId,
    /// Their login.
    pub login: Login,
    /// What it is called; of this process, and never given again.
    pub number: u64,
    /// Where it is held from.
    pub peer: Peer,
}

/// A session, as its connection keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Whose.
    pub account: AccountId,
    /// Their login.
    pub login: Login,
    /// What requests must carry, on this connection and no other.
    pub key: SessionKey,
}

/// No two sessions have one key.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is a session with that key")]
pub struct KeyTaken;

/// An account went online or offline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Which.
    pub account: AccountId,
    /// Its login.
    pub login: Login,
    /// What it is now.
    pub status: Status,
}

/// All sessions of this server.
#[derive(Default)]
pub struct Sessions {
    state: Mutex<State>,
    changed: Notify,
    /// Somebody has signed out.
    left: Notify,
}

#[derive(Default)]
struct State {
    online: AccountMap<Online>,
    keys: HashSet<SessionKey>,
    /// How many there have been.
    sessions: u64,
    /// Accounts whose status may differ from what was last told; each stands here once.
    changed: VecDeque<AccountId>,
    /// Whose change is just being told.
    telling: Option<AccountId>,
    /// Who waits until an account's change has been told. Each waits for one account, so that a crowd that goes at once
    /// does not wake itself again and again.
    waiting: AccountMap<Vec<oneshot::Sender<()>>>,
    /// Who waits until all changes have been told.
    waiting_for_all: Vec<oneshot::Sender<()>>,
}

impl State {
    fn is_untold(&self, account: AccountId) -> bool {
        self.telling == Some(account) || self.online.get(&account).is_some_and(|online| online.in_changed)
    }

    fn wake_who_waits_for(&mut self, account: AccountId) {
        // It may have changed again meanwhile.
        if !self.is_untold(account) {
            self.waiting.remove(&account);
        }
    }
}

struct Online {
    login: Login,
    sessions: Vec<One>,
    told: Status,
    in_changed: bool,
}

/// One session.
struct One {
    key: SessionKey,
    number: u64,
    subscriber: Arc<dyn Subscriber>,
}

impl Online {
    /// As whoever has it as a contact knows it.
    fn told_before(login: Login) -> Self {
        Self { login, sessions: Vec::with_capacity(1), told: Status::Online, in_changed: false }
    }

    fn status(&self) -> Status {
        if self.sessions.is_empty() { Status::Offline } else { Status::Online }
    }
}

impl Sessions {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a session, under a key that no other session has.
    ///
    /// # Errors
    /// When the operating system gives no random bytes; then there is no session.
    pub fn sign_in(
        &self,
        account: AccountId,
        login: Login,
        subscriber: Arc<dyn Subscriber>,
    ) -> Result<Session, getrandom::Error> {
        let mut state = self.lock();
        let key = new_key(&mut state.keys)?;
        state.sessions += 1;
        let number = state.sessions;
        let online = state.online.entry(account).or_insert_with(|| Online {
            login: login.clone(),
            sessions: Vec::with_capacity(1),
            told: Status::Offline,
            in_changed: false,
        });
        online.sessions.push(One { key, number, subscriber });
        self.note_change(&mut state, account);
        Ok(Session { account, login, key })
    }

    /// Goes on with a session that began in a process before this one: its contacts have been told.
    ///
    /// # Errors
    /// [`KeyTaken`]: there is a session with its key already.
    pub fn resume(&self, session: &Session, subscriber: Arc<dyn Subscriber>) -> Result<(), KeyTaken> {
        let mut state = self.lock();
        if !state.keys.insert(session.key) {
            return Err(KeyTaken);
        }
        state.sessions += 1;
        let number = state.sessions;
        let online = state.online.entry(session.account).or_insert_with(|| Online::told_before(session.login.clone()));
        online.sessions.push(One { key: session.key, number, subscriber });
        Ok(())
    }

    /// An account was online in a process before this one. If none of its sessions goes on, its contacts are told that
    /// it is not any more: after those that do were [resumed](Self::resume).
    pub fn was_online(&self, account: AccountId, login: Login) {
        let mut state = self.lock();
        state.online.entry(account).or_insert_with(|| Online::told_before(login));
        self.note_change(&mut state, account);
    }

    /// Ends a session. Ending it again does nothing.
    pub fn sign_out(&self, session: &Session) {
        let mut state = self.lock();
        if !state.keys.remove(&session.key) {
            return;
        }
        self.left.notify_waiters();
        if let Some(online) = state.online.get_mut(&session.account) {
            online.sessions.retain(|one| one.key != session.key);
        }
        self.note_change(&mut state, session.account);
    }

    fn note_change(&self, state: &mut State, account: AccountId) {
        let Entry::Occupied(mut online) = state.online.entry(account) else { return };
        let online = online.get_mut();
        if online.status() != online.told && !online.in_changed {
            online.in_changed = true;
            state.changed.push_back(account);
            self.changed.notify_one();
        }
    }

    /// Waits for the next change of an account's status that has not been told yet. For one caller, who has told the
    /// change before when it asks for the next.
    pub async fn next_change(&self) -> Change {
        loop {
            if let Some(change) = self.take_change() {
                return change;
            }
            self.changed.notified().await;
        }
    }

    fn take_change(&self) -> Option<Change> {
        let mut state = self.lock();
        if let Some(account) = state.telling.take() {
            state.wake_who_waits_for(account);
        }
        while let Some(account) = state.changed.pop_front() {
            let Entry::Occupied(mut entry) = state.online.entry(account) else { continue };
            let online = entry.get_mut();
            online.in_changed = false;
            let (status, told, login) = (online.status(), online.told, online.login.clone());
            online.told = status;
            if status == Status::Offline {
                entry.remove();
            }
            if status != told {
                state.telling = Some(account);
                return Some(Change { account, login, status });
            }
            state.wake_who_waits_for(account);
        }
        state.waiting_for_all.clear();
        None
    }

    /// Waits until the change of an account's status, if it had one, has been told.
    pub async fn told(&self, account: AccountId) {
        let told = {
            let mut state = self.lock();
            if !state.is_untold(account) {
                return;
            }
            let (tell, told) = oneshot::channel();
            state.waiting.entry(account).or_default().push(tell);
            told
        };
        // Dropping the other half is the word.
        let _ = told.await;
    }

    /// Waits until no change is left that has not been told.
    pub async fn all_told(&self) {
        let told = {
            let mut state = self.lock();
            if state.changed.is_empty() && state.telling.is_none() {
                return;
            }
            let (tell, told) = oneshot::channel();
            state.waiting_for_all.push(tell);
            told
        };
        let _ = told.await;
    }

    /// Whether an account has a session.
    #[must_use]
    pub fn status(&self, account: AccountId) -> Status {
        self.lock().online.get(&account).map_or(Status::Offline, Online::status)
    }

    /// Tells all sessions of an account what happened.
    pub fn notify(&self, account: AccountId, event: &Event) {
        for subscriber in self.subscribers(account) {
            subscriber.notify(account, event);
        }
    }

    /// Tells all sessions of many accounts what happened.
    ///
    /// In two rounds, so that one write follows the other without a question in between: a peer's machine that is awake for
    /// the first need not be woken for the next.
    pub fn notify_all(&self, accounts: &[AccountId], event: &Event) {
        let subscribers: Vec<_> = {
            let state = self.lock();
            let online = accounts.iter().filter_map(|account| Some((*account, state.online.get(account)?)));
            online
                .flat_map(|(account, online)| {
                    online.sessions.iter().map(move |one| (account, Arc::clone(&one.subscriber)))
                })
                .collect()
        };
        for (_, subscriber) in &subscribers {
            subscriber.settle();
        }
        for (account, subscriber) in subscribers {
            subscriber.notify(account, event);
        }
    }

    /// Lets all sessions of an account note what their peers have taken: before another one begins where they stand.
    /// Its peer may have had one of those just now, and gone; we notice that a little later.
    pub fn settle(&self, account: AccountId) {
        for subscriber in self.subscribers(account) {
            subscriber.settle();
        }
    }

    fn subscribers(&self, account: AccountId) -> impl Iterator<Item = Arc<dyn Subscriber>> + use<> {
        let state = self.lock();
        let sessions = state.online.get(&account).map(|online| online.sessions.as_slice()).unwrap_or_default();
        let mut sessions = sessions.iter().map(|one| Arc::clone(&one.subscriber));
        // Most have one, and an empty list takes no memory.
        let first = sessions.next();
        let others: Vec<_> = sessions.collect();
        first.into_iter().chain(others)
    }

    /// Ends all sessions of an account, or all but one. Each is over when its connection has heard of it, which may be a
    /// moment later: [`Sessions::gone`] waits for that.
    pub fn dismiss(&self, account: AccountId, but: Option<SessionKey>, why: Dismissal) -> Dismissed {
        self.dismiss_those(account, |one| Some(one.key) != but, why)
    }

    /// Ends one session, by its number; none, if there is none.
    pub fn dismiss_one(&self, number: u64, why: Dismissal) -> Dismissed {
        let account = {
            let state = self.lock();
            let holder = state.online.iter().find(|(_, online)| online.sessions.iter().any(|one| one.number == number));
            holder.map_or(AccountId(0), |(account, _)| *account)
        };
        self.dismiss_those(account, |one| one.number == number, why)
    }

    fn dismiss_those(&self, account: AccountId, which: impl Fn(&One) -> bool, why: Dismissal) -> Dismissed {
        let those: Vec<_> = {
            let state = self.lock();
            let sessions = state.online.get(&account).map(|online| online.sessions.as_slice()).unwrap_or_default();
            sessions.iter().filter(|one| which(one)).map(|one| (one.key, Arc::clone(&one.subscriber))).collect()
        };
        for (key, subscriber) in &those {
            subscriber.dismiss(*key, why);
        }
        Dismissed { account, keys: those.into_iter().map(|(key, _)| key).collect() }
    }

    /// Waits until these sessions are over, and whoever has to be told has been.
    pub async fn gone(&self, dismissed: &Dismissed) {
        loop {
            let left = self.left.notified();
            let mut left = std::pin::pin!(left);
            left.as_mut().enable();
            if !dismissed.keys.iter().any(|key| self.lock().keys.contains(key)) {
                break;
            }
            left.await;
        }
        self.told(dismissed.account).await;
    }

    /// All sessions, by login and number; those of one account, if it is asked for.
    #[must_use]
    pub fn list(&self, account: Option<AccountId>) -> Vec<Held> {
        let mut all: Vec<_> = {
            let state = self.lock();
            let those = state.online.iter().filter(|(holder, _)| account.is_none_or(|account| account == **holder));
            those
                .flat_map(|(account, online)| {
                    online
                        .sessions
                        .iter()
                        .map(|one| (*account, online.login.clone(), one.number, Arc::clone(&one.subscriber)))
                })
                .collect()
        };
        all.sort_unstable_by(|(_, login, number, _), (_, other, than, _)| (login, number).cmp(&(other, than)));
        let held = |(account, login, number, subscriber): (AccountId, Login, u64, Arc<dyn Subscriber>)| Held {
            account,
            login,
            number,
            peer: subscriber.peer(),
        };
        all.into_iter().map(held).collect()
    }

    /// How many accounts are online.
    #[must_use]
    pub fn accounts_online(&self) -> usize {
        self.lock().online.values().filter(|online| online.status() == Status::Online).count()
    }
}

fn new_key(taken: &mut HashSet<SessionKey>) -> Result<SessionKey, getrandom::Error> {
    loop {
        let mut bytes = [0; SessionKey::LEN];
        getrandom::fill(&mut bytes)?;
        if let Some(key) = SessionKey::new(bytes)
            && taken.insert(key)
        {
            return Ok(key);
        }
    }
}

#[cfg(test)]
mod tests {
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
        let numbers: Vec<_> =
            sessions.list(None).into_iter().map(|held| (held.login.to_string(), held.number)).collect();
        assert_eq!(numbers, [("ann".to_owned(), 1), ("ann".to_owned(), 2), ("bob".to_owned(), 3)]);
        assert_eq!(sessions.list(Some(other.account)).len(), 1);
        assert_eq!(sessions.dismiss_one(2, Dismissal::Killed).sessions(), 1);
        assert_eq!(sessions.dismiss_one(4, Dismissal::Killed).sessions(), 0);
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
}
