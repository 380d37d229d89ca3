//! Retention: what mailboxes keep no longer, by age and by count, for what was delivered and for what was not.
//!
//! A [`Round`] goes through all mailboxes. What one holds is judged entry by entry from the oldest on; what goes is deleted
//! in small steps ([`letting_go`]), with a rest after each, so that nobody waits long. What the owner has sent counts as
//! delivered to them, wherever their cursor stands. A message goes when the last mailbox lets go of it. The numbers of
//! entries stay what they are: a mailbox begins behind what it has let go of, and a cursor that stood before it is moved
//! over it. What is not filed yet stays until the next round.
//!
//! Nothing is noted of a round: cut short anywhere, it leaves whole mailboxes, and the next one does the rest.

mod limits;

pub use limits::{Limits, Overrides};

use super::letting_go::{self, Old, STEP_ROWS};
use super::unfiled::MessageId;
use super::writer::Batch;
use super::{Store, StoreError};
use crate::domain::{AccountId, Seq, UnixMillis};
use limits::number;
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::VecDeque;
use std::time::Duration;

/// Mailboxes that are looked through in one read. Where a limit counts, as many entries of each are passed: few at a time, so
/// that a reader is free for others in between.
const AT_ONCE: i64 = 8;
/// Between two steps. So the writer is free for others most of the time.
const REST: Duration = Duration::from_millis(5);
/// Pages that are given back to the file system in one step.
const PAGES: i64 = 32;

/// What a round has let go of so far, or would.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LetGo {
    /// Mailboxes that were looked through.
    pub mailboxes: u64,
    /// Entries of mailboxes that had been delivered.
    pub delivered: u64,
    /// Entries that had not.
    pub undelivered: u64,
    /// Messages that no mailbox holds any more. A round that only looks does not know.
    pub messages: u64,
    /// Bytes that the database's file has become shorter by, or will when its log is put back.
    pub given_back: u64,
}

/// A mailbox with something to be judged.
#[derive(Debug, Clone, Copy)]
struct Mailbox {
    account: AccountId,
    class: Class,
    /// What was sent before goes.
    before: i64,
    /// What stands before this goes.
    below: i64,
    /// As far as was delivered when it was looked at.
    cursor: i64,
    /// Judged up to here.
    after: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Delivered,
    Undelivered,
}

/// What some entries of a mailbox have been found to be.
struct Judged {
    going: Vec<Old>,
    /// Up to here.
    after: i64,
    /// None behind it goes.
    over: bool,
}

impl Mailbox {
    /// Judges the next entries, at most so many, up to a message.
    fn judge(&self, db: &Connection, now: UnixMillis, most: i64, up_to: MessageId) -> rusqlite::Result<Judged> {
        let oldest = letting_go::oldest(db, self.account, self.after, most)?;
        let mut judged = Judged { going: Vec::new(), after: self.after, over: !oldest.more };
        for entry in oldest.entries {
            let class = if entry.seq <= self.cursor || !entry.incoming { Class::Delivered } else { Class::Undelivered };
            let goes = entry.seq < self.below || entry.sent_at < self.before;
            // The clock was wrong when it was sent. What was delivered behind it may go all the same; what was not comes in
            // its order or not at all.
            let is_of_the_future = entry.sent_at > now.0 && class == Class::Delivered;
            if entry.message > up_to || (class == self.class && !goes && !is_of_the_future) {
                judged.over = true;
                break;
            }
            let goes = goes && class == self.class;
            judged.after = entry.seq;
            if goes {
                judged.going.push(entry);
            }
        }
        Ok(judged)
    }
}

/// A going-through of all mailboxes. Dropped before its end, it has done what it has done.
pub struct Round {
    store: Store,
    limits: Limits,
    now: UnixMillis,
    only_look: bool,
    /// Mailboxes were looked up to this account.
    after: AccountId,
    waiting: VecDeque<Mailbox>,
    stage: Stage,
    so_far: LetGo,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Begin,
    Mailboxes,
    Space,
    Over,
}

impl Round {
    /// What was let go of so far.
    #[must_use]
    pub fn so_far(&self) -> LetGo {
        self.so_far
    }

    /// How many mailboxes there are.
    ///
    /// # Errors
    /// When it could not be read.
    pub async fn mailboxes(&self) -> Result<u64, StoreError> {
        let count = |db: &Connection| {
            db.prepare_cached("SELECT count(*) FROM mailboxes WHERE account > 0")?
                .query_row([], |row| row.get::<_, i64>(0))
        };
        self.store.readers.read(count).await.map(i64::unsigned_abs)
    }

