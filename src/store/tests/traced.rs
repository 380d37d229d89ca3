//! A child of ours whose calls that change files are counted. At one of them it is killed, or from it on the disk is full.
//!
//! The child is this test once more, in its role ([`role`](super::role)); it calls [`begin`] where the counting is to
//! begin, and is traced (ptrace(2)) by the thread that waits for it.
//!
//! Which register holds what is known for x86-64 only.

use super::{DIRECTORY, ROLE};
use nix::errno::Errno;
use nix::libc;
use nix::sys::ptrace;
use nix::sys::signal::{Signal, raise};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use std::path::Path;
use std::process::{Command, Stdio};

/// What happens at a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// It is killed before the call does anything.
    Kill,
    /// The call, and all later ones that need room, say that there is none.
    Full,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ended {
    /// Whether there were so many calls that the fault struck.
    pub(super) struck: bool,
    /// Its exit status; none if it was killed.
    pub(super) code: Option<i32>,
}

/// In the child: what follows, on this thread, is counted.
pub(super) fn begin() {
    ptrace::traceme().unwrap();
    raise(Signal::SIGSTOP).unwrap();
}

/// Registers, as far as system calls are concerned.
mod call {
    use super::{Errno, Pid, libc, ptrace};

    /// The call's number and its first three arguments.
    pub(super) fn begun(thread: Pid) -> (libc::c_long, [u64; 3]) {
        let registers = ptrace::getregs(thread).unwrap();
        (registers.orig_rax.cast_signed(), [registers.rdi, registers.rsi, registers.rdx])
    }

    /// It is not done.
    pub(super) fn skip(thread: Pid) {
        let mut registers = ptrace::getregs(thread).unwrap();
        registers.orig_rax = u64::MAX;
        ptrace::setregs(thread, registers).unwrap();
    }

    pub(super) fn answer(thread: Pid, error: Errno) {
        let mut registers = ptrace::getregs(thread).unwrap();
        registers.rax = i64::from(-(error as i32)).cast_unsigned();
        ptrace::setregs(thread, registers).unwrap();
    }
}

/// Whether a call changes files, and whether it needs room on the disk to do so.
fn changes(call: libc::c_long, arguments: [u64; 3]) -> Option<bool> {
    // Standard streams are no files of ours.
    let is_file = arguments[0] > 2;
    match call {
        libc::SYS_write | libc::SYS_pwrite64 | libc::SYS_writev | libc::SYS_pwritev if is_file => Some(true),
        libc::SYS_fallocate => Some(true),
        libc::SYS_openat if arguments[2] & (libc::O_CREAT as u64) != 0 => Some(true),
        libc::SYS_ftruncate | libc::SYS_fsync | libc::SYS_fdatasync => Some(false),
        libc::SYS_rename | libc::SYS_renameat | libc::SYS_renameat2 | libc::SYS_unlink | libc::SYS_unlinkat => {
            Some(false)
        }
        _ => None,
    }
}

/// Runs a test of this program in a role; the fault strikes at the call with this number, counted from 1.
#[expect(clippy::zombie_processes, reason = "it is waited for as its tracer does")]
pub(super) fn run(test: &str, role: &str, directory: &Path, at: usize, fault: Fault) -> Ended {
    let mut child = Command::new("/proc/self/exe");
    child.args(["--exact", &format!("store::tests::{test}"), "--nocapture"]);
    child.env(ROLE, role).env(DIRECTORY, directory).stdout(Stdio::null());
    let child = child.spawn().unwrap();
    let process = Pid::from_raw(child.id().cast_signed());
    // Of this thread's children only: other tests have some, too.
    let ours = WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD;
    let (mut calls, mut struck, mut inside, mut skipped) = (0, false, false, false);
    let mut first = true;
    loop {
        match waitpid(None::<Pid>, Some(ours)).unwrap() {
            WaitStatus::Stopped(thread, Signal::SIGSTOP) if first => {
                first = false;
                let options = ptrace::Options::PTRACE_O_TRACESYSGOOD | ptrace::Options::PTRACE_O_EXITKILL;
                ptrace::setoptions(thread, options).unwrap();
                ptrace::syscall(thread, None).unwrap();
            }
            WaitStatus::Stopped(thread, signal) => ptrace::syscall(thread, signal).unwrap(),
            WaitStatus::PtraceSyscall(thread) => {
                inside = !inside;
                if inside {
                    let (number, arguments) = call::begun(thread);
                    if let Some(needs_room) = changes(number, arguments) {
                        calls += 1;
                        let strikes = calls == at || (struck && fault == Fault::Full);
                        struck |= calls == at;
                        match fault {
                            Fault::Kill if strikes => nix::sys::signal::kill(process, Signal::SIGKILL).unwrap(),
                            Fault::Full if strikes && needs_room => {
                                call::skip(thread);
                                skipped = true;
                            }
                            _ => {}
                        }
                    }
                } else if std::mem::take(&mut skipped) {
                    call::answer(thread, Errno::ENOSPC);
                }
                // It is gone already if it was killed.
                let _ = ptrace::syscall(thread, None);
            }
            WaitStatus::Exited(ended, code) if ended == process => return Ended { struck, code: Some(code) },
            WaitStatus::Signaled(ended, ..) if ended == process => return Ended { struck, code: None },
            _ => {}
        }
    }
}
