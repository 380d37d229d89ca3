//! The table `contacts`: who has whom on the list. One-way.

use super::accounts;
use super::sight::{Sight, is_shown, sees};
use super::writer::Batch;
use crate::config::ContactsPolicy;
use crate::domain::{AccountId, Login};
use rusqlite::{Connection, params};
use std::collections::HashSet;

/// Why somebody is not on a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotAdded {
    /// Nobody has that login.
    Nobody,
    /// The list is as long as it may be.
    Full,
}

/// What became of adding somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Added {
    /// Whom.
    pub contact: AccountId,
    /// Whether whoever has the list sees their status.
    pub is_seen: bool,
    /// Whether they see that of whoever has the list.
    pub sight: Sight,
}

/// `max`: how long a list may become.
pub(super) fn add(
    batch: &Batch<'_>,
    owner: AccountId,
    login: &Login,
    max: usize,
    policy: ContactsPolicy,
) -> rusqlite::Result<Result<Added, NotAdded>> {
    let db = batch.db;
    if batch.recipients.is_closed(owner) {
        return Ok(Err(NotAdded::Nobody));
    }
    let Some(contact) = accounts::id(db, login)? else { return Ok(Err(NotAdded::Nobody)) };
    let before = sees(db, contact, owner, policy)?;
    if !has(db, owner, contact)? {
        let many: i64 = db
            .prepare_cached("SELECT count(*) FROM contacts WHERE owner = ?1")?
            .query_row([owner.0], |row| row.get(0))?;
        if usize::try_from(many).is_ok_and(|many| many >= max) {
            return Ok(Err(NotAdded::Full));
        }
        db.prepare_cached("INSERT INTO contacts (owner, contact) VALUES (?1, ?2)")?
            .execute(params![owner.0, contact.0])?;
    }
    let sight = Sight { other: contact, before, after: sees(db, contact, owner, policy)? };
    Ok(Ok(Added { contact, is_seen: is_shown(db, owner, contact, policy)?, sight }))
}

/// `None`: they were not on the list.
pub(super) fn remove(
    db: &Connection,
    owner: AccountId,
    login: &Login,
    policy: ContactsPolicy,
) -> rusqlite::Result<Option<Sight>> {
    let Some(contact) = accounts::id(db, login)? else { return Ok(None) };
    let before = sees(db, contact, owner, policy)?;
    let removed = db
        .prepare_cached("DELETE FROM contacts WHERE owner = ?1 AND contact = ?2")?
        .execute(params![owner.0, contact.0])?;
    if removed == 0 {
        return Ok(None);
    }
    Ok(Some(Sight { other: contact, before, after: sees(db, contact, owner, policy)? }))
}

/// Whether somebody has somebody on the list.
pub(super) fn has(db: &Connection, owner: AccountId, contact: AccountId) -> rusqlite::Result<bool> {
    db.prepare_cached("SELECT 1 FROM contacts WHERE owner = ?1 AND contact = ?2")?.exists(params![owner.0, contact.0])
}

pub(super) fn list(db: &Connection, owner: AccountId) -> rusqlite::Result<Vec<(AccountId, Login)>> {
    let mut statement = db.prepare_cached(
        "SELECT contact, login FROM contacts JOIN accounts ON accounts.id = contact WHERE owner = ?1 AND erased_at IS NULL",
    )?;
    let rows = statement
        .query_map([owner.0], |row| Ok((AccountId(row.get(0)?), Login::from_store(row.get_ref(1)?.as_str()?))))?;
    let mut contacts = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    // Sorted here, where it needs no temporary table.
    contacts.sort_unstable_by(|(_, one), (_, other)| one.cmp(other));
    Ok(contacts)
}

pub(super) fn owners(db: &Connection, contact: AccountId) -> rusqlite::Result<Vec<AccountId>> {
    db.prepare_cached("SELECT owner FROM contacts WHERE contact = ?1")?
        .query_map([contact.0], |row| row.get(0).map(AccountId))?
        .collect()
}

/// Whom somebody has on the list, also those who are erased and not quite gone.
pub(super) fn of(db: &Connection, owner: AccountId) -> rusqlite::Result<HashSet<AccountId>> {
    db.prepare_cached("SELECT contact FROM contacts WHERE owner = ?1")?
        .query_map([owner.0], |row| row.get(0).map(AccountId))?
        .collect()
}
