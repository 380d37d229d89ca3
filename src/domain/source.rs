//! Whence somebody comes, for limits.

use super::Peer;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whence somebody comes. Whoever has one IPv6 address has a /64 of them, so that counts as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Source {
    /// An IPv4 address.
    V4(Ipv4Addr),
    /// The upper half of an IPv6 address.
    V6(u64),
    /// A user of this machine, on a UNIX socket.
    Local(u32),
}

impl From<Peer> for Source {
    fn from(peer: Peer) -> Self {
        match peer {
            Peer::Tcp(address) => Self::from(address.ip()),
            Peer::Unix { user } => Self::Local(user),
        }
    }
}

impl From<IpAddr> for Source {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address),
            IpAddr::V6(address) => Self::V6((Ipv6Addr::to_bits(address) >> 64) as u64),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4(address) => address.fmt(f),
            Self::V6(network) => Ipv6Addr::from_bits(u128::from(*network) << 64).fmt(f),
            Self::Local(user) => write!(f, "user {user}"),
        }
    }
}

impl Source {
    /// Reads what [`Display`](fmt::Display) shows; an address stands for its source.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text.strip_prefix("user ") {
            Some(user) => user.parse().ok().map(Self::Local),
            None => text.parse::<IpAddr>().ok().map(Self::from),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_what_it_says() {
        for source in [
            Source::V4([192, 0, 2, 7].into()),
            Source::V6(0x2001_0db8_0000_0001),
            Source::Local(1000),
            Source::Local(u32::MAX),
        ] {
            assert_eq!(Source::parse(&source.to_string()), Some(source));
        }
        assert_eq!(Source::V6(0x2001_0db8_0000_0001).to_string(), "2001:db8:0:1::");
        for nobody in ["", "user", "user -1", "user x", "192.0.2.7:80", "somebody"] {
            assert_eq!(Source::parse(nobody), None, "{nobody}");
        }
    }

    #[test]
    fn addresses_of_one_ipv6_network_are_one_source() {
        let source = |text: &str| Source::from(text.parse::<IpAddr>().unwrap());
        assert_eq!(source("2001:db8:1:2::1"), source("2001:db8:1:2:ffff::9"));
        assert_ne!(source("2001:db8:1:2::1"), source("2001:db8:1:3::1"));
        assert_eq!(source("::ffff:192.0.2.1"), source("192.0.2.1"));
        assert_ne!(source("192.0.2.1"), source("192.0.2.2"));
    }
}
