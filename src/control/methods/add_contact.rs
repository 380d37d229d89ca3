//! Put somebody on somebody's contact list.

use super::{Answered, Method, Nothing};
use crate::control::interface::Refused;
use crate::control::{Caller, Desk};
use crate::domain::Login;
use crate::handlers::Owner;
use crate::store::NotAdded;
use serde::{Deserialize, Serialize};
use zlink::introspect;

pub(in crate::control) struct AddContact;

/// Whom, and on whose list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, introspect::Type)]
#[serde(deny_unknown_fields)]
pub(in crate::control) struct Pair {
    /// Whose list.
    pub(in crate::control) login: String,
    /// Whom.
    pub(in crate::control) contact: String,
}

impl Method for AddContact {
    const NAME: &'static str = "AddContact";
    const ABOUT: &'static str = "Puts somebody on somebody's contact list. Twice is once.";
    type Parameters = Pair;
    type Reply = Nothing;

    fn change(pair: &Pair) -> Option<String> {
        Some(format!("put {:?} on the contact list of {:?}", pair.contact, pair.login))
    }
}

impl Answered for AddContact {
    async fn answer(desk: &Desk, _: Caller, pair: Pair) -> Result<Nothing, Refused> {
        let owner = desk.account(&pair.login).await?;
        let nobody = || Refused::NoSuchUser { login: pair.contact.clone() };
        let contact = Login::parse(&pair.contact).map_err(|_| nobody())?;
        match desk.core.add_contact(Owner { account: owner.id, login: &owner.login }, contact).await? {
            Ok(_) => Ok(Nothing {}),
            Err(NotAdded::Nobody) => Err(nobody()),
            Err(NotAdded::Full) => Err(Refused::NotAcceptable {
                reason: format!("{} has as many contacts as accounts.contacts_max allows", pair.login),
            }),
        }
    }
}
