//! What a backup's manifest says: that the file beside it is whole, and what it is.

use super::check::Counted;
use crate::domain::UnixMillis;
use serde::{Deserialize, Serialize};
use std::time::{Duration, UNIX_EPOCH};

/// The manifest's own form. Fields may be added to it; who would misread them without knowing gets another number.
const FORM: u32 = 1;
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
    let since = Duration::from_millis(u64::try_from(at.0).unwrap_or_default());
    // Later than the year 9999 is later than any backup.
    UNIX_EPOCH.checked_add(since).map(|at| humantime::format_rfc3339_seconds(at).to_string()).unwrap_or_default()
}
