//! A database that can't be served from: which one, why, and what to do, in one line, and the code for the shell.

use crate::support::{Person, Scratch, Server, Setup};
use rusqlite::Connection;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

/// A folder in which a daemon has served somebody.
fn left_behind() -> Arc<Scratch> {
    let server = Server::start();
    server.peer().sign_up("bob");
    let mut ann = server.person("ann");
    (0..20).for_each(|number| ann.write("bob", format!("{number} {}", "x".repeat(2000))));
    ann.barrier();
    drop(ann);
    server.stop()
}

/// The daemon ends with this code and one record, which begins with the path of the database; the rest of it.
fn refused(scratch: &Arc<Scratch>, code: i32) -> String {
    let said = Setup::new().on(scratch).set("store.busy_timeout=50ms").fail().with(code);
    let path = format!("{}: ", scratch.database().display());
    said.strip_prefix(&path).unwrap_or_else(|| panic!("{path} is not named first in: {said}")).to_owned()
}

fn serves_again(scratch: &Arc<Scratch>) {
    let server = Setup::new().on(scratch).start();
    server.peer().log_in("ann");
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

#[test]
fn one_that_a_foreign_program_holds_locked() {
    let scratch = left_behind();
    let foreign = Connection::open(scratch.database()).unwrap();
    foreign.execute_batch("BEGIN IMMEDIATE").unwrap();
    let said = refused(&scratch, 75);
    assert!(said.starts_with("the database is locked by another program; end it (fuser "), "{said}");
    drop(foreign);
    serves_again(&scratch);
}

#[test]
fn one_that_may_not_be_written() {
    let scratch = left_behind();
    mode(&scratch.database(), 0o400);
    mode(&scratch.state(), 0o500);
    let said = refused(&scratch, 77);
    assert!(said.starts_with("the database is read-only; make it"), "{said}");
    mode(&scratch.database(), 0o600);
    mode(&scratch.state(), 0o700);
    serves_again(&scratch);
}

#[test]
fn one_of_a_later_release() {
    let scratch = left_behind();
    let version = |version: i64| {
        let db = Connection::open(scratch.database()).unwrap();
        let before = db.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0)).unwrap();
        db.pragma_update(None, "user_version", version).unwrap();
        before
    };
    let known = version(4711);
    assert_eq!(
        refused(&scratch, 65),
        format!(
            "the database has schema 4711, and this release knows schemas up to {known}; \
             install the newer release again, or restore a backup that this one made"
        )
    );
    assert_eq!(version(known), 4711, "it was left alone");
    serves_again(&scratch);
}

#[test]
fn one_of_an_earlier_release_is_migrated_and_people_go_on_where_they_were() {
    let scratch = left_behind();
    // tests/data/README.md says how it was made.
    fs::write(scratch.database(), include_bytes!("../data/schema-1.sqlite")).unwrap();
    let server = Setup::new().on(&scratch).locally().start();
    server.logged("migrating");
    let mut bob = Person::log_in(server.local_peer(), "bob");
    for number in 0..5 {
        bob.hears("dan", format!("later {number}, he is away"));
    }
    assert_eq!(bob.contacts(), b"\x03\0\rann\r\0", "whom he had on his list");
    let mut cat = Person::log_in(server.local_peer(), "cat");
    for number in 0..20 {
        cat.hears("bob", format!("number {number}, she is away"));
    }
    for number in 0..5 {
        cat.hears("ann", format!("later {number}"));
    }
    cat.write("bob", "I am back");
    bob.hears("cat", "I am back");
    drop((bob, cat));
    server.stop();
    assert!(scratch.state().join("messengerd.before-schema-2").exists());
}

#[test]
fn one_of_another_program() {
    let scratch = left_behind();
    let other = scratch.path("other.sqlite");
    Connection::open(&other).unwrap().execute_batch("CREATE TABLE recipes (name TEXT) STRICT").unwrap();
    let theirs = fs::read(&other).unwrap();
    fs::write(scratch.database(), &theirs).unwrap();
    assert_eq!(refused(&scratch, 65), "this is a database of another program; move it away, or set state.directory");
    let db = Connection::open(scratch.database()).unwrap();
    let tables: String = db.query_row("SELECT group_concat(name) FROM sqlite_schema", [], |row| row.get(0)).unwrap();
    assert_eq!(tables, "recipes", "nothing was added to it");
}

#[test]
fn one_that_is_damaged() {
    let scratch = left_behind();
    let whole = fs::read(scratch.database()).unwrap();
    let garbage: Vec<u8> = b"this is no database".iter().copied().cycle().take(8192).collect();
    let mut scribbled = whole.clone();
    scribbled[4096..].iter_mut().for_each(|byte| *byte ^= 0x5a);
    for (what, damaged) in
        [("garbage", &garbage[..]), ("cut off", &whole[..whole.len() / 2]), ("scribbled", &scribbled)]
    {
        fs::write(scratch.database(), damaged).unwrap();
        let said = refused(&scratch, 65);
        assert!(said.starts_with("the database is damaged ("), "{what}: {said}");
        assert!(said.contains("restore a backup, or save what is left with `sqlite3 "), "{what}: {said}");
    }
    fs::write(scratch.database(), whole).unwrap();
    serves_again(&scratch);
}
