//! What waits in the mailboxes of those who are not there to fetch it.

use super::{Cursors, Store, StoreError, Unfiled, tails};
use crate::domain::{AccountId, Seq};
use crate::figures::Backlog;
use rusqlite::{Connection, params};
use std::collections::HashSet;
use std::sync::Arc;

/// Mailboxes that are looked at in one go: other reads come between.
const AT_ONCE: u32 = 4096;

impl Store {
    /// What waits in the mailboxes of all who may log in and are not online: of those who are, what they wrote themselves
    /// would count as well. It looks at each mailbox, some thousands at a time.
    ///
    /// # Errors
    /// When it could not be read.
    pub async fn backlog(&self, online: HashSet<AccountId>) -> Result<Backlog, StoreError> {
        let online = Arc::new(online);
        let (mut backlog, mut after) = (Backlog::default(), Some(AccountId(0)));
        while let Some(from) = after {
            let (cursors, unfiled, online) =
                (Arc::clone(&self.cursors), Arc::clone(&self.unfiled), Arc::clone(&online));
            (backlog, after) = self
                .readers
                .read(move |db| {
                    let next = look(db, from, &cursors, &unfiled, |account| online.contains(&account), &mut backlog)?;
                    Ok((backlog, next))
                })
                .await?;
        }
        Ok(backlog)
    }
}

/// Looks through some mailboxes, those behind `after`, and returns the last; `None`: there are no more. The mailboxes of
/// accounts that nobody can log in to are passed over: nothing in them waits for anybody.
pub(super) fn look(
    db: &Connection,
    after: AccountId,
    cursors: &Cursors,
    unfiled: &Unfiled,
    is_online: impl Fn(AccountId) -> bool,
    backlog: &mut Backlog,
) -> rusqlite::Result<Option<AccountId>> {
    let mut some = db.prepare_cached(
        "SELECT account, head, cursor, disabled FROM mailboxes JOIN accounts ON accounts.id = account
         WHERE account > ?1 ORDER BY account LIMIT ?2",
    )?;
    let mut rows = some.query(params![after.0, AT_ONCE])?;
    let (mut last, mut seen) = (after, 0);
    while let Some(row) = rows.next()? {
        last = AccountId(row.get(0)?);
        seen += 1;
        if row.get(3)? || is_online(last) {
            continue;
        }
        let (moved, end) = tails(cursors, unfiled, last);
        let head = Seq(row.get::<_, i64>(1)?.unsigned_abs()).max(end);
        let cursor = Seq(row.get::<_, i64>(2)?.unsigned_abs()).max(moved);
        let waiting = head.0.saturating_sub(cursor.0);
        if waiting > 0 {
            backlog.mailboxes += 1;
            backlog.entries += waiting;
            backlog.longest = backlog.longest.max(waiting);
        }
    }
    Ok((seen == AT_ONCE).then_some(last))
}
