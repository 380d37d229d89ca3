//! Waiting for what can only be asked for.

use super::PATIENCE;
use std::time::Instant;

/// Runs out for a scene that fails.
pub struct Deadline(Instant);

impl Deadline {
    pub fn new() -> Self {
        Self(Instant::now() + PATIENCE)
    }

    #[track_caller]
    pub fn check(&self, what: &str) {
        assert!(Instant::now() < self.0, "in vain: {what}");
    }
}

/// Asks again and again until there is an answer.
#[track_caller]
pub fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Deadline::new();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        deadline.check(what);
        std::thread::yield_now();
    }
}
