//! More peers than there may be, more descriptors than there are; peers on a UNIX socket.

use crate::support::{Peer, Person, Scratch, Server, Setup, until};
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// How many records hold this.
fn count(server: &Server, text: &str) -> usize {
    server.records().iter().filter(|record| record.contains(text)).count()
}

#[test]
fn one_connection_more_than_there_may_be_is_closed_at_once_until_another_ends() {
    let server = Setup::new().set("connections.max=2").start();
    let (ann, mut bob) = (server.person("ann"), server.person("bob"));
    for _ in 0..3 {
        server.peer().closed();
    }
    let record = server.logged("as many connections as connections.max allows");
    assert_eq!(record["level"], "WARN");
    // Said once, however many come.
    assert_eq!(count(&server, "connections.max"), 1);
    bob.barrier();
    drop(ann);
    let mut ann = until("a place gets free", || {
        let mut peer = server.peer();
        peer.stream.write_all(b"\x01ann\rsecret of ann").ok()?;
        match peer.read() {
            Ok(packet) if packet.starts_with(&[1, 0, b'\r']) => {
                Some(Person { key: packet[3..7].try_into().unwrap(), peer, login: "ann".to_owned() })
            }
            _ => None,
        }
    });
    ann.write("bob", "let in again");
    bob.hears("ann", "let in again");
    server.peer().closed();
}

#[test]
fn without_descriptors_the_daemon_waits_for_some_and_serves_who_is_there() {
    let server = Setup::new().by(&["prlimit", "--nofile=48:48"]).start();
    let (mut ann, mut bob) = (server.person("ann"), server.person("bob"));
    // The kernel takes them, whether or not the daemon can.
    let mut crowd: Vec<Peer> = (0..60).map(|_| server.peer()).collect();
    let record = server.logged("no connection can be accepted for the moment");
    assert_eq!(record["level"], "ERROR");
    // It goes on trying all this time, and says no more.
    for number in 0..50 {
        ann.write("bob", format!("{number}"));
        bob.hears("ann", format!("{number}"));
    }
    assert_eq!(count(&server, "no connection can be accepted"), 1);
    let mut last = crowd.pop().unwrap();
    drop(crowd);
    last.ask(b"\x01ghost\rwrong guess", &[1, 1]);
    server.person("cat");
}

/// A server that listens on a UNIX socket, and on a port for those who sign up.
fn on_a_path(scratch: &Arc<Scratch>) -> Setup {
    Setup::new().on(scratch).set(&format!("listen.classic=127.0.0.1:0,{}", scratch.path("socket").display()))
}

#[test]
fn people_on_a_unix_socket_and_on_tcp_write_to_each_other() {
    let scratch = Arc::new(Scratch::new());
    let server = on_a_path(&scratch).start();
    let connect = || Peer::connect_unix(&scratch.path("socket"));
    let mut ann = server.person("ann");
    connect().sign_up("bob");
    assert_eq!(ann.add("bob"), 0);
    let mut bob = Person::log_in(connect(), "bob");
    ann.sees("bob", 1);
    let text = "0123456789".repeat(300);
    for number in 0..20 {
        ann.write("bob", format!("{number} {text}"));
        bob.hears("ann", format!("{number} {text}"));
        bob.write("ann", format!("{number}"));
        ann.hears("bob", format!("{number}"));
    }
    drop(bob);
    ann.sees("bob", 0);
}

#[test]
fn what_a_unix_peer_did_not_read_comes_again() {
    let scratch = Arc::new(Scratch::new());
    let server = on_a_path(&scratch).start();
    let mut ann = server.person("ann");
    let connect = || Peer::connect_unix(&scratch.path("socket"));
    connect().sign_up("bob");
    for round in 0..60 {
        // He reads the first, and is gone before he reads the second.
        let mut bob = Person::log_in(connect(), "bob");
        ann.write("bob", format!("read {round}"));
        bob.hears("ann", format!("read {round}"));
        ann.write("bob", format!("unread {round}"));
        ann.barrier();
        drop(bob);
        let mut bob = Person::log_in(connect(), "bob");
        bob.hears("ann", format!("unread {round}"));
        bob.barrier();
    }
}

#[test]
fn guesses_on_a_unix_socket_are_counted_for_the_user_that_makes_them() {
    let scratch = Arc::new(Scratch::new());
    let server = on_a_path(&scratch).set("auth.source_failures=2").set("auth.source_refill=1h").start();
    let connect = || Peer::connect_unix(&scratch.path("socket"));
    connect().ask(b"\x01one\rwrong guess", &[1, 1]);
    connect().ask(b"\x01two\rwrong guess", &[1, 1]);
    connect().ask(b"\x01three\rwrong guess", &[1, 3]);
    server.peer().ask(b"\x01three\rwrong guess", &[1, 1]);
}

#[test]
fn a_peer_that_never_stops_asking_does_not_keep_the_thread_for_itself() {
    // Other scenes have people in them who want to read in time.
    let one_thread = Setup::new().set("process.worker_threads=1").by(&["nice", "-n", "19"]);
    let server = one_thread.start();
    let (mut ann, mut bob) = (server.person("ann"), server.person("bob"));
    let mut flooder = server.person("flooder");
    // Requests for which nothing needs to be looked up.
    let flood = flooder.request(6, &[b"not a login", b"x"]).repeat(1000);
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                flooder.peer.send(&flood);
            }
        });
        let _at_the_end = Raise(&over);
        for number in 0..20 {
            ann.write("bob", format!("{number}"));
            bob.hears("ann", format!("{number}"));
        }
    });
}

/// Whatever becomes of the scene, its other thread ends.
struct Raise<'a>(&'a AtomicBool);

impl Drop for Raise<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
