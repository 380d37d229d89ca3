//! Ctrl-C, SIGTERM and a terminal that goes away, as something to wait for: a session must be left in order, or what
//! is under way to it is lost.

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

/// The signals that end a long command, held back until somebody asks.
#[derive(Debug)]
pub(super) struct Signals(SignalFd);

impl Signals {
    /// Holds SIGINT, SIGTERM and SIGHUP back, in this thread and in those that it starts.
    ///
    /// # Errors
    /// When the kernel has no descriptor left.
    pub(super) fn hold() -> io::Result<Self> {
        let mut set = SigSet::empty();
        for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
            set.add(signal);
        }
        set.thread_block()?;
        Ok(Self(SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?))
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Waits until one of the descriptors has something to read, or its other end has gone, and says for each whether
/// that is so. One for which `readable` is false is only watched for the latter.
///
/// # Errors
/// When poll(2) fails, which it does for want of memory only.
pub(super) fn wait<const N: usize>(descriptors: [(BorrowedFd<'_>, bool); N]) -> io::Result<[bool; N]> {
    let mut polled = descriptors.map(|(descriptor, readable)| {
        PollFd::new(descriptor, if readable { PollFlags::POLLIN } else { PollFlags::empty() })
    });
    loop {
        match poll(&mut polled, PollTimeout::NONE) {
            Ok(_) => return Ok(polled.map(|descriptor| descriptor.any().unwrap_or(true))),
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}
