//! Bytes from the peer, and which of them are a request.
//!
//! A request ends where the session's key shows the next one ([`classic::first_request`]), or else with the last byte
//! that came: when the socket is drained and, if so much came that it may be a request's first segments only, there
//! was a pause of `classic.request_gap`.
//!
//! What comes may be a password, and where it is one is known too late. So all of it is wiped when it was taken: the
//! buffer, the bytes, and what they leave behind when they grow.

use super::{Connection, End};
use crate::domain::SessionKey;
use crate::protocol::classic;
use std::cell::RefCell;
use std::fmt;
use zeroize::{Zeroize, Zeroizing};

/// What one read takes at most; the buffer is the thread's, so that a connection that says nothing has none.
const READ: usize = 16 * 1024;

thread_local! {
    static BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ].into_boxed_slice());
}

/// What has come since the peer last said nothing. Lives while something comes; holds `classic.request_max` and one
/// read more at the most.
#[derive(Default)]
pub(super) struct Inbox {
    bytes: Zeroizing<Vec<u8>>,
    /// Of `bytes`, these have been taken.
    taken: usize,
    /// All that came, taken or not: pieces of a long burst may be cut anywhere.
    burst: usize,
}

/// What has come, is not a whole request, and will be gone on with by the next process.
#[derive(Default)]
pub(super) struct Unread {
    pub(super) bytes: Zeroizing<Vec<u8>>,
    /// How much came in one burst, of which that is the end.
    pub(super) burst: usize,
}

impl fmt::Debug for Unread {
    /// What people say is in no log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Unread({} bytes of {})", self.bytes.len(), self.burst)
    }
}

/// Why a reading ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rest {
    /// More may be there already; this is as much as is taken at once.
    Unread,
    /// There is no more for now.
    Drained,
    /// There will be no more.
    Closed,
    /// The daemon stops: what is left is the next process's to read.
    Left,
}

impl Inbox {
    /// One that goes on where another ended.
    pub(super) fn of(unread: Unread) -> Self {
        Self { burst: unread.burst.max(unread.bytes.len()), bytes: unread.bytes, taken: 0 }
    }

    /// What was not taken.
    pub(super) fn into_unread(mut self) -> Unread {
        self.forget_taken();
        Unread { bytes: self.bytes, burst: self.burst }
    }

    /// Whether what is left may be the beginning of a request.
    pub(super) fn may_be_cut(&self) -> bool {
        !self.left().is_empty() && classic::may_be_cut(self.burst)
    }

    /// What is left moves to the beginning; what stood behind it is wiped with all the rest.
    fn forget_taken(&mut self) {
        self.bytes.drain(..self.taken);
        self.taken = 0;
    }

    fn left(&self) -> &[u8] {
        &self.bytes[self.taken..]
    }

    /// How much has come so far.
    pub(super) fn burst(&self) -> usize {
        self.burst
    }

    /// Reads what is there.
    ///
    /// # Errors
    /// When the connection failed. What came before is dropped with it: a request is taken whole or not at all.
    pub(super) fn read(&mut self, connection: &Connection) -> Result<Rest, End> {
        let limit = connection.shared.settings.get().classic.request_max;
        self.forget_taken();
        BUFFER.with_borrow_mut(|buffer| {
            while self.bytes.len() <= limit {
                match connection.try_read(buffer)? {
                    Some(0) => return Ok(Rest::Closed),
                    Some(size) => {
                        append(&mut self.bytes, &buffer[..size]);
                        buffer[..size].zeroize();
                        self.burst += size;
                        // Whatever comes later is told anew; the end, if it was told already, is not.
                        if size < buffer.len() && !connection.activity.has_hung_up() {
                            return Ok(Rest::Drained);
                        }
                    }
                    None => return Ok(Rest::Drained),
                }
            }
            Ok(Rest::Unread)
        })
    }

    /// Takes the next request that has another one behind it.
    pub(super) fn take_followed(&mut self, key: Option<SessionKey>) -> Option<&[u8]> {
        let start = self.taken;
        let size = classic::first_request(self.left(), key);
        if size == self.left().len() {
            return None;
        }
        self.taken += size;
        Some(&self.bytes[start..self.taken])
    }

    /// Takes what is left, which is one request.
    pub(super) fn take_last(&mut self) -> Option<&[u8]> {
        let start = self.taken;
        self.taken = self.bytes.len();
        Some(&self.bytes[start..]).filter(|last| !last.is_empty())
    }

    /// # Errors
    /// When what is left is more than a request may be.
    pub(super) fn check_length(&self, connection: &Connection) -> Result<(), End> {
        let limit = connection.shared.settings.get().classic.request_max;
        if self.left().len() > limit { Err(End::TooLong(limit)) } else { Ok(()) }
    }

    /// Waits for more, if what is left may be cut. False: it is whole.
    pub(super) async fn wait_for_more(&self, connection: &Connection) -> bool {
        let gap = connection.shared.settings.get().classic.request_gap;
        self.may_be_cut() && connection.activity.hear_within(gap).await
    }
}

/// A `Vec` that grows leaves what it held to the allocator; this leaves zeros.
fn append(bytes: &mut Zeroizing<Vec<u8>>, more: &[u8]) {
    let needed = bytes.len() + more.len();
    if needed > bytes.capacity() {
        let mut larger = Zeroizing::new(Vec::with_capacity(needed.max(bytes.capacity() * 2)));
        larger.extend_from_slice(bytes);
        *bytes = larger;
    }
    bytes.extend_from_slice(more);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_appended_in_pieces_is_all_there_in_little_room() {
        let mut bytes = Zeroizing::default();
        let all: Vec<u8> = (0..=u8::MAX).collect();
        for piece in all.chunks(7) {
            append(&mut bytes, piece);
        }
        assert_eq!(*bytes, all);
        assert!(bytes.capacity() < 4 * all.len(), "{}", bytes.capacity());
    }
}
