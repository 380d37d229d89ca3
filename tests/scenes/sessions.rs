//! Keys, and what a session is bound to; log-in again, log-out, several sessions of one login.

use crate::support::{Packet, Person, Server, Setup};
use socket2::SockRef;
use std::collections::HashSet;
use std::io::Read;

#[test]
fn every_session_has_a_key_of_its_own_without_a_separator() {
    let server = Setup::new().for_a_crowd().set("classic.packet_gap=0s").start();
    let mut ann = server.person("ann");
    let mut bob = server.person("bob");
    let mut keys = HashSet::from([ann.key, bob.key]);
    // So many that one with a separator would be among them, if there were such.
    for _ in 0..300 {
        ann.key = ann.peer.log_in("ann");
        bob.key = bob.peer.log_in("bob");
        assert!(keys.insert(ann.key) && keys.insert(bob.key), "a key was given twice");
    }
    assert!(!keys.iter().flatten().any(|byte| *byte == b'\r'));
    ann.barrier();
}

#[test]
fn after_log_out_the_key_is_worth_nothing_and_the_connection_has_no_session() {
    let server = Server::start();
    let mut ann = server.person("ann");
    ann.log_out();
    // The connection is there still.
    ann.peer.ask(b"\x01ann\rwrong guess", &[1, 2]);
    let request = ann.request(3, &[]);
    ann.peer.send(&request);
    ann.peer.closed();
    let record = server.logged("the request needs a session");
    assert_eq!((&record["level"], &record["login"]), (&"WARN".into(), &serde_json::Value::Null));
}

#[test]
fn the_key_of_the_session_before_is_worth_nothing() {
    let server = Server::start();
    let (mut ann, mut bob) = (server.person("ann"), server.person("bob"));
    let old = ann.key;
    ann.key = ann.peer.log_in("ann");
    ann.barrier();
    ann.key = old;
    ann.write("bob", "with the old key");
    ann.peer.closed();
    let mut ann = Person::log_in(server.peer(), "ann");
    ann.write("bob", "with the new key");
    bob.hears("ann", "with the new key");
}

#[test]
fn a_log_in_again_is_no_coming_and_going() {
    let server = Server::start();
    let mut ann = server.person("ann");
    let mut bob = ann.watches(&server, "bob");
    server.peer().sign_up("eve");
    assert_eq!(ann.add("eve"), 0);
    for _ in 0..20 {
        bob.key = bob.peer.log_in("bob");
    }
    // The first that Ann sees, and changes are told in their order.
    let _eve = Person::log_in(server.peer(), "eve");
    ann.sees("eve", 1);
    ann.write("bob", "hello");
    bob.hears("ann", "hello");
}

#[test]
fn a_log_in_with_another_login_ends_the_first_session() {
    let server = Server::start();
    let mut ann = server.person("ann");
    let mut bob = ann.watches(&server, "bob");
    server.peer().sign_up("dan");
    assert_eq!(ann.add("dan"), 0);
    let key = bob.peer.log_in("dan");
    let mut dan = Person { peer: bob.peer, login: "dan".to_owned(), key };
    let mut seen = [ann.peer.receive(), ann.peer.receive()];
    seen.sort();
    assert_eq!(seen, [b"\x05bob\r\x00", b"\x05dan\r\x01"]);
    // What is for Bob waits for Bob.
    ann.write("bob", "for bob");
    ann.write("dan", "for dan");
    dan.hears("ann", "for dan");
    let mut bob = Person::log_in(server.peer(), "bob");
    bob.hears("ann", "for bob");
    ann.sees("bob", 1);
    dan.write("ann", "from dan");
    ann.hears("dan", "from dan");
}

