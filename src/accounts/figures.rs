//! What the accounts count of themselves.

use super::Accounts;
use crate::figures::{self, Labelled};

pub(super) const LOG_INS_OF_SOURCE: &str = "source_log_ins";
pub(super) const FAILURES_OF_SOURCE: &str = "source_failures";
pub(super) const FAILURES_OF_ACCOUNT: &str = "account_failures";
pub(super) const SIGN_UPS_OF_SOURCE: &str = "source_sign_ups";
pub(super) const SIGN_UPS: &str = "sign_ups";
const HASHING_QUEUE: &str = "hashing_queue";

/// The attempts that were told to try later, by the key of the configuration that says how many there may be.
#[derive(Debug)]
pub(super) struct Throttled(Labelled<5>);

impl Default for Throttled {
    fn default() -> Self {
        let keys = [LOG_INS_OF_SOURCE, FAILURES_OF_SOURCE, FAILURES_OF_ACCOUNT, SIGN_UPS_OF_SOURCE, SIGN_UPS];
        Self(Labelled::of(keys))
    }
}

impl Throttled {
    pub(super) fn count(&self, key: &'static str) {
        self.0.count(key);
    }
}

impl Accounts {
    /// What was counted of hashing and of throttling.
    #[must_use]
    pub fn figures(&self) -> figures::Accounts {
        let (hashing, hashing_queue, refused) = self.hasher.figures();
        let mut throttled = self.throttled.0.read();
        throttled.push((HASHING_QUEUE, refused));
        figures::Accounts { hashing, hashing_queue, throttled }
    }
}
