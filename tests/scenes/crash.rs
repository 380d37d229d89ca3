//! SIGKILL, whenever: what was committed is there after the next start, in order, exactly once.
//!
//! A peer knows that its messages are committed when the answer to a later request comes. What was delivered in the
//! last moments may come a second time: exactly what lies behind the cursor that was last written to the disk.

use crate::support::{PATIENCE, Peer, Person, Scratch, Server, Setup};
use rusqlite::{Connection, OpenFlags};
use std::collections::BTreeSet;
use std::fs;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Instant;

/// After how many messages the daemon is killed: with and without anything behind the last confirmed one, at the
/// first message, in and after many commits.
const MOMENTS: [u32; 6] = [1, 5, 23, 60, 144, 303];
/// After each so many messages the sender asks something.
const CONFIRMED_EACH: u32 = 10;

/// Writes messages with the numbers from 0, and returns how many of them are confirmed. Nobody waits for the rest.
fn stream(ann: &mut Person, messages: u32) -> u32 {
    for number in 0..messages {
        let request = ann.number("bob", number);
        ann.peer.send(&request);
        if (number + 1) % CONFIRMED_EACH == 0 {
            ann.barrier();
        }
    }
    messages / CONFIRMED_EACH * CONFIRMED_EACH
}

fn all(numbers: Range<u32>) -> Vec<u32> {
    numbers.collect()
}

/// All that comes to Bob after the next start, up to one message more, which Ann writes then.
fn what_comes(scratch: &Arc<Scratch>) -> Vec<u32> {
    let server = Setup::new().on(scratch).locally().start();
    let (mut ann, mut bob) = (Person::log_in(server.peer(), "ann"), Person::log_in(server.local_peer(), "bob"));
    let end = ann.number("bob", u32::MAX);
    ann.peer.send(&end);
    let next = || bob.peer.numbers(1)[0].1;
    let came = std::iter::repeat_with(next).take_while(|number| *number != u32::MAX).collect();
    bob.barrier();
    drop(bob);
    server.stop();
    // And all of it is delivered now.
    let server = Setup::new().on(scratch).locally().start();
    let mut bob = Person::log_in(server.local_peer(), "bob");
    bob.write("bob", "next");
    bob.hears("bob", "next");
    came
}

/// How far the disk says that Bob's mailbox was delivered.
fn cursor(database: &Path) -> u32 {
    let db = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_WRITE).unwrap();
    let cursor = "SELECT cursor FROM mailboxes JOIN accounts ON accounts.id = account WHERE login = 'bob'";
    db.query_row(cursor, [], |row| row.get(0)).unwrap()
}

/// The same after a crash, by a copy, so that the next start finds all as it was left.
fn cursor_left_behind(scratch: &Scratch) -> u32 {
    let folder = tempfile::tempdir().unwrap();
    for name in ["messengerd.sqlite", "messengerd.sqlite-wal"] {
        fs::copy(scratch.state().join(name), folder.path().join(name)).unwrap();
    }
    cursor(&folder.path().join("messengerd.sqlite"))
}

#[test]
fn what_waits_for_somebody_offline_is_all_there_exactly_once() {
    for messages in MOMENTS {
        let server = Server::start();
        server.peer().sign_up("bob");
        let mut ann = server.person("ann");
        let confirmed = stream(&mut ann, messages);
        let scratch = server.kill();
        let came = what_comes(&scratch);
        // Some beyond the last confirmed one may have been committed, or not; in any case without a gap.
        assert_eq!(came, all(0..u32::try_from(came.len()).unwrap()), "killed after {messages}");
        let range = confirmed as usize..=messages as usize;
        assert!(
            range.contains(&came.len()),
            "killed after {messages}: {} came, {confirmed} were confirmed",
            came.len()
        );
    }
}

#[test]
fn what_somebody_reads_meanwhile_comes_twice_only_from_behind_the_written_cursor() {
    for messages in MOMENTS {
        let server = Setup::new().set("classic.packet_gap=0s").start();
        let (mut ann, mut bob) = (server.person("ann"), server.person("bob"));
        let reader = std::thread::spawn(move || bob.peer.numbers(usize::MAX));
        let confirmed = stream(&mut ann, messages);
        let scratch = server.kill();
        let before: Vec<u32> = reader.join().unwrap().into_iter().map(|(_, number)| number).collect();
        let written = cursor_left_behind(&scratch);
        let after = what_comes(&scratch);

        let read = u32::try_from(before.len()).unwrap();
        let end = written + u32::try_from(after.len()).unwrap();
        assert_eq!(before, all(0..read), "killed after {messages}");
        assert!(written <= read, "killed after {messages}: delivered up to {written}, but {read} came");
        assert_eq!(after, all(written..end), "killed after {messages}, {read} came before");
        assert!(end.max(read) >= confirmed, "killed after {messages}: {confirmed} confirmed, {end} came");
        assert!(read <= end, "killed after {messages}: {read} were seen, and only {end} are kept");
    }
}

#[test]
fn what_was_read_before_the_last_moments_does_not_come_again() {
    let server = Server::start();
    let (mut ann, mut bob) = (server.person("ann"), server.person("bob"));
    stream(&mut ann, 10);
    bob.peer.numbers(10);
    // The last moments are over when the disk says so; nobody has to leave or to stop for that.
    let deadline = Instant::now() + PATIENCE;
    while cursor(&server.scratch.database()) < 10 {
        assert!(Instant::now() < deadline, "the cursor is not written");
        std::thread::yield_now();
    }
    assert_eq!(what_comes(&server.kill()), all(0..0));
}

#[test]
fn whoever_was_told_that_they_are_signed_up_is() {
    for answers in [1, 7, 40] {
        let server = Setup::new().for_a_crowd().start();
        let address = server.address();
        let (told, hears) = channel();
        let peers: Vec<_> = (0..3)
            .map(|peer| {
                let told = told.clone();
                std::thread::spawn(move || {
                    let mut connection = Peer::connect(address);
                    for number in 0.. {
                        let login = format!("user-{peer}-{number}");
                        let request = format!("\0{login}@example.org\r{login}\rsecret of {login}");
                        if std::io::Write::write_all(&mut connection.stream, request.as_bytes()).is_err() {
                            return;
                        }
                        match connection.receive_or_end() {
                            Some(answer) => assert_eq!(answer, [0, 0]),
                            None => return,
                        }
                        told.send(login).unwrap();
                    }
                })
            })
            .collect();
        drop(told);
        let mut logins: BTreeSet<String> = hears.iter().take(answers).collect();
        let scratch = server.kill();
        for peer in peers {
            peer.join().unwrap();
        }
        logins.extend(hears);
        assert!(logins.len() >= answers);
        let server = Setup::new().on(&scratch).start();
        let mut peer = server.peer();
        for login in &logins {
            peer.log_in(login);
        }
    }
}
