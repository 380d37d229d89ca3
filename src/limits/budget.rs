//! So much at once, and then one more each time that so long has passed: a generic cell rate (ITU-T I.371).

use std::sync::OnceLock;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

/// How much may be spent at once, and after how long one more may be.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    /// So much by one who has not spent anything for long; one at least.
    pub burst: u32,
    /// After so long, one more. Zero: there is no limit.
    pub refill: Duration,
}

impl Budget {
    /// What one may owe and still be given one more.
    pub(super) fn credit(self) -> Duration {
        self.refill * self.burst.saturating_sub(1)
    }
}

/// What one has spent: a single number, for one who is asked about often.
#[derive(Debug, Default)]
pub struct Meter {
    /// Until when it has been paid off, in nanoseconds since the first meter was looked at.
    paid_off: AtomicU64,
}

impl Meter {
    /// Spends one, whether or not there is any left.
    pub fn spend(&self, budget: Budget, now: Instant) {
        let (now, price) = (since_the_first(now), nanoseconds(budget.refill));
        let spent = |paid_off: u64| Some(paid_off.max(now).saturating_add(price));
        let _ = self.paid_off.fetch_update(Relaxed, Relaxed, spent);
    }

    /// How long until there is one to be spent; `None`: there is.
    #[must_use]
    pub fn wait(&self, budget: Budget, now: Instant) -> Option<Duration> {
        if budget.refill.is_zero() {
            return None;
        }
        let allowed = since_the_first(now).saturating_add(nanoseconds(budget.credit()));
        let over = self.paid_off.load(Relaxed).checked_sub(allowed)?;
        (over > 0).then(|| Duration::from_nanos(over))
    }

    /// Whether nothing is owed.
    #[must_use]
    pub fn is_paid_off(&self, now: Instant) -> bool {
        self.paid_off.load(Relaxed) <= since_the_first(now)
    }
}

fn since_the_first(now: Instant) -> u64 {
    static FIRST: OnceLock<Instant> = OnceLock::new();
    nanoseconds(now.saturating_duration_since(*FIRST.get_or_init(|| now)))
}

/// Five centuries are enough.
fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUDGET: Budget = Budget { burst: 3, refill: Duration::from_secs(10) };

    #[test]
    fn after_the_burst_one_waits_as_long_as_is_owed() {
        let (meter, start) = (Meter::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        for _ in 0..3 {
            assert_eq!(meter.wait(BUDGET, start), None);
            meter.spend(BUDGET, start);
        }
        assert_eq!(meter.wait(BUDGET, start), Some(Duration::from_secs(10)));
        assert_eq!(meter.wait(BUDGET, at(9)), Some(Duration::from_secs(1)));
        assert_eq!(meter.wait(BUDGET, at(10)), None);
        // What was spent beyond the budget is owed as well.
        meter.spend(BUDGET, at(10));
        meter.spend(BUDGET, at(10));
        assert_eq!(meter.wait(BUDGET, at(10)), Some(Duration::from_secs(20)));
        assert!(!meter.is_paid_off(at(49)) && meter.is_paid_off(at(50)));
    }

    #[test]
    fn who_has_waited_long_has_no_more_than_the_burst() {
        let (meter, start) = (Meter::default(), Instant::now());
        let later = start + Duration::from_secs(100_000);
        meter.spend(BUDGET, start);
        for _ in 0..3 {
            meter.spend(BUDGET, later);
        }
        assert!(meter.wait(BUDGET, later).is_some());
    }

    #[test]
    fn what_costs_no_time_is_never_waited_for() {
        let (meter, now) = (Meter::default(), Instant::now());
        // Whatever was owed while it did.
        meter.spend(Budget { refill: Duration::from_hours(1), ..BUDGET }, now);
        let free = Budget { burst: 1, refill: Duration::ZERO };
        for _ in 0..1000 {
            meter.spend(free, now);
            assert_eq!(meter.wait(free, now), None);
        }
    }
}