#[test]
fn a_log_in_that_fails_leaves_the_session_as_it_is() {
    let server = Server::start();
    let mut bob = server.person("bob");
    let mut ann = bob.watches(&server, "ann");
    ann.peer.ask(b"\x01ann\rwrong guess", &[1, 2]);
    ann.peer.ask(b"\x01ghost\rwrong guess", &[1, 1]);
    ann.barrier();
    ann.write("bob", "still here");
    bob.hears("ann", "still here");
    assert_eq!(bob.contacts(), b"\x03\0\rann\r\x01");
}

#[test]
fn each_session_of_a_login_gets_every_message_also_when_one_is_slow() {
    let server = Setup::new().set("connections.outbox_max=64KiB").set("classic.packet_gap=0s").start();
    let (mut ann, fast) = (server.person("ann"), server.person("bob"));
    let slow = Person::log_in(server.peer(), "bob");
    let text = |number: u32| format!("{number} {}\n", "x".repeat(50_000));
    let all: Vec<_> = (0..40).map(|number| Packet::message("ann", text(number).trim_end())).collect();
    for number in 0..40 {
        ann.write("bob", text(number));
    }
    // The slow one has not read a byte when the fast one has all.
    assert!(fast.peer.unhurried().up_to(|packet| *packet == all[39]) == all);
    assert!(slow.peer.unhurried().up_to(|packet| *packet == all[39]) == all);
    // When both are gone, nothing is left.
    drop((fast, slow));
    let mut bob = Person::log_in(server.peer(), "bob");
    ann.write("bob", "new");
    bob.hears("ann", "new");
}

#[test]
fn messages_that_come_while_somebody_logs_in_again_come_once_and_in_order() {
    let server = Setup::new().set("classic.packet_gap=0s").start();
    let (mut ann, mut bob) = (server.person("ann"), server.person("bob"));
    let mut heard = bob.peer.unhurried();
    let mut messages = Vec::new();
    for round in 0..25 {
        for number in 0..5 {
            ann.write("bob", format!("{round}.{number}\n"));
        }
        // Whatever is under way now comes before the answer, or after it.
        bob.peer.send(b"\x01bob\rsecret of bob");
        messages.extend(heard.up_to(|packet| matches!(packet, Packet::LoggedIn(_))));
    }
    ann.write("bob", "last\n");
    messages.extend(heard.up_to(|packet| *packet == Packet::message("ann", "last")));
    messages.retain(|packet| !matches!(packet, Packet::LoggedIn(_)));
    let numbers = (0..25).flat_map(|round| (0..5).map(move |number| format!("{round}.{number}")));
    let expected: Vec<_> = numbers.chain(["last".to_owned()]).map(|number| Packet::message("ann", &number)).collect();
    assert_eq!(messages, expected);
}

#[test]
fn what_one_session_has_taken_by_now_the_next_does_not_get_again() {
    // With a gap in which the daemon does not look what was taken.
    let server = Setup::new().set("classic.packet_gap=500ms").start();
    let mut ann = server.person("ann");
    let mut first = server.person("bob");
    first.barrier();
    ann.write("bob", "old");
    first.hears("ann", "old");
    // Bob's kernel says so at once, and not when it has something else to say.
    SockRef::from(&first.peer.stream).set_tcp_quickack(true).unwrap();
    let mut second = Person::log_in(server.peer(), "bob");
    ann.write("bob", "new");
    second.hears("ann", "new");
    first.hears("ann", "new");
}

#[test]
fn a_text_that_quotes_its_own_key_a_great_many_times_is_a_text() {
    let server = Server::start();
    let (mut ann, mut bob) = (server.person("ann"), server.person("bob"));
    // Behind 0x03 the key is a request, but not where the text goes on.
    let quote = [&[3][..], &ann.key[..]].concat();
    let text = [&quote.repeat(12_000)[..], b"."].concat();
    ann.write("bob", &text);
    let mut received = vec![0; 5 + String::from_utf8_lossy(&text).len()];
    bob.peer.stream.read_exact(&mut received).unwrap();
    assert!(received[5..] == *String::from_utf8_lossy(&text).as_bytes());
    ann.barrier();
}
