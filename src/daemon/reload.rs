//! SIGHUP: new settings, all of them or none.

use super::{Daemon, log};
use crate::config::{self, Fault, Problem};
use std::io::ErrorKind;

/// Reads the configuration anew. What can't be taken without a restart is refused by name, and then nothing is taken.
///
/// # Errors
/// What an administrator is told in STATUS; the journal has all of it by then.
pub(super) fn reload(daemon: &Daemon) -> Result<(), String> {
    let loaded = config::load(&daemon.arguments.sources).map_err(|faults| {
        for fault in faults.iter() {
            tracing::error!("reload refused: {}", fault.to_string().replace("\n    ", "; "));
        }
        if daemon.sandbox.confines_files() && faults.iter().any(is_forbidden) {
            tracing::error!(
                "a file or directory that came after the start, where nothing was looked for or in another's place, \
                 is closed to this process by Landlock; it is read after a restart"
            );
        }
        let count = faults.iter().count();
        let plural = if count == 1 { "" } else { "s" };
        format!("reload refused: the configuration has {count} fault{plural}, see the journal")
    })?;
    let needing_restart = config::restart_only_changes(&daemon.live.get(), &loaded.settings);
    if !needing_restart.is_empty() {
        let refusal = format!("reload refused: needs a restart: {}", needing_restart.join(", "));
        tracing::error!("{refusal}");
        return Err(refusal);
    }
    daemon.log.set_level(log::level(loaded.settings.log.level));
    daemon.live.replace(loaded.settings);
    tracing::info!("configuration reloaded");
    Ok(())
}

fn is_forbidden(fault: &Fault) -> bool {
    matches!(&fault.problem, Problem::Unreadable(error) if error.kind() == ErrorKind::PermissionDenied)
}
