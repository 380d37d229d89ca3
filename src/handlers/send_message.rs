//! Write to somebody. It is committed when this returns; who is online hears of it from the notifier.

use super::{Caller, Core, HandlerError, Outcome};
use crate::accounts::now;
use crate::domain::request::Text;
use crate::domain::{Login, Message, Reply};
use crate::sessions::Session;
use crate::store::Draft;
use std::sync::Arc;

pub(super) async fn handle(
    core: &Core,
    caller: &Caller<'_>,
    session: &Session,
    recipient: &str,
    Text(text): Text,
) -> Result<Outcome, HandlerError> {
    let committed = match Login::parse(recipient) {
        Ok(recipient) => {
            let message = Message { sender: session.login.clone(), recipient, sent_at: now(), text };
            core.store.add_message(Draft { sender: session.account, message: Arc::new(message) }).await?
        }
        Err(_) => false,
    };
    if !committed {
        core.store.had_no_recipient();
        // The protocol has no answer for it. What stands for the recipient may be anything, and long.
        let recipient: String = recipient.chars().take(Login::MAX_CHARS).collect();
        let (peer, protocol, login) = (caller.peer, caller.protocol, &session.login);
        tracing::info!(%peer, protocol, %login, recipient, request = "message", "dropped: nobody has that login");
    }
    Ok(Reply::MessageTaken.into())
}
