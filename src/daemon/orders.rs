//! Administrators' orders: where they come in, and that each is in the journal with whoever gave it.

use super::StartError;
use super::reload::Refusal;
use crate::config::Live;
use crate::control::{self, Desk, Order, Task};
use crate::figures::Reporter;
use crate::handlers::Core;
use crate::host::journal::LogControl;
use std::io;
use std::os::unix::net::UnixListener;
use std::rc::Rc;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::task::LocalSet;

/// Begins to take orders. What only the daemon can do comes one by one from the second; the rest is done within the
/// first, and until it is dropped.
pub(super) fn take(
    listeners: Vec<UnixListener>,
    core: &Arc<Core>,
    settings: &Live,
    reporter: Arc<dyn Reporter>,
) -> Result<(LocalSet, mpsc::Receiver<Order>), StartError> {
    let takers = LocalSet::new();
    let (orders, ordered) = mpsc::channel(control::CONNECTIONS);
    let desk = Rc::new(Desk {
        core: Arc::clone(core),
        settings: settings.clone(),
        orders: Some(orders),
        reporter: Some(reporter),
    });
    for listener in listeners {
        let listener = tokio::net::UnixListener::from_std(listener)
            .map_err(|source: io::Error| StartError::Runtime { doing: "its control socket", source })?;
        takers.spawn_local(control::serve(listener, Rc::clone(&desk)));
    }
    Ok((takers, ordered))
}

/// Has an order carried out, and answers it.
pub(super) fn carry_out(order: Order, log: &LogControl, reload: impl FnOnce() -> Result<(), Refusal>) {
    match order.task {
        Task::Reload(answer) => {
            // Whoever does not wait for the answer finds it in the journal.
            let _ = answer.send(reload().map_err(|refusal| refusal.reasons));
        }
        Task::SetLogLevel(level, answer) => {
            log.set_level(super::log::level(level));
            let _ = answer.send(());
        }
    }
}
