//! Logins to complete, for the shell: asked of the daemon, if it is there and whoever asks may. A shell that completes a
//! word is told no errors.

use crate::control::ClientError;
use crate::control::SOCKET;
use crate::control::client::Client;
use crate::control::methods::list_users::{ListUsers, Which};
use crate::terminal::sanitise;
use clap_complete::{ArgValueCandidates, CompletionCandidate};
use std::path::Path;

/// Nobody chooses among more.
const MOST: usize = 1000;

pub(super) fn logins() -> ArgValueCandidates {
    ArgValueCandidates::new(|| candidates().unwrap_or_default())
}

fn candidates() -> Result<Vec<CompletionCandidate>, ClientError> {
    let mut found = Vec::new();
    Client::connect(Path::new(SOCKET))?.stream::<ListUsers, ClientError>(&Which::default(), |part| {
        let logins = part.users.into_iter().map(|user| user.login);
        found.extend(logins.filter(|login| sanitise::word(login) == *login).map(CompletionCandidate::new));
        Ok(found.len() < MOST)
    })?;
    Ok(found)
}
