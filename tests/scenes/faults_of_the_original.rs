//! What the original server does wrong, one by one (DESIGN.md), and ours does right.

use crate::support::{Person, Server};
use std::fs;

#[test]
fn passwords_are_not_stored_in_clear_text() {
    let server = Server::start();
    let ann = server.person("ann");
    drop(ann);
    let scratch = server.stop();
    let mut looked = 0;
    let paths = fs::read_dir(scratch.state()).unwrap().map(|entry| entry.unwrap().path());
    for file in paths.filter(|path| path.is_file()) {
        let bytes = fs::read(file).unwrap();
        looked += bytes.len();
        assert!(!bytes.windows(13).any(|window| window == b"secret of ann"));
    }
    let database = fs::read(scratch.database()).unwrap();
    assert!(looked > 0 && database.windows(10).any(|window| window == b"$argon2id$"));
}

#[test]
fn a_key_works_from_its_own_connection_only() {
    let server = Server::start();
    let mut ann = server.person("ann");
    let mut thief = server.peer();
    let request = ann.request(3, &[]);
    thief.send(&request);
    thief.closed();
    // And does so still.
    assert_eq!(ann.contacts(), [3, 1]);
}

#[test]
fn a_closed_connection_costs_nothing_afterwards() {
    let server = Server::start();
    for _ in 0..20 {
        drop(server.peer());
    }
    // The daemon has noticed all of them when it says so to systemd.
    server.notified("STATUS=0 online, 0 connections");
    let ticks = || {
        let stat = fs::read_to_string(format!("/proc/{}/stat", server.pid())).unwrap();
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    };
    let before = ticks();
    // Time in our hands: as long as it takes a spinning thread to be noticed, by the clock of the process itself.
    let clock = std::time::Instant::now();
    while clock.elapsed() < std::time::Duration::from_millis(500) {
        std::thread::park_timeout(std::time::Duration::from_millis(500));
    }
    assert!(ticks() - before < 20, "{} ticks in half a second of rest", ticks() - before);
}

#[test]
fn users_go_offline() {
    let server = Server::start();
    let mut ann = server.person("ann");
    let bob = ann.watches(&server, "bob");
    drop(bob);
    ann.sees("bob", 0);
    assert_eq!(ann.contacts(), b"\x03\0\rbob\r\0");
}

#[test]
fn an_unknown_type_or_a_second_add_contact_kills_nothing() {
    let server = Server::start();
    let mut ann = server.person("ann");
    let _bob = ann.watches(&server, "bob");
    assert_eq!(ann.add("bob"), 1);
    assert_eq!(ann.contacts(), b"\x03\0\rbob\r\x01");
    let mut stranger = server.peer();
    stranger.send(b"\x77");
    stranger.closed();
    ann.barrier();
}

#[test]
fn requests_above_1024_bytes_are_whole() {
    let server = Server::start();
    let (mut ann, mut bob) = (server.person("ann"), server.person("bob"));
    let text = "0123456789".repeat(300);
    ann.write("bob", &text);
    bob.hears("ann", &text);
}

#[test]
fn a_message_to_somebody_offline_waits() {
    let server = Server::start();
    let mut ann = server.person("ann");
    server.peer().sign_up("bob");
    ann.write("bob", "are you there?");
    ann.barrier();
    Person::log_in(server.peer(), "bob").hears("ann", "are you there?");
}

#[test]
fn who_logs_in_twice_gets_everything_on_both_connections() {
    let server = Server::start();
    let (mut ann, mut first) = (server.person("ann"), server.person("bob"));
    let mut second = Person::log_in(server.peer(), "bob");
    ann.write("bob", "to both");
    first.hears("ann", "to both");
    second.hears("ann", "to both");
    drop(first);
    ann.write("bob", "to the newer");
    second.hears("ann", "to the newer");
}
