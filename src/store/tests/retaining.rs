//! Retention: what mailboxes let go of, and what nobody notices of it.

use super::*;
use crate::domain::{Message, UnixMillis};
use crate::store::retention::{LetGo, Limits, Overrides};
use crate::store::{Draft, Page};

/// When [`Person::draft`] writes.
const WRITTEN: UnixMillis = UnixMillis(1_700_000_000_000);
const HOUR: u64 = 3_600_000;

const NO_LIMIT: Limits = Limits { delivered_age: 0, delivered_count: 0, undelivered_age: 0, undelivered_count: 0 };

fn later(hours: u64) -> UnixMillis {
    UnixMillis(WRITTEN.0 + i64::try_from(hours * HOUR).unwrap())
}

async fn retain(store: &Store, limits: Limits, now: UnixMillis) -> LetGo {
    let mut round = store.retain(limits, now, false);
    while round.go_on().await.unwrap() {}
    round.so_far()
}

async fn would_go(store: &Store, limits: Limits, now: UnixMillis) -> LetGo {
    let mut round = store.retain(limits, now, true);
    while round.go_on().await.unwrap() {}
    round.so_far()
}

/// Writes at that hour.
async fn writes_at(store: &Store, from: &Person, to: &Person, hour: u64, text: &str) {
    let Draft { sender, message } = from.draft(&to.login, text);
    let message = Message { sent_at: later(hour), ..(*message).clone() };
    assert!(store.add_message(Draft { sender, message: Arc::new(message) }).await.unwrap());
}

async fn numbers_of(store: &Store, person: &Person) -> Vec<u64> {
    person.mailbox(store).await.iter().map(|entry| entry.seq.0).collect()
}

async fn all_is_delivered(store: &Store, person: &Person) {
    store.delivered(person.id, Seq(u64::MAX));
    store.write_cursors().await.unwrap();
}

