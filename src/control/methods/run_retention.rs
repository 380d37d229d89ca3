//! Let go now of what mailboxes keep no longer, or say how much that would be.

use super::{Method, Parts, Streamed};
use crate::accounts;
use crate::control::interface::Refused;
use crate::control::{Caller, Desk};
use crate::store::{Limits, Round};
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};
use zlink::introspect;

/// A word now and then, not for each of thousands of steps.
const BETWEEN_PARTS: Duration = Duration::from_millis(100);

pub(in crate::control) struct RunRetention;

/// How.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize, introspect::Type)]
#[serde(deny_unknown_fields)]
pub(in crate::control) struct How {
    /// Nothing goes.
    #[serde(default)]
    pub(in crate::control) only_look: bool,
}

/// How far it is. It is done when this is the last part.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize, introspect::Type)]
pub(in crate::control) struct Gone {
    /// So many mailboxes were looked through.
    pub(in crate::control) mailboxes: u64,
    /// Of so many.
    pub(in crate::control) of: u64,
    /// They have let go of so many entries that had been delivered.
    pub(in crate::control) delivered: u64,
    /// And of so many that had not.
    pub(in crate::control) undelivered: u64,
    /// So many messages are gone, since no mailbox holds them any more. Not known when it was only looked.
    pub(in crate::control) messages: Option<u64>,
    /// The database's file is so many bytes shorter.
    pub(in crate::control) given_back: u64,
}

impl Gone {
    fn of(round: &Round, of: u64, how: &How) -> Self {
        let so_far = round.so_far();
        Self {
            mailboxes: so_far.mailboxes,
            of: of.max(so_far.mailboxes),
            delivered: so_far.delivered,
            undelivered: so_far.undelivered,
            messages: (!how.only_look).then_some(so_far.messages),
            given_back: so_far.given_back,
        }
    }
}

impl Method for RunRetention {
    const NAME: &'static str = "RunRetention";
    const ABOUT: &'static str = "Lets go of what mailboxes keep no longer, or only looks what that would be.";
    type Parameters = How;
    type Reply = Gone;

    fn change(how: &How) -> Option<String> {
        (!how.only_look).then(|| "let go of what mailboxes keep no longer".to_owned())
    }
}

impl Streamed for RunRetention {
    async fn answer(desk: &Desk, _: Caller, how: How, parts: Parts<Gone>) -> Result<Gone, Refused> {
        let limits = Limits::from(&desk.settings.get().retention);
        let mut round = desk.core.store.retain(limits, accounts::now(), how.only_look);
        let of = round.mailboxes().await?;
        let mut told = Instant::now();
        while round.go_on().await? {
            if told.elapsed() >= BETWEEN_PARTS {
                parts.send(&Gone::of(&round, of, &how)).await;
                told = Instant::now();
            }
        }
        Ok(Gone::of(&round, of, &how))
    }
}
