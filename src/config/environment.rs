//! The layer of the environment: `MESSENGERD_SECTION__KEY=value`.

use super::draft::Draft;
use super::fault::Problem;
use super::key::{Key, keys};
use super::origin::Origin;
use std::ffi::{OsStr, OsString};

/// Takes every variable with our prefix, sorted by name, so that faults come in the same order each time.
pub(super) fn read(environment: impl IntoIterator<Item = (OsString, OsString)>, draft: &mut Draft) {
    let ours = |name: &OsStr| name.as_encoded_bytes().starts_with(Key::VARIABLES.as_bytes());
    let mut variables: Vec<_> = environment.into_iter().filter(|(name, _)| ours(name)).collect();
    variables.sort();
    for (name, value) in variables {
        let origin = Origin::Environment { variable: name.to_string_lossy().into_owned() };
        let (Some(name), Some(value)) = (name.to_str(), value.to_str()) else {
            draft.fault(origin.to_string(), None, Problem::NotText, "write it in UTF-8, or unset it".to_owned());
            continue;
        };
        match keys().find(|key| key.variable() == name) {
            Some(key) => draft.set_key(key, (key.parse_text)(value), origin),
            None => draft.unknown(&path_meant(name), &origin),
        }
    }
}

/// The path that a variable stands for, whether or not it is one: `MESSENGERD_AUTH__X` is `auth.x`.
fn path_meant(variable: &str) -> String {
    let name = variable.strip_prefix(Key::VARIABLES).unwrap_or(variable).to_lowercase();
    // One underscore in place of two is the likely slip, and what is near is found all the same.
    name.replacen("__", ".", 1)
}