fn messages(directory: &Path) -> i64 {
    number(&foreign(directory), "SELECT count(*) FROM messages")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_delivered_goes_by_its_age_and_what_waits_by_another() {
    let (directory, store, _committed) = open_new();
    let (ann, bob) = ann_and_bob(&store).await;
    for hour in 0..10 {
        writes_at(&store, &ann, &bob, hour, &hour.to_string()).await;
    }
    all_is_delivered(&store, &ann).await;
    store.delivered(bob.id, Seq(4));
    let limits = Limits { delivered_age: 3 * HOUR, ..NO_LIMIT };
    let gone = would_go(&store, limits, later(9)).await;
    assert_eq!((gone.delivered, gone.undelivered, gone.messages), (6 + 4, 0, 0));
    assert_eq!(messages(directory.path()), 10, "it was only looked");
    let gone = retain(&store, limits, later(9)).await;
    assert_eq!((gone.delivered, gone.undelivered, gone.messages, gone.mailboxes), (6 + 4, 0, 4, 2));
    assert_eq!(ann.mailbox_texts(&store).await, ["6", "7", "8", "9"]);
    assert_eq!(bob.mailbox_texts(&store).await, ["4", "5", "6", "7", "8", "9"], "what waits for him stays");
    assert_eq!(messages(directory.path()), 6);

    let limits = Limits { undelivered_age: 2 * HOUR, ..NO_LIMIT };
    assert_eq!(retain(&store, limits, later(9)).await.undelivered, 3);
    assert_eq!(bob.mailbox_texts(&store).await, ["7", "8", "9"]);
    assert_eq!(store.cursor(bob.id).await.unwrap(), Seq(7), "it is not waited for any more");
    assert_eq!(store.profile(bob.login.clone()).await.unwrap().unwrap().waiting, 3);
    // The numbers go on as if nothing had happened, also in the next process.
    assert_eq!(retain(&store, Limits { undelivered_age: 1, ..NO_LIMIT }, later(99)).await.undelivered, 3);
    store.stop().await.unwrap();
    let (store, _committed) = open(directory.path());
    writes_at(&store, &ann, &bob, 10, "and on").await;
    assert_eq!(numbers_of(&store, &bob).await, [11]);
    assert_eq!(numbers_of(&store, &ann).await, [7, 8, 9, 10, 11]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_ends_where_the_mailbox_does_also_when_nothing_is_left_in_it() {
    let (_directory, store, _committed) = open_new();
    let (ann, bob) = ann_and_bob(&store).await;
    let page = async |after| store.mailbox_page(bob.id, Seq(after), ALL).await.unwrap();
    assert_eq!(page(0).await, Page { entries: Vec::new(), up_to: Seq(0), more: false });
    for hour in 0..4 {
        writes_at(&store, &ann, &bob, hour, "x").await;
    }
    retain(&store, Limits { undelivered_age: 1, ..NO_LIMIT }, later(99)).await;
    assert_eq!(page(0).await, Page { entries: Vec::new(), up_to: Seq(4), more: false });
    assert_eq!(page(9).await.up_to, Seq(9));
    writes_at(&store, &ann, &bob, 5, "not filed").await;
    let read = page(0).await;
    assert_eq!((read.entries.len(), read.up_to, read.more), (1, Seq(5), false));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_was_wrong_keeps_nothing_else_for_ever() {
    let (_directory, store, _committed) = open_new();
    let (ann, bob) = ann_and_bob(&store).await;
    for hour in [0, 1_000_000, 1, 2, 50] {
        writes_at(&store, &ann, &bob, hour, &hour.to_string()).await;
    }
    all_is_delivered(&store, &bob).await;
    retain(&store, Limits { delivered_age: 10 * HOUR, ..NO_LIMIT }, later(50)).await;
    assert_eq!(bob.mailbox_texts(&store).await, ["1000000", "50"]);
    assert_eq!(numbers_of(&store, &bob).await, [2, 5]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_differs_for_an_account_holds_for_it_alone() {
    let (_directory, store, _committed) = open_new();
    let (ann, bob) = ann_and_bob(&store).await;
    for hour in 0..6 {
        writes_at(&store, &ann, &bob, hour, "x").await;
    }
    all_is_delivered(&store, &ann).await;
    all_is_delivered(&store, &bob).await;
    let all = Overrides { delivered_count: Some(0), ..Overrides::default() };
    assert_eq!(store.set_retention(ann.login.clone(), all, false).await.unwrap(), Some(all));
    assert_eq!(store.set_retention(login("nobody"), all, false).await.unwrap(), None);
    let limits = Limits { delivered_count: 2, ..NO_LIMIT };
    assert_eq!(retain(&store, limits, WRITTEN).await.delivered, 4);
    assert_eq!((numbers_of(&store, &ann).await.len(), numbers_of(&store, &bob).await), (6, vec![5, 6]));
    // What is said later is added; what is forgotten is as the configuration says.
    let age = Overrides { delivered_age: Some(7), ..Overrides::default() };
    let both = Overrides { delivered_age: Some(7), ..all };
    assert_eq!(store.set_retention(ann.login.clone(), age, false).await.unwrap(), Some(both));
    assert_eq!(store.retention(ann.login.clone()).await.unwrap(), Some(both));
    store.set_retention(ann.login.clone(), Overrides::default(), true).await.unwrap();
    assert_eq!(store.retention(ann.login.clone()).await.unwrap(), Some(Overrides::default()));
    assert_eq!(
        retain(&store, limits, WRITTEN).await,
        LetGo { mailboxes: 2, delivered: 4, messages: 4, ..LetGo::default() }
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_has_let_go_of_and_the_others_erasure_lets_go_of_is_gone() {
    for erased_first in [false, true] {
        let (directory, store, _committed) = open_new();
        let (ann, bob) = ann_and_bob(&store).await;
        for hour in 0..3 {
            writes_at(&store, &ann, &bob, hour, "x").await;
        }
        all_is_delivered(&store, &bob).await;
        let limits = Limits { delivered_age: HOUR, ..NO_LIMIT };
        let all = Overrides { delivered_age: Some(0), ..Overrides::default() };
        store.set_retention(ann.login.clone(), all, false).await.unwrap();
        if erased_first {
            assert!(store.erase(ann.id, later(9)).await.unwrap());
        }
        assert_eq!(retain(&store, limits, later(9)).await.delivered, 3);
        if !erased_first {
            assert_eq!(messages(directory.path()), 3, "she still has them");
            assert!(store.erase(ann.id, later(9)).await.unwrap());
        }
        assert_eq!(messages(directory.path()), 0, "erased first: {erased_first}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn space_is_given_back_to_the_file_system() {
    let (directory, store, _) = open_new();
    let (ann, bob) = ann_and_bob(&store).await;
    let long = "x".repeat(40_000);
    for hour in 0..100 {
        writes_at(&store, &ann, &bob, hour, &long).await;
    }
    all_is_delivered(&store, &ann).await;
    all_is_delivered(&store, &bob).await;
    store.writer.file().await;
    assert!(store.writer.empty_log().await);
    let size = || std::fs::metadata(directory.path().join(FILE)).unwrap().len();
    let before = size();
    let gone = retain(&store, Limits { delivered_count: 10, ..NO_LIMIT }, WRITTEN).await;
    assert_eq!(gone.messages, 90);
    assert!(gone.given_back > 90 * 40_000, "{gone:?}");
    assert!(size() < before / 5, "{before} bytes became {}", size());
    assert_eq!(bob.mailbox(&store).await.len(), 10);
    assert!(number(&foreign(directory.path()), "PRAGMA freelist_count") == 0);
    let check: String = foreign(directory.path()).query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_between_any_two_steps_costs_nothing_and_the_next_round_does_the_rest() {
    let (directory, store, _) = open_new();
    let (ann, bob) = ann_and_bob(&store).await;
    for number in 0..700 {
        writes_at(&store, &ann, &bob, 0, &number.to_string()).await;
    }
    all_is_delivered(&store, &ann).await;
    store.delivered(bob.id, Seq(300));
    store.write_cursors().await.unwrap();
    let limits = Limits { delivered_count: 5, undelivered_count: 9, ..NO_LIMIT };
    let mut round = store.retain(limits, WRITTEN, false);
    let mut steps = 0;
    loop {
        let before = round.so_far();
        let goes_on = round.go_on().await.unwrap();
        if round.so_far() == before && goes_on {
            continue;
        }
        steps += 1;
        let copy = TempDir::new().unwrap();
        for file in [FILE, "messengerd.sqlite-wal"] {
            std::fs::copy(directory.path().join(file), copy.path().join(file)).unwrap();
        }
        let (next, _committed) = open(copy.path());
        // Whatever bob has not got and was to keep is there, in its order.
        let waits = next.mailbox_page(bob.id, next.cursor(bob.id).await.unwrap(), ALL).await.unwrap().entries;
        assert_eq!(waits.last().unwrap().seq, Seq(700), "after step {steps}");
        assert!(waits.len() >= 9 && waits.windows(2).all(|pair| pair[1].seq == pair[0].seq.next()));
        retain(&next, limits, WRITTEN).await;
        assert_eq!(numbers_of(&next, &ann).await, (696..=700).collect::<Vec<_>>());
        assert_eq!(bob.mailbox(&next).await.len(), 14);
        assert_eq!(messages(copy.path()), 14);
        assert!(ann.writes(&next, &bob, "and on").await.unwrap());
        assert_eq!(next.mailbox_page(bob.id, Seq(700), ALL).await.unwrap().entries.len(), 1);
        next.stop().await.unwrap();
        if !goes_on {
            break;
        }
    }
    assert!(steps >= 5, "there were several steps: {steps}");
}
