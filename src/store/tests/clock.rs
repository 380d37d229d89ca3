//! The machine's clock is set back and forth, or was wrong for years. Stamps say when somebody wrote; the order is that
//! of the commits.

use super::*;
use crate::domain::{Message, UnixMillis};
use crate::store::Draft;

const HOUR: i64 = 3_600_000;
const NOW: i64 = 1_700_000_000_000;
/// What the clock says when the messages are written, one after the other.
const STAMPS: [i64; 8] = [NOW, NOW + 5 * HOUR, NOW - 5 * HOUR, NOW, 0, i64::MAX, NOW - 1, NOW];

fn stamped(person: &Person, to: &Person, text: &str, sent_at: i64) -> Draft {
    let Draft { sender, message } = person.draft(&to.login, text);
    Draft { sender, message: Arc::new(Message { sent_at: UnixMillis(sent_at), ..(*message).clone() }) }
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_come_in_the_order_of_their_commits_whatever_the_clock_says() {
    let (directory, store, _committed) = open_new();
    let (ann, bob) = ann_and_bob(&store).await;
    let mut texts = Vec::new();
    for (number, stamp) in STAMPS.into_iter().enumerate() {
        texts.push(number.to_string());
        assert!(store.add_message(stamped(&ann, &bob, &texts[number], stamp)).await.unwrap());
    }
    store.delivered(bob.id, Seq(3));
    store.write_cursors().await.unwrap();
    let stamps = async |store: &Store| -> Vec<i64> {
        bob.mailbox(store).await.iter().map(|entry| entry.message.sent_at.0).collect()
    };
    // In memory, in the mailboxes, and with the next process.
    for filed in [false, true] {
        assert_eq!(bob.mailbox_texts(&store).await, texts, "filed: {filed}");
        assert_eq!(stamps(&store).await, STAMPS, "filed: {filed}");
        store.writer.file().await;
    }
    store.stop().await.unwrap();
    let (store, _committed) = open(directory.path());
    assert_eq!(bob.mailbox_texts(&store).await, texts);
    assert_eq!(store.cursor(bob.id).await.unwrap(), Seq(3));
    // The clock was years ahead, and is right now: what is written now comes last all the same.
    assert!(store.add_message(stamped(&ann, &bob, "now", NOW)).await.unwrap());
    assert_eq!(bob.mailbox_texts(&store).await.last().unwrap(), "now");
    assert_gapless(&bob.mailbox(&store).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_crash_left_unfiled_is_put_in_the_order_of_the_commits() {
    let running = TempDir::new().unwrap();
    let (store, _committed) = open(running.path());
    let (ann, bob) = ann_and_bob(&store).await;
    for (number, stamp) in STAMPS.into_iter().enumerate() {
        assert!(store.add_message(stamped(&ann, &bob, &number.to_string(), stamp)).await.unwrap());
    }
    let crashed = TempDir::new().unwrap();
    for name in [FILE, "messengerd.sqlite-wal"] {
        std::fs::copy(running.path().join(name), crashed.path().join(name)).unwrap();
    }
    let (store, _committed) = open(crashed.path());
    let texts: Vec<_> = (0..STAMPS.len()).map(|number| number.to_string()).collect();
    assert_eq!(bob.mailbox_texts(&store).await, texts);
    store.writer.file().await;
    assert_eq!(bob.mailbox_texts(&store).await, texts);
}
