//! The session's account hears of somebody again, from now on. What they wrote meanwhile does not come any more.

use super::{Core, HandlerError, Outcome, Owner};
use crate::domain::{Login, Reply};
use crate::sessions::Session;

pub(super) async fn handle(core: &Core, session: &Session, login: &str) -> Result<Outcome, HandlerError> {
    let unblocked = match Login::parse(login) {
        Ok(login) => core.unblock(Owner::of(session), login).await?,
        Err(_) => false,
    };
    Ok(if unblocked { Reply::Unblocked } else { Reply::WasNotBlocked }.into())
}
