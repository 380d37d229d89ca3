//! systemd's store of descriptors: what is in it stays open when this process ends, and comes to the next one.
//!
//! `FDSTORE=1` of `sd_notify(3)`, and `FileDescriptorStoreMax=` of systemd.service(5). What comes back is taken by
//! [`sockets::inherited`](super::sockets::inherited), under the name that it was stored with.
//!
//! Errors: [`io::Error`] when systemd's queue stays full. systemd does not say whether it has taken a descriptor;
//! [`DescriptorStore::settle`] says that it has come to it.

use super::notify::Notifier;
use sd_notify::NotifyState;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// How long systemd may take until it has come to the barrier.
const PATIENCE: Duration = Duration::from_secs(5);

/// A way to the store.
#[derive(Debug)]
pub struct DescriptorStore {
    notifier: Notifier,
    max: usize,
    /// Made beforehand: the filter of system calls lets nobody make new sockets. systemd gets the second.
    barrier: (UnixStream, UnixStream),
}

impl DescriptorStore {
    /// The store that systemd has for this process, if it has: `FDSTORE` in the environment says for how many
    /// descriptors. systemd sets it from version 254 on; for older ones the unit says it, as `DESCRIPTOR_STORE_MAX`.
    ///
    /// # Errors
    /// What the kernel said to two more descriptors.
    pub fn from_environment(notifier: &Notifier) -> io::Result<Option<Self>> {
        let max = std::env::var_os("FDSTORE").or_else(|| std::env::var_os("DESCRIPTOR_STORE_MAX"));
        let max = max.and_then(|max| max.to_str()?.parse().ok()).unwrap_or(0);
        if max == 0 || !notifier.is_on() {
            return Ok(None);
        }
        Self::new(notifier.clone(), max).map(Some)
    }

    /// The store behind this notifier, for so many descriptors.
    ///
    /// # Errors
    /// What the kernel said to two more descriptors.
    pub fn new(notifier: Notifier, max: usize) -> io::Result<Self> {
        let barrier = UnixStream::pair()?;
        barrier.0.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { notifier, max, barrier })
    }

    /// How many descriptors it holds, listeners not counted: `FileDescriptorStoreMax=`.
    #[must_use]
    pub fn max(&self) -> usize {
        self.max
    }

    /// Puts a copy of a descriptor into the store. The name has up to 255 ASCII characters without `:`.
    ///
    /// systemd does not watch it: what became of the peer is found by who takes it out.
    ///
    /// # Errors
    /// When systemd does not take notifications for a while.
    pub fn put(&self, name: &str, descriptor: BorrowedFd<'_>) -> io::Result<()> {
        // sd-notify has no word for FDPOLL=.
        let states = [NotifyState::FdStore, NotifyState::FdName(name), NotifyState::Custom("FDPOLL=0")];
        self.notifier.send_with(&states, Some(descriptor))
    }

    /// Takes all descriptors of a name out of the store and closes them there. There need not be any.
    ///
    /// # Errors
    /// When systemd does not take notifications for a while.
    pub fn remove(&self, name: &str) -> io::Result<()> {
        self.notifier.send_with(&[NotifyState::FdStoreRemove, NotifyState::FdName(name)], None)
    }

    /// Waits until systemd has worked through all that it was told: `sd_notify_barrier(3)`. The last thing to do with
    /// it.
    ///
    /// # Errors
    /// `WouldBlock`: it has not within five seconds.
    pub fn settle(self) -> io::Result<()> {
        let (mut ours, theirs) = self.barrier;
        self.notifier.send_with(&[NotifyState::Custom("BARRIER=1")], Some(theirs.as_fd()))?;
        drop(theirs);
        // It ends when systemd closes what it was sent.
        ours.read(&mut [0]).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::cmsg_space;
    use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};
    use std::io::IoSliceMut;
    use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
    use std::os::unix::net::UnixDatagram;

    /// What systemd would receive: the words, and the descriptor with them.
    #[expect(unsafe_code, reason = "a descriptor from a control message is a number")]
    fn hear(systemd: &UnixDatagram) -> (String, Option<OwnedFd>) {
        let mut bytes = [0; 4096];
        let mut control = cmsg_space!([std::os::fd::RawFd; 1]);
        let (length, descriptor) = {
            let mut buffers = [IoSliceMut::new(&mut bytes)];
            let fd = systemd.as_raw_fd();
            let message = recvmsg::<()>(fd, &mut buffers, Some(&mut control), MsgFlags::empty()).unwrap();
            let descriptor = message.cmsgs().unwrap().find_map(|control| match control {
                // SAFETY: the kernel has just made it for us.
                ControlMessageOwned::ScmRights(fds) => Some(unsafe { OwnedFd::from_raw_fd(fds[0]) }),
                _ => None,
            });
            (message.bytes, descriptor)
        };
        (String::from_utf8(bytes[..length].to_vec()).unwrap(), descriptor)
    }

    fn stage() -> (UnixDatagram, DescriptorStore, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let systemd = UnixDatagram::bind(&path).unwrap();
        let notifier = Notifier::to(path.as_os_str()).unwrap();
        (systemd, DescriptorStore::new(notifier, 10).unwrap(), folder)
    }

    #[test]
    fn a_descriptor_goes_with_its_name_and_its_name_takes_it_back() {
        let (systemd, store, _folder) = stage();
        let (ours, theirs) = UnixStream::pair().unwrap();
        store.put("c1a", theirs.as_fd()).unwrap();
        drop(theirs);
        let (words, descriptor) = hear(&systemd);
        assert_eq!(words, "FDSTORE=1\nFDNAME=c1a\nFDPOLL=0\n");
        let mut kept = UnixStream::from(descriptor.unwrap());
        io::Write::write_all(&mut &ours, b"still open").unwrap();
        let mut read = [0; 10];
        kept.read_exact(&mut read).unwrap();
        assert_eq!(&read, b"still open");
        store.remove("c1a").unwrap();
        let (words, descriptor) = hear(&systemd);
        assert_eq!(words, "FDSTOREREMOVE=1\nFDNAME=c1a\n");
        assert!(descriptor.is_none());
    }

    #[test]
    fn it_is_settled_when_systemd_has_come_to_the_barrier() {
        let (systemd, store, _folder) = stage();
        let settling = std::thread::spawn(move || store.settle());
        let (words, barrier) = hear(&systemd);
        assert_eq!(words, "BARRIER=1\n");
        assert!(!settling.is_finished());
        drop(barrier);
        settling.join().unwrap().unwrap();
    }
}
