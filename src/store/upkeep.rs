//! What the writer does when it has answered its callers: it files ([`Filing`]), and puts the log's pages back into the
//! database. SQLite would do that within the commit that made the log long, and those who wait for it would wait.

use super::figures::Writing;
use super::filing::Filing;
use super::unfiled::Unfiled;
use rusqlite::Connection;
use std::sync::Arc;
use std::sync::atomic::AtomicI32;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// The log may have so many pages before they are put back.
const LOG_PAGES: i32 = 1000;

#[derive(Debug)]
pub(super) struct Upkeep {
    filing: Filing,
    /// How long the log was after the last commit.
    log_pages: Arc<AtomicI32>,
    put_back_at: i32,
}

impl Upkeep {
    /// From now on the log is ours to watch.
    pub(super) fn of(db: &mut Connection) -> rusqlite::Result<Self> {
        let log_pages = Arc::new(AtomicI32::new(0));
        let seen = Arc::clone(&log_pages);
        db.wal_hook(Some(move |_: &mut _, pages| {
            seen.store(pages, Relaxed);
            Ok(())
        }))?;
        Ok(Self { filing: Filing::default(), log_pages, put_back_at: LOG_PAGES })
    }

    /// How long the log was after the last commit: it changes with each.
    pub(super) fn log_pages(&self) -> Arc<AtomicI32> {
        Arc::clone(&self.log_pages)
    }

    /// There is time to file.
    pub(super) fn begin_filing(&mut self, unfiled: &Unfiled) {
        self.filing.begin(unfiled);
    }

    /// Whether there is more to be done at once, if nobody wants anything.
    pub(super) fn is_under_way(&self) -> bool {
        self.filing.is_under_way()
    }

    /// Does what is due, as far as it goes in some milliseconds.
    pub(super) fn go_on(&mut self, db: &mut Connection, unfiled: &Unfiled, figures: &Writing) {
        self.filing.go_on(db, unfiled, figures);
        self.put_back(db);
    }

    /// Files all that is not filed. What can't be filed is found again by the next process.
    pub(super) fn finish(&mut self, db: &mut Connection, unfiled: &Unfiled, figures: &Writing) {
        let _ = self.filing.finish(db, unfiled, figures);
        self.put_back(db);
    }

    /// Puts the whole log back and cuts it to nothing, so that no page is left in it as it was: whether it was done. Whoever
    /// reads in it is in the way, and is not waited for.
    pub(super) fn empty_log(db: &Connection) -> bool {
        let empty = || {
            let patience: i64 = db.pragma_query_value(None, "busy_timeout", |row| row.get(0))?;
            db.busy_timeout(Duration::ZERO)?;
            let busy = db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, bool>(0));
            db.busy_timeout(Duration::from_millis(patience.unsigned_abs()))?;
            busy
        };
        match empty() {
            Ok(busy) => !busy,
            Err(error) => {
                tracing::warn!(%error, "the log could not be emptied yet");
                false
            }
        }
    }

    fn put_back(&mut self, db: &Connection) {
        let pages = self.log_pages.load(Relaxed);
        // It begins anew when all of it is back and nobody reads in it.
        if pages < LOG_PAGES {
            self.put_back_at = LOG_PAGES;
        }
        if pages < self.put_back_at {
            return;
        }
        // Whoever reads keeps it from going all the way; then, later.
        self.put_back_at = pages.saturating_add(LOG_PAGES);
        if let Err(error) = db.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())) {
            tracing::warn!(%error, "the log could not be put back into the database yet; it grows");
        }
    }
}
