//! Backups, made while people write, and put back.

use crate::administration::{ctl, done, listening};
use crate::support::{Person, Scratch};
use rusqlite::Connection;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// The names in a folder.
pub fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

pub fn folder(scratch: &Scratch) -> PathBuf {
    scratch.state().join("backups")
}

/// Has a backup made, and returns what is said of it.
pub fn back_up(scratch: &Scratch, words: &[&str]) -> Value {
    let words = [&["backup", "--json"], words].concat();
    serde_json::from_str(&done(scratch, &words)).unwrap()
}

pub fn file(backup: &Value) -> PathBuf {
    backup["file"].as_str().unwrap().into()
}

pub fn manifest(file: &Path) -> Value {
    serde_json::from_slice(&fs::read(file.with_extension("json")).unwrap()).unwrap()
}

/// What is in a copy, which is whole and one file.
pub fn texts(file: &Path) -> Vec<String> {
    let header = fs::read(file).unwrap();
    assert_eq!(header[18..20], [1, 1], "it needs no log");
    let copy = Connection::open(file).unwrap();
    let check: String = copy.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");
    let mut rows = copy.prepare("SELECT text FROM messages ORDER BY id").unwrap();
    rows.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

#[test]
fn a_backup_is_one_file_with_a_manifest_closed_to_others_and_said_to_be_there() {
    let server = listening(&[]);
    let (mut ann, mut bob) = (server.person("ann"), server.person("bob"));
    ann.write("bob", "keep this");
    bob.hears("ann", "keep this");
    let said = done(&server.scratch, &["backup"]);
    let lines: Vec<&str> = said.lines().collect();
    let file = PathBuf::from(lines[0]);
    assert_eq!(file.parent().unwrap(), folder(&server.scratch));
    assert!(lines[1].ends_with(", accounts: 2, messages: 1; it was checked"), "{said}");
    assert_eq!(texts(&file), ["keep this"]);

    let manifest = manifest(&file);
    assert_eq!(manifest["file"], file.file_name().unwrap().to_str().unwrap());
    assert_eq!(manifest["bytes"], fs::metadata(&file).unwrap().len());
    assert_eq!((&manifest["manifest"], &manifest["schema"]), (&json!(1), &json!(3)));
    assert_eq!((&manifest["accounts"], &manifest["messages"]), (&json!(2), &json!(1)));
    assert!(manifest["made_by"].as_str().unwrap().starts_with("messengerd "), "{manifest}");
    // The one that everybody has.
    let sum = std::process::Command::new("b2sum").arg(&file).output().unwrap();
    assert!(sum.stdout.starts_with(manifest["blake2b"].as_str().unwrap().as_bytes()), "{manifest}");

    let state = fs::metadata(server.scratch.state()).unwrap();
    for (path, mode) in [(folder(&server.scratch), 0o700), (file.clone(), 0o600), (file.with_extension("json"), 0o600)]
    {
        let found = fs::metadata(&path).unwrap();
        assert_eq!((found.mode() & 0o7777, found.uid()), (mode, state.uid()), "{}", path.display());
    }
    assert_eq!(names(&folder(&server.scratch)).len(), 2, "nothing is left beside it");
    let record = server.logged("ordered and done: make a backup");
    assert_eq!((&record["audit"], &record["request"]), (&json!(1), &json!("Backup")));
    server.logged("a backup was made");
    ann.barrier();
}

#[test]
fn the_newest_are_kept_and_what_is_not_ours_stays() {
    let server = listening(&[]);
    let scratch = &server.scratch;
    drop(server.person("ann"));
    let all: Vec<PathBuf> = (0..4).map(|_| file(&back_up(scratch, &[]))).collect();
    assert!(all.is_sorted(), "their names are in the order of their ages: {all:?}");
    fs::write(folder(scratch).join("notes.sqlite"), "mine").unwrap();
    fs::write(folder(scratch).join("messengerd-20200101T000000Z.sqlite"), "without a manifest, so who knows").unwrap();
    fs::write(folder(scratch).join("messengerd-20200101T000001Z.json"), "what a removal left").unwrap();
    fs::write(folder(scratch).join("messengerd-20200101T000002Z.sqlite.unfinished"), "what a crash left").unwrap();
    let newest = back_up(scratch, &["--keep", "2"]);
    let name = |file: &Path| file.file_name().unwrap().to_str().unwrap().to_owned();
    assert_eq!(newest["removed"], json!(all[..3].iter().map(|file| name(file)).collect::<Vec<_>>()));
    let newest = file(&newest);
    let stay = [&all[3], &newest].map(|file| [name(file), name(&file.with_extension("json"))]).concat();
    let others = ["notes.sqlite", "messengerd-20200101T000000Z.sqlite"].map(str::to_owned);
    assert_eq!(names(&folder(scratch)), stay.into_iter().chain(others).collect());
    let (code, _, err) = ctl(scratch, &["backup", "--keep", "0"]);
    assert_eq!(code, Some(64), "{err}");
}

#[test]
fn without_a_daemon_one_is_made_all_the_same() {
    let server = listening(&[]);
    let mut ann = server.person("ann");
    ann.write("ann", "to myself");
    ann.hears("ann", "to myself");
    drop(ann);
    let scratch = server.kill();
    // The socket of one that was killed.
    let (code, out, err) = ctl(&scratch, &["backup", "--json"]);
    assert_eq!(code, Some(0), "{err}");
    assert!(err.contains("working on the database without messengerd"), "{err}");
    let file = file(&serde_json::from_str(&out).unwrap());
    assert_eq!(texts(&file), ["to myself"]);
    let owner = |path: &Path| fs::metadata(path).unwrap().uid();
    assert_eq!(owner(&file), owner(&scratch.state()));
}

#[test]
fn another_folder_is_served_by_whoever_asks_with_a_daemon_and_without() {
    let server = listening(&[]);
    let mut ann = server.person("ann");
    ann.write("ann", "to myself");
    ann.hears("ann", "to myself");
    let scratch = Arc::clone(&server.scratch);
    let there = scratch.path("elsewhere");
    fs::create_dir(&there).unwrap();
    fs::set_permissions(&there, fs::Permissions::from_mode(0o700)).unwrap();
    let to = there.to_str().unwrap();
    let first = file(&back_up(&scratch, &["--to", to, "--keep", "2"]));
    drop(ann);
    server.stop();
    let (code, out, err) = ctl(&scratch, &["backup", "--json", "--to", to, "--keep", "2"]);
    assert_eq!(code, Some(0), "{err}");
    let second = file(&serde_json::from_str(&out).unwrap());
    for file in [&first, &second] {
        assert_eq!(file.parent().unwrap(), there);
        assert_eq!(texts(file), ["to myself"]);
        assert_eq!(fs::metadata(file).unwrap().mode() & 0o7777, 0o600);
    }
    assert_eq!(names(&folder(&scratch)), BTreeSet::new(), "it is not there twice");
    assert_eq!(names(&there).len(), 4);

    // Where it can't be, nothing is made.
    let link = scratch.path("link");
    symlink(&there, &link).unwrap();
    for wrong in [link, scratch.path("nowhere"), first] {
        let (code, _, err) = ctl(&scratch, &["backup", "--to", wrong.to_str().unwrap()]);
        assert_eq!(code, Some(73), "{err}");
        assert!(err.contains("this is no folder of its own"), "{err}");
    }
    assert_eq!(names(&folder(&scratch)), BTreeSet::new());
}

#[test]
fn under_load_a_backup_has_every_message_that_was_committed_before_it_began() {
    let server = listening(&["connections.requests=1000000", "connections.source_requests=1000000"]);
    server.peer().sign_up("bob");
    let writers: Vec<Person> = (0..4).map(|number| server.person(&format!("writer{number}"))).collect();
    let (confirmed, enough) = (AtomicU32::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for (number, mut ann) in writers.into_iter().enumerate() {
            let (confirmed, enough) = (&confirmed, &enough);
            scope.spawn(move || {
                for message in 0.. {
                    ann.write("bob", format!("{number}.{message}.{}", "x".repeat(500)));
                    // An answer to what was asked later: it is committed.
                    ann.barrier();
                    confirmed.fetch_add(1, Ordering::SeqCst);
                    if enough.load(Ordering::SeqCst) {
                        break;
                    }
                }
            });
        }
        let mut before = 0;
        for round in 1..=5 {
            // Time for the next ones.
            while confirmed.load(Ordering::SeqCst) < before + 200 {
                std::thread::yield_now();
            }
            before = confirmed.load(Ordering::SeqCst);
            let backup = back_up(&server.scratch, &["--keep", "1"]);
            let texts = texts(&file(&backup));
            assert!(texts.len() >= before as usize, "backup {round}: {} of {before}", texts.len());
            assert_eq!(backup["messages"], texts.len());
            // One moment: of each writer, all up to some message.
            let mut next = [0_u32; 4];
            for text in &texts {
                let mut parts = text.split('.').map(str::parse::<u32>);
                let (Some(Ok(writer)), Some(Ok(message))) = (parts.next(), parts.next()) else { panic!("{text}") };
                assert_eq!(message, next[writer as usize], "{text}");
                next[writer as usize] += 1;
            }
        }
        enough.store(true, Ordering::SeqCst);
    });
    assert_eq!(names(&folder(&server.scratch)).len(), 2);
}
