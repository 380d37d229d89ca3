//! The name a person logs in with.

use super::AccountId;
use precis_profiles::UsernameCaseMapped;
use precis_profiles::precis_core::profile::PrecisFastInvocation;
use std::fmt;
use std::sync::Arc;

/// A login: PRECIS `UsernameCaseMapped` (RFC 8265, section 3.3), 1 to [`Login::MAX_CHARS`] characters, none of
/// [`Login::FORBIDDEN`], so that each login is an XMPP localpart as well (RFC 7622, section 3.3.1).
///
/// Upper case is folded, so `Ann` and `ann` are one login. Cloning is cheap.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Login(Arc<str>);

/// Why a text is no login.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LoginError {
    /// No characters at all.
    #[error("a login needs at least one character")]
    Empty,
    /// More than [`Login::MAX_CHARS`] characters.
    #[error("a login has at most {} characters", Login::MAX_CHARS)]
    TooLong,
    /// One of [`Login::FORBIDDEN`], or what PRECIS excludes: spaces, control characters, symbols and so on.
    #[error("a login holds letters, digits and ASCII punctuation, but no spaces and none of \"&'/:<>@")]
    BadCharacter,
}

impl Login {
    /// The most characters (not bytes) in a login.
    pub const MAX_CHARS: usize = 64;
    /// Characters that PRECIS allows and an XMPP localpart does not.
    pub const FORBIDDEN: &'static [char] = &['"', '&', '\'', '/', ':', '<', '>', '@'];
    /// How [`Login::of_erased`] begins.
    const ERASED: &'static str = "deleted:";
    /// In the order of their bytes, all [`Login::of_erased`] stand before this, and behind their beginning nothing else.
    pub const BEHIND_ERASED: &'static str = "deleted;";

    /// Normalises and checks what a person typed.
    ///
    /// # Errors
    /// [`LoginError`] says which rule it breaks.
    pub fn parse(text: &str) -> Result<Self, LoginError> {
        if text.is_empty() {
            return Err(LoginError::Empty);
        }
        // Normalising can shrink a text, but no login of this length is four times longer before it.
        if text.len() > Self::MAX_CHARS * 16 {
            return Err(LoginError::TooLong);
        }
        // Of what can be seen in ASCII, PRECIS changes nothing but the case (RFC 8264, section 9.11), and each message
        // names somebody.
        let login = if text.bytes().all(|byte| byte.is_ascii_graphic()) {
            text.to_ascii_lowercase().into()
        } else {
            let once = UsernameCaseMapped::enforce(text).map_err(|_| LoginError::BadCharacter)?;
            // A letter may be known whose other case is not, such as U+13CF: what it becomes would be no login.
            if UsernameCaseMapped::enforce(once.as_ref()).is_ok_and(|twice| twice == once) {
                once
            } else {
                return Err(LoginError::BadCharacter);
            }
        };
        if login.chars().count() > Self::MAX_CHARS {
            return Err(LoginError::TooLong);
        }
        if login.contains(Self::FORBIDDEN) {
            return Err(LoginError::BadCharacter);
        }
        Ok(Self(login.as_ref().into()))
    }

    /// Takes a login that was checked before it was stored.
    #[must_use]
    pub fn from_store(text: &str) -> Self {
        Self(text.into())
    }

    /// What stands in the place of an erased account's login: nobody can have it, and each has its own.
    #[must_use]
    pub fn of_erased(account: AccountId) -> Self {
        Self(format!("{}{}", Self::ERASED, account.0).into())
    }

    /// Whether it stands in the place of an erased account's login.
    #[must_use]
    pub fn is_of_erased(&self) -> bool {
        self.0.starts_with(Self::ERASED)
    }

    /// The normalised text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn case_and_width_are_folded() {
        assert_eq!(Login::parse("Ann").unwrap().as_str(), "ann");
        assert_eq!(Login::parse("ａｎｎ").unwrap().as_str(), "ann");
        assert_eq!(Login::parse("Ćelina").unwrap().as_str(), "ćelina");
    }

    /// Found by fuzzing: it became a text that was no login, so that nobody could write to whoever had it.
    #[test]
    fn a_letter_without_a_known_lower_case_is_none_of_a_login() {
        assert_eq!(Login::parse("n\u{13cf}"), Err(LoginError::BadCharacter));
    }

    #[test]
    fn an_erased_accounts_login_is_none_that_anybody_can_have() {
        let login = Login::of_erased(AccountId(17));
        assert_eq!(login.as_str(), "deleted:17");
        assert!(login.is_of_erased() && !Login::parse("deleted-17").unwrap().is_of_erased());
        assert_eq!(Login::parse(login.as_str()), Err(LoginError::BadCharacter));
        assert!(login.as_str() < Login::BEHIND_ERASED && "deleted:" < login.as_str());
    }

    #[test]
    fn what_is_no_login() {
        assert_eq!(Login::parse(""), Err(LoginError::Empty));
        assert_eq!(Login::parse(&"x".repeat(65)), Err(LoginError::TooLong));
        assert_eq!(Login::parse(&"x".repeat(100_000)), Err(LoginError::TooLong));
        for bad in ["a b", "a\rb", "a\0b", "a@b", "a/b", "a:b", "<a>", "a&b", "a\"b", "a'b", "🙂", "a\u{202e}b"] {
            assert_eq!(Login::parse(bad), Err(LoginError::BadCharacter), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn the_short_way_for_ascii_leads_where_precis_does(text in "[!-~]{1,64}") {
            let precis = UsernameCaseMapped::enforce(text.as_str()).unwrap();
            let login = Login::parse(&text);
            prop_assert_eq!(login.is_err(), text.contains(Login::FORBIDDEN));
            prop_assert!(login.is_err() || login.unwrap().as_str() == precis);
        }
    }

    #[test]
    fn sixty_four_characters_of_any_script_are_a_login() {
        assert!(Login::parse(&"界".repeat(64)).is_ok());
        assert!(Login::parse(&"ż".repeat(64)).is_ok());
    }
}
