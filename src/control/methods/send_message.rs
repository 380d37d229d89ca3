//! Write to one account or to all, in the server's name.

use super::{Method, Parts, Streamed};
use crate::accounts;
use crate::control::interface::Refused;
use crate::control::{Caller, Desk};
use crate::domain::{AccountId, Login, Message, Seq};
use crate::store::Draft;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tokio::task::JoinSet;
use zlink::introspect;

/// Messages committed together. Nobody else waits long for them.
const AT_ONCE: u32 = 100;

/// What the server has said waits for nobody: no one logs in to read it there.
const ALL_OF_IT: Seq = Seq(u64::MAX);

pub(in crate::control) struct SendMessage;

/// What, and to whom.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, introspect::Type)]
#[serde(deny_unknown_fields)]
pub(in crate::control) struct Notice {
    /// In whose name: no person's.
    pub(in crate::control) from: String,
    /// To this account; to all, if it is not said.
    #[serde(default)]
    pub(in crate::control) to: Option<String>,
    pub(in crate::control) text: String,
}

impl std::fmt::Debug for Notice {
    /// What it says is nobody's business.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Notice {{ from: {:?}, to: {:?}, {} bytes }}", self.from, self.to, self.text.len())
    }
}

/// How far it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, introspect::Type)]
pub(in crate::control) struct Sent {
    /// So many have it in their mailboxes.
    pub(in crate::control) messages: u64,
}

impl Method for SendMessage {
    const NAME: &'static str = "SendMessage";
    const ABOUT: &'static str =
        "Writes to one account or to all, in the server's name. An account for that name is made if there is none.";
    type Parameters = Notice;
    type Reply = Sent;

    fn change(notice: &Notice) -> Option<String> {
        let to = notice.to.as_ref().map_or_else(|| "all".to_owned(), |to| format!("{to:?}"));
        Some(format!("write {} bytes to {to} as {:?}", notice.text.len(), notice.from))
    }
}

impl Streamed for SendMessage {
    async fn answer(desk: &Desk, _: Caller, notice: Notice, parts: Parts<Sent>) -> Result<Sent, Refused> {
        let most = desk.settings.get().classic.request_max;
        if notice.text.is_empty() || notice.text.len() > most {
            return Err(Refused::NotAcceptable { reason: format!("a message has 1 to {most} bytes") });
        }
        let (sender, name) = desk.core.accounts.voice(&notice.from).await?;
        if let Some(to) = &notice.to {
            let to = desk.account(to).await?.login;
            write(desk, sender, &name, [to], &notice.text).await?;
            desk.core.store.delivered(sender, ALL_OF_IT);
            return Ok(Sent { messages: 1 });
        }
        let (mut after, mut messages) = (None, 0);
        loop {
            let profiles = desk.core.store.profiles(after, AT_ONCE).await?;
            let last = profiles.len() < AT_ONCE as usize;
            after = profiles.last().map(|profile| profile.login.clone());
            let people = profiles
                .into_iter()
                .filter(|profile| !accounts::is_voice(&profile.password_hash))
                .map(|profile| profile.login);
            messages += write(desk, sender, &name, people, &notice.text).await?;
            desk.core.store.delivered(sender, ALL_OF_IT);
            if last {
                return Ok(Sent { messages });
            }
            parts.send(&Sent { messages }).await;
        }
    }
}

/// Commits them together. Who is gone meanwhile is passed over.
async fn write(
    desk: &Desk,
    sender: AccountId,
    name: &Login,
    people: impl IntoIterator<Item = Login>,
    text: &str,
) -> Result<u64, Refused> {
    let mut writing = JoinSet::new();
    for recipient in people {
        let message =
            Message { sender: name.clone(), recipient, sent_at: accounts::now(), text: text.to_owned().into() };
        writing.spawn(desk.core.store.add_message(Draft { sender, message: Arc::new(message) }));
    }
    let mut written = 0;
    while let Some(done) = writing.join_next().await {
        let done = done.map_err(|error| {
            tracing::error!(%error, "an order failed");
            Refused::Failed { reason: "the journal says why".to_owned() }
        })?;
        written += u64::from(done?);
    }
    Ok(written)
}
