//! What standard error is.

use nix::sys::stat::fstat;
use std::ffi::OsStr;
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;

/// Where lines on standard error go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stream {
    /// To journald, which reads it line by line and adds the time.
    Journal,
    /// To a person.
    Terminal {
        /// Whether to colour.
        colours: bool,
    },
    /// To a file or a pipe.
    Other,
}

impl Stream {
    pub(super) fn of_standard_error() -> Self {
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        let stderr = io::stderr();
        if variable("JOURNAL_STREAM").is_some_and(|name| is_named(&stderr, &name)) {
            Self::Journal
        } else if stderr.is_terminal() {
            let dumb = variable("TERM").is_none_or(|terminal| terminal == "dumb");
            // NO_COLOR: no-color.org.
            Self::Terminal { colours: variable("NO_COLOR").is_none() && !dumb }
        } else {
            Self::Other
        }
    }
}

/// Whether `JOURNAL_STREAM` means this descriptor: device and inode, by systemd.exec(5). A child whose standard error was
/// redirected inherits the variable too, and must not believe it.
fn is_named(stream: &impl AsFd, journal_stream: &OsStr) -> bool {
    let Ok(found) = fstat(stream) else { return false };
    journal_stream == OsStr::new(&format!("{}:{}", found.st_dev, found.st_ino))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn the_journals_stream_is_known_by_device_and_inode() {
        let (this, other) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
        let found = this.metadata().unwrap();
        let name = format!("{}:{}", found.dev(), found.ino());
        assert!(is_named(&this, OsStr::new(&name)));
        assert!(!is_named(&other, OsStr::new(&name)));
        assert!(!is_named(&this, OsStr::new("nonsense")));
    }
}
