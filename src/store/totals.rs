//! How much there is of everything.

use super::{Store, StoreError};
use rusqlite::Connection;

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Accounts that are not erased.
    pub accounts: u64,
    /// Messages.
    pub messages: u64,
    /// Bytes of the database's file.
    pub bytes: u64,
}

impl Store {
    /// Counts all there is: for somebody who asks, now and then.
    ///
    /// # Errors
    /// When it could not be read.
    pub async fn totals(&self) -> Result<Totals, StoreError> {
        self.readers.read(count).await
    }
}

fn count(db: &Connection) -> rusqlite::Result<Totals> {
    let number = |number: i64| u64::try_from(number).unwrap_or_default();
    let accounts = db
        .prepare_cached("SELECT count(*) FROM accounts WHERE id > 0 AND erased_at IS NULL")?
        .query_row([], |row| row.get(0))?;
    let messages = db.prepare_cached("SELECT count(*) FROM messages WHERE id > 0")?.query_row([], |row| row.get(0))?;
    let pages: i64 = db.pragma_query_value(None, "page_count", |row| row.get(0))?;
    let size: i64 = db.pragma_query_value(None, "page_size", |row| row.get(0))?;
    Ok(Totals {
        accounts: number(accounts),
        messages: number(messages),
        bytes: number(pages).saturating_mul(number(size)),
    })
}
