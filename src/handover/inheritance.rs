//! What the process before has left, checked.

use super::roll::{self, Entry, Roll};
use super::state::{self, Debts, State, StateFault};
use super::{ROLL, STATE};
use crate::domain::AccountId;
use crate::host::descriptor_store::DescriptorStore;
use crate::host::journal::Chain;
use crate::host::memory_file;
use crate::host::sockets::Stored;
use socket2::SockRef;
use std::cell::Cell;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use zeroize::Zeroizing;

/// See the module above. Until they are told otherwise, contacts of `gone` believe them online.
pub struct Inheritance {
    /// The roll: that of the process before, or a new one.
    pub roll: Roll,
    /// Connections to go on with.
    pub kept: Vec<Kept>,
    /// Whose session ended with the process, or while there was none.
    pub gone: Vec<Gone>,
    /// Lines under whose names systemd has something: what is kept, but for what must be stored anew; and what could not
    /// be removed.
    pub stored: Vec<usize>,
    /// Whether the process before had time to write down its state.
    pub orderly: bool,
    /// What failed log-ins had cost by then.
    pub debts: Debts,
}

/// An account of whose session nothing is left, but that its contacts may have been told of it. Its line is still on the roll, so that a crash before its contacts were told loses no news:
/// [taken up](super::Handover::take_up), it is given back when it is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gone {
    /// Whose.
    pub account: AccountId,
    /// Its line in the roll, which it may share with another.
    pub line: usize,
}

/// A connection to go on with.
pub struct Kept {
    /// Its line in the roll.
    pub line: usize,
    /// Its socket.
    pub socket: OwnedFd,
    /// What the roll says of it.
    pub entry: Entry,
    /// What the state says of it. Without: the process has crashed, and the connection stands between two packets.
    pub state: Option<state::Connection>,
}

impl Inheritance {
    /// Sorts what was in the store. What can't be used is closed there and here, with a record that says why.
    ///
    /// # Errors
    /// When the kernel has no memory for a roll.
    pub fn sort(found: Vec<Stored>, store: &DescriptorStore) -> io::Result<Self> {
        let store = Store { store, is_stuck: Cell::new(false) };
        let (mut rolls, mut states, mut sockets) = (Vec::new(), Vec::new(), BTreeMap::<_, Vec<_>>::new());
        for (name, descriptor) in found {
            match (name.as_str(), roll::index(&name)) {
                (ROLL, _) => rolls.push(descriptor),
                (STATE, _) => states.push(descriptor),
                (_, Some(line)) => sockets.entry(line).or_default().push(descriptor),
                _ => {
                    tracing::warn!(name, "systemd kept a descriptor that is none of ours; it is closed");
                    store.forget(&name);
                }
            }
        }
        let roll = open(rolls, &store)?;
        let state = read(states, &roll, &store);
        let orderly = state.is_some();
        let State { connections, debts, .. } = state.unwrap_or_default();
        let mut states: HashMap<_, _> = connections.into_iter().map(|state| (state.line, state)).collect();
        let mut inheritance = Self { roll, kept: Vec::new(), gone: Vec::new(), stored: Vec::new(), orderly, debts };
        for (line, sockets) in sockets {
            let state = states.remove(&u32::try_from(line).unwrap_or(0));
            inheritance.sort_line(line, sockets, state, &store);
        }
        inheritance.sort_rest();
        Ok(inheritance)
    }

    /// What was stored under the name of a line.
    fn sort_line(&mut self, line: usize, sockets: Vec<OwnedFd>, state: Option<state::Connection>, store: &Store<'_>) {
        let name = roll::name(line);
        let entry = self.roll.entry(line);
        let is_it =
            |socket: &OwnedFd| entry.is_some_and(|entry| SockRef::from(socket).cookie().ok() == Some(entry.cookie));
        let (own, others): (Vec<_>, Vec<_>) = sockets.into_iter().partition(is_it);
        if entry.is_none() {
            tracing::debug!(name, "a connection that had ended is closed");
        } else if !others.is_empty() {
            tracing::warn!(name, "a connection is not the one that the roll has under its name; it is closed");
        }
        let is_alone = others.is_empty();
        others.iter().for_each(close);
        let mut is_kept = false;
        if let (Some(socket), Some(entry)) = (own.into_iter().next(), entry) {
            if self.can_go_on(&name, entry, state.as_ref()) {
                self.kept.push(Kept { line, socket, entry, state });
                is_kept = true;
            } else {
                close(&socket);
            }
        }
        // All of one name are removed at once. What is kept is stored anew then, when it is taken up.
        if (is_kept && is_alone) || !store.forget(&name) {
            self.stored.push(line);
        }
    }

