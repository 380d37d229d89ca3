//! Erasing an account: first it is closed, in one transaction; then what is its own goes, in steps that nobody waits for.
//!
//! What goes: e-mail address, password, contacts and blocks in both directions, what differed from the configuration for
//! it, and its mailbox. A message stays while it stands in somebody else's mailbox, and goes with the last that holds it.
//! What stays: the account's number and its times, for the sake of those messages, under a login that nobody can have
//! ([`Login::of_erased`](crate::domain::Login::of_erased)); and a digest of the login that it had, so that nobody signs up with that.
//!
//! Each step is a transaction of its own. What is left to be done stands in the table `erasures`, so a process that ends
//! in between leaves it to the next ([`Store::go_on_erasing`]). SQLite overwrites what is deleted (`open.rs`), but the log
//! still has the pages as they were. So the last step is to empty the log; until that is done, the account stands in the
//! table.

use super::letting_go::{self, STEP_ROWS};
use super::unfiled::MessageId;
use super::writer::Batch;
use super::{FILING_RETRY, Store, StoreError};
use crate::domain::{AccountId, Login, UnixMillis};
use blake2::{Blake2s256, Digest};
use rusqlite::{Connection, OptionalExtension, params};
use std::time::Duration;

/// Whoever reads in the log keeps it from being emptied, for as long as one page takes.
const READERS_TAKE: Duration = Duration::from_millis(20);
/// Each try costs the writer a sync. So the waits between them grow, up to this.
const READERS_TAKE_MOST: Duration = Duration::from_secs(1);
/// So long it is tried, then it is left to [`Store::go_on_erasing`]: a backup or somebody's `sqlite3` may read for long.
const PATIENCE: Duration = Duration::from_secs(30);

/// What came of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// There is nothing left.
    Done,
    /// So many rows are gone, and there are more.
    More(u64),
    /// First, what was written to or by it must be filed.
    Unfiled,
}

/// An account that was closed, and is being erased. Dropped before it is done, it leaves the rest to
/// [`Store::go_on_erasing`].
pub struct Erasure {
    store: Store,
    account: AccountId,
}

impl Erasure {
    /// Whose account.
    #[must_use]
    pub fn account(&self) -> AccountId {
        self.account
    }

    /// About how many rows are to be deleted.
    ///
    /// # Errors
    /// When it could not be read.
    pub async fn extent(&self) -> Result<u64, StoreError> {
        let account = self.account;
        self.store.readers.read(move |db| extent(db, account)).await
    }

    /// Deletes some of what is left: how many rows. `None`: all of it is gone.
    ///
    /// # Errors
    /// When it could not be written, or the log not emptied because somebody reads in it and goes on to.
    pub async fn go_on(&mut self) -> Result<Option<u64>, StoreError> {
        let (store, account) = (&self.store, self.account);
        // A round of filing may have begun before the last message came; the next has not.
        for _ in 0..3 {
            match store.writer.write(move |batch| step(batch, account)).await? {
                Step::More(rows) => return Ok(Some(rows)),
                Step::Unfiled => store.writer.file().await,
                Step::Done => {
                    self.empty_log().await?;
                    store.writer.write(move |batch| forget(batch.db, account)).await?;
                    return Ok(None);
                }
            }
        }
        // It can't be filed; the writer has said why. Most likely the disk is full.
        Err(StoreError::Full)
    }

    async fn empty_log(&self) -> Result<(), StoreError> {
        let (mut waited, mut wait) = (Duration::ZERO, READERS_TAKE);
        loop {
            if self.store.writer.empty_log().await {
                return Ok(());
            }
            if waited >= PATIENCE {
                return Err(StoreError::Busy);
            }
            tokio::time::sleep(wait).await;
            waited += wait;
            wait = (wait * 2).min(READERS_TAKE_MOST);
        }
    }

    async fn finish(mut self) -> Result<(), StoreError> {
        while self.go_on().await?.is_some() {}
        Ok(())
    }
}

