//! The disk gets full while the daemon serves, and has room again.

use crate::administration::{ctl, done};
use crate::support::{Packet, Person, Scratch, Server, Setup, is_root, not_tried, tool};
use rusqlite::Connection;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

/// A disk of 2 MiB where the state directory will be, in a mount namespace of its own. It goes away with the process
/// that holds it, which ends when nobody holds the other end of its standard input: nothing has to be cleaned up.
struct Disk {
    holder: Child,
    scratch: Arc<Scratch>,
}

impl Disk {
    /// `None`, and a word about it, where there can be none.
    fn mount(scratch: &Arc<Scratch>) -> Option<Self> {
        if !is_root() || !tool("unshare", "util-linux") || !tool("nsenter", "util-linux") {
            not_tried("no disk to fill: not root, or no util-linux");
            return None;
        }
        fs::create_dir(scratch.state()).unwrap();
        let script = "mount -t tmpfs -o size=2m,mode=755 tmpfs \"$0\" && echo mounted && exec cat";
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private", "sh", "-c", script]).arg(scratch.state());
        let mut holder = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mounted = holder.stdout.as_mut().unwrap().read_exact(&mut [0; 8]).is_ok();
        let disk = Self { holder, scratch: Arc::clone(scratch) };
        if !mounted {
            not_tried("no disk to fill: a container without CAP_SYS_ADMIN");
        }
        mounted.then_some(disk)
    }

    fn start(&self) -> Server {
        self.setup().start()
    }

    fn setup(&self) -> Setup {
        let namespace = format!("--mount=/proc/{}/ns/mnt", self.holder.id());
        Setup::new().on(&self.scratch).by(&["nsenter", &namespace])
    }

    /// A file on this disk, as it is seen from outside.
    fn file(&self, name: &str) -> PathBuf {
        let inside = self.scratch.state();
        PathBuf::from(format!("/proc/{}/root{}/{name}", self.holder.id(), inside.display()))
    }

    fn fill(&self) {
        self.fill_but(0);
    }

    /// Leaves so many pages of 4 KiB.
    fn fill_but(&self, pages: u64) {
        let _ = fs::remove_file(self.file("ballast"));
        // Set aside first, and given back at the end: how much there is need not be known.
        let set_aside = self.file("set-aside");
        fs::write(&set_aside, vec![0x55; usize::try_from(pages).unwrap() * 4096]).unwrap();
        let mut ballast = File::create(self.file("ballast")).unwrap();
        let error = loop {
            if let Err(error) = ballast.write_all(&[0x55; 4096]) {
                break error;
            }
        };
        assert_eq!(error.kind(), ErrorKind::StorageFull);
        fs::remove_file(set_aside).unwrap();
    }

    fn make_room(&self) {
        fs::remove_file(self.file("ballast")).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        drop(self.holder.stdin.take());
        let _ = self.holder.wait();
    }
}

/// The database that a daemon has left at its stop: nothing in it is half-written.
fn whole_copy(disk: &Disk) -> Connection {
    let copy = disk.scratch.path("copy.sqlite");
    fs::copy(disk.file("messengerd.sqlite"), &copy).unwrap();
    assert!(!disk.file("messengerd.sqlite-wal").exists(), "the log was not taken over at the end");
    let db = Connection::open(&copy).unwrap();
    let check: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");
    let gaps = "SELECT 1 FROM mailboxes WHERE
        (head, head) IS NOT (SELECT count(*), coalesce(max(seq), 0) FROM entries WHERE entries.account = mailboxes.account)";
    let nothing = "SELECT 1 FROM entries WHERE message NOT IN (SELECT id FROM messages)";
    let wrong = [
        ("PRAGMA foreign_key_check", "a row refers to nothing"),
        (gaps, "a mailbox has a gap"),
        (nothing, "an entry is none"),
    ];
    for (query, what) in wrong {
        assert!(!db.prepare(query).unwrap().exists([]).unwrap(), "{what}");
    }
    db
}

