//! Addresses to listen on.

use super::{Kind, Refusal, toml_text, value_of};
use figment::value::Value;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Where to wait for clients.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ListenAddress {
    /// An IP address and a TCP port; port 0 lets the kernel choose a free one.
    Tcp(SocketAddr),
    /// The absolute path of a UNIX stream socket, at most [`ListenAddress::MAX_PATH`] bytes.
    Unix(PathBuf),
}

impl ListenAddress {
    /// The longest path of a UNIX socket, in bytes: `sun_path` of unix(7) without the NUL at its end.
    pub const MAX_PATH: usize = 107;

    /// Reads `IP:PORT`, with an IPv6 address in brackets, or an absolute path.
    fn parse(text: &str) -> Result<Self, &'static str> {
        if !text.starts_with('/') {
            return text.parse().map(Self::Tcp).map_err(|_| "is neither IP:PORT nor an absolute path");
        }
        if text.len() > Self::MAX_PATH {
            return Err("is longer than the 107 bytes that the path of a socket may have");
        }
        if text.contains('\0') {
            return Err("holds a NUL");
        }
        Ok(Self::Unix(Path::new(text).to_owned()))
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => path.display().fmt(f),
        }
    }
}

/// A list of addresses, none of them twice.
pub(in crate::config) struct Addresses;

/// A list of addresses, none of them twice.
pub(in crate::config) fn addresses() -> Addresses {
    Addresses
}

impl Kind for Addresses {
    type Value = Vec<ListenAddress>;

    fn expected(&self) -> String {
        "a list of \"IP:PORT\" and absolute paths of UNIX sockets".to_owned()
    }

    fn read(&self, value: &Value) -> Result<Self::Value, Refusal> {
        let found = |value| toml_text(Some(value));
        let items = value.as_array().ok_or_else(|| Refusal::WrongType(found(value)))?;
        let mut addresses = Vec::with_capacity(items.len());
        for item in items {
            let text = item.as_str().ok_or_else(|| Refusal::WrongType(found(item)))?;
            let address = ListenAddress::parse(text).map_err(|why| Refusal::Form { found: found(item), why })?;
            if addresses.contains(&address) {
                return Err(Refusal::Form { found: found(item), why: "is in the list twice" });
            }
            addresses.push(address);
        }
        Ok(addresses)
    }

    fn write(&self, value: &Self::Value) -> Option<Value> {
        Some(value.iter().map(|address| Value::from(address.to_string().as_str())).collect::<Vec<_>>().into())
    }

    /// Addresses with commas between them, or a list as in a file.
    fn parse_text(&self, text: &str) -> Value {
        if let Ok(list) = toml::de::DeValue::parse(text)
            && list.get_ref().is_array()
        {
            return value_of(list.get_ref());
        }
        let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
        items.map(Value::from).collect::<Vec<_>>().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::kind::tests::refusal;

    fn read(text: &str) -> Result<Vec<ListenAddress>, Refusal> {
        Addresses.read(&Addresses.parse_text(text))
    }

    #[test]
    fn a_list_from_the_environment_has_commas_or_is_written_as_in_a_file() {
        let three = vec![
            ListenAddress::Tcp("127.0.0.1:0".parse().unwrap()),
            ListenAddress::Tcp("[::1]:54321".parse().unwrap()),
            ListenAddress::Unix("/run/messengerd/classic".into()),
        ];
        assert_eq!(read("127.0.0.1:0, [::1]:54321,/run/messengerd/classic"), Ok(three.clone()));
        assert_eq!(read(r#"["127.0.0.1:0", "[::1]:54321", "/run/messengerd/classic"]"#), Ok(three.clone()));
        assert_eq!(Addresses.read(&Addresses.write(&three).unwrap()), Ok(three));
        assert_eq!(read("[::1]:1"), Ok(vec![ListenAddress::Tcp("[::1]:1".parse().unwrap())]));
        assert_eq!(read("[]"), Ok(vec![]));
        assert_eq!(read(""), Ok(vec![]));
    }

    #[test]
    fn what_is_no_address() {
        for bad in ["54321", "localhost:54321", "127.0.0.1", "::1:54321", "127.0.0.1:65536", "run/socket"] {
            assert_eq!(refusal(&Addresses, bad), format!("\"{bad}\" is neither IP:PORT nor an absolute path"));
        }
        assert_eq!(refusal(&Addresses, "[::1]:1,[::1]:1"), "\"[::1]:1\" is in the list twice");
        assert!(refusal(&Addresses, &format!("/{}", "x".repeat(107))).contains("107 bytes"));
        assert!(read(&format!("/{}", "x".repeat(106))).is_ok());
        assert_eq!(Addresses.read(&vec![1].into()), Err(Refusal::WrongType("1".into())));
        assert_eq!(Addresses.read(&"127.0.0.1:1".into()), Err(Refusal::WrongType("\"127.0.0.1:1\"".into())));
    }
}
