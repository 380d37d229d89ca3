//! All figures of a moment: this room knows all that keep some.

use super::sockets::Open;
use super::{Daemon, StartError};
use crate::accounts;
use crate::connection::Shared;
use crate::figures::{self, Backlog, Report, Reporter, Reporting};
use crate::host::process::Process;
use crate::metrics;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;
use tokio::task::JoinSet;

/// For so long a look through all mailboxes is good enough.
const BACKLOG_REST: Duration = Duration::from_secs(10);

/// The files in which it stands what this process has. Before the daemon forbids itself to open such.
pub(super) fn process() -> Option<Process> {
    Process::open()
        .inspect_err(|error| tracing::warn!(%error, "what this process has can't be read, and is in no metrics"))
        .ok()
}

/// See the module.
pub(super) struct Rooms {
    shared: Arc<Shared>,
    process: Option<Process>,
    started_at: i64,
    began: Instant,
    backlog: Mutex<Option<(Instant, Backlog)>>,
}

impl Rooms {
    /// The daemon's time begins now.
    pub(super) fn of(shared: &Arc<Shared>, daemon: &mut Daemon) -> Arc<Self> {
        Arc::new(Self {
            shared: Arc::clone(shared),
            process: daemon.process.take(),
            started_at: accounts::now().0,
            began: Instant::now(),
            backlog: Mutex::default(),
        })
    }

    async fn backlog(&self) -> Option<Backlog> {
        // Whoever asks meanwhile waits, and has this one too.
        let mut known = self.backlog.lock().await;
        if let Some((_, backlog)) = known.filter(|(at, _)| at.elapsed() < BACKLOG_REST) {
            return Some(backlog);
        }
        let core = &self.shared.core;
        match core.store.backlog(core.sessions.online()).await {
            Ok(backlog) => {
                *known = Some((Instant::now(), backlog));
                Some(backlog)
            }
            Err(error) => {
                tracing::warn!(error = %error.chain(), "what waits in mailboxes can't be read");
                None
            }
        }
    }

    fn process(&self) -> Option<figures::Process> {
        let usage = self.process.as_ref()?.usage().ok()?;
        Some(figures::Process {
            cpu: usage.cpu,
            resident_bytes: usage.resident,
            virtual_bytes: usage.addresses,
            threads: usage.threads,
            open_descriptors: usage.descriptors,
            max_descriptors: usage.descriptors_max,
        })
    }
}

impl Reporter for Rooms {
    fn report(&self) -> Reporting<'_> {
        Box::pin(async {
            let core = &self.shared.core;
            Report {
                daemon: figures::Daemon {
                    version: env!("CARGO_PKG_VERSION"),
                    started_at: self.started_at,
                    uptime: self.began.elapsed(),
                },
                process: self.process(),
                connections: self.shared.figures(),
                sessions: core.sessions.figures(),
                accounts: core.accounts.figures(),
                store: core.store.figures(),
                backlog: self.backlog().await,
            }
        })
    }
}

/// Begins to answer whoever asks for metrics, until what is returned is dropped.
pub(super) fn show(open: Vec<Open>, rooms: &Arc<Rooms>) -> Result<JoinSet<()>, StartError> {
    let mut showing = JoinSet::new();
    for open in open {
        let listener = open
            .register_for_metrics()
            .map_err(|source: io::Error| StartError::Runtime { doing: "its metrics socket", source })?;
        let rooms: Arc<dyn Reporter> = Arc::<Rooms>::clone(rooms);
        showing.spawn(metrics::serve(listener, rooms));
    }
    Ok(showing)
}
