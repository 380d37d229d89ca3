//! Log more or less, until the next reload or restart.

use super::{Answered, Method, Nothing};
use crate::config::LogLevel;
use crate::control::interface::Refused;
use crate::control::{Caller, Desk, Task};
use serde::{Deserialize, Serialize};
use zlink::introspect;

pub(in crate::control) struct SetLogLevel;

/// Which.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, introspect::Type)]
#[serde(deny_unknown_fields)]
pub(in crate::control) struct Level {
    /// error, warn, info, debug or trace.
    pub(in crate::control) level: String,
}

impl Method for SetLogLevel {
    const NAME: &'static str = "SetLogLevel";
    const ABOUT: &'static str = "Logs more or less, until the next reload or restart.";
    type Parameters = Level;
    type Reply = Nothing;

    fn change(Level { level }: &Level) -> Option<String> {
        Some(format!("log from {level:?} on, until the next reload or restart"))
    }
}

impl Answered for SetLogLevel {
    async fn answer(desk: &Desk, caller: Caller, Level { level }: Level) -> Result<Nothing, Refused> {
        let level = LogLevel::named(&level).ok_or_else(|| Refused::NotAcceptable {
            reason: format!("{level:?} is no level: there are error, warn, info, debug and trace"),
        })?;
        desk.order(caller, |done| Task::SetLogLevel(level, done)).await?;
        Ok(Nothing {})
    }
}
