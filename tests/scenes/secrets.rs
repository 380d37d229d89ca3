//! Passwords and keys when they have been used: nothing of them is in the daemon's memory, its log or its database.
//!
//! What is looked for is short and stands in each password many times: of memory that was freed the allocator has
//! overwritten the beginning, and it is the rest that would be found.

use crate::support::{Memory, PATIENCE, Peer, Person, Server, Setup, packet, until};
use std::fs;
use std::time::{Duration, Instant};

/// Stands in passwords, and nowhere else.
const CANARY: &str = "qK7#vZ2w";
/// The same in a password that is normalised: as it is typed, with a mark of its own behind the letter and another
/// space, and as it is hashed.
const TYPED: &str = "qo\u{301}K#\u{a0}vZ7";
const HASHED: &str = "q\u{f3}K# vZ7";

/// What must not be found, and under which name it is told.
fn canaries() -> Vec<Vec<u8>> {
    [CANARY, TYPED, HASHED].map(|canary| canary.as_bytes().to_vec()).to_vec()
}

/// A password of about so many bytes. Each is different.
fn password(canary: &str, number: usize, bytes: usize) -> String {
    format!("{number:04}{}", canary.repeat(bytes.div_ceil(canary.len())))
}

fn log_in(login: &str, password: &str) -> Vec<u8> {
    packet(1, &[login, password])
}

fn sign_up(login: &str, password: &str) -> Vec<u8> {
    packet(0, &[&format!("{login}@example.org"), login, password])
}

/// As much patience with failures as these scenes need, and all that the log can say.
fn talkative() -> Setup {
    Setup::new()
        .for_a_crowd()
        .set("log.level=trace")
        .set("auth.account_failures=100000")
        .set("auth.source_failures=100000")
        .set("classic.request_max=64KiB")
}

/// Nothing of it is in memory. It may be for another moment: a turn wipes what it has read when it has answered. False
/// where nobody may look.
fn forgets(server: &Server, wanted: &[Vec<u8>]) -> bool {
    let enough = Instant::now() + PATIENCE / 4;
    loop {
        let Some(seen) = Memory::of(server.pid(), wanted) else { return false };
        assert!(seen.bytes > 1 << 20, "that was not all: {} bytes", seen.bytes);
        if seen.found.is_empty() {
            return true;
        }
        let shown: Vec<_> = seen.found.iter().map(|(_, shown)| shown.as_str()).collect();
        assert!(Instant::now() < enough, "in {} bytes of memory:\n{}", seen.bytes, shown.join("\n"));
    }
}

/// Nor is it in what the daemon has said and written.
fn has_not_told(server: &Server) {
    let said = server.records().join("\n");
    for canary in [CANARY, TYPED, HASHED] {
        assert!(!said.contains(canary), "{canary} is in the log");
    }
    let mut files = 0;
    for file in fs::read_dir(server.scratch.state()).unwrap() {
        let path = file.unwrap().path();
        if path.is_dir() {
            assert_eq!(fs::read_dir(path).unwrap().count(), 0, "nobody has made a backup");
            continue;
        }
        let bytes = fs::read(&path).unwrap();
        for canary in canaries() {
            assert!(memchr::memmem::find(&bytes, &canary).is_none(), "{} has it", path.display());
        }
        files += 1;
    }
    assert!(files >= 3, "the database is not there");
}

/// The positive control: in the middle of hashing, a password is where it is needed.
#[test]
fn a_password_is_found_while_it_is_hashed() {
    let server = talkative().set("auth.argon2_memory=64MiB").set("auth.argon2_iterations=1000").start();
    let mut ann = server.peer();
    ann.send(&sign_up("ann", &password(CANARY, 1, 80)));
    until("the password in memory", || match Memory::of(server.pid(), &canaries()) {
        Some(seen) if seen.count(CANARY.as_bytes()) == 0 => None,
        _ => Some(()),
    });
}

#[test]
fn after_a_thousand_log_ins_no_password_is_left_anywhere() {
    for format in ["json", "text"] {
        let server = talkative().leave("log.format").set(&format!("log.format={format}"));
        // Each of these requests is one write and one read, so there is nothing to wait for.
        let server = server.locally().set("classic.request_gap=0s").start();
        let mut peers: Vec<Peer> = (0..4).map(|_| server.local_peer()).collect();
        for (number, peer) in peers.iter_mut().enumerate() {
            for (name, canary) in [("ann", CANARY), ("zoe", TYPED)] {
                let login = format!("{name}{number}");
                peer.ask(&sign_up(&login, &password(canary, number, 80)), &[0, 0]);
                // Taken, and no password.
                peer.ask(&sign_up(&login, &password(canary, number, 90)), &[0, 4]);
                peer.ask(&sign_up("other", &format!("{canary}\u{7}{canary}")), &[0, 3]);
                peer.ask(&packet(0, &["no address", &login, &password(canary, number, 70)]), &[0, 1]);
            }
        }
        for round in 0..125 {
            for (number, peer) in peers.iter_mut().enumerate() {
                let (ann, zoe) = (format!("ann{number}"), format!("zoe{number}"));
                peer.send(&log_in(&ann, &password(CANARY, number, 80)));
                assert_eq!(peer.receive()[..2], [1, 0]);
                // Of many lengths: each has a place of its own in the allocator.
                let wrong = 16 + round * 8;
                peer.ask(&log_in(&ann, &password(CANARY, round, wrong)), &[1, 2]);
                peer.ask(&log_in(&zoe, &password(TYPED, round, wrong)), &[1, 2]);
                peer.ask(&log_in("who", &password(CANARY, round, wrong)), &[1, 1]);
                peer.send(&log_in(&zoe, &password(TYPED, number, 80)));
                assert_eq!(peer.receive()[..2], [1, 0]);
            }
        }
        if forgets(&server, &canaries()) {
            // Whoever is in is found: it is memory that was looked at.
            let there = Memory::of(server.pid(), &[b"zoe3".to_vec()]).unwrap();
            assert!(there.count(b"zoe3") > 0, "nothing can be found");
        }
        has_not_told(&server);
    }
}

