//! Put somebody on the session's contact list. One-way: the other is neither asked nor told.

use super::{Caller, Core, HandlerError, Outcome, Owner};
use crate::domain::{Login, Reply};
use crate::sessions::Session;
use crate::store::NotAdded;

pub(super) async fn handle(
    core: &Core,
    caller: &Caller<'_>,
    session: &Session,
    login: &str,
) -> Result<Outcome, HandlerError> {
    let Ok(login) = Login::parse(login) else { return Ok(Reply::UnknownContact.into()) };
    let reply = match core.add_contact(Owner::of(session), login).await? {
        Ok(added) => Reply::ContactAdded(core.status(added.contact, added.is_seen)),
        Err(NotAdded::Nobody) => Reply::UnknownContact,
        Err(NotAdded::Full) => {
            let (peer, protocol, login) = (caller.peer, caller.protocol, &session.login);
            tracing::warn!(
                %peer,
                protocol,
                %login,
                request = "add-contact",
                "not added: the account has as many contacts as accounts.contacts_max allows"
            );
            // The protocol has no other answer.
            Reply::UnknownContact
        }
    };
    Ok(reply.into())
}
