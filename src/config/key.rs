//! The table of keys: what is known about each, and which one is meant by a name that is none.

use super::SECTIONS;
use super::kind::{Refusal, toml_text};
use super::settings::Settings;
use figment::value::Value;

/// Some keys that belong together: `[auth]`.
#[derive(Debug)]
pub struct Section {
    /// The name: `auth`.
    pub name: &'static str,
    /// What the section is about, line by line.
    pub docs: &'static [&'static str],
    /// Its keys, in the order in which they are shown.
    pub keys: &'static [Key],
}

/// How a changed value takes effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// With a reload (`systemctl reload messengerd`).
    Reload,
    /// With a restart only; a reload refuses to change it.
    Restart,
}

/// All that is known about one key.
#[derive(Debug)]
pub struct Key {
    /// The section: `auth`.
    pub section: &'static str,
    /// The name in its section: `hashing_threads`.
    pub name: &'static str,
    /// Both: `auth.hashing_threads`.
    pub path: &'static str,
    /// What it does, line by line.
    pub docs: &'static [&'static str],
    /// How a changed value takes effect.
    pub taken: Taken,
    pub(super) expected: fn() -> String,
    pub(super) example: fn() -> Option<Value>,
    pub(super) parse_text: fn(&str) -> Value,
    pub(super) assign: fn(&mut Settings, &Value) -> Result<(), Refusal>,
    pub(super) value: fn(&Settings) -> Option<Value>,
    pub(super) differs: fn(&Settings, &Settings) -> bool,
}

impl Key {
    /// What the names of all variables begin with.
    pub const VARIABLES: &'static str = "MESSENGERD_";

    /// The name in the environment: `MESSENGERD_AUTH__HASHING_THREADS`.
    #[must_use]
    pub fn variable(&self) -> String {
        format!("{}{}__{}", Self::VARIABLES, self.section, self.name).to_uppercase()
    }

    /// What a value must be, as it stands after "expected": `a whole number from 1 to 64`.
    #[must_use]
    pub fn expected(&self) -> String {
        (self.expected)()
    }

    /// The value that settings have, as it would stand in a file; `""` where the key is unset.
    #[must_use]
    pub fn text(&self, settings: &Settings) -> String {
        toml_text((self.value)(settings).as_ref())
    }

    /// The default, as it would stand in a file; `""` where the key is unset.
    #[must_use]
    pub fn default_text(&self) -> String {
        toml_text((self.value)(&Settings::default()).as_ref())
    }
}

/// Every key, in the order in which they are shown.
pub fn keys() -> impl Iterator<Item = &'static Key> {
    SECTIONS.iter().flat_map(|section| section.keys)
}

/// The key with this path.
pub(super) fn find(path: &str) -> Option<&'static Key> {
    keys().find(|key| key.path == path)
}

/// The section with this name.
pub(super) fn find_section(name: &str) -> Option<&'static Section> {
    SECTIONS.iter().find(|section| section.name == name)
}

/// The key that was probably meant by `path`, which is none: a slip in either part of it, or the right name in
/// another section or in none.
pub(super) fn nearest(path: &str) -> Option<&'static Key> {
    let name = path.rsplit('.').next().unwrap_or(path);
    let distance = |key: &Key| {
        let whole = strsim::damerau_levenshtein(path, key.path);
        // A name alone says less than the whole, so it weighs one slip more.
        whole.min(strsim::damerau_levenshtein(name, key.name) + 1)
    };
    let (distance, key) = keys().map(|key| (distance(key), key)).min_by_key(|(distance, _)| *distance)?;
    (distance <= (name.chars().count() / 3).max(2)).then_some(key)
}

/// Names each key whose change is taken by a restart only, and which differs between the two.
#[must_use]
pub fn restart_only_changes(old: &Settings, new: &Settings) -> Vec<&'static str> {
    keys().filter(|key| key.taken == Taken::Restart && (key.differs)(old, new)).map(|key| key.path).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_default_is_a_value_that_its_own_key_takes() {
        for key in keys() {
            let text = (key.value)(&Settings::default()).unwrap_or_else(|| "".into());
            let mut settings = Settings::default();
            assert_eq!((key.assign)(&mut settings, &text), Ok(()), "{}", key.path);
            assert_eq!(settings, Settings::default(), "{}", key.path);
        }
    }

    #[test]
    fn every_example_is_a_value_that_its_own_key_takes() {
        for key in keys() {
            let example = (key.example)().expect(key.path);
            assert_eq!((key.assign)(&mut Settings::default(), &example), Ok(()), "{}", key.path);
        }
    }

    #[test]
    fn no_two_keys_share_a_path_or_a_variable() {
        let count = keys().count();
        assert_eq!(keys().map(|key| key.path).collect::<HashSet<_>>().len(), count);
        assert_eq!(keys().map(Key::variable).collect::<HashSet<_>>().len(), count);
    }

    #[test]
    fn a_slip_leads_to_the_key_that_was_meant() {
        for (slip, meant) in [
            ("auth.hashing_thread", "auth.hashing_threads"),
            ("atuh.hashing_threads", "auth.hashing_threads"),
            ("hashing_threads", "auth.hashing_threads"),
            ("process.hashing_threads", "auth.hashing_threads"),
            ("auth.hasing_thraeds", "auth.hashing_threads"),
            ("log.levle", "log.level"),
            ("logs.level", "log.level"),
            ("connection.max", "connections.max"),
        ] {
            assert_eq!(nearest(slip).map(|key| key.path), Some(meant), "{slip}");
        }
        for far in ["auth.colour", "tls.certificate", "x", ""] {
            assert_eq!(nearest(far).map(|key| key.path), None, "{far}");
        }
    }

    #[test]
    fn only_what_needs_a_restart_is_named() {
        let old = Settings::default();
        let mut new = old.clone();
        assert_eq!(restart_only_changes(&old, &new), Vec::<&str>::new());
        new.auth.hide_unknown_login = true;
        assert_eq!(restart_only_changes(&old, &new), Vec::<&str>::new());
        new.store.readers = 3;
        new.auth.hashing_threads = 2;
        assert_eq!(restart_only_changes(&old, &new), ["auth.hashing_threads", "store.readers"]);
    }
}
