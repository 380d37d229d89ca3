//! From one process to the next, both of them here.

use super::*;
use crate::handover::roll::Roll;
use crate::handover::state::{self, State as LeftState};
use crate::handover::{Descriptor, Handover};
use crate::host::descriptor_store::DescriptorStore;
use crate::host::notify::Notifier;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;

/// What stands in for systemd: a socket that takes all it is told, and the roll, which it would keep.
struct Systemd {
    notifier: Notifier,
    roll: OwnedFd,
    _socket: UnixDatagram,
    _folder: tempfile::TempDir,
}

impl Systemd {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        let notifier = Notifier::to(path.as_os_str()).unwrap();
        let roll = Roll::create().unwrap().file().try_clone_to_owned().unwrap();
        Self { notifier, roll, _socket: socket, _folder: folder }
    }

    fn roll(&self) -> Roll {
        Roll::open(self.roll.try_clone().unwrap()).unwrap()
    }

    fn handover(&self, lines: &[usize]) -> Handover {
        let store = DescriptorStore::new(self.notifier.clone(), 100).unwrap();
        Handover::begin(store, self.roll(), lines).unwrap()
    }
}

/// Whether the connection's line says that it stands between two packets.
fn is_settled(systemd: &Systemd) -> bool {
    systemd.roll().entry(1).unwrap().settled
}

impl Scene {
    /// The process ends here, having written down this state or not, and the next goes on.
    fn next_process(&mut self, systemd: &Systemd, left: Option<state::Connection>) {
        let socket = self.connection.descriptor().try_clone_to_owned().unwrap();
        let store = self.connection.shared.core.store.clone();
        // Nothing of the first process cleans up.
        std::mem::forget(Arc::clone(&self.connection));
        let entry = systemd.roll().entry(1).unwrap();
        let left = left.unwrap_or_else(|| {
            assert!(entry.settled);
            let session = entry.session.map(|(account, key)| Session { account, login: login("ann"), key });
            Connection::after_a_crash(1, session.as_ref(), entry.written)
        });
        let shared = shared(store, Some(systemd.handover(&[1])));
        let line = Arc::new(shared.handover.as_ref().unwrap().take_up(1));
        let (stream, peer) = Stream::inherited(socket).unwrap();
        self.connection = Connection::restore(stream, peer, shared, line, left).unwrap();
        self.connection.wake();
    }

    fn keep(&self) -> state::Connection {
        let kept = self.connection.keep().unwrap();
        let state = LeftState { connections: vec![kept], ..LeftState::default() };
        LeftState::decode(&state.encode()).unwrap().connections.remove(0)
    }
}

#[tokio::test]
async fn a_session_goes_on_in_the_next_process_with_all_that_waited() {
    let systemd = Systemd::new();
    let mut scene = Scene::with(Some(systemd.handover(&[]))).await;
    scene.log_in(Seq(0));
    assert_eq!(scene.read().await[0], 1);
    scene.connection.notify(scene.ann, &Event::ContactStatus(login("bob"), Status::Online));
    // Under way is the status; behind it wait an answer, mail, and more news.
    scene.connection.begin_answer().unwrap();
    scene.connection.end_answer(Outcome { reply: Reply::Contacts(Vec::new()), session: SessionChange::Keep });
    scene.write("one").await;
    scene.connection.notify(scene.ann, &Event::ContactStatus(login("cid"), Status::Online));
    let key = scene.connection.session_key();

    let left = scene.keep();
    scene.next_process(&systemd, Some(left));
    assert_eq!(scene.connection.session_key(), key);
    assert_eq!(scene.connection.shared.core.sessions.status(scene.ann), Status::Online);
    assert_eq!(scene.read().await, b"\x05bob\r\x01");
    assert_eq!(scene.read().await, b"\x03\x01");
    assert_eq!(scene.read().await, b"\x05cid\r\x01");
    assert_eq!(scene.read().await, b"\x02bob\rone");
    scene.write("two").await;
    assert_eq!(scene.read().await, b"\x02bob\rtwo");
    assert_eq!(scene.cursor().await, Seq(2));
}

#[tokio::test]
async fn mail_that_was_under_way_comes_once_and_counts_when_it_was_taken() {
    let systemd = Systemd::new();
    let mut scene = Scene::with(Some(systemd.handover(&[]))).await;
    scene.log_in(Seq(0));
    assert_eq!(scene.read().await[0], 1);
    scene.write("under way").await;
    while scene.connection.lock().outbox.mail_under_way(scene.ann).is_none() {
        yield_now().await;
        scene.connection.settle();
    }
    for orderly in [true, false] {
        let left = orderly.then(|| scene.keep());
        scene.next_process(&systemd, left);
        scene.connection.settle();
        assert_eq!(scene.cursor().await, Seq(0), "nobody has read it");
    }
    assert_eq!(scene.read().await, b"\x02bob\runder way");
    scene.connection.settle();
    assert_eq!(scene.cursor().await, Seq(1));
    scene.write("next").await;
    assert_eq!(scene.read().await, b"\x02bob\rnext");
}

