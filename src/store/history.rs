//! What stands in a mailbox, read backwards: all of it, or what was written to somebody and by them.
//!
//! Each page looks at a bounded number of entries, whoever they are with, and says where to go on. So no index by person has
//! to be kept for each message, and nobody waits for a page of a mailbox in which they are rarely met.

use super::unfiled::{MessageId, Tail};
use super::{PageLimits, Store, StoreError, accounts};
use crate::domain::{AccountId, Entry, History, Login, Message, Seq, UnixMillis};
use rusqlite::{Connection, OptionalExtension, params};
use std::sync::Arc;

/// As many entries are looked at for one page, at the most: some milliseconds.
const LOOKS: usize = 2048;
/// What a message counts for beside its text.
const OVERHEAD: usize = 256;

impl Store {
    /// What stands in a mailbox before a place: all, or what was written to somebody and by them; as much as the limits
    /// allow, or as one page looks at. `None`: nobody has their login.
    ///
    /// # Errors
    /// When it could not be read.
    pub async fn history(
        &self,
        account: AccountId,
        with: Option<Login>,
        before: Seq,
        limits: PageLimits,
    ) -> Result<Option<History>, StoreError> {
        // First what is not filed: if that is being done right now, the read below passes it over.
        let tail = self.unfiled.before(account, before, LOOKS + 1);
        self.readers.read(move |db| page(db, account, with.as_ref(), before, limits, tail)).await
    }
}

fn page(
    db: &Connection,
    account: AccountId,
    with: Option<&Login>,
    before: Seq,
    limits: PageLimits,
    tail: Option<Tail>,
) -> rusqlite::Result<Option<History>> {
    let with = match with {
        None => None,
        Some(login) => match accounts::id(db, login)? {
            None => return Ok(None),
            found => found,
        },
    };
    let mut page = Page { db, account, with, limits, looks: 0, bytes: 0, at: before, entries: Vec::new() };
    let mut behind = before;
    if let Some(tail) = tail {
        behind = tail.after.next();
        let numbered = (behind.0..).map(Seq).zip(tail.messages);
        for (seq, message) in numbered.collect::<Vec<_>>().into_iter().rev() {
            if !page.take(seq, message)? {
                return Ok(Some(page.history(true)));
            }
        }
    }
    let mut statement =
        db.prepare_cached("SELECT seq, message FROM entries WHERE account = ?1 AND seq < ?2 ORDER BY seq DESC")?;
    let mut rows = statement.query(params![account.0, super::mailboxes::number(behind)])?;
    while let Some(row) = rows.next()? {
        if !page.take(Seq(row.get::<_, i64>(0)?.unsigned_abs()), row.get(1)?)? {
            return Ok(Some(page.history(true)));
        }
    }
    Ok(Some(page.history(false)))
}

/// A page that is being read, from the newest on.
struct Page<'a> {
    db: &'a Connection,
    account: AccountId,
    with: Option<AccountId>,
    limits: PageLimits,
    looks: usize,
    bytes: usize,
    /// Up to here all was looked at.
    at: Seq,
    entries: Vec<Entry>,
}

impl Page<'_> {
    /// Looks at the next entry. False: the page is full, and this one is not in it.
    fn take(&mut self, seq: Seq, message: MessageId) -> rusqlite::Result<bool> {
        if self.looks == LOOKS {
            return Ok(false);
        }
        self.looks += 1;
        if self.is_wanted(message)?
            && let Some(entry) = self.read(seq, message)?
        {
            let (entries, bytes) = (self.entries.len(), self.bytes + entry.message.text.len() + OVERHEAD);
            if entries > 0 && (entries >= self.limits.entries as usize || bytes > self.limits.bytes) {
                return Ok(false);
            }
            self.bytes = bytes;
            self.entries.push(entry);
        }
        self.at = seq;
        Ok(true)
    }

    fn is_wanted(&self, message: MessageId) -> rusqlite::Result<bool> {
        let Some(with) = self.with else { return Ok(true) };
        let both = self
            .db
            .prepare_cached("SELECT sender, recipient FROM messages WHERE id = ?1")?
            .query_row([message], |row| Ok((AccountId(row.get(0)?), AccountId(row.get(1)?))))
            .optional()?;
        Ok(both.is_some_and(|(sender, recipient)| with == if sender == self.account { recipient } else { sender }))
    }

    fn read(&self, seq: Seq, message: MessageId) -> rusqlite::Result<Option<Entry>> {
        self.db
            .prepare_cached(
                "SELECT recipient = ?1, sender.login, recipient.login, sent_at, text
                 FROM messages
                 JOIN accounts AS sender ON sender.id = messages.sender
                 JOIN accounts AS recipient ON recipient.id = messages.recipient
                 WHERE messages.id = ?2",
            )?
            .query_row(params![self.account.0, message], |row| {
                let message = Message {
                    sender: Login::from_store(row.get_ref(1)?.as_str()?),
                    recipient: Login::from_store(row.get_ref(2)?.as_str()?),
                    sent_at: UnixMillis(row.get(3)?),
                    text: row.get_ref(4)?.as_str()?.into(),
                };
                Ok(Entry { seq, incoming: row.get(0)?, message: Arc::new(message) })
            })
            .optional()
    }

    fn history(mut self, more: bool) -> History {
        self.entries.reverse();
        History { entries: self.entries, older: more.then_some(self.at) }
    }
}
