//! Commits of groups of a size that is known.
//!
//! The writer takes what waits for it, so how many messages share a commit depends on how quick it is just then. Here it
//! is kept waiting while a group comes together: the notifier's queue is left full, and nobody is answered before the
//! notifier has heard ([`Store::open`] says how many batches it may leave unread). That a group is not taken together with
//! the next one is seen to by `batch_max`, which must be its size.

use super::people::Person;
use super::words::TEXT;
use messengerd::domain::{Login, Message, UnixMillis};
use messengerd::store::{Committed, Draft, Store, StoreError};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::task::coop::unconstrained;

/// Batches that the notifier may leave unread before the writer waits.
const UNREAD: usize = 256;

/// For what takes no time.
const PATIENCE: Duration = Duration::from_secs(30);

type Answer = Pin<Box<dyn Future<Output = Result<bool, StoreError>>>>;

/// See the module.
pub(crate) struct Groups {
    store: Store,
    committed: mpsc::Receiver<Vec<Committed>>,
    /// Of the group that is committed, or about to be.
    answers: Vec<Answer>,
}

impl Groups {
    /// Keeps the writer waiting from now on. What somebody writes to somebody is committed as often as that takes.
    pub(crate) async fn hold(
        store: Store,
        committed: mpsc::Receiver<Vec<Committed>>,
        sender: &Person,
        recipient: &Person,
    ) -> Self {
        let mut groups = Self { store, committed, answers: Vec::new() };
        while groups.committed.try_recv().is_ok() {}
        for _ in 0..UNREAD {
            assert!(groups.store.add_message(draft(sender, recipient)).await.expect("it can be written"));
        }
        // The writer waits with the next one in its hands. It has begun to write it as soon as there is an entry with it;
        // until then, the first of a group would come along.
        let last = draft(sender, recipient);
        let (since, asked) = (Instant::now(), Arc::strong_count(&last.message) + 1);
        groups.ask(last.clone());
        while Arc::strong_count(&last.message) <= asked {
            assert!(since.elapsed() < PATIENCE, "the writer has not begun to write what it was asked for");
            std::thread::sleep(Duration::from_millis(1));
        }
        groups
    }

    /// Puts a message into the writer's queue.
    fn ask(&mut self, draft: Draft) {
        let store = self.store.clone();
        // The runtime would hold back a task that asks so often in one go.
        let mut answer: Answer = Box::pin(unconstrained(async move { store.add_message(draft).await }));
        // It is in the queue as soon as it was asked for once, and can't have been answered: the writer waits.
        let asked = answer.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(asked.is_pending(), "the writer did not wait while {UNREAD} batches were unread: {asked:?}");
        self.answers.push(answer);
    }

    /// Has these committed as one group, and returns when the group before is answered: the writer commits while the next
    /// group comes together, and waits for nothing else.
    pub(crate) async fn commit(&mut self, drafts: impl IntoIterator<Item = Draft>) {
        let mut before = std::mem::take(&mut self.answers);
        drafts.into_iter().for_each(|draft| self.ask(draft));
        let unread = self.committed.recv().await.expect("the store is open");
        // An entry for the recipient, and one for the sender; of a filler, or of a whole group.
        assert!([2, 2 * self.answers.len()].contains(&unread.len()), "a group was not committed as one");
        // The last one first: when it is there, so are the others, and nobody is woken for each.
        while let Some(answer) = before.pop() {
            assert!(answer.await.expect("it can be written"), "the recipient has an account");
        }
    }

    /// Waits for the last group, and closes the store.
    pub(crate) async fn end(mut self) {
        let group = self.answers.len();
        // Whatever is unread now, the last batch is the last group's.
        let mut newest = 0;
        let answers = std::mem::take(&mut self.answers);
        let mut answered = Box::pin(async move {
            for answer in answers {
                assert!(answer.await.expect("it can be written"));
            }
        });
        loop {
            tokio::select! {
                () = &mut answered => break,
                Some(batch) = self.committed.recv() => newest = batch.len(),
            }
        }
        while let Ok(batch) = self.committed.try_recv() {
            newest = batch.len();
        }
        // An entry for the recipient, and one for the sender.
        assert_eq!(newest, 2 * group, "the last group was not committed as one");
        self.store.stop().await.expect("it can be closed");
    }
}

/// What somebody writes to somebody.
pub(crate) fn message(sender: &Login, recipient: &Login) -> Arc<Message> {
    let (sender, recipient, sent_at) = (sender.clone(), recipient.clone(), UnixMillis(1_800_000_000_000));
    Arc::new(Message { sender, recipient, sent_at, text: TEXT.into() })
}

/// The same, not committed yet.
pub(crate) fn draft(sender: &Person, recipient: &Person) -> Draft {
    Draft { sender: sender.id, message: message(&sender.login, &recipient.login) }
}

/// As many messages as there are people: each writes to a neighbour.
pub(crate) fn round(people: &[Person]) -> impl Iterator<Item = Draft> {
    people.iter().enumerate().map(|(number, person)| draft(person, people.get(number ^ 1).unwrap_or(person)))
}
