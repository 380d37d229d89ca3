//! Names to complete: those of the last contact list, kept in a file, because a shell that completes a word must
//! not ask for a password.

use super::session::Contacts;
use crate::terminal::private_file;
use clap_complete::CompletionCandidate;
use std::path::PathBuf;

/// Keeps the names of a contact list. Completion is a comfort: when the file cannot be written, there is none.
pub(super) fn keep(contacts: &Contacts) {
    let Some(path) = path() else { return };
    let text: String = contacts.iter().flat_map(|(login, _)| [login.as_str(), "\n"]).collect();
    if private_file::read(&path).ok().flatten().as_deref() != Some(&text) {
        let _ = private_file::replace(&path, &text);
    }
}

/// The names kept, for the shell.
pub(super) fn candidates() -> Vec<CompletionCandidate> {
    let text = path().and_then(|path| private_file::read(&path).ok().flatten()).unwrap_or_default();
    text.lines().filter(|name| !name.contains(char::is_control)).map(CompletionCandidate::new).collect()
}

fn path() -> Option<PathBuf> {
    private_file::folder("XDG_CACHE_HOME", ".cache").map(|folder| folder.join("names"))
}
