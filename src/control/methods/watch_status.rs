//! How the daemon is, again and again.

use super::{Method, Parts, Streamed};
use crate::control::interface::Refused;
use crate::control::status::Status;
use crate::control::{Caller, Desk};
use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};
use zlink::introspect;

/// How often, in milliseconds.
const EVERY: RangeInclusive<u64> = 100..=60_000;

pub(in crate::control) struct WatchStatus;

/// How often.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, introspect::Type)]
#[serde(deny_unknown_fields)]
pub(in crate::control) struct Every {
    /// From 100 to 60000.
    pub(in crate::control) milliseconds: u64,
}

/// How things are. Latencies are those of the seconds before; in the first part, of all the time since the start.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, introspect::Type)]
pub(in crate::control) struct Moment {
    /// Since the part before; in the first part, since the start.
    pub(in crate::control) seconds: f64,
    pub(in crate::control) status: Status,
}

impl Method for WatchStatus {
    const NAME: &'static str = "WatchStatus";
    const ABOUT: &'static str = "How the daemon is, again and again, until the caller goes away.";
    type Parameters = Every;
    type Reply = Moment;

    fn change(_: &Every) -> Option<String> {
        None
    }
}

impl Streamed for WatchStatus {
    async fn answer(desk: &Desk, _: Caller, every: Every, parts: Parts<Moment>) -> Result<Moment, Refused> {
        if !EVERY.contains(&every.milliseconds) {
            let reason = format!("an interval is from {} to {} milliseconds", EVERY.start(), EVERY.end());
            return Err(Refused::NotAcceptable { reason });
        }
        let mut before = desk.report().await?;
        let (mut at, mut seconds) = (Instant::now(), before.daemon.uptime.as_secs_f64());
        let mut status = Status::of(&before, None);
        loop {
            parts.send(&Moment { seconds, status }).await;
            tokio::time::sleep(Duration::from_millis(every.milliseconds)).await;
            let report = desk.report().await?;
            seconds = at.elapsed().as_secs_f64();
            at = Instant::now();
            status = Status::of(&report, Some(&before));
            before = report;
        }
    }
}
