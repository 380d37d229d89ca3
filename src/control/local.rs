//! Orders that need no daemon, carried out by `messengerctl` itself while none runs: on the same database, by the same
//! methods.
//!
//! Started as root, it becomes the daemon's user first, for good: the state directory is that user's, and whoever
//! controls a directory decides what root finds in it. The database's lock keeps a daemon from starting meanwhile.

use super::audit::Audit;
use super::methods::{self, Answered, Parts, Streamed};
use super::{Caller, ClientError, Desk};
use crate::accounts::Accounts;
use crate::config::{self, Faults, Live, Settings, Sources, Synchronous};
use crate::domain::exit::Exit;
use crate::handlers::Core;
use crate::host::journal::{self, Chain};
use crate::host::privileges::{self, Identity, PrivilegeError, StateDirectoryError, Wanted};
use crate::store::{OpenError, Options, Progress, Store, backup};
use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tracing_subscriber::filter::LevelFilter;

/// Why it can't be done without the daemon.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    /// The configuration, which says where the database is, has faults.
    #[error(transparent)]
    Config(#[from] Faults),
    /// Nothing says where the database is.
    #[error("nothing says where the database is: set state.directory")]
    NoStateDirectory,
    /// There is none.
    #[error("there is no database in {}; start messengerd once", .0.display())]
    NoDatabase(PathBuf),
    /// The daemon's user can't be had.
    #[error(transparent)]
    Privileges(#[from] PrivilegeError),
    /// The state directory can't be had.
    #[error(transparent)]
    StateDirectory(#[from] StateDirectoryError),
    /// The database can't be opened.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// The system refused.
    #[error("the system refused")]
    System(#[source] io::Error),
}

impl LocalError {
    /// What the shell is told.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            Self::Config(_) | Self::NoStateDirectory => Exit::Config,
            Self::NoDatabase(_) => Exit::NoInput,
            Self::Privileges(error) => error.exit(),
            Self::StateDirectory(error) => error.exit(),
            Self::Store(error) => error.exit(),
            Self::System(_) => Exit::Os,
        }
    }
}

/// Where the daemon's state is, and who touches it.
pub(super) struct Place {
    settings: Settings,
    directory: PathBuf,
    identity: Identity,
    caller: Caller,
}

impl Place {
    /// Where the configuration says.
    ///
    /// # Errors
    /// See [`LocalError`].
    pub(super) fn of(sources: &Sources) -> Result<Self, LocalError> {
        let settings = config::load(sources)?.settings;
        let directory = config::state_directory(&settings).ok_or(LocalError::NoStateDirectory)?;
        let wanted = Wanted { user: settings.process.user.clone(), group: settings.process.group.clone() };
        let identity = privileges::plan(&wanted, &directory)?;
        Ok(Self { settings, directory, identity, caller: Caller::ourselves() })
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Makes the state directory as a daemon would, where none has been yet.
    ///
    /// # Errors
    /// [`LocalError::StateDirectory`].
    pub(super) fn prepare(&self) -> Result<(), LocalError> {
        Ok(privileges::prepare_state_directory(&self.directory, &self.identity)?)
    }

    /// Becomes the daemon's user, for good. The journal is written to from here on; where there is none, standard error
    /// gets what matters.
    ///
    /// # Errors
    /// [`LocalError::Privileges`].
    pub(super) fn step_down(&self) -> Result<(), LocalError> {
        privileges::drop_to(&self.identity)?;
        let (format, level) = if journal::is_there() {
            (journal::Format::Journal, LevelFilter::INFO)
        } else {
            (journal::Format::Text, LevelFilter::WARN)
        };
        let _ = journal::start(format, level);
        Ok(())
    }

    /// What was done here that is no method, and what became of it: for the journal, if there is one. The caller is told
    /// by other means.
    pub(super) fn note<T, E: Error + 'static>(&self, change: &str, outcome: &Result<T, E>) {
        let peer = self.caller;
        match outcome {
            _ if !journal::is_there() => {}
            Ok(_) => tracing::info!(audit = 1, %peer, "ordered and done: {change}"),
            Err(error) => {
                tracing::warn!(audit = 1, %peer, error = %Chain(error), "ordered and refused: {change}");
            }
        }
    }
}

/// The database in our own hands.
pub(super) struct Local {
    runtime: Runtime,
    desk: Rc<Desk>,
    caller: Caller,
    /// Nobody is told of what is committed; it has to be taken all the same.
    _taking: JoinHandle<()>,
}

impl Local {
    /// Opens the database that the configuration names.
    ///
    /// # Errors
    /// See [`LocalError`].
    pub(super) fn open(sources: &Sources) -> Result<Self, LocalError> {
        let place = Place::of(sources)?;
        if !Store::is_in(&place.directory) {
            return Err(LocalError::NoDatabase(place.directory));
        }
        place.step_down()?;
        let Place { settings, directory, caller, .. } = place;
        if let Err(error) = backup::prepare(&directory) {
            tracing::warn!(%error, "the folder of backups can't be made");
        }
        let options = Options {
            directory,
            sync_every_commit: settings.store.synchronous == Synchronous::Full,
            readers: 1,
            batch_max: settings.store.batch_max,
            busy_timeout: settings.store.busy_timeout,
        };
        let progress: Progress = Arc::new(|| ());
        let (store, mut committed) = Store::open(&options, &progress)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(LocalError::System)?;
        let settings = Live::new(settings);
        let accounts = Accounts::start(store.clone(), settings.clone()).map_err(LocalError::System)?;
        let core = Arc::new(Core { accounts, sessions: Arc::default(), store });
        let taking = runtime.spawn(async move { while committed.recv().await.is_some() {} });
        Ok(Self {
            runtime,
            desk: Rc::new(Desk { core, settings, orders: None, reporter: None }),
            caller,
            _taking: taking,
        })
    }

    /// Does what the daemon would do.
    ///
    /// # Errors
    /// [`ClientError::Refused`].
    pub(super) fn call<M: Answered>(&self, parameters: M::Parameters) -> Result<M::Reply, ClientError> {
        let audit = Audit::of(self.caller, M::NAME, M::change(&parameters));
        let outcome = self.runtime.block_on(M::answer(&self.desk, self.caller, parameters));
        audit.over(&outcome);
        outcome.map_err(ClientError::Refused)
    }

    /// The same, where the answer comes in parts: `part` sees each, the last one too, and says whether to go on.
    ///
    /// # Errors
    /// As above; and those of `part`.
    pub(super) fn stream<M: Streamed, E: From<ClientError>>(
        &self,
        parameters: M::Parameters,
        mut part: impl FnMut(M::Reply) -> Result<bool, E>,
    ) -> Result<(), E> {
        let audit = Audit::of(self.caller, M::NAME, M::change(&parameters));
        self.runtime.block_on(async {
            let (sender, mut receiver) = mpsc::channel(1);
            let mut answer = std::pin::pin!(M::answer(&self.desk, self.caller, parameters, Parts::to(sender)));
            let outcome = loop {
                tokio::select! {
                    biased;
                    Some(value) = receiver.recv() => {
                        if !part(methods::from_value(value))? {
                            return Ok(());
                        }
                    }
                    outcome = &mut answer => break outcome,
                }
            };
            audit.over(&outcome);
            // One may still be on its way.
            while let Ok(value) = receiver.try_recv() {
                if !part(methods::from_value(value))? {
                    return Ok(());
                }
            }
            part(outcome.map_err(ClientError::Refused)?).map(drop)
        })
    }
}

impl Drop for Local {
    /// What is to be written later is written now.
    fn drop(&mut self) {
        if let Err(error) = self.runtime.block_on(self.desk.core.store.stop()) {
            tracing::warn!(error = %error.chain(), "the database was not closed in order; nothing is lost");
        }
    }
}
