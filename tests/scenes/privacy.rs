//! What is kept of a person, how they are told of it, and how it goes.

use crate::administration::{add, ctl, done, listening};
use crate::support::{Person, Scratch, Setup, packet, password, until};
use rusqlite::Connection;
use serde_json::{Value, json};
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

/// Which of these are in the database's files, byte for byte.
fn found_in_files(scratch: &Scratch, words: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for ending in ["", "-wal"] {
        let path = format!("{}{ending}", scratch.database().display());
        let bytes = fs::read(path).unwrap_or_default();
        let there = words.iter().filter(|word| memchr::memmem::find(&bytes, word.as_bytes()).is_some());
        found.extend(there.map(|word| format!("{word:?} in the file {ending:?}")));
    }
    found
}

fn number(scratch: &Scratch, query: &str) -> i64 {
    Connection::open(scratch.database()).unwrap().query_row(query, [], |row| row.get(0)).unwrap()
}

#[test]
fn who_is_erased_is_put_out_told_to_nobody_any_more_and_not_in_the_files() {
    let server = listening(&[]);
    let scratch = &server.scratch;
    let (mut ann, mut bob) = (server.person("annabella"), server.person("bob"));
    ann.add("bob");
    bob.add("annabella");
    ann.write("bob", "what bob keeps");
    bob.hears("annabella", "what bob keeps");
    bob.write("annabella", "what bob has written");
    ann.hears("bob", "what bob has written");
    ann.write("annabella", "a note to myself");
    ann.hears("annabella", "a note to myself");
    let hash: String = Connection::open(scratch.database())
        .unwrap()
        .query_row("SELECT password FROM accounts WHERE login = 'annabella'", [], |row| row.get(0))
        .unwrap();
    let hers = ["annabella", "annabella@example.org", hash.as_str(), "a note to myself"];
    assert!(found_in_files(scratch, &hers).len() >= hers.len());

    let (code, _, said) = ctl(scratch, &["user", "delete", "annabella"]);
    assert_eq!(code, Some(64));
    assert!(said.contains("nothing was done") && said.contains("--yes"), "{said}");
    ann.barrier();
    let said = done(scratch, &["user", "delete", "annabella", "--yes"]);
    assert_eq!(said, "annabella is erased, and their session has ended\n");
    assert_eq!(found_in_files(scratch, &hers), [""; 0]);

    ann.peer.closed();
    bob.sees("annabella", 0);
    bob.barrier();
    assert_eq!(bob.contacts(), [3, 1]);
    bob.write("annabella", "are you there?");
    bob.barrier();
    server.peer().ask(&packet(1, &["annabella", &password("annabella")]), &[1, 1]);
    server.peer().ask(&packet(0, &["other@example.org", "annabella", "a long enough password"]), &[0, 4]);
    assert_eq!(ctl(scratch, &["user", "show", "annabella"]).0, Some(67));
    assert_eq!(ctl(scratch, &["user", "delete", "annabella", "--yes"]).0, Some(67));
    server.logged(r#"ordered and done: erase the account \"annabella\""#);
    // What bob has stays his.
    assert_eq!(found_in_files(scratch, &["what bob keeps", "what bob has written"]).len(), 2);
    let scratch = server.stop();
    assert_eq!(found_in_files(&scratch, &hers), [""; 0]);
}

#[test]
fn an_account_is_erased_while_the_daemon_does_not_run_and_the_servers_own_voice_never() {
    let server = listening(&[]);
    server.person("ann").barrier();
    done(&server.scratch, &["message", "send", "--to", "ann", "welcome"]);
    let (code, _, said) = ctl(&server.scratch, &["user", "delete", "system", "--yes"]);
    assert_eq!(code, Some(65));
    assert!(said.contains("speaks in the server's name"), "{said}");
    let scratch = server.stop();
    let (code, out, err) = ctl(&scratch, &["user", "delete", "ann", "--yes"]);
    assert_eq!((code, out.as_str()), (Some(0), "ann is erased\n"), "{err}");
    assert!(err.contains("working on the database without messengerd"));
    let server = Setup::new().on(&scratch).start();
    server.peer().ask(&packet(1, &["ann", &password("ann")]), &[1, 1]);
}

/// Puts messages into somebody's own mailbox, many at once, while nobody has the database open.
fn notes_to_themselves(scratch: &Scratch, login: &str, how_many: i64) {
    let db = Connection::open(scratch.database()).unwrap();
    let id = format!("(SELECT id FROM accounts WHERE login = '{login}')");
    db.execute_batch(&format!(
        "BEGIN;
         WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {how_many})
         INSERT INTO messages (id, sender, recipient, sent_at, text)
         SELECT (SELECT up_to FROM filing) + n, {id}, {id}, 0, 'a note ' || n FROM numbers;
         INSERT INTO entries (account, seq, message)
         SELECT {id}, id - (SELECT up_to FROM filing), id FROM messages WHERE id > (SELECT up_to FROM filing);
         UPDATE mailboxes SET head = {how_many}, filed = (SELECT max(id) FROM messages) WHERE account = {id};
         UPDATE filing SET up_to = (SELECT max(id) FROM messages);
         COMMIT"
    ))
    .unwrap();
}

