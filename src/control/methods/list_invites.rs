//! List invites, also those that are used up or expired.

use super::{Method, Nothing, Parts, Streamed};
use crate::accounts;
use crate::control::interface::Refused;
use crate::control::{Caller, Desk};
use crate::domain::UnixMillis;
use crate::store;
use serde::{Deserialize, Serialize};
use zlink::introspect;

/// Invites in one part of the answer.
const AT_ONCE: usize = 200;

pub(in crate::control) struct ListInvites;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, introspect::Type)]
pub(in crate::control) struct Invites {
    pub(in crate::control) invites: Vec<Invite>,
}

/// An invite. Times are milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, introspect::Type)]
pub(in crate::control) struct Invite {
    pub(in crate::control) code: String,
    /// So many accounts it makes, in all.
    pub(in crate::control) uses: u32,
    /// So many it has made.
    pub(in crate::control) used: u32,
    pub(in crate::control) expires_at: Option<i64>,
    pub(in crate::control) created_at: i64,
    pub(in crate::control) created_by: String,
    /// It makes another account.
    pub(in crate::control) good: bool,
}

impl Invite {
    pub(super) fn of(invite: store::Invite, now: UnixMillis) -> Self {
        Self {
            good: invite.used < invite.uses && invite.expires_at.is_none_or(|at| at > now),
            code: invite.code.to_string(),
            uses: invite.uses,
            used: invite.used,
            expires_at: invite.expires_at.map(|at| at.0),
            created_at: invite.created_at.0,
            created_by: invite.created_by,
        }
    }
}

impl Method for ListInvites {
    const NAME: &'static str = "ListInvites";
    const ABOUT: &'static str = "Lists all invites.";
    type Parameters = Nothing;
    type Reply = Invites;

    fn change(_: &Nothing) -> Option<String> {
        None
    }
}

impl Streamed for ListInvites {
    async fn answer(desk: &Desk, _: Caller, _: Nothing, parts: Parts<Invites>) -> Result<Invites, Refused> {
        let now = accounts::now();
        let mut invites = desk.core.store.invites().await?;
        while invites.len() > AT_ONCE {
            let rest = invites.split_off(AT_ONCE);
            let part = std::mem::replace(&mut invites, rest);
            parts.send(&Invites { invites: part.into_iter().map(|invite| Invite::of(invite, now)).collect() }).await;
        }
        Ok(Invites { invites: invites.into_iter().map(|invite| Invite::of(invite, now)).collect() })
    }
}
