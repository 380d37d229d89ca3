//! The end of a store.

use super::*;
use crate::store::StoreError;

#[tokio::test(flavor = "multi_thread")]
async fn a_clean_stop_writes_all_and_leaves_one_file_and_a_free_directory() {
    let (directory, store, _committed) = open_new();
    let (ann, bob) = ann_and_bob(&store).await;
    assert!(ann.writes(&store, &bob, "hello").await.unwrap());
    store.delivered(bob.id, Seq(1));
    let another_handle = store.clone();
    store.stop().await.unwrap();

    let mut files: Vec<_> =
        directory.path().read_dir().unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    files.sort_unstable();
    assert_eq!(files, ["messengerd.lock", "messengerd.sqlite"], "the log is back in the database");
    let (store, _committed) = open(directory.path());
    assert_eq!(store.cursor(bob.id).await.unwrap(), Seq(1));
    assert_eq!(bob.mailbox_texts(&store).await, ["hello"]);
    drop(another_handle);
}

#[tokio::test(flavor = "multi_thread")]
async fn later_requests_are_told_that_it_is_stopped() {
    let (_directory, store, _committed) = open_new();
    let (ann, bob) = ann_and_bob(&store).await;
    store.stop().await.unwrap();
    assert!(matches!(ann.writes(&store, &bob, "late").await, Err(StoreError::Stopped)));
    assert!(matches!(store.add_user(new_account("cid")).await, Err(StoreError::Stopped)));
    assert!(matches!(store.get_account(login("ann")).await, Err(StoreError::Stopped)));
    assert!(matches!(store.mailbox_page(bob.id, Seq(0), ALL).await, Err(StoreError::Stopped)));
    assert!(matches!(store.cursor(bob.id).await, Err(StoreError::Stopped)));
    assert!(matches!(store.probe().await, Err(StoreError::Stopped)));
    store.stop().await.expect("stopping twice is stopping once");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_asked_before_the_stop_is_still_done() {
    let (directory, store, mut committed) = open_new();
    let (ann, bob) = ann_and_bob(&store).await;
    let held = hold_writer(&store).await;
    let mut answers = Vec::new();
    for number in 0..5 {
        answers.push(ask(ann.writes(&store, &bob, &number.to_string())).await);
    }
    let mut stops = Vec::new();
    for _ in 0..2 {
        let store = store.clone();
        stops.push(ask(async move { store.stop().await }).await);
    }
    drop(held);
    for answer in answers {
        assert!(answer.await.unwrap().unwrap());
    }
    for stop in stops {
        in_time(stop).await.unwrap().unwrap();
        open(directory.path()).0.stop().await.expect("each stop returns when the directory is free");
    }
    assert_eq!(committed.recv().await.unwrap().len(), 10);
    assert!(committed.recv().await.is_none(), "the notifier is told that nothing comes any more");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_waits_for_the_reads_under_way() {
    let (_directory, store, _committed) = open_new();
    let (release, held) = std_mpsc::channel::<()>();
    let (enter, entered) = oneshot::channel();
    let reader = store.clone();
    let reading = tokio::spawn(async move {
        let query = move |db: &Connection| {
            let _ = enter.send(());
            let _ = held.recv();
            Ok(number(db, "SELECT count(*) FROM accounts"))
        };
        reader.readers.read(query).await
    });
    entered.await.unwrap();
    let stopper = store.clone();
    let stopping = ask(async move { stopper.stop().await }).await;
    drop(release);
    assert_eq!(reading.await.unwrap().unwrap(), 0);
    in_time(stopping).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_dropped_keeps_its_directory_until_the_last_is_written() {
    let (directory, store, mut committed) = open_new();
    let (ann, bob) = ann_and_bob(&store).await;
    let held = hold_writer(&store).await;
    let answer = ask(ann.writes(&store, &bob, "the last")).await;
    drop(store);
    assert!(matches!(try_open(directory.path()), Err(OpenError::InUse { .. })));
    drop(held);
    assert!(answer.await.unwrap().unwrap());
    while in_time(committed.recv()).await.is_some() {}
    let (store, _committed) = open(directory.path());
    assert_eq!(bob.mailbox_texts(&store).await, ["the last"]);
}