#[tokio::test]
async fn the_roll_says_at_each_moment_whether_a_crash_would_cut_something_short() {
    let systemd = Systemd::new();
    let mut scene = Scene::with(Some(systemd.handover(&[]))).await;
    scene.connection.settle();
    assert!(is_settled(&systemd));
    assert_eq!(systemd.roll().entry(1).unwrap().session, None);

    // A request has been read: what becomes of it, only this process knows.
    scene.peer.write_all(b"\x03").unwrap();
    assert_eq!(scene.connection.try_read(&mut [0; 10]).unwrap(), Some(1));
    assert!(!is_settled(&systemd));
    scene.connection.lock().answering = false;
    assert!(is_settled(&systemd));

    // Two answers: the second waits until the first was taken.
    scene.log_in(Seq(0));
    scene.connection.begin_answer().unwrap();
    scene.connection.end_answer(Outcome { reply: Reply::Contacts(Vec::new()), session: SessionChange::Keep });
    assert!(!is_settled(&systemd));
    assert_eq!(scene.read().await[0], 1);
    assert_eq!(scene.read().await, b"\x03\x01");
    assert!(is_settled(&systemd));
    let session = scene.connection.lock().session.clone().unwrap();
    assert_eq!(systemd.roll().entry(1).unwrap().session, Some((scene.ann, session.key)));

    // Mail waits in its mailbox, however much: after a crash it is read from there.
    scene.write("one").await;
    scene.write("two").await;
    while scene.connection.lock().outbox.mail_under_way(scene.ann).is_none() {
        yield_now().await;
        scene.connection.settle();
    }
    assert!(is_settled(&systemd));
    assert_eq!(systemd.roll().entry(1).unwrap().written, Seq(1));
    assert_eq!(scene.read().await, b"\x02bob\rone");

    // Bob is about to log in here: contacts may hear of it before the session stands.
    scene.connection.expect(scene.bob);
    assert_eq!(systemd.roll().entry(1).unwrap().accounts().collect::<Vec<_>>(), [scene.ann, scene.bob]);

    // The end, of which contacts have to be told before the line is anybody else's.
    scene.peer = UnixStream::pair().unwrap().0;
    let shared = Arc::clone(&scene.connection.shared);
    let connection = std::mem::replace(&mut scene.connection, Scene::new().await.connection);
    serve(connection).await;
    assert!(systemd.roll().entry(1).is_some(), "nobody has been told");
    let announcing = tokio::spawn(async move {
        let core = &shared.core;
        crate::notifier::announce(&core.sessions, &core.store, || core.accounts.contacts_policy()).await;
    });
    while systemd.roll().entry(1).is_some() {
        yield_now().await;
    }
    announcing.abort();
}

#[tokio::test]
async fn a_request_that_was_half_read_is_gone_on_with() {
    let systemd = Systemd::new();
    let mut scene = Scene::with(Some(systemd.handover(&[]))).await;
    let serving = tokio::spawn(serve(Arc::clone(&scene.connection)));
    let half = [b"\x00ann@example.org\rcarla\r", "p".repeat(600).as_bytes()].concat();
    scene.peer.write_all(&half).unwrap();
    while !scene.connection.lock().answering {
        yield_now().await;
    }
    // It waits for more, and more comes after the stop: still no end of the request.
    scene.connection.shared.stop.cancel();
    scene.peer.write_all(b"more").unwrap();
    scene.connection.shared.connections.rouse_all();
    serving.await.unwrap();
    assert!(!is_settled(&systemd));
    let left = scene.keep();
    assert_eq!(left.unread, [&half[..], b"more"].concat());
    assert_eq!(left.burst, left.unread.len() as u64);

    // Stopped again, before anything else has come.
    scene.next_process(&systemd, Some(left.clone()));
    scene.connection.shared.stop.cancel();
    serve(Arc::clone(&scene.connection)).await;
    assert_eq!(scene.keep(), left);

    scene.next_process(&systemd, Some(left));
    scene.peer.write_all(b" and the end").unwrap();
    scene.peer.shutdown(std::net::Shutdown::Write).unwrap();
    serve(Arc::clone(&scene.connection)).await;
    assert_eq!(scene.read().await, [0, 0], "one request");
}

