//! List sessions, of all or of one account.

use super::{Method, Parts, Streamed};
use crate::control::interface::Refused;
use crate::control::{Caller, Desk};
use crate::sessions::Held;
use serde::{Deserialize, Serialize};
use zlink::introspect;

/// Sessions in one part of the answer.
const AT_ONCE: usize = 200;

pub(in crate::control) struct ListSessions;

/// Whose.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize, introspect::Type)]
#[serde(deny_unknown_fields)]
pub(in crate::control) struct Whose {
    /// Of this account alone.
    #[serde(default)]
    pub(in crate::control) login: Option<String>,
}

/// Some of them, by login. The last part may have none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, introspect::Type)]
pub(in crate::control) struct Sessions {
    pub(in crate::control) sessions: Vec<Session>,
}

/// A session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, introspect::Type)]
pub(in crate::control) struct Session {
    /// What it is called. Each start of the daemon counts anew.
    pub(in crate::control) number: u64,
    pub(in crate::control) login: String,
    /// Where it is held from.
    pub(in crate::control) peer: String,
}

impl From<&Held> for Session {
    fn from(held: &Held) -> Self {
        Self { number: held.number, login: held.login.to_string(), peer: held.peer.to_string() }
    }
}

impl Method for ListSessions {
    const NAME: &'static str = "ListSessions";
    const ABOUT: &'static str = "Lists all sessions, or those of one account, by login.";
    type Parameters = Whose;
    type Reply = Sessions;

    fn change(_: &Whose) -> Option<String> {
        None
    }
}

impl Streamed for ListSessions {
    async fn answer(desk: &Desk, _: Caller, whose: Whose, parts: Parts<Sessions>) -> Result<Sessions, Refused> {
        let account = match &whose.login {
            Some(login) => Some(desk.account(login).await?.id),
            None => None,
        };
        let held = desk.core.sessions.list(account);
        let mut chunks =
            held.chunks(AT_ONCE).map(|some| Sessions { sessions: some.iter().map(Session::from).collect() });
        let Some(mut last) = chunks.next() else { return Ok(Sessions { sessions: Vec::new() }) };
        for next in chunks {
            parts.send(&last).await;
            last = next;
        }
        Ok(last)
    }
}
