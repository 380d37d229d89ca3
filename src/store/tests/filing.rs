//! Messages are filed into the mailboxes later than they are committed. Nobody who reads a mailbox can tell.

use super::*;
use crate::store::figures::Figures;
use crate::store::filing::Filing;
use crate::store::open::{self, Opened};
use crate::store::unfiled::Unfiled;
use crate::store::{Page, migrations};

fn filed(directory: &Path) -> i64 {
    number(&foreign(directory), "SELECT count(*) FROM entries")
}

async fn page(store: &Store, person: &Person, after: u64, entries: u32) -> Page {
    store.mailbox_page(person.id, Seq(after), PageLimits { entries, bytes: usize::MAX }).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_reads_the_same_before_in_the_middle_and_after() {
    let (directory, store, _committed) = open_new();
    let (ann, bob) = ann_and_bob(&store).await;
    let both = async || {
        let mut seen = Vec::new();
        for person in [&ann, &bob] {
            for after in 0..8 {
                for entries in [1, 2, 5, 100] {
                    seen.push(page(&store, person, after, entries).await);
                }
            }
            seen.push(store.mailbox_page(person.id, Seq(0), ALL).await.unwrap());
        }
        seen
    };
    for number in 0..4 {
        assert!(ann.writes(&store, &bob, &number.to_string()).await.unwrap());
    }
    store.writer.file().await;
    assert_eq!(filed(directory.path()), 8);
    for number in 4..7 {
        assert!(bob.writes(&store, &ann, &number.to_string()).await.unwrap());
    }
    assert!(ann.writes(&store, &ann, "to herself").await.unwrap());
    assert_eq!(filed(directory.path()), 8, "the newer ones are not");
    let in_the_middle = both().await;
    assert_gapless(&bob.mailbox(&store).await);
    store.writer.file().await;
    assert_eq!(filed(directory.path()), 15);
    assert_eq!(both().await, in_the_middle);
    store.stop().await.unwrap();
    let (store, _committed) = open(directory.path());
    assert_eq!(ann.mailbox_texts(&store).await, ["0", "1", "2", "3", "4", "5", "6", "to herself"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_store_has_all_of_it_filed() {
    let (directory, store, _committed) = open_new();
    let (ann, bob) = ann_and_bob(&store).await;
    assert!(ann.writes(&store, &bob, "hello").await.unwrap());
    store.stop().await.unwrap();
    assert_eq!(filed(directory.path()), 2);
    let heads = "SELECT count(*) FROM mailboxes WHERE head = 1 AND filed = 1";
    assert_eq!(number(&foreign(directory.path()), heads), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quiet_store_files_without_being_asked() {
    let (directory, store, _committed) = open_new();
    let (ann, bob) = ann_and_bob(&store).await;
    let filing = store.clone();
    let filing = tokio::spawn(async move { filing.file_when_quiet().await });
    assert!(ann.writes(&store, &bob, "hello").await.unwrap());
    let done = async {
        while filed(directory.path()) != 2 {
            tokio::task::yield_now().await;
        }
    };
    in_time(done).await;
    filing.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_t_be_filed_is_read_all_the_same_and_filed_later() {
    let (directory, store, _committed) = open_new();
    let (ann, bob) = ann_and_bob(&store).await;
    let other_program = foreign(directory.path());
    let refuse = "CREATE TRIGGER refuse BEFORE INSERT ON entries BEGIN SELECT RAISE(ABORT, 'refused'); END";
    other_program.execute_batch(refuse).unwrap();
    for text in ["one", "two"] {
        assert!(ann.writes(&store, &bob, text).await.unwrap());
        store.writer.file().await;
    }
    assert_eq!(filed(directory.path()), 0);
    assert_eq!(bob.mailbox_texts(&store).await, ["one", "two"]);
    other_program.execute_batch("DROP TRIGGER refuse").unwrap();
    store.writer.file().await;
    assert_eq!(filed(directory.path()), 4);
    assert_eq!(bob.mailbox_texts(&store).await, ["one", "two"]);
}

/// Opens without a writer, as a process that is about to crash.
fn opened(directory: &Path) -> (Opened, Unfiled) {
    let opened = open::open(&options(directory), migrations::MIGRATIONS, &no_progress()).unwrap();
    let unfiled = Unfiled::find(&opened.db).unwrap();
    (opened, unfiled)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_between_two_steps_of_a_round_loses_nothing_and_doubles_nothing() {
    const PEOPLE: usize = 12;
    const MESSAGES: usize = 1000;
    let (directory, store, _committed) = open_new();
    let mut people = Vec::new();
    for number in 0..PEOPLE {
        people.push(Person::sign_up(&store, &format!("person{number}")).await);
    }
    let held = hold_writer(&store).await;
    let mut answers = Vec::new();
    for number in 0..MESSAGES {
        // Everybody writes to everybody, so that each step cuts through the middle of the messages.
        let (from, to) = (&people[number % PEOPLE], &people[number * 7 % PEOPLE]);
        answers.push(ask(from.writes(&store, to, &number.to_string())).await);
    }
    drop(held);
    for answer in answers {
        assert!(answer.await.unwrap().unwrap());
    }
    let mut mailboxes = Vec::new();
    for person in &people {
        mailboxes.push(person.mailbox(&store).await);
    }
    let crashed = TempDir::new().unwrap();
    for file in [FILE, "messengerd.sqlite-wal"] {
        std::fs::copy(directory.path().join(file), crashed.path().join(file)).unwrap();
    }

    let entries: usize = mailboxes.iter().map(Vec::len).sum();
    for step in 1.. {
        let before = usize::try_from(filed(crashed.path())).unwrap();
        if before == entries {
            assert!(step > 3, "there were several steps");
            return;
        }
        let (Opened { mut db, lock, .. }, unfiled) = opened(crashed.path());
        assert_eq!(unfiled.newest().1, entries - before);
        // One step, and the process is gone.
        Filing::in_steps_of(300).step(&mut db, &unfiled, &Figures::default().writing).unwrap();
        drop((db, lock));
        let next = TempDir::new().unwrap();
        std::fs::copy(crashed.path().join(FILE), next.path().join(FILE)).unwrap();
        let (store, _committed) = open(next.path());
        for (person, mailbox) in people.iter().zip(&mailboxes) {
            assert_eq!(&person.mailbox(&store).await, mailbox, "after step {step}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_during_a_round_and_was_filed_with_it_counts_as_filed() {
    let (directory, store, _committed) = open_new();
    let (ann, bob) = ann_and_bob(&store).await;
    assert!(ann.writes(&store, &bob, "before").await.unwrap());
    let crashed = TempDir::new().unwrap();
    let copy = || {
        for file in [FILE, "messengerd.sqlite-wal"] {
            std::fs::copy(directory.path().join(file), crashed.path().join(file)).unwrap();
        }
    };
    copy();
    let (Opened { mut db, lock, .. }, before) = opened(crashed.path());
    let mut filing = Filing::in_steps_of(1);
    filing.begin(&before);
    drop(lock);
    // Meanwhile a message comes between people who have not had their turn.
    let (newest, _) = before.newest();
    db.execute_batch(&format!(
        "INSERT INTO messages (id, sender, recipient, sent_at, text) VALUES ({}, {}, {}, 0, 'meanwhile')",
        newest + 1,
        bob.id.0,
        ann.id.0
    ))
    .unwrap();
    let now = Unfiled::find(&db).unwrap();
    for _ in 0..2 {
        filing.step(&mut db, &now, &Figures::default().writing).unwrap();
    }
    assert_eq!((filing.is_under_way(), now.newest()), (false, (newest + 1, 0)));
    assert_eq!(number(&db, "SELECT up_to FROM filing"), newest + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_says_nothing_of_what_was_filed_while_it_was_waited_for() {
    let (directory, store, _committed) = open_new();
    let (ann, bob) = ann_and_bob(&store).await;
    for text in ["one", "two"] {
        assert!(ann.writes(&store, &bob, text).await.unwrap());
    }
    // What a session is to read next, as it stood when it asked.
    let tail = store.unfiled.tail(bob.id).unwrap();
    for text in ["three", "four"] {
        assert!(ann.writes(&store, &bob, text).await.unwrap());
    }
    store.writer.file().await;
    // And what it asked for is let go of before it is read.
    let gone = "DELETE FROM entries WHERE seq <= 2; DELETE FROM messages WHERE text IN ('one', 'two')";
    let db = foreign(directory.path());
    db.execute_batch(gone).unwrap();
    let limits = PageLimits { entries: 10, bytes: usize::MAX };
    let page = crate::store::mailboxes::page(&db, bob.id, tail.after, limits, Some(&tail)).unwrap();
    assert_eq!((page.entries.len(), page.up_to), (0, Seq(2)), "three and four are still to be read");
}
