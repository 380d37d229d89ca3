//! List accounts, some at a time.

use super::{Method, Parts, Streamed};
use crate::control::interface::Refused;
use crate::control::{Caller, Desk};
use crate::domain::Status;
use crate::store::Profile;
use serde::{Deserialize, Serialize};
use zlink::introspect;

/// Accounts in one part of the answer.
const AT_ONCE: u32 = 100;

pub(in crate::control) struct ListUsers;

/// Which accounts.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize, introspect::Type)]
#[serde(deny_unknown_fields)]
pub(in crate::control) struct Which {}

/// Some of them, by login. The last part may have none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, introspect::Type)]
pub(in crate::control) struct Users {
    /// By login.
    pub(in crate::control) users: Vec<User>,
}

/// An account. Times are milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, introspect::Type)]
pub(in crate::control) struct User {
    pub(in crate::control) login: String,
    pub(in crate::control) email: String,
    /// Log-ins are refused.
    pub(in crate::control) disabled: bool,
    pub(in crate::control) created_at: i64,
    /// The invite it was made with, if there was one.
    pub(in crate::control) invite: Option<String>,
    /// Whether it has a session; unknown when the daemon does not run.
    pub(in crate::control) online: Option<bool>,
    /// Entries in its mailbox since it was made.
    pub(in crate::control) entries: u64,
    /// How many of them were not delivered.
    pub(in crate::control) waiting: u64,
}

impl User {
    pub(super) fn of(profile: Profile, desk: &Desk) -> Self {
        let online = desk.serves().then(|| desk.core.sessions.status(profile.id) == Status::Online);
        Self {
            login: profile.login.to_string(),
            email: profile.email,
            disabled: profile.disabled,
            created_at: profile.created_at.0,
            invite: profile.invite,
            online,
            entries: profile.entries,
            waiting: profile.waiting,
        }
    }
}

impl Method for ListUsers {
    const NAME: &'static str = "ListUsers";
    const ABOUT: &'static str = "Lists all accounts, by login.";
    type Parameters = Which;
    type Reply = Users;

    fn change(_: &Which) -> Option<String> {
        None
    }
}

impl Streamed for ListUsers {
    async fn answer(desk: &Desk, _: Caller, _: Which, parts: Parts<Users>) -> Result<Users, Refused> {
        let mut after = None;
        loop {
            let profiles = desk.core.store.profiles(after, AT_ONCE).await?;
            let last = profiles.len() < AT_ONCE as usize;
            after = profiles.last().map(|profile| profile.login.clone());
            let users = Users { users: profiles.into_iter().map(|profile| User::of(profile, desk)).collect() };
            if last {
                return Ok(users);
            }
            parts.send(&users).await;
        }
    }
}
