//! `messengerctl restore`: a backup becomes the database, or is only looked at.

use super::print;
use crate::accounts;
use crate::config::Sources;
use crate::control::ClientError;
use crate::control::local::Place;
use crate::store::backup::{Candidate, Progress as Seen};
use crate::terminal::progress::Progress;
use std::path::PathBuf;

/// What is to be restored.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The backup; its manifest has to be beside it
    file: PathBuf,
    /// Only look whether it could be restored; also while messengerd runs
    #[arg(long)]
    verify: bool,
    /// Where it is said which database is meant.
    #[command(flatten)]
    sources: Sources,
}

pub(super) fn run(arguments: Arguments) -> Result<(), ClientError> {
    let Arguments { file, verify, sources } = arguments;
    let place = Place::of(&sources)?;
    // It may be readable for root alone. What is in it, the daemon's user looks at.
    let mut candidate = Candidate::open(&file)?;
    if !verify {
        place.prepare()?;
    }
    place.step_down()?;
    let manifest = candidate.manifest().clone();
    let what = format!(
        "as of {}, accounts: {}, messages: {}, schema {}",
        manifest.made_at, manifest.accounts, manifest.messages, manifest.schema
    );
    let mut bar = None;
    let mut progress = |seen: Seen| {
        let doing = if seen.checking { "checking" } else { "copying" };
        if bar.as_ref().is_none_or(|(shown, _)| *shown != doing) {
            bar = Some((doing, Progress::of(doing)));
        }
        if let Some((_, bar)) = &bar {
            bar.at(seen.pages, seen.of);
        }
    };
    if verify {
        candidate.verify(&mut progress)?;
        return print(&format!("{}: whole, {what}\n", file.display()));
    }
    let outcome = candidate.restore(place.directory(), accounts::now(), &mut progress);
    place.note(&format!("restore {}", file.display()), &outcome);
    let replaced = outcome?;
    let mut words = format!("{} is restored, {what}\n", file.display());
    if let Some(replaced) = replaced {
        words.extend(["the database of before is kept: ", &replaced.display().to_string(), "\n"]);
    }
    words.push_str("start messengerd: systemctl start messengerd.service\n");
    print(&words)
}
