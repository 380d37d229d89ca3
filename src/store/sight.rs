//! Who sees whose status: by the tables `contacts` and `blocks`, and by the policy.
//!
//! Somebody sees the status of whom they have as a contact, unless they are blocked; with
//! [`ContactsPolicy::Mutual`], only if the other has them as a contact as well.

use super::{blocks, contacts};
use crate::config::ContactsPolicy;
use crate::domain::{AccountId, Login};
use rusqlite::Connection;

/// What a change of somebody's lists made of whether another one sees their status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sight {
    /// Whom it concerns.
    pub other: AccountId,
    /// Whether they saw it.
    pub before: bool,
    /// Whether they see it now.
    pub after: bool,
}

/// Somebody on a contact list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact {
    /// Their account.
    pub account: AccountId,
    /// Their login.
    pub login: Login,
    /// Whether whoever has the list sees their status; to others they are offline, whatever they are.
    pub is_seen: bool,
}

/// Whether one account sees the status of another.
pub(super) fn sees(
    db: &Connection,
    watcher: AccountId,
    account: AccountId,
    policy: ContactsPolicy,
) -> rusqlite::Result<bool> {
    Ok(contacts::has(db, watcher, account)? && is_shown(db, watcher, account, policy)?)
}

/// Whether one account would see the status of another, if it has that as a contact.
pub(super) fn is_shown(
    db: &Connection,
    watcher: AccountId,
    account: AccountId,
    policy: ContactsPolicy,
) -> rusqlite::Result<bool> {
    Ok(!blocks::is_blocked(db, account, watcher)?
        && (policy == ContactsPolicy::Open || contacts::has(db, account, watcher)?))
}

/// A contact list, by login.
pub(super) fn contacts(db: &Connection, owner: AccountId, policy: ContactsPolicy) -> rusqlite::Result<Vec<Contact>> {
    let list = contacts::list(db, owner)?;
    let mut seen: std::collections::HashSet<_> = match policy {
        ContactsPolicy::Open => list.iter().map(|(account, _)| *account).collect(),
        ContactsPolicy::Mutual => contacts::owners(db, owner)?.into_iter().collect(),
    };
    for blocker in blocks::against(db, owner)? {
        seen.remove(&blocker);
    }
    let contact = |(account, login)| Contact { account, login, is_seen: seen.contains(&account) };
    Ok(list.into_iter().map(contact).collect())
}

/// Who sees an account's status, in no order.
pub(super) fn watchers(
    db: &Connection,
    account: AccountId,
    policy: ContactsPolicy,
) -> rusqlite::Result<Vec<AccountId>> {
    let mut watchers = contacts::owners(db, account)?;
    let blocked = blocks::of(db, account)?;
    if !blocked.is_empty() {
        watchers.retain(|watcher| !blocked.contains(watcher));
    }
    if policy == ContactsPolicy::Mutual {
        let contacts = contacts::of(db, account)?;
        watchers.retain(|watcher| contacts.contains(watcher));
    }
    Ok(watchers)
}
