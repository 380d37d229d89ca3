//! A backup is put back, or refused before anything is touched.

use crate::administration::{listening, said};
use crate::backups::{back_up, file, folder};
use crate::support::{Person, Scratch, Server, Setup};
use rusqlite::Connection;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

/// Stopped, and a backup that has less than the database.
fn with_a_backup() -> (Arc<Scratch>, PathBuf) {
    let server = listening(&[]);
    server.peer().sign_up("bob");
    let mut ann = server.person("ann");
    ann.write("bob", "before");
    ann.barrier();
    let backup = file(&back_up(&server.scratch, &[]));
    ann.write("bob", "after");
    ann.barrier();
    drop(ann);
    (server.stop(), backup)
}

fn restore(scratch: &Scratch, words: &[&str], file: &Path) -> (Option<i32>, String, String) {
    // It knocks at no socket.
    let mut command = Command::new(env!("CARGO_BIN_EXE_messengerctl"));
    command.arg("restore").arg(file).args(words).arg("--root").arg(scratch.path("root"));
    command.arg("--set").arg(format!("state.directory={}", scratch.state().display()));
    said(command.output().unwrap())
}

/// All that is in the state directory, but for the lock.
fn state(scratch: &Scratch) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for folder in [scratch.state(), folder(scratch)] {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                found.insert(path.clone(), fs::read(&path).unwrap());
            }
        }
    }
    found
}

fn start(scratch: &Arc<Scratch>) -> Server {
    Setup::new().on(scratch).start()
}

/// Writes a manifest that fits, but for what is said otherwise.
fn describe(file: &Path, fields: &[(&str, Value)]) {
    let sum = Command::new("b2sum").arg(file).output().unwrap();
    let sum = String::from_utf8(sum.stdout).unwrap();
    let mut manifest = json!({
        "manifest": 1,
        "file": file.file_name().unwrap().to_str().unwrap(),
        "bytes": fs::metadata(file).unwrap().len(),
        "blake2b": sum.split(' ').next().unwrap(),
        "schema": 3,
        "made_by": "messengerd 9.9",
        "made_at": "2026-11-27T13:20:05Z",
        "accounts": 2,
        "messages": 1,
    });
    for (name, value) in fields {
        manifest[name] = value.clone();
    }
    fs::write(file.with_extension("json"), manifest.to_string()).unwrap();
}

#[test]
fn what_was_backed_up_is_there_again_and_what_was_there_is_kept() {
    let (scratch, backup) = with_a_backup();
    let owner = fs::metadata(scratch.database()).unwrap();
    let said = done_without_socket(&scratch, &backup);
    assert!(said.contains("accounts: 2, messages: 1"), "{said}");
    let kept = said.lines().find_map(|line| line.strip_prefix("the database of before is kept: ")).unwrap();
    let restored = fs::metadata(scratch.database()).unwrap();
    assert_eq!((restored.uid(), restored.gid(), restored.mode() & 0o7777), (owner.uid(), owner.gid(), 0o600));
    let server = start(&scratch);
    let mut bob = Person::log_in(server.peer(), "bob");
    bob.hears("ann", "before");
    let mut ann = Person::log_in(server.peer(), "ann");
    ann.write("bob", "a new day");
    bob.hears("ann", "a new day");
    drop((ann, bob));
    server.stop();
    let before = Connection::open(kept).unwrap();
    let texts: String = before.query_row("SELECT group_concat(text) FROM messages", [], |row| row.get(0)).unwrap();
    assert_eq!(texts, "before,after");
}

fn done_without_socket(scratch: &Scratch, backup: &Path) -> String {
    let (code, out, err) = restore(scratch, &[], backup);
    assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
    out
}

#[test]
fn while_the_daemon_runs_it_is_refused_and_may_be_looked_at() {
    let server = listening(&[]);
    drop(server.person("ann"));
    let backup = file(&back_up(&server.scratch, &[]));
    let (code, _, err) = restore(&server.scratch, &[], &backup);
    assert_eq!(code, Some(75), "{err}");
    assert!(err.contains("stop it first: systemctl stop messengerd.service"), "{err}");
    let (code, out, err) = restore(&server.scratch, &["--verify"], &backup);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert!(out.contains(": whole, as of "), "{out}");
    drop(Person::log_in(server.peer(), "ann"));
}

/// What is made, the exit code that it gets, what is said of it, and how it is made.
type Case = (&'static str, Option<i32>, &'static str, Box<dyn Fn()>);

