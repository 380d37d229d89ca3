//! Where a setting was made, and how settings are written there.

use super::key::Key;
use super::kind::{plain_text, toml_text};
use figment::value::Value;
use std::fmt;
use std::path::PathBuf;

/// Where a setting was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    /// In a file.
    File {
        /// The file.
        path: PathBuf,
        /// The line of the key, from 1 on.
        line: usize,
    },
    /// In the environment.
    Environment {
        /// The variable's name.
        variable: String,
    },
    /// On the command line.
    Flag,
}

impl Origin {
    /// What `key` is called there.
    pub(super) fn name(&self, key: &Key) -> String {
        match self {
            Self::Environment { .. } => key.variable(),
            Self::File { .. } | Self::Flag => key.path.to_owned(),
        }
    }

    /// How `key` is given a value there.
    pub(super) fn setting(&self, key: &Key, value: Option<&Value>) -> String {
        match self {
            Self::File { .. } => format!("{} = {}", key.name, toml_text(value)),
            Self::Environment { .. } => format!("{}={}", key.variable(), plain_text(value)),
            Self::Flag => format!("--set {}={}", key.path, plain_text(value)),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Environment { variable } => write!(f, "environment {variable}"),
            Self::Flag => f.write_str("--set"),
        }
    }
}
