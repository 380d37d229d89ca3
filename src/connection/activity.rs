//! Whether somebody is at a connection: one turn at a time, and none for one of whom nothing was heard.

use std::sync::OnceLock;
use std::sync::atomic::AtomicU8;
use std::sync::atomic::Ordering::{AcqRel, Acquire};
use std::time::Duration;
use tokio::sync::Notify;

/// A turn is under way, or the last was.
const BUSY: u8 = 1;
/// Something has happened since the turn last began to look.
const AGAIN: u8 = 2;
/// Nothing will come behind what has come.
const HUNG_UP: u8 = 4;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Activity {
    flags: AtomicU8,
    /// Of a turn that has once waited for more.
    heard: OnceLock<Box<Notify>>,
}

impl Activity {
    /// Something has happened. True: the caller begins a turn; else one is under way, and will look again.
    pub(super) fn rouse(&self, hung_up: bool) -> bool {
        let flags = BUSY | AGAIN | if hung_up { HUNG_UP } else { 0 };
        let before = self.flags.fetch_or(flags, AcqRel);
        if let Some(heard) = self.heard.get() {
            heard.notify_one();
        }
        before & BUSY == 0
    }

    /// The turn looks at what there is. What happens from now on makes it look again.
    pub(super) fn look(&self) {
        self.flags.fetch_and(!AGAIN, AcqRel);
    }

    /// Within a turn: whether something happens before so much time has passed. It may have happened a little earlier.
    pub(super) async fn hear_within(&self, time: Duration) -> bool {
        let heard = self.heard.get_or_init(Box::default);
        // Whoever rouses from here on finds the bell.
        if self.flags.fetch_and(!AGAIN, AcqRel) & AGAIN != 0 {
            return true;
        }
        tokio::time::timeout(time, heard.notified()).await.is_ok()
    }

    /// The turn is over, unless something has happened meanwhile: then false, and it goes on.
    pub(super) fn rest(&self) -> bool {
        let over = |flags| (flags & AGAIN == 0).then_some(flags & !BUSY);
        self.flags.fetch_update(AcqRel, Acquire, over).is_ok()
    }

    /// Whether the peer has closed its half, or the connection has failed: the kernel says so once, and it may be behind
    /// what was not read yet.
    pub(super) fn has_hung_up(&self) -> bool {
        self.flags.load(Acquire) & HUNG_UP != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happens_during_a_turn_prolongs_it_and_begins_no_other() {
        let activity = Activity::default();
        assert!(activity.rouse(false));
        activity.look();
        assert!(!activity.rouse(false));
        assert!(!activity.rest());
        activity.look();
        assert!(activity.rest());
        assert!(activity.rouse(false));
    }

    #[tokio::test]
    async fn a_turn_that_waits_for_more_hears_it_whenever_it_comes() {
        let activity = Activity::default();
        activity.rouse(false);
        activity.look();
        activity.rouse(false);
        assert!(activity.hear_within(Duration::from_hours(1)).await);
        let (heard, ()) = tokio::join!(activity.hear_within(Duration::from_hours(1)), async {
            activity.rouse(false);
        });
        assert!(heard);
        activity.look();
        assert!(!activity.hear_within(Duration::ZERO).await);
    }

    #[test]
    fn the_end_is_remembered() {
        let activity = Activity::default();
        activity.rouse(true);
        activity.look();
        assert!(activity.rest());
        activity.rouse(false);
        assert!(activity.has_hung_up());
    }
}
