//! Proof of life for systemd, from a thread of its own: `sd_watchdog_enabled(3)`.
//!
//! Errors: only that the thread can't be started. What goes wrong later is a log record, and silence towards systemd,
//! which then ends and restarts the service.
//!
//! Must not be here: what the probe asks.

use super::notify::Notifier;
use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Asks the daemon whether it lives, through every part that must work. It gets the time it may take, gives up
/// after it, and says whether all parts have answered. It runs on the watchdog's thread and may block.
pub type Probe = Box<dyn FnMut(Duration) -> bool + Send>;

/// Feeds systemd's watchdog as long as the probe succeeds, until it is dropped.
///
/// With an interval of one minute the probe begins every 30 seconds and has 15. So a good probe feeds with 15 seconds
/// to spare, and a daemon that hangs is ended within a minute of its last good probe. `WATCHDOG=1` is sent only
/// after a probe that was true in time. The first of a series of failures is logged, and so is its end.
#[derive(Debug)]
#[must_use = "dropping it stops the feeding"]
pub struct Watchdog(Option<Running>);

#[derive(Debug)]
struct Running {
    /// Dropped to stop the thread.
    stop: Sender<()>,
    /// Closed by the thread's end.
    ended: Receiver<()>,
    thread: JoinHandle<()>,
    allowance: Duration,
}

/// The interval that systemd asks for (`WATCHDOG_USEC`, if `WATCHDOG_PID` is ours): it acts when it hears nothing for
/// so long. `None` without a watchdog.
#[must_use]
pub fn interval_from_systemd() -> Option<Duration> {
    sd_notify::watchdog_enabled().filter(|interval| !interval.is_zero())
}

impl Watchdog {
    /// Starts the thread; without an interval there is none. The first probe begins at once.
    ///
    /// systemd counts from READY=1, so this may come before or after it. It must come after
    /// [`drop_to`](super::privileges::drop_to), which wants no other threads.
    ///
    /// # Errors
    /// What the kernel said to one more thread.
    pub fn start(interval: Option<Duration>, notifier: Notifier, probe: Probe) -> io::Result<Self> {
        let Some(interval) = interval else { return Ok(Self(None)) };
        let (stop, stopped) = channel();
        let (ending, ended) = channel();
        let allowance = interval / 4;
        let thread = std::thread::Builder::new().name("watchdog".into()).spawn(move || {
            feed(interval / 2, allowance, &notifier, probe, &stopped);
            drop(ending);
        })?;
        Ok(Self(Some(Running { stop, ended, thread, allowance })))
    }
}

impl Drop for Watchdog {
    /// Waits for the thread, but for no longer than a probe may take: one that hangs must not hold up the end.
    fn drop(&mut self) {
        let Some(Running { stop, ended, thread, allowance }) = self.0.take() else { return };
        drop(stop);
        if ended.recv_timeout(allowance) == Err(RecvTimeoutError::Disconnected) {
            // A panicking probe has been reported by the panic hook.
            let _ = thread.join();
        }
    }
}

fn feed(period: Duration, allowance: Duration, notifier: &Notifier, mut probe: Probe, stopped: &Receiver<()>) {
    let mut failing = false;
    loop {
        let started = Instant::now();
        let answered = probe(allowance);
        let took = started.elapsed();
        if answered && took <= allowance {
            notifier.watchdog();
            if failing {
                tracing::info!("the watchdog's probe succeeds again");
            }
            failing = false;
        } else if !failing {
            failing = true;
            tracing::error!(
                answered,
                ?took,
                ?allowance,
                "the watchdog's probe failed, systemd isn't told that we live"
            );
        }
        match stopped.recv_timeout(period.saturating_sub(took)) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixDatagram;
    use std::sync::mpsc::sync_channel;

    /// What systemd and the probe say arrives on one socket, so its order is the order of events.
    struct Scene {
        heard: UnixDatagram,
        path: std::path::PathBuf,
        _folder: tempfile::TempDir,
    }

    impl Scene {
        fn new() -> (Self, Notifier) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("notify");
            let heard = UnixDatagram::bind(&path).unwrap();
            let notifier = Notifier::to(path.as_os_str()).unwrap();
            (Self { heard, path, _folder: folder }, notifier)
        }

        fn witness(&self) -> impl Fn(&str) + Send + use<> {
            let socket = UnixDatagram::unbound().unwrap();
            socket.connect(&self.path).unwrap();
            move |text| assert_eq!(socket.send(text.as_bytes()).unwrap(), text.len())
        }

        fn next(&self) -> String {
            let mut bytes = [0; 256];
            let length = self.heard.recv(&mut bytes).unwrap();
            String::from_utf8(bytes[..length].to_vec()).unwrap()
        }
    }

    const INTERVAL: Option<Duration> = Some(Duration::from_millis(40));

    #[test]
    fn a_probe_that_fails_feeds_nothing_and_one_that_recovers_does() {
        let (scene, notifier) = Scene::new();
        let witness = scene.witness();
        let mut probes = 0;
        let probe = Box::new(move |_| {
            probes += 1;
            witness(if probes <= 3 { "failing" } else { "good" });
            probes > 3
        });
        let _watchdog = Watchdog::start(INTERVAL, notifier, probe).unwrap();
        for _ in 0..3 {
            assert_eq!(scene.next(), "failing");
        }
        assert_eq!(scene.next(), "good");
        // A busy machine can make a good probe late, so it may take a few.
        while scene.next() != "WATCHDOG=1\n" {}
    }

    #[test]
    fn a_probe_that_hangs_feeds_nothing_though_it_ends_well() {
        let (scene, notifier) = Scene::new();
        let witness = scene.witness();
        let mut probes = 0;
        let probe = Box::new(move |allowance: Duration| {
            probes += 1;
            if probes <= 3 {
                let started = Instant::now();
                while started.elapsed() <= allowance {
                    std::thread::yield_now();
                }
                witness("late");
            }
            true
        });
        let _watchdog = Watchdog::start(INTERVAL, notifier, probe).unwrap();
        for _ in 0..3 {
            assert_eq!(scene.next(), "late");
        }
        assert_eq!(scene.next(), "WATCHDOG=1\n");
    }

    #[test]
    fn dropping_it_ends_the_thread() {
        let (scene, notifier) = Scene::new();
        let (alive, gone) = sync_channel::<()>(0);
        let probe = Box::new(move |_| {
            let _ = &alive;
            true
        });
        // Long enough that only the drop can end the wait for the next probe.
        let watchdog = Watchdog::start(Some(Duration::from_hours(1)), notifier, probe).unwrap();
        assert_eq!(scene.next(), "WATCHDOG=1\n");
        drop(watchdog);
        assert!(gone.recv().is_err(), "the probe was dropped with its thread");
    }

    #[test]
    fn dropping_it_does_not_wait_for_a_probe_that_hangs_for_ever() {
        let (scene, notifier) = Scene::new();
        let witness = scene.witness();
        let (release, released) = channel::<()>();
        let probe = Box::new(move |_| {
            witness("hanging");
            released.recv().is_ok()
        });
        let watchdog = Watchdog::start(INTERVAL, notifier, probe).unwrap();
        assert_eq!(scene.next(), "hanging");
        drop(watchdog);
        release.send(()).expect("the probe still hangs");
    }

    #[test]
    fn without_a_watchdog_there_is_no_thread() {
        let probe = Box::new(|_| unreachable!("nobody asks"));
        drop(Watchdog::start(None, Notifier::off(), probe).unwrap());
    }
}
