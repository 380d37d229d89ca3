//! End the session; the connection stays.

use super::{Caller, Core, Outcome, SessionChange};
use crate::domain::Reply;
use crate::sessions::Session;

pub(super) async fn handle(core: &Core, caller: &Caller<'_>, session: &Session) -> Outcome {
    core.sessions.sign_out(session);
    // As with a log-in: when it is over, every contact knows.
    core.sessions.told(session.account).await;
    let (peer, protocol) = (caller.peer, caller.protocol);
    tracing::info!(%peer, protocol, login = %session.login, request = "log-out", "session ended");
    Outcome { reply: Reply::LoggedOut, session: SessionChange::End }
}
