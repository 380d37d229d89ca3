//! A process finds what another has left.

use super::*;
use crate::domain::{Seq, SessionKey};
use crate::handover::{Descriptor, Handover};
use crate::host::notify::Notifier;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::sync::Arc;

const ANN: AccountId = AccountId(7);
const BOB: AccountId = AccountId(8);

/// A process that has ended, and what systemd has of it: two connections with sessions, on lines 1 and 2.
struct Scene {
    roll: Roll,
    ann: (UnixStream, UnixStream),
    bob: (UnixStream, UnixStream),
    store: DescriptorStore,
    systemd: UnixDatagram,
    folder: tempfile::TempDir,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let systemd = UnixDatagram::bind(&path).unwrap();
        let store = DescriptorStore::new(Notifier::to(path.as_os_str()).unwrap(), 100).unwrap();
        let roll = Roll::create().unwrap();
        let connect = |account, key| {
            let (ours, peer) = UnixStream::pair().unwrap();
            let line = roll.enter(SockRef::from(&ours).cookie().unwrap()).unwrap();
            roll.set_session(line, Some((account, SessionKey::new([key; 4]).unwrap())), Seq(0));
            roll.settle(line, Seq(5));
            (ours, peer)
        };
        let (ann, bob) = (connect(ANN, 1), connect(BOB, 2));
        Self { roll, ann, bob, store, systemd, folder }
    }

    fn roll(&self) -> Stored {
        (ROLL.into(), self.roll.file().try_clone_to_owned().unwrap())
    }

    fn state(epoch: u64, lines: &[u32]) -> Stored {
        let connections = lines.iter().map(|line| state::Connection { line: *line, ..Default::default() }).collect();
        (STATE.into(), memory_file::sealed(STATE, &State { epoch, connections, ..State::default() }.encode()).unwrap())
    }

    fn found(&self, more: impl IntoIterator<Item = Stored>) -> Inheritance {
        let ann = ("c1".to_owned(), self.ann.0.try_clone().unwrap().into());
        let bob = ("c2".to_owned(), self.bob.0.try_clone().unwrap().into());
        Inheritance::sort([ann, bob].into_iter().chain(more).collect(), &self.store).unwrap()
    }

    /// systemd hears nothing any more.
    fn deafen(&self) {
        std::fs::remove_file(self.folder.path().join("notify")).unwrap();
    }

    /// What systemd was told to forget.
    fn forgotten(&self) -> Vec<String> {
        self.systemd.set_nonblocking(true).unwrap();
        let mut buffer = [0; 1000];
        let mut names = Vec::new();
        while let Ok(size) = self.systemd.recv(&mut buffer) {
            let notice = String::from_utf8_lossy(&buffer[..size]).into_owned();
            names.extend(notice.strip_prefix("FDSTOREREMOVE=1\nFDNAME=").map(|name| name.trim_end().to_owned()));
        }
        names
    }
}

fn lines(inheritance: &Inheritance) -> Vec<usize> {
    inheritance.kept.iter().map(|kept| kept.line).collect()
}

fn is_closed(mut peer: &UnixStream) -> bool {
    peer.set_nonblocking(true).unwrap();
    matches!(peer.read(&mut [0]), Ok(0))
}

#[test]
fn after_a_crash_settled_connections_go_on_and_the_others_are_closed() {
    let scene = Scene::new();
    scene.roll.unsettle(2);
    let inheritance = scene.found([scene.roll()]);
    assert!(!inheritance.orderly);
    assert_eq!(lines(&inheritance), [1]);
    assert_eq!(inheritance.kept[0].entry.written, Seq(5));
    assert!(inheritance.kept[0].state.is_none() && !is_closed(&scene.ann.1));
    assert_eq!(inheritance.gone, [Gone { account: BOB, line: 2 }]);
    assert!(is_closed(&scene.bob.1));
    assert_eq!(scene.forgotten(), ["c2"]);
    assert_eq!(inheritance.stored, [1]);
}

