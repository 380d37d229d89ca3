//! Refuse or allow an account's log-ins. Its mailbox goes on taking messages meanwhile.

use super::kill_sessions::Killed;
use super::{Answered, Method};
use crate::control::interface::Refused;
use crate::control::{Caller, Desk};
use crate::sessions::Dismissal;
use serde::{Deserialize, Serialize};
use zlink::introspect;

pub(in crate::control) struct SetDisabled;

/// Whose, and whether.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, introspect::Type)]
#[serde(deny_unknown_fields)]
pub(in crate::control) struct Disabled {
    pub(in crate::control) login: String,
    pub(in crate::control) disabled: bool,
}

impl Method for SetDisabled {
    const NAME: &'static str = "SetDisabled";
    const ABOUT: &'static str = "Refuses the log-ins of an account and ends its sessions, or allows log-ins again.";
    type Parameters = Disabled;
    type Reply = Killed;

    fn change(what: &Disabled) -> Option<String> {
        Some(format!("{} the account {:?}", if what.disabled { "disable" } else { "enable" }, what.login))
    }
}

impl Answered for SetDisabled {
    async fn answer(desk: &Desk, _: Caller, what: Disabled) -> Result<Killed, Refused> {
        let account = desk.core.accounts.set_disabled(&what.login, what.disabled).await?;
        if !what.disabled {
            return Ok(Killed { sessions: 0 });
        }
        Ok(Killed::of(desk, account, Dismissal::Disabled).await)
    }
}
