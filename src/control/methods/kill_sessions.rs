//! End sessions: one by its number, or all of an account. Whoever had them may log in again.

use super::{Answered, Method};
use crate::control::interface::Refused;
use crate::control::{Caller, Desk};
use crate::domain::AccountId;
use crate::sessions::Dismissal;
use serde::{Deserialize, Serialize};
use zlink::introspect;

pub(in crate::control) struct KillSessions;

/// Which: one of the two is given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, introspect::Type)]
#[serde(deny_unknown_fields)]
pub(in crate::control) struct Those {
    /// All of this account.
    #[serde(default)]
    pub(in crate::control) login: Option<String>,
    /// This one.
    #[serde(default)]
    pub(in crate::control) number: Option<u64>,
}

/// How many ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, introspect::Type)]
pub(in crate::control) struct Killed {
    pub(in crate::control) sessions: u64,
}

impl Killed {
    /// Ends all sessions of an account. When this returns, its contacts know.
    pub(super) async fn of(desk: &Desk, account: AccountId, why: Dismissal) -> Self {
        let dismissed = desk.core.sessions.dismiss(account, None, why);
        desk.core.sessions.gone(&dismissed).await;
        Self { sessions: dismissed.sessions() as u64 }
    }
}

impl Method for KillSessions {
    const NAME: &'static str = "KillSessions";
    const ABOUT: &'static str = "Ends one session by its number, or all of an account.";
    type Parameters = Those;
    type Reply = Killed;

    fn change(those: &Those) -> Option<String> {
        Some(match those {
            Those { number: Some(number), .. } => format!("end session number {number}"),
            Those { login, .. } => format!("end all sessions of {:?}", login.as_deref().unwrap_or_default()),
        })
    }
}

impl Answered for KillSessions {
    async fn answer(desk: &Desk, _: Caller, those: Those) -> Result<Killed, Refused> {
        match those {
            Those { login: None, number: Some(number) } => {
                let dismissed = desk.core.sessions.dismiss_one(number, Dismissal::Killed);
                let dismissed = dismissed.ok_or(Refused::NoSuchSession { number })?;
                desk.core.sessions.gone(&dismissed).await;
                Ok(Killed { sessions: 1 })
            }
            Those { login: Some(login), number: None } => {
                let account = desk.account(&login).await?.id;
                Ok(Killed::of(desk, account, Dismissal::Killed).await)
            }
            _ => Err(Refused::NotAcceptable { reason: "either a login or a session's number is needed".to_owned() }),
        }
    }
}
