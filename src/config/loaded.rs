//! A configuration that is fine: its settings, and where each of them came from.

use super::key::{Key, Taken};
use super::kind::toml_text;
use super::settings::Settings;
use figment::value::Value;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// A configuration without fault.
#[derive(Debug)]
pub struct Loaded {
    /// The settings.
    pub settings: Settings,
    files: Vec<PathBuf>,
    entries: Vec<Entry>,
}

/// The effective value of one key.
#[derive(Debug)]
pub struct Entry {
    key: &'static Key,
    value: Option<Value>,
    origin: Option<String>,
}

impl Entry {
    /// No origin stands for the default.
    pub(super) fn new(key: &'static Key, value: Option<Value>, origin: Option<String>) -> Self {
        Self { key, value, origin }
    }

    /// The key: `auth.hashing_threads`.
    #[must_use]
    pub fn path(&self) -> &'static str {
        self.key.path
    }

    /// The value, as it would stand in a file; `""` where the key is unset.
    #[must_use]
    pub fn value_text(&self) -> String {
        toml_text(self.value.as_ref())
    }

    /// Where it was set: `FILE:LINE`, `environment VARIABLE`, `--set` or `default`.
    #[must_use]
    pub fn origin(&self) -> &str {
        self.origin.as_deref().unwrap_or("default")
    }

    /// What takes it.
    #[must_use]
    pub fn taken(&self) -> Taken {
        self.key.taken
    }

    /// Whether it was set nowhere.
    #[must_use]
    pub fn is_default(&self) -> bool {
        self.origin.is_none()
    }
}

impl Loaded {
    pub(super) fn new(settings: Settings, files: Vec<PathBuf>, entries: Vec<Entry>) -> Self {
        Self { settings, files, entries }
    }

    /// The files that were read, in the order in which they were.
    pub fn files(&self) -> impl ExactSizeIterator<Item = &Path> {
        self.files.iter().map(PathBuf::as_path)
    }

    /// Each key with its effective value and origin.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }

    /// One line for each key, `section.key = value # origin`: a file that could be loaded as it stands.
    #[must_use]
    pub fn show(&self) -> String {
        let settings: Vec<_> =
            self.entries().map(|entry| format!("{} = {}", entry.path(), entry.value_text())).collect();
        // One long list of addresses must not push every origin off the screen.
        let width = settings.iter().map(|line| line.chars().count()).filter(|width| *width <= 50).max().unwrap_or(0);
        self.entries().zip(&settings).fold(String::new(), |mut shown, (entry, setting)| {
            _ = writeln!(shown, "{setting:width$} # {}", entry.origin());
            shown
        })
    }

    /// The same for programs: `{"auth": {"hashing_threads": {"value": 1, "origin": "default"}, …}, …}`. Durations
    /// and sizes are written as in a file; an unset key is null.
    #[must_use]
    pub fn show_json(&self) -> String {
        let mut sections = serde_json::Map::new();
        for entry in &self.entries {
            let section = sections.entry(entry.key.section).or_insert_with(|| serde_json::json!({}));
            section[entry.key.name] = serde_json::json!({ "value": entry.value, "origin": entry.origin() });
        }
        format!("{:#}\n", serde_json::Value::Object(sections))
    }
}
