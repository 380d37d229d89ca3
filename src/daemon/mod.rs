//! Start order, reload, stop. [`run`] is the whole daemon; the binary makes this one call.
//!
//! Start, in this order and with READY last: configuration → log → sockets, and what the process before has left → state directory and privileges → files
//! confined → store (and its migrations) → runtime and tasks → accepting → calls confined → READY. Stop, in reverse and within
//! `process.stop_deadline`: no more accepting → requests that have come are answered → connections are left to the
//! next process, or outboxes are flushed → the store is closed.
//!
//! Errors: a [`StartError`] is one line on standard error (and so in the journal) and an exit code of `sysexits.h`.
//! Once READY, only a broken listener ends the daemon by itself.
//!
//! Must not be here: what the rooms below do. This room knows them all, and only puts them together.

mod arguments;
mod error;
mod figures;
mod greeting;
mod log;
mod orders;
mod population;
mod reload;
mod retention;
mod sandbox;
mod serve;
mod sockets;
mod takeover;

pub use arguments::Arguments;
pub use error::StartError;

use crate::config::{self, Live};
use crate::domain::exit::Exit;
use crate::host::journal::{self, LogControl};
use crate::host::notify::Notifier;
use crate::host::privileges::{self, Wanted};
use crate::host::process::Process;
use crate::host::resources;
use crate::store::{self, Store};
use sandbox::Sandbox;
use std::sync::Arc;
use std::time::Duration;

/// What a migration asks systemd for, each time that it shows progress.
const MIGRATION_STEP: Duration = Duration::from_mins(1);

/// What stands when the daemon begins to serve.
struct Daemon {
    arguments: Arguments,
    live: Live,
    log: LogControl,
    notifier: Notifier,
    sandbox: Sandbox,
    process: Option<Process>,
}

/// Runs the daemon until it is told to stop, and says how it went.
#[must_use]
pub fn run(arguments: Arguments) -> Exit {
    if arguments.check_config {
        return config::command::check(&arguments.sources);
    }
    match start(arguments) {
        Ok(()) => Exit::Ok,
        Err(error) => {
            error.report();
            error.exit()
        }
    }
}

fn start(arguments: Arguments) -> Result<(), StartError> {
    let loaded = config::load(&arguments.sources)?;
    let settings = &loaded.settings;
    let log_control = journal::start(log::format(settings.log.format), log::level(settings.log.level))?;
    let notifier = Notifier::from_environment();

    let keeping = takeover::store(&notifier, settings)?;
    let (sockets, stored) = sockets::open(settings, keeping.as_ref())?;
    let directory = config::state_directory(settings).ok_or(StartError::NoStateDirectory)?;
    let wanted = Wanted { user: settings.process.user.clone(), group: settings.process.group.clone() };
    let identity = privileges::plan(&wanted, &directory)?;
    sockets::give_over(sockets.clients.iter().chain(&sockets.metrics), &identity)?;
    privileges::prepare_state_directory(&directory, &identity)?;
    privileges::drop_to(&identity)?;
    tracing::info!(state = %directory.display(), "running as {identity}");
    // Confined, no folder can be made. Without it, all is well but backups, which say so.
    if let Err(error) = store::backup::prepare(&directory) {
        tracing::warn!(%error, "the folder of backups can't be made");
    }
    check_descriptors(settings)?;
    // What this looks up is forbidden afterwards.
    let threads = serve::worker_threads(settings);
    serve::check_threads(threads)?;
    let process = figures::process();
    let mut sandbox = Sandbox::new(&settings.sandbox);
    sandbox.confine_files(&directory, &arguments.sources, &loaded, &notifier)?;

    let options = store::Options {
        directory,
        sync_every_commit: settings.store.synchronous == config::Synchronous::Full,
        readers: settings.store.readers,
        batch_max: settings.store.batch_max,
        busy_timeout: settings.store.busy_timeout,
    };
    let patience = notifier.clone();
    let progress: store::Progress = Arc::new(move || patience.extend_timeout(MIGRATION_STEP));
    let (store, committed) = Store::open(&options, &progress)?;

    let runtime = serve::runtime(threads)?;
    let daemon = Daemon { arguments, live: Live::new(loaded.settings), log: log_control, notifier, sandbox, process };
    let left = keeping.map(|keeping| takeover::Left::sort(stored, keeping)).transpose()?;
    runtime.block_on(serve::serve(daemon, sockets, left, store, committed))
}

/// Says it now, rather than when the last descriptor is gone. The accept loop copes with it either way, but what begins
/// does not.
fn check_descriptors(settings: &config::Settings) -> Result<(), StartError> {
    let limit = match resources::raise_descriptor_limit() {
        Ok(limit) => limit,
        Err(error) => {
            tracing::warn!(%error, "the limit of open files could not be raised");
            return Ok(());
        }
    };
    let least = resources::descriptors_to_begin(settings.store.readers)
        .map_err(|source| StartError::Runtime { doing: "its open files can't be counted", source })?;
    if limit < least {
        return Err(StartError::Descriptors { limit, least });
    }
    let connections = u64::try_from(settings.connections.max).unwrap_or(u64::MAX);
    if let Some(shortage) = resources::descriptor_shortage(connections, limit) {
        tracing::warn!("{shortage}");
    }
    Ok(())
}
