//! Cursors that have moved and are not yet written. Each delivery moves one; writing them a few milliseconds later,
//! all in one commit, keeps that off the way of the messages.

use crate::domain::{AccountId, AccountMap, Seq};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// From the first movement to the writing: what a crash can bring a second time.
const DELAY: Duration = Duration::from_millis(20);
/// After a writing that failed.
pub(super) const RETRY: Duration = Duration::from_secs(1);

/// Bounded by the accounts that are online: one place each.
#[derive(Default)]
pub(super) struct Cursors {
    moved: Mutex<AccountMap<Seq>>,
    first: Notify,
}

impl Cursors {
    fn lock(&self) -> MutexGuard<'_, AccountMap<Seq>> {
        self.moved.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn moved(&self, account: AccountId, seq: Seq) {
        let mut moved = self.lock();
        let first = moved.is_empty();
        let cursor = moved.entry(account).or_default();
        *cursor = (*cursor).max(seq);
        drop(moved);
        if first {
            self.first.notify_one();
        }
    }

    pub(super) fn get(&self, account: AccountId) -> Option<Seq> {
        self.lock().get(&account).copied()
    }

    /// Until something is to be written, and a little longer, so that more comes along.
    pub(super) async fn wait(&self) {
        while self.lock().is_empty() {
            self.first.notified().await;
        }
        tokio::time::sleep(DELAY).await;
    }

    /// In the order of the accounts, which is that of the pages they are written to.
    pub(super) fn snapshot(&self) -> Vec<(AccountId, Seq)> {
        let mut moved: Vec<_> = self.lock().iter().map(|(account, seq)| (*account, *seq)).collect();
        moved.sort_unstable();
        moved
    }

    /// Forgets what was written, unless it has moved on meanwhile.
    pub(super) fn written(&self, written: &[(AccountId, Seq)]) {
        let mut moved = self.lock();
        for (account, seq) in written {
            if moved.get(account) == Some(seq) {
                moved.remove(account);
            }
        }
    }
}
