//! What comes out of the journal's formats, into memory: for tests and fuzzing.
//!
//! Errors: none; a panic where what came out is no text.

use super::stream::Stream;
use super::{filter, text};
use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;

/// Where records are written to; a clone is the same.
#[derive(Clone, Default)]
pub(super) struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Buffer {
    /// What was written, line by line.
    pub(super) fn lines(&self) -> Vec<String> {
        let bytes = self.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap().lines().map(str::to_owned).collect()
    }
}

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What this stream gets while the scene plays.
pub(super) fn in_text(stream: Stream, scene: impl FnOnce()) -> Vec<String> {
    let buffer = Buffer::default();
    let writer = buffer.clone();
    let subscriber =
        tracing_subscriber::registry().with(filter(LevelFilter::INFO)).with(text(stream, move || writer.clone()));
    tracing::subscriber::with_default(subscriber, scene);
    buffer.lines()
}
