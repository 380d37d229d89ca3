//! What a caller writes to the control socket, for [`crate::fuzzing`].
//!
//! Errors: a claim that does not hold is a panic.

use super::{Caller, Desk, Order, Task, serve};
use crate::accounts::Accounts;
use crate::config::{Live, Settings};
use crate::handlers::Core;
use crate::store::{self, Store};
use serde_json::Value;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::runtime::Builder;
use tokio::sync::mpsc;
use tokio::task::LocalSet;

/// One byte says whether orders are refused; the rest is what the caller writes, and then nothing more. There is at most
/// one answer to each message, each is an object that was done or refused, and the connection ends.
pub(crate) fn converse(bytes: &[u8]) {
    let Some((refuse, written)) = bytes.split_first() else { return };
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let answers = LocalSet::new().block_on(&runtime, conversation(*refuse & 1 == 1, written));
    let mut answers = answers.split_inclusive(|byte| *byte == 0);
    let messages = memchr::memchr_iter(0, written).count();
    assert!(answers.clone().count() <= messages);
    assert!(answers.all(|answer| is_answer(answer.strip_suffix(&[0]).expect("it has come to its end"))));
}

async fn conversation(refuse: bool, written: &[u8]) -> Vec<u8> {
    let (daemon, mut peer) = UnixStream::pair().expect("two sockets");
    let caller = Caller::of(&daemon).expect("they are connected");
    let (order, orders) = mpsc::channel(1);
    let (mut read, mut write) = peer.split();
    let mut answers = Vec::new();
    let talk = async {
        // The daemon may have closed the connection by then.
        let _ = write.write_all(written).await;
        let _ = write.shutdown().await;
    };
    let listen = async {
        let _ = read.read_to_end(&mut answers).await;
    };
    let (desk, _folder) = desk(order);
    tokio::join!(serve::converse(daemon, caller, desk), carry_out(refuse, orders), talk, listen);
    answers
}

/// A server with nobody on it.
fn desk(orders: mpsc::Sender<Order>) -> (Rc<Desk>, TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let options = store::Options {
        directory: folder.path().to_owned(),
        sync_every_commit: false,
        readers: 1,
        batch_max: 16,
        busy_timeout: Duration::from_secs(1),
    };
    let progress: store::Progress = Arc::new(|| ());
    let (store, _) = Store::open(&options, &progress).expect("a store");
    let settings = Live::new(Settings::default());
    let accounts = Accounts::start(store.clone(), settings.clone()).expect("a thread");
    let core = Arc::new(Core { accounts, sessions: Arc::default(), store });
    (Rc::new(Desk { core, settings, orders: Some(orders), reporter: None }), folder)
}

async fn carry_out(refuse: bool, mut orders: mpsc::Receiver<Order>) {
    while let Some(Order { task, .. }) = orders.recv().await {
        match task {
            Task::Reload(answer) => {
                let outcome = if refuse { Err(vec!["it is refused".to_owned()]) } else { Ok(()) };
                answer.send(outcome).expect("whoever ordered waits");
            }
            Task::SetLogLevel(_, answer) => answer.send(()).expect("whoever ordered waits"),
        }
    }
}

fn is_answer(answer: &[u8]) -> bool {
    let answer: Value = serde_json::from_slice(answer).expect("it is JSON");
    answer
        .as_object()
        .is_some_and(|answer| answer.keys().all(|key| ["continues", "error", "parameters"].contains(&key.as_str())))
}
