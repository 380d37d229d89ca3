//! Listeners of our own, when systemd passed none.

use super::SocketError;
use socket2::{Domain, SockAddr, Socket, Type};
use std::fs::{self, Permissions};
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::Path;

/// Connections that may wait for accept(2). The kernel takes the smaller of this and `net.core.somaxconn`, which
/// is 4096 since Linux 5.4.
const BACKLOG: i32 = 4096;

/// Binds and listens. Port 0 takes a free one.
///
/// An IPv6 address takes IPv6 only (`IPV6_V6ONLY`), so that `0.0.0.0` and `[::]` stand side by side.
/// `SO_REUSEADDR` lets a restart have the port while connections of the last run linger.
///
/// # Errors
/// [`SocketError`] with the address: taken, not permitted, not of this machine, or what else the kernel said.
pub fn bind_tcp(address: SocketAddr) -> Result<TcpListener, SocketError> {
    listen_tcp(address).map_err(|(doing, source)| {
        let address = address.to_string();
        match source.kind() {
            ErrorKind::AddrInUse => SocketError::Taken { address },
            ErrorKind::PermissionDenied => SocketError::NotPermitted { address },
            ErrorKind::AddrNotAvailable => SocketError::NoSuchAddress { address },
            _ if source.raw_os_error() == Some(nix::libc::EAFNOSUPPORT) => SocketError::NoSuchAddress { address },
            _ => SocketError::Failed { address, doing, source },
        }
    })
}

fn listen_tcp(address: SocketAddr) -> Result<TcpListener, (&'static str, io::Error)> {
    let doing = |text: &'static str| move |source| (text, source);
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).map_err(doing("making a socket"))?;
    if address.is_ipv6() {
        socket.set_only_v6(true).map_err(doing("setting IPV6_V6ONLY"))?;
    }
    socket.set_reuse_address(true).map_err(doing("setting SO_REUSEADDR"))?;
    socket.set_nonblocking(true).map_err(doing("making the socket non-blocking"))?;
    socket.bind(&address.into()).map_err(doing("binding"))?;
    socket.listen(BACKLOG).map_err(doing("listening"))?;
    Ok(socket.into())
}

/// Who may connect to a path that we listen on. Not everybody: whoever can reach a network socket was let in by a
/// firewall and an address, while every program on this machine can reach a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// The socket's owner: mode 0600.
    Owner,
    /// Its group as well: mode 0660.
    Group,
}

impl Reach {
    fn mode(self) -> u32 {
        match self {
            Self::Owner => 0o600,
            Self::Group => 0o660,
        }
    }
}

/// Binds and listens on a path, with our own user and group.
///
/// A socket that nobody answers on is left over from an earlier run and is replaced. The file stays when the
/// listener is dropped: removing it then could remove a successor's.
///
/// Before [`drop_to`](crate::host::privileges::drop_to) that is root and its group, so the file has to be given over.
///
/// # Errors
/// [`SocketError`] with the path: taken, not permitted, no socket, or what else the kernel said.
pub fn bind_unix(path: &Path, reach: Reach) -> Result<UnixListener, SocketError> {
    remove_stale(path)?;
    listen_unix(path, reach.mode()).map_err(|(doing, source)| {
        let address = path.display().to_string();
        match source.kind() {
            ErrorKind::AddrInUse => SocketError::Taken { address },
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => SocketError::NotPermitted { address },
            _ => SocketError::Failed { address, doing, source },
        }
    })
}

fn listen_unix(path: &Path, mode: u32) -> Result<UnixListener, (&'static str, io::Error)> {
    let doing = |text: &'static str| move |source| (text, source);
    let address = SockAddr::unix(path).map_err(doing("reading the path"))?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None).map_err(doing("making a socket"))?;
    socket.set_nonblocking(true).map_err(doing("making the socket non-blocking"))?;
    // bind(2) gives the file the socket's own mode less the umask, so there is no moment with a wider one...
    nix::sys::stat::fchmod(&socket, nix::sys::stat::Mode::from_bits_truncate(mode))
        .map_err(|errno| ("setting the mode", errno.into()))?;
    socket.bind(&address).map_err(doing("binding"))?;
    // ...and this puts back what the umask took.
    fs::set_permissions(path, Permissions::from_mode(mode)).map_err(doing("setting the mode"))?;
    socket.listen(BACKLOG).map_err(doing("listening"))?;
    Ok(socket.into())
}