#[test]
fn of_passwords_that_were_changed_and_of_accounts_that_were_deleted_nothing_is_left() {
    let server = talkative().locally().set("classic.request_gap=0s").start();
    let mut peer = server.local_peer();
    let (first, second) = (password(CANARY, 1, 80), password(TYPED, 2, 90));
    peer.ask(&sign_up("ann", &first), &[0, 0]);
    let key = peer.log_in_with("ann", &first);
    let mut ann = Person { peer, login: "ann".to_owned(), key };
    let mut ask = |kind, fields: &[&str], flag| {
        let fields: Vec<_> = fields.iter().map(|field| field.as_bytes()).collect();
        let request = ann.request(kind, &fields);
        ann.peer.ask(&request, &[kind, flag]);
    };
    for round in 0..50 {
        let wrong = password(CANARY, round, 16 + round * 15);
        ask(0x0a, &[&wrong, &second], 1);
        ask(0x0a, &[&first, &format!("{CANARY}\u{7}{wrong}")], 2);
        ask(0x0b, &[&wrong], 1);
        ask(0x0a, &[&first, &second], 0);
        ask(0x0a, &[&second, &first], 0);
    }
    ask(0x0b, &[&first], 0);
    forgets(&server, &canaries());
    has_not_told(&server);
}

#[test]
fn of_requests_in_pieces_at_once_too_long_or_cut_off_nothing_is_left() {
    // Long enough for what is sent in pieces.
    let server = talkative().set("classic.request_gap=100ms").start();
    let (right, long) = (password(CANARY, 1, 800), password(CANARY, 2, 40_000));
    let mut ann = server.peer();
    ann.ask(&sign_up("ann", &right), &[0, 0]);

    // In pieces, and in several reads.
    let whole = log_in("ann", &right);
    let (first, rest) = whole.split_at(600);
    ann.send(first);
    ann.has_arrived();
    ann.send(rest);
    assert_eq!(ann.receive()[..2], [1, 0]);
    ann.ask(&log_in("ann", &long), &[1, 2]);
    // What is no UTF-8 becomes longer when it is decoded.
    for times in 2..50 {
        let raw = [CANARY.as_bytes(), b"\xff\xff"].concat().repeat(times);
        ann.ask(&[b"\x01ann\r".as_slice(), &raw].concat(), &[1, 2]);
    }

    // Several requests in one read, and several reads.
    let mut ann = Person { key: ann.log_in_with("ann", &right), peer: ann, login: "ann".to_owned() };
    for bulk in [10, 20_000] {
        let message = ann.request(6, &[b"ghost", &vec![b'.'; bulk]]);
        ann.peer.send(&[message, ann.request(2, &[]), log_in("ann", &right)].concat());
        let answer = ann.peer.receive();
        assert_eq!(answer[..2], [1, 0]);
        ann.key.copy_from_slice(&answer[3..]);
    }

    // Where no password belongs.
    for misplaced in [format!("\x77{long}"), format!("\x03{long}"), format!("\x01{long}"), long.repeat(2)] {
        let mut other = server.peer();
        other.send(misplaced.as_bytes());
        other.closed();
    }
    let mut other = server.peer();
    other.send(&log_in("ann", &long.repeat(2)));
    other.closed();
    // The beginning of a request, and then nobody any more.
    for bytes in [20, 600, 20_000] {
        let mut gone = server.peer();
        gone.send(&log_in("ann", &long)[..bytes]);
        gone.has_arrived();
        let _ = socket2::SockRef::from(&gone.stream).set_linger(Some(Duration::ZERO));
    }
    ann.barrier();
    until("who has gone is noticed", || {
        let said = server.records();
        (said.iter().filter(|line| line.contains("connection closed")).count() >= 8).then_some(())
    });
    forgets(&server, &canaries());
    has_not_told(&server);
}

#[test]
fn the_packets_that_carried_a_key_are_wiped() {
    let server = talkative().locally().start();
    // A key alone is four bytes, which may stand somewhere by chance; so it is looked for with what is around it, and of
    // few people.
    let mut wanted = Vec::new();
    let mut people: Vec<Person> = (0..2)
        .map(|number| {
            let login = format!("ann{number}");
            let mut person = Person::sign_up(server.local_peer(), &login);
            person.barrier();
            person.write("ghost", "into the void");
            person.barrier();
            let key = person.key;
            wanted.push([&b"\x01\0\r"[..], &key].concat());
            wanted.extend([2, 3].map(|kind: u8| [&[kind][..], &key].concat()));
            wanted.push([&[6][..], &key, b"\r"].concat());
            person
        })
        .collect();
    for person in &mut people {
        person.log_out();
        person.peer.ask(b"\x01nobody\rnothing of it", &[1, 1]);
    }
    forgets(&server, &wanted);
}
