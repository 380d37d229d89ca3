//! What our programs for terminals share: asking for a password, showing what others have written, tables, progress,
//! files that are one person's business.
//!
//! Errors: typed, each with the file. Nobody is left to be told when standard error is gone.
//!
//! Must not be here: what is asked of a server, and in which protocol.

pub(crate) mod credentials;
pub(crate) mod private_file;
pub(crate) mod progress;
pub(crate) mod sanitise;
pub(crate) mod table;

use std::io::{self, Write};

/// Writes to standard error. When even that does not work, there is nobody to tell.
pub(crate) fn say(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// An I/O error in the words of strerror(3), without the number.
pub(crate) fn plain(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(code) => nix::errno::Errno::from_raw(code).desc().to_owned(),
        None => error.to_string(),
    }
}
