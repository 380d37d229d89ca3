//! How long things take, and how large they are: how many of them fell between which bounds.

use super::Distribution;
use std::array;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// Bounds of durations, in microseconds: from what memory takes to what nobody has patience for.
const MICROSECONDS: [u64; 18] = [
    50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000,
    5_000_000, 10_000_000, 30_000_000,
];

/// Bounds of sizes.
const SIZES: [u64; 11] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024];

/// So many values were at most as large as a bound, and larger than the one before.
#[derive(Debug)]
struct Histogram<const N: usize> {
    bounds: &'static [u64; N],
    within: [AtomicU64; N],
    beyond: AtomicU64,
    sum: AtomicU64,
}

impl<const N: usize> Histogram<N> {
    fn new(bounds: &'static [u64; N]) -> Self {
        Self {
            bounds,
            within: array::from_fn(|_| AtomicU64::new(0)),
            beyond: AtomicU64::new(0),
            sum: AtomicU64::new(0),
        }
    }

    fn record(&self, value: u64) {
        let place = self.bounds.partition_point(|bound| *bound < value);
        self.within.get(place).unwrap_or(&self.beyond).fetch_add(1, Relaxed);
        self.sum.fetch_add(value, Relaxed);
    }

    fn read(&self, unit: f64) -> Distribution {
        let counts = self.within.iter().chain([&self.beyond]).map(|count| count.load(Relaxed)).collect();
        let scaled = |value: u64| {
            #[expect(clippy::cast_precision_loss, reason = "what is lost is less than a microsecond in a century")]
            let value = value as f64;
            value / unit
        };
        let bounds = self.bounds.iter().map(|bound| scaled(*bound)).collect();
        Distribution::new(bounds, counts, scaled(self.sum.load(Relaxed)))
    }
}

/// How long things take. Cheap: three additions; whoever records has looked at the clock.
#[derive(Debug)]
pub struct Durations(Histogram<{ MICROSECONDS.len() }>);

impl Default for Durations {
    fn default() -> Self {
        Self(Histogram::new(&MICROSECONDS))
    }
}

impl Durations {
    /// One more took so long.
    pub fn record(&self, duration: Duration) {
        // In 64 bits, which divide faster than the 128 of as_micros(); it lasts for half a million years.
        self.0.record(duration.as_secs().saturating_mul(1_000_000) + u64::from(duration.subsec_micros()));
    }

    /// In seconds.
    #[must_use]
    pub fn read(&self) -> Distribution {
        self.0.read(1e6)
    }
}

/// How many things come together.
#[derive(Debug)]
pub struct Sizes(Histogram<{ SIZES.len() }>);

impl Default for Sizes {
    fn default() -> Self {
        Self(Histogram::new(&SIZES))
    }
}

impl Sizes {
    /// So many came together once more.
    pub fn record(&self, size: usize) {
        self.0.record(u64::try_from(size).unwrap_or(u64::MAX));
    }

    /// As numbers.
    #[must_use]
    pub fn read(&self) -> Distribution {
        self.0.read(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_go_up() {
        assert!(MICROSECONDS.is_sorted() && SIZES.is_sorted());
    }

    #[test]
    fn each_value_falls_below_the_first_bound_that_holds_it() {
        let durations = Durations::default();
        for micros in [0, 50, 51, 1_000, 1_001, 40_000_000] {
            durations.record(Duration::from_micros(micros));
        }
        let read = durations.read();
        let counts: Vec<_> = read.buckets().filter(|(_, count)| *count > 0).collect();
        assert_eq!(counts, [(0.000_05, 2), (0.000_1, 1), (0.001, 1), (0.002_5, 1), (f64::INFINITY, 1)]);
        assert_eq!(read.count(), 6);
        assert!((read.sum() - 40.002_102).abs() < 1e-9, "{}", read.sum());
        let sizes = Sizes::default();
        sizes.record(3);
        assert_eq!(sizes.read().buckets().find(|(_, count)| *count > 0), Some((4.0, 1)));
    }
}
