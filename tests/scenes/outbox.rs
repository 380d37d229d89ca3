//! Peers that do not read: what they cost, and what becomes of what is for them.

use crate::support::{Packet, Person, Server, Setup};
use rusqlite::Connection;
use std::fs;

/// More than a peer's kernel and ours take together.
const MANY: usize = 300;

/// As long as a message can be that one request brings, in lines that [`Packet`] knows.
fn long(number: usize) -> String {
    format!("{number} {}\n", "x".repeat(60_000))
}

fn messages(numbers: impl Iterator<Item = usize>) -> Vec<Packet> {
    numbers.map(|number| Packet::message("ann", long(number).trim_end())).collect()
}

/// Memory of the daemon's own, in KiB: proc(5).
fn resident(server: &Server) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse().unwrap()
}

#[test]
fn messages_for_a_peer_that_does_not_read_wait_on_disk_and_nobody_else_waits() {
    let server = Setup::new().set("connections.outbox_max=64KiB").set("classic.packet_gap=1ms").start();
    let (mut ann, bob) = (server.person("ann"), server.person("bob"));
    let (mut cat, mut dan) = (server.person("cat"), server.person("dan"));
    // What the first long messages take, for buffers and caches, they take once.
    for number in 0..50 {
        ann.write("bob", long(number));
    }
    ann.barrier();
    let before = resident(&server);
    for number in 50..MANY {
        ann.write("bob", long(number));
        if number % 50 == 0 {
            cat.write("dan", format!("{number}"));
            dan.hears("cat", format!("{number}"));
        }
    }
    ann.barrier();
    // 15 MB were written since. The kernel's buffers are not the daemon's.
    let grown = resident(&server).saturating_sub(before);
    assert!(grown < 7_000, "{grown} KiB more than before");

    let mut heard = bob.peer.unhurried();
    for expected in messages(0..MANY) {
        assert!(heard.next() == Some(expected));
    }
    ann.write("bob", "new\n");
    assert_eq!(heard.next(), Some(Packet::message("ann", "new")));
}

#[test]
fn a_peer_that_takes_nothing_for_too_long_is_disconnected_and_gets_the_rest_when_it_comes_back() {
    let server = Setup::new().set("connections.user_timeout=1s").start();
    let mut ann = server.person("ann");
    let bob = ann.watches(&server, "bob");
    for number in 0..MANY {
        ann.write("bob", long(number));
    }
    ann.sees("bob", 0);
    let record = server.logged("connection closed");
    assert_eq!(record["login"], "bob");
    // What his kernel had taken before is his; the rest has waited, beginning with the one that was on its way.
    let mut heard = bob.peer.unhurried();
    let mut all: Vec<_> = std::iter::from_fn(|| heard.next()).collect();
    assert!(all.len() < MANY);
    let bob = Person::log_in(server.peer(), "bob");
    let mut heard = bob.peer.unhurried();
    while all.len() < MANY {
        all.push(heard.next().unwrap());
    }
    assert!(all == messages(0..MANY), "not all, or not in order");
    ann.sees("bob", 1);
    ann.write("bob", "new\n");
    assert_eq!(heard.next(), Some(Packet::message("ann", "new")));
}

#[test]
fn who_asks_and_asks_and_does_not_read_is_disconnected() {
    let server = Setup::new().set("connections.outbox_max=64KiB").start();
    // A long contact list, faster than by asking for it.
    server.peer().sign_up("ann");
    let scratch = server.stop();
    let db = Connection::open(scratch.database()).unwrap();
    db.execute_batch(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
         INSERT INTO accounts (login, email, password, created_at) SELECT 'friend' || i, 'x', 'x', 0 FROM n;
         INSERT INTO contacts (owner, contact) SELECT 1, id FROM accounts WHERE id > 1;",
    )
    .unwrap();
    drop(db);
    let server = Setup::new().set("connections.outbox_max=64KiB").on(&scratch).start();
    let mut bob = server.person("bob");
    assert_eq!(bob.add("ann"), 0);
    let mut ann = Person::log_in(server.peer(), "ann");
    bob.sees("ann", 1);
    let flood = ann.request(3, &[]).repeat(200);
    ann.peer.send(&flood);
    bob.sees("ann", 0);
    let record = server.logged("connections.outbox_max");
    assert_eq!((&record["level"], &record["login"]), (&"WARN".into(), &"ann".into()));
    assert!(!server.records().iter().any(|record| record.contains("\"ERROR\"")), "{:?}", server.records());
}

#[test]
fn short_answers_count_for_what_they_take_in_memory() {
    let server = Setup::new().set("connections.outbox_max=64KiB").start();
    let mut bob = server.person("bob");
    let mut ann = bob.watches(&server, "ann");
    // Two bytes for each.
    let flood = ann.request(3, &[]).repeat(10_000);
    ann.peer.send(&flood);
    bob.sees("ann", 0);
    server.logged("connections.outbox_max");
}

#[test]
fn a_reload_of_a_smaller_limit_costs_nobody_a_message() {
    let server = Setup::new().set("classic.packet_gap=1ms").start();
    let scratch = std::sync::Arc::clone(&server.scratch);
    let (mut ann, bob) = (server.person("ann"), server.person("bob"));
    for number in 0..40 {
        ann.write("bob", long(number));
    }
    ann.barrier();
    let file = scratch.path("root/etc/messengerd/messengerd.toml");
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(&file, "[connections]\noutbox_max = \"64KiB\"\n").unwrap();
    server.signal(nix::sys::signal::Signal::SIGHUP);
    server.logged("configuration reloaded");
    for number in 40..80 {
        ann.write("bob", long(number));
    }
    ann.barrier();
    let mut heard = bob.peer.unhurried();
    for expected in messages(0..80) {
        assert!(heard.next() == Some(expected));
    }
}

#[test]
fn a_slow_reader_gets_the_newest_status_of_a_contact_and_every_message() {
    let server = Setup::new().set("classic.packet_gap=1ms").start();
    let (mut ann, mut slow, mut cat) = (server.person("ann"), server.person("slow"), server.person("cat"));
    let mut bob = cat.watches(&server, "bob");
    assert_eq!(slow.add("bob"), 1);
    // More than her kernel takes.
    for number in 0..200 {
        ann.write("slow", long(number));
    }
    ann.barrier();
    for _ in 0..25 {
        bob.log_out();
        cat.sees("bob", 0);
        bob.key = bob.peer.log_in("bob");
        cat.sees("bob", 1);
    }
    bob.log_out();
    cat.sees("bob", 0);
    ann.write("slow", "last\n");
    ann.barrier();
    let mut heard = slow.peer.unhurried();
    let mut packets = heard.up_to(|packet| *packet == Packet::message("ann", "last"));
    packets.pop();
    let (statuses, heard): (Vec<_>, Vec<_>) =
        packets.into_iter().partition(|packet| matches!(packet, Packet::Status { .. }));
    assert_eq!(statuses, [Packet::status("bob", 0)]);
    assert!(heard == messages(0..200), "not all, or not in order");
}
