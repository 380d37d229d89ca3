//! Put somebody on the session's contact list. One-way: the other is neither asked nor told.

use super::{Core, HandlerError, Outcome};
use crate::domain::{Login, Reply};
use crate::sessions::Session;

pub(super) async fn handle(core: &Core, session: &Session, login: &str) -> Result<Outcome, HandlerError> {
    let Ok(login) = Login::parse(login) else { return Ok(Reply::UnknownContact.into()) };
    let contact = core.store.add_contact(session.account, login).await?;
    Ok(contact.map_or(Reply::UnknownContact, |contact| Reply::ContactAdded(core.sessions.status(contact))).into())
}
