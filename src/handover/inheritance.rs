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
use std::collections::HashMap;
use std::io;
use std::net::Shutdown;
use std::os::fd::OwnedFd;

/// See the module above. Until they are told otherwise, contacts of `gone` believe them online.
pub struct Inheritance {
    /// The roll: that of the process before, or a new one.
    pub roll: Roll,
    /// Connections to go on with.
    pub kept: Vec<Kept>,
    /// Whose session ended with the process, or while there was none.
    pub gone: Vec<AccountId>,
    /// Whether the process before had time to write down its state.
    pub orderly: bool,
    /// What failed log-ins had cost by then.
    pub debts: Debts,
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
        let (mut old_roll, mut old_state, mut sockets) = (None, None, Vec::new());
        for (name, descriptor) in found {
            match (name.as_str(), roll::index(&name)) {
                (ROLL, _) => old_roll = Some(descriptor),
                (STATE, _) => old_state = Some(descriptor),
                (_, Some(line)) => sockets.push((line, descriptor)),
                _ => {
                    tracing::warn!(name, "systemd kept a descriptor that is none of ours; it is closed");
                    forget(store, &name);
                }
            }
        }
        let roll = open(old_roll, store)?;
        let state = old_state.and_then(|file| {
            let state = read(file, roll.epoch());
            forget(store, STATE);
            state.map_err(|error| tracing::error!(%error, "the state that was left can't be used")).ok()
        });
        // Whatever crashes from here on has left no state.
        roll.begin_epoch();
        let orderly = state.is_some();
        let State { connections, debts, .. } = state.unwrap_or_default();
        let mut states: HashMap<_, _> = connections.into_iter().map(|state| (state.line, state)).collect();
        let mut inheritance = Self { roll, kept: Vec::new(), gone: Vec::new(), orderly, debts };
        let mut lines: Vec<bool> = vec![false; roll::LINES + 1];
        for (line, socket) in sockets {
            // Two of one name: only the first can be it.
            let twice = std::mem::replace(&mut lines[line], true);
            let state = states.remove(&u32::try_from(line).unwrap_or(0));
            if let Some((entry, state)) = inheritance.judge(line, &socket, state).filter(|_| !twice) {
                inheritance.kept.push(Kept { line, socket, entry, state });
            } else {
                // The peer sees the end at once, whoever else has a copy of the socket.
                let _ = SockRef::from(&socket).shutdown(Shutdown::Both);
                forget(store, &roll::name(line));
                lines[line] = twice;
            }
        }
        let without: Vec<usize> = inheritance.roll.taken().filter(|line| !lines[*line]).collect();
        for line in without {
            inheritance.gone.extend(inheritance.roll.entry(line).and_then(|entry| entry.session).map(|(who, _)| who));
            inheritance.roll.give_back(line);
        }
        Ok(inheritance)
    }

    /// Whether a socket is that of its line, and can be gone on with: in a state that is known.
    fn judge(
        &self,
        line: usize,
        socket: &OwnedFd,
        state: Option<state::Connection>,
    ) -> Option<(Entry, Option<state::Connection>)> {
        let name = roll::name(line);
        let Some(entry) = self.roll.entry(line) else {
            tracing::debug!(name, "a connection that had ended is closed");
            return None;
        };
        if SockRef::from(socket).cookie().ok() != Some(entry.cookie) {
            tracing::warn!(name, "a connection is not the one that the roll has under its name; it is closed");
            return None;
        }
        match state {
            Some(state) => Some((entry, Some(state))),
            None if self.orderly => {
                tracing::info!(name, "a connection was being answered when the daemon stopped; it is closed");
                None
            }
            None if entry.settled => Some((entry, None)),
            None => {
                tracing::info!(name, "a connection was between the ends of a packet at the crash; it is closed");
                None
            }
        }
    }
}

