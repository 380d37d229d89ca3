//! What people who share a server need: contacts that go again, and peace from each other.

use crate::support::{Person, Server, Setup};
use nix::sys::signal::Signal;
use std::sync::Arc;

#[test]
fn somebody_is_taken_off_the_list_and_no_longer_seen() {
    let server = Server::start();
    let mut ann = server.person("ann");
    let mut bob = ann.watches(&server, "bob");
    let mut eve = ann.watches(&server, "eve");
    for (login, answer) in [("Bob", 0), ("bob", 1), ("cid", 1), ("nobody at all", 1)] {
        let request = ann.request(7, &[login.as_bytes()]);
        ann.peer.ask(&request, &[7, answer]);
    }
    assert_eq!(ann.contacts(), b"\x03\0\reve\r\x01");
    bob.log_out();
    eve.log_out();
    // Of Bob, who went first, she hears nothing.
    ann.sees("eve", 0);
    // One-way: what others have on their lists stays.
    bob.key = bob.peer.log_in("bob");
    assert_eq!((bob.add("ann"), ann.add("bob")), (1, 1));
    let request = ann.request(7, &[b"bob"]);
    ann.peer.ask(&request, &[7, 0]);
    assert_eq!(bob.contacts(), b"\x03\0\rann\r\x01");
}

#[test]
fn what_came_with_another_request_in_one_read_is_taken_apart() {
    let server = Server::start();
    let (mut ann, mut bob) = (server.person("ann"), server.person("bob"));
    assert_eq!(ann.add("bob"), 1);
    let mut together = ann.request(6, &[b"bob", b"farewell"]);
    together.extend(ann.request(7, &[b"bob"]));
    together.extend(ann.request(3, &[]));
    ann.peer.send(&together);
    ann.peer.expect(&[7, 0]);
    ann.peer.expect(&[3, 1]);
    bob.hears("ann", "farewell");
}

/// Ann, who sees Bob and is seen by him; and Eve, who sees Ann come and go.
fn three(server: &Server) -> (Person, Person, Person) {
    let mut bob = server.person("bob");
    let mut ann = bob.watches(server, "ann");
    assert_eq!(ann.add("bob"), 1);
    let mut eve = server.person("eve");
    assert_eq!(eve.add("ann"), 1);
    (ann, bob, eve)
}

#[track_caller]
fn block(who: &mut Person, whom: &str) {
    let request = who.request(8, &[whom.as_bytes()]);
    who.peer.ask(&request, &[8, 0]);
}

#[track_caller]
fn unblock(who: &mut Person, whom: &str) {
    let request = who.request(9, &[whom.as_bytes()]);
    who.peer.ask(&request, &[9, 0]);
}

#[test]
fn whoever_is_blocked_sees_somebody_offline_and_nothing_else() {
    let server = Server::start();
    let (mut ann, mut bob, mut eve) = three(&server);
    block(&mut ann, "bob");
    bob.sees("ann", 0);
    bob.write("ann", "are you there?");
    assert_eq!(bob.contacts(), b"\x03\0\rann\r\0");
    assert_eq!(bob.add("ann"), 0);
    // Twice is once, and whoever else sees her come and go: to Bob that is nothing.
    block(&mut ann, "bob");
    ann.log_out();
    eve.sees("ann", 0);
    ann.key = ann.peer.log_in("ann");
    eve.sees("ann", 1);
    // Each packet is in its place: nothing came to Bob between these.
    assert_eq!(bob.contacts(), b"\x03\0\rann\r\0");
    // The rest of the world goes on, also from her to him.
    eve.write("ann", "hello");
    ann.hears("eve", "hello");
    ann.write("bob", "leave me alone");
    bob.hears("ann", "leave me alone");
    assert_eq!(ann.contacts(), b"\x03\0\rbob\r\x01");
    unblock(&mut ann, "bob");
    bob.sees("ann", 1);
    bob.write("ann", "sorry");
    ann.hears("bob", "sorry");
    // What he wrote meanwhile does not come at a later log-in either.
    drop(ann);
    bob.sees("ann", 0);
    let mut ann = Person::log_in(server.peer(), "ann");
    bob.sees("ann", 1);
    eve.write("ann", "welcome back");
    ann.hears("eve", "welcome back");
}

