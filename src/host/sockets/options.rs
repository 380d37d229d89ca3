//! What accepted connections inherit from their listener.

use super::SocketError;
use socket2::{SockRef, TcpKeepalive};
use std::net::TcpListener;
use std::time::Duration;

/// When a peer that says nothing counts as dead: tcp(7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TcpOptions {
    /// Silence before the first probe (`TCP_KEEPIDLE`), in whole seconds, at least one.
    pub keepalive_idle: Duration,
    /// Time between probes (`TCP_KEEPINTVL`), in whole seconds, at least one.
    pub keepalive_interval: Duration,
    /// How long written bytes may stay without acknowledgement (`TCP_USER_TIMEOUT`), in milliseconds. Zero is the
    /// kernel's own, about a quarter of an hour. It also bounds the probes: with it, their number (`TCP_KEEPCNT`)
    /// counts for nothing.
    pub user_timeout: Duration,
}

/// Sets keepalive, user timeout and `TCP_NODELAY` on a listener.
///
/// Linux copies them to each accepted socket, so that an accept costs no call more.
///
/// # Errors
/// [`SocketError::Failed`] with the listener's address; a number out of the kernel's range is such a failure.
pub fn set_tcp_options(listener: &TcpListener, options: &TcpOptions) -> Result<(), SocketError> {
    let socket = SockRef::from(listener);
    let keepalive = TcpKeepalive::new()
        .with_time(whole_seconds(options.keepalive_idle))
        .with_interval(whole_seconds(options.keepalive_interval));
    let failed = |doing| {
        move |source| SocketError::Failed {
            address: listener.local_addr().map_or_else(|_| "a TCP listener".into(), |address| address.to_string()),
            doing,
            source,
        }
    };
    socket.set_tcp_keepalive(&keepalive).map_err(failed("setting keepalive"))?;
    socket.set_tcp_user_timeout(Some(options.user_timeout)).map_err(failed("setting the user timeout"))?;
    socket.set_tcp_nodelay(true).map_err(failed("setting TCP_NODELAY"))
}

/// The kernel counts these in seconds and refuses none.
fn whole_seconds(duration: Duration) -> Duration {
    Duration::from_secs(duration.as_millis().div_ceil(1000).clamp(1, 32_767) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpStream;

    fn options() -> TcpOptions {
        TcpOptions {
            keepalive_idle: Duration::from_secs(61),
            keepalive_interval: Duration::from_secs(7),
            user_timeout: Duration::from_millis(30_500),
        }
    }

    #[test]
    fn an_accepted_socket_has_the_listeners_options() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(address) else {
                eprintln!("no {address} on this machine: not tried");
                continue;
            };
            set_tcp_options(&listener, &options()).unwrap();
            let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (accepted, _) = listener.accept().unwrap();
            let accepted = SockRef::from(&accepted);
            assert!(accepted.keepalive().unwrap());
            assert_eq!(accepted.tcp_keepalive_time().unwrap(), Duration::from_secs(61));
            assert_eq!(accepted.tcp_keepalive_interval().unwrap(), Duration::from_secs(7));
            assert_eq!(accepted.tcp_user_timeout().unwrap(), Some(Duration::from_millis(30_500)));
            assert!(accepted.tcp_nodelay().unwrap());
        }
    }

    #[test]
    fn parts_of_a_second_are_rounded_up() {
        assert_eq!(whole_seconds(Duration::ZERO), Duration::from_secs(1));
        assert_eq!(whole_seconds(Duration::from_millis(1001)), Duration::from_secs(2));
        assert_eq!(whole_seconds(Duration::MAX), Duration::from_secs(32_767));
    }

    #[test]
    fn what_the_kernel_refuses_names_the_listener() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let error = set_tcp_options(&listener, &TcpOptions { user_timeout: Duration::from_hours(1000), ..options() })
            .unwrap_err();
        assert!(error.to_string().contains(&listener.local_addr().unwrap().to_string()), "{error}");
    }
}