    /// Takes a step, and rests. False: it is over.
    ///
    /// # Errors
    /// When it could not be read or written. What was let go of before that is gone.
    pub async fn go_on(&mut self) -> Result<bool, StoreError> {
        match self.stage {
            Stage::Begin => {
                self.store.writer.file().await;
                self.stage = Stage::Mailboxes;
            }
            Stage::Mailboxes => match self.waiting.front().copied() {
                Some(mailbox) => self.step(mailbox).await?,
                None => self.look().await?,
            },
            Stage::Space => self.give_back().await?,
            Stage::Over => return Ok(false),
        }
        Ok(true)
    }

    /// Looks through the next mailboxes, and notes where something may go.
    async fn look(&mut self) -> Result<(), StoreError> {
        let (after, limits, now) = (self.after, self.limits, self.now);
        let (cursors, unfiled) = (self.store.cursors.clone(), self.store.unfiled.clone());
        let (found, looked_at, last) = self
            .store
            .readers
            .read(move |db| look(db, after, limits, now, |account| super::tails(&cursors, &unfiled, account)))
            .await?;
        self.waiting.extend(found);
        self.so_far.mailboxes += looked_at;
        match last {
            Some(last) => self.after = last,
            None if self.only_look => self.stage = Stage::Over,
            None => self.stage = Stage::Space,
        }
        Ok(())
    }

    async fn step(&mut self, mailbox: Mailbox) -> Result<(), StoreError> {
        let now = self.now;
        // First where nobody waits for it: often there is nothing.
        let look = move |db: &Connection| mailbox.judge(db, now, STEP_ROWS, letting_go::filed_up_to(db)?);
        let judged = self.store.readers.read(look).await?;
        let (gone, messages, after, over) = if self.only_look || judged.going.is_empty() {
            (judged.going.len() as u64, 0, judged.after, judged.over)
        } else {
            let cursor = self.store.cursors.get(mailbox.account).unwrap_or_default();
            self.store.writer.write(move |batch| step(batch, &mailbox, now, cursor)).await?
        };
        match mailbox.class {
            Class::Delivered => self.so_far.delivered += gone,
            Class::Undelivered => self.so_far.undelivered += gone,
        }
        self.so_far.messages += messages;
        if over {
            self.waiting.pop_front();
        } else if let Some(front) = self.waiting.front_mut() {
            front.after = after;
        }
        if gone > 0 && !self.only_look {
            tokio::time::sleep(REST).await;
        }
        Ok(())
    }

    async fn give_back(&mut self) -> Result<(), StoreError> {
        match self.store.writer.write(|batch| give_back(batch.db)).await? {
            0 => {
                // The file becomes shorter when the log is put back. Who reads in it just now is no reason to wait.
                if self.so_far.given_back > 0 {
                    self.store.writer.empty_log().await;
                }
                self.stage = Stage::Over;
            }
            bytes => {
                self.so_far.given_back += bytes;
                tokio::time::sleep(REST).await;
            }
        }
        Ok(())
    }
}

impl Store {
    /// Begins to go through all mailboxes and to let go of what these limits, and each account's own, keep no longer; or only
    /// to look what that would be.
    #[must_use]
    pub fn retain(&self, limits: Limits, now: UnixMillis, only_look: bool) -> Round {
        let (after, waiting, so_far) = (AccountId(0), VecDeque::new(), LetGo::default());
        Round { store: self.clone(), limits, now, only_look, after, waiting, stage: Stage::Begin, so_far }
    }
}

/// The mailboxes behind that account, some of them: those where something may go, how many were looked at, and the last.
fn look(
    db: &Connection,
    after: AccountId,
    limits: Limits,
    now: UnixMillis,
    tails: impl Fn(AccountId) -> (Seq, Seq),
) -> rusqlite::Result<(Vec<Mailbox>, u64, Option<AccountId>)> {
    let (mut found, mut looked_at, mut last) = (Vec::new(), 0, None);
    let mut statement = db.prepare_cached(
        "SELECT mailboxes.account, cursor, head, delivered_age, delivered_count, undelivered_age, undelivered_count
         FROM mailboxes LEFT JOIN retention ON retention.account = mailboxes.account
         WHERE mailboxes.account > ?1 ORDER BY mailboxes.account LIMIT ?2",
    )?;
    let mut rows = statement.query(params![after.0, AT_ONCE])?;
    while let Some(row) = rows.next()? {
        let account = AccountId(row.get(0)?);
        let (unwritten, unfiled) = tails(account);
        let head = row.get::<_, i64>(2)?.max(super::mailboxes::number(unfiled));
        let cursor = row.get::<_, i64>(1)?.max(super::mailboxes::number(unwritten)).min(head);
        let limits = limits.with(Overrides::from_row(row, 3)?);
        looked_at += 1;
        last = Some(account);
        let age = |age: u64| if age == 0 { i64::MIN } else { now.0.saturating_sub(number(age)) };
        let delivered = Mailbox {
            account,
            class: Class::Delivered,
            before: age(limits.delivered_age),
            below: match limits.delivered_count {
                0 => 0,
                // Many have fewer.
                keep if head.unsigned_abs() <= keep => 0,
                keep => newest_delivered_but(db, account, cursor, keep - 1)?.unwrap_or_default(),
            },
            cursor,
            after: 0,
        };
        let undelivered = Mailbox {
            account,
            class: Class::Undelivered,
            before: age(limits.undelivered_age),
            below: match limits.undelivered_count {
                0 => 0,
                keep if head.saturating_sub(cursor).unsigned_abs() <= keep => 0,
                keep => newest_undelivered_but(db, account, cursor, keep - 1)?.unwrap_or_default(),
            },
            cursor,
            after: cursor,
        };
        // Most have nothing that goes: the writer need not hear of them.
        let up_to = letting_go::filed_up_to(db)?;
        for mailbox in [delivered, undelivered] {
            if (mailbox.below > 0 || mailbox.before > i64::MIN)
                && let judged = mailbox.judge(db, now, 1, up_to)?
                && !(judged.going.is_empty() && judged.over)
            {
                found.push(mailbox);
            }
        }
    }
    Ok((found, looked_at, last))
}

