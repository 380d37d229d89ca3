//! Make a backup.

use super::{Method, Parts, Streamed};
use crate::accounts;
use crate::control::interface::Refused;
use crate::control::{Caller, Desk};
use crate::host::journal::Chain;
use crate::store::backup::{BackupError, Made, Progress};
use serde::{Deserialize, Serialize};
use std::num::NonZero;
use std::pin::pin;
use tokio::sync::watch;
use zlink::introspect;

pub(in crate::control) struct Backup;

/// What is to become of older ones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, introspect::Type)]
#[serde(deny_unknown_fields)]
pub(in crate::control) struct Order {
    /// So many of the newest stay, with the new one; all, if it is not said.
    #[serde(default)]
    pub(in crate::control) keep: Option<u32>,
}

/// How far it is. The last part has the backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, introspect::Type)]
pub(in crate::control) struct Seen {
    /// All is copied, and what was copied is checked.
    pub(in crate::control) checking: bool,
    /// So many pages are done.
    pub(in crate::control) pages: u64,
    /// Of so many.
    pub(in crate::control) of: u64,
    /// When it is done: what was made.
    pub(in crate::control) backup: Option<Finished>,
}

/// A backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, introspect::Type)]
pub(in crate::control) struct Finished {
    /// Its path. The manifest is beside it.
    pub(in crate::control) file: String,
    pub(in crate::control) bytes: u64,
    /// As b2sum prints it.
    pub(in crate::control) blake2b: String,
    pub(in crate::control) schema: i64,
    /// RFC 3339, in UTC.
    pub(in crate::control) made_at: String,
    pub(in crate::control) accounts: u64,
    pub(in crate::control) messages: u64,
    /// The names of older ones that had to go.
    pub(in crate::control) removed: Vec<String>,
}

impl From<Made> for Finished {
    fn from(Made { file, manifest, removed }: Made) -> Self {
        Self {
            file: file.display().to_string(),
            bytes: manifest.bytes,
            blake2b: manifest.blake2b,
            schema: manifest.schema,
            made_at: manifest.made_at,
            accounts: manifest.accounts,
            messages: manifest.messages,
            removed,
        }
    }
}

impl From<Progress> for Seen {
    fn from(Progress { checking, pages, of }: Progress) -> Self {
        Self { checking, pages, of, backup: None }
    }
}

impl Method for Backup {
    const NAME: &'static str = "Backup";
    const ABOUT: &'static str =
        "Makes a backup of all that is committed by now, in the folder backups of the state directory, and checks it.";
    type Parameters = Order;
    type Reply = Seen;

    fn change(order: &Order) -> Option<String> {
        Some(match order.keep {
            None => "make a backup".to_owned(),
            Some(keep) => format!("make a backup, and keep the newest {keep}"),
        })
    }
}

impl Streamed for Backup {
    async fn answer(desk: &Desk, _: Caller, order: Order, parts: Parts<Seen>) -> Result<Seen, Refused> {
        let none = || Refused::NotAcceptable { reason: "at least one backup is kept, the new one".to_owned() };
        let keep = order.keep.map(|keep| NonZero::new(keep).ok_or_else(none)).transpose()?;
        let (tell, mut progress) = watch::channel(Progress::default());
        let mut making = pin!(desk.core.store.back_up(accounts::now(), keep, tell));
        let made = loop {
            tokio::select! {
                made = &mut making => break made?,
                Ok(()) = progress.changed() => {
                    let seen = *progress.borrow_and_update();
                    parts.send(&seen.into()).await;
                }
            }
        };
        tracing::info!(
            backup = %made.file.display(),
            bytes = made.manifest.bytes,
            messages = made.manifest.messages,
            removed = made.removed.len(),
            "a backup was made"
        );
        let Progress { pages, of, .. } = *progress.borrow();
        Ok(Seen { checking: true, pages, of, backup: Some(made.into()) })
    }
}

impl From<BackupError> for Refused {
    /// Whoever asks for a backup looks after the machine, and is told all.
    fn from(error: BackupError) -> Self {
        match error {
            BackupError::Busy => Self::Busy,
            error => {
                let reason = Chain(&error).to_string();
                tracing::error!(error = reason, "no backup was made; those before it are as they were");
                Self::NoBackup { reason }
            }
        }
    }
}
