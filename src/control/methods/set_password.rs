//! Give an account another password. Its sessions end: whoever has them may be whom the old one was taken from.

use super::kill_sessions::Killed;
use super::{Answered, Method};
use crate::control::interface::Refused;
use crate::control::{Caller, Desk};
use crate::sessions::Dismissal;
use serde::{Deserialize, Serialize};
use zlink::introspect;

pub(in crate::control) struct SetPassword;

/// Whose, and which.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, introspect::Type)]
#[serde(deny_unknown_fields)]
pub(in crate::control) struct NewPassword {
    pub(in crate::control) login: String,
    /// An argon2id hash as a PHC string. The password itself never comes here.
    pub(in crate::control) password_hash: String,
}

impl Method for SetPassword {
    const NAME: &'static str = "SetPassword";
    const ABOUT: &'static str = "Gives an account another password, and ends its sessions.";
    type Parameters = NewPassword;
    type Reply = Killed;

    fn change(new: &NewPassword) -> Option<String> {
        Some(format!("give the account {:?} another password", new.login))
    }
}

impl Answered for SetPassword {
    async fn answer(desk: &Desk, _: Caller, new: NewPassword) -> Result<Killed, Refused> {
        let account = desk.core.accounts.set_password(&new.login, new.password_hash).await?;
        Ok(Killed::of(desk, account, Dismissal::PasswordChanged).await)
    }
}
