//! The table `blocks`: whom somebody wants to hear nothing of. One-way, and the other can't tell: what they write stands in
//! their own mailbox and in no other, and whoever has blocked them is offline to them.

use super::accounts;
use super::sight::{Sight, sees};
use super::writer::Batch;
use crate::config::ContactsPolicy;
use crate::domain::{AccountId, Login};
use rusqlite::{Connection, params};
use std::collections::HashSet;

/// Why somebody is not blocked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CantBlock {
    /// Nobody else has that login.
    Nobody,
    /// As many are blocked as may be.
    Full,
}

/// `max`: how many somebody may block. Blocking twice is blocking once.
pub(super) fn add(
    batch: &mut Batch<'_>,
    owner: AccountId,
    login: &Login,
    max: usize,
    policy: ContactsPolicy,
) -> rusqlite::Result<Result<Sight, CantBlock>> {
    let db = batch.db;
    let other = accounts::id(db, login)?.filter(|other| *other != owner && !batch.recipients.is_closed(owner));
    let Some(other) = other else { return Ok(Err(CantBlock::Nobody)) };
    let before = sees(db, other, owner, policy)?;
    if !is_blocked(db, owner, other)? {
        let many: i64 = db
            .prepare_cached("SELECT count(*) FROM blocks WHERE owner = ?1")?
            .query_row([owner.0], |row| row.get(0))?;
        if usize::try_from(many).is_ok_and(|many| many >= max) {
            return Ok(Err(CantBlock::Full));
        }
        db.prepare_cached("INSERT INTO blocks (owner, blocked) VALUES (?1, ?2)")?.execute(params![owner.0, other.0])?;
        batch.recipients.has_blocked(owner);
    }
    Ok(Ok(Sight { other, before, after: false }))
}

/// `None`: nobody of that login was blocked.
pub(super) fn remove(
    db: &Connection,
    owner: AccountId,
    login: &Login,
    policy: ContactsPolicy,
) -> rusqlite::Result<Option<Sight>> {
    let Some(other) = accounts::id(db, login)? else { return Ok(None) };
    let removed = db
        .prepare_cached("DELETE FROM blocks WHERE owner = ?1 AND blocked = ?2")?
        .execute(params![owner.0, other.0])?;
    if removed == 0 {
        return Ok(None);
    }
    Ok(Some(Sight { other, before: false, after: sees(db, other, owner, policy)? }))
}

/// Whether the owner has blocked the other.
pub(super) fn is_blocked(db: &Connection, owner: AccountId, other: AccountId) -> rusqlite::Result<bool> {
    db.prepare_cached("SELECT 1 FROM blocks WHERE owner = ?1 AND blocked = ?2")?.exists(params![owner.0, other.0])
}

/// Whom somebody has blocked.
pub(super) fn of(db: &Connection, owner: AccountId) -> rusqlite::Result<HashSet<AccountId>> {
    db.prepare_cached("SELECT blocked FROM blocks WHERE owner = ?1")?
        .query_map([owner.0], |row| row.get(0).map(AccountId))?
        .collect()
}

/// Who has blocked somebody.
pub(super) fn against(db: &Connection, blocked: AccountId) -> rusqlite::Result<HashSet<AccountId>> {
    db.prepare_cached("SELECT owner FROM blocks WHERE blocked = ?1")?
        .query_map([blocked.0], |row| row.get(0).map(AccountId))?
        .collect()
}

/// All who have blocked anybody.
pub(super) fn owners(db: &Connection) -> rusqlite::Result<HashSet<AccountId>> {
    // From one to the next, past all that one has blocked.
    let mut next = db.prepare_cached("SELECT min(owner) FROM blocks WHERE owner > ?1")?;
    let mut owners = HashSet::new();
    let mut last = i64::MIN;
    while let Some(owner) = next.query_row([last], |row| row.get::<_, Option<i64>>(0))? {
        owners.insert(AccountId(owner));
        last = owner;
    }
    Ok(owners)
}
