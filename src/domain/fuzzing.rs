//! What people are called and prove themselves with, for [`crate::fuzzing`].
//!
//! Errors: a claim that does not hold is a panic.

use super::{Email, Login, Password, Secret};

/// A text is a login, an address, a password or none: what was normalised is normal, keeps to its limits, and can't be
/// taken for two fields of a packet or two lines.
pub(crate) fn words(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(login) = Login::parse(&text) {
        assert_eq!(Login::parse(login.as_str()).as_ref(), Ok(&login));
        assert!((1..=Login::MAX_CHARS).contains(&login.as_str().chars().count()));
        let misleads = |char: char| char.is_control() || char.is_whitespace() || Login::FORBIDDEN.contains(&char);
        assert!(!login.as_str().contains(misleads), "{login:?}");
    }
    if let Ok(email) = Email::parse(&text) {
        assert_eq!(Email::parse(email.as_str()).as_ref(), Ok(&email));
        assert_eq!(email.as_str(), text);
        assert!(text.contains('@') && !text.contains(char::is_control), "{text:?}");
    }
    let secret = Secret::new(text.into_owned());
    if let Ok(password) = Password::parse(&secret) {
        let normal = str::from_utf8(password.expose()).expect("it was made of text");
        assert!(!normal.is_empty() && !normal.contains(char::is_control));
        // Normalising may make it longer than what can be typed, or of a character one that may not stand there (U+0387
        // becomes a middle dot), but no other password.
        if let Ok(again) = Password::parse(&Secret::new(normal.to_owned())) {
            assert_eq!(again.expose(), password.expose());
        }
    }
}
