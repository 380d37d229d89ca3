//! From older schemas to the newest, with made-up steps.

use super::*;
use crate::store::open;
use rusqlite::MAIN_DB;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Mutex;

const PEOPLE: &str = "
    CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT;
    CREATE TABLE pets (owner INTEGER NOT NULL REFERENCES people (id) ON DELETE CASCADE, name TEXT NOT NULL) STRICT;
    INSERT INTO people VALUES (1, 'ann'), (2, 'bob');
    INSERT INTO pets VALUES (1, 'rex'), (2, 'tom'), (2, 'kit');";
/// Builds a table anew, as SQLite's manual wants it.
const UNIQUE_NAMES: &str = "
    CREATE TABLE new_people (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
    INSERT INTO new_people SELECT * FROM people;
    DROP TABLE people;
    ALTER TABLE new_people RENAME TO people;";
const PETS_BY_OWNER: &str = "CREATE INDEX pets_by_owner ON pets (owner)";
const STEPS: &[&str] = &[PEOPLE, UNIQUE_NAMES, PETS_BY_OWNER];

/// Some millions of SQLite's own instructions.
const LONG: &str = "
    CREATE TABLE numbers AS
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500000) SELECT max(i) AS most FROM n;";

fn migrated(directory: &Path, steps: &[&'static str]) -> Result<Connection, OpenError> {
    open::open(&options(directory), steps, &no_progress()).map(|opened| opened.db)
}

fn schema(db: &Connection) -> Vec<(String, String, Option<String>)> {
    let mut statement = db.prepare("SELECT type, name, sql FROM sqlite_schema ORDER BY type, name").unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
    rows.map(Result::unwrap).collect()
}

fn version(path: &Path) -> i64 {
    number(&Connection::open(path).unwrap(), "PRAGMA user_version")
}

fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        directory.read_dir().unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    names.sort_unstable();
    names
}

#[test]
fn each_older_schema_comes_to_the_same_as_a_new_one_and_keeps_its_rows() {
    let fresh = TempDir::new().unwrap();
    let fresh = schema(&migrated(fresh.path(), STEPS).unwrap());
    for older in 1..STEPS.len() {
        let directory = TempDir::new().unwrap();
        drop(migrated(directory.path(), &STEPS[..older]).unwrap());
        let db = migrated(directory.path(), STEPS).unwrap();
        assert_eq!(schema(&db), fresh, "from {older}");
        assert_eq!(number(&db, "PRAGMA user_version"), 3);
        assert_eq!(number(&db, "SELECT count(*) FROM pets"), 3, "a table built anew has not taken them along");
        assert_eq!(number(&db, "PRAGMA foreign_keys"), 1);
        assert_eq!(pets_of_a_deleted_owner(&db), 0);
    }
}

fn pets_of_a_deleted_owner(db: &Connection) -> i64 {
    db.execute("DELETE FROM people WHERE id = 2", []).unwrap();
    number(db, "SELECT count(*) FROM pets WHERE owner = 2")
}

#[test]
fn the_real_steps_make_a_database_that_opens_again_without_a_backup() {
    let directory = TempDir::new().unwrap();
    for _ in 0..2 {
        let db = migrated(directory.path(), crate::store::migrations::MIGRATIONS).unwrap();
        assert_eq!(number(&db, "PRAGMA user_version"), 3);
        assert!(!db.is_readonly(MAIN_DB).unwrap());
    }
    assert_eq!(names(directory.path()), ["messengerd.lock", "messengerd.sqlite"]);
}

