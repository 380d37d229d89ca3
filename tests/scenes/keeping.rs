//! What the daemon gives systemd to keep, so that connections outlive it. What becomes of it with real systemd is played
//! by tests/system.

use crate::support::{Peer, Person, Setup};
use nix::sys::signal::Signal;
use std::io::Read;
use std::net::TcpListener;
use std::os::unix::net::UnixStream;

#[test]
fn where_systemd_keeps_nothing_the_daemon_says_so_and_connections_end_with_it() {
    let server = Setup::new().start();
    server.logged("connections end with this process: systemd keeps no descriptors for it");
    let mut ann = server.person("ann");
    server.signal(Signal::SIGTERM);
    assert_eq!(ann.peer.receive_or_end(), None);
}

#[test]
fn where_systemd_does_not_say_what_it_keeps_the_unit_does() {
    let server = Setup::new().environment("DESCRIPTOR_STORE_MAX", "10002").start();
    server.notified("FDNAME=roll");
    // What systemd says counts.
    let server = Setup::new().environment("DESCRIPTOR_STORE_MAX", "10002").environment("FDSTORE", "0").start();
    server.logged("connections end with this process: systemd keeps no descriptors for it");
}

#[test]
fn what_was_kept_when_there_was_a_store_is_closed_without_one() {
    for name in ["c1", "state", "roll"] {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let (mut peer, kept) = UnixStream::pair().unwrap();
        let variables = format!("LISTEN_FDS=2 LISTEN_FDNAMES=classic:{name}");
        let server = Setup::new().hand_over([socket.into(), kept.into()], &variables).start();
        server.logged("what the process before has left is closed: systemd keeps nothing for us now");
        assert_eq!(peer.read(&mut [0]).unwrap(), 0);
        Person::sign_up(Peer::connect(address), "ann").barrier();
    }
}

#[test]
fn a_listener_that_somebody_has_put_into_the_store_is_taken_out_and_not_served() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, copy) = (socket.local_addr().unwrap(), socket.try_clone().unwrap());
    let server = Setup::new()
        .environment("FDSTORE", "10002")
        .hand_over([socket.into(), copy.into()], "LISTEN_FDS=2 LISTEN_FDNAMES=classic:control")
        .start();
    let told = "systemd kept a socket that is none to keep, or a name that is a socket's; it is closed";
    assert_eq!(server.logged(told)["name"], "control");
    assert_eq!(server.notified("FDNAME=control"), "FDSTOREREMOVE=1\nFDNAME=control\n");
    Person::sign_up(Peer::connect(address), "ann").barrier();
}

#[test]
fn each_connection_is_kept_under_a_name_of_its_own_until_it_closes() {
    let server = Setup::new().environment("FDSTORE", "10002").start();
    server.notified("FDNAME=roll");
    // One without a session is kept a moment after it came.
    let silent = server.peer();
    assert_eq!(server.notified("FDNAME=c1"), "FDSTORE=1\nFDNAME=c1\nFDPOLL=0\n");
    let so_far = server.notices().len();
    drop(silent);
    assert_eq!(server.notified_since(so_far, "FDNAME=c1"), "FDSTOREREMOVE=1\nFDNAME=c1\n");
    // One with a session, at once.
    let so_far = server.notices().len();
    let _ann = server.person("ann");
    assert!(server.notified_since(so_far, "FDNAME=c").starts_with("FDSTORE=1\n"));
}

#[test]
fn at_the_end_connections_stay_open_and_systemd_has_the_state_of_them() {
    let server = Setup::new().environment("FDSTORE", "10002").start();
    let ann = server.person("ann");
    // As systemd would, somebody else holds a copy of her socket's other end: here, she asks of her own.
    let mut peer = Peer { stream: ann.peer.stream.try_clone().unwrap() };
    server.signal(Signal::SIGTERM);
    server.logged("connections are left to the next process");
    server.notified("BARRIER=1");
    let notices = server.notices();
    let place = |what: &str| notices.iter().position(|notice| notice.contains(what));
    assert!(place("FDNAME=c1\n") < place("FDSTORE=1\nFDNAME=state"), "{notices:?}");
    assert!(!notices.iter().any(|notice| notice.contains("FDSTOREREMOVE=1\nFDNAME=c1")), "{notices:?}");
    // The scene keeps nothing, so it ends when the process does; and nothing was written before.
    assert_eq!(peer.receive_or_end(), None);
}

#[test]
fn more_connections_than_systemd_keeps_are_a_fault_of_the_configuration() {
    let few = Setup::new().environment("FDSTORE", "100").set("connections.max=99").fail();
    assert_eq!(
        few.with(78),
        "connections.max is 99, but systemd keeps 98 connections for us when the daemon restarts: set \
         FileDescriptorStoreMax=101 (before systemd 254 also Environment=DESCRIPTOR_STORE_MAX=101) in messengerd.service (systemctl edit), or connections.max = 98"
    );
    let many = Setup::new().environment("FDSTORE", "100000").set("connections.max=25001").fail();
    assert!(many.with(78).starts_with("connections.max is 25001, but no more than 25000 can outlive the daemon"));
    Setup::new().environment("FDSTORE", "100").set("connections.max=98").start();
}
