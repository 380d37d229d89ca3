//! The table `contacts`: who has whom on the list. One-way.

use super::accounts;
use crate::domain::{AccountId, Login};
use rusqlite::{Connection, params};

pub(super) fn add(db: &Connection, owner: AccountId, login: &Login) -> rusqlite::Result<Option<AccountId>> {
    let Some(contact) = accounts::id(db, login)? else { return Ok(None) };
    db.prepare_cached("INSERT INTO contacts (owner, contact) VALUES (?1, ?2) ON CONFLICT DO NOTHING")?
        .execute(params![owner.0, contact.0])?;
    Ok(Some(contact))
}

pub(super) fn list(db: &Connection, owner: AccountId) -> rusqlite::Result<Vec<(AccountId, Login)>> {
    let mut statement = db.prepare_cached(
        "SELECT contact, login FROM contacts JOIN accounts ON accounts.id = contact WHERE owner = ?1",
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
