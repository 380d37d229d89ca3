//! List somebody's contacts.

use super::show_user::Whose;
use super::{Method, Parts, Streamed};
use crate::control::interface::Refused;
use crate::control::{Caller, Desk};
use crate::domain::Status;
use serde::{Deserialize, Serialize};
use zlink::introspect;

/// Contacts in one part of the answer.
const AT_ONCE: usize = 500;

pub(in crate::control) struct ListContacts;

/// Some of them, by login. The last part may have none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, introspect::Type)]
pub(in crate::control) struct Contacts {
    pub(in crate::control) contacts: Vec<Contact>,
}

/// Somebody on the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, introspect::Type)]
pub(in crate::control) struct Contact {
    pub(in crate::control) login: String,
    /// Whether they have a session; unknown when the daemon does not run.
    pub(in crate::control) online: Option<bool>,
}

impl Method for ListContacts {
    const NAME: &'static str = "ListContacts";
    const ABOUT: &'static str = "Lists the contacts of an account, by login.";
    type Parameters = Whose;
    type Reply = Contacts;

    fn change(_: &Whose) -> Option<String> {
        None
    }
}

impl Streamed for ListContacts {
    async fn answer(desk: &Desk, _: Caller, whose: Whose, parts: Parts<Contacts>) -> Result<Contacts, Refused> {
        let account = desk.account(&whose.login).await?;
        let list = desk.core.store.get_contacts_list(account.id).await?;
        let online = |account| desk.serves().then(|| desk.core.sessions.status(account) == Status::Online);
        let mut contacts: Vec<_> =
            list.into_iter().map(|(id, login)| Contact { login: login.to_string(), online: online(id) }).collect();
        while contacts.len() > AT_ONCE {
            let rest = contacts.split_off(AT_ONCE);
            parts.send(&Contacts { contacts: std::mem::replace(&mut contacts, rest) }).await;
        }
        Ok(Contacts { contacts })
    }
}
