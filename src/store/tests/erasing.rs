//! Erasing an account: what goes, what stays, and what happens in between.

use super::*;
use crate::config::ContactsPolicy;
use crate::store::erasure::{self, Step};
use crate::store::{NotMade, StoreError};

const NOW: crate::domain::UnixMillis = crate::domain::UnixMillis(1_800_000_000_000);

/// How many rows of each table are about an account.
fn rows_about(directory: &Path, account: AccountId) -> Vec<(&'static str, i64)> {
    let id = account.0;
    [
        ("contacts", format!("owner = {id} OR contact = {id}")),
        ("blocks", format!("owner = {id} OR blocked = {id}")),
        ("retention", format!("account = {id}")),
        ("mailboxes", format!("account = {id}")),
        ("entries", format!("account = {id}")),
        ("erasures", format!("account = {id}")),
    ]
    .map(|(table, about)| (table, number(&foreign(directory), &format!("SELECT count(*) FROM {table} WHERE {about}"))))
    .into()
}

fn assert_nothing_is_left(directory: &Path, account: AccountId) {
    let left = rows_about(directory, account).into_iter().filter(|(_, rows)| *rows > 0);
    assert_eq!(left.collect::<Vec<_>>(), []);
}

fn messages(directory: &Path) -> i64 {
    number(&foreign(directory), "SELECT count(*) FROM messages")
}

