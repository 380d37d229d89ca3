//! Scenes of the store, on real files.
//!
//! Where it matters what comes together, the writer is held ([`hold_writer`]) while requests are put into its queue
//! ([`ask`]), so that nothing here depends on how fast the machine is.

#[cfg(target_arch = "x86_64")]
mod backups;
mod clock;
mod cursors;
mod damage;
mod erasing;
mod failing;
mod figures;
mod filing;
mod history;
#[cfg(target_arch = "x86_64")]
mod interrupted;
mod migrating;
mod model;
mod opening;
mod released;
#[cfg(target_arch = "x86_64")]
mod restoring;
mod retaining;
mod statements;
mod stopping;
#[cfg(target_arch = "x86_64")]
mod traced;
mod writing;

use super::model::{ALL, Person, assert_gapless, login, new_account, no_progress, open, open_new, options, try_open};
use super::open::FILE;
use super::{Committed, OpenError, Options, PageLimits, Progress, Store};
use crate::domain::{AccountId, Entry, Seq};
use rusqlite::Connection;
use std::future::poll_fn;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::{Command, ExitStatus};
use std::sync::{Arc, mpsc as std_mpsc};
use std::task::Poll;
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, coop};

/// The database as another program sees it.
fn foreign(directory: &Path) -> Connection {
    Connection::open(directory.join(FILE)).unwrap()
}

fn number(db: &Connection, query: &str) -> i64 {
    db.query_row(query, [], |row| row.get(0)).unwrap()
}

/// What an administrator reads, without the folder's changing name.
fn shown(error: &OpenError, directory: &Path) -> String {
    error.to_string().replace(directory.to_str().unwrap(), "[state]")
}

impl Person {
    async fn sign_up(store: &Store, text: &str) -> Self {
        let id = store.add_user(new_account(text)).await.unwrap().unwrap();
        Self { id, login: login(text) }
    }

    /// A message on its way, to be awaited or asked for.
    fn writes(
        &self,
        store: &Store,
        to: &Self,
        text: &str,
    ) -> impl Future<Output = Result<bool, super::StoreError>> + use<> {
        let (store, draft) = (store.clone(), self.draft(&to.login, text));
        async move { store.add_message(draft).await }
    }

    async fn mailbox_texts(&self, store: &Store) -> Vec<String> {
        self.mailbox(store).await.iter().map(|entry| entry.message.text.to_string()).collect()
    }
}

async fn ann_and_bob(store: &Store) -> (Person, Person) {
    (Person::sign_up(store, "ann").await, Person::sign_up(store, "bob").await)
}

/// Holds the writer within a request until the returned sender is dropped. What is asked meanwhile is one batch.
async fn hold_writer(store: &Store) -> std_mpsc::Sender<()> {
    let (release, held) = std_mpsc::channel();
    let (enter, entered) = oneshot::channel();
    let mut enter = Some(enter);
    let writer = store.writer.clone();
    tokio::spawn(async move {
        let wait = move |_: &mut super::writer::Batch<'_>| {
            enter.take().map(|enter| enter.send(()));
            // An error is the release.
            let _ = held.recv();
            Ok(())
        };
        writer.write(wait).await
    });
    entered.await.unwrap();
    release
}

/// Puts a request into the writer's queue. The answer is for the handle.
async fn ask<T: Send + 'static>(request: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
    // Unconstrained, or the runtime might have it wait for no other reason than fairness.
    let mut request = Box::pin(coop::unconstrained(request));
    poll_fn(|context| {
        assert!(request.as_mut().poll(context).is_pending(), "answered while the writer was held");
        Poll::Ready(())
    })
    .await;
    tokio::spawn(request)
}

/// Keeps a test that waits for what never comes from hanging. Nothing is measured by it.
async fn in_time<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_mins(1), pin!(work)).await.expect("it never came")
}

const ROLE: &str = "MESSENGERD_TEST_ROLE";
const DIRECTORY: &str = "MESSENGERD_TEST_DIRECTORY";

/// In the process that [`run_as`] started: its role, and its folder.
fn role() -> Option<(String, PathBuf)> {
    Some((std::env::var(ROLE).ok()?, std::env::var_os(DIRECTORY)?.into()))
}

/// Runs one test of this program again in a process of its own, where [`role`] is not `None`.
fn run_as(test: &str, role: &str, directory: &Path, prepare: impl FnOnce(&mut Command)) -> ExitStatus {
    // By this name, it can also be run by a user who may not read the build directory.
    let mut child = Command::new("/proc/self/exe");
    child.args(["--exact", &format!("store::tests::{test}"), "--nocapture"]);
    child.env(ROLE, role).env(DIRECTORY, directory);
    prepare(&mut child);
    let ended = child.output().unwrap();
    // Shown if the test fails.
    println!("{}{}", String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    ended.status
}
