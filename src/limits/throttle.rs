//! What costs, such as a failed log-in: whoever has spent their budget waits.
//!
//! For each key one instant is kept, up to which its spending has been paid off.

use super::Budget;
use std::cmp::Reverse;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Keys remembered at most: when there are more, those who owe least are forgotten first.
const CAPACITY: usize = 100_000;

/// Who owes how much.
pub struct Throttle<Key> {
    paid_off: Mutex<HashMap<Key, Instant>>,
    capacity: usize,
}

impl<Key> Default for Throttle<Key> {
    fn default() -> Self {
        Self { paid_off: Mutex::default(), capacity: CAPACITY }
    }
}

impl<Key: Hash + Eq> Throttle<Key> {
    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Instant>> {
        self.paid_off.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Spends one of the key's budget; false, and nothing spent, if there is none left.
    pub fn spend(&self, key: Key, budget: Budget) -> bool {
        self.spend_at(key, budget, Instant::now())
    }

    fn spend_at(&self, key: Key, budget: Budget, now: Instant) -> bool {
        if budget.refill.is_zero() {
            return true;
        }
        let mut all = self.lock();
        let owed_until = all.get(&key).copied().unwrap_or(now).max(now);
        let all_spent = now + budget.credit();
        if owed_until > all_spent {
            return false;
        }
        if all.len() >= self.capacity && !all.contains_key(&key) {
            make_room(&mut all, now);
        }
        all.insert(key, owed_until + budget.refill);
        true
    }

    /// Gives one back that was no failure after all.
    pub fn refund(&self, key: &Key, budget: Budget) {
        let mut all = self.lock();
        if let Some(until) = all.get_mut(key)
            && let Some(earlier) = until.checked_sub(budget.refill)
        {
            *until = earlier;
        }
    }

    /// Who owes how much longer: as many as are asked for, those who owe most.
    pub fn debts(&self, most: usize) -> Vec<(Key, Duration)>
    where
        Key: Clone,
    {
        let now = Instant::now();
        let owing = |(key, until): (&Key, &Instant)| Some((key.clone(), until.checked_duration_since(now)?));
        let mut debts: Vec<_> = self.lock().iter().filter_map(owing).collect();
        debts.sort_unstable_by_key(|(_, rest)| Reverse(*rest));
        debts.truncate(most);
        debts
    }

    /// Lets a key owe for so long from now on.
    pub fn owe(&self, key: Key, rest: Duration) {
        self.lock().insert(key, Instant::now() + rest);
    }

    /// Forgets what a key owes.
    pub fn forget(&self, key: &Key) {
        self.lock().remove(key);
    }
}

/// Drops what is paid off, and of the rest an eighth, so that this is seldom done.
fn make_room<Key: Hash + Eq>(all: &mut HashMap<Key, Instant>, now: Instant) {
    let before = all.len();
    all.retain(|_, until| *until > now);
    if all.len() > before / 8 * 7 {
        let mut until: Vec<_> = all.values().copied().collect();
        let (_, limit, _) = until.select_nth_unstable(before / 8);
        let limit = *limit;
        all.retain(|_, until| *until > limit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUDGET: Budget = Budget { burst: 3, refill: Duration::from_secs(10) };

    #[test]
    fn after_the_burst_one_waits_and_then_has_one_more() {
        let throttle = Throttle::default();
        let start = Instant::now();
        let at = |seconds| throttle.spend_at("ann", BUDGET, start + Duration::from_secs(seconds));
        assert!(at(0) && at(0) && at(0));
        assert!(!at(0) && !at(9));
        assert!(at(10) && !at(10));
        assert!(at(100) && at(100) && at(100) && !at(100));
    }

    #[test]
    fn what_costs_no_time_is_never_refused_whoever_looked_at_the_clock_first() {
        let free = Budget { burst: 1, refill: Duration::ZERO };
        let (throttle, start) = (Throttle::default(), Instant::now());
        // Two at once: the later one has the lock first.
        assert!(throttle.spend_at("ann", free, start + Duration::from_millis(1)));
        assert!(throttle.spend_at("ann", free, start));
        // Nor is what was owed while it did cost.
        while throttle.spend_at("ann", BUDGET, start) {}
        assert!(throttle.spend_at("ann", free, start));
    }

    #[test]
    fn one_key_does_not_spend_the_budget_of_another() {
        let throttle = Throttle::default();
        let now = Instant::now();
        while throttle.spend_at("ann", BUDGET, now) {}
        assert!(throttle.spend_at("bob", BUDGET, now));
    }

    #[test]
    fn what_is_owed_goes_on_elsewhere_and_the_greatest_debts_first() {
        let throttle = Throttle::default();
        let now = Instant::now();
        while throttle.spend_at("ann", BUDGET, now) {}
        throttle.spend_at("bob", BUDGET, now);
        let next = Throttle::default();
        for (key, rest) in throttle.debts(1) {
            next.owe(key, rest);
        }
        assert!(!next.spend("ann", BUDGET));
        while next.spend_at("bob", BUDGET, now) {}
        assert_eq!(throttle.debts(9).iter().map(|(key, _)| *key).collect::<Vec<_>>(), ["ann", "bob"]);
        throttle.forget(&"ann");
        assert_eq!(throttle.debts(9).len(), 1);
    }

    #[test]
    fn what_is_refunded_or_forgotten_was_not_spent() {
        let throttle = Throttle::default();
        let now = Instant::now();
        while throttle.spend_at("ann", BUDGET, now) {}
        throttle.refund(&"ann", BUDGET);
        assert!(throttle.spend_at("ann", BUDGET, now) && !throttle.spend_at("ann", BUDGET, now));
        throttle.forget(&"ann");
        assert!(throttle.spend_at("ann", BUDGET, now));
    }

    #[test]
    fn memory_is_bounded_and_whoever_owes_most_is_remembered() {
        let throttle = Throttle { capacity: 64, ..Throttle::default() };
        let now = Instant::now();
        while throttle.spend_at(0, BUDGET, now) {}
        for stranger in 1..10_000 {
            throttle.spend_at(stranger, BUDGET, now);
            assert!(throttle.lock().len() <= 64);
        }
        assert!(!throttle.spend_at(0, BUDGET, now));
    }
}
