//! What an administrator may write, for [`crate::fuzzing`].
//!
//! Errors: a claim that does not hold is a panic.

use super::draft::Draft;
use super::{Faults, Loaded, environment, file, flag};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

/// The text of a file, and behind it, each after a NUL: variables `NAME=VALUE`, and flags, which begin with `-`. There
/// are faults, each with a remedy; or what was taken shows itself, and is taken again as what it is.
pub(crate) fn load(bytes: &[u8]) {
    let mut parts = bytes.split(|byte| *byte == 0).map(<[u8]>::to_vec);
    let text = parts.next().unwrap_or_default();
    let (flags, variables): (Vec<_>, Vec<_>) = parts.partition(|part| part.starts_with(b"-"));
    let flags: Vec<_> = flags.iter().map(|flag| String::from_utf8_lossy(&flag[1..]).into_owned()).collect();
    let variables = variables.into_iter().map(|variable| {
        let end = variable.iter().position(|byte| *byte == b'=').unwrap_or(variable.len());
        let value = variable.get(end + 1..).unwrap_or_default().to_vec();
        (OsString::from_vec(variable[..end].to_vec()), OsString::from_vec(value))
    });
    match settle(text, variables.collect(), &flags) {
        Err(faults) => {
            assert!(faults.iter().count() > 0);
            for fault in faults.iter() {
                assert!(!fault.place.is_empty() && !fault.remedy.is_empty() && !fault.to_string().is_empty());
            }
        }
        Ok(loaded) => {
            let shown = loaded.show();
            let again = settle(shown.clone().into_bytes(), Vec::new(), &[]);
            let again = again.unwrap_or_else(|faults| panic!("{faults}\n\n{shown}"));
            assert_eq!(again.settings, loaded.settings);
            for (first, second) in loaded.entries().zip(again.entries()) {
                assert_eq!((first.path(), first.value_text()), (second.path(), second.value_text()));
            }
            let json: serde_json::Value = serde_json::from_str(&loaded.show_json()).expect("it is JSON");
            assert!(json.is_object());
        }
    }
}

fn settle(text: Vec<u8>, variables: Vec<(OsString, OsString)>, flags: &[String]) -> Result<Loaded, Faults> {
    let mut draft = Draft::default();
    file::take(Path::new("/etc/messengerd/messengerd.toml"), text, &mut draft);
    environment::read(variables, &mut draft);
    flag::read(flags, &mut draft);
    draft.settle()
}
