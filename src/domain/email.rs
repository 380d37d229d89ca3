//! The address a person gives at sign-up.

use email_address::{EmailAddress, Options};
use std::fmt;

/// A plausible e-mail address (RFC 5321 lengths, RFC 5322 syntax without display name or literal address).
/// A domain of one label (`ann@ship`) is plausible on a network of one's own. Nobody has checked that mail arrives there.
#[derive(Clone, PartialEq, Eq)]
pub struct Email(Box<str>);

/// The text is no plausible e-mail address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a plausible e-mail address")]
pub struct EmailError;

impl Email {
    /// Checks what a person typed; surrounding white space is not forgiven.
    ///
    /// # Errors
    /// [`EmailError`] when it is no plausible address.
    pub fn parse(text: &str) -> Result<Self, EmailError> {
        // RFC 5322 has a tab between quotes, and RFC 6532 all of Unicode, C1 control characters included, which drive the
        // terminal of whoever reads them.
        if text.contains(char::is_control) {
            return Err(EmailError);
        }
        let options = Options::default().without_display_text().without_domain_literal();
        match EmailAddress::parse_with_options(text, options) {
            Ok(_) => Ok(Self(text.into())),
            Err(_) => Err(EmailError),
        }
    }

    /// The address as it was typed.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_address_drives_the_terminal_on_which_an_administrator_reads_it() {
        for bad in ["a\u{9b}31m@example.org", "ann@exa\u{85}mple.org", "\"\t\"@example.org", "a\x1bc@example.org"] {
            assert_eq!(Email::parse(bad), Err(EmailError), "{bad:?}");
        }
    }

    #[test]
    fn plausible_and_not() {
        for good in ["ann@example.org", "a+b@sub.example.org", "ann@ship", "żółw@example.org"] {
            assert!(Email::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "ann", "@example.org", "ann@", "a b@example.org", "Ann <ann@example.org>", "ann@[127.0.0.1]"] {
            assert_eq!(Email::parse(bad), Err(EmailError), "{bad}");
        }
    }
}
