//! What `messengerctl config` does.
//!
//! Errors: told on standard error, and as an exit code: [`Exit::Config`] for a faulty configuration, [`Exit::Io`]
//! where standard output cannot be written.

use super::{Faults, Loaded, Sources, example, load};
use crate::domain::exit::Exit;
use std::io::{self, Write};

/// A command about the configuration.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Say all that is wrong with the configuration, or that it is fine
    ///
    /// Variables MESSENGERD_… are those of this shell, not those that the service gets from its unit.
    Check {
        /// Where it is read from.
        #[command(flatten)]
        sources: Sources,
    },
    /// Show the value of each key, and where it was set
    ///
    /// Variables MESSENGERD_… are those of this shell, not those that the service gets from its unit.
    Show {
        /// Show it as JSON
        #[arg(long)]
        json: bool,
        /// Where it is read from.
        #[command(flatten)]
        sources: Sources,
    },
    /// Print a configuration file with every key, its documentation and its default
    Example,
}

/// Reads the command line of this process. What is wrong with it, and what was asked for instead (help, version), has
/// been printed when this returns.
///
/// # Errors
/// The code to exit with: [`Exit::Usage`], or [`Exit::Ok`] after help and version.
pub fn parse_arguments<Arguments: clap::Parser>() -> Result<Arguments, Exit> {
    Arguments::try_parse().map_err(|error| {
        // Where it cannot be printed, nobody is left to be told.
        _ = error.print();
        if error.use_stderr() { Exit::Usage } else { Exit::Ok }
    })
}

/// Does it, with the environment and the standard streams of this process.
#[must_use]
pub fn run(command: &Command) -> Exit {
    match command {
        Command::Check { sources } => check(sources),
        Command::Show { json: false, sources } => report(load(sources), Loaded::show),
        Command::Show { json: true, sources } => report(load(sources), Loaded::show_json),
        Command::Example => print(&example()),
    }
}

/// Says all that is wrong with the configuration, or that it is fine and from which files it was read.
/// `messengerd --check-config` is the same.
#[must_use]
pub fn check(sources: &Sources) -> Exit {
    report(load(sources), |loaded| {
        let files: Vec<_> = loaded.files().map(|file| file.display().to_string()).collect();
        match files.as_slice() {
            [] => "configuration is fine: no files read\n".to_owned(),
            [file] => format!("configuration is fine: 1 file read: {file}\n"),
            files => format!("configuration is fine: {} files read: {}\n", files.len(), files.join(", ")),
        }
    })
}

fn report(loaded: Result<Loaded, Faults>, text: impl FnOnce(&Loaded) -> String) -> Exit {
    match loaded {
        Ok(loaded) => print(&text(&loaded)),
        Err(faults) => {
            // Nobody is left to be told when standard error is gone; the exit code says it as well.
            _ = writeln!(io::stderr(), "{faults}");
            Exit::Config
        }
    }
}

fn print(text: &str) -> Exit {
    let mut output = io::stdout().lock();
    match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
        Ok(()) => Exit::Ok,
        // The reader has seen enough, as "head" does.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Ok,
        Err(error) => {
            _ = writeln!(io::stderr(), "standard output: {error}");
            Exit::Io
        }
    }
}
