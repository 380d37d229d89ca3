//! What two people see of each other changes one change at a time: the store is changed, and the other is told what they
//! see now, before the next change of the same two begins. Else the last that is told might not be the last that was done.

use super::Sessions;
use crate::domain::Login;
use std::hash::{DefaultHasher, Hash, Hasher};
use tokio::sync::{Mutex, MutexGuard};

/// Pairs share a lock with others: they wait for a commit of theirs now and then.
const LOCKS: usize = 32;

/// See the module.
#[derive(Default)]
pub(super) struct Pairs([Mutex<()>; LOCKS]);

impl Sessions {
    /// Waits until nobody else changes what these two see of each other. The next one waits until this is dropped.
    pub async fn between(&self, one: &Login, other: &Login) -> MutexGuard<'_, ()> {
        let mut hasher = DefaultHasher::new();
        if one < other { (one, other) } else { (other, one) }.hash(&mut hasher);
        let lock = usize::try_from(hasher.finish() % LOCKS as u64).unwrap_or_default();
        self.pairs.0[lock].lock().await
    }
}
