//! A state directory as a daemon of schema 1 has left it, and what people know of it.

use crate::check::Broken;
use crate::daemon::{signal, spawn, words};
use crate::disk::make;
use crate::packets::{log_in, request, sign_up};
use crate::scratch;
use crate::trace::Event;
use nix::sys::signal::Signal::SIGTERM;
use nix::unistd::Pid;
use rusqlite::{Connection, params};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::Path;

const SCHEMA: &str = include_str!("../../src/store/migrations/0001_accounts_contacts_mailboxes.sql");
const BACKUP: &str = "messengerd.before-schema-2";
const PEOPLE: usize = 5;
const MESSAGES: usize = 200;
const KEY: [u8; 4] = [1, 2, 3, 4];

fn login(person: usize) -> String {
    format!("old-{person}")
}

/// Who wrote to whom, and what.
fn message(number: usize) -> (usize, usize, String) {
    (number % PEOPLE, number * 7 % 3, format!("{number} {}\n", "old ".repeat(number % 90)))
}

/// How much of each mailbox was delivered.
fn is_delivered(number: usize) -> bool {
    number < MESSAGES / 2
}

/// Makes the directory as a daemon has it, with the old database in it; what people did before, on connections of theirs.
pub(crate) fn leave(folder: &Path) -> Vec<Event> {
    let (mut daemon, says) = spawn(&words(folder, &[]));
    says.address().expect("it listens");
    signal(Pid::from_raw(i32::try_from(daemon.id()).unwrap()), SIGTERM);
    daemon.wait().unwrap();
    let state = folder.join("state");
    let paths = fs::read_dir(&state).unwrap().map(|entry| entry.unwrap().path());
    paths.filter(|path| path.is_file()).for_each(|path| fs::remove_file(path).unwrap());
    let path = state.join("messengerd.sqlite");
    write(&Connection::open(&path).unwrap()).unwrap();
    let owner = fs::metadata(&state).unwrap();
    chown(&path, Some(owner.uid()), Some(owner.gid())).unwrap();
    lived()
}

fn write(db: &Connection) -> rusqlite::Result<()> {
    db.execute_batch("PRAGMA journal_mode = WAL; BEGIN")?;
    db.execute_batch(SCHEMA)?;
    db.execute_batch("PRAGMA application_id = 0x6d736764; PRAGMA user_version = 1")?;
    for person in 0..PEOPLE {
        let (login, number) = (login(person), i64::try_from(person).unwrap() + 1);
        let account = "INSERT INTO accounts (id, login, email, password, created_at) VALUES (?1, ?2, ?3, '', 0)";
        db.execute(account, params![number, login, format!("{login}@example.org")])?;
        db.execute("INSERT INTO mailboxes (account) VALUES (?1)", [number])?;
    }
    for number in 0..MESSAGES {
        let (from, to, text) = message(number);
        let [id, from, to] = [number, from, to].map(|number| i64::try_from(number).unwrap() + 1);
        let message = "INSERT INTO messages (id, sender, recipient, sent_at, text) VALUES (?1, ?2, ?3, 0, ?4)";
        db.execute(message, params![id, from, to, text])?;
        for account in if from == to { vec![to] } else { vec![to, from] } {
            db.execute("UPDATE mailboxes SET head = head + 1 WHERE account = ?1", [account])?;
            if is_delivered(number) {
                db.execute("UPDATE mailboxes SET cursor = head WHERE account = ?1", [account])?;
            }
            let entry = "INSERT INTO entries (account, seq, incoming, message)
                         SELECT account, head, ?2, ?3 FROM mailboxes WHERE account = ?1";
            db.execute(entry, params![account, account == to, id])?;
        }
    }
    db.execute_batch("COMMIT")
}

/// What went over the connections of people who did that.
fn lived() -> Vec<Event> {
    let mut events = Vec::new();
    // Far from the numbers of the connections that will be seen.
    let connection = |person: usize| 1_000_000 + person;
    for person in 0..PEOPLE {
        let mut ask = |asked: Vec<u8>, told: &[u8]| {
            events.push(Event::Heard(connection(person), asked));
            events.push(Event::Told(connection(person), told.to_vec()));
        };
        ask(sign_up(&login(person)), &[0, 0]);
        ask(log_in(&login(person)), &[1, 0, b'\r', 1, 2, 3, 4]);
    }
    for number in 0..MESSAGES {
        let (from, to, text) = message(number);
        events.push(Event::Heard(connection(from), request(6, KEY, &[&login(to), &text])));
        if is_delivered(number) {
            let packet = format!("\u{2}{}\r{text}", login(from));
            events.push(Event::Told(connection(to), packet.into_bytes()));
        }
    }
    for person in 0..PEOPLE {
        events.push(Event::Heard(connection(person), request(3, KEY, &[])));
        events.push(Event::Told(connection(person), vec![3, 1]));
    }
    events
}

/// A backup is whole, and when the database is of the new schema there is one.
pub(crate) fn has_backup(left: &BTreeMap<String, Vec<u8>>) -> Result<(), Broken> {
    let folder = scratch();
    make(left, folder.path());
    let ask = |name: &str, query: &str| -> rusqlite::Result<i64> {
        Connection::open(folder.path().join(name))?.query_row(query, [], |row| row.get(0))
    };
    let fault = |error| Broken(format!("a database can't be asked: {error}"));
    let version = ask("messengerd.sqlite", "PRAGMA user_version").map_err(fault)?;
    if left.contains_key(BACKUP) {
        let whole = format!(
            "SELECT (SELECT count(*) FROM messages) = {MESSAGES} AND (SELECT count(*) FROM pragma_integrity_check) = 1
             AND (SELECT integrity_check FROM pragma_integrity_check) = 'ok'"
        );
        let (version, whole) = (ask(BACKUP, "PRAGMA user_version"), ask(BACKUP, &whole));
        let is_whole = version == Ok(1) && whole == Ok(1);
        return if is_whole { Ok(()) } else { Err(Broken(format!("the backup: {version:?}, {whole:?}"))) };
    }
    if version == 1 { Ok(()) } else { Err(Broken(format!("schema {version}, and no backup"))) }
}
