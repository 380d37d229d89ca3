//! Passwords, and what else is asked on the terminal.

use super::private_file::FileError;
use super::say;
use crate::domain::{Password, PasswordError, Secret};
use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, IsTerminal, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// More than a first line with a password has.
const MAX_LINE: u64 = 8 * 1024;

/// Where the password comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// Asked without echo.
    Terminal,
    /// The first line of a file.
    File(PathBuf),
    /// The first line of standard input; what follows it is left there. On a terminal it is asked for.
    StandardInput,
}

/// Why there is no password.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CredentialsError {
    /// There is nobody to ask.
    #[error("{0}: there is no terminal to ask on; {1}")]
    NoTerminal(String, &'static str),
    /// The terminal failed, or the person ended the input.
    #[error("no answer on the terminal: {}", super::plain(.0))]
    NoAnswer(io::Error),
    /// The password file.
    #[error("password file {0}")]
    File(FileError),
    /// The first line is empty.
    #[error("{0} has no password in its first line")]
    Empty(String),
    /// Two different ones were typed.
    #[error("the two passwords differ; nothing was done")]
    Differ,
    /// No server takes it.
    #[error(transparent)]
    NoPassword(#[from] PasswordError),
}

impl Source {
    /// What `--password-file` means.
    pub(crate) fn of(file: Option<&Path>) -> Self {
        match file {
            None => Self::Terminal,
            Some(path) if path == Path::new("-") && io::stdin().is_terminal() => Self::Terminal,
            Some(path) if path == Path::new("-") => Self::StandardInput,
            Some(path) => Self::File(path.to_owned()),
        }
    }

    /// The password of a login that exists.
    ///
    /// # Errors
    /// When nobody gives one.
    pub(crate) fn password(&self) -> Result<Secret, CredentialsError> {
        let secret = match self {
            Self::Terminal => prompt("Password: ")?,
            Self::StandardInput => first_line(io::stdin().lock(), "standard input", Path::new("-"))?,
            Self::File(path) => from_file(path)?,
        };
        // A file may hold what no server takes; that is said without a connection.
        Password::parse(&secret)?;
        Ok(secret)
    }

    /// A new password: typed twice, or from the file.
    ///
    /// # Errors
    /// When nobody gives one, or two different ones.
    pub(crate) fn new_password(&self) -> Result<Secret, CredentialsError> {
        let secret = self.password()?;
        if *self == Self::Terminal && prompt("The same again: ")? != secret {
            return Err(CredentialsError::Differ);
        }
        Ok(secret)
    }

    /// Another password, for an account that has one: typed twice, or from the file.
    ///
    /// # Errors
    /// As [`Source::new_password`].
    pub(crate) fn another_password(&self) -> Result<Secret, CredentialsError> {
        if *self != Self::Terminal {
            return self.password();
        }
        let secret = prompt("New password: ")?;
        Password::parse(&secret)?;
        if prompt("The same again: ")? == secret { Ok(secret) } else { Err(CredentialsError::Differ) }
    }
}

/// Asks for something that may be seen, on the terminal that is standard input.
///
/// # Errors
/// When standard input is no terminal, with `instead` as the way out; or at its end.
pub(crate) fn question(what: &str, instead: &'static str) -> Result<String, CredentialsError> {
    if !io::stdin().is_terminal() {
        return Err(CredentialsError::NoTerminal(what.to_owned(), instead));
    }
    say(&format!("{what}: "));
    let mut line = String::new();
    match io::stdin().lock().take(MAX_LINE).read_line(&mut line) {
        Ok(0) => Err(CredentialsError::NoAnswer(ErrorKind::UnexpectedEof.into())),
        Ok(_) => Ok(line.trim().to_owned()),
        Err(error) => Err(CredentialsError::NoAnswer(error)),
    }
}

fn prompt(words: &str) -> Result<Secret, CredentialsError> {
    match rpassword::prompt_password(words) {
        Ok(text) => Ok(Secret::new(text)),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Err(CredentialsError::NoAnswer(error)),
        Err(_) => Err(CredentialsError::NoTerminal("Password".to_owned(), "give --password-file FILE")),
    }
}

fn from_file(path: &Path) -> Result<Secret, CredentialsError> {
    let error = |source| CredentialsError::File(FileError { path: path.to_owned(), source });
    let file = File::open(path).map_err(error)?;
    let metadata = file.metadata().map_err(error)?;
    if metadata.is_file() && metadata.permissions().mode() & 0o044 != 0 {
        say(&format!("warning: others can read {0}; run: chmod 600 {0}\n", path.display()));
    }
    first_line(BufReader::new(file), &path.display().to_string(), path)
}

fn first_line(reader: impl BufRead, shown: &str, path: &Path) -> Result<Secret, CredentialsError> {
    let mut line = Zeroizing::new(String::with_capacity(8 * 1024));
    reader
        .take(MAX_LINE)
        .read_line(&mut line)
        .map_err(|source| CredentialsError::File(FileError { path: path.to_owned(), source }))?;
    let password = line.trim_end_matches(['\r', '\n']);
    if password.is_empty() {
        return Err(CredentialsError::Empty(shown.to_owned()));
    }
    Ok(Secret::new(password.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(bytes: &[u8]) -> Result<String, CredentialsError> {
        first_line(bytes, "the file", Path::new("file")).map(|secret| secret.expose().to_owned())
    }

    #[test]
    fn the_first_line_is_the_password_without_its_end() {
        for text in ["two words \n", "two words \r\nmore", "two words "] {
            assert_eq!(line(text.as_bytes()).unwrap(), "two words ", "{text:?}");
        }
    }

    #[test]
    fn an_empty_first_line_is_no_password() {
        assert!(matches!(line(b""), Err(CredentialsError::Empty(_))));
        assert!(matches!(line(b"\nsecret"), Err(CredentialsError::Empty(_))));
        assert!(matches!(line(b"\xff\xfe\n"), Err(CredentialsError::File(_))));
    }
}