#[test]
fn requests_without_room_fail_whole_the_others_go_on_and_all_is_well_when_there_is_room() {
    let scratch = Arc::new(Scratch::new());
    let Some(disk) = Disk::mount(&scratch) else { return };
    let server = disk.start();
    let (mut ann, mut bob) = (server.person("ann"), server.person("bob"));
    server.peer().sign_up("cat");
    assert_eq!(bob.add("cat"), 0);
    let mut cat = Person::log_in(server.peer(), "cat");
    bob.sees("cat", 1);
    ann.write("bob", "before");
    bob.hears("ann", "before");
    // Bob's cursor is written by now.
    bob.barrier();

    disk.fill();
    // Longer than what may be left in a file that has its blocks already.
    ann.write("bob", "x".repeat(60_000));
    ann.peer.closed();
    let record = server.logged("connection closed");
    assert_eq!((&record["level"], &record["login"]), (&"ERROR".into(), &"ann".into()));
    assert!(record["error"].as_str().unwrap().contains("the disk is full"), "{record}");
    let mut dan = server.peer();
    dan.send(b"\x00dan@example.org\rdan\rsecret of dan");
    dan.closed();
    // What needs no room goes on, for those who were here and for those who come.
    assert_eq!(bob.contacts(), b"\x03\0\rcat\r\x01");
    cat.barrier();
    drop(cat);
    bob.sees("cat", 0);
    let mut cat = Person::log_in(server.peer(), "cat");
    bob.sees("cat", 1);
    cat.barrier();
    let closed = server.records().iter().filter(|record| record.contains("connection closed")).count();
    assert_eq!(closed, 2, "one record for each that failed");

    disk.make_room();
    let mut ann = Person::log_in(server.peer(), "ann");
    ann.write("bob", "after");
    bob.hears("ann", "after");
    server.peer().sign_up("dan");
    cat.write("bob", "x".repeat(60_000));
    bob.hears_long("cat", &"x".repeat(60_000));
    bob.barrier();
    drop(bob);
    server.stop();

    let db = whole_copy(&disk);
    let text = |query| db.query_row(query, [], |row| row.get::<_, String>(0)).unwrap();
    assert_eq!(
        text("SELECT group_concat(substr(text, 1, 6), ' ') FROM (SELECT text FROM messages ORDER BY id)"),
        "before after xxxxxx"
    );
    assert_eq!(
        text("SELECT group_concat(login, ' ') FROM (SELECT login FROM accounts ORDER BY login)"),
        "ann bob cat dan"
    );

    let server = disk.start();
    let mut bob = Person::log_in(server.peer(), "bob");
    bob.write("bob", "nothing is left over, nothing comes twice");
    bob.hears("bob", "nothing is left over, nothing comes twice");
}

#[test]
fn a_backup_onto_a_full_disk_is_refused_and_the_older_one_stays_as_it_is() {
    let scratch = Arc::new(Scratch::new());
    let Some(disk) = Disk::mount(&scratch) else { return };
    let server = disk.setup().set(&format!("listen.control={}", scratch.control().display())).start();
    let (mut ann, mut bob) = (server.person("ann"), server.person("bob"));
    ann.write("bob", "before");
    bob.hears("ann", "before");
    done(&scratch, &["backup"]);
    let backups = || {
        let entries = fs::read_dir(disk.file("backups")).unwrap().map(|entry| entry.unwrap().path());
        let mut found: Vec<_> = entries.map(|path| (path.clone(), fs::read(path).unwrap())).collect();
        found.sort();
        found
    };
    let before = backups();
    assert_eq!(before.len(), 2);
    // Where there is none, and where there is some, but not enough: it would be missing for messages.
    for pages in [0, 40] {
        disk.fill_but(pages);
        let (code, _, err) = ctl(&scratch, &["backup", "--keep", "1"]);
        assert_eq!(code, Some(74), "{err}");
        assert!(err.contains("no backup was made: ") && err.contains("there is no room: the backup needs "), "{err}");
        assert!(backups() == before, "with {pages} pages");
    }
    server.logged("no backup was made; those before it are as they were");
    disk.make_room();
    ann.write("bob", "after");
    bob.hears("ann", "after");
    done(&scratch, &["backup", "--keep", "1"]);
    assert_eq!(backups().len(), 2);
    assert!(backups() != before);
}

