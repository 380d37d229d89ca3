//! How far something is that takes long: a bar on standard error, where that is a terminal. Nobody else is told.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::time::Duration;

/// What is quicker than this shows no bar.
const SOON: Duration = Duration::from_millis(300);

/// A bar, gone when it is dropped.
pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// In one word, what is done.
    pub(crate) fn of(what: &'static str) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        bar.set_message(what);
        Self(bar)
    }

    /// Where the terminal is for something else.
    pub(crate) fn hidden() -> Self {
        Self(ProgressBar::hidden())
    }

    /// So much of so much is done.
    pub(crate) fn at(&self, done: u64, of: u64) {
        if self.0.elapsed() < SOON {
            return;
        }
        if self.0.length() != Some(of) {
            self.0.set_length(of);
            // Without a template that it understands, it looks plainer.
            let style = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {eta}");
            self.0.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        }
        self.0.set_position(done);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
