//! The roll: one line for each connection, in memory that outlives the process.
//!
//! A line is changed while it is marked unsettled, so what a crash cuts short counts as unsettled. Settled means: between
//! two packets in both directions. What came was answered, what was queued was written, but for mail, which waits
//! in its mailbox.
//!
//! The layout is for processes of this machine: numbers of 64 bits, eight for each line; the first line is the head.
//! Whoever changes it raises the last byte of its form, and the upgrade to that version closes all connections, those that an
//! orderly stop has left in a [`state`](super::state) as well: the cookies that tell whose socket is whose are only here.

use crate::domain::{AccountId, Seq, SessionKey};
use crate::host::memory_file::SharedNumbers;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet};
use std::io;
use std::num::NonZero;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// As many connections as can be kept. systemd names them all in one variable of the environment (`LISTEN_FDNAMES`), and
/// a variable has 128 KiB at the most (execve(2)): five bytes for each name.
pub const LINES: usize = 25_000;

/// Numbers in a line: a cache line, so that two connections don't share one.
const WIDTH: usize = 8;
const COUNT: NonZero<usize> = NonZero::new((LINES + 1) * WIDTH).unwrap();

/// The head: what this is, and which form of it. Another form is not read.
const FORM: u64 = u64::from_be_bytes(*b"msgroll\x01");

// In the head.
const HEAD_FORM: usize = 0;
const HEAD_EPOCH: usize = 1;
/// The first line that was never used; 0: it is not known. A line that is looked at takes memory, used or not.
const HEAD_FRESH: usize = 2;
// In a line.
const MARK: usize = 0;
const COOKIE: usize = 1;
const PROTOCOL: usize = 2;
const ACCOUNT: usize = 3;
const KEY: usize = 4;
const WRITTEN: usize = 5;
const COMING: usize = 6;

// Marks.
const FREE: u64 = 0;
const UNSETTLED: u64 = 1;
const SETTLED: u64 = 2;

/// The only protocol so far.
const CLASSIC: u64 = 1;

/// See the module.
#[derive(Debug)]
pub struct Roll {
    numbers: SharedNumbers,
    /// It is the next process's from now on.
    closed: AtomicBool,
    free: Mutex<Free>,
}

/// Lines that nobody has, the lowest first: what was never used takes no memory.
#[derive(Debug)]
struct Free {
    given_back: BinaryHeap<Reverse<usize>>,
    /// This one and all behind it were never used.
    fresh: usize,
}

/// What a line says of its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Between two packets.
    pub settled: bool,
    /// The socket's.
    pub cookie: u64,
    /// Whose session it carries, and under which key.
    pub session: Option<(AccountId, SessionKey)>,
    /// How far the session's mail was written to the socket.
    pub written: Seq,
    /// Who was about to begin a session on it. Contacts may have been told already.
    pub coming: Option<AccountId>,
}

impl Entry {
    /// Everybody whom contacts may believe to be online here.
    pub fn accounts(self) -> impl Iterator<Item = AccountId> {
        self.session.map(|(account, _)| account).into_iter().chain(self.coming)
    }
}

impl Roll {
    /// A new one, without entries.
    ///
    /// # Errors
    /// When the kernel has no memory left.
    pub fn create() -> io::Result<Self> {
        let numbers = SharedNumbers::create(super::ROLL, COUNT)?;
        numbers.all()[HEAD_FORM].store(FORM, Relaxed);
        numbers.all()[HEAD_FRESH].store(1, Relaxed);
        Ok(Self::of(numbers, 1))
    }

    fn of(numbers: SharedNumbers, fresh: usize) -> Self {
        let free = Mutex::new(Free { given_back: BinaryHeap::new(), fresh });
        Self { numbers, closed: AtomicBool::new(false), free }
    }

