//! Lets go of what mailboxes keep no longer, from time to time.

use crate::accounts;
use crate::config::Live;
use crate::store::{LetGo, Store, StoreError};

/// At the start and then at intervals, as the configuration has it at that moment. Runs until dropped or the store is
/// stopped.
pub(super) async fn go_rounds(store: &Store, settings: &Live) {
    loop {
        let retention = settings.get().retention.clone();
        let mut round = store.retain((&retention).into(), accounts::now(), false);
        let outcome = loop {
            match round.go_on().await {
                Ok(true) => {}
                Ok(false) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        let LetGo { delivered, undelivered, messages, given_back, .. } = round.so_far();
        if delivered + undelivered > 0 {
            tracing::info!(
                delivered,
                undelivered,
                messages,
                given_back,
                "mailboxes have let go of what they keep no longer"
            );
        }
        match outcome {
            Ok(()) => {}
            Err(StoreError::Stopped) => return,
            Err(error) => {
                tracing::warn!(error = %error.chain(), "not all that mailboxes keep no longer could be let go of yet");
            }
        }
        tokio::time::sleep(retention.interval).await;
    }
}
