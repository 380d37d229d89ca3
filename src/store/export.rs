//! What is told of one person beside what others read of them as well.

use super::{Store, StoreError};
use crate::domain::{AccountId, Login};

impl Store {
    /// Whom somebody has blocked, by login.
    ///
    /// # Errors
    /// When it could not be read.
    pub async fn blocked_logins(&self, owner: AccountId) -> Result<Vec<Login>, StoreError> {
        self.readers
            .read(move |db| {
                let mut blocked = db
                    .prepare_cached(
                        "SELECT login FROM blocks JOIN accounts ON accounts.id = blocked
                         WHERE owner = ?1 AND erased_at IS NULL",
                    )?
                    .query_map([owner.0], |row| Ok(Login::from_store(row.get_ref(0)?.as_str()?)))?
                    .collect::<rusqlite::Result<Vec<_>>>()?;
                // Sorted here, where it needs no temporary table.
                blocked.sort_unstable();
                Ok(blocked)
            })
            .await
    }
}
