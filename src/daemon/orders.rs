//! Administrators' orders: where they come in, and that each is in the journal with whoever gave it.

use super::StartError;
use super::reload::Refusal;
use crate::control::{self, Order, Task};
use std::io;
use std::os::unix::net::UnixListener;
use tokio::sync::mpsc;
use tokio::task::LocalSet;

/// Begins to take orders, which come one by one from the second. They are taken within the first, and until it is
/// dropped.
pub(super) fn take(listeners: Vec<UnixListener>) -> Result<(LocalSet, mpsc::Receiver<Order>), StartError> {
    let takers = LocalSet::new();
    let (orders, ordered) = mpsc::channel(control::CONNECTIONS);
    for listener in listeners {
        let listener = tokio::net::UnixListener::from_std(listener)
            .map_err(|source: io::Error| StartError::Runtime { doing: "its control socket", source })?;
        takers.spawn_local(control::serve(listener, orders.clone()));
    }
    Ok((takers, ordered))
}

/// Has an order carried out, and answers it.
pub(super) fn carry_out(order: Order, reload: impl FnOnce() -> Result<(), Refusal>) {
    let peer = order.caller;
    match order.task {
        Task::Reload(answer) => {
            tracing::info!(audit = 1, %peer, request = "reload", "reload ordered");
            // Whoever does not wait for the answer finds it in the journal.
            let _ = answer.send(reload().map_err(|refusal| refusal.reasons));
        }
    }
}
