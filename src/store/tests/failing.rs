//! What fails while the store runs, whom it hits, and that the store goes on.

use super::*;
use crate::config::ContactsPolicy;
use crate::store::StoreError;

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_cannot_be_written_leaves_no_trace_and_takes_no_other_with_it() {
    let (directory, store, mut committed) = open_new();
    let (ann, bob) = ann_and_bob(&store).await;
    // It strikes at a request's last statement, in each way that a statement can end a transaction.
    let refuse = |how: &str| {
        format!(
            "CREATE TRIGGER refuse_{how} AFTER INSERT ON messages WHEN NEW.text = '{how}'
             BEGIN SELECT RAISE({how}, 'refused'); END;"
        )
    };
    let other_program = foreign(directory.path());
    for how in ["ABORT", "FAIL", "ROLLBACK"] {
        other_program.execute_batch(&refuse(how)).unwrap();
    }

    let texts = ["one", "ABORT", "two", "FAIL", "three", "ROLLBACK", "four"];
    let held = hold_writer(&store).await;
    let mut answers = Vec::new();
    for text in texts {
        answers.push((text, ask(ann.writes(&store, &bob, text)).await));
    }
    drop(held);
    for (text, answer) in answers {
        let answer = answer.await.unwrap();
        if text.chars().all(char::is_uppercase) {
            assert!(matches!(answer, Err(StoreError::Sqlite(_))), "{text}: {answer:?}");
        } else {
            assert!(answer.unwrap(), "{text}");
        }
    }

    let written = ["one", "two", "three", "four"];
    for person in [&ann, &bob] {
        assert_gapless(&person.mailbox(&store).await);
        assert_eq!(person.mailbox_texts(&store).await, written);
    }
    assert_eq!(number(&other_program, "SELECT count(*) FROM messages"), 4);
    store.writer.file().await;
    assert_eq!(number(&other_program, "SELECT max(head) FROM mailboxes"), 4);
    let told: Vec<_> = std::iter::from_fn(|| committed.try_recv().ok()).flatten().collect();
    let told: Vec<_> =
        told.iter().filter(|told| told.account == bob.id).map(|told| &*told.entry.message.text).collect();
    assert_eq!(told, written);
    assert!(ann.writes(&store, &bob, "five").await.unwrap());
    assert_eq!(bob.mailbox(&store).await.last().unwrap().seq, Seq(5));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_panics_fails_alone() {
    let (directory, store, mut committed) = open_new();
    let (ann, bob) = ann_and_bob(&store).await;
    let held = hold_writer(&store).await;
    let before = ask(ann.writes(&store, &bob, "before")).await;
    let (writer, draft) = (store.writer.clone(), ann.draft(&bob.login, "within"));
    let faulty = ask(async move {
        let work = move |batch: &mut crate::store::writer::Batch<'_>| -> rusqlite::Result<()> {
            crate::store::mailboxes::add_message(batch, &draft)?;
            panic!("a fault of ours")
        };
        writer.write(work).await
    })
    .await;
    let behind = ask(ann.writes(&store, &bob, "behind")).await;
    drop(held);

    assert!(before.await.unwrap().unwrap());
    assert!(matches!(faulty.await.unwrap(), Err(StoreError::Panicked)));
    assert!(behind.await.unwrap().unwrap());
    assert_eq!(bob.mailbox_texts(&store).await, ["before", "behind"]);
    assert_gapless(&bob.mailbox(&store).await);
    assert_eq!(number(&foreign(directory.path()), "SELECT count(*) FROM messages"), 2);
    let told: Vec<_> = std::iter::from_fn(|| committed.try_recv().ok()).flatten().collect();
    assert_eq!(told.len(), 4, "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_came_to_nothing_gets_no_messages() {
    let (_directory, store, _committed) = open_new();
    let (ann, bob) = ann_and_bob(&store).await;
    let cid = new_account("cid");
    let work = move |batch: &mut crate::store::writer::Batch<'_>| -> rusqlite::Result<()> {
        crate::store::accounts::add(batch.db, &cid)?.unwrap();
        assert!(batch.recipients.find(batch.db, &cid.login)?.is_some());
        panic!("a fault of ours")
    };
    assert!(matches!(store.writer.write(work).await, Err(StoreError::Panicked)));
    let draft = ann.draft(&login("cid"), "are you there?");
    assert!(!store.add_message(draft).await.unwrap(), "nobody has that login");
    // Whoever comes next has the number that was to be cid's.
    let dee = Person::sign_up(&store, "dee").await;
    assert!(ann.writes(&store, &dee, "hello").await.unwrap());
    assert_eq!(dee.mailbox_texts(&store).await, ["hello"]);
    assert_eq!(bob.mailbox(&store).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_that_panics_gives_its_connection_back() {
    let directory = TempDir::new().unwrap();
    let one = Options { readers: 1, ..options(directory.path()) };
    let (store, _committed) = Store::open(&one, &no_progress()).unwrap();
    for _ in 0..3 {
        let read = store.readers.read(|_| -> rusqlite::Result<()> { panic!("a fault of ours") });
        assert!(matches!(read.await, Err(StoreError::Panicked)));
    }
    assert!(store.get_account(login("ann")).await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_database_refuses_what_needs_room_and_goes_on_when_there_is_some() {
    let (directory, store, mut committed) = open_new();
    let (ann, bob) = ann_and_bob(&store).await;
    assert!(ann.writes(&store, &bob, "before").await.unwrap());
    let most_pages = async |pages: i64| {
        // SQLite gives the same error here as when write(2) says ENOSPC. A limit below what is used is what is used.
        let limit = move |batch: &mut crate::store::writer::Batch<'_>| {
            batch.db.pragma_update_and_check(None, "max_page_count", pages, |row| row.get::<_, i64>(0))
        };
        store.writer.write(limit).await.unwrap()
    };
    committed.recv().await.unwrap();
    most_pages(1).await;

    let long = "x".repeat(60 * 1024);
    let held = hold_writer(&store).await;
    let mut answers = Vec::new();
    for _ in 0..3 {
        answers.push(ask(ann.writes(&store, &bob, &long)).await);
    }
    store.delivered(bob.id, Seq(1));
    let cursors = store.clone();
    let cursors = ask(async move { cursors.write_cursors().await }).await;
    drop(held);
    for answer in answers {
        assert!(matches!(answer.await.unwrap(), Err(StoreError::Full)));
    }
    cursors.await.unwrap().expect("what needs no room is written");
    store.probe().await.unwrap();
    assert!(committed.try_recv().is_err());
    let other_program = foreign(directory.path());
    assert_eq!(number(&other_program, "SELECT count(*) FROM messages"), 1);
    let numbers = "SELECT count(*) FROM mailboxes WHERE cursor > 1 OR head > 1";
    assert_eq!(number(&other_program, numbers), 0);

    most_pages(1_000_000).await;
    assert!(ann.writes(&store, &bob, &long).await.unwrap());
    assert_eq!(bob.mailbox_texts(&store).await, ["before", &long]);
    assert_gapless(&bob.mailbox(&store).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_lock_fails_what_waits_and_leaves_nothing_behind() {
    let (directory, store, mut committed) = open_new();
    let (ann, bob) = ann_and_bob(&store).await;
    let other_program = foreign(directory.path());
    other_program.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let all: Vec<_> = (0..10).map(|number| tokio::spawn(ann.writes(&store, &bob, &number.to_string()))).collect();
    for answer in all {
        assert!(matches!(answer.await.unwrap(), Err(StoreError::Busy)));
    }
    assert_eq!(bob.mailbox(&store).await, [], "reading goes on");
    store.probe().await.expect("the writer is alive, and the watchdog must know");

    other_program.execute_batch("COMMIT").unwrap();
    assert!(ann.writes(&store, &bob, "after").await.unwrap());
    assert_eq!(bob.mailbox(&store).await[0].seq, Seq(1));
    assert_eq!(committed.recv().await.unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_that_does_not_exist_writes_nothing() {
    let (directory, store, _committed) = open_new();
    let (_, bob) = ann_and_bob(&store).await;
    let nobody = Person { id: AccountId(4711), login: login("nobody") };
    assert!(matches!(nobody.writes(&store, &bob, "boo").await, Err(StoreError::Sqlite(_))));
    assert!(matches!(
        store.add_contact(nobody.id, bob.login.clone(), 9, ContactsPolicy::Open).await,
        Err(StoreError::Sqlite(_))
    ));
    assert_eq!(bob.mailbox(&store).await, []);
    assert_eq!(number(&foreign(directory.path()), "SELECT count(*) FROM messages"), 0);
}

#[test]
fn the_journal_gets_the_cause_and_nothing_that_people_wrote() {
    let db = Connection::open_in_memory().unwrap();
    db.execute_batch("CREATE TABLE texts (text TEXT UNIQUE); INSERT INTO texts VALUES ('secret')").unwrap();
    let error = StoreError::from(db.execute("INSERT INTO texts VALUES (?1)", ["secret"]).unwrap_err());
    insta::assert_snapshot!(error.chain(), @"the database failed: UNIQUE constraint failed: texts.text");
    insta::assert_snapshot!(StoreError::Full.chain(), @"the disk is full");
    insta::assert_snapshot!(StoreError::Busy.chain(), @"the database is locked by another program");
    insta::assert_snapshot!(StoreError::Stopped.chain(), @"the store is stopped");
    insta::assert_snapshot!(StoreError::Panicked.chain(), @"a fault in the store's own code");
}
