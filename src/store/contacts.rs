//! The table `contacts`: who has whom on the list. One-way.

use super::accounts;
use super::writer::Batch;
use crate::domain::{AccountId, Login};
use rusqlite::{Connection, params};

/// Why somebody is not on a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotAdded {
    /// Nobody has that login.
    Nobody,
    /// The list is as long as it may be.
    Full,
}

/// `max`: how long a list may become.
pub(super) fn add(
    batch: &Batch<'_>,
    owner: AccountId,
    login: &Login,
    max: usize,
) -> rusqlite::Result<Result<AccountId, NotAdded>> {
    let db = batch.db;
    if batch.recipients.is_closed(owner) {
        return Ok(Err(NotAdded::Nobody));
    }
    let Some(contact) = accounts::id(db, login)? else { return Ok(Err(NotAdded::Nobody)) };
    let pair = params![owner.0, contact.0];
    let there = db.prepare_cached("SELECT 1 FROM contacts WHERE owner = ?1 AND contact = ?2")?.exists(pair)?;
    if there {
        return Ok(Ok(contact));
    }
    let many: i64 =
        db.prepare_cached("SELECT count(*) FROM contacts WHERE owner = ?1")?.query_row([owner.0], |row| row.get(0))?;
    if usize::try_from(many).is_ok_and(|many| many >= max) {
        return Ok(Err(NotAdded::Full));
    }
    db.prepare_cached("INSERT INTO contacts (owner, contact) VALUES (?1, ?2)")?.execute(pair)?;
    Ok(Ok(contact))
}

/// False: they were not on the list.
pub(super) fn remove(db: &Connection, owner: AccountId, login: &Login) -> rusqlite::Result<bool> {
    let Some(contact) = accounts::id(db, login)? else { return Ok(false) };
    let removed = db
        .prepare_cached("DELETE FROM contacts WHERE owner = ?1 AND contact = ?2")?
        .execute(params![owner.0, contact.0])?;
    Ok(removed > 0)
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
