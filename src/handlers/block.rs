//! From now on the session's account hears nothing of somebody, and is offline to them. They can't tell.

use super::{Caller, Core, HandlerError, Outcome, Owner};
use crate::domain::reply::BlockRefusal;
use crate::domain::{Login, Reply};
use crate::sessions::Session;
use crate::store::CantBlock;

pub(super) async fn handle(
    core: &Core,
    caller: &Caller<'_>,
    session: &Session,
    login: &str,
) -> Result<Outcome, HandlerError> {
    let Ok(login) = Login::parse(login) else { return Ok(Reply::BlockRefused(BlockRefusal::UnknownLogin).into()) };
    let reply = match core.block(Owner::of(session), login).await? {
        Ok(()) => Reply::Blocked,
        Err(CantBlock::Nobody) => Reply::BlockRefused(BlockRefusal::UnknownLogin),
        Err(CantBlock::Full) => {
            let (peer, protocol, login) = (caller.peer, caller.protocol, &session.login);
            tracing::warn!(
                %peer,
                protocol,
                %login,
                request = "block",
                "not blocked: the account blocks as many as accounts.contacts_max allows"
            );
            Reply::BlockRefused(BlockRefusal::TooMany)
        }
    };
    Ok(reply.into())
}
