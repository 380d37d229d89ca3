//! What systemd is told: `sd_notify(3)`.
//!
//! The words are `sd-notify`'s. The sending is ours: the crate finds no abstract socket and asks the
//! environment each time.

use nix::sys::socket::{ControlMessage, MsgFlags, UnixAddr, sendmsg};
use sd_notify::NotifyState;
use std::ffi::OsStr;
use std::io::{self, IoSlice};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How long one notification may wait for room in systemd's queue.
const SEND_TIMEOUT: Duration = Duration::from_secs(1);

/// Tells the service manager about us. Cloning is cheap; without a service manager it does nothing.
///
/// A notification that can't be sent is lost, with one warning until the next that can: a daemon doesn't stop
/// because nobody listens to what it says about itself.
#[derive(Debug, Clone)]
pub struct Notifier(Option<Arc<Manager>>);

#[derive(Debug)]
struct Manager {
    socket: UnixDatagram,
    address: SocketAddr,
    /// The same, in the words of the call that sends descriptors.
    unix_address: UnixAddr,
    /// The last notification was lost, and a record said so.
    warned: AtomicBool,
}

impl Notifier {
    /// Tells nobody.
    #[must_use]
    pub fn off() -> Self {
        Self(None)
    }

    /// Tells whom `NOTIFY_SOCKET` names; off without it.
    ///
    /// An address that is no path and not abstract (`vsock:`, from outside a virtual machine) is off too, with a
    /// warning. The variable stays: removing it needs a process with one thread, and this daemon starts no others.
    #[must_use]
    pub fn from_environment() -> Self {
        std::env::var_os("NOTIFY_SOCKET").map_or_else(Self::off, |address| {
            Self::to(&address).unwrap_or_else(|error| {
                let address = address.display();
                tracing::warn!(%error, %address, "systemd can't be notified");
                Self::off()
            })
        })
    }

    /// Tells a socket: a path, or `@` and the name of an abstract one.
    ///
    /// # Errors
    /// `InvalidInput` where the address is neither or too long; else what socket(2) said. That somebody listens
    /// there is not checked.
    pub fn to(address: &OsStr) -> io::Result<Self> {
        let (address, unix_address) = match address.as_bytes() {
            [b'@', name @ ..] => (SocketAddr::from_abstract_name(name)?, UnixAddr::new_abstract(name)?),
            [b'/', ..] => (SocketAddr::from_pathname(address)?, UnixAddr::new(address)?),
            _ => return Err(io::Error::new(io::ErrorKind::InvalidInput, "neither a path nor an abstract socket")),
        };
        let socket = UnixDatagram::unbound()?;
        // Blocking for a moment is better than losing READY, and better than hanging with systemd.
        socket.set_write_timeout(Some(SEND_TIMEOUT))?;
        Ok(Self(Some(Arc::new(Manager { socket, address, unix_address, warned: AtomicBool::new(false) }))))
    }

    /// Whether there is a service manager to tell.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Whether the service manager listens on an abstract socket, which only some sandboxes let us reach.
    #[must_use]
    pub fn is_abstract(&self) -> bool {
        self.0.as_ref().is_some_and(|manager| manager.address.as_abstract_name().is_some())
    }

    /// Start-up is done: sockets, store and listeners stand.
    pub fn ready(&self, status: &str) {
        self.send(&[NotifyState::Ready, NotifyState::Status(&one_line(status))]);
    }

    /// One line for `systemctl status`, such as "12 online, 15 connections".
    pub fn status(&self, status: &str) {
        self.send(&[NotifyState::Status(&one_line(status))]);
    }

    /// The daemon is about to end.
    pub fn stopping(&self) {
        self.send(&[NotifyState::Stopping]);
    }

    /// A reload begins. [`Self::ready_again`] must follow, whatever comes of it, or systemd waits in vain.
    pub fn reloading(&self) {
        match NotifyState::monotonic_usec_now() {
            Ok(now) => self.send(&[NotifyState::Reloading, now]),
            Err(error) => tracing::warn!(%error, "the monotonic clock can't be read, systemd isn't told of the reload"),
        }
    }

    /// A reload has ended, also when the new configuration was refused: `status` says which.
    pub fn ready_again(&self, status: &str) {
        self.ready(status);
    }

    /// Starting or stopping goes on, and takes no longer than this from now. At most 71 minutes a time.
    pub fn extend_timeout(&self, timeout: Duration) {
        let microseconds = u32::try_from(timeout.as_micros()).unwrap_or(u32::MAX);
        self.send(&[NotifyState::ExtendTimeoutUsec(microseconds)]);
    }

    /// All is well. The [`watchdog`](super::watchdog) says this, and nobody else.
    pub fn watchdog(&self) {
        self.send(&[NotifyState::Watchdog]);
    }

