//! How far a mailbox was delivered: noted at once, written a little later.

use super::*;
use crate::store::StoreError;

async fn ann_has_written(store: &Store, messages: u64) -> Person {
    let (ann, bob) = ann_and_bob(store).await;
    for number in 0..messages {
        assert!(ann.writes(store, &bob, &number.to_string()).await.unwrap());
    }
    bob
}

fn written(directory: &Path, person: &Person) -> i64 {
    number(&foreign(directory), &format!("SELECT cursor FROM mailboxes WHERE account = {}", person.id.0))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_counts_from_the_moment_it_is_noted() {
    let (directory, store, _committed) = open_new();
    let bob = ann_has_written(&store, 5).await;
    assert_eq!(store.cursor(bob.id).await.unwrap(), Seq(0));
    store.delivered(bob.id, Seq(3));
    assert_eq!(store.cursor(bob.id).await.unwrap(), Seq(3));
    assert_eq!(written(directory.path(), &bob), 0, "and it is not written yet");
    store.write_cursors().await.unwrap();
    assert_eq!(written(directory.path(), &bob), 3);
    assert_eq!(store.cursor(bob.id).await.unwrap(), Seq(3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_goes_neither_back_nor_beyond_the_end() {
    let (directory, store, _committed) = open_new();
    let bob = ann_has_written(&store, 5).await;
    for (delivered, cursor) in [(2, 2), (1, 2), (0, 2), (4, 4), (u64::MAX, 5), (3, 5)] {
        store.delivered(bob.id, Seq(delivered));
        assert_eq!(store.cursor(bob.id).await.unwrap(), Seq(cursor), "noted {delivered}");
    }
    store.write_cursors().await.unwrap();
    assert_eq!(written(directory.path(), &bob), 5);
    store.delivered(bob.id, Seq(1));
    store.write_cursors().await.unwrap();
    assert_eq!(written(directory.path(), &bob), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn moved_cursors_are_written_without_being_asked_for() {
    let (directory, store, _committed) = open_new();
    let bob = ann_has_written(&store, 5).await;
    let keeper = store.clone();
    let keeping = tokio::spawn(async move { keeper.keep_cursors().await });
    for seq in [1, 4] {
        store.delivered(bob.id, Seq(seq));
        let is_written = async {
            while written(directory.path(), &bob) != i64::try_from(seq).unwrap() {
                tokio::task::yield_now().await;
            }
        };
        in_time(is_written).await;
    }
    store.stop().await.unwrap();
    // Nothing can be written any more, and nobody is told so each second.
    store.delivered(bob.id, Seq(5));
    in_time(keeping).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_that_could_not_be_written_stays_noted() {
    let (directory, store, _committed) = open_new();
    let bob = ann_has_written(&store, 5).await;
    let other_program = foreign(directory.path());
    other_program.execute_batch("BEGIN EXCLUSIVE").unwrap();
    store.delivered(bob.id, Seq(2));
    assert!(matches!(store.write_cursors().await, Err(StoreError::Busy)));
    assert_eq!(store.cursor(bob.id).await.unwrap(), Seq(2));
    other_program.execute_batch("COMMIT").unwrap();
    store.write_cursors().await.unwrap();
    assert_eq!(written(directory.path(), &bob), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_that_moves_while_it_is_written_is_written_again() {
    let (directory, store, _committed) = open_new();
    let bob = ann_has_written(&store, 5).await;
    store.delivered(bob.id, Seq(1));
    let held = hold_writer(&store).await;
    let writer = store.clone();
    let writing = ask(async move { writer.write_cursors().await }).await;
    store.delivered(bob.id, Seq(2));
    drop(held);
    writing.await.unwrap().unwrap();
    assert_eq!(written(directory.path(), &bob), 1);
    assert_eq!(store.cursor(bob.id).await.unwrap(), Seq(2));
    store.write_cursors().await.unwrap();
    assert_eq!(written(directory.path(), &bob), 2);
}
