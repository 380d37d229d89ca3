//! Numbers that go up, and numbers that go up and down.

use super::Counts;
use std::array;
use std::cell::Cell;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize};

/// Counts what is seldom, or what one thread does.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// So many more.
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Relaxed);
    }

    /// How many so far.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// How much there is of something just now.
#[derive(Debug, Default)]
pub struct Level(AtomicI64);

impl Level {
    /// There was so much, and there is so much now.
    pub fn change(&self, from: usize, to: usize) {
        let number = |size: usize| i64::try_from(size).unwrap_or(i64::MAX);
        self.0.fetch_add(number(to).wrapping_sub(number(from)), Relaxed);
    }

    /// How much. Changes that overtake each other may make it less than nothing for a moment: then nothing.
    #[must_use]
    pub fn get(&self) -> u64 {
        u64::try_from(self.0.load(Relaxed)).unwrap_or_default()
    }
}

/// Threads count on so many lines; with more threads, some share one.
const LINES: usize = 8;

/// Counters on cache lines that one thread, or a few, write to. As long as two lines: processors fetch pairs.
#[derive(Debug)]
#[repr(align(128))]
struct Line<const N: usize>([AtomicU64; N]);

impl<const N: usize> Default for Line<N> {
    fn default() -> Self {
        Self(array::from_fn(|_| AtomicU64::new(0)))
    }
}

/// The line of this thread.
fn line() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    const NONE: usize = usize::MAX;
    thread_local!(static MINE: Cell<usize> = const { Cell::new(NONE) });
    // A thread that is ending has none any more.
    MINE.try_with(|mine| {
        if mine.get() == NONE {
            mine.set(NEXT.fetch_add(1, Relaxed) % LINES);
        }
        mine.get()
    })
    .unwrap_or_default()
}

/// Counts what many threads do all the time.
#[derive(Debug, Default)]
pub struct Spread(Box<[Line<1>; LINES]>);

impl Spread {
    /// So many more.
    pub fn add(&self, count: u64) {
        self.0[line()].0[0].fetch_add(count, Relaxed);
    }

    /// How many so far.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.iter().fold(0, |sum, line| sum.wrapping_add(line.0[0].load(Relaxed)))
    }
}

/// Counts things of several kinds, each with a name that is known beforehand. Many threads may do so all the time.
#[derive(Debug)]
pub struct Labelled<const N: usize> {
    names: [&'static str; N],
    lines: Box<[Line<N>; LINES]>,
}

impl<const N: usize> Labelled<N> {
    /// For these kinds. What is of none of them counts as the last.
    #[must_use]
    pub fn of(names: [&'static str; N]) -> Self {
        Self { names, lines: Box::default() }
    }

    /// One more of a kind.
    pub fn count(&self, name: &str) {
        let place = self.names.iter().position(|known| *known == name).unwrap_or(N - 1);
        self.lines[line()].0[place].fetch_add(1, Relaxed);
    }

    /// How many of each kind so far, in the order of the names.
    #[must_use]
    pub fn read(&self) -> Counts {
        let sum =
            |place: usize| self.lines.iter().fold(0, |sum: u64, line| sum.wrapping_add(line.0[place].load(Relaxed)));
        self.names.iter().enumerate().map(|(place, name)| (*name, sum(place))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn what_many_threads_count_is_counted_once_each() {
        let (spread, labelled) = (Spread::default(), Labelled::of(["a", "b", "other"]));
        thread::scope(|scope| {
            for _ in 0..3 * LINES {
                scope.spawn(|| {
                    for _ in 0..100 {
                        spread.add(2);
                        labelled.count("b");
                    }
                    labelled.count("what nobody has a name for");
                });
            }
        });
        let threads = 3 * LINES as u64;
        assert_eq!(spread.get(), threads * 200);
        assert_eq!(labelled.read(), [("a", 0), ("b", threads * 100), ("other", threads)]);
    }

    #[test]
    fn threads_count_on_lines_of_their_own() {
        let mine = line();
        assert_eq!(line(), mine);
        let others: Vec<_> = (0..LINES).map(|_| thread::spawn(line).join().unwrap()).collect();
        assert!(others.iter().any(|other| *other != mine));
        assert!(size_of::<Line<1>>() == 128 && align_of::<Line<1>>() == 128);
    }

    #[test]
    fn a_level_goes_up_and_down_and_is_never_less_than_nothing() {
        let level = Level::default();
        level.change(0, 700);
        level.change(700, 300);
        assert_eq!(level.get(), 300);
        level.change(500, 0);
        assert_eq!(level.get(), 0);
    }
}
