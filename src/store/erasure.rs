//! Erasing an account: first it is closed, in one transaction; then what is its own goes, in steps that nobody waits for.
//!
//! What goes: e-mail address, password, contacts and blocks in both directions, what differed from the configuration for
//! it, and its mailbox. A message stays while it stands in somebody else's mailbox, and goes with the last that holds it.
//! What stays: the account's number and its times, for the sake of those messages, under a login that nobody can have
//! ([`Login::of_erased`](crate::domain::Login::of_erased)); and a digest of the login that it had, so that nobody signs up with that.
//!
//! Each step is a transaction of its own. What is left to be done stands in the table `erasures`, so a process that ends
//! in between leaves it to the next ([`Store::go_on_erasing`](super::Store::go_on_erasing)).

use super::mailboxes;
use super::unfiled::MessageId;
use super::writer::Batch;
use crate::domain::{AccountId, Login, UnixMillis};
use blake2::{Blake2s256, Digest};
use rusqlite::{Connection, OptionalExtension, params};

/// Rows that one step deletes. Others wait for it: some milliseconds, also when all of them are long messages.
const STEP: i64 = 256;

/// What came of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// There is nothing left.
    Done,
    /// There is more.
    More,
    /// First, what was written to or by it must be filed.
    Unfiled,
}

/// Closes an account: nobody can log in to it or write to it any more, and it can write to nobody. False: there is none
/// of that number.
pub(super) fn close(batch: &mut Batch<'_>, account: AccountId, now: UnixMillis) -> rusqlite::Result<bool> {
    let db = batch.db;
    let login = db
        .prepare_cached("SELECT login FROM accounts WHERE id = ?1 AND erased_at IS NULL")?
        .query_row([account.0], |row| Ok(Login::from_store(row.get_ref(0)?.as_str()?)))
        .optional()?;
    let Some(login) = login else { return Ok(false) };
    db.prepare_cached(
        "INSERT INTO former_logins (digest, erased_at) VALUES (?1, ?2)
         ON CONFLICT (digest) DO UPDATE SET erased_at = excluded.erased_at",
    )?
    .execute(params![digest(&login), now.0])?;
    // The old values are overwritten on the disk as well.
    overwriting(db, || {
        db.prepare_cached(
            "UPDATE accounts SET login = ?2, email = '', password = '', invite = NULL, erased_at = ?3 WHERE id = ?1",
        )?
        .execute(params![account.0, Login::of_erased(account).as_str(), now.0])?;
        db.prepare_cached("DELETE FROM retention WHERE account = ?1")?.execute([account.0])?;
        db.prepare_cached("INSERT INTO erasures (account) VALUES (?1)")?.execute([account.0])
    })?;
    batch.recipients.close(account);
    Ok(true)
}

/// Deletes some of what is left of a closed account.
pub(super) fn step(batch: &Batch<'_>, account: AccountId) -> rusqlite::Result<Step> {
    if batch.unfiled.entries(account) > 0 {
        return Ok(Step::Unfiled);
    }
    overwriting(batch.db, || delete_some(batch.db, account))
}

fn delete_some(db: &Connection, account: AccountId) -> rusqlite::Result<Step> {
    let mut left = STEP;
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
    let up_to: MessageId =
        db.prepare_cached("SELECT up_to FROM filing WHERE one = 1")?.query_row([], |row| row.get(0))?;
    let entries: Vec<(i64, MessageId)> = db
        .prepare_cached("SELECT seq, message FROM entries WHERE account = ?1 ORDER BY seq LIMIT ?2")?
        .query_map(params![account.0, left], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    for (seq, message) in &entries {
        // The numbers of those that are not filed everywhere must not be given to others.
        if *message > up_to {
            return Ok(Step::Unfiled);
        }
        db.prepare_cached("DELETE FROM entries WHERE account = ?1 AND seq = ?2")?.execute(params![account.0, seq])?;
        mailboxes::release(db, *message)?;
    }
    if i64::try_from(entries.len()).is_ok_and(|deleted| deleted == left) {
        return Ok(Step::More);
    }
    db.prepare_cached("DELETE FROM mailboxes WHERE account = ?1")?.execute([account.0])?;
    db.prepare_cached("DELETE FROM erasures WHERE account = ?1")?.execute([account.0])?;
    Ok(Step::Done)
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

/// What is deleted or replaced meanwhile is overwritten with zeros. SQLite would leave it in the file until the room is
/// needed.
fn overwriting<T>(db: &Connection, work: impl FnOnce() -> rusqlite::Result<T>) -> rusqlite::Result<T> {
    db.pragma_update(None, "secure_delete", true)?;
    let outcome = work();
    db.pragma_update(None, "secure_delete", false)?;
    outcome
}