#[test]
fn an_erasure_that_the_daemon_was_killed_in_is_gone_on_with_by_the_next() {
    let server = listening(&[]);
    add(&server.scratch, "ann");
    let scratch = server.stop();
    notes_to_themselves(&scratch, "ann", 20_000);
    let control = format!("listen.control={}", scratch.control().display());
    let start = || Setup::new().on(&Arc::clone(&scratch)).set(&control).start();
    let server = start();
    let mut door = UnixStream::connect(scratch.control()).unwrap();
    let call = r#"{"method":"io.messengerd.Control.DeleteUser","more":true,"parameters":{"login":"ann"}}"#;
    door.write_all(format!("{call}\0").as_bytes()).unwrap();
    // It has begun.
    assert!(door.read(&mut [0; 4096]).unwrap() > 0);
    server.kill();
    let server = start();
    server.peer().ask(&packet(1, &["ann", &password("ann")]), &[1, 1]);
    until("it is gone on with", || (number(&scratch, "SELECT count(*) FROM erasures") == 0).then_some(()));
    assert_eq!(number(&scratch, "SELECT (SELECT count(*) FROM entries) + (SELECT count(*) FROM messages)"), 0);
    assert_eq!(found_in_files(&scratch, &["ann@example.org", "a note 19999"]), [""; 0]);
    Person::sign_up(server.peer(), "bob").barrier();
}

