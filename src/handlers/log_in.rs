//! Begin a session. On a connection that has one already, the new one takes its place; a log-in that fails leaves it.

use super::{Caller, Core, HandlerError, Outcome, SessionChange};
use crate::domain::reply::LogInRefusal;
use crate::domain::{Login, Reply, Secret};
use std::sync::Arc;

pub(super) async fn handle(
    core: &Core,
    caller: &Caller<'_>,
    login: &str,
    password: &Secret,
) -> Result<Outcome, HandlerError> {
    let verified = match core.accounts.verify_login(login, password, caller.peer).await {
        Ok(verified) => verified,
        Err(error) => {
            return Ok(refuse(caller, login, HandlerError::split(error)?));
        }
    };
    let (account, login) = (verified.account(), verified.login().clone());
    core.sessions.settle(account);
    let delivered = core.store.cursor(account).await?;
    caller.subscriber.expect(account);
    let session =
        core.sessions.sign_in(account, login.clone(), Arc::clone(&caller.subscriber)).map_err(HandlerError::Random)?;
    // Whoever has disabled the account, or changed its password, has ended the sessions that they saw: this one they may not
    // have seen. It was verified before that.
    let still = core.accounts.is_still(&verified).await;
    if !matches!(still, Ok(true)) {
        core.sessions.sign_out(&session);
        still?;
        return Ok(refuse(caller, login.as_str(), LogInRefusal::TryLater));
    }
    // The new one first: the same login again does not go offline in between.
    if let Some(before) = caller.session {
        core.sessions.sign_out(before);
        core.sessions.told(before.account).await;
    }
    let (peer, protocol) = (caller.peer, caller.protocol);
    tracing::info!(%peer, protocol, login = %session.login, request = "log-in", "session began");
    // Whoever is answered is online for everybody, and no contact is told of it later than that.
    core.sessions.told(account).await;
    Ok(Outcome { reply: Reply::LoggedIn(session.key), session: SessionChange::Begin(session, delivered) })
}

fn refuse(caller: &Caller<'_>, login: &str, refusal: LogInRefusal) -> Outcome {
    // What was typed may be anything; as much as a login has is enough to recognise it.
    let login: String = login.chars().take(Login::MAX_CHARS).collect();
    let (peer, protocol) = (caller.peer, caller.protocol);
    tracing::info!(%peer, protocol, login, request = "log-in", error = ?refusal, "log-in refused");
    Reply::LogInRefused(refusal).into()
}