fn open(old: Option<OwnedFd>, store: &DescriptorStore) -> io::Result<Roll> {
    let Some(old) = old else { return Roll::create() };
    Roll::open(old).or_else(|error| {
        tracing::error!(error = %Chain(&error), "the roll that was left can't be used: connections are closed");
        forget(store, ROLL);
        Roll::create()
    })
}

fn read(file: OwnedFd, epoch: u64) -> Result<State, Unreadable> {
    let state = State::decode(&memory_file::read_sealed(file, STATE, state::MAX)?)?;
    if state.epoch == epoch { Ok(state) } else { Err(StateFault::OutOfDate.into()) }
}

#[derive(Debug, thiserror::Error)]
enum Unreadable {
    #[error(transparent)]
    File(#[from] io::Error),
    #[error(transparent)]
    State(#[from] StateFault),
}

/// When that is lost, it is logged, and whoever comes next tries again.
fn forget(store: &DescriptorStore, name: &str) {
    let _ = store.remove(name);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Seq, SessionKey};
    use crate::host::notify::Notifier;
    use std::io::Read;
    use std::os::unix::net::{UnixDatagram, UnixStream};

    const ANN: AccountId = AccountId(7);
    const BOB: AccountId = AccountId(8);

    /// A process that has ended, and what systemd has of it: two connections with sessions, on lines 1 and 2.
    struct Scene {
        roll: Roll,
        ann: (UnixStream, UnixStream),
        bob: (UnixStream, UnixStream),
        store: DescriptorStore,
        systemd: UnixDatagram,
        _folder: tempfile::TempDir,
    }

    impl Scene {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("notify");
            let systemd = UnixDatagram::bind(&path).unwrap();
            let store = DescriptorStore::new(Notifier::to(path.as_os_str()).unwrap(), 100).unwrap();
            let roll = Roll::create().unwrap();
            let connect = |account, key| {
                let (ours, peer) = UnixStream::pair().unwrap();
                let line = roll.enter(SockRef::from(&ours).cookie().unwrap()).unwrap();
                roll.set_session(line, Some((account, SessionKey::new([key; 4]).unwrap())), Seq(0));
                roll.settle(line, Seq(5));
                (ours, peer)
            };
            let (ann, bob) = (connect(ANN, 1), connect(BOB, 2));
            Self { roll, ann, bob, store, systemd, _folder: folder }
        }

        fn roll(&self) -> Stored {
            (ROLL.into(), self.roll.file().try_clone_to_owned().unwrap())
        }

        fn state(epoch: u64, lines: &[u32]) -> Stored {
            let connections =
                lines.iter().map(|line| state::Connection { line: *line, ..Default::default() }).collect();
            (
                STATE.into(),
                memory_file::sealed(STATE, &State { epoch, connections, ..State::default() }.encode()).unwrap(),
            )
        }

        fn found(&self, more: impl IntoIterator<Item = Stored>) -> Inheritance {
            let ann = ("c1".to_owned(), self.ann.0.try_clone().unwrap().into());
            let bob = ("c2".to_owned(), self.bob.0.try_clone().unwrap().into());
            Inheritance::sort([ann, bob].into_iter().chain(more).collect(), &self.store).unwrap()
        }

        /// What systemd was told to forget.
        fn forgotten(&self) -> Vec<String> {
            self.systemd.set_nonblocking(true).unwrap();
            let mut buffer = [0; 1000];
            let mut names = Vec::new();
            while let Ok(size) = self.systemd.recv(&mut buffer) {
                let notice = String::from_utf8_lossy(&buffer[..size]).into_owned();
                names.extend(notice.strip_prefix("FDSTOREREMOVE=1\nFDNAME=").map(|name| name.trim_end().to_owned()));
            }
            names
        }
    }

    fn lines(inheritance: &Inheritance) -> Vec<usize> {
        inheritance.kept.iter().map(|kept| kept.line).collect()
    }

    fn is_closed(mut peer: &UnixStream) -> bool {
        peer.set_nonblocking(true).unwrap();
        matches!(peer.read(&mut [0]), Ok(0))
    }

