//! An invite's code: what somebody needs to sign up where not everybody may.

use std::fmt;

/// Letters and digits that are not mistaken for others, in either case: no I, L, O, U, 0 or 1 is among them.
const ALPHABET: &[u8; 28] = b"ABCDEFGHJKMNPQRSTVWXYZ234567";

/// A code, such as `ABCD-EFGH`: as many as are asked for can be made, and few enough are guessed. 28 to the power of eight
/// are 378 thousand million; sign-ups are counted (`accounts.source_sign_ups`).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct InviteCode([u8; Self::LEN]);

/// It is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an invite's code is eight letters and digits, such as ABCD-EFGH")]
pub struct NoInviteCode;

impl InviteCode {
    /// How many characters it has, the dash in the middle aside.
    pub const LEN: usize = 8;

    /// A new one.
    ///
    /// # Errors
    /// When the operating system gives no random bytes.
    pub fn new() -> Result<Self, getrandom::Error> {
        let mut code = [0; Self::LEN];
        for letter in &mut code {
            *letter = loop {
                let mut byte = [0];
                getrandom::fill(&mut byte)?;
                // Each letter is as likely as the other: nine times 28 are 252.
                if byte[0] < 252 {
                    break ALPHABET[usize::from(byte[0]) % ALPHABET.len()];
                }
            };
        }
        Ok(Self(code))
    }

    /// Reads what somebody has typed: dashes and case don't matter.
    ///
    /// # Errors
    /// [`NoInviteCode`].
    pub fn parse(text: &str) -> Result<Self, NoInviteCode> {
        let mut letters = text.bytes().filter(|byte| *byte != b'-').map(|byte| byte.to_ascii_uppercase());
        let mut code = [0; Self::LEN];
        for letter in &mut code {
            *letter = letters.next().filter(|letter| ALPHABET.contains(letter)).ok_or(NoInviteCode)?;
        }
        match letters.next() {
            None => Ok(Self(code)),
            Some(_) => Err(NoInviteCode),
        }
    }

    /// An e-mail address, and the code behind it, after a space, if there is one: the classic protocol has no field for it.
    /// No address has a space at its end or before what looks like a code.
    #[must_use]
    pub fn behind(email: &str) -> (&str, Option<Self>) {
        match email.trim_end().rsplit_once(' ').map(|(address, code)| (address, Self::parse(code))) {
            Some((address, Ok(code))) => (address.trim_end(), Some(code)),
            _ => (email, None),
        }
    }

    /// Without the dash, as the store keeps it.
    #[must_use]
    pub fn plain(&self) -> String {
        self.0.iter().copied().map(char::from).collect()
    }
}

impl fmt::Display for InviteCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = self.plain();
        let (first, second) = plain.split_at(Self::LEN / 2);
        write!(f, "{first}-{second}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    #[test]
    fn a_code_is_read_however_it_was_typed() {
        let code = InviteCode::new().unwrap();
        let shown = code.to_string();
        assert_eq!(shown.len(), 9);
        for typed in [shown.clone(), shown.to_lowercase(), shown.replace('-', ""), code.plain()] {
            assert_eq!(InviteCode::parse(&typed), Ok(code.clone()), "{typed}");
        }
        for typed in ["", "ABCD", "ABCD-EFGHJ", "ABCD-EFG0", "ABCD EFGH", "ABCD-EFGÄ"] {
            assert_eq!(InviteCode::parse(typed), Err(NoInviteCode), "{typed}");
        }
    }

    #[test]
    fn a_code_may_stand_behind_an_address() {
        let code = InviteCode::parse("ABCD-EFGH").unwrap();
        assert_eq!(InviteCode::behind("ann@example.org abcd-efgh "), ("ann@example.org", Some(code)));
        for none in ["ann@example.org", "ann@example.org ", "ann@example.org ABCD", "ABCD-EFGH"] {
            assert_eq!(InviteCode::behind(none), (none, None));
        }
    }

    #[test]
    fn codes_differ_and_use_all_letters() {
        let codes: HashSet<_> = (0..1000).map(|_| InviteCode::new().unwrap().plain()).collect();
        assert_eq!(codes.len(), 1000);
        let letters: HashSet<_> = codes.iter().flat_map(|code| code.bytes()).collect();
        assert_eq!(letters.len(), ALPHABET.len());
    }

    proptest! {
        #[test]
        fn whatever_is_typed_is_a_code_or_none(typed in ".{0,12}") {
            if let Ok(code) = InviteCode::parse(&typed) {
                prop_assert_eq!(InviteCode::parse(&code.to_string()), Ok(code));
            }
        }
    }
}
