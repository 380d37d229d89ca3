//! The key that log-in gives and later requests carry.

use std::fmt;

/// Four random bytes, without 0x0D (CR separates fields). Worth something on the one connection that it was given
/// to, and nothing on any other, nor after the log-out.
///
/// It is a number here, so that comparing takes one instruction, whatever the keys are. Nothing hangs on that: whoever
/// may guess at a key is on its connection, where it was sent to, and the first wrong guess closes that.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionKey(u32);

impl SessionKey {
    /// How many bytes a key has.
    pub const LEN: usize = 4;

    /// Takes four bytes as a key, unless one of them is the field separator.
    #[must_use]
    pub fn new(bytes: [u8; 4]) -> Option<Self> {
        (!bytes.contains(&b'\r')).then_some(Self(u32::from_be_bytes(bytes)))
    }

    /// The bytes, for the wire.
    #[must_use]
    pub fn bytes(&self) -> [u8; 4] {
        self.0.to_be_bytes()
    }
}

impl fmt::Debug for SessionKey {
    /// Keys are in no log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_does_not_show_in_debug_output() {
        let key = SessionKey::new([171, 205, 239, 118]).unwrap();
        assert_eq!(format!("{key:?} {:?}", Some(key)), "SessionKey(…) Some(SessionKey(…))");
    }
}
