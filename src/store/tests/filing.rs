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
