//! Erase the session's own account. It is closed in one commit, so that nobody can log in any more; then its sessions end,
//! and those who have it as a contact are told; then the answer goes, and the store deletes the rest.

use super::{Caller, Core, HandlerError, Outcome, SessionChange};
use crate::domain::{Reply, Secret};
use crate::sessions::{Dismissal, Session};

pub(super) async fn handle(
    core: &Core,
    caller: &Caller<'_>,
    session: &Session,
    password: &Secret,
) -> Result<Outcome, HandlerError> {
    let (peer, protocol, login) = (caller.peer, caller.protocol, &session.login);
    let closed = match core.accounts.prove(login, password, peer).await {
        Ok(verified) => core.accounts.close(verified).await?,
        Err(error) => Err(HandlerError::split(error)?),
    };
    let erasure = match closed {
        // If another session was quicker, there is nothing left to close.
        Ok(erasure) => erasure,
        Err(refusal) => {
            tracing::info!(%peer, protocol, %login, request = "delete-account", error = ?refusal, "account not deleted");
            return Ok(Reply::AccountNotDeleted(refusal).into());
        }
    };
    // Its own first: another one may be at the same, and wait for this.
    core.sessions.sign_out(session);
    let others = core.sessions.dismiss(session.account, None, Dismissal::Erased);
    core.sessions.gone(&others).await;
    tracing::info!(%peer, protocol, %login, request = "delete-account", "account deleted; what is left of it goes");
    // The daemon goes on with the rest.
    drop(erasure);
    Ok(Outcome { reply: Reply::AccountDeleted, session: SessionChange::End })
}
