//! One connection with its peer and its store in our hands: what happens between two steps, which no scene can hold
//! still.

mod figures;
mod kept;

use super::*;
use crate::accounts::Accounts;
use crate::domain::{AccountId, Email, Event, Login, Message, Reply, Status, UnixMillis};
use crate::sessions::Dismissal;
use crate::store::{Committed, Draft, NewAccount, Options, Store};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use tokio::sync::mpsc;
use tokio::task::yield_now;

/// A connection over a UNIX socket: what the peer has taken is what it has read.
struct Scene {
    connection: Arc<Connection>,
    committed: mpsc::Receiver<Vec<Committed>>,
    peer: UnixStream,
    ann: AccountId,
    bob: AccountId,
    _folder: tempfile::TempDir,
}

fn login(text: &str) -> Login {
    Login::parse(text).unwrap()
}

async fn sign_up(store: &Store, text: &str) -> AccountId {
    let email = Email::parse("somebody@example.org").unwrap();
    let account =
        NewAccount { login: login(text), email, password_hash: String::new(), created_at: UnixMillis(0), invite: None };
    store.add_user(account).await.unwrap().unwrap()
}

/// Serves a connection until it, or the daemon, ends it.
async fn serve(connection: Arc<Connection>) {
    let connections = &connection.shared.connections;
    connections.take_up(&connection);
    tokio::select! {
        broken = connections.run() => panic!("{broken:?}"),
        () = connections.wait_until_empty() => {}
    }
}

fn shared(store: Store, handover: Option<Handover>) -> Arc<Shared> {
    let mut settings = Settings::default();
    // Long enough for a scene to do something in.
    settings.classic.request_gap = Duration::from_secs(5);
    let settings = Live::new(settings);
    let accounts = Accounts::start(store.clone(), settings.clone()).unwrap();
    Shared::new(Core { accounts, sessions: Arc::default(), store }, settings, handover).unwrap()
}

impl Scene {
    async fn new() -> Self {
        Self::with(None).await
    }

    /// With a line in the roll, if there is one.
    async fn with(handover: Option<Handover>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = Options {
            directory: folder.path().to_owned(),
            sync_every_commit: false,
            readers: 1,
            batch_max: 1,
            busy_timeout: Duration::ZERO,
        };
        let progress: crate::store::Progress = Arc::new(|| {});
        let (store, committed) = Store::open(&options, &progress).unwrap();
        let (ann, bob) = (sign_up(&store, "ann").await, sign_up(&store, "bob").await);
        let shared = shared(store, handover);
        let (ours, peer) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        peer.set_nonblocking(true).unwrap();
        let stream = Stream::Unix(ours);
        let root = Peer::Unix { user: 0 };
        let connection = Connection::new(stream, root, shared.connections.sources.seat(root.into()), shared);
        Self { connection, committed, peer, ann, bob, _folder: folder }
    }

    /// A log-in of Ann's that found her mailbox's cursor here.
    fn log_in(&self, cursor: Seq) {
        self.connection.begin_answer().unwrap();
        self.logged_in(cursor);
    }

    fn logged_in(&self, cursor: Seq) {
        let subscriber: Arc<Connection> = Arc::clone(&self.connection);
        let session = self.connection.shared.core.sessions.sign_in(self.ann, login("ann"), subscriber).unwrap();
        let reply = Reply::LoggedIn(session.key);
        self.connection.end_answer(Outcome { reply, session: SessionChange::Begin(session, cursor) });
    }

    /// Bob writes to Ann, and her session hears of it.
    async fn write(&mut self, text: &str) {
        let message =
            Message { sender: login("bob"), recipient: login("ann"), sent_at: UnixMillis(0), text: text.into() };
        let draft = Draft { sender: self.bob, message: Arc::new(message) };
        assert!(self.connection.shared.core.store.add_message(draft).await.unwrap());
        while let Ok(batch) = self.committed.try_recv() {
            batch.into_iter().filter(|committed| committed.account == self.ann).for_each(|committed| {
                self.connection.notify(self.ann, &Event::Mail(committed.entry));
            });
        }
    }

    /// The next packet, taken with that.
    async fn read(&mut self) -> Vec<u8> {
        let mut buffer = [0; 100];
        loop {
            match self.peer.read(&mut buffer) {
                Ok(size) => {
                    self.connection.settle();
                    return buffer[..size].to_vec();
                }
                Err(_) => yield_now().await,
            }
            self.connection.settle();
        }
    }

    async fn cursor(&self) -> Seq {
        self.connection.shared.core.store.cursor(self.ann).await.unwrap()
    }
}

#[tokio::test]
async fn what_was_written_here_while_a_log_in_was_under_way_does_not_come_again() {
    let mut scene = Scene::new().await;
    scene.log_in(Seq(0));
    assert_eq!(scene.read().await[0], 1);
    scene.write("one").await;
    assert_eq!(scene.read().await, b"\x02bob\rone");
    // It was taken after the log-in had looked.
    scene.log_in(Seq(0));
    assert_eq!(scene.read().await[0], 1);
    scene.write("two").await;
    while scene.connection.lock().outbox.mail_under_way(scene.ann).is_none() {
        yield_now().await;
        scene.connection.settle();
    }
    // And this is under way.
    scene.log_in(Seq(1));
    assert_eq!(scene.read().await, b"\x02bob\rtwo");
    assert_eq!(scene.read().await[0], 1);
    scene.write("three").await;
    assert_eq!(scene.read().await, b"\x02bob\rthree");
}

