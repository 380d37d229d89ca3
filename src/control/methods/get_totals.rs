//! What is in the database.

use super::{Answered, Method, Nothing};
use crate::control::interface::Refused;
use crate::control::{Caller, Desk};
use serde::{Deserialize, Serialize};
use zlink::introspect;

pub(in crate::control) struct GetTotals;

/// How much there is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, introspect::Type)]
pub(in crate::control) struct Totals {
    pub(in crate::control) accounts: u64,
    pub(in crate::control) messages: u64,
    /// Of the database's file.
    pub(in crate::control) bytes: u64,
}

impl Method for GetTotals {
    const NAME: &'static str = "GetTotals";
    const ABOUT: &'static str =
        "Counts what is in the database. It goes through all messages, which may take some seconds.";
    type Parameters = Nothing;
    type Reply = Totals;

    fn change(_: &Nothing) -> Option<String> {
        None
    }
}

impl Answered for GetTotals {
    async fn answer(desk: &Desk, _: Caller, _: Nothing) -> Result<Totals, Refused> {
        let totals = desk.core.store.totals().await?;
        Ok(Totals { accounts: totals.accounts, messages: totals.messages, bytes: totals.bytes })
    }
}
