//! Committed, then shown; waiting until taken; in order, once.

use crate::support::{Packet, Person, Server, Setup};

#[test]
fn what_waits_comes_at_the_next_log_in_in_order_and_once() {
    let server = Server::start();
    let mut ann = server.person("ann");
    server.peer().sign_up("bob");
    for number in 0..20 {
        ann.write("bob", format!("number {number}"));
    }
    ann.barrier();
    let mut bob = Person::log_in(server.peer(), "bob");
    for number in 0..20 {
        bob.hears("ann", format!("number {number}"));
    }
    // All was taken: the next log-in brings what is new, and nothing before it.
    bob.barrier();
    drop(bob);
    let mut bob = Person::log_in(server.peer(), "bob");
    ann.write("bob", "new");
    bob.hears("ann", "new");
}

#[test]
fn a_backlog_longer_than_the_outbox_comes_whole() {
    let server = Setup::new().set("connections.outbox_max=64KiB").set("classic.packet_gap=1ms").start();
    let mut ann = server.person("ann");
    server.peer().sign_up("bob");
    let text = |number: u32| format!("{number} {}\n", "x".repeat(2000));
    for number in 0..150 {
        ann.write("bob", text(number));
    }
    ann.barrier();
    let bob = Person::log_in(server.peer(), "bob");
    let mut stream = bob.peer.unhurried();
    let mut hears = |number: u32| assert_eq!(stream.next(), Some(Packet::message("ann", text(number).trim_end())));
    (0..75).for_each(&mut hears);
    ann.write("bob", text(150));
    (75..=150).for_each(&mut hears);
}

#[test]
fn a_message_to_nobody_is_dropped_and_logged() {
    let server = Server::start();
    let mut ann = server.person("ann");
    ann.write("ghost", "is anyone there?");
    ann.write("not a login", "or there?");
    // No answer: the next packet is that of the next request.
    assert_eq!(ann.contacts(), [3, 1]);
    let record = server.logged("nobody has that login");
    assert_eq!((&record["login"], &record["recipient"]), (&"ann".into(), &"ghost".into()));
    assert!(!server.records().iter().any(|record| record.contains("is anyone there")), "a text is in the log");
}

#[test]
fn a_message_to_oneself_comes_back_once() {
    let server = Server::start();
    let mut ann = server.person("ann");
    ann.write("ann", "note to self");
    ann.hears("ann", "note to self");
    ann.barrier();
}

#[test]
fn what_ann_wrote_before_she_logged_out_does_not_come_back_to_her() {
    let server = Server::start();
    let (mut ann, mut bob) = (server.person("ann"), server.person("bob"));
    ann.write("bob", "one");
    bob.hears("ann", "one");
    ann.log_out();
    ann.key = ann.peer.log_in("ann");
    bob.write("ann", "two");
    ann.hears("bob", "two");
}

#[test]
fn messages_survive_a_restart() {
    let server = Server::start();
    let mut ann = server.person("ann");
    server.peer().sign_up("bob");
    ann.write("bob", "kept");
    ann.barrier();
    let scratch = server.stop();
    ann.peer.closed();
    let server = Setup::new().on(&scratch).start();
    Person::log_in(server.peer(), "bob").hears("ann", "kept");
}
