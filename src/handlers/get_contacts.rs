//! List the session's contacts, and who of them is online.

use super::{Core, HandlerError, Outcome};
use crate::domain::Reply;
use crate::sessions::Session;

pub(super) async fn handle(core: &Core, session: &Session) -> Result<Outcome, HandlerError> {
    let contacts = core.store.get_contacts_list(session.account).await?;
    let with_status = |(account, login)| (login, core.sessions.status(account));
    Ok(Reply::Contacts(contacts.into_iter().map(with_status).collect()).into())
}
