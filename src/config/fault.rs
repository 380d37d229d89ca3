//! What can be wrong with a configuration, in the words in which the administrator reads it.

use super::kind::Refusal;
use std::fmt;
use std::io;

/// What is wrong.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// A file or directory is there, or was asked for, and cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(#[source] io::Error),
    /// A file is not UTF-8, as TOML must be, or a variable or its value is not.
    #[error("is not UTF-8 text")]
    NotText,
    /// A file is no TOML.
    #[error("{0}")]
    Syntax(String),
    /// No such key.
    #[error("unknown key")]
    UnknownKey,
    /// No such section; told only of sections without keys, else each of the keys is unknown.
    #[error("unknown section")]
    UnknownSection,
    /// A variable with our prefix is the name of no key.
    #[error("unknown variable")]
    UnknownVariable,
    /// A value stands where a section with keys is expected.
    #[error("is a section and has no value")]
    Section,
    /// `--set` without an equals sign.
    #[error("\"{0}\" has no \"=\"")]
    NoValue(String),
    /// A value that its key does not take.
    #[error(transparent)]
    Value(#[from] Refusal),
    /// Two values that do not go together.
    #[error("{0}")]
    Rule(&'static str),
}

/// One fault: where it is, what is wrong, and what to do about it.
#[derive(Debug)]
pub struct Fault {
    /// `FILE`, `FILE:LINE`, `FILE:LINE:COLUMN`, `environment VARIABLE` or `--set`.
    pub place: String,
    /// The key in question, `section.key`, where the place does not say it.
    pub key: Option<String>,
    /// What is wrong.
    pub problem: Problem,
    /// What to do about it, in one line.
    pub remedy: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.place)?;
        if let Some(key) = &self.key {
            write!(f, "{key}: ")?;
        }
        write!(f, "{}\n    {}", self.problem, self.remedy)
    }
}

/// All that is wrong with a configuration, in the order of its layers and lines, and last what does not go together; at
/// least one fault.
///
/// Displayed as one block for each fault, without a line end after the last.
#[derive(Debug)]
pub struct Faults(Vec<Fault>);

impl Faults {
    /// None if there is no fault.
    pub(super) fn of(faults: Vec<Fault>) -> Option<Self> {
        (!faults.is_empty()).then_some(Self(faults))
    }

    /// The faults one by one.
    pub fn iter(&self) -> impl Iterator<Item = &Fault> {
        self.0.iter()
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.0.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            fault.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}
