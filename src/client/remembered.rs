//! Which server and login to use: built-in defaults, then what `login` remembered, then the environment and flags
//! (of which the flags win; the argument parser sees to that).

use super::address::{AddressError, ServerAddress};
use crate::domain::{Login, LoginError};
use crate::terminal::private_file::{self, FileError};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// `config.toml`. Never a password.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Remembered {
    /// As for `--server`.
    pub(super) server: Option<String>,
    /// As for `--login`.
    pub(super) login: Option<String>,
}

/// What this run uses.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Settled {
    /// Where to connect to.
    pub(super) server: ServerAddress,
    /// Who this is, when anybody said so.
    pub(super) login: Option<Login>,
}

/// Why it is not clear which server and login to use.
#[derive(Debug, thiserror::Error)]
pub(super) enum RememberedError {
    /// The file, or its folder.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file is not what `login` writes.
    #[error("{}: {why}; correct it, or delete it and log in again", .path.display())]
    Damaged { path: PathBuf, why: String },
    /// Neither `XDG_CONFIG_HOME` nor `HOME` says where to.
    #[error("cannot remember: neither XDG_CONFIG_HOME nor HOME is set")]
    Homeless,
    /// A server's address that is none.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// A login that is none.
    #[error("{login:?} is no login: {why}")]
    Login { login: String, why: LoginError },
}

impl Remembered {
    /// Reads what was remembered: nothing, when there is no file.
    ///
    /// # Errors
    /// When the file is damaged or unreadable.
    pub(super) fn read() -> Result<Self, RememberedError> {
        let Some(path) = path() else { return Ok(Self::default()) };
        let Some(text) = private_file::read(&path)? else { return Ok(Self::default()) };
        toml::from_str(&text).map_err(|error| RememberedError::Damaged { path, why: error.message().to_owned() })
    }

    /// Remembers for the next time, and says in which file.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(super) fn write(server: &ServerAddress, login: &Login) -> Result<PathBuf, RememberedError> {
        let path = path().ok_or(RememberedError::Homeless)?;
        let server = match server {
            // The next run may be in another folder. Without a current folder the path is kept as it is.
            ServerAddress::Unix(socket) => {
                std::path::absolute(socket).unwrap_or_else(|_| socket.clone()).display().to_string()
            }
            ServerAddress::Tcp { .. } => server.to_string(),
        };
        let remembered = Self { server: Some(server), login: Some(login.as_str().to_owned()) };
        let text = toml::to_string(&remembered)
            .map_err(|error| RememberedError::Damaged { path: path.clone(), why: error.to_string() })?;
        private_file::replace(&path, &format!("# Written by `messenger login`.\n{text}"))?;
        Ok(path)
    }
}

/// Lays what was given over what was remembered, and that over the defaults.
///
/// # Errors
/// [`RememberedError::Address`] or [`RememberedError::Login`] when the text that wins is no address or login.
pub(super) fn settle(
    server: Option<&str>,
    login: Option<&str>,
    remembered: &Remembered,
) -> Result<Settled, RememberedError> {
    let server = match server.or(remembered.server.as_deref()) {
        Some(text) => text.parse()?,
        None => ServerAddress::default(),
    };
    let login = login.or(remembered.login.as_deref()).map(parse_login).transpose()?;
    Ok(Settled { server, login })
}

/// A login that a person gave.
///
/// # Errors
/// [`RememberedError::Login`] with the rule that it breaks.
pub(super) fn parse_login(text: &str) -> Result<Login, RememberedError> {
    Login::parse(text).map_err(|why| RememberedError::Login { login: text.to_owned(), why })
}

fn path() -> Option<PathBuf> {
    private_file::folder("XDG_CONFIG_HOME", ".config").map(|folder| folder.join("config.toml"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remembered() -> Remembered {
        Remembered { server: Some("ship:99".to_owned()), login: Some("Ann".to_owned()) }
    }

    #[test]
    fn without_anything_it_is_this_machine_and_nobody() {
        let settled = settle(None, None, &Remembered::default()).unwrap();
        assert_eq!(settled, Settled { server: ServerAddress::default(), login: None });
    }

    #[test]
    fn what_was_remembered_wins_over_the_defaults_and_loses_to_what_is_given() {
        let settled = settle(None, None, &remembered()).unwrap();
        assert_eq!((settled.server.to_string().as_str(), settled.login.unwrap().as_str()), ("ship:99", "ann"));
        let settled = settle(Some("/run/classic.sock"), Some("bob"), &remembered()).unwrap();
        assert_eq!(settled.server, ServerAddress::Unix("/run/classic.sock".into()));
        assert_eq!(settled.login.unwrap().as_str(), "bob");
    }

    #[test]
    fn what_is_overruled_may_be_wrong() {
        let wrong = Remembered { server: Some("ship:x".to_owned()), login: Some("a b".to_owned()) };
        assert!(settle(Some("ship"), Some("ann"), &wrong).is_ok());
        assert!(matches!(settle(None, Some("ann"), &wrong), Err(RememberedError::Address(_))));
        assert!(matches!(settle(Some("ship"), None, &wrong), Err(RememberedError::Login { .. })));
    }
}
