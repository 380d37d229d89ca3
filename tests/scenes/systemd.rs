//! The daemon as a service of systemd: its sockets by name, what it tells, and the watchdog. The scene plays systemd.

use crate::support::{Peer, Person, Scratch, Server, Setup, tool};
use rusqlite::Connection;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::sync::Arc;

fn tcp() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").unwrap()
}

/// Someone else's program that keeps all others from writing to the database, until it is dropped.
fn lock(scratch: &Scratch) -> Connection {
    let foreign = Connection::open(scratch.database()).unwrap();
    foreign.execute_batch("BEGIN IMMEDIATE").unwrap();
    foreign
}

#[test]
fn sockets_come_by_name_tcp_and_unix_at_once() {
    let scratch = Arc::new(Scratch::new());
    let (tcp, path) = (tcp(), scratch.path("classic.sock"));
    let (address, unix) = (tcp.local_addr().unwrap(), UnixListener::bind(&path).unwrap());
    let sockets: [OwnedFd; 2] = [tcp.into(), unix.into()];
    let server = Setup::new().on(&scratch).hand_over(sockets, "LISTEN_FDS=2 LISTEN_FDNAMES=classic:classic").start();
    for place in [address.to_string(), path.display().to_string()] {
        assert_eq!(server.logged(&format!("listening on {place}"))["source"], "systemd");
    }
    let mut ann = Person::sign_up(Peer::connect(address), "ann");
    let mut bob = Person::sign_up(Peer::connect_unix(&path), "bob");
    ann.write("bob", "from TCP");
    bob.hears("ann", "from TCP");
    bob.write("ann", "from UNIX");
    ann.hears("bob", "from UNIX");
}

#[test]
fn sockets_from_systemd_stand_in_the_place_of_those_of_the_configuration() {
    let (mine, configured) = (tcp(), tcp());
    let taken = configured.local_addr().unwrap();
    let server = Setup::new()
        .hand_over([mine.into()], "LISTEN_FDS=1 LISTEN_FDNAMES=classic")
        // It would fail if it were bound.
        .argument(&format!("--set=listen.classic={taken}"))
        .start();
    server.person("ann").barrier();
}

#[test]
fn the_first_connection_starts_the_daemon_and_is_answered() {
    if !tool("systemd-socket-activate", "systemd") {
        return;
    }
    let scratch = Arc::new(Scratch::new());
    let path = scratch.path("classic.sock");
    let listen = path.display().to_string();
    let mut server = Setup::new()
        .on(&scratch)
        .leave("listen.classic")
        .by(&["systemd-socket-activate", "--fdname=classic", "-E", "NOTIFY_SOCKET", "-l", &listen])
        .spawn();
    server.said("Listening on");
    let mut ann = Peer::connect_unix(&path);
    ann.sign_up("ann");
    server.ready();
}

#[test]
fn a_socket_of_an_unknown_name_is_refused_in_one_line() {
    let failure = Setup::new().hand_over([tcp().into()], "LISTEN_FDS=1 LISTEN_FDNAMES=messengerd-chat.socket").fail();
    assert_eq!(
        failure.with(78),
        "descriptor 3 from systemd is named \"messengerd-chat.socket\", which is none of: classic, control, metrics; \
         set FileDescriptorName=NAME in its socket unit"
    );
}

#[test]
fn ready_comes_when_the_store_stands_and_connections_are_answered() {
    let scratch = Server::start().stop();
    let foreign = lock(&scratch);
    let socket = tcp();
    let address = socket.local_addr().unwrap();
    let mut server = Setup::new()
        .on(&scratch)
        .set("store.busy_timeout=1h")
        .hand_over([socket.into()], "LISTEN_FDS=1 LISTEN_FDNAMES=classic")
        .spawn();
    // systemd listens already, so somebody may be waiting.
    let mut ann = Peer::connect(address);
    ann.send(b"\x00ann@example.org\rann\rsecret of ann");
    server.logged("running as");
    assert_eq!(server.notices(), Vec::<String>::new());
    drop(foreign);
    server.ready();
    ann.expect(&[0, 0]);
}

#[test]
fn the_status_says_how_many_are_here() {
    let server = Server::start();
    let (mut ann, other) = (server.person("ann"), server.peer());
    server.notified("STATUS=1 online, 2 connections");
    ann.log_out();
    server.notified("STATUS=0 online, 2 connections");
    ann.key = ann.peer.log_in("ann");
    // Two sessions of one login are one person.
    let again = Person::log_in(other, "ann");
    ann.barrier();
    let mark = server.notices().len();
    drop(again);
    server.notified_since(mark, "STATUS=1 online, 1 connection");
    drop(ann);
    server.notified_since(mark, "STATUS=0 online, 0 connections");
}

#[test]
fn the_watchdog_is_fed_only_while_the_writer_answers() {
    let server = Setup::new().set("store.busy_timeout=1h").environment("WATCHDOG_USEC", "400000").start();
    let (mut ann, mut bob) = (server.person("ann"), server.person("bob"));
    server.notified("WATCHDOG=1");

    let foreign = lock(&server.scratch);
    ann.write("bob", "under way");
    let failed = "the watchdog's probe failed";
    // On a busy machine a probe may have been late before.
    let mark = server.records().len();
    let probes = server.records().iter().filter(|record| record.contains(failed)).count();
    if probes == 0 || server.records().iter().any(|record| record.contains("probe succeeds again")) {
        server.said_since(mark, failed);
    }
    // The daemon tells of newcomers once a second at the most: between two such notices there was time for four good
    // probes.
    let mark = server.notices().len();
    let _peers = [3, 4].map(|connections| {
        let peer = server.peer();
        server.notified_since(mark, &format!("STATUS=2 online, {connections} connections"));
        peer
    });
    let notices = server.notices();
    let first = notices.iter().position(|notice| notice.starts_with("STATUS=2 online, 3")).unwrap();
    assert!(notices[first..].iter().all(|notice| notice != "WATCHDOG=1\n"), "{notices:?}");

    let (mark, fed) = (server.records().len(), server.notices().len());
    drop(foreign);
    server.said_since(mark, "the watchdog's probe succeeds again");
    server.notified_since(fed, "WATCHDOG=1");
    bob.hears("ann", "under way");
}
