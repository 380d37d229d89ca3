//! What a backup's manifest says: that the file beside it is whole, and what it is.

use super::check::Counted;
use crate::domain::UnixMillis;
use serde::{Deserialize, Serialize};
use std::time::{Duration, UNIX_EPOCH};

/// The manifest's own form. Fields may be added to it; who would misread them without knowing gets another number.
const FORM: u32 = 1;
/// The last second of the year 9999.
const LAST: Duration = Duration::from_secs(253_402_300_799);
/// Longer than any of ours.
pub(super) const BYTES_MAX: u64 = 64 * 1024;

/// What is known of a copy: JSON, in the file beside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The manifest's form.
    pub manifest: u32,
    /// The copy's name when it was made.
    pub file: String,
    /// Its length.
    pub bytes: u64,
    /// Its BLAKE2b-512 in hexadecimal digits, as `b2sum` prints it.
    pub blake2b: String,
    /// Which form of the database it has.
    pub schema: i64,
    /// The program that made it, and its version.
    pub made_by: String,
    /// When: RFC 3339, in UTC. All that was committed before is in it.
    pub made_at: String,
    /// So many accounts are in it.
    pub accounts: u64,
    /// So many messages.
    pub messages: u64,
}

impl Manifest {
    pub(super) fn of(
        file: &str,
        now: UnixMillis,
        (bytes, blake2b): (u64, String),
        schema: i64,
        counted: Counted,
    ) -> Self {
        Self {
            manifest: FORM,
            file: file.to_owned(),
            bytes,
            blake2b,
            schema,
            made_by: concat!("messengerd ", env!("CARGO_PKG_VERSION")).to_owned(),
            made_at: moment(now),
            accounts: counted.accounts,
            messages: counted.messages,
        }
    }

    /// As a file has it: one field a line.
    pub(super) fn text(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("it has no keys that are no strings");
        text.push('\n');
        text
    }

    /// When it was made, to the second.
    pub(super) fn moment(&self) -> Option<UnixMillis> {
        let at = humantime::parse_rfc3339(&self.made_at).ok()?.duration_since(UNIX_EPOCH).ok()?;
        i64::try_from(at.as_millis()).ok().map(UnixMillis)
    }

    /// From a file.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(in crate::store) fn parse(text: &[u8]) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Form {
            manifest: u32,
        }
        let form =
            serde_json::from_slice::<Form>(text).map_err(|error| format!("it is no manifest: {error}"))?.manifest;
        if form != FORM {
            return Err(format!("it has form {form}, and this release knows form {FORM}"));
        }
        serde_json::from_slice(text).map_err(|error| format!("it is no manifest: {error}"))
    }
}

/// A moment as it stands in names: `20261127T132005Z`.
pub(super) fn stamp(at: UnixMillis) -> String {
    moment(at).replace([':', '-'], "")
}

/// RFC 3339, to the second, in UTC.
fn moment(at: UnixMillis) -> String {
    // What is later than the year 9999 can't be written so.
    let since = Duration::from_millis(u64::try_from(at.0).unwrap_or_default()).min(LAST);
    humantime::format_rfc3339_seconds(UNIX_EPOCH + since).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn manifest() -> Manifest {
        let counted = Counted { accounts: 2, messages: 7 };
        Manifest::of(
            "messengerd-20261127T132005Z.sqlite",
            UnixMillis(1_795_785_605_999),
            (4096, "ab".repeat(64)),
            3,
            counted,
        )
    }

    #[test]
    fn it_says_when_to_the_second_in_utc_and_is_read_as_it_was_written() {
        let manifest = manifest();
        assert_eq!(manifest.made_at, "2026-11-27T13:20:05Z");
        assert_eq!(stamp(UnixMillis(1_795_785_605_999)), "20261127T132005Z");
        assert_eq!(manifest.moment(), Some(UnixMillis(1_795_785_605_000)));
        assert_eq!(Manifest::parse(manifest.text().as_bytes()), Ok(manifest));
    }

    #[test]
    fn what_a_later_release_adds_is_passed_over_and_another_form_is_not_guessed_at() {
        let text = manifest().text();
        let more = text.replacen('{', "{ \"more\": [1, 2],", 1);
        assert_eq!(Manifest::parse(more.as_bytes()), Ok(manifest()));
        let other = text.replacen("\"manifest\": 1", "\"manifest\": 2", 1);
        assert_eq!(Manifest::parse(other.as_bytes()).unwrap_err(), "it has form 2, and this release knows form 1");
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = Manifest::parse(&bytes);
        }

        #[test]
        fn no_moment_panics(at: i64) {
            let _ = stamp(UnixMillis(at));
        }
    }
}