    /// That of the process before. Nobody has a line yet: each must be taken up or [given back](Self::give_back).
    ///
    /// # Errors
    /// When it is none, or one of another form.
    pub fn open(file: OwnedFd) -> io::Result<Self> {
        let numbers = SharedNumbers::open(file, super::ROLL, COUNT)?;
        let form = numbers.all()[HEAD_FORM].load(Relaxed);
        if form != FORM {
            return Err(io::Error::new(io::ErrorKind::InvalidData, format!("the roll has another form: {form:016x}")));
        }
        let fresh = match numbers.all()[HEAD_FRESH].load(Relaxed) {
            0 => LINES + 1,
            fresh => usize::try_from(fresh).unwrap_or(usize::MAX).min(LINES + 1),
        };
        let roll = Self::of(numbers, fresh);
        let unused = (1..fresh).filter(|index| roll.is_free(*index)).map(Reverse).collect();
        roll.lock().given_back = unused;
        Ok(roll)
    }

    fn lock(&self) -> MutexGuard<'_, Free> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn number(&self, index: usize, which: usize) -> &AtomicU64 {
        &self.numbers.all()[index * WIDTH + which]
    }

    /// The memory itself.
    #[must_use]
    pub fn file(&self) -> BorrowedFd<'_> {
        self.numbers.file()
    }

    /// Which process this is, counted from the roll's first. A state of another epoch is out of date.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.numbers.all()[HEAD_EPOCH].load(Relaxed)
    }

    /// From here on, states that were written before are out of date.
    pub fn begin_epoch(&self) {
        self.numbers.all()[HEAD_EPOCH].fetch_add(1, Relaxed);
    }

    /// Gives a line to a connection, unsettled. `None`: all are taken.
    pub(super) fn enter(&self, cookie: u64) -> Option<usize> {
        let index = {
            let mut free = self.lock();
            match free.given_back.pop() {
                Some(Reverse(index)) => index,
                None if free.fresh <= LINES => {
                    free.fresh += 1;
                    free.fresh - 1
                }
                None => return None,
            }
        };
        self.numbers.all()[HEAD_FRESH].fetch_max(index as u64 + 1, Release);
        self.number(index, MARK).store(UNSETTLED, Release);
        self.number(index, COOKIE).store(cookie, Release);
        self.number(index, PROTOCOL).store(CLASSIC, Release);
        self.set_session(index, None, Seq(0));
        Some(index)
    }

    /// The connection has ended. The line stays taken until it is [given back](Self::give_back), so that its
    /// name in the store is not used for two.
    pub(super) fn leave(&self, index: usize) {
        if !self.closed.load(Acquire) {
            self.number(index, MARK).store(FREE, Release);
        }
    }

    /// Whoever still leaves has been left to the next process, or it must find that they are gone.
    pub(super) fn close(&self) {
        self.closed.store(true, Release);
    }

    /// Free lines of which nobody gets one until it is given back: something is in the store under their names.
    pub(super) fn withhold(&self, lines: &HashSet<usize>) {
        let mut free = self.lock();
        // Those that were never used are among them only when something is wrong; they are used from now on.
        while lines.iter().any(|index| *index >= free.fresh) && free.fresh <= LINES {
            let index = free.fresh;
            free.given_back.push(Reverse(index));
            free.fresh += 1;
        }
        free.given_back.retain(|Reverse(index)| !lines.contains(index));
    }

    /// Nobody has the line any more, nor is anything in the store under its name.
    pub fn give_back(&self, index: usize) {
        self.leave(index);
        self.lock().given_back.push(Reverse(index));
    }

    pub(super) fn unsettle(&self, index: usize) {
        self.number(index, MARK).store(UNSETTLED, Release);
    }

    pub(super) fn settle(&self, index: usize, written: Seq) {
        self.number(index, WRITTEN).store(written.0, Release);
        self.number(index, MARK).store(SETTLED, Release);
    }

    /// Only while it is unsettled.
    pub(super) fn set_session(&self, index: usize, session: Option<(AccountId, SessionKey)>, written: Seq) {
        let (account, key) = session.map_or((0, 0), |(account, key)| (account.0, u32::from_be_bytes(key.bytes())));
        self.number(index, ACCOUNT).store(account.cast_unsigned(), Release);
        self.number(index, KEY).store(u64::from(key), Release);
        self.number(index, WRITTEN).store(written.0, Release);
        self.number(index, COMING).store(0, Release);
    }

    /// Only while it is unsettled, and before anybody is told.
    pub(super) fn expect_session(&self, index: usize, account: AccountId) {
        self.number(index, COMING).store(account.0.cast_unsigned(), Release);
    }

    /// What a line says, unless it is free, or says what no line of ours does.
    #[must_use]
    pub fn entry(&self, index: usize) -> Option<Entry> {
        if !(1..=LINES).contains(&index) {
            return None;
        }
        let read = |which| self.number(index, which).load(Acquire);
        let settled = match (read(MARK), read(PROTOCOL)) {
            (UNSETTLED, _) => false,
            (SETTLED, CLASSIC) => true,
            _ => return None,
        };
        let account = read(ACCOUNT).cast_signed();
        let key = u32::try_from(read(KEY)).ok().and_then(|key| SessionKey::new(key.to_be_bytes()));
        let session = (account != 0).then_some(AccountId(account)).zip(key);
        let coming = Some(AccountId(read(COMING).cast_signed())).filter(|account| account.0 != 0);
        Some(Entry { settled, cookie: read(COOKIE), session, written: Seq(read(WRITTEN)), coming })
    }

    /// Whether no connection has the line. Something may be in the store under its name for all that.
    pub(super) fn is_free(&self, index: usize) -> bool {
        self.number(index, MARK).load(Acquire) == FREE
    }

    /// The lines that are taken.
    pub fn taken(&self) -> impl Iterator<Item = usize> {
        let fresh = self.lock().fresh;
        (1..fresh).filter(|index| !self.is_free(*index))
    }
}

