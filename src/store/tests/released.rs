//! Databases that released schemas have left behind (tests/data), opened with today's code.

use super::*;
use crate::store::migrations::MIGRATIONS;
use crate::store::open;
use std::collections::BTreeMap;
use std::fs;

/// All schemas that were ever released have one.
const RELEASED: &[&[u8]] = &[
    include_bytes!("../../../tests/data/schema-1.sqlite"),
    include_bytes!("../../../tests/data/schema-2.sqlite"),
    include_bytes!("../../../tests/data/schema-3.sqlite"),
];

/// A folder with the database that this schema has left.
pub(super) fn left_by(schema: usize) -> TempDir {
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join(FILE), RELEASED[schema - 1]).unwrap();
    directory
}

/// Opened, and no more: migrated if need be.
fn opened(directory: &Path) -> Connection {
    open::open(&options(directory), MIGRATIONS, &no_progress()).unwrap().db
}

/// What people have, whatever the schema.
pub(super) type Life = BTreeMap<String, Possessions>;

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Possessions {
    id: i64,
    account: String,
    contacts: Vec<String>,
    cursor: i64,
    /// From number 1 on.
    mailbox: Vec<Letter>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Letter {
    seq: i64,
    incoming: bool,
    sender: String,
    recipient: String,
    sent_at: i64,
    text: String,
}

fn all<T>(db: &Connection, query: &str, row: impl FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<T>) -> Vec<T> {
    db.prepare(query).unwrap().query_map([], row).unwrap().map(Result::unwrap).collect()
}

/// Reads a database of any released schema, by what each schema says of itself and by none of the store's code.
pub(super) fn life(db: &Connection) -> Life {
    let files_later = number(db, "PRAGMA user_version") >= 2;
    let accounts = all(
        db,
        "SELECT id, login, concat_ws('|', email, password, disabled, created_at), cursor FROM accounts JOIN mailboxes ON account = id",
        |row| {
            Ok((
                row.get(1)?,
                Possessions { id: row.get(0)?, account: row.get(2)?, cursor: row.get(3)?, ..Default::default() },
            ))
        },
    );
    let mut life: Life = accounts.into_iter().collect();
    for Possessions { id, contacts, mailbox, .. } in life.values_mut() {
        let query =
            format!("SELECT login FROM contacts JOIN accounts ON id = contact WHERE owner = {id} ORDER BY login");
        *contacts = all(db, &query, |row| row.get(0));
        let mut messages = all(db, &format!("SELECT message FROM entries WHERE account = {id} ORDER BY seq"), |row| {
            row.get::<_, i64>(0)
        });
        let numbers: Vec<i64> =
            all(db, &format!("SELECT seq FROM entries WHERE account = {id} ORDER BY seq"), |row| row.get(0));
        let filed = i64::try_from(messages.len()).unwrap();
        assert_eq!(numbers, (1..=filed).collect::<Vec<i64>>(), "a gap in the mailbox of {id}");
        assert_eq!(number(db, &format!("SELECT head FROM mailboxes WHERE account = {id}")), filed);
        if files_later {
            let behind = format!(
                "SELECT messages.id FROM messages JOIN mailboxes ON account = {id}
                 WHERE messages.id > filed AND {id} IN (sender, recipient) ORDER BY messages.id"
            );
            messages.extend(all(db, &behind, |row| row.get::<_, i64>(0)));
        }
        for (seq, message) in (1..).zip(messages) {
            let query = format!(
                "SELECT recipient = {id}, a.login, b.login, sent_at, text
                 FROM messages JOIN accounts AS a ON a.id = sender JOIN accounts AS b ON b.id = recipient
                 WHERE messages.id = {message}"
            );
            mailbox.extend(all(db, &query, |row| {
                Ok(Letter {
                    seq,
                    incoming: row.get(0)?,
                    sender: row.get(1)?,
                    recipient: row.get(2)?,
                    sent_at: row.get(3)?,
                    text: row.get(4)?,
                })
            }));
        }
    }
    life
}

/// What the file of a release holds.
pub(super) fn life_at_its_release(schema: usize) -> Life {
    let directory = left_by(schema);
    life(&foreign(directory.path()))
}

/// All that a database says of itself.
fn form(db: &Connection) -> Vec<String> {
    let mut form = all(db, "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name", |row| {
        Ok(format!(
            "{} {} {} {:?}",
            row.get::<_, String>(0)?,
            row.get::<_, String>(1)?,
            row.get::<_, String>(2)?,
            row.get::<_, Option<String>>(3)?
        ))
    });
    // All but auto_vacuum, which can't be had without writing every page anew.
    let lasting = ["application_id", "encoding", "journal_mode", "page_size", "user_version"];
    let of_a_connection = ["foreign_keys", "synchronous", "temp_store", "trusted_schema", "secure_delete"];
    for pragma in lasting.into_iter().chain(of_a_connection) {
        let value = db.pragma_query_value(None, pragma, |row| row.get::<_, rusqlite::types::Value>(0)).unwrap();
        form.push(format!("{pragma} {value:?}"));
    }
    form
}

#[test]
fn each_released_schema_has_a_database_with_people_messages_and_something_that_waits() {
    assert_eq!(RELEASED.len(), MIGRATIONS.len(), "tests/data/README.md says how to make one of the newest schema");
    for schema in 1..=RELEASED.len() {
        let directory = left_by(schema);
        let db = foreign(directory.path());
        assert_eq!(number(&db, "PRAGMA user_version"), i64::try_from(schema).unwrap());
        let life = life(&db);
        assert_eq!(life.keys().collect::<Vec<_>>(), ["ann", "bob", "cat", "dan"]);
        assert_eq!(life.values().map(|person| person.contacts.len()).sum::<usize>(), 5);
        let received = |login: &str| life[login].mailbox.iter().filter(|letter| letter.incoming).count();
        assert_eq!(["ann", "bob", "cat", "dan"].map(received), [2, 26, 25, 0]);
        assert_eq!((life["bob"].cursor, life["cat"].cursor), (41, 0), "bob has read some, cat nothing");
        assert_eq!(life["bob"].mailbox.len(), 46);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_comes_to_the_form_of_a_new_one_and_nobody_misses_anything() {
    let fresh = TempDir::new().unwrap();
    let fresh = form(&opened(fresh.path()));
    for schema in 1..=RELEASED.len() {
        let before = life_at_its_release(schema);
        let directory = left_by(schema);
        let db = opened(directory.path());
        assert_eq!(form(&db), fresh, "from schema {schema}");
        assert_eq!(life(&db), before, "from schema {schema}");
        assert_eq!(all(&db, "PRAGMA integrity_check", |row| row.get::<_, String>(0)), ["ok"]);
        drop(db);
        assert_eq!(everybodys(directory.path()).await, before, "as the store gives it out, from schema {schema}");
    }
}

/// The same as [`life`], as the store gives it to whoever logs in; before and after filing.
async fn everybodys(directory: &Path) -> Life {
    let db = foreign(directory);
    let mut seen = life(&db);
    let (store, _committed) = open(directory);
    for filed in [false, true] {
        for (name, has) in &mut seen {
            let account = store.get_account(login(name)).await.unwrap().unwrap();
            assert_eq!(account.id, AccountId(has.id));
            has.contacts = store
                .get_contacts_list(account.id)
                .await
                .unwrap()
                .iter()
                .map(|(_, login)| login.as_str().to_owned())
                .collect();
            has.cursor = store.cursor(account.id).await.unwrap().0.cast_signed();
            let entries = store.mailbox_page(account.id, Seq(0), ALL).await.unwrap().entries;
            assert_gapless(&entries);
            let letters: Vec<_> = entries.iter().map(letter).collect();
            assert!(!filed || letters == has.mailbox, "filing has changed the mailbox of {name}");
            has.mailbox = letters;
        }
        store.writer.file().await;
    }
    store.stop().await.unwrap();
    seen
}

fn letter(entry: &Entry) -> Letter {
    Letter {
        seq: entry.seq.0.cast_signed(),
        incoming: entry.incoming,
        sender: entry.message.sender.as_str().to_owned(),
        recipient: entry.message.recipient.as_str().to_owned(),
        sent_at: entry.message.sent_at.0,
        text: entry.message.text.to_string(),
    }
}

#[test]
fn migrating_a_second_time_does_nothing() {
    for schema in 1..=RELEASED.len() {
        let directory = left_by(schema);
        drop(opened(directory.path()));
        let contents = || {
            let files = directory.path().read_dir().unwrap().map(|file| file.unwrap().path());
            files.map(|file| (file.clone(), fs::read(&file).unwrap())).collect::<BTreeMap<_, _>>()
        };
        let once = contents();
        drop(opened(directory.path()));
        assert!(once == contents(), "schema {schema}: a file has changed");
        let backup = directory.path().join(format!("messengerd.before-schema-{}", schema + 1));
        assert_eq!(backup.exists(), schema < MIGRATIONS.len());
    }
}

#[test]
fn the_backup_holds_all_that_the_old_one_did() {
    for schema in 1..MIGRATIONS.len() {
        let directory = left_by(schema);
        drop(opened(directory.path()));
        let backup = directory.path().join(format!("messengerd.before-schema-{}", MIGRATIONS.len().min(schema + 1)));
        assert_eq!(life(&Connection::open(&backup).unwrap()), life_at_its_release(schema));
    }
}
