//! How long mailboxes keep what: by the configuration, and by what differs for one account (the table `retention`). What comes
//! of it is the room's business ([`Round`](super::Round)).

use crate::config;
use crate::domain::{AccountId, Login};
use crate::store::{Store, StoreError, accounts};
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::time::Duration;

/// How long a mailbox keeps what. Zero: no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// What was delivered, so many milliseconds.
    pub delivered_age: u64,
    /// Of what was delivered, so many messages.
    pub delivered_count: u64,
    /// What was not delivered, so many milliseconds.
    pub undelivered_age: u64,
    /// Of what was not delivered, so many messages.
    pub undelivered_count: u64,
}

/// What differs from that for one account. `None`: nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Overrides {
    /// See [`Limits::delivered_age`].
    pub delivered_age: Option<u64>,
    /// See [`Limits::delivered_count`].
    pub delivered_count: Option<u64>,
    /// See [`Limits::undelivered_age`].
    pub undelivered_age: Option<u64>,
    /// See [`Limits::undelivered_count`].
    pub undelivered_count: Option<u64>,
}

impl From<&config::Retention> for Limits {
    fn from(settings: &config::Retention) -> Self {
        let milliseconds = |age: Duration| u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
        Self {
            delivered_age: milliseconds(settings.delivered_age),
            delivered_count: settings.delivered_count,
            undelivered_age: milliseconds(settings.undelivered_age),
            undelivered_count: settings.undelivered_count,
        }
    }
}

impl Limits {
    /// What holds for an account.
    #[must_use]
    pub fn with(self, own: Overrides) -> Self {
        Self {
            delivered_age: own.delivered_age.unwrap_or(self.delivered_age),
            delivered_count: own.delivered_count.unwrap_or(self.delivered_count),
            undelivered_age: own.undelivered_age.unwrap_or(self.undelivered_age),
            undelivered_count: own.undelivered_count.unwrap_or(self.undelivered_count),
        }
    }
}

impl Overrides {
    /// These, and where they say nothing, those before.
    #[must_use]
    fn over(self, before: Self) -> Self {
        Self {
            delivered_age: self.delivered_age.or(before.delivered_age),
            delivered_count: self.delivered_count.or(before.delivered_count),
            undelivered_age: self.undelivered_age.or(before.undelivered_age),
            undelivered_count: self.undelivered_count.or(before.undelivered_count),
        }
    }

    /// From four columns, the first of which is this one.
    pub(super) fn from_row(row: &Row<'_>, first: usize) -> rusqlite::Result<Self> {
        let limit =
            |column| Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(first + column)?.map(i64::unsigned_abs));
        Ok(Self {
            delivered_age: limit(0)?,
            delivered_count: limit(1)?,
            undelivered_age: limit(2)?,
            undelivered_count: limit(3)?,
        })
    }
}

impl Store {
    /// What differs from the configuration for the account of a login. `None`: nobody has it.
    ///
    /// # Errors
    /// When it could not be read.
    pub async fn retention(&self, login: Login) -> Result<Option<Overrides>, StoreError> {
        self.readers.read(move |db| accounts::id(db, &login)?.map(|account| overrides(db, account)).transpose()).await
    }

    /// From now on, this differs from the configuration for the account of a login; what is not said stays as it was, or is
    /// forgotten first. `None`: nobody has it. Else what differs now.
    ///
    /// # Errors
    /// When it could not be written.
    pub async fn set_retention(
        &self,
        login: Login,
        own: Overrides,
        forget: bool,
    ) -> Result<Option<Overrides>, StoreError> {
        self.writer
            .write(move |batch| {
                let Some(account) = accounts::id(batch.db, &login)? else { return Ok(None) };
                let before = if forget { Overrides::default() } else { overrides(batch.db, account)? };
                let own = own.over(before);
                set_overrides(batch.db, account, own)?;
                Ok(Some(own))
            })
            .await
    }
}

fn overrides(db: &Connection, account: AccountId) -> rusqlite::Result<Overrides> {
    let found = db
        .prepare_cached(
            "SELECT delivered_age, delivered_count, undelivered_age, undelivered_count
             FROM retention WHERE account = ?1",
        )?
        .query_row([account.0], |row| Overrides::from_row(row, 0))
        .optional()?;
    Ok(found.unwrap_or_default())
}

fn set_overrides(db: &Connection, account: AccountId, own: Overrides) -> rusqlite::Result<()> {
    if own == Overrides::default() {
        db.prepare_cached("DELETE FROM retention WHERE account = ?1")?.execute([account.0])?;
        return Ok(());
    }
    let [one, two, three, four] = [own.delivered_age, own.delivered_count, own.undelivered_age, own.undelivered_count]
        .map(|limit| limit.map(number));
    db.prepare_cached(
        "INSERT INTO retention (account, delivered_age, delivered_count, undelivered_age, undelivered_count)
         VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (account) DO UPDATE SET delivered_age = excluded.delivered_age,
         delivered_count = excluded.delivered_count, undelivered_age = excluded.undelivered_age,
         undelivered_count = excluded.undelivered_count",
    )?
    .execute(params![account.0, one, two, three, four])?;
    Ok(())
}

/// As SQLite holds it.
pub(super) fn number(limit: u64) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