    /// The lines whose connections do not go on.
    fn sort_rest(&mut self) {
        let kept: HashSet<usize> = self.kept.iter().map(|kept| kept.line).collect();
        let stored: HashSet<usize> = self.stored.iter().copied().collect();
        let without: Vec<usize> = self.roll.taken().filter(|line| !kept.contains(line)).collect();
        for line in without {
            let so_far = self.gone.len();
            let whose = self.roll.entry(line).into_iter().flat_map(Entry::accounts);
            self.gone.extend(whose.map(|account| Gone { account, line }));
            if self.gone.len() > so_far {
                // Its socket is shut down: if it should come back once more, it does not go on.
                self.roll.unsettle(line);
            } else if stored.contains(&line) {
                self.roll.leave(line);
            } else {
                self.roll.give_back(line);
            }
        }
        self.roll.withhold(&stored);
    }

    /// Whether a connection can be gone on with: in a state that is known.
    fn can_go_on(&self, name: &str, entry: Entry, state: Option<&state::Connection>) -> bool {
        if state.is_none() && self.orderly {
            tracing::info!(name, "a connection was being answered when the daemon stopped; it is closed");
        } else if state.is_none() && !entry.settled {
            tracing::info!(name, "a connection was between the ends of a packet at the crash; it is closed");
        } else {
            return true;
        }
        false
    }
}

/// The peer sees the end at once, whoever else has a copy of the socket.
fn close(socket: &OwnedFd) {
    let _ = SockRef::from(socket).shutdown(Shutdown::Both);
}

/// Of several, the first that can be used. That is in the store again when the daemon [begins](super::Handover::begin) to
/// keep.
fn open(left: Vec<OwnedFd>, store: &Store<'_>) -> io::Result<Roll> {
    let found = left.len();
    let mut rolls = left.into_iter().filter_map(|file| {
        Roll::open(file)
            .inspect_err(|error| {
                tracing::error!(error = %Chain(error), "a roll that was left can't be used: its connections are closed");
            })
            .ok()
    });
    let roll = rolls.next();
    drop(rolls);
    if found > 1 || (found == 1 && roll.is_none()) {
        store.forget(ROLL);
    }
    roll.map_or_else(Roll::create, Ok)
}

/// Of several, the first that can be used.
///
/// Before one is read, it is forgotten and out of date: if it should kill this process, the next does not read it again.
fn read(left: Vec<OwnedFd>, roll: &Roll, store: &Store<'_>) -> Option<State> {
    if !left.is_empty() {
        store.forget(STATE);
    }
    let epoch = roll.epoch();
    roll.begin_epoch();
    left.into_iter().find_map(|file| {
        read_one(file, epoch).map_err(|error| tracing::error!(%error, "the state that was left can't be used")).ok()
    })
}

fn read_one(file: OwnedFd, epoch: u64) -> Result<State, Unreadable> {
    // Half a request may be half a password.
    let bytes = Zeroizing::new(memory_file::read_sealed(file, STATE, state::MAX)?);
    Ok(State::decode_of(epoch, &bytes)?)
}

#[derive(Debug, thiserror::Error)]
enum Unreadable {
    #[error(transparent)]
    File(#[from] io::Error),
    #[error(transparent)]
    State(#[from] StateFault),
}

/// systemd's store, as long as it hears us: the start waits for it once, not for each descriptor.
struct Store<'a> {
    store: &'a DescriptorStore,
    is_stuck: Cell<bool>,
}

impl Store<'_> {
    /// Whether systemd was told. What is lost is logged, and of connections the keeper tells it again; of other things,
    /// whoever comes next.
    fn forget(&self, name: &str) -> bool {
        self.is_stuck.set(self.is_stuck.get() || self.store.remove(name).is_err());
        !self.is_stuck.get()
    }
}

#[cfg(test)]
mod tests;