#[test]
fn a_backup_carried_onto_a_full_disk_leaves_the_older_one_there_and_nothing_on_the_way() {
    let scratch = Arc::new(Scratch::new());
    let Some(disk) = Disk::mount(&scratch) else { return };
    // The small disk is where it is carried to; the daemon is elsewhere.
    let elsewhere = Arc::new(Scratch::new());
    let server = Setup::new().on(&elsewhere).set(&format!("listen.control={}", elsewhere.control().display())).start();
    drop(server.person("ann"));
    let there = disk.file("there");
    fs::create_dir(&there).unwrap();
    let to = there.display().to_string();
    done(&elsewhere, &["backup", "--to", &to]);
    let names = || fs::read_dir(&there).unwrap().map(|entry| entry.unwrap().file_name()).collect::<BTreeSet<_>>();
    let before = names();
    disk.fill();
    let (code, _, err) = ctl(&elsewhere, &["backup", "--to", &to, "--keep", "1"]);
    assert_eq!(code, Some(74), "{err}");
    assert!(err.contains("there is no room"), "{err}");
    assert_eq!(names(), before);
    assert_eq!(fs::read_dir(elsewhere.state().join("backups")).unwrap().count(), 0, "a failure a day fills no disk");
}

/// Ann writes to Bob until she is refused, at most so many messages. Each is confirmed by the answer to what she asks
/// next, or else her connection is closed.
fn write_until_refused(server: &Server, most: u32, confirmed: &mut Vec<u32>, next: &mut u32) -> bool {
    let mut ann = Person::log_in(server.peer(), "ann");
    for _ in 0..most {
        *next += 1;
        ann.write("bob", format!("{next}.{}\n", "x".repeat(1500)));
        let ask = ann.request(3, &[]);
        // The connection may be closed by then.
        let _ = ann.peer.stream.write_all(&ask);
        match ann.peer.receive_or_end() {
            Some(answer) => assert_eq!(answer[0], 3),
            None => return true,
        }
        confirmed.push(*next);
    }
    false
}

/// The numbers of all messages that wait for Bob, up to one more.
fn what_waits_for_bob(server: &Server) -> Vec<u32> {
    let mut ann = Person::log_in(server.peer(), "ann");
    ann.write("bob", "0.the last\n");
    let mut bob = server.peer();
    bob.send(b"\x01bob\rsecret of bob");
    let mut heard = bob.unhurried();
    let is_last = |packet: &Packet| matches!(packet, Packet::Message { text, .. } if text == "0.the last");
    let packets = heard.up_to(is_last);
    let numbers = packets.iter().filter_map(|packet| match packet {
        Packet::Message { text, .. } => Some(text.split('.').next().unwrap().parse().unwrap()),
        _ => None,
    });
    numbers.filter(|number| *number != 0).collect()
}

#[test]
fn wherever_the_room_ends_what_was_confirmed_is_kept_and_what_was_refused_is_not_there() {
    let scratch = Arc::new(Scratch::new());
    let Some(disk) = Disk::mount(&scratch) else { return };
    let mut server = disk.start();
    server.peer().sign_up("bob");
    server.peer().sign_up("cat");
    drop(server.person("ann"));
    let (mut confirmed, mut next, mut refused, mut refused_starts) = (Vec::new(), 0, 0, 0);
    for pages in 0..14 {
        disk.fill_but(pages);
        refused += u32::from(write_until_refused(&server, 6, &mut confirmed, &mut next));
        // Whoever asks for what needs no room is served, each time.
        Person::log_in(server.peer(), "cat").barrier();
        if pages % 2 == 0 {
            // In the second that follows, what was committed is to be filed, which finds no room either.
            disk.make_room();
        } else {
            // It stops, which is to put the log back, and the next goes on with what it has left, without room.
            server.stop();
            disk.start().stop();
            // One that has to make a new log may not find the room for its index.
            disk.make_room();
            disk.start().stop();
            disk.fill_but(pages);
            let mut starts = disk.setup().spawn();
            if starts.ready_or_ended() {
                starts.stop();
            } else {
                let said = starts.failure().with(74);
                assert!(said.ends_with("the disk is full; make room and start again"), "{said}");
                refused_starts += 1;
            }
            disk.make_room();
            server = disk.start();
        }
        // And there is room.
        assert!(!write_until_refused(&server, 1, &mut confirmed, &mut next), "with {pages} pages before");
    }
    assert!(refused > 3 && refused_starts > 0, "refused {refused} times, and {refused_starts} starts");
    server.stop();
    drop(whole_copy(&disk));
    let server = disk.start();
    assert_eq!(what_waits_for_bob(&server), confirmed, "on the right what was confirmed, of {next}");
}