/// What the connection of a line is called in the store.
#[must_use]
pub fn name(index: usize) -> String {
    let mut digits = Vec::new();
    let mut rest = u32::try_from(index).unwrap_or(u32::MAX);
    while rest > 0 || digits.is_empty() {
        digits.extend(char::from_digit(rest % 36, 36));
        rest /= 36;
    }
    std::iter::once('c').chain(digits.into_iter().rev()).collect()
}

/// The line that a name in the store stands for.
#[must_use]
pub fn index(name: &str) -> Option<usize> {
    let index = usize::from_str_radix(name.strip_prefix('c')?, 36).ok()?;
    ((1..=LINES).contains(&index) && self::name(index) == name).then_some(index)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> SessionKey {
        SessionKey::new([1, 2, 0xff, 4]).unwrap()
    }

    fn next_process(roll: &Roll) -> Roll {
        Roll::open(roll.file().try_clone_to_owned().unwrap()).unwrap()
    }

    #[test]
    fn what_stood_last_is_found_by_the_next_process() {
        let roll = Roll::create().unwrap();
        let (idle, busy, gone) = (roll.enter(7).unwrap(), roll.enter(8).unwrap(), roll.enter(9).unwrap());
        roll.set_session(idle, Some((AccountId(-3), key())), Seq(5));
        roll.settle(idle, Seq(6));
        roll.leave(gone);
        let next = next_process(&roll);
        let session = Some((AccountId(-3), key()));
        assert_eq!(next.entry(idle), Some(Entry { settled: true, cookie: 7, session, written: Seq(6), coming: None }));
        assert_eq!(
            next.entry(busy),
            Some(Entry { settled: false, cookie: 8, session: None, written: Seq(0), coming: None })
        );
        assert_eq!(next.entry(gone), None);
        assert_eq!(next.taken().collect::<Vec<_>>(), [idle, busy]);
        // Its lines go to nobody else meanwhile.
        assert_eq!(next.enter(10), Some(gone));
        next.give_back(busy);
        assert_eq!(next.enter(11), Some(busy));
    }

    #[test]
    fn who_is_about_to_begin_a_session_is_known_beside_who_has_one() {
        let roll = Roll::create().unwrap();
        let index = roll.enter(7).unwrap();
        roll.set_session(index, Some((AccountId(1), key())), Seq(0));
        roll.expect_session(index, AccountId(2));
        let accounts = || next_process(&roll).entry(index).unwrap().accounts().collect::<Vec<_>>();
        assert_eq!(accounts(), [AccountId(1), AccountId(2)]);
        roll.set_session(index, Some((AccountId(2), key())), Seq(0));
        assert_eq!(accounts(), [AccountId(2)]);
    }

    #[test]
    fn lines_that_were_never_used_are_not_looked_at_and_not_given_twice() {
        let roll = Roll::create().unwrap();
        let first = roll.enter(1).unwrap();
        let next = next_process(&roll);
        assert_eq!(next.lock().fresh, first + 1);
        assert!(next.lock().given_back.is_empty());
        // Something stands in the store under a name far above: it is given to nobody until that is gone, and then once.
        next.withhold(&HashSet::from([5]));
        assert_eq!([next.enter(1), next.enter(1), next.enter(1)], [Some(2), Some(3), Some(4)]);
        assert_eq!(next.enter(1), Some(6));
        next.give_back(5);
        assert_eq!([next.enter(1), next.enter(1)], [Some(5), Some(7)]);
        assert_eq!(next_process(&next).taken().collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6, 7]);
    }

    #[test]
    fn a_line_is_nobodys_until_it_was_given_back() {
        let roll = Roll::create().unwrap();
        let first = roll.enter(1).unwrap();
        roll.leave(first);
        assert_ne!(roll.enter(2), Some(first));
        roll.give_back(first);
        assert_eq!(roll.enter(3), Some(first));
        assert_eq!(roll.entry(first).unwrap().session, None);
    }

    #[test]
    fn there_are_so_many_lines_and_no_more() {
        let roll = Roll::create().unwrap();
        assert!((1..=LINES).all(|index| roll.enter(0) == Some(index)));
        assert_eq!(roll.enter(0), None);
        assert_eq!(roll.entry(0), None);
        assert_eq!(roll.entry(LINES + 1), None);
    }

    #[test]
    fn each_process_has_an_epoch_of_its_own() {
        let roll = Roll::create().unwrap();
        let next = next_process(&roll);
        assert_eq!(roll.epoch(), next.epoch());
        next.begin_epoch();
        assert_eq!(roll.epoch(), 1);
    }

    #[test]
    fn another_form_is_not_read() {
        let roll = Roll::create().unwrap();
        roll.numbers.all()[HEAD_FORM].store(FORM + 1, Relaxed);
        assert!(Roll::open(roll.file().try_clone_to_owned().unwrap()).is_err());
    }

    #[test]
    fn a_line_that_says_what_none_of_ours_does_says_nothing() {
        let roll = Roll::create().unwrap();
        let index = roll.enter(1).unwrap();
        roll.settle(index, Seq(0));
        roll.number(index, PROTOCOL).store(77, Relaxed);
        assert_eq!(roll.entry(index), None);
        roll.number(index, PROTOCOL).store(CLASSIC, Relaxed);
        roll.number(index, ACCOUNT).store(1, Relaxed);
        for no_key in [u64::MAX, u64::from(b'\r')] {
            roll.number(index, KEY).store(no_key, Relaxed);
            assert_eq!(roll.entry(index).unwrap().session, None);
        }
    }

    #[test]
    fn names_are_short_and_lead_back() {
        for line in 1..=LINES {
            let name = name(line);
            assert!(name.len() <= 4, "{name}");
            assert_eq!(index(&name), Some(line));
        }
        for none in ["", "c", "c0", "c01", "cZ", "C1", "1", "c-1", "c+1", "roll", "state", "cjaq0", "classic"] {
            assert_eq!(index(none), None, "{none}");
        }
    }
}
