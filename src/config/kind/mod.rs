//! What a key can hold: for each kind of value, how it is read, what is expected of it, and how it is written.
//!
//! Errors: reading gives a [`Refusal`], which says what was found; the place and the remedy are added above.
//!
//! Must not be here: names of keys, files, layers.

mod addresses;
mod choice;
mod duration;
mod names;
mod number;
mod size;
mod text;

pub use addresses::ListenAddress;
pub(super) use addresses::addresses;
pub use choice::{ContactsPolicy, LogFormat, LogLevel, SignUp, Synchronous};
pub(super) use choice::{choice, switch};
pub(super) use duration::{duration, whole_seconds};
pub(super) use names::{absolute_path, name};
pub(super) use number::whole;
pub(super) use size::{GIB, KIB, MIB, size};
pub(super) use text::{plain_text, toml_text, value_of};

use figment::value::Value;

/// A kind of value, with its limits.
pub(super) trait Kind {
    /// What the program works with.
    type Value;

    /// What is expected, as it stands after "expected": `a whole number from 1 to 64`.
    fn expected(&self) -> String;

    /// A value to show where there is no default to show.
    fn example(&self) -> Option<Value> {
        None
    }

    /// Takes a value of a file, or of [`Kind::parse_text`].
    fn read(&self, value: &Value) -> Result<Self::Value, Refusal>;

    /// The inverse of [`Kind::read`]; none where the key is unset.
    fn write(&self, value: &Self::Value) -> Option<Value>;

    /// Takes what an environment variable or a flag holds, which has no types. Never fails: a text that is no
    /// value of this kind stays a text, and [`Kind::read`] refuses it.
    fn parse_text(&self, text: &str) -> Value {
        Value::from(text)
    }
}

/// Why a value is not taken. Each text says what was found, in the words of the file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Another type of value altogether.
    #[error("{0} is of the wrong type")]
    WrongType(String),
    /// Below the lower limit.
    #[error("{0} is too small")]
    TooSmall(String),
    /// Above the upper limit.
    #[error("{0} is too large")]
    TooLarge(String),
    /// A duration or size without a unit, or with one that does not exist.
    #[error("{found} is not understood: {why}")]
    Unit {
        /// The value found.
        found: String,
        /// What the reader of durations or sizes says.
        why: String,
    },
    /// The right type of value, in the wrong form.
    #[error("{found} {why}")]
    Form {
        /// The value found.
        found: String,
        /// What is wrong, as it stands after the value: `is no absolute path`.
        why: &'static str,
    },
}

#[cfg(test)]
mod tests {
    use super::Kind;

    /// What the administrator reads about a value given as text.
    pub(in crate::config) fn refusal<K: Kind>(kind: &K, text: &str) -> String {
        kind.read(&kind.parse_text(text)).err().expect("a refusal").to_string()
    }
}