impl Drop for Erasure {
    /// Whatever becomes of it, somebody looks for what is left.
    fn drop(&mut self) {
        self.store.erasures.notify_one();
    }
}

impl Store {
    /// Closes an account for good, and begins to erase it: the module says what goes and what stays. From now on nobody can
    /// log in to it or write to it, and it can write to nobody; whoever has it as a contact can still be told that its
    /// sessions have ended. `shown`: whoever wants it has shown the password with this hash, and it is closed only if the
    /// account still has that, and is not disabled. `None`: it was not closed, or there is none of that number.
    ///
    /// # Errors
    /// When it could not be written.
    pub async fn begin_erasing(
        &self,
        account: AccountId,
        shown: Option<String>,
        now: UnixMillis,
    ) -> Result<Option<Erasure>, StoreError> {
        // Before the request, which is carried out even if nobody waits for it any more.
        let erasure = Erasure { store: self.clone(), account };
        let closed = self.writer.write(move |batch| close(batch, account, shown.as_deref(), now)).await?;
        Ok(closed.then_some(erasure))
    }

    /// Erases an account for good, as [`Store::begin_erasing`] does. Its sessions are to be ended before,
    /// and its contacts told. When this returns, all of it is gone; should it be dropped or fail, or the process end, then
    /// the account is closed or as it was, and [`Store::go_on_erasing`] does the rest. False: there is none of that number.
    ///
    /// # Errors
    /// When it could not be written.
    pub async fn erase(&self, account: AccountId, now: UnixMillis) -> Result<bool, StoreError> {
        match self.begin_erasing(account, None, now).await? {
            Some(erasure) => erasure.finish().await.map(|()| true),
            None => Ok(false),
        }
    }

    /// Deletes what is left of accounts whose erasure has begun and was cut short, again and again. Runs until it is
    /// dropped.
    pub async fn go_on_erasing(&self) {
        loop {
            let next = self.readers.read(next).await;
            let outcome = match next {
                Ok(None) => {
                    self.erasures.notified().await;
                    continue;
                }
                Ok(Some(account)) => {
                    let outcome = Erasure { store: self.clone(), account }.finish().await;
                    if outcome.is_ok() {
                        tracing::info!(account = account.0, "what was left of an erased account is gone");
                    }
                    outcome
                }
                Err(error) => Err(error),
            };
            match outcome {
                Ok(()) => {}
                Err(StoreError::Stopped) => return,
                Err(error) => {
                    tracing::warn!(error = %error.chain(), "an account is not quite erased yet");
                    tokio::time::sleep(FILING_RETRY).await;
                }
            }
        }
    }
}

/// Closes an account: nobody can log in to it or write to it any more, and it can write to nobody. False: there is none
/// of that number.
pub(super) fn close(
    batch: &mut Batch<'_>,
    account: AccountId,
    shown: Option<&str>,
    now: UnixMillis,
) -> rusqlite::Result<bool> {
    let db = batch.db;
    let login = db
        .prepare_cached(
            "SELECT login FROM accounts
             WHERE id = ?1 AND erased_at IS NULL AND (?2 IS NULL OR (password = ?2 AND disabled = 0))",
        )?
        .query_row(params![account.0, shown], |row| Ok(Login::from_store(row.get_ref(0)?.as_str()?)))
        .optional()?;
    let Some(login) = login else { return Ok(false) };
    db.prepare_cached(
        "INSERT INTO former_logins (digest, erased_at) VALUES (?1, ?2)
         ON CONFLICT (digest) DO UPDATE SET erased_at = excluded.erased_at",
    )?
    .execute(params![digest(&login), now.0])?;
    db.prepare_cached(
        "UPDATE accounts SET login = ?2, email = '', password = '', invite = NULL, erased_at = ?3 WHERE id = ?1",
    )?
    .execute(params![account.0, Login::of_erased(account).as_str(), now.0])?;
    db.prepare_cached("DELETE FROM retention WHERE account = ?1")?.execute([account.0])?;
    db.prepare_cached("INSERT INTO erasures (account) VALUES (?1)")?.execute([account.0])?;
    batch.recipients.close(account);
    Ok(true)
}

