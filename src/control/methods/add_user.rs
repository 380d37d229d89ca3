//! Make an account, whoever may sign up.

use super::{Answered, Method};
use crate::control::interface::Refused;
use crate::control::{Caller, Desk};
use serde::{Deserialize, Serialize};
use zlink::introspect;

pub(in crate::control) struct AddUser;

/// The account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, introspect::Type)]
#[serde(deny_unknown_fields)]
pub(in crate::control) struct NewUser {
    pub(in crate::control) login: String,
    pub(in crate::control) email: String,
    /// An argon2id hash as a PHC string. The password itself never comes here.
    pub(in crate::control) password_hash: String,
}

/// What was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, introspect::Type)]
pub(in crate::control) struct Added {
    /// The login as it is kept.
    pub(in crate::control) login: String,
}

impl Method for AddUser {
    const NAME: &'static str = "AddUser";
    const ABOUT: &'static str = "Makes an account, whatever accounts.sign_up says.";
    type Parameters = NewUser;
    type Reply = Added;

    fn change(user: &NewUser) -> Option<String> {
        Some(format!("make the account {:?}", user.login))
    }
}

impl Answered for AddUser {
    async fn answer(desk: &Desk, _: Caller, user: NewUser) -> Result<Added, Refused> {
        let login = desk.core.accounts.add_user(&user.login, &user.email, user.password_hash).await?;
        Ok(Added { login: login.to_string() })
    }
}
