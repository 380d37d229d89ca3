//! The administrator's words: reading, merging and checking the configuration.
//!
//! Later layers win: the defaults; `/usr/lib/messengerd/*.toml`; `/etc/messengerd/messengerd.toml`;
//! `/etc/messengerd/conf.d/*.toml`; variables `MESSENGERD_SECTION__KEY`; flags `--set section.key=value`. What the
//! keys are, and all that is known about each, stands in `settings.rs` and nowhere else.
//!
//! Errors: [`Faults`] holds every fault of every layer, each with its place and a remedy; nothing falls back to a
//! default. The exit code that goes with it is [`Exit::Config`](crate::domain::exit::Exit::Config).
//!
//! Must not be here: what other rooms do with a setting; looking up users, opening sockets or databases.

pub mod command;
mod define;
mod draft;
mod environment;
mod example;
mod fault;
mod file;
mod flag;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod key;
mod kind;
mod live;
mod loaded;
mod origin;
mod rules;
#[expect(
    clippy::doc_markdown,
    reason = "the docs are also the comments of messengerd.toml, where backticks mean nothing"
)]
mod settings;
mod sources;
mod state_directory;
mod syntax;

pub use example::example;
pub use fault::{Fault, Faults, Problem};
pub use key::{Key, Section, Taken, keys, restart_only_changes};
pub use kind::{ContactsPolicy, ListenAddress, LogFormat, LogLevel, Refusal, SignUp, Synchronous};
pub use live::Live;
pub use loaded::{Entry, Loaded};
pub use settings::{
    Accounts, Auth, Classic, Connections, Contacts, Listen, Log, Process, Retention, SECTIONS, Sandbox, Settings,
    State, Store,
};
pub use sources::Sources;
pub use state_directory::state_directory;

use draft::Draft;
use std::ffi::OsString;

/// Reads, merges and checks the configuration that `sources` name, with the environment of this process.
///
/// # Errors
/// [`Faults`] holds all that is wrong: first directories that cannot be listed, then layer by layer, line by line.
pub fn load(sources: &Sources) -> Result<Loaded, Faults> {
    load_with(sources, std::env::vars_os())
}

/// Like [`load`], with the environment given: variables whose names do not begin with [`Key::VARIABLES`] are passed
/// over.
///
/// # Errors
/// [`Faults`] holds all that is wrong: first directories that cannot be listed, then layer by layer, line by line.
pub fn load_with(
    sources: &Sources,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Loaded, Faults> {
    let mut draft = Draft::default();
    for path in sources.files(&mut draft) {
        file::read(&path, &mut draft);
    }
    environment::read(environment, &mut draft);
    flag::read(&sources.set, &mut draft);
    draft.settle()
}
