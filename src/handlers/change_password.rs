//! Give the session's account another password. Its other sessions end: whoever has one may be why it is changed.

use super::{Caller, Core, HandlerError, Outcome};
use crate::domain::{Reply, Secret};
use crate::sessions::{Dismissal, Session};

pub(super) async fn handle(
    core: &Core,
    caller: &Caller<'_>,
    session: &Session,
    old: &Secret,
    new: &Secret,
) -> Result<Outcome, HandlerError> {
    let (peer, protocol, login) = (caller.peer, caller.protocol, &session.login);
    match core.accounts.change_password(login, old, new, peer).await {
        Ok(()) => {
            // Not waited for: one of them may be about to do the same to this one.
            let ended = core.sessions.dismiss(session.account, Some(session.key), Dismissal::PasswordChanged);
            let sessions = ended.sessions();
            tracing::info!(%peer, protocol, %login, sessions, request = "change-password", "password changed; other sessions end");
            Ok(Reply::PasswordChanged.into())
        }
        Err(error) => {
            let refusal = HandlerError::split(error)?;
            tracing::info!(%peer, protocol, %login, request = "change-password", error = ?refusal, "password not changed");
            Ok(Reply::PasswordNotChanged(refusal).into())
        }
    }
}