    fn send(&self, states: &[NotifyState<'_>]) {
        // It was logged, and nothing hangs on it.
        let _ = self.send_with(states, None);
    }

    /// Sends one notification, with a descriptor of ours, of which the service manager gets a copy.
    ///
    /// # Errors
    /// When it was lost; a record says so, too. Without a service manager there is none.
    pub(super) fn send_with(&self, states: &[NotifyState<'_>], descriptor: Option<BorrowedFd<'_>>) -> io::Result<()> {
        let Some(manager) = &self.0 else { return Ok(()) };
        let lines = states.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n") + "\n";
        let sent = match descriptor {
            None => manager.socket.send_to_addr(lines.as_bytes(), &manager.address).map(drop),
            Some(descriptor) => {
                let descriptors = [descriptor.as_raw_fd()];
                let with = [ControlMessage::ScmRights(&descriptors)];
                let lines = [IoSlice::new(lines.as_bytes())];
                let socket = manager.socket.as_raw_fd();
                sendmsg(socket, &lines, &with, MsgFlags::MSG_NOSIGNAL, Some(&manager.unix_address))
                    .map(drop)
                    .map_err(io::Error::from)
            }
        };
        match &sent {
            Ok(()) => manager.warned.store(false, Ordering::Relaxed),
            Err(error) => {
                if !manager.warned.swap(true, Ordering::Relaxed) {
                    tracing::warn!(%error, "a notification to systemd was lost");
                }
            }
        }
        sent
    }
}

/// A line break in a status would begin another assignment.
fn one_line(text: &str) -> String {
    text.replace(char::is_control, " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Systemd {
        socket: UnixDatagram,
        _folder: tempfile::TempDir,
    }

    impl Systemd {
        fn listening() -> (Self, Notifier) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("notify");
            let socket = UnixDatagram::bind(&path).unwrap();
            let notifier = Notifier::to(path.as_os_str()).unwrap();
            (Self { socket, _folder: folder }, notifier)
        }

        fn hears(&self) -> String {
            hear(&self.socket)
        }
    }

    fn hear(socket: &UnixDatagram) -> String {
        let mut bytes = [0; 4096];
        let length = socket.recv(&mut bytes).unwrap();
        String::from_utf8(bytes[..length].to_vec()).unwrap()
    }

    #[test]
    fn a_life_in_notifications() {
        let (systemd, notifier) = Systemd::listening();
        assert!(notifier.is_on());
        notifier.extend_timeout(Duration::from_secs(30));
        assert_eq!(systemd.hears(), "EXTEND_TIMEOUT_USEC=30000000\n");
        notifier.ready("0 online, 0 connections");
        assert_eq!(systemd.hears(), "READY=1\nSTATUS=0 online, 0 connections\n");
        notifier.status("12 online, 15 connections");
        assert_eq!(systemd.hears(), "STATUS=12 online, 15 connections\n");
        notifier.watchdog();
        assert_eq!(systemd.hears(), "WATCHDOG=1\n");
        notifier.ready_again("configuration refused, the old one stays");
        assert_eq!(systemd.hears(), "READY=1\nSTATUS=configuration refused, the old one stays\n");
        notifier.stopping();
        assert_eq!(systemd.hears(), "STOPPING=1\n");
    }

    #[test]
    fn a_reload_carries_the_time_of_the_monotonic_clock() {
        let now = || i128::from(nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC).unwrap().tv_sec());
        let (systemd, notifier) = Systemd::listening();
        let before = now();
        notifier.reloading();
        let heard = systemd.hears();
        let microseconds = heard.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap().trim_end();
        let seconds = microseconds.parse::<i128>().unwrap() / 1_000_000;
        assert!((before..=now()).contains(&seconds), "{heard}");
    }

    #[test]
    fn an_abstract_socket_is_told_too() {
        let name = format!("messengerd-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let systemd = UnixDatagram::bind_addr(&address).unwrap();
        Notifier::to(OsStr::new(&format!("@{name}"))).unwrap().stopping();
        assert_eq!(hear(&systemd), "STOPPING=1\n");
    }

    #[test]
    fn a_status_is_one_line_whatever_is_in_it() {
        let (systemd, notifier) = Systemd::listening();
        notifier.status("one\nSTOPPING=1\r\0two");
        assert_eq!(systemd.hears(), "STATUS=one STOPPING=1  two\n");
    }

    #[test]
    fn a_manager_that_is_gone_stops_nobody_and_one_that_is_back_hears() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let notifier = Notifier::to(path.as_os_str()).unwrap();
        notifier.ready("lost");
        notifier.status("lost");
        let systemd = UnixDatagram::bind(&path).unwrap();
        notifier.status("heard");
        assert_eq!(hear(&systemd), "STATUS=heard\n");
    }

    #[test]
    fn a_long_time_is_as_long_as_the_field_holds() {
        let (systemd, notifier) = Systemd::listening();
        notifier.extend_timeout(Duration::MAX);
        assert_eq!(systemd.hears(), "EXTEND_TIMEOUT_USEC=4294967295\n");
    }

    #[test]
    fn other_addresses_are_refused() {
        for address in ["vsock:2:1234", "relative/path", ""] {
            assert_eq!(Notifier::to(OsStr::new(address)).unwrap_err().kind(), io::ErrorKind::InvalidInput, "{address}");
        }
        assert!(Notifier::to(OsStr::new(&format!("/{}", "x".repeat(200)))).is_err());
    }

    #[test]
    fn off_is_silent() {
        let notifier = Notifier::off();
        assert!(!notifier.is_on());
        notifier.ready("nobody hears");
    }
}