async fn befriend(store: &Store, people: &[&Person]) {
    for (owner, contact) in people.iter().flat_map(|one| people.iter().map(move |other| (one, other))) {
        store.add_contact(owner.id, contact.login.clone(), usize::MAX, ContactsPolicy::Open).await.unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_the_accounts_own_goes_and_what_stands_in_another_mailbox_stays() {
    let (directory, store, _committed) = open_new();
    let (ann, bob) = ann_and_bob(&store).await;
    befriend(&store, &[&ann, &bob]).await;
    let other_program = foreign(directory.path());
    let more = format!(
        "INSERT INTO retention (account, delivered_count) VALUES ({0}, 1);
         INSERT INTO blocks VALUES ({0}, {1}), ({1}, {0})",
        ann.id.0, bob.id.0
    );
    other_program.execute_batch(&more).unwrap();
    assert!(ann.writes(&store, &ann, "a note to myself").await.unwrap());
    assert!(bob.writes(&store, &bob, "mine").await.unwrap());
    assert!(rows_about(directory.path(), ann.id).iter().take(3).all(|(_, rows)| *rows > 0));
    store.writer.write(|batch| batch.db.execute_batch("DELETE FROM blocks")).await.unwrap();
    assert!(ann.writes(&store, &bob, "hello").await.unwrap());
    assert!(bob.writes(&store, &ann, "you too").await.unwrap());

    assert!(store.erase(ann.id, NOW).await.unwrap());
    assert_nothing_is_left(directory.path(), ann.id);
    assert_eq!(bob.mailbox_texts(&store).await, ["mine", "hello", "you too"]);
    let entries = bob.mailbox(&store).await;
    assert_eq!(entries[1].message.sender.as_str(), format!("deleted:{}", ann.id.0));
    assert_eq!(messages(directory.path()), 3, "her note is gone");
    assert_eq!(store.get_contacts_list(bob.id).await.unwrap().len(), 1, "himself");
    let kept = "SELECT email || password || coalesce(invite, '') || erased_at FROM accounts WHERE id = ";
    let kept: String = other_program.query_row(&format!("{kept}{}", ann.id.0), [], |row| row.get(0)).unwrap();
    assert_eq!(kept, NOW.0.to_string());

    assert!(store.erase(bob.id, NOW).await.unwrap());
    assert_eq!(messages(directory.path()), 0, "nobody has them any more");
    assert!(!store.erase(bob.id, NOW).await.unwrap() && !store.erase(AccountId(99), NOW).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_writes_to_an_erased_account_or_gets_its_login_and_it_writes_to_nobody() {
    let (_directory, store, _committed) = open_new();
    let (ann, bob) = ann_and_bob(&store).await;
    // The writer knows her now.
    assert!(bob.writes(&store, &ann, "hello").await.unwrap());
    assert!(store.erase(ann.id, NOW).await.unwrap());
    assert!(!bob.writes(&store, &ann, "are you there?").await.unwrap());
    assert!(!ann.writes(&store, &bob, "from a session that does not know yet").await.unwrap());
    assert!(store.add_contact(bob.id, ann.login.clone(), 9, ContactsPolicy::Open).await.unwrap().is_err());
    assert!(store.add_contact(ann.id, bob.login.clone(), 9, ContactsPolicy::Open).await.unwrap().is_err());
    assert_eq!(store.get_account(ann.login.clone()).await.unwrap(), None);
    assert!(store.logins(vec![ann.id]).await.unwrap().is_empty());
    assert!(store.is_login_taken(ann.login.clone()).await.unwrap());
    assert_eq!(store.add_user(new_account("ann")).await.unwrap(), Err(NotMade::LoginTaken));
    assert!(store.add_user(new_account("anna")).await.unwrap().is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_looked_for_in_vain_is_never_compared_with_somebody_who_is_erased() {
    let (_directory, store, _committed) = open_new();
    for name in ["dee", "dekf", "ann"] {
        let person = Person::sign_up(&store, name).await;
        assert!(name == "dekf" || store.erase(person.id, NOW).await.unwrap());
    }
    for looked_for in ["del", "deleted"] {
        let found = store.nearest_account(login(looked_for)).await.unwrap();
        assert_eq!(found, None, "behind {looked_for} there are only those");
    }
    assert_eq!(store.nearest_account(login("ann")).await.unwrap().unwrap().login, login("dekf"));
    Person::sign_up(&store, "eve").await;
    assert_eq!(store.nearest_account(login("del")).await.unwrap().unwrap().login, login("eve"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_between_any_two_steps_is_made_up_for_by_the_next_process() {
    const MESSAGES: i64 = 700;
    // Nobody is told: the writer would wait for them.
    let (directory, store, _) = open_new();
    let (ann, bob) = ann_and_bob(&store).await;
    befriend(&store, &[&ann, &bob]).await;
    for number in 0..MESSAGES {
        assert!(ann.writes(&store, &bob, &number.to_string()).await.unwrap());
    }
    let before = bob.mailbox_texts(&store).await;
    let mut steps = 0;
    // The writer answers as it goes, so the process may end behind each of these.
    assert!(store.writer.write(move |batch| erasure::close(batch, ann.id, None, NOW)).await.unwrap());
    loop {
        let copy = TempDir::new().unwrap();
        for file in [FILE, "messengerd.sqlite-wal"] {
            std::fs::copy(directory.path().join(file), copy.path().join(file)).unwrap();
        }
        let (next, _committed) = open(copy.path());
        let going_on = next.clone();
        let going_on = tokio::spawn(async move { going_on.go_on_erasing().await });
        in_time(async {
            while next.readers.read(erasure::next).await.unwrap().is_some() {
                tokio::task::yield_now().await;
            }
        })
        .await;
        assert_nothing_is_left(copy.path(), ann.id);
        assert_eq!(bob.mailbox_texts(&next).await, before, "after step {steps}");
        assert!(bob.writes(&next, &bob, "and on").await.unwrap());
        going_on.abort();
        next.stop().await.unwrap();

        match store.writer.write(move |batch| erasure::step(batch, ann.id)).await.unwrap() {
            Step::Done => break,
            Step::Unfiled => store.writer.file().await,
            Step::More(_) => {}
        }
        steps += 1;
    }
    assert!(steps >= 3, "there were several steps: {steps}");
}

/// Which of these are in the database or in its log.
fn found_in_files(directory: &Path, words: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for file in [FILE, "messengerd.sqlite-wal"] {
        let bytes = std::fs::read(directory.join(file)).unwrap_or_default();
        let there = words.iter().filter(|word| memchr::memmem::find(&bytes, word.as_bytes()).is_some());
        found.extend(there.map(|word| format!("{word} in {file}")));
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_erased_is_neither_in_the_database_nor_in_its_log_any_more() {
    // Nobody is told: the writer would wait for them.
    let (directory, store, _) = open_new();
    let mut account = new_account("annabella");
    account.email = crate::domain::Email::parse("where.ann.lives@example.org").unwrap();
    account.password_hash = "$argon2id$her first hash".to_owned();
    let ann = Person { id: store.add_user(account).await.unwrap().unwrap(), login: login("annabella") };
    let bob = Person::sign_up(&store, "bob").await;
    store.set_password(ann.login.clone(), "$argon2id$her longer second hash".to_owned()).await.unwrap();
    befriend(&store, &[&ann, &bob]).await;
    let long = "a long secret of ann, over several pages. ".repeat(500);
    assert!(ann.writes(&store, &ann, &long).await.unwrap());
    for number in 0..300 {
        // In between each other on the same pages.
        assert!(ann.writes(&store, &ann, &format!("a short secret {number}")).await.unwrap());
        assert!(bob.writes(&store, &bob, &format!("something else {number}")).await.unwrap());
    }
    assert!(store.set_disabled(ann.login.clone(), true).await.unwrap().is_some());
    let secrets =
        ["annabella", "where.ann.lives", "her first hash", "second hash", "long secret of ann", "short secret"];
    assert!(found_in_files(directory.path(), &secrets).len() >= secrets.len());
    assert!(store.erase(ann.id, NOW).await.unwrap());
    assert!(bob.writes(&store, &bob, "after it").await.unwrap());
    // Now, with the store open, and when it was closed.
    assert_eq!(found_in_files(directory.path(), &secrets), [""; 0]);
    assert_eq!(bob.mailbox(&store).await.len(), 301);
    store.stop().await.unwrap();
    assert_eq!(found_in_files(directory.path(), &secrets), [""; 0]);
    assert_eq!(found_in_files(directory.path(), &["something else 299"]).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_reads_in_the_log_keeps_an_erasure_from_being_done_and_nobody_else_waiting() {
    let (directory, store, _committed) = open_new();
    let (ann, bob) = ann_and_bob(&store).await;
    assert!(ann.writes(&store, &ann, "a secret").await.unwrap());
    store.writer.file().await;
    let reader = foreign(directory.path());
    reader.execute_batch("BEGIN").unwrap();
    assert_eq!(number(&reader, "SELECT count(*) FROM messages"), 1);
    let erasing = tokio::spawn({
        let store = store.clone();
        async move { store.erase(ann.id, NOW).await }
    });
    in_time(async {
        while rows_about(directory.path(), ann.id)[4].1 > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!(bob.writes(&store, &bob, "meanwhile").await.unwrap());
    assert!(store.readers.read(erasure::next).await.unwrap().is_some(), "the log still has it");
    reader.execute_batch("COMMIT").unwrap();
    assert!(in_time(erasing).await.unwrap().unwrap());
    assert_nothing_is_left(directory.path(), ann.id);
    assert_eq!(found_in_files(directory.path(), &["a secret"]), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_t_be_filed_is_not_erased_yet_and_the_account_is_closed() {
    let (directory, store, _committed) = open_new();
    let (ann, bob) = ann_and_bob(&store).await;
    assert!(bob.writes(&store, &ann, "hello").await.unwrap());
    let other_program = foreign(directory.path());
    let refuse = "CREATE TRIGGER refuse BEFORE INSERT ON entries BEGIN SELECT RAISE(ABORT, 'refused'); END";
    other_program.execute_batch(refuse).unwrap();
    assert!(matches!(store.erase(ann.id, NOW).await, Err(StoreError::Full)));
    assert_eq!(store.get_account(ann.login.clone()).await.unwrap(), None);
    assert_eq!(bob.mailbox_texts(&store).await, ["hello"]);
    other_program.execute_batch("DROP TRIGGER refuse").unwrap();
    let going_on = store.clone();
    let going_on = tokio::spawn(async move { going_on.go_on_erasing().await });
    in_time(async {
        while rows_about(directory.path(), ann.id).iter().any(|(_, rows)| *rows > 0) {
            tokio::task::yield_now().await;
        }
    })
    .await;
    going_on.abort();
    assert_eq!(bob.mailbox_texts(&store).await, ["hello"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_shown_a_password_that_is_no_longer_it_closes_nothing() {
    let (_directory, store, _committed) = open_new();
    let (ann, bob) = ann_and_bob(&store).await;
    let shown = store.get_account(ann.login.clone()).await.unwrap().unwrap().password_hash;
    assert!(store.renew_password(ann.id, shown.clone(), "another hash".to_owned()).await.unwrap());
    assert!(store.begin_erasing(ann.id, Some(shown.clone()), NOW).await.unwrap().is_none());
    assert!(store.set_disabled(bob.login.clone(), true).await.unwrap().is_some());
    assert!(store.begin_erasing(bob.id, Some(shown), NOW).await.unwrap().is_none());
    for person in [&ann, &bob] {
        assert!(store.get_account(person.login.clone()).await.unwrap().is_some());
    }
    assert!(store.begin_erasing(ann.id, Some("another hash".to_owned()), NOW).await.unwrap().is_some());
    assert!(store.get_account(ann.login).await.unwrap().is_none());
}