#[test]
fn after_an_orderly_stop_the_state_says_who_goes_on() {
    let scene = Scene::new();
    let inheritance = scene.found([scene.roll(), Scene::state(0, &[2])]);
    assert!(inheritance.orderly);
    assert_eq!(lines(&inheritance), [2]);
    assert!(inheritance.kept[0].state.is_some());
    assert_eq!(inheritance.gone, [Gone { account: ANN, line: 1 }]);
    assert!(is_closed(&scene.ann.1));
    assert_eq!(scene.forgotten(), ["state", "c1"]);
}

#[test]
fn a_state_of_an_earlier_process_is_out_of_date() {
    let scene = Scene::new();
    let state = Scene::state(0, &[1]);
    let again = (STATE.to_owned(), state.1.try_clone().unwrap());
    assert!(scene.found([scene.roll(), state]).orderly);
    // That process crashed before systemd had forgotten the state.
    let inheritance = scene.found([scene.roll(), again]);
    assert!(!inheritance.orderly);
    assert_eq!(inheritance.kept.len(), 1, "by the roll");
}

#[test]
fn a_state_that_is_odd_leaves_the_roll() {
    for odd in [&b"something else"[..], &[]] {
        let scene = Scene::new();
        let state = (STATE.to_owned(), memory_file::sealed(STATE, odd).unwrap());
        let inheritance = scene.found([scene.roll(), state]);
        assert_eq!(lines(&inheritance), [1, 2]);
        assert_eq!(scene.forgotten(), ["state"]);
    }
}

#[test]
fn without_a_roll_nothing_is_known_of_any_connection() {
    for odd in [None, Some((ROLL.to_owned(), memory_file::sealed(ROLL, b"no roll").unwrap()))] {
        let scene = Scene::new();
        let inheritance = scene.found(odd.into_iter().chain([Scene::state(0, &[1, 2])]));
        assert!(inheritance.kept.is_empty() && inheritance.gone.is_empty());
        assert!(is_closed(&scene.ann.1) && is_closed(&scene.bob.1));
        assert_eq!(inheritance.roll.taken().count(), 0);
    }
}

#[test]
fn a_socket_under_the_name_of_another_is_closed() {
    let mut scene = Scene::new();
    let (stranger, peer) = UnixStream::pair().unwrap();
    scene.bob.0 = stranger;
    let inheritance = scene.found([scene.roll()]);
    assert_eq!(lines(&inheritance), [1]);
    assert_eq!(inheritance.gone, [Gone { account: BOB, line: 2 }]);
    assert!(is_closed(&peer));
}

#[test]
fn names_that_nobody_knows_and_lines_without_a_socket_are_let_go() {
    let scene = Scene::new();
    let session = Some((AccountId(9), SessionKey::new([9; 4]).unwrap()));
    let line = scene.roll.enter(1).unwrap();
    scene.roll.set_session(line, session, Seq(0));
    let (stranger, peer) = UnixStream::pair().unwrap();
    let inheritance = scene.found([scene.roll(), ("who".into(), stranger.into())]);
    assert_eq!(lines(&inheritance), [1, 2]);
    assert_eq!(inheritance.gone, [Gone { account: AccountId(9), line }]);
    assert!(is_closed(&peer));
    assert_eq!(scene.forgotten(), ["who"]);
}

