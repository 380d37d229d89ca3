//! Take somebody off the session's contact list. One-way, as adding is: the other is not told.

use super::{Core, HandlerError, Outcome};
use crate::domain::{Login, Reply};
use crate::sessions::Session;

pub(super) async fn handle(core: &Core, session: &Session, login: &str) -> Result<Outcome, HandlerError> {
    let removed = match Login::parse(login) {
        Ok(login) => core.store.remove_contact(session.account, login).await?,
        Err(_) => false,
    };
    Ok(if removed { Reply::ContactRemoved } else { Reply::NoSuchContact }.into())
}
