//! What a person proves a login with. Wiped from memory when dropped, and in no debug output.

use precis_profiles::OpaqueString;
use precis_profiles::precis_core::profile::PrecisFastInvocation;
use std::fmt;
use zeroize::Zeroizing;

/// A text that is nobody's business, as it came from a peer or a terminal.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes the text over; the caller keeps no copy.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text itself: for hashing and for the wire, never for a log.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// A password by PRECIS `OpaqueString` (RFC 8265, section 4.2): no control characters, spaces of all kinds are one
/// space, Unicode normalised, case kept.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(Zeroizing<String>);

/// Why a text is no password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Empty, or it holds what PRECIS excludes (control characters, unassigned code points).
    #[error("a password holds visible characters and spaces of any script, and at least one")]
    BadCharacter,
    /// More than [`Password::MAX_BYTES`] bytes.
    #[error("a password has at most {} bytes", Password::MAX_BYTES)]
    TooLong,
}

impl Password {
    /// The most bytes in a password: far above what people type, and it bounds the work of normalising.
    pub const MAX_BYTES: usize = 1024;

    /// Normalises and checks.
    ///
    /// # Errors
    /// [`PasswordError`] says which rule it breaks. How long a *new* password must be is the policy of `accounts`.
    pub fn parse(secret: &Secret) -> Result<Self, PasswordError> {
        if secret.expose().len() > Self::MAX_BYTES {
            return Err(PasswordError::TooLong);
        }
        let text = OpaqueString::enforce(secret.expose()).map_err(|_| PasswordError::BadCharacter)?;
        Ok(Self(Zeroizing::new(text.into_owned())))
    }

    /// How many characters (not bytes) it has.
    #[must_use]
    pub fn chars(&self) -> usize {
        self.0.chars().count()
    }

    /// The bytes to hash.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Password, PasswordError> {
        Password::parse(&Secret::new(text.to_owned()))
    }

    #[test]
    fn one_password_typed_on_two_keyboards_is_one_password() {
        assert_eq!(parse("za\u{17c}o\u{301}lc"), parse("za\u{17c}\u{f3}lc"));
        assert_eq!(parse("two\u{a0}words"), parse("two words"));
        assert_ne!(parse("Secret"), parse("secret"));
    }

    #[test]
    fn what_is_no_password() {
        assert_eq!(parse(""), Err(PasswordError::BadCharacter));
        assert_eq!(parse("a\rb"), Err(PasswordError::BadCharacter));
        assert_eq!(parse(&"x".repeat(1025)), Err(PasswordError::TooLong));
    }

    #[test]
    fn secrets_do_not_show_in_debug_output() {
        let secret = Secret::new("hunter2 and more".to_owned());
        let shown = format!("{secret:?} {:?}", Password::parse(&secret).unwrap());
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
