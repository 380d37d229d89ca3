//! The keeper, and a systemd that does not always listen.

use super::*;
use crate::host::notify::Notifier;
use std::os::fd::AsFd;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::PathBuf;

/// Longer than any machine is busy. What is waited for comes at once, or never.
const NEVER: Duration = Duration::from_mins(1);

struct Connection(UnixStream);

impl Descriptor for Connection {
    fn descriptor(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn connection() -> Arc<dyn Descriptor> {
    Arc::new(Connection(UnixStream::pair().unwrap().0))
}

struct Scene {
    roll: Arc<Roll>,
    keeper: Keeper,
    path: PathBuf,
    _folder: tempfile::TempDir,
}

impl Scene {
    /// The store has descriptors of these lines. systemd does not listen yet.
    fn new(roll: Roll, stored: &[usize]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let store = DescriptorStore::new(Notifier::to(path.as_os_str()).unwrap(), 100).unwrap();
        let roll = Arc::new(roll);
        let keeper = Keeper::start(store, Arc::clone(&roll), stored).unwrap();
        Self { roll, keeper, path, _folder: folder }
    }

    fn systemd(&self) -> UnixDatagram {
        let systemd = UnixDatagram::bind(&self.path).unwrap();
        systemd.set_read_timeout(Some(NEVER)).unwrap();
        systemd
    }

    fn line(&self, index: usize) -> Line {
        Line::new(Arc::clone(&self.roll), self.keeper.tasks(), index)
    }

    /// Waits until one of the first lines is free, and takes it.
    fn next_of_the_first(&self, count: usize) -> usize {
        let began = Instant::now();
        while began.elapsed() < NEVER {
            let index = self.roll.enter(0).unwrap();
            if index <= count {
                return index;
            }
            self.roll.give_back(index);
            std::thread::yield_now();
        }
        panic!("none of the first {count} lines was given back");
    }
}

fn roll(connections: usize) -> Roll {
    let roll = Roll::create().unwrap();
    (1..=connections).for_each(|index| assert_eq!(roll.enter(0), Some(index)));
    roll
}

fn hear(systemd: &UnixDatagram) -> String {
    let mut bytes = [0; 4096];
    let length = systemd.recv(&mut bytes).unwrap();
    String::from_utf8(bytes[..length].to_vec()).unwrap()
}

#[test]
fn a_line_is_given_to_the_next_when_systemd_has_heard_that_the_one_before_is_gone() {
    let scene = Scene::new(roll(2), &[1]);
    drop(scene.line(1));
    // Of this one there is nothing to be told.
    drop(scene.line(2));
    assert_eq!(scene.next_of_the_first(2), 2);
    assert_eq!(scene.roll.enter(0), Some(3), "what 1 had is still in the store");
    let systemd = scene.systemd();
    assert_eq!(hear(&systemd), "FDSTOREREMOVE=1\nFDNAME=c1\n");
    assert_eq!(scene.next_of_the_first(2), 1);
}

#[test]
fn a_connection_that_systemd_did_not_take_is_stored_later() {
    let scene = Scene::new(roll(3), &[]);
    let (one, two) = (connection(), connection());
    let (line, short, last) = (scene.line(1), scene.line(2), scene.line(3));
    line.keep_now(Arc::downgrade(&one));
    short.keep_now(Arc::downgrade(&two));
    // That one is not waited for.
    drop(two);
    drop(short);
    drop(last);
    assert_eq!(scene.next_of_the_first(3), 2);
    assert_eq!(scene.next_of_the_first(3), 3);
    let systemd = scene.systemd();
    assert_eq!(hear(&systemd), "FDSTORE=1\nFDNAME=c1\nFDPOLL=0\n");
    drop((one, line));
    assert_eq!(hear(&systemd), "FDSTOREREMOVE=1\nFDNAME=c1\n");
}

#[test]
fn what_has_waited_until_the_end_is_told_at_the_end() {
    let scene = Scene::new(roll(3), &[2]);
    let connection = connection();
    let line = scene.line(1);
    line.keep_now(Arc::downgrade(&connection));
    drop(scene.line(2));
    drop(scene.line(3));
    assert_eq!(scene.next_of_the_first(3), 3);
    let systemd = scene.systemd();
    scene.keeper.finish().unwrap();
    let mut heard = [hear(&systemd), hear(&systemd)];
    heard.sort();
    assert_eq!(heard, ["FDSTORE=1\nFDNAME=c1\nFDPOLL=0\n", "FDSTOREREMOVE=1\nFDNAME=c2\n"]);
}

/// Each of them would wait for a second.
#[test]
fn a_systemd_whose_queue_is_full_does_not_hold_up_the_end() {
    let scene = Scene::new(roll(100), &[]);
    let systemd = scene.systemd();
    let others = UnixDatagram::unbound().unwrap();
    others.set_nonblocking(true).unwrap();
    while others.send_to(b"READY=1", &scene.path).is_ok() {}
    let connections: Vec<_> = (1..=100).map(|index| (connection(), scene.line(index))).collect();
    for (connection, line) in &connections {
        line.keep_soon(Arc::downgrade(connection));
    }
    scene.keeper.finish().unwrap();
    systemd.set_nonblocking(true).unwrap();
    let mut buffer = [0; 4096];
    while let Ok(length) = systemd.recv(&mut buffer) {
        assert_eq!(&buffer[..length], b"READY=1");
    }
}

#[test]
fn what_is_stored_under_the_name_of_a_free_line_is_taken_out_first() {
    let roll = roll(2);
    roll.leave(1);
    let scene = Scene::new(roll, &[1, 2]);
    let systemd = scene.systemd();
    assert_eq!(hear(&systemd), "FDSTOREREMOVE=1\nFDNAME=c1\n");
    assert_eq!(scene.next_of_the_first(2), 1);
}

#[test]
fn a_line_has_three_tasks_at_the_most() {
    let (tasks, received) = channel();
    let line = Line::new(Arc::new(roll(1)), tasks, 1);
    let connection = connection();
    for _log_in in 0..10 {
        line.keep_soon(Arc::downgrade(&connection));
        line.keep_now(Arc::downgrade(&connection));
    }
    drop(line);
    assert_eq!(received.iter().count(), 3);
}
