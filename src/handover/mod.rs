//! What one process leaves to the next: connections that go on, and what must be known to take them up.
//!
//! systemd keeps three kinds of things for us while no process runs (`FileDescriptorStoreMax=` of systemd.service(5)):
//!
//! - **each connection**, under a name of its own, from soon after it was accepted until it closes ([`keeper`]);
//! - **the roll** ([`roll`]): memory with one line for each connection, which says whether it stands between two packets,
//!   whose session it carries and how far its mail was written. It is true at each moment, so it is what is left after
//!   a crash;
//! - **the state** ([`state`]): what an orderly stop writes down about each connection, half-read requests and unsent
//!   packets included. Where there is one, it counts, and the roll only confirms that it is the newest.
//!
//! A process that starts takes what it finds for claims, not for truths ([`Inheritance`]): a line counts for the socket
//! with its cookie (`SO_COOKIE` of socket(7)) and no other, and whatever is odd costs the connection that it is about,
//! which is closed, its contacts being told. Nothing of it ever touches a disk.
//!
//! Errors: [`io::Error`], with the memory file's name, and [`StateFault`]; neither ends a daemon.
//!
//! Must not be here: what a connection does with it, tokio, SQL.

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod inheritance;
pub mod keeper;
pub mod roll;
pub mod state;

pub use inheritance::{Gone, Inheritance, Kept};
pub use keeper::{Descriptor, Line};
pub use state::StateFault;

use crate::host::descriptor_store::DescriptorStore;
use crate::host::memory_file;
use keeper::Keeper;
use roll::Roll;
use state::State;
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;

/// Descriptors of our own in the store, besides those of connections: the roll and the state.
pub const OUR_OWN: usize = 2;

/// The roll's name in the store.
const ROLL: &str = "roll";
/// The state's name in the store.
const STATE: &str = "state";

/// Whether something of that name in the store is ours.
#[must_use]
pub fn is_name(name: &str) -> bool {
    matches!(name, ROLL | STATE) || roll::index(name).is_some()
}

/// How the next process will find things. One for the whole daemon.
pub struct Handover {
    roll: Arc<Roll>,
    keeper: Keeper,
}

impl Handover {
    /// Begins to keep: the roll now, connections as they come, and none of those once more whose lines are `stored`
    /// ([`Inheritance::stored`]).
    ///
    /// # Errors
    /// When there is no thread to be had, or systemd does not take the roll.
    pub fn begin(store: DescriptorStore, roll: Roll, stored: &[usize]) -> io::Result<Self> {
        store.put(ROLL, roll.file())?;
        let roll = Arc::new(roll);
        let keeper = Keeper::start(store, Arc::clone(&roll), stored)?;
        Ok(Self { roll, keeper })
    }

    /// A line of the roll for a new connection, if there is one left. `cookie` is the socket's.
    #[must_use]
    pub fn enter(&self, cookie: u64) -> Option<Line> {
        let index = self.roll.enter(cookie)?;
        Some(Line::new(Arc::clone(&self.roll), self.keeper.tasks(), index))
    }

    /// The line of a connection that was inherited, or that of one that is [`Gone`].
    #[must_use]
    pub fn take_up(&self, index: usize) -> Line {
        Line::new(Arc::clone(&self.roll), self.keeper.tasks(), index)
    }

    /// Puts the state beside all that is kept, and waits until systemd has it: nothing may follow but the end of the
    /// process.
    ///
    /// # Errors
    /// Then the next process finds no state, or may not: it goes by the roll.
    pub fn end(&self, mut state: State) -> io::Result<()> {
        self.roll.close();
        let store = self.keeper.finish()?;
        state.epoch = self.roll.epoch();
        let file = memory_file::sealed(STATE, &state.encode())?;
        // None is there, unless one that was odd could not be removed.
        store.remove(STATE)?;
        store.put(STATE, file.as_fd())?;
        store.settle()
    }
}
