//! Takes what happened to the sessions that it concerns: committed mailbox entries, and who came and went.
//!
//! Two tasks. [`deliver`] goes through the store's commits in their order. [`announce`] goes through the changes of
//! status one by one. Neither ever asks a session anything, and a session that misses a notice loses nothing: its
//! mailbox is read from its cursor, a contact's status is there for the asking.
//!
//! However many are told, others get their turn on the thread in between.
//!
//! Errors: a store that can't say whom a change concerns is logged; the change is then not told.
//!
//! Must not be here: decisions about who may do what, bytes, sockets.

use crate::config::ContactsPolicy;
use crate::domain::Event;
use crate::sessions::Sessions;
use crate::store::{Committed, Store};
use tokio::sync::mpsc;
use tokio::task::coop::consume_budget;

/// As many are told of a change before others get their turn on the thread.
const AT_ONCE: usize = 128;

/// Tells the sessions of each mailbox what was put into it, until the store is stopped.
pub async fn deliver(sessions: &Sessions, mut committed: mpsc::Receiver<Vec<Committed>>) {
    while let Some(batch) = committed.recv().await {
        for Committed { account, entry } in batch {
            sessions.notify(account, &Event::Mail(entry));
            consume_budget().await;
        }
    }
}

/// Tells everybody who sees somebody's status that they came or went. `policy` says what holds when it happens. Runs until
/// dropped.
pub async fn announce(sessions: &Sessions, store: &Store, policy: impl Fn() -> ContactsPolicy) {
    loop {
        let change = sessions.next_change().await;
        match store.watchers(change.account, policy()).await {
            Ok(watchers) => {
                let event = Event::ContactStatus(change.login, change.status);
                for some in watchers.chunks(AT_ONCE) {
                    sessions.notify_all(some, &event);
                    tokio::task::yield_now().await;
                }
            }
            Err(error) => {
                tracing::warn!(login = %change.login, error = %error.chain(), "contacts were not told of a change");
            }
        }
    }
}
