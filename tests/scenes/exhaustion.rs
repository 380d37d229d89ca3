//! The machine has no threads, descriptors or memory to give: at the start, and while the daemon serves.

use crate::support::{Packet, Peer, Person, Scratch, Server, Setup, Somebody, as_user, is_root, not_tried, tool};
use nix::sys::signal::Signal;
use std::io::Write;
use std::os::unix::fs::chown;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::sync::Arc;

/// A user of whom no other process of this machine is, so that a limit for the user is one for this daemon.
const ALONE: u32 = 0x6d73_6764;

/// A daemon of that user, who may have so many threads; a later one goes on with the same folder.
fn with_threads(scratch: &Arc<Scratch>, most: usize) -> Server {
    let user = as_user(ALONE);
    let limit = format!("--nproc={most}:{most}");
    Setup::new()
        .on(scratch)
        .set("process.worker_threads=2")
        .set("store.readers=2")
        .set("auth.hashing_threads=1")
        .by(&user.iter().map(String::as_str).collect::<Vec<_>>())
        .by(&["prlimit", &limit])
        .spawn()
}

fn folder_of_somebody_alone() -> Option<Arc<Scratch>> {
    if !is_root() || !tool("prlimit", "util-linux") {
        not_tried("no limit of threads: not root, or no util-linux");
        return None;
    }
    // Says why, where nobody else may start the daemon.
    Somebody::here()?;
    let scratch = Arc::new(Scratch::new());
    std::fs::create_dir(scratch.state()).unwrap();
    chown(scratch.state(), Some(ALONE), Some(ALONE)).unwrap();
    Some(scratch)
}

#[test]
fn a_start_without_threads_says_so_and_with_none_to_spare_it_serves() {
    let Some(scratch) = folder_of_somebody_alone() else { return };
    let mut refused = 0;
    let server = loop {
        let mut server = with_threads(&scratch, refused + 1);
        if server.ready_or_ended() {
            break server;
        }
        let failure = server.failure();
        // 71: the system refuses; 74 where it is the store that needs the thread.
        let code = failure.status.code().filter(|code| [71, 74].contains(code));
        let said = failure.with(code.unwrap_or(71));
        assert!(said.contains("thread") && said.contains("Resource temporarily unavailable"), "{said}");
        refused += 1;
        assert!(refused < 20, "it needs more threads than it should");
    };
    // The main thread, the writer, a reader, two workers, one that hashes.
    assert_eq!(refused, 5, "with one thread less than it has, it does not start");
    // There is no thread for a second reader, and many read at once.
    let mut people: Vec<_> = (0..8).map(|number| server.person(&format!("person-{number}"))).collect();
    for person in &mut people {
        let request = person.request(3, &[]);
        person.peer.send(&request);
    }
    for person in &mut people {
        assert_eq!(person.peer.receive(), [3, 1], "nobody is on their list");
    }
    let [ann, bob, ..] = &mut people[..] else { unreachable!() };
    ann.write("person-1", "hello");
    bob.hears("person-0", "hello");
    assert!(!server.records().iter().any(|line| line.contains("panicked")), "{:?}", server.records());
    drop(people);
    server.stop();
}

#[test]
fn a_start_without_descriptors_says_so_and_with_a_few_it_serves() {
    if !tool("prlimit", "util-linux") {
        return;
    }
    let mut refused = 0;
    for most in 3.. {
        let limit = format!("--nofile={most}:{most}");
        let mut server = Setup::new().set("store.readers=2").by(&["prlimit", &limit]).spawn();
        if server.ready_or_ended() {
            let mut ann = server.person("ann");
            ann.write("ann", "a note");
            ann.hears("ann", "a note");
            break;
        }
        let failure = server.failure();
        assert!(!failure.said.contains("panicked"), "{}", failure.said);
        // 127 is the dynamic linker's, which finds no descriptor for the C library.
        let code = failure.status.code().unwrap();
        assert!([71, 73, 74, 127].contains(&code), "{most}: {code}: {}", failure.said);
        if code != 127 {
            let said = failure.with(code);
            assert!(said.contains("open files") || said.contains("files may be open"), "{said}");
        }
        refused += 1;
        assert!(most < 60, "it needs more than it should");
    }
    assert!(refused > 10, "{refused}");
}