#[test]
fn what_is_not_a_whole_backup_is_refused_before_anything_is_touched() {
    let (scratch, backup) = with_a_backup();
    let whole = fs::read(&backup).unwrap();
    let before = state(&scratch);
    let elsewhere = scratch.path("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    let copy = elsewhere.join("messengerd-20261127T132005Z.sqlite");
    let beside = copy.with_extension("json");
    let genuine = fs::read(backup.with_extension("json")).unwrap();
    let middle = whole.len() / 2;
    let scribbled = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at..at + 512].iter_mut().for_each(|byte| *byte ^= 0x5a);
        bytes
    };
    let mut cases: Vec<Case> = Vec::new();
    let write = |bytes: Vec<u8>, manifest: Vec<u8>| {
        let (copy, beside) = (copy.clone(), beside.clone());
        move || {
            fs::write(&copy, &bytes).unwrap();
            fs::write(&beside, &manifest).unwrap();
        }
    };
    let truncated = whole[..whole.len() - 4096].to_vec();
    cases.push(("truncated", Some(65), "bytes of", Box::new(write(truncated, genuine.clone()))));
    let changed = write(scribbled(middle), genuine.clone());
    cases.push(("one sector changed", Some(65), "its checksum is not that of its manifest", Box::new(changed)));
    let fitting = {
        let (copy, bytes) = (copy.clone(), scribbled(4096));
        move || {
            fs::write(&copy, &bytes).unwrap();
            describe(&copy, &[]);
        }
    };
    cases.push(("damaged inside, with a manifest that fits", Some(65), "the backup is damaged (", Box::new(fitting)));
    let other = {
        let copy = copy.clone();
        move || {
            let _ = fs::remove_file(&copy);
            Connection::open(&copy).unwrap().execute_batch("CREATE TABLE recipes (name TEXT) STRICT").unwrap();
            describe(&copy, &[]);
        }
    };
    cases.push(("of another program", Some(65), "the backup is damaged (it is of program 0x0", Box::new(other)));
    let newer = {
        let (copy, bytes) = (copy.clone(), whole.clone());
        move || {
            fs::write(&copy, &bytes).unwrap();
            Connection::open(&copy).unwrap().pragma_update(None, "user_version", 4711).unwrap();
            describe(&copy, &[("schema", json!(4711))]);
        }
    };
    let said = "the backup has schema 4711, and this release knows schemas up to 3; install the release that made it \
                (messengerd 9.9)";
    cases.push(("newer", Some(65), said, Box::new(newer.clone())));
    let lying = {
        let copy = copy.clone();
        move || {
            newer();
            describe(&copy, &[]);
        }
    };
    cases.push(("newer than its manifest says", Some(65), "the backup has schema 4711", Box::new(lying)));
    let garbage = write(whole.clone(), b"{\"manifest\": 1, \"file\": ".to_vec());
    cases.push(("with half a manifest", Some(65), "it is no manifest", Box::new(garbage)));
    let later = write(whole.clone(), br#"{"manifest": 2}"#.to_vec());
    cases.push(("with a later manifest", Some(65), "it has form 2, and this release knows form 1", Box::new(later)));
    let alone = {
        let write = write(whole.clone(), Vec::new());
        let beside = beside.clone();
        move || {
            write();
            fs::remove_file(&beside).unwrap();
        }
    };
    cases.push(("without a manifest", Some(66), "there is no manifest", Box::new(alone)));
    let nothing = {
        let copy = copy.clone();
        move || fs::remove_file(&copy).unwrap()
    };
    cases.push(("not there", Some(66), "can't open it", Box::new(nothing)));
    for (what, expected, words, make) in cases {
        make();
        for verify in [&["--verify"][..], &[]] {
            let (code, out, err) = restore(&scratch, verify, &copy);
            assert_eq!((code, out.as_str()), (expected, ""), "{what}: {err}");
            assert!(err.starts_with(copy.with_extension("").to_str().unwrap()) && err.contains(words), "{what}: {err}");
            assert!(state(&scratch) == before, "{what}: something was touched");
        }
    }
    // The genuine one is none of them.
    done_without_socket(&scratch, &backup);
}

#[test]
fn a_backup_of_an_older_schema_is_restored_and_migrated_at_the_next_start() {
    let (scratch, _) = with_a_backup();
    let old = scratch.path("old.sqlite");
    // tests/data/README.md says how it was made.
    fs::write(&old, include_bytes!("../data/schema-1.sqlite")).unwrap();
    describe(&old, &[("schema", json!(1))]);
    done_without_socket(&scratch, &old);
    let server = Setup::new().on(&scratch).locally().start();
    server.logged("migrating");
    let mut bob = Person::log_in(server.local_peer(), "bob");
    for number in 0..5 {
        bob.hears("dan", format!("later {number}, he is away"));
    }
}

#[test]
fn on_a_machine_that_never_had_a_daemon_it_is_restored_too() {
    let (first, backup) = with_a_backup();
    let second = Arc::new(Scratch::new());
    let said = done_without_socket(&second, &backup);
    assert!(!said.contains("the database of before"), "{said}");
    assert_eq!(fs::metadata(second.state()).unwrap().mode() & 0o7777, 0o700);
    let server = start(&second);
    let mut bob = Person::log_in(server.peer(), "bob");
    bob.hears("ann", "before");
    drop(first);
}
