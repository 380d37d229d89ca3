//! A connection within bounds: how long a message may be, and how long it may take.
//!
//! zlink bounds a message at 100 MB and no wait at all. It reads and writes through this, which does; and passes no
//! descriptors, so that none can be left with us.

use super::Caller;
use std::cell::Cell;
use std::io;
use std::os::fd::AsFd;
use std::rc::Rc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::{Instant, timeout, timeout_at};
use zlink::connection::PassedCredentials;
use zlink::connection::socket::{ReadHalf, ReadResult, Socket, WriteHalf};

/// The longest message, in bytes, with the NUL at its end.
pub(super) const MESSAGE_MAX: usize = 64 * 1_024;

/// How long the daemon waits for a whole message, and for a caller to take an answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// A connection within bounds.
#[derive(Debug)]
pub(super) struct Bounded {
    stream: UnixStream,
    caller: Caller,
    over: Rc<Cell<bool>>,
}

impl Bounded {
    /// With the connection comes word of whether it has come to its end. Where it has not, and is closed all the same,
    /// zlink did not understand what came.
    pub(super) fn new(stream: UnixStream, caller: Caller) -> (Self, Rc<Cell<bool>>) {
        let over = Rc::default();
        (Self { stream, caller, over: Rc::clone(&over) }, over)
    }
}

impl Socket for Bounded {
    type ReadHalf = Reader;
    type WriteHalf = Writer;

    fn split(self) -> (Reader, Writer) {
        let (read, write) = self.stream.into_split();
        let over = Rc::clone(&self.over);
        let reader = Reader { read, message: Message::default(), caller: self.caller, over };
        (reader, Writer { write, caller: self.caller, over: self.over })
    }
}

/// How much of a message has come, and until when the rest may.
#[derive(Debug, Default)]
struct Message {
    length: usize,
    deadline: Option<Instant>,
}

impl Message {
    /// Takes note of what was read. False: a message is too long.
    fn take(&mut self, bytes: &[u8]) -> bool {
        for part in bytes.split_inclusive(|byte| *byte == 0) {
            self.length += part.len();
            if self.length > MESSAGE_MAX {
                return false;
            }
            if part.ends_with(&[0]) {
                *self = Self::default();
            }
        }
        true
    }
}

#[derive(Debug)]
pub(super) struct Reader {
    read: OwnedReadHalf,
    message: Message,
    caller: Caller,
    over: Rc<Cell<bool>>,
}

impl ReadHalf for Reader {
    /// Nothing is lost when this is dropped: what was read is taken note of in the same step.
    async fn read(&mut self, buffer: &mut [u8]) -> zlink::Result<ReadResult> {
        let deadline = *self.message.deadline.get_or_insert_with(|| Instant::now() + PATIENCE);
        let Ok(read) = timeout_at(deadline, self.read.read(buffer)).await else {
            self.over.set(true);
            tracing::warn!(peer = %self.caller, "control connection closed: no whole message came in time");
            return Err(io::Error::from(io::ErrorKind::TimedOut).into());
        };
        let size = read.inspect_err(|_| self.over.set(true))?;
        if size == 0 {
            self.over.set(true);
        }
        if !self.message.take(&buffer[..size]) {
            self.over.set(true);
            tracing::warn!(
                peer = %self.caller,
                "control connection closed: a message of more than {MESSAGE_MAX} bytes"
            );
            return Err(zlink::Error::BufferOverflow);
        }
        Ok(ReadResult::new(size))
    }
}

#[derive(Debug)]
pub(super) struct Writer {
    write: OwnedWriteHalf,
    caller: Caller,
    over: Rc<Cell<bool>>,
}

impl WriteHalf for Writer {
    async fn write(
        &mut self,
        bytes: &[u8],
        _descriptors: &[impl AsFd],
        _credentials: Option<&PassedCredentials>,
    ) -> zlink::Result<()> {
        let Ok(written) = timeout(PATIENCE, self.write.write_all(bytes)).await else {
            self.over.set(true);
            tracing::warn!(peer = %self.caller, "control connection closed: an answer was not taken in time");
            return Err(io::Error::from(io::ErrorKind::TimedOut).into());
        };
        Ok(written.inspect_err(|_| self.over.set(true))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// However the bytes are cut up, a message passes if and only if it is no longer than it may be.
        #[test]
        fn a_message_is_as_long_as_it_is_however_it_comes(
            lengths in prop::collection::vec(prop_oneof![1..=MESSAGE_MAX, MESSAGE_MAX - 1..=MESSAGE_MAX + 1], 1..4),
            piece in 1..5_000_usize,
        ) {
            let mut bytes = Vec::new();
            for length in &lengths {
                bytes.extend(std::iter::repeat_n(b'x', length - 1));
                bytes.push(0);
            }
            let mut message = Message::default();
            let passed = bytes.chunks(piece).all(|chunk| message.take(chunk));
            prop_assert_eq!(passed, lengths.iter().all(|length| *length <= MESSAGE_MAX));
        }
    }
}
