//! Where the server is.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// The port of the classic protocol.
pub(super) const DEFAULT_PORT: u16 = 54321;

/// A place that a server listens at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ServerAddress {
    /// A host's name or IP address, and a TCP port.
    Tcp {
        /// Without the brackets of an IPv6 address.
        host: String,
        port: u16,
    },
    /// The path of a UNIX stream socket.
    Unix(PathBuf),
}

/// The text is no address of a server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no server: give HOST, HOST:PORT, [IPV6]:PORT, or the path of a UNIX socket")]
pub(super) struct AddressError(String);

impl Default for ServerAddress {
    fn default() -> Self {
        Self::Tcp { host: "127.0.0.1".to_owned(), port: DEFAULT_PORT }
    }
}

impl FromStr for ServerAddress {
    type Err = AddressError;

    /// A text with a slash is a path. A port that is left out is [`DEFAULT_PORT`].
    fn from_str(text: &str) -> Result<Self, AddressError> {
        let error = || AddressError(text.to_owned());
        if text.contains('/') {
            return Ok(Self::Unix(PathBuf::from(text)));
        }
        let (host, port) = if let Some(rest) = text.strip_prefix('[') {
            let (host, rest) = rest.split_once(']').ok_or_else(error)?;
            let port = if rest.is_empty() { None } else { Some(rest.strip_prefix(':').ok_or_else(error)?) };
            (host, port)
        } else {
            match text.split_once(':') {
                // More than one colon and no brackets: an IPv6 address alone.
                Some((_, rest)) if rest.contains(':') => (text, None),
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            }
        };
        let port = port.map_or(Ok(DEFAULT_PORT), |port| port.parse().map_err(|_| error()))?;
        if host.is_empty() || port == 0 || host.contains(char::is_whitespace) {
            return Err(error());
        }
        Ok(Self::Tcp { host: host.to_owned(), port })
    }
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix(path) => path.display().fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(host: &str, port: u16) -> ServerAddress {
        ServerAddress::Tcp { host: host.to_owned(), port }
    }

    #[test]
    fn a_port_may_be_left_out() {
        for (text, address, shown) in [
            ("ship", tcp("ship", 54321), "ship:54321"),
            ("ship.example.org:99", tcp("ship.example.org", 99), "ship.example.org:99"),
            ("[::1]:99", tcp("::1", 99), "[::1]:99"),
            ("[::1]", tcp("::1", 54321), "[::1]:54321"),
            ("::1", tcp("::1", 54321), "[::1]:54321"),
        ] {
            let parsed: ServerAddress = text.parse().unwrap();
            assert_eq!((&parsed, parsed.to_string().as_str()), (&address, shown));
        }
    }

    #[test]
    fn a_slash_makes_it_a_path() {
        assert_eq!("./classic.sock".parse(), Ok(ServerAddress::Unix("./classic.sock".into())));
    }

    #[test]
    fn what_is_no_address() {
        for bad in ["", ":99", "ship:", "ship:70000", "ship:0", "[::1", "[::1]99", "two words"] {
            assert!(bad.parse::<ServerAddress>().is_err(), "{bad}");
        }
    }
}