fn remove_stale(path: &Path) -> Result<(), SocketError> {
    let address = || path.display().to_string();
    let failed = |doing, source: io::Error| match source.kind() {
        ErrorKind::PermissionDenied => SocketError::NotPermitted { address: address() },
        _ => SocketError::Failed { address: address(), doing, source },
    };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed("looking at it", error)),
        Ok(found) if !found.file_type().is_socket() => return Err(SocketError::NotASocket { path: address() }),
        Ok(_) => {}
    }
    match knock(path) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(|error| failed("removing the socket of an earlier run", error))
        }
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            Err(SocketError::NotPermitted { address: address() })
        }
        // Somebody is there, even if too busy (EAGAIN) or of another type (EPROTOTYPE).
        _ => Err(SocketError::Taken { address: address() }),
    }
}

/// Connects without waiting: a full backlog would block.
fn knock(path: &Path) -> io::Result<()> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.connect(&SockAddr::unix(path)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::exit::Exit;
    use std::io::{Read, Write};
    use std::net::TcpStream;
    use std::os::unix::net::{UnixDatagram, UnixStream};

    #[test]
    fn a_taken_port_is_told_with_its_address() {
        let first = bind_tcp("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = first.local_addr().unwrap();
        let error = bind_tcp(address).unwrap_err();
        assert!(error.to_string().starts_with(&format!("{address} is taken")), "{error}");
        assert_eq!(error.exit(), Exit::Unavailable);
    }

    #[test]
    fn a_port_with_lingering_connections_is_free() {
        let first = bind_tcp("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = first.local_addr().unwrap();
        first.set_nonblocking(false).unwrap();
        let mut client = TcpStream::connect(address).unwrap();
        drop(first.accept().unwrap());
        drop(first);
        assert_eq!(client.read(&mut [0; 1]).unwrap(), 0);
        bind_tcp(address).unwrap();
    }

    #[test]
    fn an_address_of_another_machine_is_told() {
        // TEST-NET-1 of RFC 5737 is nobody's.
        let error = bind_tcp("192.0.2.1:0".parse().unwrap()).unwrap_err();
        assert!(matches!(&error, SocketError::NoSuchAddress { address } if address == "192.0.2.1:0"), "{error}");
    }

    #[test]
    fn both_families_have_the_same_port() {
        let Ok(v6) = bind_tcp("[::]:0".parse().unwrap()) else {
            eprintln!("no IPv6 on this machine: not tried");
            return;
        };
        let port = v6.local_addr().unwrap().port();
        bind_tcp(SocketAddr::from(([0, 0, 0, 0], port))).unwrap();
    }

    #[test]
    fn a_path_answers_and_is_for_its_owner_or_for_its_group_too() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o7777;
        drop(bind_unix(&path, Reach::Owner).unwrap());
        assert_eq!(mode(), 0o600);
        let listener = bind_unix(&path, Reach::Group).unwrap();
        listener.set_nonblocking(false).unwrap();
        assert_eq!(mode(), 0o660);

        UnixStream::connect(&path).unwrap().write_all(b"hello").unwrap();
        let mut text = String::new();
        listener.accept().unwrap().0.read_to_string(&mut text).unwrap();
        assert_eq!(text, "hello");
    }

    #[test]
    fn a_socket_of_an_earlier_run_is_replaced_and_one_in_use_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        drop(bind_unix(&path, Reach::Group).unwrap());
        assert!(path.exists());
        let listener = bind_unix(&path, Reach::Group).unwrap();
        let error = bind_unix(&path, Reach::Group).unwrap_err();
        assert!(matches!(error, SocketError::Taken { .. }), "{error}");
        drop(listener);

        fs::remove_file(&path).unwrap();
        let _datagram = UnixDatagram::bind(&path).unwrap();
        assert!(matches!(bind_unix(&path, Reach::Group), Err(SocketError::Taken { .. })));
    }

    #[test]
    fn a_file_in_the_way_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "precious").unwrap();
        let error = bind_unix(&path, Reach::Group).unwrap_err();
        assert!(matches!(error, SocketError::NotASocket { .. }), "{error}");
        assert_eq!(error.exit(), Exit::Config);
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    }

    #[test]
    fn a_path_without_its_folder_or_too_long_is_an_error_with_the_path() {
        let folder = tempfile::tempdir().unwrap();
        for path in [folder.path().join("missing/socket"), folder.path().join("x".repeat(200))] {
            let error = bind_unix(&path, Reach::Group).unwrap_err();
            assert!(error.to_string().contains(&path.display().to_string()), "{error}");
        }
    }
}
