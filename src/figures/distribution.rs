//! What a histogram says of a moment, and of the time between two.

/// How many values fell between which bounds.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Distribution {
    bounds: Vec<f64>,
    /// One more than bounds: the last is what fell beyond.
    counts: Vec<u64>,
    sum: f64,
}

impl Distribution {
    pub(super) fn new(bounds: Vec<f64>, counts: Vec<u64>, sum: f64) -> Self {
        debug_assert_eq!(bounds.len() + 1, counts.len());
        Self { bounds, counts, sum }
    }

    /// How many values there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// What they come to together.
    #[must_use]
    pub fn sum(&self) -> f64 {
        self.sum
    }

    /// Each upper bound, and how many fell below it and not below the one before. The last bound is beyond all.
    pub fn buckets(&self) -> impl Iterator<Item = (f64, u64)> {
        self.bounds.iter().copied().chain([f64::INFINITY]).zip(self.counts.iter().copied())
    }

    /// The value that such a part of all is not above, as far as bounds can tell: between two, it is taken to lie where it
    /// would if all lay evenly. `None`: there were none. What fell beyond the last bound counts as that bound.
    #[must_use]
    pub fn quantile(&self, part: f64) -> Option<f64> {
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        let number = |count: u64| count as f64;
        let rank = number(self.count()) * part;
        let (mut below, mut lower) = (0.0, 0.0);
        for (bound, count) in self.buckets() {
            if count > 0 && below + number(count) >= rank {
                let last = self.bounds.last().copied().unwrap_or_default();
                return Some(if bound > last {
                    last
                } else {
                    lower + (bound - lower) * (rank - below) / number(count)
                });
            }
            below += number(count);
            lower = bound;
        }
        None
    }

    /// What came since an earlier moment of the same histogram.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let before = earlier.counts.iter().copied().chain(std::iter::repeat(0));
        let counts = self.counts.iter().zip(before).map(|(now, before)| now.saturating_sub(before)).collect();
        Self { bounds: self.bounds.clone(), counts, sum: (self.sum - earlier.sum).max(0.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn distribution(counts: [u64; 4]) -> Distribution {
        Distribution::new(vec![1.0, 2.0, 10.0], counts.to_vec(), 0.0)
    }

    #[test]
    #[expect(clippy::float_cmp, reason = "these are exact")]
    fn quantiles_lie_between_the_bounds_in_which_they_fall() {
        assert_eq!(distribution([0; 4]).quantile(0.5), None);
        let four = distribution([2, 0, 2, 0]);
        assert_eq!(four.quantile(0.25).unwrap(), 0.5);
        assert_eq!(four.quantile(0.5).unwrap(), 1.0);
        assert_eq!(four.quantile(0.75).unwrap(), 6.0);
        assert_eq!(four.quantile(1.0).unwrap(), 10.0);
        // What is beyond the last bound is that at least.
        assert_eq!(distribution([1, 0, 0, 99]).quantile(0.99).unwrap(), 10.0);
        assert_eq!(distribution([0, 0, 0, 1]).quantile(0.5).unwrap(), 10.0);
    }

    #[test]
    fn between_two_moments_counts_what_came_between() {
        let (before, now) = (distribution([1, 2, 3, 0]), distribution([1, 5, 3, 1]));
        assert_eq!(now.since(&before), distribution([0, 3, 0, 1]));
        assert_eq!(now.since(&Distribution::default()), now);
    }
}
