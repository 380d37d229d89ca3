//! How many threads this process has, and which of them give way to the others.
//!
//! Errors: [`io::Error`], of proc(5) or setpriority(2).

use nix::errno::Errno;
use nix::libc::{PRIO_PROCESS, setpriority};
use std::io;

/// Starts so many threads at once, and returns when they are gone again: the kernel counts them for a moment after they
/// have been joined. Nothing else starts or ends threads meanwhile.
///
/// # Errors
/// The system does not allow as many (`RLIMIT_NPROC`, the control group's `pids.max`, memory). Who builds a runtime
/// asks before, since tokio panics.
pub fn can_have(threads: usize) -> io::Result<()> {
    let before = count()?;
    std::thread::scope(|scope| {
        let mut gates = Vec::with_capacity(threads);
        for _ in 0..threads {
            let (gate, opened) = std::sync::mpsc::sync_channel::<()>(0);
            std::thread::Builder::new().spawn_scoped(scope, move || opened.recv())?;
            gates.push(gate);
        }
        io::Result::Ok(())
    })?;
    while count()? > before {
        std::thread::yield_now();
    }
    Ok(())
}

/// The niceness of a thread that gives way, and the most there is: while others are busy it gets a seventieth of the
/// processor, and whenever they wake, they go first.
pub const GIVING_WAY: i32 = 19;

/// The number of threads in this process, by proc(5).
pub(super) fn count() -> io::Result<usize> {
    Ok(std::fs::read_dir("/proc/self/task")?.count())
}

/// Makes the calling thread, and no other, one of those that give way to the others. It can't be taken back. Serving
/// forbids it ([`confine_calls`](super::sandbox::confine_calls)), so a thread does it first.
///
/// # Errors
/// Whoever laid a filter on us forbids it.
#[expect(unsafe_code, reason = "no library has setpriority(2)")]
pub fn give_way() -> io::Result<()> {
    // SAFETY: numbers go in, and no memory is touched. Where POSIX says process, Linux means the thread, and 0 is the
    // calling one (setpriority(2), under C library/kernel differences).
    Errno::result(unsafe { setpriority(PRIO_PROCESS, 0, GIVING_WAY) })?;
    Ok(())
}

/// The niceness of the calling thread, by proc(5).
#[cfg(test)]
pub(crate) fn niceness() -> i32 {
    let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
    // Its name may hold anything, and ends with the last parenthesis; the third field is the next, this the nineteenth.
    let fields = stat.rsplit_once(')').unwrap().1;
    fields.split_whitespace().nth(16).unwrap().parse().unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn a_test_runs_beside_the_main_thread() {
        assert!(count().unwrap() >= 2);
    }

    #[test]
    fn one_thread_gives_way_and_its_neighbour_does_not() {
        let before = niceness();
        let one = thread::spawn(|| give_way().map(|()| niceness()));
        assert_eq!(one.join().unwrap().unwrap(), GIVING_WAY);
        assert_eq!(niceness(), before);
    }

    #[test]
    fn who_gives_way_already_may_say_so_again() {
        thread::spawn(|| give_way().and_then(|()| give_way())).join().unwrap().unwrap();
    }
}
