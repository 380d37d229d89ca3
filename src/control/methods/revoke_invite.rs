//! Take an invite back. Accounts that were made with it stay.

use super::{Answered, Method, Nothing};
use crate::control::interface::Refused;
use crate::control::{Caller, Desk};
use crate::domain::InviteCode;
use serde::{Deserialize, Serialize};
use zlink::introspect;

pub(in crate::control) struct RevokeInvite;

/// Which.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, introspect::Type)]
#[serde(deny_unknown_fields)]
pub(in crate::control) struct Which {
    pub(in crate::control) code: String,
}

impl Method for RevokeInvite {
    const NAME: &'static str = "RevokeInvite";
    const ABOUT: &'static str = "Takes an invite back. Accounts that were made with it stay.";
    type Parameters = Which;
    type Reply = Nothing;

    fn change(which: &Which) -> Option<String> {
        Some(format!("take back the invite {:?}", which.code))
    }
}

impl Answered for RevokeInvite {
    async fn answer(desk: &Desk, _: Caller, Which { code }: Which) -> Result<Nothing, Refused> {
        let none = || Refused::NoSuchInvite { code: code.clone() };
        let parsed = InviteCode::parse(&code).map_err(|_| none())?;
        if desk.core.store.remove_invite(parsed).await? { Ok(Nothing {}) } else { Err(none()) }
    }
}
