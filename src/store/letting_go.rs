//! What a mailbox lets go of, for good: by retention ([`retention`](super::retention)) and when its account is erased
//! ([`erasure`](super::erasure)). In steps: others wait for one, and not for all.

use super::mailboxes;
use super::unfiled::MessageId;
use crate::domain::AccountId;
use rusqlite::{Connection, params};

/// Rows that one step deletes, at the most.
pub(super) const STEP_ROWS: i64 = 64;
/// Bytes of text that one step deletes, about; at least one message. All of them are overwritten, in the log and later in
/// the database.
const STEP_BYTES: i64 = 256 * 1024;

/// An entry that may go.
#[derive(Debug)]
pub(super) struct Old {
    pub(super) seq: i64,
    pub(super) message: MessageId,
    pub(super) sent_at: i64,
    /// Whether it came to the mailbox's owner, perhaps from themselves; else they have sent it.
    pub(super) incoming: bool,
}

/// As many as one step takes.
#[derive(Debug)]
pub(super) struct Oldest {
    /// By their numbers.
    pub(super) entries: Vec<Old>,
    /// There are more.
    pub(super) more: bool,
}

/// Up to this message, all stand in their mailboxes.
pub(super) fn filed_up_to(db: &Connection) -> rusqlite::Result<MessageId> {
    db.prepare_cached("SELECT up_to FROM filing WHERE one = 1")?.query_row([], |row| row.get(0))
}

/// The first entries of a mailbox behind a place, at most so many.
pub(super) fn oldest(db: &Connection, account: AccountId, after: i64, most: i64) -> rusqlite::Result<Oldest> {
    let mut statement = db.prepare_cached(
        "SELECT seq, message, coalesce(sent_at, 0), coalesce(recipient = ?1, 1), coalesce(octet_length(text), 0)
         FROM entries LEFT JOIN messages ON messages.id = message
         WHERE account = ?1 AND seq > ?2 ORDER BY seq",
    )?;
    let mut rows = statement.query(params![account.0, after])?;
    let (mut entries, mut bytes) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        if i64::try_from(entries.len()).is_ok_and(|taken| taken >= most) || bytes >= STEP_BYTES {
            return Ok(Oldest { entries, more: true });
        }
        entries.push(Old { seq: row.get(0)?, message: row.get(1)?, sent_at: row.get(2)?, incoming: row.get(3)? });
        bytes += row.get::<_, i64>(4)?;
    }
    Ok(Oldest { entries, more: false })
}

/// Deletes an entry, and its message if no other mailbox holds it. It must be filed: see [`mailboxes::release`].
pub(super) fn let_go(db: &Connection, account: AccountId, entry: &Old) -> rusqlite::Result<bool> {
    db.prepare_cached("DELETE FROM entries WHERE account = ?1 AND seq = ?2")?.execute(params![account.0, entry.seq])?;
    mailboxes::release(db, entry.message)
}
