//! Make an account.

use super::{Caller, Core, HandlerError, Outcome};
use crate::domain::{Reply, Secret};

pub(super) async fn handle(
    core: &Core,
    caller: &Caller<'_>,
    email: &str,
    login: &str,
    password: &Secret,
) -> Result<Outcome, HandlerError> {
    let (peer, protocol) = (caller.peer, caller.protocol);
    match core.accounts.sign_up(email, login, password, peer).await {
        Ok(login) => {
            tracing::info!(%peer, protocol, %login, request = "sign-up", "account made");
            Ok(Reply::SignedUp.into())
        }
        Err(error) => {
            let refusal = HandlerError::split(error)?;
            tracing::debug!(%peer, protocol, request = "sign-up", error = ?refusal, "sign-up refused");
            Ok(Reply::SignUpRefused(refusal).into())
        }
    }
}
