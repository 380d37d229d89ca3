//! The table `accounts`.

use super::{blocks, erasure, invites};
use crate::domain::{AccountId, AccountMap, Email, InviteCode, Login, Seq, UnixMillis};
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::collections::{HashMap, HashSet};

/// An account to be made.
#[derive(Debug, Clone)]
pub struct NewAccount {
    /// Its login.
    pub login: Login,
    /// Where its owner can be written to.
    pub email: Email,
    /// An argon2id PHC string.
    pub password_hash: String,
    /// When it is made.
    pub created_at: UnixMillis,
    /// The invite that is spent on it, if it needs one.
    pub invite: Option<InviteCode>,
}

/// Why an account was not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotMade {
    /// Somebody has that login, or had it.
    LoginTaken,
    /// The invite makes no account, or none any more.
    NoInvite,
}

/// An account as an administrator sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// Its number.
    pub id: AccountId,
    /// Its login.
    pub login: Login,
    /// Where its owner can be written to.
    pub email: String,
    /// An argon2id PHC string.
    pub password_hash: String,
    /// Whether log-ins are refused.
    pub disabled: bool,
    /// When it was made.
    pub created_at: UnixMillis,
    /// The code of the invite that was spent on it.
    pub invite: Option<String>,
    /// Entries in its mailbox, since it was made.
    pub entries: u64,
    /// How many of them have not been delivered.
    pub waiting: u64,
}

/// An account as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its number.
    pub id: AccountId,
    /// Its login.
    pub login: Login,
    /// An argon2id PHC string.
    pub password_hash: String,
    /// Whether log-ins are refused.
    pub disabled: bool,
}

pub(super) fn add(db: &Connection, account: &NewAccount) -> rusqlite::Result<Result<AccountId, NotMade>> {
    if is_taken(db, &account.login)? {
        return Ok(Err(NotMade::LoginTaken));
    }
    if let Some(code) = &account.invite
        && !invites::spend(db, code, account.created_at)?
    {
        return Ok(Err(NotMade::NoInvite));
    }
    // Without RETURNING, for which SQLite adds a look through all messages for rows that refer to the new account.
    db.prepare_cached("INSERT INTO accounts (login, email, password, created_at, invite) VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![
            account.login.as_str(),
            account.email.as_str(),
            account.password_hash,
            account.created_at.0,
            account.invite.as_ref().map(InviteCode::plain)
        ])?;
    let id = db.last_insert_rowid();
    db.prepare_cached("INSERT INTO mailboxes (account) VALUES (?1)")?.execute([id])?;
    Ok(Ok(AccountId(id)))
}

pub(super) fn get(db: &Connection, login: &Login) -> rusqlite::Result<Option<Account>> {
    let account = |row: &Row<'_>| {
        Ok(Account {
            id: AccountId(row.get(0)?),
            login: login.clone(),
            password_hash: row.get(1)?,
            disabled: row.get(2)?,
        })
    };
    db.prepare_cached("SELECT id, password, disabled FROM accounts WHERE login = ?1")?
        .query_row([login.as_str()], account)
        .optional()
}

/// The first account that has this login or one behind it. Whether the login exists makes no difference to what is read.
pub(super) fn nearest(db: &Connection, login: &Login) -> rusqlite::Result<Option<Account>> {
    match at_or_behind(db, login.as_str())? {
        // Those that are erased have no password, and stand together.
        Some(account) if account.login.is_of_erased() => at_or_behind(db, Login::BEHIND_ERASED),
        account => Ok(account),
    }
}

fn at_or_behind(db: &Connection, login: &str) -> rusqlite::Result<Option<Account>> {
    let account = |row: &Row<'_>| {
        Ok(Account {
            id: AccountId(row.get(0)?),
            login: Login::from_store(row.get_ref(1)?.as_str()?),
            password_hash: row.get(2)?,
            disabled: row.get(3)?,
        })
    };
    db.prepare_cached("SELECT id, login, password, disabled FROM accounts WHERE login >= ?1 ORDER BY login LIMIT 1")?
        .query_row([login], account)
        .optional()
}

/// The number of a login's account.
pub(super) fn id(db: &Connection, login: &Login) -> rusqlite::Result<Option<AccountId>> {
    db.prepare_cached("SELECT id FROM accounts WHERE login = ?1")?
        .query_row([login.as_str()], |row| row.get(0).map(AccountId))
        .optional()
}

/// Whether somebody has that login, or had it.
pub(super) fn is_taken(db: &Connection, login: &Login) -> rusqlite::Result<bool> {
    Ok(id(db, login)?.is_some() || erasure::is_former(db, login)?)
}

/// The writer's memory for numbers: people write to few others, again and again. An account keeps its login and its number
/// until it is erased.
#[derive(Debug)]
pub(super) struct Recipients {
    known: HashMap<Login, AccountId>,
    /// Found within the transaction under way: should it be rolled back, such an account may never have been.
    found: Vec<(Login, AccountId)>,
    /// Erased since this process began. Of those before, nobody has a session.
    closed: HashSet<AccountId>,
    /// Within the transaction under way.
    closing: Vec<AccountId>,
    /// All who have ever blocked somebody, as far as that was known when the process began, and since: of nobody else's
    /// blocks need be looked at.
    blockers: HashSet<AccountId>,
}

impl Recipients {
    /// As many are known at the most; when there are more, all are looked up anew.
    const MOST: usize = 16 * 1024;

    /// Nobody is known, but who blocks others.
    pub(super) fn of(db: &Connection) -> rusqlite::Result<Self> {
        let (known, found) = (HashMap::new(), Vec::new());
        let (closed, closing) = (HashSet::new(), Vec::new());
        Ok(Self { known, found, closed, closing, blockers: blocks::owners(db)? })
    }

