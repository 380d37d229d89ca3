//! Who is told that somebody came or went, and when.

use crate::support::{Packet, Person, Server, Setup};

#[test]
fn the_first_session_and_the_end_of_the_last_are_told_and_nothing_between() {
    let server = Server::start();
    let mut ann = server.person("ann");
    server.peer().sign_up("bob");
    server.peer().sign_up("eve");
    assert_eq!((ann.add("bob"), ann.add("eve")), (0, 0));
    let mut one = Person::log_in(server.peer(), "bob");
    ann.sees("bob", 1);
    let mut two = Person::log_in(server.peer(), "bob");
    one.log_out();
    one.peer.ask(b"\x01bob\rwrong guess", &[1, 2]);
    two.barrier();
    // Changes are told in their order, and this is the next that there is.
    let _eve = Person::log_in(server.peer(), "eve");
    ann.sees("eve", 1);
    assert_eq!(ann.contacts(), b"\x03\0\rbob\r\x01\reve\r\x01");
    drop(two);
    ann.sees("bob", 0);
    assert_eq!(ann.contacts(), b"\x03\0\rbob\r\0\reve\r\x01");
}

#[test]
fn a_log_out_and_a_disconnection_are_ends() {
    let server = Server::start();
    let mut ann = server.person("ann");
    let mut bob = ann.watches(&server, "bob");
    bob.log_out();
    ann.sees("bob", 0);
    bob.key = bob.peer.log_in("bob");
    ann.sees("bob", 1);
    drop(bob);
    ann.sees("bob", 0);
    // With something on its way to him, too: the connection is reset then.
    let bob = Person::log_in(server.peer(), "bob");
    ann.sees("bob", 1);
    ann.write("bob", "hello");
    ann.barrier();
    drop(bob);
    ann.sees("bob", 0);
}

#[test]
fn a_peer_that_vanishes_is_noticed_when_it_does_not_answer_the_kernel() {
    let quick = Setup::new().set("connections.keepalive_idle=1s").set("connections.keepalive_interval=1s");
    let server = quick.set("connections.user_timeout=1s").start();
    let mut ann = server.person("ann");
    let mut bob = ann.watches(&server, "bob");
    bob.barrier();
    let _unplugged = bob.peer.pull_the_plug();
    ann.sees("bob", 0);
    let record = server.logged("the connection failed");
    assert_eq!(record["login"], "bob");
    // Who is silent but there is left in peace.
    ann.barrier();
}

#[test]
fn a_peer_that_vanishes_with_a_message_on_its_way_gets_it_when_it_comes_back() {
    let server = Setup::new().set("connections.user_timeout=1s").start();
    let mut ann = server.person("ann");
    let mut bob = ann.watches(&server, "bob");
    ann.write("bob", "heard");
    bob.hears("ann", "heard");
    bob.barrier();
    let _unplugged = bob.peer.pull_the_plug();
    ann.write("bob", "lost on its way");
    ann.write("bob", "not sent at all");
    ann.sees("bob", 0);
    let mut bob = Person::log_in(server.peer(), "bob");
    bob.hears("ann", "lost on its way");
    bob.hears("ann", "not sent at all");
}

#[test]
fn everybody_who_has_somebody_as_a_contact_is_told_and_nobody_else() {
    let server = Server::start();
    let (mut ann, mut cat) = (server.person("ann"), server.person("cat"));
    let (mut dan, mut sender) = (server.person("dan"), server.person("sender"));
    server.peer().sign_up("bob");
    assert_eq!((ann.add("bob"), cat.add("bob")), (0, 0));
    let mut bob = Person::log_in(server.peer(), "bob");
    // One-way: Bob has Dan on his list, and that tells Dan nothing.
    assert_eq!(bob.add("dan"), 1);
    ann.sees("bob", 1);
    cat.sees("bob", 1);
    drop(bob);
    ann.sees("bob", 0);
    cat.sees("bob", 0);
    // Whoever was to be told of Bob has been told by now.
    sender.write("dan", "first of all");
    dan.hears("sender", "first of all");
}

#[test]
fn what_was_told_last_of_a_contact_that_comes_and_goes_quickly_is_true() {
    let server = Setup::new().set("classic.packet_gap=0s").start();
    let mut ann = server.person("ann");
    let mut bob = ann.watches(&server, "bob");
    server.peer().sign_up("eve");
    assert_eq!(ann.add("eve"), 0);
    let mut seen = ann.peer.unhurried();
    for last in [0, 1, 0, 1] {
        for _ in 0..30 {
            bob.key = bob.peer.log_in("bob");
            bob.log_out();
        }
        if last == 1 {
            bob.key = bob.peer.log_in("bob");
        } else {
            bob.peer.ask(b"\x01bob\rwrong guess", &[1, 2]);
        }
        // Told behind all that there was to tell of Bob.
        let eve = Person::log_in(server.peer(), "eve");
        let mut statuses = seen.up_to(|packet| *packet == Packet::status("eve", 1));
        drop(eve);
        statuses.extend(seen.up_to(|packet| *packet == Packet::status("eve", 0)));
        statuses.retain(|packet| !matches!(packet, Packet::Status { login, .. } if login == "eve"));
        // A newer one may have taken the place of an older one that waited.
        assert!(!statuses.is_empty() && statuses.len() <= 61, "{statuses:?}");
        assert_eq!(statuses.pop(), Some(Packet::status("bob", last)));
    }
}

#[test]
fn each_coming_and_going_is_told_to_who_keeps_up_with_it() {
    let server = Server::start();
    let mut ann = server.person("ann");
    let mut bob = ann.watches(&server, "bob");
    for _ in 0..10 {
        bob.log_out();
        ann.sees("bob", 0);
        bob.key = bob.peer.log_in("bob");
        ann.sees("bob", 1);
    }
}

#[test]
fn who_is_away_when_somebody_comes_is_not_told_later() {
    let server = Server::start();
    let mut ann = server.person("ann");
    let mut cat = server.person("cat");
    server.peer().sign_up("bob");
    server.peer().sign_up("eve");
    assert_eq!((ann.add("bob"), ann.add("eve"), cat.add("bob")), (0, 0, 0));
    ann.log_out();
    let _bob = Person::log_in(server.peer(), "bob");
    cat.sees("bob", 1);
    ann.key = ann.peer.log_in("ann");
    let _eve = Person::log_in(server.peer(), "eve");
    ann.sees("eve", 1);
    assert_eq!(ann.contacts(), b"\x03\0\rbob\r\x01\reve\r\x01");
}

#[test]
fn somebody_on_two_connections_sees_a_contact_come_on_both() {
    let server = Server::start();
    let mut one = server.person("ann");
    let mut two = Person::log_in(server.peer(), "ann");
    server.peer().sign_up("bob");
    assert_eq!(one.add("bob"), 0);
    let bob = Person::log_in(server.peer(), "bob");
    one.sees("bob", 1);
    two.sees("bob", 1);
    drop(one);
    drop(bob);
    two.sees("bob", 0);
}
