//! The threads that read. One is there for good; others come when there is more to do, and end when there is none.
//!
//! The runtime has such threads as well, but none for good: where the system refuses one more (`TasksMax=`,
//! `RLIMIT_NPROC`), it panics. Here, what was to be read waits for a thread that is there.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// How long a thread that is not there for good waits for something to do.
const IDLE: Duration = Duration::from_secs(10);

/// What a thread does. It must not panic.
type Job = Box<dyn FnOnce() + Send>;

/// They end when this is dropped, each when it has done what it is doing.
pub(super) struct Threads {
    office: Arc<Office>,
    most: usize,
}

#[derive(Default)]
struct Office {
    desk: Mutex<Desk>,
    news: Condvar,
}

#[derive(Default)]
struct Desk {
    jobs: VecDeque<Job>,
    threads: usize,
    /// Of them, those that wait for a job.
    idle: usize,
    closed: bool,
}

impl Threads {
    /// Starts the first; there will be no more than so many.
    pub(super) fn start(most: usize) -> io::Result<Self> {
        let office = Arc::<Office>::default();
        office.lock().threads = 1;
        Office::hire(&office, None)?;
        Ok(Self { office, most })
    }

    /// Has a thread do it, as soon as one can be had.
    pub(super) fn run(&self, job: Job) {
        let mut desk = self.office.lock();
        desk.jobs.push_back(job);
        if desk.jobs.len() > desk.idle && desk.threads < self.most {
            desk.threads += 1;
            drop(desk);
            if Office::hire(&self.office, Some(IDLE)).is_err() {
                // There is the first at least, and it comes to this job when it is done with others.
                self.office.lock().threads -= 1;
            }
        } else {
            drop(desk);
            self.office.news.notify_one();
        }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.office.lock().closed = true;
        self.office.news.notify_all();
    }
}

impl Office {
    fn lock(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hire(office: &Arc<Self>, patience: Option<Duration>) -> io::Result<()> {
        let office = Arc::clone(office);
        let name = "store-reader".to_owned();
        thread::Builder::new().name(name).spawn(move || while office.work(patience) {}).map(drop)
    }

    /// Does one job. False: there is none any more, or has been none for too long.
    fn work(&self, patience: Option<Duration>) -> bool {
        let mut desk = self.lock();
        loop {
            if let Some(job) = desk.jobs.pop_front() {
                drop(desk);
                job();
                return true;
            }
            if desk.closed {
                return false;
            }
            desk.idle += 1;
            let over;
            (desk, over) = match patience {
                None => (self.news.wait(desk).unwrap_or_else(PoisonError::into_inner), false),
                Some(patience) => {
                    let (desk, waited) = self.news.wait_timeout(desk, patience).unwrap_or_else(PoisonError::into_inner);
                    (desk, waited.timed_out())
                }
            };
            desk.idle -= 1;
            if over && desk.jobs.is_empty() {
                desk.threads -= 1;
                return false;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{channel, sync_channel};

    /// Says which thread has done it.
    fn by_whom(threads: &Threads) -> thread::ThreadId {
        let (told, hears) = channel();
        threads.run(Box::new(move || told.send(thread::current().id()).unwrap()));
        hears.recv().unwrap()
    }

    #[test]
    fn so_many_work_at_once_and_what_is_more_waits() {
        let threads = Threads::start(3).unwrap();
        let (begun, begins) = channel();
        let mut gates = Vec::new();
        for number in 0..4 {
            let (open, opened) = sync_channel::<()>(1);
            let begun = begun.clone();
            threads.run(Box::new(move || {
                begun.send(number).unwrap();
                let _ = opened.recv();
            }));
            gates.push(open);
        }
        let mut first: Vec<_> = begins.iter().take(3).collect();
        first.sort_unstable();
        assert_eq!(first, [0, 1, 2]);
        assert_eq!(threads.office.lock().jobs.len(), 1, "the fourth waits");
        drop(gates.remove(0));
        assert_eq!(begins.recv().unwrap(), 3);
    }

    #[test]
    fn one_after_the_other_is_done_by_the_same_thread() {
        let threads = Threads::start(8).unwrap();
        let mut by = Vec::new();
        for _ in 0..50 {
            // It is there a moment after it was started, or has said that it is done.
            while threads.office.lock().idle == 0 {
                thread::yield_now();
            }
            by.push(by_whom(&threads));
        }
        by.dedup();
        assert_eq!(by.len(), 1);
        assert_eq!(threads.office.lock().threads, 1);
    }

    #[test]
    fn they_end_with_it_and_what_was_asked_before_is_done() {
        let threads = Threads::start(1).unwrap();
        let (office, (told, hears)) = (Arc::downgrade(&threads.office), channel());
        for number in 0..10 {
            let told = told.clone();
            threads.run(Box::new(move || told.send(number).unwrap()));
        }
        drop((threads, told));
        assert!(hears.iter().eq(0..10));
        while office.upgrade().is_some() {
            thread::yield_now();
        }
    }
}