#[test]
fn all_that_is_kept_of_somebody_is_told_as_one_document_but_not_their_password() {
    let server = listening(&[]);
    let (mut ann, mut bob) = (server.person("ann"), server.person("bob"));
    ann.add("bob");
    bob.add("ann");
    bob.write("ann", "one\r\n\"two\"");
    ann.hears("bob", "one\r\n\"two\"");
    // More than one part of the answer has.
    let long = |number| format!("message {number}{}", ".".repeat(800));
    for number in 0..100 {
        ann.write("bob", long(number));
        bob.hears("ann", long(number));
    }
    ann.barrier();
    drop(ann);
    bob.sees("ann", 0);
    bob.write("ann", "waits");
    bob.barrier();
    let scratch = &server.scratch;
    let read = |text: &str| -> Value { serde_json::from_str(text).unwrap() };
    let told = read(&done(scratch, &["user", "export", "ann"]));
    assert_eq!(told["messengerd_export"], 1);
    assert_eq!((&told["account"]["login"], &told["account"]["email"]), (&json!("ann"), &json!("ann@example.org")));
    assert_eq!((&told["contacts"], &told["blocks"]), (&json!(["bob"]), &json!([])));
    let messages = told["messages"].as_array().unwrap();
    assert_eq!(messages.len(), 102);
    let of = |message: &Value, key: &str| message[key].as_str().unwrap_or_default().to_owned();
    assert_eq!(of(&messages[0], "text"), "one\r\n\"two\"");
    assert_eq!((of(&messages[0], "direction"), &messages[0]["delivered"]), ("received".to_owned(), &json!(true)));
    assert_eq!((of(&messages[100], "direction"), of(&messages[100], "text")), ("sent".to_owned(), long(99)));
    assert_eq!((of(&messages[101], "text"), &messages[101]["delivered"]), ("waits".to_owned(), &json!(false)));
    let hash: String = Connection::open(scratch.database())
        .unwrap()
        .query_row("SELECT password FROM accounts WHERE login = 'ann'", [], |row| row.get(0))
        .unwrap();
    assert!(!told.to_string().contains(&hash));
    server.logged(r#"ordered and done: tell all that is kept of \"ann\""#);
    assert_eq!(ctl(scratch, &["user", "export", "nobody"]).0, Some(67));

    // Into a file of one's own, which is made new.
    let file = scratch.path("ann.json");
    let name = file.display().to_string();
    assert_eq!(done(scratch, &["user", "export", "ann", "--output", &name, "--json"]), "");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(read(&fs::read_to_string(&file).unwrap())["messages"], told["messages"]);
    let (code, _, said) = ctl(scratch, &["user", "export", "bob", "--output", &name]);
    assert_eq!(code, Some(73));
    assert!(said.contains(&name) && said.contains("File exists"), "{said}");
    let nothing = scratch.path("nobody.json");
    assert_eq!(ctl(scratch, &["user", "export", "nobody", "--output", &nothing.display().to_string()]).0, Some(67));
    assert!(!nothing.exists());

    // And without the daemon, as somebody who may not write there any more when it begins.
    let scratch = server.stop();
    let file = scratch.path("again.json");
    let (code, out, err) = ctl(&scratch, &["user", "export", "ann", "--output", &file.display().to_string()]);
    assert_eq!((code, out.as_str()), (Some(0), ""), "{err}");
    assert_eq!(read(&fs::read_to_string(&file).unwrap())["messages"], told["messages"]);
    let nothing = scratch.path("nobody.json");
    assert_eq!(ctl(&scratch, &["user", "export", "nobody", "--output", &nothing.display().to_string()]).0, Some(67));
    assert_eq!(fs::metadata(&nothing).map_or(0, |file| file.len()), 0);
}

#[test]
fn mailboxes_let_go_of_what_the_administrator_says_and_their_owners_notice_nothing_else() {
    let server = listening(&["retention.undelivered_count=2"]);
    let scratch = Arc::clone(&server.scratch);
    let mut ann = server.person("ann");
    server.peer().sign_up("bob");
    for number in 0..5 {
        ann.write("bob", format!("message {number}"));
    }
    ann.barrier();
    assert_eq!(
        done(&scratch, &["retention", "show"]),
        "KEY                KEEPS         SAID BY\n\
         delivered_age      all           the configuration\n\
         undelivered_age    all           the configuration\n\
         delivered_count    all           the configuration\n\
         undelivered_count  the newest 2  the configuration\n"
    );
    let said = done(&scratch, &["retention", "run", "--dry-run"]);
    assert_eq!(said, "0 delivered and 3 not delivered entries of 2 mailboxes would go\n");
    let gone: Value = serde_json::from_str(&done(&scratch, &["retention", "run", "--json"])).unwrap();
    assert_eq!((&gone["undelivered"], &gone["messages"]), (&json!(3), &json!(0)), "ann has them");
    server.logged("ordered and done: let go of what mailboxes keep no longer");
    // Bob gets the others, and what comes while he is there, each once.
    let mut bob = Person::log_in(server.peer(), "bob");
    bob.hears("ann", "message 3");
    bob.hears("ann", "message 4");
    ann.write("bob", "and on");
    bob.hears("ann", "and on");
    bob.barrier();
    // For ann alone, something else. Whatever is not said stays as it was.
    done(&scratch, &["retention", "set", "ann", "--delivered-count", "1"]);
    let said = done(&scratch, &["retention", "set", "ann", "--delivered-age", "30days"]);
    assert!(said.contains("delivered_age      30 days       the account"), "{said}");
    assert!(said.contains("delivered_count    the newest 1  the account"), "{said}");
    server.logged(r#"ordered and done: retention of the account \"ann\": delivered_count = 1"#);
    let told: Value = serde_json::from_str(&done(&scratch, &["user", "export", "ann"])).unwrap();
    assert_eq!(told["retention"]["delivered_count"], 1);
    assert_eq!(ctl(&scratch, &["retention", "set", "ann"]).0, Some(64));
    assert_eq!(ctl(&scratch, &["retention", "set", "nobody", "--delivered-count", "1"]).0, Some(67));
    drop(ann);
    drop(bob);
    // With the daemon stopped, and by the next daemon itself.
    server.stop();
    let (code, out, err) = ctl(&scratch, &["retention", "run"]);
    assert_eq!(
        (code, out.as_str()),
        (
            Some(0),
            "5 delivered and 0 not delivered entries of 2 mailboxes are gone, and 3 messages that nobody else has\n"
        ),
        "{err}"
    );
    assert_eq!(number(&scratch, "SELECT count(*) FROM messages"), 3);
    let control = format!("listen.control={}", scratch.control().display());
    let server = Setup::new().on(&scratch).set(&control).set("retention.delivered_count=1").start();
    let record = server.logged("mailboxes have let go of what they keep no longer");
    assert_eq!((&record["delivered"], &record["messages"]), (&json!(2), &json!(2)));
    done(&scratch, &["retention", "clear", "ann"]);
    let mut bob = Person::log_in(server.peer(), "bob");
    let mut ann = Person::log_in(server.peer(), "ann");
    ann.write("bob", "still here");
    bob.hears("ann", "still here");
}

#[test]
fn what_the_server_has_said_waits_for_nobody() {
    let server = listening(&["retention.delivered_count=1"]);
    let mut ann = server.person("ann");
    for number in 0..3 {
        done(&server.scratch, &["message", "send", "--to", "ann", &format!("notice {number}")]);
        ann.hears("system", format!("notice {number}"));
    }
    ann.barrier();
    drop(ann);
    let scratch = server.stop();
    let said = ctl(&scratch, &["retention", "run", "--dry-run"]).1;
    // The stopped daemon has the configuration of no file: nothing goes there.
    assert_eq!(said, "0 delivered and 0 not delivered entries of 2 mailboxes would go\n");
    let control = format!("listen.control={}", scratch.control().display());
    let server = Setup::new().on(&scratch).set(&control).set("retention.delivered_count=1").start();
    let record = server.logged("mailboxes have let go of what they keep no longer");
    assert_eq!((&record["delivered"], &record["messages"]), (&json!(4), &json!(2)));
}
