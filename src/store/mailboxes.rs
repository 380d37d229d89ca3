//! The tables `messages`, `mailboxes` and `entries`: each account's gapless sequence, and how far it was delivered.

use super::accounts;
use super::writer::Batch;
use crate::domain::{AccountId, Entry, Login, Message, Seq, UnixMillis};
use rusqlite::{Connection, params};
use std::sync::Arc;

/// A message that its sender has written and nobody has committed.
#[derive(Debug, Clone)]
pub struct Draft {
    /// Whose session wrote it.
    pub sender: AccountId,
    /// What it says, and for whom.
    pub message: Arc<Message>,
}

/// A committed message, and where it stands in whose mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// Whose mailbox.
    pub account: AccountId,
    /// What stands there now.
    pub entry: Entry,
}

/// How much of a mailbox to read at once.
#[derive(Debug, Clone, Copy)]
pub struct PageLimits {
    /// The most entries.
    pub entries: u32,
    /// The most bytes of text; the first entry is read however long it is.
    pub bytes: usize,
}

/// A run of entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// In order, without a gap, beginning behind the place that was asked for.
    pub entries: Vec<Entry>,
    /// Whether more stood behind them when this was read.
    pub more: bool,
}

/// False: nobody has the recipient's login.
pub(super) fn add_message(batch: &mut Batch<'_>, draft: &Draft) -> rusqlite::Result<bool> {
    let db = batch.db;
    let message = &draft.message;
    let Some(recipient) = accounts::id(db, &message.recipient)? else { return Ok(false) };
    let id = db
        .prepare_cached("INSERT INTO messages (sender, recipient, sent_at, text) VALUES (?1, ?2, ?3, ?4)")?
        .insert(params![draft.sender.0, recipient.0, message.sent_at.0, message.text])?;
    let mut add_entry = |account: AccountId, incoming: bool| -> rusqlite::Result<()> {
        let seq: i64 = db
            .prepare_cached("UPDATE mailboxes SET head = head + 1 WHERE account = ?1 RETURNING head")?
            .query_row([account.0], |row| row.get(0))?;
        db.prepare_cached("INSERT INTO entries (account, seq, incoming, message) VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![account.0, seq, incoming, id])?;
        let entry = Entry { seq: Seq(seq.unsigned_abs()), incoming, message: Arc::clone(message) };
        batch.committed.push(Committed { account, entry });
        Ok(())
    };
    add_entry(recipient, true)?;
    if recipient != draft.sender {
        add_entry(draft.sender, false)?;
    }
    Ok(true)
}

/// Where the cursor stands once it has been moved to `unwritten`, by the rule of [`move_cursors`].
pub(super) fn cursor(db: &Connection, account: AccountId, unwritten: Seq) -> rusqlite::Result<Seq> {
    db.prepare_cached("SELECT min(max(cursor, ?2), head) FROM mailboxes WHERE account = ?1")?
        .query_row(params![account.0, number(unwritten)], |row| row.get(0))
        .map(|cursor: i64| Seq(cursor.unsigned_abs()))
}

/// Moves each cursor, never backwards, and never beyond what is there.
pub(super) fn move_cursors(db: &Connection, moved: &[(AccountId, Seq)]) -> rusqlite::Result<()> {
    let mut statement =
        db.prepare_cached("UPDATE mailboxes SET cursor = min(max(cursor, ?2), head) WHERE account = ?1")?;
    for (account, seq) in moved {
        statement.execute(params![account.0, number(*seq)])?;
    }
    Ok(())
}

pub(super) fn page(db: &Connection, account: AccountId, after: Seq, limits: PageLimits) -> rusqlite::Result<Page> {
    let mut statement = db.prepare_cached(
        "SELECT seq, incoming, sender.login, recipient.login, sent_at, text
         FROM entries
         JOIN messages ON messages.id = entries.message
         JOIN accounts AS sender ON sender.id = messages.sender
         JOIN accounts AS recipient ON recipient.id = messages.recipient
         WHERE account = ?1 AND seq > ?2 ORDER BY seq",
    )?;
    let mut rows = statement.query(params![account.0, number(after)])?;
    let (mut entries, mut bytes) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        let text = row.get_ref(5)?.as_str()?;
        bytes += text.len();
        if !entries.is_empty() && (entries.len() >= limits.entries as usize || bytes > limits.bytes) {
            return Ok(Page { entries, more: true });
        }
        let message = Message {
            sender: Login::from_store(row.get_ref(2)?.as_str()?),
            recipient: Login::from_store(row.get_ref(3)?.as_str()?),
            sent_at: UnixMillis(row.get(4)?),
            text: text.into(),
        };
        let seq = Seq(row.get::<_, i64>(0)?.unsigned_abs());
        entries.push(Entry { seq, incoming: row.get(1)?, message: Arc::new(message) });
    }
    Ok(Page { entries, more: false })
}

/// As SQLite holds it. No mailbox is so long that its end is cut off.
fn number(seq: Seq) -> i64 {
    i64::try_from(seq.0).unwrap_or(i64::MAX)
}
