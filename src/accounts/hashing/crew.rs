//! The threads that hash, and what is between them and their callers.

use super::HashingError;
use super::memory::Memory;
use crate::figures::{Counter, Distribution, Durations, Queue};
use crate::host::threads;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use zeroize::zeroize_stack;

/// As much stack as a hash may take: several times what it does take, in a debug build too.
const STACK: usize = 64 * 1024;

/// What a thread does, with the memory that it keeps.
type Job = Box<dyn FnOnce(&mut Memory) + Send>;

/// So many threads, and so many places for whoever wants one. They end when this is dropped.
pub(super) struct Crew {
    jobs: Vec<Sender<Job>>,
    idle: Arc<Idle>,
    threads: Arc<Semaphore>,
    places: Arc<Semaphore>,
    /// Of these there are so many.
    most: usize,
    took: Arc<Durations>,
    refused: Counter,
}

/// The threads that have nothing to do, by their numbers. The last one comes first, because its memory is warm; the
/// others give theirs back meanwhile.
type Idle = Mutex<Vec<usize>>;

/// A thread that is busy, and the permits that say so.
struct Busy {
    thread: usize,
    idle: Arc<Idle>,
    _permits: [OwnedSemaphorePermit; 2],
}

impl Drop for Busy {
    /// The thread is there for others before the permit is.
    fn drop(&mut self) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(self.thread);
    }
}

impl Crew {
    /// Starts the threads, and returns when each gives way to the others of this process: a filter of system calls may
    /// be laid then. One that has nothing to do for as long as `idle` gives its memory back.
    pub(super) fn start(threads: usize, queue: usize, idle: Duration) -> io::Result<Self> {
        let jobs = (0..threads).map(|_| start_one(idle)).collect::<io::Result<_>>()?;
        Ok(Self {
            jobs,
            idle: Arc::new(Mutex::new((0..threads).collect())),
            threads: Arc::new(Semaphore::new(threads)),
            places: Arc::new(Semaphore::new(threads + queue)),
            most: threads + queue,
            took: Arc::default(),
            refused: Counter::default(),
        })
    }

    /// How long each took on its thread, how many have a place, and how many found none.
    pub(super) fn figures(&self) -> (Distribution, Queue, u64) {
        let number = |size: usize| u64::try_from(size).unwrap_or(u64::MAX);
        let waiting = number(self.most.saturating_sub(self.places.available_permits()));
        (self.took.read(), Queue { waiting, most: number(self.most) }, self.refused.get())
    }

    /// Has one of the threads do it. `None`: all are busy, and nobody else may wait.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Memory) -> Result<T, HashingError> + Send + 'static,
    ) -> Result<Option<T>, HashingError> {
        let failed = |what: &str| HashingError::Failed(what.to_owned());
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            self.refused.add(1);
            return Ok(None);
        };
        let turn = Arc::clone(&self.threads).acquire_owned().await.map_err(|error| failed(&error.to_string()))?;
        let thread = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let thread = thread.ok_or_else(|| failed("no thread is idle"))?;
        // They go along, so that a caller who gives up does not make room for more than there is.
        let busy = Busy { thread, idle: Arc::clone(&self.idle), _permits: [turn, place] };
        let (caller, answer) = oneshot::channel();
        let took = Arc::clone(&self.took);
        let job = move |memory: &mut Memory| {
            let began = Instant::now();
            let result = apart(work, memory);
            took.record(began.elapsed());
            // blake2 takes the password through the stack. What argon2 does afterwards writes over that, as far as a search
            // finds, but where it lies is the compiler's choice.
            zeroize_stack::<STACK>();
            drop(busy);
            // Whoever gave up does not hear it.
            let _ = caller.send(result);
        };
        self.jobs[thread].send(Box::new(job)).map_err(|_| failed("the thread has ended"))?;
        answer.await.map_err(|_| failed("the thread has ended"))?.map(Some)
    }
}

/// Below the caller's frame, all of it, so that the caller can wipe what is left there.
#[inline(never)]
fn apart<T>(work: impl FnOnce(&mut Memory) -> Result<T, HashingError>, memory: &mut Memory) -> Result<T, HashingError> {
    let panicked = || Err(HashingError::Failed("it panicked".to_owned()));
    catch_unwind(AssertUnwindSafe(|| work(memory))).unwrap_or_else(|_| panicked())
}

fn start_one(idle: Duration) -> io::Result<Sender<Job>> {
    let (jobs, todo) = channel();
    let (ready, given_way) = sync_channel(1);
    std::thread::Builder::new().name("hashing".to_owned()).spawn(move || {
        let _ = ready.send(threads::give_way());
        work(&todo, idle);
    })?;
    match given_way.recv() {
        Ok(Ok(())) => {}
        // Such as a unit of the administrator's own.
        Ok(Err(error)) => tracing::warn!(%error, "hashing gets no lower priority: messages wait for log-ins"),
        Err(error) => return Err(io::Error::other(error)),
    }
    Ok(jobs)
}