#[test]
fn the_older_database_is_kept_beside_the_new_one_closed_to_others() {
    let directory = TempDir::new().unwrap();
    drop(migrated(directory.path(), &STEPS[..1]).unwrap());
    drop(migrated(directory.path(), STEPS).unwrap());
    let backup = directory.path().join("messengerd.before-schema-2");
    assert_eq!(version(&backup), 1);
    assert_eq!(fs::metadata(&backup).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(number(&Connection::open(&backup).unwrap(), "SELECT count(*) FROM pets"), 3);

    // It is what an administrator goes back with.
    fs::rename(&backup, directory.path().join(FILE)).unwrap();
    let db = migrated(directory.path(), &STEPS[..1]).unwrap();
    assert_eq!(number(&db, "SELECT count(*) FROM people"), 2);
}

#[test]
fn a_step_that_fails_leaves_the_old_database_as_it_was() {
    let directory = TempDir::new().unwrap();
    let old = schema(&migrated(directory.path(), &STEPS[..1]).unwrap());
    let steps = [PEOPLE, UNIQUE_NAMES, "INSERT INTO people VALUES (3, 'ann')"];
    let error = migrated(directory.path(), &steps).unwrap_err();
    insta::assert_snapshot!(shown(&error, directory.path()), @"[state]/messengerd.sqlite: can't migrate the database");
    insta::assert_snapshot!(std::error::Error::source(&error).unwrap().to_string(), @"UNIQUE constraint failed: people.name");
    let db = migrated(directory.path(), &STEPS[..1]).unwrap();
    assert_eq!(schema(&db), old);
    assert_eq!(number(&db, "SELECT count(*) FROM pets"), 3);
    drop(db);
    migrated(directory.path(), STEPS).expect("the next release, with a better step");
}

#[test]
fn a_step_that_leaves_rows_without_what_they_refer_to_fails() {
    let directory = TempDir::new().unwrap();
    drop(migrated(directory.path(), &STEPS[..1]).unwrap());
    let error = migrated(directory.path(), &[PEOPLE, "DELETE FROM people WHERE id = 1"]).unwrap_err();
    insta::assert_snapshot!(std::error::Error::source(&error).unwrap().to_string(), @"a row of pets would refer to one that is not there");
    let db = migrated(directory.path(), &STEPS[..1]).unwrap();
    assert_eq!(number(&db, "SELECT count(*) FROM people"), 2);
}

#[test]
fn an_unfinished_backup_is_replaced() {
    let directory = TempDir::new().unwrap();
    drop(migrated(directory.path(), &STEPS[..1]).unwrap());
    fs::write(directory.path().join("messengerd.unfinished"), "half a database").unwrap();
    fs::write(directory.path().join("messengerd.unfinished-journal"), "half a journal").unwrap();
    drop(migrated(directory.path(), STEPS).unwrap());
    assert_eq!(version(&directory.path().join("messengerd.before-schema-2")), 1);
    assert_eq!(
        names(directory.path()),
        ["messengerd.before-schema-2", "messengerd.lock", "messengerd.sqlite"],
        "nothing else is left"
    );
}

#[test]
fn a_backup_that_cannot_be_made_stops_the_migration() {
    let directory = TempDir::new().unwrap();
    drop(migrated(directory.path(), &STEPS[..1]).unwrap());
    fs::create_dir(directory.path().join("messengerd.unfinished")).unwrap();
    let error = migrated(directory.path(), STEPS).unwrap_err();
    insta::assert_snapshot!(shown(&error, directory.path()), @"[state]/messengerd.unfinished: can't remove an unfinished backup");
    assert_eq!(version(&directory.path().join(FILE)), 1);
}

#[test]
fn a_long_migration_says_that_it_goes_on() {
    let directory = TempDir::new().unwrap();
    drop(migrated(directory.path(), &[PEOPLE]).unwrap());
    // Whether there was a backup when progress was reported: so it is known that both report.
    let backup = directory.path().join("messengerd.before-schema-2");
    let reports = Arc::new(Mutex::new(Vec::new()));
    let progress: Progress = {
        let reports = Arc::clone(&reports);
        Arc::new(move || reports.lock().unwrap().push(backup.exists()))
    };
    drop(open::open(&options(directory.path()), &[PEOPLE, LONG], &progress).unwrap().db);
    let reports = reports.lock().unwrap();
    assert!(reports.contains(&false), "while it copied");
    assert!(reports.contains(&true), "while it migrated");
}

#[test]
fn a_migration_that_is_killed_leaves_the_old_schema_and_the_next_start_migrates() {
    let test = "migrating::a_migration_that_is_killed_leaves_the_old_schema_and_the_next_start_migrates";
    if let Some((phase, directory)) = role() {
        let backup = directory.join("messengerd.before-schema-2");
        let after_the_backup = phase == "migrating";
        // No destructor runs, no connection is closed: for the files it is as with SIGKILL.
        let die: Progress = Arc::new(move || {
            if backup.exists() == after_the_backup {
                std::process::abort();
            }
        });
        let opened = open::open(&options(&directory), &[PEOPLE, LONG], &die);
        panic!("it should have been dead: {:?}", opened.err());
    }
    for phase in ["copying", "migrating"] {
        let directory = TempDir::new().unwrap();
        drop(migrated(directory.path(), &[PEOPLE]).unwrap());
        let ended = run_as(test, phase, directory.path(), |_| ());
        let signal = std::os::unix::process::ExitStatusExt::signal(&ended);
        assert_eq!(signal, Some(nix::libc::SIGABRT), "{phase}: {ended}");
        assert_eq!(names(directory.path()).contains(&"messengerd.before-schema-2".to_owned()), phase == "migrating");

        let db = migrated(directory.path(), &[PEOPLE]).unwrap();
        assert_eq!(number(&db, "SELECT count(*) FROM sqlite_schema WHERE name = 'numbers'"), 0, "{phase}");
        drop(db);
        let db = migrated(directory.path(), &[PEOPLE, LONG]).unwrap();
        assert_eq!(number(&db, "SELECT most FROM numbers"), 500_000, "{phase}");
        assert_eq!(version(&directory.path().join("messengerd.before-schema-2")), 1);
    }
}

/// Two people and what they have written to each other and to themselves, as schema 1 had it.
const TALK: &str = "
    INSERT INTO accounts (id, login, email, password, created_at) VALUES (1, 'ann', 'a@example.org', '', 0), (2, 'bob', 'b@example.org', '', 0);
    INSERT INTO messages (id, sender, recipient, sent_at, text) VALUES (1, 1, 2, 0, 'one'), (2, 2, 1, 0, 'two'), (5, 1, 1, 0, 'three');
    INSERT INTO mailboxes (account, head, cursor) VALUES (1, 3, 1), (2, 2, 2);
    INSERT INTO entries (account, seq, incoming, message)
    VALUES (1, 1, 0, 1), (1, 2, 1, 2), (1, 3, 1, 5), (2, 1, 1, 1), (2, 2, 0, 2);";

#[tokio::test(flavor = "multi_thread")]
async fn mailboxes_of_schema_1_go_on_where_they_were() {
    let directory = TempDir::new().unwrap();
    let db = migrated(directory.path(), &crate::store::migrations::MIGRATIONS[..1]).unwrap();
    db.execute_batch(TALK).unwrap();
    drop(db);
    let (store, _committed) = open(directory.path());
    let person =
        async |text| Person { id: store.get_account(login(text)).await.unwrap().unwrap().id, login: login(text) };
    let (ann, bob) = (person("ann").await, person("bob").await);
    assert_eq!((store.cursor(ann.id).await.unwrap(), store.cursor(bob.id).await.unwrap()), (Seq(1), Seq(2)));
    assert!(bob.writes(&store, &ann, "four").await.unwrap());
    for filed in [false, true] {
        assert_eq!(ann.mailbox_texts(&store).await, ["one", "two", "three", "four"], "filed: {filed}");
        assert_eq!(bob.mailbox_texts(&store).await, ["one", "two", "four"], "filed: {filed}");
        let incoming: Vec<_> = ann.mailbox(&store).await.iter().map(|entry| entry.incoming).collect();
        assert_eq!(incoming, [false, true, true, true]);
        store.writer.file().await;
    }
    assert_gapless(&ann.mailbox(&store).await);
    assert_eq!(number(&foreign(directory.path()), "SELECT count(*) FROM entries WHERE message > 5"), 2);
}
