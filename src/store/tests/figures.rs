//! What the store counts is what was done.

use super::*;
use crate::figures::Backlog;
use std::collections::HashSet;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_committed_together_is_one_commit_of_so_many() {
    let (_directory, store, _committed) = open_new();
    let (ann, bob) = ann_and_bob(&store).await;
    let before = store.figures();
    let held = hold_writer(&store).await;
    let mut asked = Vec::new();
    for text in ["one", "two", "three"] {
        asked.push(ask(ann.writes(&store, &bob, text)).await);
    }
    // To herself: one message, and one entry.
    asked.push(ask(ann.writes(&store, &ann, "four")).await);
    assert_eq!(store.figures().writer_queue.waiting, 4);
    drop(held);
    for answer in asked {
        assert!(answer.await.unwrap().unwrap());
    }
    let now = store.figures();
    assert_eq!(now.messages - before.messages, 4);
    assert_eq!(now.writer_queue.waiting, 0);
    // The one that held the writer, and these four.
    let batches = now.batches.since(&before.batches);
    let batches: Vec<_> = batches.buckets().filter(|(_, count)| *count > 0).collect();
    assert_eq!(batches, [(1.0, 1), (4.0, 1)]);
    assert_eq!(now.commits.since(&before.commits).count(), 2);
    assert_eq!(now.writes.since(&before.writes).count(), 5);
    assert_eq!(now.waits.since(&before.waits).count(), 2);
    assert!(now.reads.count() == before.reads.count() && now.failures.iter().all(|(_, count)| *count == 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_could_not_be_written_is_counted_by_its_reason() {
    let (_directory, store, _committed) = open_new();
    let outcome = store.writer.write(|_| -> rusqlite::Result<()> { panic!("a fault of ours") }).await;
    assert!(matches!(outcome, Err(crate::store::StoreError::Panicked)), "{outcome:?}");
    let failures = store.figures().failures;
    assert_eq!(failures.iter().find(|(_, count)| *count > 0), Some(&("fault", 1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn filing_is_counted_and_the_backlog_is_the_same_before_and_after() {
    let (_directory, store, _committed) = open_new();
    let (ann, bob) = ann_and_bob(&store).await;
    for text in ["one", "two", "three"] {
        assert!(ann.writes(&store, &bob, text).await.unwrap());
    }
    let online = HashSet::from([ann.id]);
    let waiting = Backlog { mailboxes: 1, entries: 3, longest: 3 };
    assert_eq!(store.figures().unfiled, 6);
    assert_eq!(store.backlog(online.clone()).await.unwrap(), waiting);
    store.writer.file().await;
    let now = store.figures();
    assert_eq!((now.unfiled, now.filed, now.filing.count()), (0, 6, 1));
    assert_eq!(store.backlog(online.clone()).await.unwrap(), waiting);
    // Also where it is not written yet how far he has got.
    store.delivered(bob.id, Seq(2));
    assert_eq!(store.backlog(online).await.unwrap(), Backlog { mailboxes: 1, entries: 1, longest: 1 });
    assert_eq!(store.backlog(HashSet::from([ann.id, bob.id])).await.unwrap(), Backlog::default());
    // Nobody can fetch what is a disabled account's.
    store.set_disabled(bob.login.clone(), true).await.unwrap();
    assert_eq!(store.backlog(HashSet::from([ann.id])).await.unwrap(), Backlog::default());
    assert!(store.figures().reads.count() > 0);
}
