//! Show one account: what there is to know but its password and its messages.

use super::list_users::User;
use super::{Answered, Method};
use crate::control::interface::Refused;
use crate::control::{Caller, Desk};
use crate::domain::Login;
use serde::{Deserialize, Serialize};
use zlink::introspect;

pub(in crate::control) struct ShowUser;

/// Whose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, introspect::Type)]
#[serde(deny_unknown_fields)]
pub(in crate::control) struct Whose {
    pub(in crate::control) login: String,
}

/// All of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, introspect::Type)]
pub(in crate::control) struct Shown {
    pub(in crate::control) user: User,
    /// How many are on its contact list.
    pub(in crate::control) contacts: u64,
    /// On how many contact lists it is.
    pub(in crate::control) contact_of: u64,
}

impl Method for ShowUser {
    const NAME: &'static str = "ShowUser";
    const ABOUT: &'static str = "Shows one account.";
    type Parameters = Whose;
    type Reply = Shown;

    fn change(_: &Whose) -> Option<String> {
        None
    }
}

impl Answered for ShowUser {
    async fn answer(desk: &Desk, _: Caller, Whose { login }: Whose) -> Result<Shown, Refused> {
        let nobody = || Refused::NoSuchUser { login: login.clone() };
        let parsed = Login::parse(&login).map_err(|_| nobody())?;
        let store = &desk.core.store;
        let profile = store.profile(parsed).await?.ok_or_else(nobody)?;
        let contacts = store.get_contacts_list(profile.id).await?.len() as u64;
        let contact_of = store.get_users_with_contact(profile.id).await?.len() as u64;
        Ok(Shown { user: User::of(profile, desk), contacts, contact_of })
    }
}
