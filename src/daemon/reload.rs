//! New settings, all of them or none: at SIGHUP, and by order of an administrator.

use super::{Daemon, log};
use crate::config::{self, Fault, Problem};
use std::io::ErrorKind;

/// The new settings are not in force, and the old ones are.
pub(super) struct Refusal {
    /// For STATUS, in one line.
    pub(super) summary: String,
    /// All reasons, in one line each: as the journal has them, where each comes after "reload refused: ".
    pub(super) reasons: Vec<String>,
}

/// Reads the configuration anew. What can't be taken without a restart is refused by name, and then nothing is taken.
///
/// # Errors
/// What an administrator is told; the journal has all of it by then.
pub(super) fn reload(daemon: &Daemon) -> Result<(), Refusal> {
    let outcome = take(daemon);
    match &outcome {
        Ok(()) => tracing::info!("configuration reloaded"),
        Err(refusal) => {
            refusal.reasons.iter().for_each(|reason| tracing::error!("reload refused: {reason}"));
        }
    }
    outcome
}

fn take(daemon: &Daemon) -> Result<(), Refusal> {
    let loaded = config::load(&daemon.arguments.sources).map_err(|faults| {
        let count = faults.iter().count();
        let plural = if count == 1 { "" } else { "s" };
        let summary = format!("reload refused: the configuration has {count} fault{plural}, see the journal");
        let mut reasons: Vec<_> = faults.iter().map(|fault| fault.to_string().replace("\n    ", "; ")).collect();
        if daemon.sandbox.confines_files() && faults.iter().any(is_forbidden) {
            reasons.push(
                "a file or directory that came after the start, where nothing was looked for or in another's place, \
                 is closed to this process by Landlock; it is read after a restart"
                    .to_owned(),
            );
        }
        Refusal { summary, reasons }
    })?;
    let needing_restart = config::restart_only_changes(&daemon.live.get(), &loaded.settings);
    if !needing_restart.is_empty() {
        let reason = format!("needs a restart: {}", needing_restart.join(", "));
        return Err(Refusal { summary: format!("reload refused: {reason}"), reasons: vec![reason] });
    }
    daemon.log.set_level(log::level(loaded.settings.log.level));
    daemon.live.replace(loaded.settings);
    Ok(())
}

fn is_forbidden(fault: &Fault) -> bool {
    matches!(&fault.problem, Problem::Unreadable(error) if error.kind() == ErrorKind::PermissionDenied)
}