/// Does what comes, until nobody is left who could bring something.
fn work(todo: &Receiver<Job>, idle: Duration) {
    let mut memory = Memory::default();
    loop {
        let job = if memory.is_kept() {
            todo.recv_timeout(idle)
        } else {
            todo.recv().map_err(|_| RecvTimeoutError::Disconnected)
        };
        match job {
            Ok(job) => job(&mut memory),
            Err(RecvTimeoutError::Timeout) => memory.give_back(),
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::pin::Pin;
    use std::task::Poll;

    const LONG: Duration = Duration::from_hours(1);

    fn crew(threads: usize, queue: usize) -> Crew {
        Crew::start(threads, queue, LONG).unwrap()
    }

    /// Polls once and says whether there is no result yet.
    async fn is_pending<F: Future>(mut future: Pin<&mut F>) -> bool {
        std::future::poll_fn(|context| Poll::Ready(future.as_mut().poll(context).is_pending())).await
    }

    #[tokio::test]
    async fn when_the_queue_is_full_the_next_is_told_so() {
        let crew = crew(1, 1);
        let (go, wait) = channel::<()>();
        let working = crew.run(move |_| Ok(wait.recv().is_ok()));
        let waiting = crew.run(|_| Ok(true));
        tokio::pin!(working, waiting);
        // Polled once each, the first has the thread and the second the only place in the queue.
        assert!(is_pending(working.as_mut()).await);
        assert!(is_pending(waiting.as_mut()).await);
        assert_eq!(crew.run(|_| Ok(true)).await, Ok(None));
        let (took, queue, refused) = crew.figures();
        assert_eq!((took.count(), queue, refused), (0, Queue { waiting: 2, most: 2 }, 1));
        go.send(()).unwrap();
        assert_eq!(working.await, Ok(Some(true)));
        assert_eq!(waiting.await, Ok(Some(true)));
        assert_eq!(crew.run(|_| Ok(true)).await, Ok(Some(true)));
        let (took, queue, refused) = crew.figures();
        assert_eq!((took.count(), queue.waiting, refused), (3, 0, 1));
    }

    #[tokio::test]
    async fn who_gives_up_makes_no_more_room_than_there_is() {
        let crew = crew(1, 1);
        let (go, wait) = channel::<()>();
        let mut working = Box::pin(crew.run(move |_| Ok(wait.recv().is_ok())));
        let mut waiting = Box::pin(crew.run(|_| Ok(1)));
        assert!(is_pending(working.as_mut()).await);
        assert!(is_pending(waiting.as_mut()).await);
        // The thread is busy with it all the same.
        drop(working);
        assert_eq!(crew.run(|_| Ok(2)).await, Ok(None));
        // This one had no more than its place.
        drop(waiting);
        let mut waiting = Box::pin(crew.run(|_| Ok(3)));
        assert!(is_pending(waiting.as_mut()).await);
        assert_eq!(crew.run(|_| Ok(4)).await, Ok(None));
        go.send(()).unwrap();
        assert_eq!(waiting.await, Ok(Some(3)));
    }

    #[tokio::test]
    async fn so_many_threads_work_at_once() {
        let crew = crew(2, 0);
        let (go, wait) = channel::<()>();
        let mut one = Box::pin(crew.run(move |_| Ok(wait.recv().is_ok())));
        assert!(is_pending(one.as_mut()).await);
        // While one works, the other does this, again and again.
        for number in 0..3 {
            assert_eq!(crew.run(move |_| Ok(number)).await, Ok(Some(number)));
        }
        go.send(()).unwrap();
        assert_eq!(one.await, Ok(Some(true)));
    }

    #[tokio::test]
    async fn a_panic_is_an_error_and_its_thread_goes_on() {
        let crew = crew(1, 0);
        let outcome = crew.run::<()>(|_| panic!("a fault of ours")).await;
        assert!(matches!(outcome, Err(HashingError::Failed(_))), "{outcome:?}");
        assert_eq!(crew.run(|_| Ok(1)).await, Ok(Some(1)));
    }

    #[tokio::test]
    async fn its_threads_give_way_to_the_others() {
        assert_eq!(crew(1, 0).run(|_| Ok(threads::niceness())).await, Ok(Some(threads::GIVING_WAY)));
    }

    #[tokio::test]
    async fn memory_is_kept_for_the_next_and_given_back_when_there_is_none() {
        let using = |memory: &mut Memory| Ok(memory.blocks(8).is_ok());
        let keeping = |memory: &mut Memory| Ok(memory.is_kept());
        let kept = crew(1, 0);
        assert_eq!(kept.run(keeping).await, Ok(Some(false)));
        assert_eq!(kept.run(using).await, Ok(Some(true)));
        assert_eq!(kept.run(keeping).await, Ok(Some(true)));

        let impatient = Crew::start(1, 0, Duration::ZERO).unwrap();
        assert_eq!(impatient.run(using).await, Ok(Some(true)));
        // If we are as quick as it is.
        while impatient.run(keeping).await == Ok(Some(true)) {}
        assert_eq!(impatient.run(keeping).await, Ok(Some(false)));
    }

    #[tokio::test]
    async fn its_threads_end_with_it() {
        thread_local!(static AT_THE_END: RefCell<Option<Sender<()>>> = const { RefCell::new(None) });
        let crew = crew(1, 0);
        let (dropped, ended) = channel();
        let before = crew.run(move |_| Ok(AT_THE_END.replace(Some(dropped)).is_some())).await;
        assert_eq!(before, Ok(Some(false)));
        drop(crew);
        assert!(ended.recv().is_err());
    }
}
