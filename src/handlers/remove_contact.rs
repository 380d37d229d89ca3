//! Take somebody off the session's contact list. One-way, as adding is: the other is not told; but to whom they are mutual
//! contacts by policy, they are offline from now on.

use super::{Core, HandlerError, Outcome, Owner};
use crate::domain::{Login, Reply};
use crate::sessions::Session;

pub(super) async fn handle(core: &Core, session: &Session, login: &str) -> Result<Outcome, HandlerError> {
    let removed = match Login::parse(login) {
        Ok(login) => core.remove_contact(Owner::of(session), login).await?,
        Err(_) => false,
    };
    Ok(if removed { Reply::ContactRemoved } else { Reply::NoSuchContact }.into())
}
