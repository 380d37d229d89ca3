//! How many threads this process has.

use std::io;

/// The number of threads in this process, by proc(5).
pub(super) fn count() -> io::Result<usize> {
    Ok(std::fs::read_dir("/proc/self/task")?.count())
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_test_runs_beside_the_main_thread() {
        assert!(super::count().unwrap() >= 2);
    }
}
