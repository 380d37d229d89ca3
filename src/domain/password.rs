//! What a person proves a login with. Wiped from memory when dropped, and in no debug output.

use precis_profiles::OpaqueString;
use precis_profiles::precis_core::profile::PrecisFastInvocation;
use std::fmt;
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

/// A text that is nobody's business, as it came from a peer or a terminal. It is compared by the client only, with what
/// the same person has typed twice.
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
        // It only looks, and hands back the same text. `enforce` would make copies that nobody wipes.
        OpaqueString::prepare(secret.expose()).map_err(|_| PasswordError::BadCharacter)?;
        // Room for all of it, or it would grow and leave copies as well: one character becomes three at the most.
        let mut text = Zeroizing::new(String::with_capacity(secret.expose().len() * 3));
        text.extend(secret.expose().chars().map(|c| if is_space(c) { ' ' } else { c }).nfc());
        Ok(Self(text))
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

/// Unicode's space separators (general category Zs).
fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}')
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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

    /// What the library makes of a text, and what we do.
    fn assert_is_enforced(text: &str) {
        let theirs = OpaqueString::enforce(text).ok();
        let ours = parse(text).ok();
        assert_eq!(ours.as_ref().map(Password::expose), theirs.as_ref().map(|text| text.as_bytes()), "{text:?}");
    }

    #[test]
    fn each_character_becomes_what_the_library_makes_of_it() {
        for c in char::MIN..=char::MAX {
            assert_is_enforced(c.encode_utf8(&mut [0; 4]));
        }
    }

    proptest! {
        #[test]
        fn texts_become_what_the_library_makes_of_them(
            text in "([a-z\u{a0}\u{2003}\u{3000}\u{1100}-\u{1175}\u{11a8}-\u{11c2}]|\\PC|[a-zA-Z]\\p{M}{1,3}){0,24}"
        ) {
            assert_is_enforced(&text);
            let room = parse(&text).map(|password| password.0.capacity()).unwrap_or_default();
            prop_assert!(room <= text.len() * 3, "it has grown, and left a copy behind");
        }
    }

    #[test]
    fn secrets_do_not_show_in_debug_output() {
        let secret = Secret::new("hunter2 and more".to_owned());
        let shown = format!("{secret:?} {:?}", Password::parse(&secret).unwrap());
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
