//! Take somebody off somebody's contact list.

use super::add_contact::Pair;
use super::{Answered, Method};
use crate::control::interface::Refused;
use crate::control::{Caller, Desk};
use crate::handlers::Owner;
use serde::{Deserialize, Serialize};
use zlink::introspect;

pub(in crate::control) struct RemoveContact;

/// Whether there was anything to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, introspect::Type)]
pub(in crate::control) struct Removed {
    /// False: they were not on the list.
    pub(in crate::control) removed: bool,
}

impl Method for RemoveContact {
    const NAME: &'static str = "RemoveContact";
    const ABOUT: &'static str = "Takes somebody off somebody's contact list.";
    type Parameters = Pair;
    type Reply = Removed;

    fn change(pair: &Pair) -> Option<String> {
        Some(format!("take {:?} off the contact list of {:?}", pair.contact, pair.login))
    }
}

impl Answered for RemoveContact {
    async fn answer(desk: &Desk, _: Caller, pair: Pair) -> Result<Removed, Refused> {
        let owner = desk.account(&pair.login).await?;
        let contact = desk.account(&pair.contact).await?;
        let owner = Owner { account: owner.id, login: &owner.login };
        Ok(Removed { removed: desk.core.remove_contact(owner, contact.login).await? })
    }
}