    /// Somebody blocks somebody. Should the transaction be rolled back, that is looked at in vain.
    pub(super) fn has_blocked(&mut self, owner: AccountId) {
        self.blockers.insert(owner);
    }

    /// Whether the recipient has blocked the sender.
    pub(super) fn blocks(&self, db: &Connection, recipient: AccountId, sender: AccountId) -> rusqlite::Result<bool> {
        Ok(self.blockers.contains(&recipient) && blocks::is_blocked(db, recipient, sender)?)
    }

    pub(super) fn find(&mut self, db: &Connection, login: &Login) -> rusqlite::Result<Option<AccountId>> {
        if let Some(id) = self.known.get(login) {
            return Ok(Some(*id));
        }
        let id = id(db, login)?;
        self.found.extend(id.map(|id| (login.clone(), id)));
        Ok(id)
    }

    /// An account is erased: nobody finds it any more.
    pub(super) fn close(&mut self, account: AccountId) {
        self.known.retain(|_, known| *known != account);
        self.found.retain(|(_, found)| *found != account);
        self.closing.push(account);
    }

    /// Whether somebody who may have a session was erased meanwhile.
    pub(super) fn is_closed(&self, account: AccountId) -> bool {
        !(self.closed.is_empty() && self.closing.is_empty())
            && (self.closed.contains(&account) || self.closing.contains(&account))
    }

    /// The transaction was committed.
    pub(super) fn keep(&mut self) {
        self.closed.extend(self.closing.drain(..));
        if self.known.len() + self.found.len() > Self::MOST {
            self.known = HashMap::new();
        }
        self.known.extend(self.found.drain(..));
    }

    /// The transaction was rolled back.
    pub(super) fn forget(&mut self) {
        self.found.clear();
        self.closing.clear();
    }
}

/// The logins of accounts, as far as there are such and they are not erased.
pub(super) fn logins(db: &Connection, accounts: &[AccountId]) -> rusqlite::Result<AccountMap<Login>> {
    let mut statement = db.prepare_cached("SELECT login FROM accounts WHERE id = ?1 AND erased_at IS NULL")?;
    let mut logins = AccountMap::default();
    logins.reserve(accounts.len());
    for account in accounts {
        let login =
            statement.query_row([account.0], |row| Ok(Login::from_store(row.get_ref(0)?.as_str()?))).optional()?;
        logins.extend(login.map(|login| (*account, login)));
    }
    Ok(logins)
}

pub(super) fn renew_password(db: &Connection, account: AccountId, old: &str, new: &str) -> rusqlite::Result<bool> {
    db.prepare_cached("UPDATE accounts SET password = ?3 WHERE id = ?1 AND password = ?2")?
        .execute(params![account.0, old, new])
        .map(|changed| changed > 0)
}

/// The account that has this login has another password now. `None`: there is none.
pub(super) fn set_password(db: &Connection, login: &Login, hash: &str) -> rusqlite::Result<Option<AccountId>> {
    let found = id(db, login)?;
    if let Some(account) = found {
        db.prepare_cached("UPDATE accounts SET password = ?2 WHERE id = ?1")?.execute(params![account.0, hash])?;
    }
    Ok(found)
}

/// Log-ins of the account that has this login are refused, or are not. `None`: there is none.
pub(super) fn set_disabled(db: &Connection, login: &Login, disabled: bool) -> rusqlite::Result<Option<AccountId>> {
    let found = id(db, login)?;
    if let Some(account) = found {
        db.prepare_cached("UPDATE accounts SET disabled = ?2 WHERE id = ?1")?.execute(params![account.0, disabled])?;
    }
    Ok(found)
}

/// Accounts by login: at most so many behind that one, or from the first. `tails`: where the cursor and the end of a mailbox
/// are that is not all written and filed.
pub(super) fn page(
    db: &Connection,
    after: &str,
    most: u32,
    tails: impl Fn(AccountId) -> (Seq, Seq),
) -> rusqlite::Result<Vec<Profile>> {
    db.prepare_cached(
        "SELECT id, login, email, disabled, created_at, invite, head, cursor, password
         FROM accounts JOIN mailboxes ON account = id
         WHERE login > ?1 AND erased_at IS NULL ORDER BY login LIMIT ?2",
    )?
    .query_map(params![after, most], |row| profile(row, &tails))?
    .collect()
}

/// One account by its login.
pub(super) fn profile_of(
    db: &Connection,
    login: &Login,
    tails: impl Fn(AccountId) -> (Seq, Seq),
) -> rusqlite::Result<Option<Profile>> {
    db.prepare_cached(
        "SELECT id, login, email, disabled, created_at, invite, head, cursor, password
         FROM accounts JOIN mailboxes ON account = id WHERE login = ?1",
    )?
    .query_row([login.as_str()], |row| profile(row, &tails))
    .optional()
}

fn profile(row: &Row<'_>, tails: &impl Fn(AccountId) -> (Seq, Seq)) -> rusqlite::Result<Profile> {
    let id = AccountId(row.get(0)?);
    let (unwritten, unfiled) = tails(id);
    let entries = row.get::<_, i64>(6)?.unsigned_abs().max(unfiled.0);
    let cursor = row.get::<_, i64>(7)?.unsigned_abs().max(unwritten.0);
    Ok(Profile {
        id,
        login: Login::from_store(row.get_ref(1)?.as_str()?),
        email: row.get(2)?,
        disabled: row.get(3)?,
        created_at: UnixMillis(row.get(4)?),
        invite: row.get(5)?,
        password_hash: row.get(8)?,
        entries,
        waiting: entries.saturating_sub(cursor),
    })
}
