//! A migration that is killed, or finds the disk full, at any of the calls by which it changes a file.

use super::released::{left_by, life, life_at_its_release};
use super::traced::{self, Fault};
use super::*;
use crate::store::migrations::{MIGRATIONS, Migration};
use crate::store::open;
use std::fs;

/// A step that does not exist yet, upon the newest that does: it builds a table anew, and adds to each row.
const NEXT: &str = "
    CREATE TABLE new_mailboxes (
        account  INTEGER PRIMARY KEY REFERENCES accounts (id) ON DELETE CASCADE,
        head     INTEGER NOT NULL DEFAULT 0,
        filed    INTEGER NOT NULL DEFAULT 0,
        cursor   INTEGER NOT NULL DEFAULT 0,
        seen     INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    INSERT INTO new_mailboxes SELECT account, head, filed, cursor, cursor FROM mailboxes;
    DROP TABLE mailboxes;
    ALTER TABLE new_mailboxes RENAME TO mailboxes;";

/// Each step from one release to the next, and the one that may come.
fn steps() -> Vec<Migration> {
    MIGRATIONS.iter().copied().chain([NEXT]).collect()
}

const DONE: i32 = 0;
const FULL: i32 = 28;
const ELSE: i32 = 70;

/// In the child: migrates to `schema`, and dies without tidying up when told to.
fn migrate_as_told(role: &str, directory: &Path) -> ! {
    let schema: usize = role.parse().unwrap();
    traced::begin();
    let opened = open::open(&options(directory), &steps()[..schema], &no_progress());
    let code = match &opened {
        Ok(_) => DONE,
        Err(OpenError::Full { .. }) => FULL,
        Err(error) => {
            eprintln!("{error}: {:?}", std::error::Error::source(error).map(ToString::to_string));
            ELSE
        }
    };
    drop(opened);
    std::process::exit(code)
}

fn copy_of(directory: &Path) -> TempDir {
    let copy = TempDir::new().unwrap();
    for file in directory.read_dir().unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
    }
    copy
}

/// Opened by the release that knows so many schemas.
fn opened_by(directory: &Path, schema: usize) -> Result<Connection, OpenError> {
    open::open(&options(directory), &steps()[..schema], &no_progress()).map(|opened| opened.db)
}

/// Whatever has happened to a database of schema `old`: it is the old one or the new one, whole, and whoever starts next
/// comes to the new one. Returns whether it was the old one.
fn is_whole(directory: &Path, old: usize, what: &str) -> bool {
    let before = life_at_its_release(old);
    let backup = directory.join(format!("messengerd.before-schema-{}", old + 1));
    if backup.exists() {
        // A copy, so that what is looked at stays as it was left.
        let copy = copy_of(directory);
        let backup = Connection::open(copy.path().join(backup.file_name().unwrap())).unwrap();
        assert_eq!(number(&backup, "PRAGMA user_version"), i64::try_from(old).unwrap(), "{what}");
        assert_eq!(life(&backup), before, "{what}: the backup is not whole");
    }
    // The release before, if the administrator goes back.
    let copy = copy_of(directory);
    let is_old = match opened_by(copy.path(), old) {
        Ok(db) => {
            assert_eq!(life(&db), before, "{what}: the old one is not whole");
            true
        }
        Err(OpenError::Newer { .. }) => {
            assert!(backup.exists(), "{what}: migrated without a backup");
            false
        }
        Err(error) => panic!("{what}: {error}"),
    };
    let db = opened_by(directory, old + 1).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(number(&db, "PRAGMA user_version"), i64::try_from(old + 1).unwrap());
    assert_eq!(life(&db), before, "{what}: the new one is not whole");
    drop(db);
    assert!(backup.exists(), "{what}: there is no backup");
    let left = directory.read_dir().unwrap().count();
    assert_eq!(left, 3, "{what}: database, lock, backup, and nothing else");
    is_old
}

fn at_each_call(test: &str, fault: Fault, mut check: impl FnMut(&Path, usize, traced::Ended, &str)) {
    for old in 1..=MIGRATIONS.len() {
        let mut at = 0;
        loop {
            at += 1;
            let directory = left_by(old);
            let ended = traced::run(test, &(old + 1).to_string(), directory.path(), at, fault);
            check(directory.path(), old, ended, &format!("schema {old}, at call {at}"));
            if !ended.struck {
                assert_eq!(ended.code, Some(DONE));
                break;
            }
        }
        assert!(at > 20, "a migration that changes files in {at} calls?");
    }
}

#[test]
fn killed_at_any_call_it_leaves_the_old_one_or_the_new_one_whole() {
    if let Some((schema, directory)) = role() {
        migrate_as_told(&schema, &directory);
    }
    let test = "interrupted::killed_at_any_call_it_leaves_the_old_one_or_the_new_one_whole";
    let (mut old_ones, mut new_ones) = (0, 0);
    at_each_call(test, Fault::Kill, |directory, old, ended, what| {
        assert_eq!(ended.code.is_none(), ended.struck, "{what}: {ended:?}");
        if is_whole(directory, old, what) {
            old_ones += 1;
        } else {
            new_ones += 1;
        }
    });
    assert!(old_ones > 20 && new_ones > 2, "killed {old_ones} times before the commit, {new_ones} times behind it");
}

#[test]
fn on_a_disk_that_is_full_from_any_call_on_it_says_so_and_leaves_the_old_one_whole() {
    if let Some((schema, directory)) = role() {
        migrate_as_told(&schema, &directory);
    }
    let test = "interrupted::on_a_disk_that_is_full_from_any_call_on_it_says_so_and_leaves_the_old_one_whole";
    let mut refused = 0;
    at_each_call(test, Fault::Full, |directory, old, ended, what| {
        match ended.code {
            Some(FULL) => refused += 1,
            // What is left to be done needs no room, or can wait.
            Some(DONE) => {}
            _ => panic!("{what}: {ended:?}"),
        }
        assert!(!directory.join("messengerd.unfinished").exists(), "{what}: half a backup takes room");
        let was_old = is_whole(directory, old, what);
        assert_eq!(was_old, ended.code == Some(FULL), "{what}");
    });
    assert!(refused > 20, "{refused}");
}
