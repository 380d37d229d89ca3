//! What is on the screen: the newest moment, and what came of the ones before.

use crate::control::methods::watch_status::Moment;
use crate::control::status::Status;
use std::collections::VecDeque;

/// Moments that are remembered: as wide as any screen.
const REMEMBERED: usize = 500;

/// See the module.
pub(super) struct Board {
    pub(super) status: Status,
    /// So long ago was the moment before.
    seconds: f64,
    before: Option<Status>,
    /// Messages in a second, the newest first.
    history: VecDeque<u64>,
}

impl Board {
    pub(super) fn of(first: Moment) -> Self {
        Self { status: first.status, seconds: first.seconds, before: None, history: VecDeque::new() }
    }

    pub(super) fn take(&mut self, moment: Moment) {
        self.seconds = moment.seconds;
        self.before = Some(std::mem::replace(&mut self.status, moment.status));
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate is not negative")]
        let rate = self.rate(|status| status.messages_accepted).round() as u64;
        self.history.push_front(rate);
        self.history.truncate(REMEMBERED);
    }

    /// How much more in each second, since the moment before. The first has none.
    pub(super) fn rate(&self, count: impl Fn(&Status) -> u64) -> f64 {
        let Some(before) = &self.before else { return 0.0 };
        // Another daemon has begun anew.
        let more = count(&self.status).saturating_sub(count(before));
        #[expect(clippy::cast_precision_loss, reason = "what is shown has three digits")]
        let more = more as f64;
        more / self.seconds.max(0.001)
    }

    /// How much of one CPU it has taken since the moment before.
    pub(super) fn cpu(&self) -> Option<f64> {
        let now = self.status.process.as_ref()?.cpu_seconds;
        let before = self.before.as_ref()?.process.as_ref()?.cpu_seconds;
        Some((now - before).max(0.0) / self.seconds.max(0.001))
    }

    /// Messages in a second, from the oldest that there is room for to the newest.
    pub(super) fn history(&self, room: usize) -> Vec<u64> {
        self.history.iter().take(room).rev().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(messages_accepted: u64) -> Moment {
        Moment { seconds: 2.0, status: Status { messages_accepted, ..Status::default() } }
    }

    #[test]
    #[expect(clippy::float_cmp, reason = "these are exact")]
    fn rates_are_of_the_time_between_two_moments() {
        let mut board = Board::of(moment(100));
        assert_eq!(board.rate(|status| status.messages_accepted), 0.0);
        board.take(moment(140));
        assert_eq!(board.rate(|status| status.messages_accepted), 20.0);
        board.take(moment(142));
        assert_eq!(board.history(9), [20, 1]);
        assert_eq!(board.history(1), [1]);
        // A daemon that was started in between.
        board.take(moment(3));
        assert_eq!(board.history(1), [0]);
        for _ in 0..2 * REMEMBERED {
            board.take(moment(3));
        }
        assert_eq!(board.history.len(), REMEMBERED);
    }
}
