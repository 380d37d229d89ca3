//! SIGTERM: what had come is committed, what waits is delivered as far as peers take it, and the end comes in time.

use crate::support::{Peer, Person, Server, Setup};
use nix::sys::signal::Signal::{SIGCONT, SIGINT, SIGSTOP, SIGTERM};
use std::net::TcpStream;

/// Sends that many numbered messages to Bob, and waits until the server's machine has them all.
fn burst(person: &mut Person, messages: u32) {
    let burst: Vec<u8> = (0..messages).flat_map(|number| person.number("bob", number)).collect();
    burst.chunks(700).for_each(|segment| person.peer.send(segment));
    person.peer.has_arrived();
}

#[test]
fn what_had_come_when_sigterm_came_is_kept_in_order_and_once() {
    let server = Server::start();
    let (mut ann, mut cat) = (server.person("ann"), server.person("cat"));
    server.peer().sign_up("bob");
    // The daemon finds the messages and the signal at the same time.
    server.signal(SIGSTOP);
    burst(&mut ann, 150);
    burst(&mut cat, 150);
    server.signal(SIGTERM);
    server.signal(SIGCONT);
    let scratch = server.stopped();
    ann.peer.closed();

    let server = Setup::new().on(&scratch).locally().start();
    let mut bob = Person::log_in(server.local_peer(), "bob");
    cat = Person::log_in(server.peer(), "cat");
    let end = cat.number("bob", 150);
    cat.peer.send(&end);
    let came = bob.peer.numbers(301);
    let of = |sender| came.iter().filter(|(from, _)| from == sender).map(|(_, number)| *number).collect::<Vec<_>>();
    assert_eq!(of("ann"), (0..150).collect::<Vec<_>>());
    assert_eq!(of("cat"), (0..=150).collect::<Vec<_>>());
}

#[test]
fn outboxes_are_flushed_and_what_does_not_fit_comes_once_after_the_restart() {
    let server = Setup::new().set("classic.packet_gap=2ms").start();
    let (mut ann, mut bob) = (server.person("ann"), server.person("bob"));
    server.signal(SIGSTOP);
    burst(&mut ann, 200);
    server.signal(SIGCONT);
    // The first is here, so the rest waits in the outbox, or is on its way there.
    let mut came = bob.peer.numbers(1);
    server.signal(SIGTERM);
    came.extend(bob.peer.numbers(usize::MAX));
    let before = came.len();
    let scratch = server.stopped();

    let server = Setup::new().on(&scratch).locally().start();
    let (mut ann, mut bob) = (Person::log_in(server.peer(), "ann"), Person::log_in(server.local_peer(), "bob"));
    let end = ann.number("bob", 200);
    ann.peer.send(&end);
    came.extend(bob.peer.numbers(201 - before));
    let came: Vec<u32> = came.into_iter().map(|(_, number)| number).collect();
    assert_eq!(came, (0..=200).collect::<Vec<_>>(), "{before} came before the restart");
}

/// A server with a peer that is being sent more than its kernel takes, and reads none of it.
fn stalled(stop_deadline: &str) -> (Server, Peer) {
    let server = Setup::new()
        .set("connections.user_timeout=1day")
        .set(&format!("process.stop_deadline={stop_deadline}"))
        .start();
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.connect(&server.address().into()).unwrap();
    let mut bob = Peer { stream: TcpStream::from(socket) };
    bob.sign_up("bob");
    bob.log_in("bob");
    server.person("ann").write("bob", "x".repeat(60 * 1024));
    // Its beginning is here.
    assert!(bob.stream.peek(&mut [0]).unwrap() > 0);
    (server, bob)
}

#[test]
fn a_peer_that_does_not_read_is_waited_for_until_the_deadline_and_its_message_stays() {
    let (server, mut bob) = stalled("200ms");
    server.signal(SIGTERM);
    server.notified("STOPPING=1");
    let record = server.logged("not all clients took what waited for them in time");
    assert_eq!((&record["level"], &record["left"]), (&"WARN".into(), &1.into()));
    let scratch = server.stopped();
    // He reads after all, and gets no more of it: the whole would be the message twice.
    let mut came = 0;
    while let Ok(packet) = bob.read()
        && !packet.is_empty()
    {
        came += packet.len();
    }
    assert!(came < 60 * 1024, "{came} bytes came after the end");
    let server = Setup::new().on(&scratch).start();
    let mut bob = Person::log_in(server.peer(), "bob");
    bob.hears_long("ann", &"x".repeat(60 * 1024));
}

#[test]
fn a_second_signal_stops_at_once() {
    for signal in [SIGTERM, SIGINT] {
        let (server, _bob) = stalled("1h");
        server.signal(SIGTERM);
        server.notified("STOPPING=1");
        server.signal(signal);
        assert_eq!(server.logged("stopping without delay")["signal"], signal.as_str());
        server.stopped();
    }
}

#[test]
fn nobody_is_let_in_while_the_daemon_stops() {
    let (server, _bob) = stalled("1h");
    let address = server.address();
    server.signal(SIGTERM);
    // Listeners are closed before the rest is waited for, and a second signal comes after that.
    server.notified("STOPPING=1");
    while TcpStream::connect(address).is_ok() {
        std::thread::yield_now();
    }
    server.signal(SIGTERM);
    server.stopped();
}
