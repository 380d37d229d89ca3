//! Whence connections come: how many from each source, and what it has asked for lately.

use super::Meter;
use crate::domain::Source;
use std::collections::HashMap;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// With fewer sources, nothing is tidied up.
const FEW: usize = 1024;

/// See the module. It holds those who have a connection, those who owe something, and as many others at the most.
#[derive(Debug, Default)]
pub struct Sources {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    known: HashMap<Source, Arc<Shared>>,
    /// With so many, those who have nothing and owe nothing are forgotten.
    tidy_at: usize,
}

/// What all connections of one source share. Its count is the references to it, but the one in the table.
#[derive(Debug, Default)]
struct Shared {
    meter: Meter,
    /// Whether it was said that it has used up something.
    told: AtomicBool,
}

/// A place that a connection takes of those that its source may have; given back when it is dropped.
#[derive(Debug)]
pub struct Seat(Arc<Shared>);

impl Seat {
    /// What all connections of the source have spent together.
    #[must_use]
    pub fn meter(&self) -> &Meter {
        &self.0.meter
    }
}

impl Sources {
    /// A place, if the source has fewer than `max`.
    #[must_use]
    pub fn admit(&self, source: Source, max: usize) -> Option<Seat> {
        let seat = self.seat(source);
        // One reference is the table's, and one the new seat's.
        if Arc::strong_count(&seat.0) - 2 >= max {
            return None;
        }
        seat.0.told.store(false, Relaxed);
        Some(seat)
    }

    /// A place, however many the source has.
    #[must_use]
    pub fn seat(&self, source: Source) -> Seat {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.known.len() >= state.tidy_at.max(FEW) && !state.known.contains_key(&source) {
            let now = Instant::now();
            state.known.retain(|_, shared| Arc::strong_count(shared) > 1 || !shared.meter.is_paid_off(now));
            state.tidy_at = state.known.len() * 2;
        }
        Seat(Arc::clone(state.known.entry(source).or_default()))
    }

    /// Whether this is the first refusal of a source since one of its connections was admitted: it is worth a record then.
    pub fn is_news(&self, source: Source) -> bool {
        !self.seat(source).0.told.swap(true, Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Budget;
    use std::time::Duration;

    fn source(number: u32) -> Source {
        Source::V4(number.into())
    }

    #[test]
    fn a_source_has_so_many_places_and_gets_those_back_that_it_leaves() {
        let sources = Sources::default();
        let first = sources.admit(source(1), 2).unwrap();
        let _second = sources.admit(source(1), 2).unwrap();
        assert!(sources.admit(source(1), 2).is_none());
        assert!(sources.admit(source(2), 2).is_some());
        drop(first);
        assert!(sources.admit(source(1), 2).is_some());
    }

    #[test]
    fn a_refusal_is_news_once_until_somebody_is_admitted() {
        let sources = Sources::default();
        assert!(sources.is_news(source(1)) && !sources.is_news(source(1)) && sources.is_news(source(2)));
        let _seat = sources.admit(source(1), 1);
        assert!(sources.is_news(source(1)));
    }

    #[test]
    fn who_has_gone_and_owes_nothing_is_forgotten_and_who_owes_is_not() {
        let sources = Sources::default();
        let budget = Budget { burst: 1, refill: Duration::from_hours(1) };
        let here = sources.seat(source(1));
        sources.seat(source(2)).meter().spend(budget, Instant::now());
        for number in 10..100_000 {
            let _seat = sources.seat(source(number));
            assert!(sources.state.lock().unwrap().known.len() <= FEW);
        }
        assert!(Arc::strong_count(&here.0) == 2);
        assert!(sources.seat(source(2)).meter().wait(budget, Instant::now()).is_some());
    }
}