#[tokio::test]
async fn the_answer_that_begins_a_session_comes_before_all_that_the_session_is_told() {
    let mut scene = Scene::new().await;
    scene.write("waiting").await;
    scene.connection.begin_answer().unwrap();
    scene.logged_in(Seq(0));
    scene.write("new").await;
    assert_eq!(scene.read().await[0], 1);
    assert_eq!(scene.read().await, b"\x02bob\rwaiting");
    assert_eq!(scene.read().await, b"\x02bob\rnew");
}

#[tokio::test]
async fn a_status_that_changes_while_a_list_with_it_is_made_is_told_behind_the_list() {
    let mut scene = Scene::new().await;
    scene.log_in(Seq(0));
    assert_eq!(scene.read().await[0], 1);
    scene.connection.begin_answer().unwrap();
    let list = Reply::Contacts(vec![(login("bob"), Status::Offline)]);
    scene.connection.notify(scene.ann, &Event::ContactStatus(login("bob"), Status::Online));
    scene.connection.end_answer(Outcome { reply: list, session: SessionChange::Keep });
    assert_eq!(scene.read().await, b"\x03\0\rbob\r\0");
    assert_eq!(scene.read().await, b"\x05bob\r\x01");
}

#[tokio::test]
async fn what_a_peer_had_not_read_when_it_closed_was_not_taken_whoever_notices_first() {
    for noticed_by_the_pacer in [false, true] {
        let mut scene = Scene::new().await;
        scene.log_in(Seq(0));
        assert_eq!(scene.read().await[0], 1);
        scene.write("unread").await;
        while scene.connection.lock().outbox.mail_under_way(scene.ann).is_none() {
            scene.connection.settle();
            yield_now().await;
        }
        scene.peer = UnixStream::pair().unwrap().0;
        if noticed_by_the_pacer {
            scene.connection.settle();
        }
        serve(Arc::clone(&scene.connection)).await;
        scene.connection.settle();
        assert_eq!(scene.cursor().await, Seq(0));
        assert_eq!(scene.connection.shared.core.sessions.accounts_online(), 0);
    }
}

#[tokio::test]
async fn a_visit_of_the_pacer_that_was_moved_forward_leads_to_no_other() {
    let mut scene = Scene::new().await;
    scene.log_in(Seq(0));
    assert_eq!(scene.read().await[0], 1);
    scene.write("unread").await;
    while scene.connection.lock().outbox.mail_under_way(scene.ann).is_none() {
        scene.connection.settle();
        yield_now().await;
    }
    let pacer = &scene.connection.shared.pacer;
    let (later, sooner) = (Instant::now() + Duration::from_hours(1), Instant::now());
    {
        let mut state = scene.connection.lock();
        state.paced = None;
        scene.connection.pace(&mut state, later);
        scene.connection.pace(&mut state, sooner);
    }
    let before = pacer.visits();
    scene.connection.paced(sooner);
    assert_eq!(pacer.visits(), before + 1);
    scene.connection.paced(later);
    assert_eq!(pacer.visits(), before + 1);
}

#[tokio::test]
async fn looking_whether_a_peer_has_said_something_does_not_forget_what_it_left_unread() {
    let (ours, peer) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    let stream = Stream::Unix(ours);
    assert_eq!(outbox::Link::try_write(&stream, b"unread").unwrap(), 6);
    drop(peer);
    assert!(!outbox::Link::has_unread(&stream));
    assert_eq!(outbox::Link::untaken(&stream).unwrap_err().kind(), io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn one_that_is_over_before_it_has_its_place_takes_none() {
    let scene = Scene::new().await;
    // As when the process before has left something to be written, and the peer is gone.
    scene.connection.fail(io::ErrorKind::BrokenPipe.into());
    while !scene.connection.place.has_left() {
        yield_now().await;
    }
    serve(Arc::clone(&scene.connection)).await;
    assert!(scene.connection.shared.connections.is_empty());
    let references = Arc::strong_count(&scene.connection);
    assert_eq!(references, 1, "the table holds it");
}

#[tokio::test]
async fn one_whose_session_has_begun_is_no_stranger_any_more() {
    let scene = Scene::new().await;
    scene.log_in(Seq(0));
    // It was picked a moment before that.
    assert!(!strangers::end_stranger(&scene.connection, End::MadeRoom));
    assert!(scene.connection.lock().end.is_none());
}

/// Between the log-in and the moment in which the connection takes it up.
#[tokio::test]
async fn a_session_that_was_ended_before_its_connection_had_it_ends_when_it_has() {
    let mut scene = Scene::new().await;
    let sessions = Arc::clone(&scene.connection.shared.core.sessions);
    scene.connection.begin_answer().unwrap();
    let subscriber: Arc<Connection> = Arc::clone(&scene.connection);
    let session = sessions.sign_in(scene.ann, login("ann"), subscriber).unwrap();
    assert_eq!(sessions.dismiss(scene.ann, None, Dismissal::Disabled).sessions(), 1);
    assert!(scene.connection.lock().end.is_none(), "it has no session yet");
    let reply = Reply::LoggedIn(session.key);
    scene.connection.end_answer(Outcome { reply, session: SessionChange::Begin(session, Seq(0)) });
    assert!(matches!(scene.connection.lock().end.as_deref(), Some(End::Dismissed(Dismissal::Disabled))));
    // One that nobody ended goes on.
    let mut other = Scene::new().await;
    other.log_in(Seq(0));
    assert!(other.connection.lock().end.is_none());
    assert_eq!((other.read().await[0], scene.read().await[0]), (1, 1));
}
