//! The tables `messages`, `mailboxes` and `entries`: each account's gapless sequence, and how far it was delivered.
//!
//! The newest entries of a mailbox stand in no table yet, but in the [`Unfiled`](super::unfiled::Unfiled).

use super::unfiled::{MessageId, Tail};
use super::writer::Batch;
use crate::domain::{AccountId, Entry, Login, Message, Seq, UnixMillis};
use rusqlite::{Connection, OptionalExtension, Row, params};
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

/// Of what is not filed, so many entries more than a page has are looked at.
pub(super) const TAIL_MORE: u64 = 2;

/// A run of entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// In order, beginning behind the place that was asked for. What is missing between them the mailbox has let go of.
    pub entries: Vec<Entry>,
    /// Up to here the mailbox was read: the last of the entries, or one behind it that the mailbox has let go of.
    pub up_to: Seq,
    /// Whether more stood behind them when this was read.
    pub more: bool,
}

/// False: nobody has the recipient's login, or the sender's account is erased.
pub(super) fn add_message(batch: &mut Batch<'_>, draft: &Draft) -> rusqlite::Result<bool> {
    let Batch { db, committed, unfiled, pending, recipients } = batch;
    let message = &draft.message;
    if recipients.is_closed(draft.sender) {
        return Ok(false);
    }
    let Some(recipient) = recipients.find(db, &message.recipient)? else { return Ok(false) };
    let withheld = recipients.blocks(db, recipient, draft.sender)?;
    let id = pending.next_message(unfiled)?;
    db.prepare_cached(
        "INSERT INTO messages (id, sender, recipient, sent_at, text, withheld) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute(params![id, draft.sender.0, recipient.0, message.sent_at.0, message.text, withheld])?;
    let mut add_entry = |account: AccountId, incoming: bool| -> rusqlite::Result<()> {
        let seq = pending.add(db, unfiled, account, id)?;
        committed.push(Committed { account, entry: Entry { seq, incoming, message: Arc::clone(message) } });
        Ok(())
    };
    if !withheld {
        add_entry(recipient, true)?;
    }
    if recipient != draft.sender {
        add_entry(draft.sender, false)?;
    }
    Ok(true)
}

/// Where the cursor stands once it has been moved to `unwritten`, by the rule of [`move_cursors`], in a mailbox that goes
/// up to `unfiled` if not all of it is filed.
pub(super) fn cursor(
    db: &Connection,
    account: AccountId,
    unwritten: Seq,
    unfiled: Option<Seq>,
) -> rusqlite::Result<Seq> {
    db.prepare_cached("SELECT min(max(cursor, ?2), max(head, ?3)) FROM mailboxes WHERE account = ?1")?
        .query_row(params![account.0, number(unwritten), number(unfiled.unwrap_or_default())], |row| row.get(0))
        .map(|cursor: i64| Seq(cursor.unsigned_abs()))
}

/// Moves each cursor, never backwards, and never beyond what is there.
pub(super) fn move_cursors(batch: &Batch<'_>, moved: &[(AccountId, Seq)]) -> rusqlite::Result<()> {
    let mut statement = batch
        .db
        .prepare_cached("UPDATE mailboxes SET cursor = min(max(cursor, ?2), max(head, ?3)) WHERE account = ?1")?;
    for (account, seq) in moved {
        let unfiled = batch.unfiled.head(*account).unwrap_or_default();
        statement.execute(params![account.0, number(*seq), number(unfiled)])?;
    }
    Ok(())
}

/// `tail`: what was not filed of the mailbox behind `after`, a moment ago.
pub(super) fn page(
    db: &Connection,
    account: AccountId,
    after: Seq,
    limits: PageLimits,
    tail: Option<&Tail>,
) -> rusqlite::Result<Page> {
    let mut page = Draw { limits, bytes: 0, page: Page { entries: Vec::new(), up_to: after, more: false } };
    // Before the entries are read: what is filed meanwhile is behind it, and not taken for something that is gone.
    let filed = db
        .prepare_cached("SELECT head FROM mailboxes WHERE account = ?1")?
        .query_row([account.0], |row| row.get::<_, i64>(0))
        .optional()?
        .unwrap_or_default();
    if tail.is_none_or(|tail| after < tail.after) {
        let mut statement = db.prepare_cached(
            "SELECT seq, recipient = ?1, sender.login, recipient.login, sent_at, text
             FROM entries
             JOIN messages ON messages.id = entries.message
             JOIN accounts AS sender ON sender.id = messages.sender
             JOIN accounts AS recipient ON recipient.id = messages.recipient
             WHERE account = ?1 AND seq > ?2 ORDER BY seq",
        )?;
        let mut rows = statement.query(params![account.0, number(after)])?;
        while let Some(row) = rows.next()? {
            let seq = Seq(row.get::<_, i64>(0)?.unsigned_abs());
            if !page.take(seq, row)? {
                return Ok(page.page);
            }
        }
        page.page.up_to = page.page.up_to.max(Seq(filed.unsigned_abs()));
    }
    let Some(tail) = tail else { return Ok(page.page) };
    let mut statement = db.prepare_cached(
        "SELECT messages.id, recipient = ?1, sender.login, recipient.login, sent_at, text
         FROM messages
         JOIN accounts AS sender ON sender.id = messages.sender
         JOIN accounts AS recipient ON recipient.id = messages.recipient
         WHERE messages.id = ?2",
    )?;
    // Some of it may have been filed meanwhile, and read already.
    let read = page.page.entries.last().map_or(after, |entry| entry.seq);
    for (seq, message) in (tail.after.0 + 1..).map(Seq).zip(&tail.messages).filter(|(seq, _)| *seq > read) {
        let mut rows = statement.query(params![account.0, message])?;
        // It was filed and let go of meanwhile.
        let Some(row) = rows.next()? else { continue };
        if !page.take(seq, row)? {
            return Ok(page.page);
        }
    }
    page.page.up_to = page.page.up_to.max(tail.head());
    // So long, it may have been cut off: a page ends before that, unless some of it is gone.
    page.page.more = tail.messages.len() as u64 >= u64::from(limits.entries) + TAIL_MORE;
    Ok(page.page)
}

/// A page that is being read.
struct Draw {
    limits: PageLimits,
    bytes: usize,
    page: Page,
}

impl Draw {
    /// Takes an entry from a row of the message behind something else, and says whether it found room.
    fn take(&mut self, seq: Seq, row: &Row<'_>) -> rusqlite::Result<bool> {
        let Page { entries, up_to, more } = &mut self.page;
        let text = row.get_ref(5)?.as_str()?;
        self.bytes += text.len();
        *more =
            !entries.is_empty() && (entries.len() >= self.limits.entries as usize || self.bytes > self.limits.bytes);
        if *more {
            return Ok(false);
        }
        let message = Message {
            sender: Login::from_store(row.get_ref(2)?.as_str()?),
            recipient: Login::from_store(row.get_ref(3)?.as_str()?),
            sent_at: UnixMillis(row.get(4)?),
            text: text.into(),
        };
        *up_to = seq;
        entries.push(Entry { seq, incoming: row.get(1)?, message: Arc::new(message) });
        Ok(true)
    }
}

/// One mailbox holds a message no more: an entry of it was deleted. If no other holds it either, the message is deleted as
/// well: whether it was. For messages that are filed only, up to [`filing`](super::filing)'s mark: what is not is counted
/// after a crash, and a number must not be given twice.
pub(super) fn release(db: &Connection, message: MessageId) -> rusqlite::Result<bool> {
    let deleted = db
        .prepare_cached("DELETE FROM messages WHERE id = ?1 AND (released = 1 OR withheld = 1 OR sender = recipient)")?
        .execute([message])?;
    if deleted == 0 {
        db.prepare_cached("UPDATE messages SET released = 1 WHERE id = ?1")?.execute([message])?;
    }
    Ok(deleted > 0)
}

/// As SQLite holds it. No mailbox is so long that its end is cut off.
pub(super) fn number(seq: Seq) -> i64 {
    i64::try_from(seq.0).unwrap_or(i64::MAX)
}
