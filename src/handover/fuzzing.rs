//! What a process that was taken over, or whoever else reached systemd's store, could have left, for [`crate::fuzzing`].
//!
//! Errors: a claim that does not hold is a panic.

use super::roll::{self, LINES, Roll};
use super::state::State;
use super::{Inheritance, ROLL, STATE};
use crate::host::descriptor_store::DescriptorStore;
use crate::host::memory_file;
use crate::host::notify::Notifier;
use crate::sessions::Session;
use std::collections::BTreeSet;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;

/// Bytes are a state or none. Behind a head that is right for them, too: and what was read then is read again when it is
/// written, if it is of the epoch that it says, and of no other.
pub(crate) fn state(bytes: &[u8]) {
    let _ = State::decode(bytes);
    let left = State::behind_head(bytes);
    let Ok(state) = State::decode(&left) else { return };
    // Bytes that nobody has written, such as a map with a key and no value, may be refused the second time.
    assert!(State::decode_of(state.epoch, &left).is_ok_and(|again| again == state) || state.encode() != left);
    assert!(State::decode_of(state.epoch.wrapping_add(1), &left).is_err());
    let written = state.encode();
    assert_eq!(State::decode(&written).as_ref(), Ok(&state));
    assert_eq!(State::decode_of(state.epoch, &written).as_ref(), Ok(&state));
    for connection in &state.connections {
        if let Some(session) = &connection.session
            && let Ok(session) = Session::try_from(session)
        {
            let written = super::state::Session::from(&session);
            assert_eq!(Session::try_from(&written), Ok(session));
        }
    }
}

/// How much one write to the roll takes: its place, of two bytes, and a number of eight.
const WRITE: usize = 10;
/// Lines under whose names there are sockets.
const SOCKETS: usize = 3;
/// As many come when the next process has begun.
const NEWCOMERS: u64 = 32;

/// A byte says how many writes to the roll follow; a state's body is behind them. There are three sockets whose cookies the
/// lines 1 to 3 have, unless they are written over. Whatever stands there: who starts comes to an end of it; no line
/// is two connections', none that is in use is given to another, and each is given once.
pub(crate) fn roll(bytes: &[u8]) {
    let Some((writes, rest)) = bytes.split_first() else { return };
    let (writes, body) = rest.split_at((usize::from(*writes) * WRITE).min(rest.len()));
    let left = Roll::create().expect("memory");
    let sockets: Vec<_> = (1..=SOCKETS).map(|line| socket(&left, line)).collect();
    write(&left, writes);
    let mut found = vec![(ROLL.to_owned(), left.file().try_clone_to_owned().expect("a descriptor"))];
    if !body.is_empty() {
        let file = memory_file::sealed(STATE, &State::behind_head(body)).expect("memory");
        found.push((STATE.to_owned(), file));
    }
    found.extend(
        sockets
            .iter()
            .zip(1..)
            .map(|(socket, line)| (roll::name(line), socket.0.try_clone().expect("a descriptor").into())),
    );
    let inheritance = Inheritance::sort(found, &nobody()).expect("memory for a roll");
    check(&inheritance);
}

/// A connection between two packets, on this line.
fn socket(roll: &Roll, line: usize) -> (UnixStream, UnixStream) {
    let pair = UnixStream::pair().expect("two sockets");
    let cookie = socket2::SockRef::from(&pair.0).cookie().expect("each socket has one");
    assert_eq!(roll.enter(cookie), Some(line));
    roll.settle(line, crate::domain::Seq(1));
    pair
}

fn write(roll: &Roll, writes: &[u8]) {
    let file = File::from(roll.file().try_clone_to_owned().expect("a descriptor"));
    for write in writes.chunks_exact(WRITE) {
        let (place, number) = write.split_at(2);
        let place = u64::from(u16::from_be_bytes([place[0], place[1]]));
        // A roll that grows by this is no roll of ours.
        file.write_all_at(number, place * 8).expect("it is sealed against growing, and is longer than this");
    }
}

/// A store behind which there is nobody: it can't be told to forget.
fn nobody() -> DescriptorStore {
    DescriptorStore::new(Notifier::off(), LINES).expect("descriptors")
}

fn check(inheritance: &Inheritance) {
    let Inheritance { roll, kept, gone, stored, .. } = inheritance;
    let lines: BTreeSet<_> = kept.iter().map(|kept| kept.line).collect();
    assert_eq!(lines.len(), kept.len());
    for kept in kept {
        assert_eq!(roll.entry(kept.line), Some(kept.entry));
        let cookie = socket2::SockRef::from(&kept.socket).cookie().expect("each socket has one");
        assert_eq!(cookie, kept.entry.cookie);
    }
    let gone = gone.iter().map(|gone| gone.line);
    let reserved: BTreeSet<_> = lines.into_iter().chain(gone).chain(stored.iter().copied()).collect();
    let mut given = BTreeSet::new();
    // The lowest are given first, and the sockets' are among them.
    for cookie in 0..NEWCOMERS {
        let Some(line) = roll.enter(cookie) else { break };
        assert!((1..=LINES).contains(&line) && !reserved.contains(&line) && given.insert(line), "line {line}");
    }
}
