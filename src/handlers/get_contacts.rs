//! List the session's contacts, and who of them is online, as far as the session's account sees it.

use super::{Core, HandlerError, Outcome};
use crate::domain::Reply;
use crate::sessions::Session;
use crate::store::Contact;

pub(super) async fn handle(core: &Core, session: &Session) -> Result<Outcome, HandlerError> {
    let contacts = core.store.seen_contacts(session.account, core.accounts.contacts_policy()).await?;
    let with_status = |contact: Contact| (contact.login, core.status(contact.account, contact.is_seen));
    Ok(Reply::Contacts(contacts.into_iter().map(with_status).collect()).into())
}
