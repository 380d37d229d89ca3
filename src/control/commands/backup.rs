//! `messengerctl backup`: a copy of all that people have here, for the day on which it is needed.
//!
//! The daemon makes it in its own folder, the only place where it may write. Another folder is the caller's business, and
//! the caller's rights: the finished backup is carried there by this process.

use super::door::{Hands, House};
use super::{print, print_json};
use crate::control::ClientError;
use crate::control::local::Place;
use crate::control::methods::backup::{Backup, Finished, Order};
use crate::store::backup::{self, Carried};
use crate::terminal::progress::Progress;
use crate::terminal::say;
use bytesize::ByteSize;
use std::io;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What is wanted of it.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Where to, instead of the folder "backups" of the state directory
    ///
    /// The folder has to be there, and this user must be able to write to it, and to read the state directory.
    #[arg(long, value_name = "FOLDER")]
    to: Option<PathBuf>,
    /// How many backups are to be there afterwards: the oldest are removed; all are kept, if it is not said
    #[arg(long, value_name = "NUMBER")]
    keep: Option<NonZero<u32>>,
    /// As JSON
    #[arg(long)]
    json: bool,
    /// Whom to ask.
    #[command(flatten)]
    house: House,
}

pub(super) fn run(arguments: Arguments) -> Result<(), ClientError> {
    let Arguments { to, keep, json, house } = arguments;
    let finished = match &to {
        None => make(&house, keep)?,
        Some(folder) => {
            backup::expect_folder(folder)?;
            let state = Place::of(&house.sources)?.directory().to_owned();
            carry(&make_to_carry(&house)?, &state, folder, keep)?
        }
    };
    if json { print_json(&finished) } else { print(&words(&finished)) }
}

/// Has it made by the daemon, or makes it.
fn make(house: &House, keep: Option<NonZero<u32>>) -> Result<Finished, ClientError> {
    order(house.open()?, keep)
}

fn order(mut hands: Hands, keep: Option<NonZero<u32>>) -> Result<Finished, ClientError> {
    let (mut bar, mut checking, mut finished) = (Progress::of("copying"), false, None);
    hands.stream::<Backup, ClientError>(Order { keep: keep.map(NonZero::get) }, |seen| {
        if seen.checking && !checking {
            (bar, checking) = (Progress::of("checking"), true);
        }
        bar.at(seen.pages, seen.of);
        finished = seen.backup;
        Ok(true)
    })?;
    finished.ok_or(ClientError::NoAnswer)
}

/// The same, and this process stays who it is: without a daemon, another one becomes the daemon's user and makes it.
fn make_to_carry(house: &House) -> Result<Finished, ClientError> {
    match house.door.open() {
        Ok(client) => order(Hands::Daemon(Box::new(client)), None),
        Err(ClientError::Nobody { .. }) if nix::unistd::geteuid().is_root() => make_by_another(house),
        Err(ClientError::Nobody { .. }) => make(house, None),
        Err(error) => Err(error),
    }
}

fn make_by_another(house: &House) -> Result<Finished, ClientError> {
    let House { door, sources } = house;
    let mut command = Command::new(std::env::current_exe().map_err(ClientError::System)?);
    command.args(["backup", "--json", "--socket"]).arg(&door.socket);
    for (flag, path) in [("--config", &sources.config), ("--root", &sources.root)] {
        command.args(path.iter().flat_map(|path| [flag.as_ref(), path.as_os_str()]));
    }
    command.args(sources.set.iter().flat_map(|setting| ["--set", setting.as_str()]));
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output().map_err(ClientError::System)?;
    if !output.status.success() {
        // It has said why.
        return Err(ClientError::Another(output.status));
    }
    serde_json::from_slice(&output.stdout).map_err(|error| ClientError::System(io::Error::other(error)))
}

fn carry(
    finished: &Finished,
    state: &Path,
    folder: &Path,
    keep: Option<NonZero<u32>>,
) -> Result<Finished, ClientError> {
    let bar = Progress::of("carrying");
    // Root may be doing this, and the daemon has said where it is: so nothing else than a backup where backups are.
    let Carried { made, left } = backup::carry(state, Path::new(&finished.file), folder, keep, |progress| {
        bar.at(progress.pages, progress.of);
    })?;
    drop(bar);
    if let Some(left) = left {
        let cause = crate::host::journal::Chain(&left);
        say(&format!("messengerctl: {} is still there as well: {cause}\n", finished.file));
    }
    Ok(made.into())
}

fn words(finished: &Finished) -> String {
    let Finished { file, bytes, accounts, messages, removed, .. } = finished;
    let size = ByteSize::b(*bytes);
    let mut words = format!("{file}\n{size}, accounts: {accounts}, messages: {messages}; it was checked\n");
    for name in removed {
        words.extend(["removed: ", name.as_str(), "\n"]);
    }
    words
}
