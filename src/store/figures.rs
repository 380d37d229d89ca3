//! What the store counts of itself.

use super::{Store, StoreError};
use crate::figures::{self, Counter, Durations, Labelled, Sizes};
use std::time::{Duration, Instant};

/// Why a request was not written.
const FAILURES: [&str; 4] = ["disk_full", "locked", "fault", "other"];

/// Kept by the room, read by whoever asks [`Store::figures`](super::Store::figures).
#[derive(Debug)]
pub(super) struct Figures {
    pub(super) writing: Writing,
    pub(super) reading: Reading,
}

/// Of the writer, which is one thread.
#[derive(Debug)]
#[repr(align(128))]
pub(super) struct Writing {
    pub(super) messages: Counter,
    pub(super) messages_to_nobody: Counter,
    pub(super) commits: Durations,
    pub(super) batches: Sizes,
    pub(super) waits: Durations,
    pub(super) writes: Durations,
    pub(super) filing: Durations,
    pub(super) filed: Counter,
    pub(super) failures: Labelled<{ FAILURES.len() }>,
}

/// Of the readers.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Reading {
    pub(super) waits: Durations,
    pub(super) reads: Durations,
}

impl Default for Figures {
    fn default() -> Self {
        let writing = Writing {
            messages: Counter::default(),
            messages_to_nobody: Counter::default(),
            commits: Durations::default(),
            batches: Sizes::default(),
            waits: Durations::default(),
            writes: Durations::default(),
            filing: Durations::default(),
            filed: Counter::default(),
            failures: Labelled::of(FAILURES),
        };
        Self { writing, reading: Reading::default() }
    }
}

impl Writing {
    /// Requests that were asked for at these moments have been committed together, beginning at that one.
    pub(super) fn committed(&self, asked: impl ExactSizeIterator<Item = Instant>, began: Instant) {
        let done = Instant::now();
        self.commits.record(done - began);
        self.batches.record(asked.len());
        let mut first = began;
        for asked in asked {
            first = first.min(asked);
            self.writes.record(done.saturating_duration_since(asked));
        }
        self.waits.record(began - first);
    }

    /// A request has failed.
    pub(super) fn failed(&self, error: &StoreError) {
        self.failures.count(match error {
            StoreError::Full => "disk_full",
            StoreError::Busy => "locked",
            StoreError::Panicked => "fault",
            StoreError::Stopped | StoreError::Sqlite(_) => "other",
        });
    }

    /// A step of filing is over.
    pub(super) fn filed(&self, entries: usize, took: Duration) {
        self.filed.add(u64::try_from(entries).unwrap_or(u64::MAX));
        self.filing.record(took);
    }
}

impl Store {
    /// What it has counted, and how long its queues are.
    #[must_use]
    pub fn figures(&self) -> figures::Store {
        let Figures { writing, reading } = &*self.figures;
        let [writer_queue, notifier_queue] = self.writer.queues();
        figures::Store {
            messages: writing.messages.get(),
            messages_to_nobody: writing.messages_to_nobody.get(),
            commits: writing.commits.read(),
            batches: writing.batches.read(),
            waits: writing.waits.read(),
            writes: writing.writes.read(),
            failures: writing.failures.read(),
            writer_queue,
            notifier_queue,
            read_waits: reading.waits.read(),
            reads: reading.reads.read(),
            unfiled: u64::try_from(self.unfiled.newest().1).unwrap_or(u64::MAX),
            filed: writing.filed.get(),
            filing: writing.filing.read(),
            log_pages: self.writer.log_pages(),
        }
    }

    /// A message was for a login that nobody has.
    pub fn had_no_recipient(&self) {
        self.figures.writing.messages_to_nobody.add(1);
    }
}