/// Deletes some of what is left of a closed account.
pub(super) fn step(batch: &Batch<'_>, account: AccountId) -> rusqlite::Result<Step> {
    if batch.unfiled.entries(account) > 0 {
        return Ok(Step::Unfiled);
    }
    delete_some(batch.db, account)
}

fn delete_some(db: &Connection, account: AccountId) -> rusqlite::Result<Step> {
    let mut left = STEP_ROWS;
    for mut delete in [
        db.prepare_cached(
            "DELETE FROM contacts WHERE owner = ?1 AND contact IN
             (SELECT contact FROM contacts WHERE owner = ?1 LIMIT ?2)",
        )?,
        db.prepare_cached(
            "DELETE FROM contacts WHERE contact = ?1 AND owner IN
             (SELECT owner FROM contacts WHERE contact = ?1 LIMIT ?2)",
        )?,
        db.prepare_cached(
            "DELETE FROM blocks WHERE owner = ?1 AND blocked IN
             (SELECT blocked FROM blocks WHERE owner = ?1 LIMIT ?2)",
        )?,
        db.prepare_cached(
            "DELETE FROM blocks WHERE blocked = ?1 AND owner IN
             (SELECT owner FROM blocks WHERE blocked = ?1 LIMIT ?2)",
        )?,
    ] {
        left -= i64::try_from(delete.execute(params![account.0, left])?).unwrap_or(left);
    }
    let up_to: MessageId = letting_go::filed_up_to(db)?;
    let oldest = letting_go::oldest(db, account, 0, left)?;
    for entry in &oldest.entries {
        // The numbers of those that are not filed everywhere must not be given to others.
        if entry.message > up_to {
            return Ok(Step::Unfiled);
        }
        letting_go::let_go(db, account, entry)?;
        left -= 1;
    }
    if oldest.more || left <= 0 {
        return Ok(Step::More((STEP_ROWS - left).unsigned_abs()));
    }
    db.prepare_cached("DELETE FROM mailboxes WHERE account = ?1")?.execute([account.0])?;
    Ok(Step::Done)
}

/// All of it is gone.
fn forget(db: &Connection, account: AccountId) -> rusqlite::Result<()> {
    db.prepare_cached("DELETE FROM erasures WHERE account = ?1")?.execute([account.0])?;
    Ok(())
}

fn extent(db: &Connection, account: AccountId) -> rusqlite::Result<u64> {
    let mut rows = 0;
    for mut count in [
        db.prepare_cached("SELECT count(*) FROM entries WHERE account = ?1")?,
        db.prepare_cached("SELECT count(*) FROM contacts WHERE owner = ?1")?,
        db.prepare_cached("SELECT count(*) FROM contacts WHERE contact = ?1")?,
    ] {
        rows += count.query_row([account.0], |row| row.get::<_, i64>(0))?.unsigned_abs();
    }
    Ok(rows)
}

/// An account whose erasure has begun and is not done, if there is one.
pub(super) fn next(db: &Connection) -> rusqlite::Result<Option<AccountId>> {
    db.prepare_cached("SELECT min(account) FROM erasures")?
        .query_row([], |row| Ok(row.get::<_, Option<_>>(0)?.map(AccountId)))
}

/// Whether a login was somebody's who is erased.
pub(super) fn is_former(db: &Connection, login: &Login) -> rusqlite::Result<bool> {
    db.prepare_cached("SELECT 1 FROM former_logins WHERE digest = ?1")?.exists([digest(login)])
}

fn digest(login: &Login) -> Vec<u8> {
    Blake2s256::digest(login.as_str()).to_vec()
}
