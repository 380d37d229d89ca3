//! The host's sandbox as the configuration wants it: each layer holds, or is missed out loud.

use super::StartError;
use crate::config::{self, Loaded, Sources};
use crate::host::journal::Chain;
use crate::host::notify::Notifier;
use crate::host::sandbox::{self, Files, SandboxError};
use std::path::Path;

/// What is wanted, and what does not hold.
pub(super) struct Sandbox {
    wanted: config::Sandbox,
    missing: Vec<&'static str>,
}

impl Sandbox {
    pub(super) fn new(wanted: &config::Sandbox) -> Self {
        Self { wanted: wanted.clone(), missing: Vec::new() }
    }

    /// The layers that don't hold, for the status.
    pub(super) fn missing(&self) -> &[&'static str] {
        &self.missing
    }

    /// Whether a file that is there may be forbidden to us alone.
    pub(super) fn confines_files(&self) -> bool {
        !self.missing.contains(&LANDLOCK)
    }

    /// Leaves the state directory, and where the configuration is read from at a reload. Before there are threads.
    pub(super) fn confine_files(
        &mut self,
        state: &Path,
        sources: &Sources,
        loaded: &Loaded,
        notifier: &Notifier,
    ) -> Result<(), StartError> {
        if !self.wanted.landlock {
            self.is_off(LANDLOCK, "sandbox.landlock");
            return Ok(());
        }
        // The files too, because some may be symbolic links that lead out of those places.
        let readable = sources.places().into_iter().chain(loaded.files().map(Path::to_owned)).collect();
        let files = Files { writable: state.to_owned(), readable, abstract_sockets: notifier.is_abstract() };
        let held = self.unless_missing(LANDLOCK, sandbox::confine_files(&files))?;
        if let Some(restrictions) = held {
            tracing::info!(abi = restrictions.abi(), "confined by Landlock: {restrictions}");
        }
        Ok(())
    }

    /// Leaves the calls that serving needs, for all threads. When everything is open.
    pub(super) fn confine_calls(&mut self) -> Result<(), StartError> {
        if !self.wanted.seccomp {
            self.is_off(SECCOMP, "sandbox.seccomp");
            return Ok(());
        }
        if let Some(calls) = self.unless_missing(SECCOMP, sandbox::confine_calls())? {
            tracing::info!(
                permitted = calls.permitted,
                "confined by seccomp: {} system calls are left",
                calls.permitted
            );
        }
        Ok(())
    }

    fn is_off(&mut self, layer: &'static str, key: &'static str) {
        tracing::warn!("{key} is false: serving without {layer}");
        self.missing.push(layer);
    }

    fn unless_missing<T>(
        &mut self,
        layer: &'static str,
        held: Result<T, SandboxError>,
    ) -> Result<Option<T>, StartError> {
        match held {
            Ok(held) => Ok(Some(held)),
            Err(error) if self.wanted.require => Err(error.into()),
            Err(error) => {
                tracing::warn!(error = %Chain(&error), "serving without {layer}");
                self.missing.push(layer);
                Ok(None)
            }
        }
    }
}

const LANDLOCK: &str = "Landlock";
const SECCOMP: &str = "seccomp";