#[test]
fn of_two_sockets_of_one_name_the_one_with_the_cookie_goes_on_and_is_stored_anew() {
    for stranger_is_first in [true, false] {
        let scene = Scene::new();
        let (stranger, peer) = UnixStream::pair().unwrap();
        let own = ("c2".to_owned(), scene.bob.0.try_clone().unwrap().into());
        let mut found = vec![("c2".to_owned(), stranger.into()), own, scene.roll(), Scene::state(0, &[2])];
        if !stranger_is_first {
            found.swap(0, 1);
        }
        let mut inheritance = Inheritance::sort(found, &scene.store).unwrap();
        let kept = inheritance.kept.remove(0);
        assert_eq!((kept.line, kept.state.map(|state| state.line)), (2, Some(2)));
        assert_eq!(SockRef::from(&kept.socket).cookie().unwrap(), kept.entry.cookie);
        assert!(is_closed(&peer) && !is_closed(&scene.bob.1));
        // systemd has forgotten both.
        assert_eq!(scene.forgotten(), ["state", "c2"]);
        assert_eq!(inheritance.stored, [0; 0]);

        let handover = Handover::begin(scene.store, inheritance.roll, &inheritance.stored).unwrap();
        let connection: Arc<dyn Descriptor> = Arc::new(kept.socket);
        let line = handover.take_up(2);
        line.keep_now(Arc::downgrade(&connection));
        scene.systemd.set_nonblocking(false).unwrap();
        let mut buffer = [0; 1000];
        for expected in ["FDSTORE=1\nFDNAME=roll\nFDPOLL=0\n", "FDSTORE=1\nFDNAME=c2\nFDPOLL=0\n"] {
            let size = scene.systemd.recv(&mut buffer).unwrap();
            assert_eq!(String::from_utf8_lossy(&buffer[..size]), expected);
        }
    }
}

impl Descriptor for OwnedFd {
    fn descriptor(&self) -> BorrowedFd<'_> {
        self.as_fd()
    }
}

#[test]
fn of_two_rolls_and_two_states_those_count_that_can_be_used_and_no_other_stays() {
    let odd = |name: &str| (name.to_owned(), memory_file::sealed(name, b"odd").unwrap());
    for odd_ones_are_first in [true, false] {
        let scene = Scene::new();
        let mut found = vec![odd(ROLL), odd(STATE), scene.roll(), Scene::state(0, &[2])];
        if !odd_ones_are_first {
            found.rotate_left(2);
        }
        let inheritance = scene.found(found);
        assert!(inheritance.orderly);
        assert_eq!(lines(&inheritance), [2]);
        assert_eq!(scene.forgotten(), ["roll", "state", "c1"]);
    }
}

#[test]
fn who_is_gone_stays_on_the_roll_until_the_contacts_were_told() {
    let scene = Scene::new();
    scene.roll.unsettle(2);
    let bob = [Gone { account: BOB, line: 2 }];
    assert_eq!(scene.found([scene.roll()]).gone, bob);
    // A crash, before anybody was told.
    let inheritance = scene.found([scene.roll()]);
    assert_eq!(inheritance.gone, bob);
    let handover = Handover::begin(scene.store, inheritance.roll, &inheritance.stored).unwrap();
    drop(handover.take_up(2));
    let next = Inheritance::sort(
        vec![(ROLL.into(), scene.roll.file().try_clone_to_owned().unwrap())],
        &DescriptorStore::new(Notifier::off(), 1).unwrap(),
    );
    assert_eq!(next.unwrap().gone, [Gone { account: ANN, line: 1 }]);
}

#[test]
fn a_line_of_whose_name_systemd_could_not_be_told_goes_to_nobody() {
    let scene = Scene::new();
    // Line 1 is free, 2 has been cut short, and of 3 the session was not known.
    let (stranger, _peer) = UnixStream::pair().unwrap();
    assert_eq!(scene.roll.enter(0), Some(3));
    scene.roll.leave(1);
    scene.roll.unsettle(2);
    scene.deafen();
    let inheritance = scene.found([scene.roll(), ("c3".to_owned(), stranger.into())]);
    assert_eq!(inheritance.stored, [1, 2, 3]);
    assert_eq!(inheritance.gone, [Gone { account: BOB, line: 2 }]);
    assert_eq!(inheritance.roll.enter(0), Some(4));
}

#[test]
fn a_state_is_out_of_date_before_it_is_read() {
    let scene = Scene::new();
    let odd = (STATE.to_owned(), memory_file::sealed(STATE, b"odd").unwrap());
    scene.deafen();
    assert!(!scene.found([scene.roll(), odd]).orderly);
    assert_eq!(scene.roll.epoch(), 1);
    assert!(!scene.found([scene.roll(), Scene::state(0, &[1])]).orderly);
}
