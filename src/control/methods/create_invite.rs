//! Make an invite.

use super::list_invites::Invite;
use super::{Answered, Method};
use crate::accounts;
use crate::control::interface::Refused;
use crate::control::{Caller, Desk};
use crate::domain::{InviteCode, UnixMillis};
use crate::store;
use serde::{Deserialize, Serialize};
use zlink::introspect;

/// More than anybody invites with one code.
const USES_MAX: u32 = 1_000_000;

pub(in crate::control) struct CreateInvite;

/// What it is good for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, introspect::Type)]
#[serde(deny_unknown_fields)]
pub(in crate::control) struct NewInvite {
    /// So many accounts; one, if it is not said.
    #[serde(default)]
    pub(in crate::control) uses: Option<u32>,
    /// For so many seconds; for ever, if it is not said.
    #[serde(default)]
    pub(in crate::control) seconds: Option<u64>,
}

/// What was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, introspect::Type)]
pub(in crate::control) struct Created {
    pub(in crate::control) invite: Invite,
    /// Who may sign up at this moment: open, invite or closed.
    pub(in crate::control) sign_up: String,
}

impl Method for CreateInvite {
    const NAME: &'static str = "CreateInvite";
    const ABOUT: &'static str = "Makes an invite: a code with which somebody can sign up.";
    type Parameters = NewInvite;
    type Reply = Created;

    fn change(invite: &NewInvite) -> Option<String> {
        let uses = invite.uses.unwrap_or(1);
        Some(match invite.seconds {
            None => format!("make an invite for {uses}"),
            Some(seconds) => format!("make an invite for {uses}, for {seconds} seconds"),
        })
    }
}

impl Answered for CreateInvite {
    async fn answer(desk: &Desk, caller: Caller, new: NewInvite) -> Result<Created, Refused> {
        let uses = new.uses.unwrap_or(1);
        if uses == 0 || uses > USES_MAX {
            return Err(Refused::NotAcceptable { reason: format!("an invite has 1 to {USES_MAX} uses") });
        }
        let created_at = accounts::now();
        let expires_at = new.seconds.map(|seconds| {
            let milliseconds = i64::try_from(seconds.saturating_mul(1000)).unwrap_or(i64::MAX);
            UnixMillis(created_at.0.saturating_add(milliseconds))
        });
        let code = InviteCode::new().map_err(|error| {
            tracing::error!(%error, "no random bytes for an invite");
            Refused::Failed { reason: "the system gives no random bytes".to_owned() }
        })?;
        let invite = store::Invite { code, uses, used: 0, expires_at, created_at, created_by: caller.to_string() };
        desk.core.store.add_invite(invite.clone()).await?;
        let sign_up = desk.settings.get().accounts.sign_up.as_str().to_owned();
        Ok(Created { invite: Invite::of(invite, created_at), sign_up })
    }
}
