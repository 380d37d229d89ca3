//! The record of what was ordered, by whom, and what became of it.

use super::Caller;
use super::interface::Refused;

/// An order that is being carried out. There is one record of it, however it ends: also when whoever gave it goes away, or
/// the daemon stops, in the middle of it, and some of it may have been done.
pub(super) struct Audit {
    caller: Caller,
    method: &'static str,
    /// Nothing: it only reads.
    change: Option<String>,
}

impl Audit {
    /// `change`: what it changes, in words, without anything that is secret.
    pub(super) fn of(caller: Caller, method: &'static str, change: Option<String>) -> Self {
        Self { caller, method, change }
    }

    /// It has come to its end.
    pub(super) fn over<T>(mut self, outcome: &Result<T, Refused>) {
        let Some(change) = self.change.take() else { return };
        let (peer, request) = (self.caller, self.method);
        match outcome {
            Ok(_) => tracing::info!(audit = 1, %peer, request, "ordered and done: {change}"),
            Err(refused) => {
                tracing::warn!(audit = 1, %peer, request, error = refused.words(), "ordered and refused: {change}");
            }
        }
    }
}

impl Drop for Audit {
    fn drop(&mut self) {
        if let Some(change) = &self.change {
            let (peer, request) = (self.caller, self.method);
            tracing::warn!(audit = 1, %peer, request, "ordered and cut off, perhaps in the middle: {change}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is written while this is done.
    fn written(scene: impl FnOnce()) -> String {
        let page = Page::default();
        let copy = page.clone();
        let subscriber =
            tracing_subscriber::fmt().with_ansi(false).without_time().with_writer(move || copy.clone()).finish();
        tracing::subscriber::with_default(subscriber, scene);
        String::from_utf8(page.0.lock().unwrap().clone()).unwrap()
    }

    fn audit(change: Option<&str>) -> Audit {
        Audit::of(Caller::ourselves(), "SendMessage", change.map(ToOwned::to_owned))
    }

    #[test]
    fn an_order_is_in_the_journal_once_however_it_ends() {
        for (end, words) in [
            (Some(Ok(())), "INFO messengerd::control::audit: ordered and done: write"),
            (Some(Err(Refused::Stopping)), "WARN messengerd::control::audit: ordered and refused: write"),
            (None, "WARN messengerd::control::audit: ordered and cut off, perhaps in the middle: write"),
        ] {
            let said = written(|| {
                let audit = audit(Some("write"));
                if let Some(outcome) = &end {
                    audit.over(outcome);
                }
            });
            assert!(said.contains(words) && said.contains("audit=1 peer=local user "), "{said}");
            assert_eq!(said.lines().count(), 1, "{said}");
        }
        assert_eq!(written(|| audit(None).over(&Ok(()))), "");
        assert_eq!(written(|| drop(audit(None))), "");
    }
}