#[test]
fn without_descriptors_whoever_is_connected_signs_up_logs_in_and_writes() {
    let server = Setup::new().by(&["prlimit", "--nofile=48:48"]).start();
    let (mut ann, mut bob) = (server.person("ann"), server.person("bob"));
    // They are known to the daemon before the descriptors are gone.
    let mut strangers = [server.peer(), server.peer()];
    for stranger in &mut strangers {
        stranger.ask(b"\x01ghost\rwrong guess", &[1, 1]);
    }
    let _crowd: Vec<Peer> = (0..60).map(|_| server.peer()).collect();
    server.logged("no connection can be accepted for the moment");

    let [mut cat, mut dan] = strangers;
    cat.sign_up("cat");
    dan.sign_up("dan");
    let mut cat = Person::log_in(cat, "cat");
    let mut dan = Person::log_in(dan, "dan");
    assert_eq!(cat.add("ann"), 1);
    assert_eq!(ann.add("dan"), 1);
    let long = "x".repeat(60_000);
    for number in 0..30 {
        cat.write("ann", format!("{number}"));
        ann.hears("cat", format!("{number}"));
        dan.write("bob", &long);
        bob.hears_long("dan", &long);
    }
    // What was written is read by a reader as well: a page of a mailbox.
    cat.write("dan", "and from the disk");
    dan.hears("cat", "and from the disk");
    drop((ann, bob, cat, dan));
    server.stop();
}

/// The first number of a line of a process's status: proc(5).
fn status(server: &Server, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

/// From now on it may have so much more memory of its own than it has (`RLIMIT_DATA`). What it can't have, it is refused.
fn may_have_more(server: &Server, kib: u64) {
    let most = (status(server, "VmData") + kib) * 1024;
    // By the daemon's own user, who needs no privilege for it.
    let mut words = if is_root() { as_user(u32::try_from(status(server, "Uid")).unwrap()) } else { Vec::new() };
    words.extend(["prlimit", "--pid"].map(str::to_owned));
    words.extend([server.pid().to_string(), format!("--data={most}:{most}")]);
    let limited = Command::new(&words[0]).args(&words[1..]).status().unwrap();
    assert!(limited.success(), "{limited}");
}

#[test]
fn a_hash_for_which_there_is_no_memory_fails_alone() {
    if !tool("prlimit", "util-linux") || !tool("setpriv", "util-linux") {
        return;
    }
    let scratch = Arc::new(Scratch::new());
    let hashes = |memory: &str| scratch.configure(&format!("[auth]\nargon2_memory = \"{memory}\"\n"));
    hashes("64KiB");
    let server = Setup::new().on(&scratch).leave("auth.argon2_memory").start();
    let (mut ann, mut bob) = (server.person("ann"), server.person("bob"));
    may_have_more(&server, 32 * 1024);
    let reload = |memory: &str| {
        hashes(memory);
        let mark = server.notices().len();
        server.signal(Signal::SIGHUP);
        server.notified_since(mark, "READY=1");
    };
    reload("256MiB");
    let mut cat = server.peer();
    cat.send(b"\0cat@example.org\rcat\rsecret of cat");
    cat.closed();
    let record = server.logged("connection closed");
    assert_eq!(record["level"], "ERROR", "{record}");
    ann.write("bob", "we are still here");
    bob.hears("ann", "we are still here");
    reload("64KiB");
    server.person("cat").barrier();
}

#[test]
fn without_memory_it_ends_at_once_and_the_next_has_all_that_was_confirmed() {
    if !tool("prlimit", "util-linux") || !tool("setpriv", "util-linux") {
        return;
    }
    let mut server = Setup::new().locally().set("connections.outbox_max=256MiB").start();
    let mut ann = server.person("ann");
    server.peer().sign_up("bob");
    // He reads nothing, and may have much that waits.
    let bob = Person::log_in(server.local_peer(), "bob");
    may_have_more(&server, 4 * 1024);
    let text = "x".repeat(60_000);
    let mut confirmed = 0;
    loop {
        let number = confirmed + 1;
        let (message, ask) = (ann.request(6, &[b"bob", format!("{number}.{text}\n").as_bytes()]), ann.request(3, &[]));
        let _ = ann.peer.stream.write_all(&message);
        let _ = ann.peer.stream.write_all(&ask);
        if ann.peer.receive_or_end().is_none() {
            break;
        }
        confirmed = number;
        assert!(confirmed < 2000, "it takes 120 MB and more, and may not have them");
    }
    assert_eq!(server.wait().signal(), Some(6), "it gives up by abort(3)");
    server.said("memory allocation of");
    drop(bob);

    let server = Setup::new().on(&server.scratch).locally().start();
    let mut ann = Person::log_in(server.peer(), "ann");
    ann.write("bob", "0.the last\n");
    let mut bob = server.local_peer();
    bob.send(b"\x01bob\rsecret of bob");
    let is_last = |packet: &Packet| matches!(packet, Packet::Message { text, .. } if text == "0.the last");
    let numbers: Vec<u32> = bob
        .unhurried()
        .up_to(is_last)
        .iter()
        .filter_map(|packet| match packet {
            Packet::Message { text, .. } => Some(text.split('.').next().unwrap().parse().unwrap()),
            _ => None,
        })
        .filter(|number| *number > 0)
        .collect();
    let came = u32::try_from(numbers.len()).unwrap();
    assert!(confirmed > 0 && (confirmed..=confirmed + 1).contains(&came), "{confirmed} confirmed, {came} came");
    assert_eq!(numbers, (1..=came).collect::<Vec<_>>());
}
