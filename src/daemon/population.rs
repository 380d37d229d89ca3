//! What STATUS says: how many are here.

use crate::connection::Shared;
use crate::host::notify::Notifier;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

/// Between two notices to systemd, at the least.
const REST: Duration = Duration::from_secs(1);

/// The status line's parts: who is here, what of the sandbox is not, and what became of the last reload.
#[derive(Default)]
pub(super) struct Population {
    lacking: OnceLock<String>,
    remark: Mutex<Option<String>>,
    /// What systemd was told last, by whichever notice.
    told: Mutex<String>,
}

impl Population {
    /// The layers of the sandbox that don't hold. Known before READY, and the same until the end.
    pub(super) fn lacks(&self, layers: &[&'static str]) {
        let _ = self.lacking.set(layers.iter().fold(String::new(), |text, layer| text + "; no " + layer));
    }

    /// What an administrator should see beside the numbers until it is settled.
    pub(super) fn remark(&self, remark: Option<String>) {
        *self.remark.lock().unwrap_or_else(PoisonError::into_inner) = remark;
    }

    /// Tells systemd with a notice that carries a status anyway: READY, after the start or a reload.
    pub(super) fn tell_with(&self, shared: &Shared, notice: impl FnOnce(&str)) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        *told = self.text(shared);
        notice(&told);
    }

    /// False: systemd knows.
    fn tell_if_changed(&self, notifier: &Notifier, shared: &Shared) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let text = self.text(shared);
        let changed = text != *told;
        if changed {
            notifier.status(&text);
            *told = text;
        }
        changed
    }

    fn text(&self, shared: &Shared) -> String {
        let (online, connections) = (shared.core.sessions.accounts_online(), shared.connections.len());
        let plural = if connections == 1 { "" } else { "s" };
        let remark = self.remark.lock().unwrap_or_else(PoisonError::into_inner);
        let remark = remark.as_deref().map(|remark| format!("; {remark}")).unwrap_or_default();
        let lacking = self.lacking.get().map_or("", String::as_str);
        format!("{online} online, {connections} connection{plural}{lacking}{remark}")
    }

    /// Tells systemd of each change, at most once in a while. An idle server wakes nobody. Runs until dropped.
    pub(super) async fn tell(&self, notifier: &Notifier, shared: &Shared) {
        loop {
            shared.population_changed.notified().await;
            if self.tell_if_changed(notifier, shared) {
                tokio::time::sleep(REST).await;
            }
        }
    }
}
