//! Many who write, and one writer.

use super::*;
use std::collections::HashMap;

#[tokio::test(flavor = "multi_thread")]
async fn what_was_written_can_be_read_and_is_told_once_for_each_mailbox() {
    let (_directory, store, mut committed) = open_new();
    let (ann, bob) = ann_and_bob(&store).await;
    assert!(ann.writes(&store, &bob, "hello").await.unwrap());

    let batch = committed.recv().await.unwrap();
    let (to_bob, to_ann) = (bob.mailbox(&store).await, ann.mailbox(&store).await);
    assert_eq!(to_bob.len(), 1);
    assert!(to_bob[0].incoming);
    assert_eq!(to_bob[0].message, ann.draft(&bob.login, "hello").message);
    assert!(!to_ann[0].incoming);
    let told = |account, entry: &Entry| Committed { account, entry: entry.clone() };
    assert_eq!(batch, [told(bob.id, &to_bob[0]), told(ann.id, &to_ann[0])]);
}

#[tokio::test(flavor = "multi_thread")]
async fn words_of_sql_are_text() {
    let (directory, store, _committed) = open_new();
    let (ann, bob) = ann_and_bob(&store).await;
    let texts =
        ["'); DELETE FROM messages; --", "\"; DROP TABLE accounts; --", "?1", "' || (SELECT password FROM accounts)"];
    for text in texts {
        assert!(ann.writes(&store, &bob, text).await.unwrap());
    }
    assert_eq!(bob.mailbox_texts(&store).await, texts);
    assert_eq!(number(&foreign(directory.path()), "SELECT count(*) FROM accounts"), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_notifier_has_a_message_before_its_sender_has_the_answer() {
    let (_directory, store, mut committed) = open_new();
    let (ann, bob) = ann_and_bob(&store).await;
    for text in ["one", "two", "three", "four"] {
        assert!(ann.writes(&store, &bob, text).await.unwrap());
        let batch = committed.try_recv().expect("it is there before the answer");
        assert_eq!(&*batch[0].entry.message.text, text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_that_wait_together_are_one_commit() {
    let (_directory, store, mut committed) = open_new();
    let (ann, bob) = ann_and_bob(&store).await;
    let held = hold_writer(&store).await;
    let mut answers = Vec::new();
    for number in 0..40 {
        answers.push(ask(ann.writes(&store, &bob, &number.to_string())).await);
    }
    drop(held);
    for answer in answers {
        assert!(answer.await.unwrap().unwrap());
    }
    let batch = committed.recv().await.unwrap();
    assert_eq!(batch.len(), 80, "an entry for each of the two");
    assert!(committed.try_recv().is_err(), "all came in one");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_has_its_limit() {
    let directory = TempDir::new().unwrap();
    let limited = Options { batch_max: 8, ..options(directory.path()) };
    let (store, mut committed) = Store::open(&limited, &no_progress()).unwrap();
    let (ann, bob) = ann_and_bob(&store).await;
    let held = hold_writer(&store).await;
    let mut answers = Vec::new();
    for number in 0..20 {
        answers.push(ask(ann.writes(&store, &bob, &number.to_string())).await);
    }
    drop(held);
    for answer in answers {
        assert!(answer.await.unwrap().unwrap());
    }
    let sizes: Vec<_> = std::iter::from_fn(|| committed.try_recv().ok()).map(|batch| batch.len() / 2).collect();
    assert_eq!(sizes, [8, 8, 4]);
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_writers_at_once_leave_each_mailbox_in_order_and_without_a_gap() {
    const WRITERS: usize = 50;
    const MESSAGES: usize = 40;
    const READERS: usize = 5;
    let (_directory, store, mut committed) = open_new();
    let mut recipients = Vec::new();
    for number in 0..READERS {
        recipients.push(Person::sign_up(&store, &format!("recipient{number}")).await);
    }
    let mut writers = Vec::new();
    for number in 0..WRITERS {
        writers.push(Person::sign_up(&store, &format!("writer{number}")).await);
    }
    let listening = tokio::spawn(async move {
        let (mut batches, mut stream) = (0, Vec::new());
        while stream.len() < 2 * WRITERS * MESSAGES {
            stream.extend(committed.recv().await.unwrap());
            batches += 1;
        }
        (batches, stream)
    });

    // Held until each has asked for its first, so that these at least share a commit.
    let held = hold_writer(&store).await;
    let mut all = Vec::new();
    for writer in writers.clone() {
        let (store, recipients) = (store.clone(), recipients.clone());
        let writing = async move {
            for number in 0..MESSAGES {
                let recipient = &recipients[number % READERS];
                let text = format!("{} {number}", writer.login);
                assert!(writer.writes(&store, recipient, &text).await.unwrap());
            }
        };
        all.push(ask(writing).await);
    }
    drop(held);
    for writing in all {
        in_time(writing).await.unwrap();
    }

    let (batches, stream) = in_time(listening).await.unwrap();
    assert!(batches < WRITERS * MESSAGES, "{batches} commits are one for each message");
    let mut told: HashMap<AccountId, Vec<Entry>> = HashMap::new();
    for committed in stream {
        told.entry(committed.account).or_default().push(committed.entry);
    }
    for person in recipients.iter().chain(&writers) {
        let told = &told[&person.id];
        assert_gapless(told);
        assert_eq!(told, &person.mailbox(&store).await, "what was told is what stands there");
    }
    for recipient in &recipients {
        assert_eq!(told[&recipient.id].len(), WRITERS * MESSAGES / READERS);
    }
    for writer in &writers {
        let texts: Vec<_> = told[&writer.id].iter().map(|entry| entry.message.text.to_string()).collect();
        let written: Vec<_> = (0..MESSAGES).map(|number| format!("{} {number}", writer.login)).collect();
        assert_eq!(texts, written, "what one has written stays in order");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_goes_away_does_not_undo_what_it_asked_for() {
    let (_directory, store, _committed) = open_new();
    let (ann, bob) = ann_and_bob(&store).await;
    let held = hold_writer(&store).await;
    ask(ann.writes(&store, &bob, "sent, then the line went down")).await.abort();
    drop(held);
    store.probe().await.unwrap();
    assert_eq!(bob.mailbox_texts(&store).await, ["sent, then the line went down"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_notifier_messages_wait_in_their_mailboxes() {
    let (_directory, store, committed) = open_new();
    let (ann, bob) = ann_and_bob(&store).await;
    drop(committed);
    assert!(ann.writes(&store, &bob, "late").await.unwrap());
    assert_eq!(bob.mailbox_texts(&store).await, ["late"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_is_given_once_also_within_one_commit() {
    let (_directory, store, _committed) = open_new();
    let held = hold_writer(&store).await;
    let mut answers = Vec::new();
    for _ in 0..3 {
        let store = store.clone();
        answers.push(ask(async move { store.add_user(new_account("ann")).await.unwrap() }).await);
    }
    drop(held);
    let mut outcomes = Vec::new();
    for answer in answers {
        outcomes.push(answer.await.unwrap().is_ok());
    }
    assert_eq!(outcomes, [true, false, false]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_renewed_unless_it_was_changed_meanwhile() {
    let (_directory, store, _committed) = open_new();
    let ann = Person::sign_up(&store, "ann").await;
    let hash = async || store.get_account(login("ann")).await.unwrap().unwrap().password_hash;
    store.renew_password(ann.id, "$argon2id$".to_owned(), "$new$".to_owned()).await.unwrap();
    assert_eq!(hash().await, "$new$");
    store.renew_password(ann.id, "$argon2id$".to_owned(), "$late$".to_owned()).await.unwrap();
    assert_eq!(hash().await, "$new$");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_ends_where_its_limits_say() {
    let (_directory, store, _committed) = open_new();
    let (ann, bob) = ann_and_bob(&store).await;
    for text in ["four", "four", "four", "eightish"] {
        assert!(ann.writes(&store, &bob, text).await.unwrap());
    }
    // After, entries, bytes; and how many come, and whether there are more.
    let scenes = [
        (0, 10, 100, 4, false),
        (0, 3, 100, 3, true),
        (0, 10, 12, 3, true),
        (0, 10, 11, 2, true),
        (0, 0, 0, 1, true),
        (3, 1, 1, 1, false),
        (4, 10, 100, 0, false),
        (u64::MAX, 10, 100, 0, false),
    ];
    for (after, entries, bytes, length, more) in scenes {
        let page = store.mailbox_page(bob.id, Seq(after), PageLimits { entries, bytes }).await.unwrap();
        assert_eq!((page.entries.len(), page.more), (length, more), "{entries} entries, {bytes} bytes after {after}");
        assert_eq!(page.entries.first().map(|entry| entry.seq.0), (length > 0).then_some(after.wrapping_add(1)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn in_the_place_of_an_account_that_does_not_exist_the_next_one_is_read() {
    let (_directory, store, _committed) = open_new();
    ann_and_bob(&store).await;
    for (asked, found) in [("ann", Some("ann")), ("amy", Some("ann")), ("anna", Some("bob")), ("bobby", None)] {
        let nearest = store.nearest_account(login(asked)).await.unwrap();
        assert_eq!(nearest, store.get_account(login(found.unwrap_or(asked))).await.unwrap(), "{asked}");
    }
}
