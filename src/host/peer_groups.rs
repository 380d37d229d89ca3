//! Of which groups the process at the other end of a UNIX socket is (unix(7), `SO_PEERGROUPS`; Linux 4.13).

use nix::libc;
use std::io;
use std::mem::size_of;
use std::os::fd::{AsFd, AsRawFd};

/// No process has more (`NGROUPS_MAX`).
const MOST: usize = 65_536;

/// The supplementary groups of whoever connected, as they were then.
///
/// # Errors
/// What getsockopt(2) said.
#[expect(unsafe_code, reason = "neither std, nix nor socket2 has SO_PEERGROUPS")]
pub fn of(socket: &impl AsFd) -> io::Result<Vec<u32>> {
    let descriptor = socket.as_fd().as_raw_fd();
    let mut groups: Vec<libc::gid_t> = vec![0; 32];
    loop {
        let mut size = libc::socklen_t::try_from(groups.len() * size_of::<libc::gid_t>()).map_err(io::Error::other)?;
        // SAFETY: the descriptor is open as long as it is borrowed; the kernel writes `size` bytes at the most, which the
        // vector has, and says how many they are or would be.
        let outcome = unsafe {
            libc::getsockopt(
                descriptor,
                libc::SOL_SOCKET,
                libc::SO_PEERGROUPS,
                groups.as_mut_ptr().cast(),
                std::ptr::from_mut(&mut size),
            )
        };
        let length = usize::try_from(size).map_err(io::Error::other)? / size_of::<libc::gid_t>();
        if outcome == 0 {
            groups.truncate(length);
            return Ok(groups);
        }
        let error = io::Error::last_os_error();
        if error.raw_os_error() != Some(libc::ERANGE) || length <= groups.len() || length > MOST {
            return Err(error);
        }
        groups.resize(length, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::unistd::Gid;
    use std::collections::BTreeSet;
    use std::os::unix::net::UnixStream;

    #[test]
    fn ours_are_ours() {
        let (socket, _other) = UnixStream::pair().unwrap();
        let own = nix::unistd::getgroups().unwrap().into_iter().map(Gid::as_raw).collect::<BTreeSet<_>>();
        assert_eq!(of(&socket).unwrap().into_iter().collect::<BTreeSet<_>>(), own);
    }
}
