//! Comes back to connections whose peers were not ready: one task and one timer for all of them.

use super::Connection;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::{Mutex, MutexGuard, PoisonError, Weak};
use std::time::Instant;
use tokio::sync::Notify;

/// See the module. A connection stands in it once, and for a while more often when it was to be visited sooner: the
/// visits that were meant for later find that they are not wanted any more, and lead to no others.
#[derive(Default)]
pub struct Pacer {
    due: Mutex<BinaryHeap<Reverse<Due>>>,
    earlier: Notify,
}

struct Due {
    at: Instant,
    connection: Weak<Connection>,
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.at.cmp(&other.at)
    }
}

impl Pacer {
    fn lock(&self) -> MutexGuard<'_, BinaryHeap<Reverse<Due>>> {
        self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many are due now or later, wanted or not.
    #[cfg(test)]
    pub(super) fn visits(&self) -> usize {
        self.lock().len()
    }

    pub(super) fn come_back(&self, connection: Weak<Connection>, at: Instant) {
        let mut due = self.lock();
        let earliest = due.peek().is_none_or(|Reverse(first)| at < first.at);
        due.push(Reverse(Due { at, connection }));
        drop(due);
        if earliest {
            self.earlier.notify_one();
        }
    }

    /// Runs until dropped.
    pub async fn run(&self) {
        loop {
            let next = self.lock().peek().map(|Reverse(first)| first.at);
            match next {
                None => self.earlier.notified().await,
                Some(at) if at > Instant::now() => {
                    tokio::select! {
                        () = self.earlier.notified() => {}
                        () = tokio::time::sleep_until(at.into()) => {}
                    }
                }
                Some(_) => {
                    self.visit();
                    // A great many may be due at once; the readers get their turn in between.
                    tokio::task::yield_now().await;
                }
            }
        }
    }

    fn visit(&self) {
        let now = Instant::now();
        loop {
            let mut due = self.lock();
            if due.peek().is_none_or(|Reverse(first)| first.at > now) {
                return;
            }
            let first = due.pop();
            drop(due);
            if let Some(Reverse(Due { at, connection })) = first
                && let Some(connection) = connection.upgrade()
            {
                connection.paced(at);
            }
        }
    }
}