/// Of the delivered entries of a mailbox, the newest but so many.
fn newest_delivered_but(db: &Connection, account: AccountId, cursor: i64, many: u64) -> rusqlite::Result<Option<i64>> {
    db.prepare_cached(
        "SELECT seq FROM entries JOIN messages ON messages.id = message
         WHERE account = ?1 AND (seq <= ?2 OR recipient <> ?1) ORDER BY seq DESC LIMIT 1 OFFSET ?3",
    )?
    .query_row(params![account.0, cursor, number(many)], |row| row.get(0))
    .optional()
}

/// Of those that were not.
fn newest_undelivered_but(
    db: &Connection,
    account: AccountId,
    cursor: i64,
    many: u64,
) -> rusqlite::Result<Option<i64>> {
    db.prepare_cached(
        "SELECT seq FROM entries JOIN messages ON messages.id = message
         WHERE account = ?1 AND seq > ?2 AND recipient = ?1 ORDER BY seq DESC LIMIT 1 OFFSET ?3",
    )?
    .query_row(params![account.0, cursor, number(many)], |row| row.get(0))
    .optional()
}

/// Lets go of some entries: how many, how many messages are gone with them, up to where, and whether none is left to go.
fn step(
    batch: &Batch<'_>,
    mailbox: &Mailbox,
    now: UnixMillis,
    unwritten: Seq,
) -> rusqlite::Result<(u64, u64, i64, bool)> {
    let (db, account) = (batch.db, mailbox.account);
    let mut mailbox = *mailbox;
    if mailbox.class == Class::Undelivered {
        let cursor = db
            .prepare_cached("SELECT cursor FROM mailboxes WHERE account = ?1")?
            .query_row([account.0], |row| row.get::<_, i64>(0))
            .optional()?;
        // Erased meanwhile.
        let Some(cursor) = cursor else { return Ok((0, 0, mailbox.after, true)) };
        // What was delivered meanwhile is the next round's.
        mailbox.cursor = mailbox.cursor.max(cursor).max(super::mailboxes::number(unwritten));
        mailbox.after = mailbox.after.max(mailbox.cursor);
    }
    let judged = mailbox.judge(db, now, STEP_ROWS, letting_go::filed_up_to(db)?)?;
    let mut messages = 0;
    for entry in &judged.going {
        messages += u64::from(letting_go::let_go(db, account, entry)?);
    }
    if mailbox.class == Class::Undelivered
        && let Some(last) = judged.going.last()
    {
        db.prepare_cached("UPDATE mailboxes SET cursor = max(cursor, ?2) WHERE account = ?1")?
            .execute(params![account.0, last.seq])?;
    }
    Ok((judged.going.len() as u64, messages, judged.after, judged.over))
}

/// Gives some unused pages at the end of the file back: how many bytes. None from a database that was made without
/// `auto_vacuum`: it uses them again.
fn give_back(db: &Connection) -> rusqlite::Result<u64> {
    let pragma = |name: &str| db.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let before = pragma("freelist_count")?;
    if before == 0 || pragma("auto_vacuum")? != 2 {
        return Ok(0);
    }
    // Each row is a page.
    db.pragma(None, "incremental_vacuum", PAGES, |_| Ok(()))?;
    let pages = before.saturating_sub(pragma("freelist_count")?);
    Ok(pages.unsigned_abs() * pragma("page_size")?.unsigned_abs())
}
