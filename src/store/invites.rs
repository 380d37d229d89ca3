//! The table `invites`: who may sign up where not everybody may.

use crate::domain::{InviteCode, UnixMillis};
use rusqlite::{Connection, OptionalExtension, params};

/// An invite.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invite {
    /// Its code.
    pub code: InviteCode,
    /// So many accounts it makes, in all; at least one.
    pub uses: u32,
    /// So many it has made.
    pub used: u32,
    /// Until when it does; `None`: for ever.
    pub expires_at: Option<UnixMillis>,
    /// When it was made.
    pub created_at: UnixMillis,
    /// By whom, in the journal's words.
    pub created_by: String,
}

pub(super) fn add(db: &Connection, invite: &Invite) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT INTO invites (code, uses, expires_at, created_at, created_by) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute(params![
        invite.code.plain(),
        invite.uses,
        invite.expires_at.map(|at| at.0),
        invite.created_at.0,
        invite.created_by
    ])
    .map(drop)
}

/// All there are, also those that are used up or expired, by their codes.
pub(super) fn list(db: &Connection) -> rusqlite::Result<Vec<Invite>> {
    db.prepare_cached("SELECT code, uses, used, expires_at, created_at, created_by FROM invites ORDER BY code")?
        .query_and_then([], |row| {
            let code = row.get_ref(0)?.as_str()?;
            let code = InviteCode::parse(code).map_err(|error| {
                rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, error.into())
            })?;
            Ok(Invite {
                code,
                uses: row.get(1)?,
                used: row.get(2)?,
                expires_at: row.get::<_, Option<i64>>(3)?.map(UnixMillis),
                created_at: UnixMillis(row.get(4)?),
                created_by: row.get(5)?,
            })
        })?
        .collect()
}

/// False: there was none.
pub(super) fn remove(db: &Connection, code: &InviteCode) -> rusqlite::Result<bool> {
    Ok(db.prepare_cached("DELETE FROM invites WHERE code = ?1")?.execute([code.plain()])? > 0)
}

/// Whether it makes another account at this moment.
pub(super) fn is_good(db: &Connection, code: &InviteCode, now: UnixMillis) -> rusqlite::Result<bool> {
    db.prepare_cached("SELECT used < uses AND coalesce(expires_at > ?2, 1) FROM invites WHERE code = ?1")?
        .query_row(params![code.plain(), now.0], |row| row.get(0))
        .optional()
        .map(Option::unwrap_or_default)
}

/// Counts one account more. False: it makes none any more, and nothing was counted.
pub(super) fn spend(db: &Connection, code: &InviteCode, now: UnixMillis) -> rusqlite::Result<bool> {
    let spent = db
        .prepare_cached(
            "UPDATE invites SET used = used + 1 WHERE code = ?1 AND used < uses AND coalesce(expires_at > ?2, 1)",
        )?
        .execute(params![code.plain(), now.0])?;
    Ok(spent > 0)
}