#[tokio::test]
async fn requests_that_lie_in_the_kernel_at_the_stop_are_taken_once_and_in_order() {
    let systemd = Systemd::new();
    let mut scene = Scene::with(Some(systemd.handover(&[]))).await;
    scene.log_in(Seq(0));
    assert_eq!(scene.read().await[0], 1);
    let key = scene.connection.session_key().unwrap().bytes();
    let text = "x".repeat(10_000);
    for number in 0..12 {
        let request = [b"\x06", &key[..], b"\rbob\r", format!("{number} {text}").as_bytes()].concat();
        scene.peer.write_all(&request).unwrap();
    }
    // More than is taken at once: in the middle of the rest, this process ends.
    scene.connection.shared.stop.cancel();
    serve(Arc::clone(&scene.connection)).await;
    let left = scene.keep();
    assert!(!left.unread.is_empty() && left.unread.len() < text.len(), "{}", left.unread.len());
    scene.next_process(&systemd, Some(left));
    scene.peer.shutdown(std::net::Shutdown::Write).unwrap();
    serve(Arc::clone(&scene.connection)).await;
    let limits = crate::store::PageLimits { entries: 100, bytes: usize::MAX };
    let store = &scene.connection.shared.core.store;
    let page = store.mailbox_page(scene.bob, Seq(0), limits).await.unwrap();
    let numbers: Vec<_> = page.entries.iter().map(|entry| entry.message.text.split(' ').next().unwrap()).collect();
    assert_eq!(numbers, ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11"]);
}

#[tokio::test]
async fn what_a_peer_that_is_read_slowly_has_sent_is_read_by_the_next_process() {
    let systemd = Systemd::new();
    let mut scene = Scene::with(Some(systemd.handover(&[]))).await;
    scene.log_in(Seq(0));
    assert_eq!(scene.read().await[0], 1);
    let key = scene.connection.session_key().unwrap().bytes();
    let now = Instant::now();
    while scene.connection.debt().is_none() {
        scene.connection.spend(now);
    }
    scene.connection.requests.spend(Budget { burst: 1, refill: Duration::from_hours(1) }, now);
    scene.peer.write_all(&[b"\x06", &key[..], b"\rbob\rlate"].concat()).unwrap();
    scene.connection.shared.stop.cancel();
    serve(Arc::clone(&scene.connection)).await;
    let limits = crate::store::PageLimits { entries: 100, bytes: usize::MAX };
    let store = scene.connection.shared.core.store.clone();
    assert!(store.mailbox_page(scene.bob, Seq(0), limits).await.unwrap().entries.is_empty());
    let left = scene.keep();
    scene.next_process(&systemd, Some(left));
    scene.peer.shutdown(std::net::Shutdown::Write).unwrap();
    serve(Arc::clone(&scene.connection)).await;
    let page = store.mailbox_page(scene.bob, Seq(0), limits).await.unwrap();
    assert!(page.entries.iter().map(|entry| &*entry.message.text).eq(["late"]));
}

#[tokio::test]
async fn what_no_process_of_ours_would_have_left_is_refused() {
    let systemd = Systemd::new();
    let scene = Scene::with(Some(systemd.handover(&[]))).await;
    let shared = Arc::clone(&scene.connection.shared);
    let status =
        |contact: &str| state::Packet { bytes: Vec::new(), kind: state::Kind::Status(contact.into()), long: false };
    let mail = state::Packet { bytes: Vec::new(), kind: state::Kind::Mail(1, 1), long: false };
    let session = |login: &str, key| state::Session { account: scene.ann.0, login: login.into(), key };
    let odd = [
        state::Connection { unread: vec![0; 10 << 20], ..Default::default() },
        state::Connection { waiting: vec![status("no:login")], ..Default::default() },
        state::Connection { waiting: vec![mail], ..Default::default() },
        state::Connection { session: Some(session("no:login", [1; 4])), ..Default::default() },
        state::Connection { session: Some(session("ann", *b"\r123")), ..Default::default() },
    ];
    for left in odd {
        let socket = scene.connection.descriptor().try_clone_to_owned().unwrap();
        let line = Arc::new(shared.handover.as_ref().unwrap().enter(0).unwrap());
        let (stream, peer) = Stream::inherited(socket).unwrap();
        assert!(Connection::restore(stream, peer, Arc::clone(&shared), line, left.clone()).is_err(), "{left:?}");
        assert_eq!(shared.core.sessions.accounts_online(), 0);
    }
}
