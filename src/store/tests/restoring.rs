//! Restorations that are cut short.

use super::backups::{copy_of, moment, names, with_a_backup};
use super::traced::{self, Fault};
use super::*;
use crate::store::backup::{BackupError, Candidate, RestoreError};
use crate::store::migrations::MIGRATIONS;
use crate::store::open;
use std::collections::BTreeSet;
use std::fs;

const DONE: i32 = 0;
const FULL: i32 = 28;
const ELSE: i32 = 70;

/// How many messages the backup has, and how many the database of before.
const OLD: i64 = 201;
const RESTORED: i64 = 1;

fn backup(directory: &Path) -> PathBuf {
    let name = names(directory).into_iter().find(|name| name.ends_with(".sqlite")).unwrap();
    directory.join("backups").join(name)
}

fn restore(directory: &Path, at: i64) -> Result<Option<PathBuf>, RestoreError> {
    Candidate::open(&backup(directory))?.restore(directory, moment(at), |_| ())
}

/// A folder with a backup, and what a daemon that was killed has left: most of it is in the log.
fn left_by_a_crash() -> TempDir {
    let directory = with_a_backup();
    let copy = TempDir::new().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (store, _committed) = try_open(directory.path()).unwrap();
        let ann = Person { id: AccountId(1), login: login("ann") };
        ann.writes(&store, &ann, "in the log").await.unwrap();
        fs::remove_dir(copy.path()).unwrap();
        fs::rename(copy_of(directory.path()).keep(), copy.path()).unwrap();
        store.stop().await.unwrap();
    });
    assert!(fs::metadata(copy.path().join("messengerd.sqlite-wal")).unwrap().len() > 0);
    copy
}

/// Opens what is there, and counts the messages in it. Nothing is in its way.
fn messages(directory: &Path) -> i64 {
    drop(open::open(&options(directory), MIGRATIONS, &no_progress()).unwrap());
    number(&foreign(directory), "SELECT count(*) FROM messages")
}

/// The databases of before that are kept, by how many messages they have.
fn kept(directory: &Path) -> Vec<i64> {
    let names = directory.read_dir().unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let replaced = names.filter(|name| name.starts_with("messengerd.replaced-") && name.ends_with(".sqlite"));
    replaced
        .map(|name| {
            let db = Connection::open(directory.join(name)).unwrap();
            assert_eq!(number(&db, "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check != 'ok'"), 0);
            number(&db, "SELECT count(*) FROM messages")
        })
        .collect()
}

/// In the child.
fn restore_as_told(directory: &Path) -> ! {
    traced::begin();
    let code = match restore(directory, 60) {
        Ok(_) => DONE,
        Err(
            RestoreError::File(BackupError::Full { .. } | BackupError::NoRoom { .. })
            | RestoreError::Open(OpenError::Full { .. }),
        ) => FULL,
        Err(error) => {
            eprintln!("{error}: {:?}", std::error::Error::source(&error).map(ToString::to_string));
            ELSE
        }
    };
    std::process::exit(code)
}

fn at_each_call(test: &str, fault: Fault, mut check: impl FnMut(&Path, traced::Ended, &str)) {
    let begun = left_by_a_crash();
    let mut at = 0;
    loop {
        at += 1;
        let directory = copy_of(begun.path());
        let ended = traced::run(test, "restore", directory.path(), at, fault);
        check(directory.path(), ended, &format!("at call {at}"));
        // Whatever has happened, the next one succeeds.
        restore(directory.path(), 120).unwrap();
        assert_eq!(messages(directory.path()), RESTORED, "at call {at}");
        assert!(kept(directory.path()).contains(&(OLD + 1)), "at call {at}: the one of before is lost");
        if !ended.struck {
            assert_eq!(ended.code, Some(DONE));
            break;
        }
    }
    assert!(at > 10, "a restoration that changes files in {at} calls?");
}

#[test]
fn killed_at_any_call_it_leaves_the_one_or_the_other() {
    if let Some((_, directory)) = role() {
        restore_as_told(&directory);
    }
    let test = "restoring::killed_at_any_call_it_leaves_the_one_or_the_other";
    let mut seen = BTreeSet::new();
    at_each_call(test, Fault::Kill, |directory, ended, what| {
        assert_eq!(ended.code.is_none(), ended.struck, "{what}: {ended:?}");
        let found = messages(directory);
        let replaced: &[i64] = if found == RESTORED { &[OLD + 1] } else { &[] };
        assert_eq!(kept(directory), replaced, "{what}: {found} messages");
        seen.insert(found);
    });
    assert_eq!(seen, [RESTORED, OLD + 1].into());
}

#[test]
fn on_a_disk_that_is_full_from_any_call_on_it_says_so_and_leaves_the_database() {
    if let Some((_, directory)) = role() {
        restore_as_told(&directory);
    }
    let test = "restoring::on_a_disk_that_is_full_from_any_call_on_it_says_so_and_leaves_the_database";
    let mut refused = 0;
    at_each_call(test, Fault::Full, |directory, ended, what| match ended.code {
        Some(FULL) => {
            refused += 1;
            assert_eq!(messages(directory), OLD + 1, "{what}");
            assert!(!directory.join("messengerd.restoring").exists(), "{what}: half of it takes room");
        }
        Some(DONE) => assert_eq!(messages(directory), RESTORED, "{what}"),
        _ => panic!("{what}: {ended:?}"),
    });
    assert!(refused > 0, "{refused}");
}

#[test]
fn a_database_that_is_damaged_with_its_log_is_replaced_all_the_same_and_kept() {
    let directory = left_by_a_crash();
    fs::write(directory.path().join(FILE), b"no database any more").unwrap();
    let replaced = restore(directory.path(), 60).unwrap().unwrap();
    assert_eq!(messages(directory.path()), RESTORED);
    assert_eq!(fs::read(&replaced).unwrap(), b"no database any more");
    let log = PathBuf::from(format!("{}-wal", replaced.display()));
    assert!(fs::metadata(log).unwrap().len() > 0, "what could be saved from it is there");
}

#[test]
fn while_somebody_works_there_nothing_is_restored() {
    let directory = with_a_backup();
    let opened = open::open(&options(directory.path()), MIGRATIONS, &no_progress()).unwrap();
    let error = restore(directory.path(), 60).unwrap_err();
    assert!(matches!(error, RestoreError::Running { .. }), "{error}");
    assert!(error.to_string().contains("systemctl stop messengerd.service"), "{error}");
    drop(opened);
    restore(directory.path(), 60).unwrap();
}