    #[test]
    fn after_a_crash_settled_connections_go_on_and_the_others_are_closed() {
        let scene = Scene::new();
        scene.roll.unsettle(2);
        let inheritance = scene.found([scene.roll()]);
        assert!(!inheritance.orderly);
        assert_eq!(lines(&inheritance), [1]);
        assert_eq!(inheritance.kept[0].entry.written, Seq(5));
        assert!(inheritance.kept[0].state.is_none() && !is_closed(&scene.ann.1));
        assert_eq!(inheritance.gone, [BOB]);
        assert!(is_closed(&scene.bob.1));
        assert_eq!(scene.forgotten(), ["c2"]);
        assert_eq!(inheritance.roll.taken().collect::<Vec<_>>(), [1]);
    }

    #[test]
    fn after_an_orderly_stop_the_state_says_who_goes_on() {
        let scene = Scene::new();
        let inheritance = scene.found([scene.roll(), Scene::state(0, &[2])]);
        assert!(inheritance.orderly);
        assert_eq!(lines(&inheritance), [2]);
        assert!(inheritance.kept[0].state.is_some());
        assert_eq!(inheritance.gone, [ANN]);
        assert!(is_closed(&scene.ann.1));
        assert_eq!(scene.forgotten(), ["state", "c1"]);
    }

    #[test]
    fn a_state_of_an_earlier_process_is_out_of_date() {
        let scene = Scene::new();
        let state = Scene::state(0, &[1]);
        let again = (STATE.to_owned(), state.1.try_clone().unwrap());
        assert!(scene.found([scene.roll(), state]).orderly);
        // That process crashed before systemd had forgotten the state.
        let inheritance = scene.found([scene.roll(), again]);
        assert!(!inheritance.orderly);
        assert_eq!(inheritance.kept.len(), 1, "by the roll");
    }

    #[test]
    fn a_state_that_is_odd_leaves_the_roll() {
        for odd in [&b"something else"[..], &[]] {
            let scene = Scene::new();
            let state = (STATE.to_owned(), memory_file::sealed(STATE, odd).unwrap());
            let inheritance = scene.found([scene.roll(), state]);
            assert_eq!(lines(&inheritance), [1, 2]);
            assert_eq!(scene.forgotten(), ["state"]);
        }
    }

    #[test]
    fn without_a_roll_nothing_is_known_of_any_connection() {
        for odd in [None, Some((ROLL.to_owned(), memory_file::sealed(ROLL, b"no roll").unwrap()))] {
            let scene = Scene::new();
            let inheritance = scene.found(odd.into_iter().chain([Scene::state(0, &[1, 2])]));
            assert!(inheritance.kept.is_empty() && inheritance.gone.is_empty());
            assert!(is_closed(&scene.ann.1) && is_closed(&scene.bob.1));
            assert_eq!(inheritance.roll.taken().count(), 0);
        }
    }

    #[test]
    fn a_socket_under_the_name_of_another_is_closed() {
        let mut scene = Scene::new();
        let (stranger, peer) = UnixStream::pair().unwrap();
        scene.bob.0 = stranger;
        let inheritance = scene.found([scene.roll()]);
        assert_eq!(lines(&inheritance), [1]);
        assert_eq!(inheritance.gone, [BOB]);
        assert!(is_closed(&peer));
    }

    #[test]
    fn names_that_nobody_knows_and_lines_without_a_socket_are_let_go() {
        let scene = Scene::new();
        let session = Some((AccountId(9), SessionKey::new([9; 4]).unwrap()));
        let line = scene.roll.enter(1).unwrap();
        scene.roll.set_session(line, session, Seq(0));
        let (stranger, peer) = UnixStream::pair().unwrap();
        let inheritance = scene.found([scene.roll(), ("who".into(), stranger.into())]);
        assert_eq!(lines(&inheritance), [1, 2]);
        assert_eq!(inheritance.gone, [AccountId(9)]);
        assert!(is_closed(&peer));
        assert_eq!(scene.forgotten(), ["who"]);
    }
}