#[test]
fn who_did_not_see_a_status_is_told_of_no_change() {
    let server = Server::start();
    let (mut ann, mut bob) = (server.person("ann"), server.person("bob"));
    // He has nobody on his list.
    block(&mut ann, "bob");
    assert_eq!(bob.contacts(), [3, 1]);
    assert_eq!(bob.add("ann"), 0);
    // She goes, and takes it back from another place: he sees her come.
    drop(ann);
    let mut ann = Person::log_in(server.peer(), "ann");
    assert_eq!(bob.contacts(), b"\x03\0\rann\r\0");
    unblock(&mut ann, "bob");
    bob.sees("ann", 1);
    // And for whoever is not there, the list at the next log-in is what tells.
    bob.log_out();
    block(&mut ann, "bob");
    bob.key = bob.peer.log_in("bob");
    assert_eq!(bob.contacts(), b"\x03\0\rann\r\0");
}

#[test]
fn who_can_be_blocked_and_how_many() {
    let server = Setup::new().set("accounts.contacts_max=1").start();
    let mut ann = server.person("ann");
    for login in ["bob", "eve"] {
        server.peer().sign_up(login);
    }
    for (kind, login, answer) in [
        (8, "nobody", 1),
        (8, "not a login", 1),
        (8, "ann", 1),
        (9, "bob", 1),
        (9, "not a login", 1),
        (8, "BOB", 0),
        (8, "bob", 0),
        (8, "eve", 2),
        (9, "eve", 1),
        (9, "bob", 0),
        (9, "bob", 1),
        (8, "eve", 0),
    ] {
        let request = ann.request(kind, &[login.as_bytes()]);
        ann.peer.ask(&request, &[kind, answer]);
    }
}

#[test]
fn a_block_outlives_the_daemon_and_so_does_what_was_withheld() {
    for signal in [Signal::SIGTERM, Signal::SIGKILL] {
        let server = Server::start();
        let (mut ann, mut bob, _eve) = three(&server);
        block(&mut ann, "bob");
        bob.sees("ann", 0);
        bob.write("ann", "while you can't hear me");
        bob.barrier();
        let scratch = if signal == Signal::SIGKILL { server.kill() } else { server.stop() };
        let server = Setup::new().on(&Arc::clone(&scratch)).start();
        let (mut bob, mut ann) = (Person::log_in(server.peer(), "bob"), Person::log_in(server.peer(), "ann"));
        assert_eq!(bob.contacts(), b"\x03\0\rann\r\0");
        bob.write("ann", "and now?");
        bob.barrier();
        unblock(&mut ann, "bob");
        bob.sees("ann", 1);
        bob.write("ann", "at last");
        ann.hears("bob", "at last");
    }
}

#[test]
fn with_mutual_contacts_only_those_see_each_other_who_both_want_to() {
    let server = Setup::new().set("contacts.policy=mutual").start();
    let (mut ann, mut bob) = (server.person("ann"), server.person("bob"));
    assert_eq!(ann.add("bob"), 0);
    assert_eq!(ann.contacts(), b"\x03\0\rbob\r\0");
    bob.log_out();
    bob.key = bob.peer.log_in("bob");
    // That was nothing to her; this is.
    assert_eq!(bob.add("ann"), 1);
    ann.sees("bob", 1);
    assert_eq!(ann.contacts(), b"\x03\0\rbob\r\x01");
    bob.log_out();
    ann.sees("bob", 0);
    bob.key = bob.peer.log_in("bob");
    ann.sees("bob", 1);
    let remove = bob.request(7, &[b"ann"]);
    bob.peer.ask(&remove, &[7, 0]);
    ann.sees("bob", 0);
    assert_eq!(bob.add("ann"), 1);
    ann.sees("bob", 1);
    // Blocked is as removed.
    block(&mut bob, "ann");
    ann.sees("bob", 0);
    let remove = bob.request(7, &[b"ann"]);
    bob.peer.ask(&remove, &[7, 0]);
    unblock(&mut bob, "ann");
    assert_eq!(ann.contacts(), b"\x03\0\rbob\r\0");
    // Whoever is no contact can be written to.
    ann.write("bob", "hello");
    bob.hears("ann", "hello");
}

#[test]
fn the_policy_can_be_changed_while_people_are_online() {
    let scratch = Arc::new(crate::support::Scratch::new());
    scratch.configure("");
    let server = Setup::new().on(&scratch).start();
    let mut ann = server.person("ann");
    let _bob = ann.watches(&server, "bob");
    assert_eq!(ann.contacts(), b"\x03\0\rbob\r\x01");
    scratch.configure("[contacts]\npolicy = \"mutual\"\n");
    server.signal(Signal::SIGHUP);
    server.logged("configuration reloaded");
    assert_eq!(ann.contacts(), b"\x03\0\rbob\r\0");
}
