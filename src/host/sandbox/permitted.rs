//! The system calls of a daemon that serves. Found by watching one (strace(1)) over its life, and by reading what the
//! libraries below us do seldom.
//!
//! Who needs one more finds it in the kernel's log (docs/security.md says where), and adds it here with its reason, and
//! as narrow as it can be. Calls that are over when the filter comes (binding, connecting, `epoll_create1`, the
//! backup before a migration) are not here.

use nix::libc as c;
use nix::unistd::getpid;
use seccompiler::{BackendError, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompRule};
use std::collections::BTreeMap;

/// Calls whose absence their callers are prepared for.
pub(super) const PRETENDED_MISSING: &[c::c_long] = &[
    // Its flags are in memory, where no filter sees them; the C library goes back to clone, whose flags are below.
    c::SYS_clone3,
    // access(3) with flags: the C library asks in another way.
    c::SYS_faccessat2,
    // How much memory there is, for qsort(3).
    c::SYS_sysinfo,
];

/// With any arguments.
const PERMITTED: &[c::c_long] = &[
    // Connections. What came with systemd's sockets or was bound is accepted from; nothing is connected to. sendto and
    // sendmsg also reach systemd and the journal, on sockets that are open.
    c::SYS_accept4,
    c::SYS_getpeername,
    c::SYS_getsockname,
    c::SYS_recvfrom,
    c::SYS_sendmsg,
    c::SYS_sendto,
    c::SYS_shutdown,
    // Waiting.
    c::SYS_epoll_ctl,
    c::SYS_epoll_pwait,
    c::SYS_futex,
    c::SYS_nanosleep,
    c::SYS_clock_nanosleep,
    c::SYS_sched_yield,
    c::SYS_restart_syscall,
    // Files: the database and its log, and the configuration when it is read anew.
    c::SYS_close,
    c::SYS_fallocate,
    c::SYS_fchmod,
    c::SYS_fdatasync,
    c::SYS_flock,
    c::SYS_fstat,
    // How much room there is for a backup; and it gets its name when it is whole.
    c::SYS_fstatfs,
    c::SYS_renameat,
    c::SYS_fsync,
    c::SYS_ftruncate,
    c::SYS_faccessat,
    c::SYS_getcwd,
    c::SYS_getdents64,
    c::SYS_lseek,
    c::SYS_newfstatat,
    c::SYS_pread64,
    c::SYS_pwrite64,
    c::SYS_read,
    c::SYS_readlinkat,
    c::SYS_readv,
    c::SYS_statx,
    c::SYS_unlinkat,
    c::SYS_write,
    c::SYS_writev,
    // A record that is too long for a datagram goes to the journal as a file in memory. Whatever leaves the process as
    // one, such as state for systemd's descriptor store, needs this and SYS_sendmsg; what a process is given at its
    // start it takes before the filter.
    c::SYS_memfd_create,
    // Memory.
    c::SYS_brk,
    c::SYS_madvise,
    c::SYS_mremap,
    c::SYS_munmap,
    // Threads come and go: those that read end when they are idle.
    c::SYS_exit,
    c::SYS_exit_group,
    c::SYS_getcpu,
    c::SYS_gettid,
    c::SYS_rseq,
    c::SYS_sched_getaffinity,
    c::SYS_set_robust_list,
    c::SYS_sigaltstack,
    // Signals, and the end by one.
    c::SYS_rt_sigaction,
    c::SYS_rt_sigprocmask,
    c::SYS_rt_sigreturn,
    // Who and when. Clocks are calls only where the machine has none that can be read directly.
    c::SYS_clock_getres,
    c::SYS_clock_gettime,
    c::SYS_geteuid,
    c::SYS_getpid,
    c::SYS_getrandom,
    c::SYS_getuid,
    c::SYS_gettimeofday,
];

/// The older forms that its C library still uses for some of the above.
#[cfg(target_arch = "x86_64")]
const PERMITTED_HERE: &[c::c_long] =
    &[c::SYS_access, c::SYS_epoll_wait, c::SYS_lstat, c::SYS_readlink, c::SYS_stat, c::SYS_time, c::SYS_unlink];
#[cfg(not(target_arch = "x86_64"))]
const PERMITTED_HERE: &[c::c_long] = &[];

/// `TCGETS2` of `ioctl_tty(2)`: newer C libraries ask so whether a stream is a terminal.
const TCGETS2: c::Ioctl = 0x802c_542a;

/// All of them, and with which arguments; no rule stands for any.
pub(super) fn permitted() -> Result<BTreeMap<i64, Vec<SeccompRule>>, BackendError> {
    let mut calls: BTreeMap<_, _> = [PERMITTED, PERMITTED_HERE].concat().into_iter().map(|c| (c, Vec::new())).collect();
    // New threads, but no processes and no namespaces.
    let thread = c::CLONE_THREAD | c::CLONE_VM | c::CLONE_SIGHAND;
    let namespaces = c::CLONE_NEWCGROUP
        | c::CLONE_NEWIPC
        | c::CLONE_NEWNET
        | c::CLONE_NEWNS
        | c::CLONE_NEWPID
        | c::CLONE_NEWUSER
        | c::CLONE_NEWUTS;
    let others = c::CLONE_VFORK | c::CLONE_PARENT | c::CLONE_PTRACE | c::CLONE_UNTRACED;
    calls.insert(c::SYS_clone, vec![only(bits(0, thread | namespaces | others, thread)?)?]);
    // No memory that can be executed.
    for call in [c::SYS_mmap, c::SYS_mprotect] {
        calls.insert(call, vec![only(bits(2, c::PROT_EXEC, 0)?)?]);
    }
    // Nothing is emptied by opening it: Landlock can forbid that from Linux 6.2 on only.
    calls.insert(c::SYS_openat, vec![only(bits(2, c::O_TRUNC, 0)?)?]);
    // Names of threads and of memory.
    calls.insert(c::SYS_prctl, one_of(0, &[c::PR_SET_NAME, c::PR_SET_VMA])?);
    // What a peer has not taken; whether standard error is a terminal. Not what puts words into a terminal's mouth.
    calls.insert(c::SYS_ioctl, one_of(1, &[c::FIONBIO, c::FIONREAD, c::TIOCOUTQ, c::TCGETS, TCGETS2])?);
    // SQLite's locks, the journal's seals. Not who gets signals.
    let commands = [
        c::F_ADD_SEALS,
        c::F_DUPFD_CLOEXEC,
        c::F_GETFD,
        c::F_GETFL,
        c::F_GETLK,
        c::F_SETFD,
        c::F_SETFL,
        c::F_SETLK,
        c::F_SETLKW,
    ];
    calls.insert(c::SYS_fcntl, one_of(1, &commands)?);
    // Errors, who is at the other end. Not the networks' own options, where much of the kernel is behind.
    calls.insert(c::SYS_getsockopt, one_of(1, &[c::SOL_SOCKET])?);
    // That what a peer has not taken is thrown away with its connection.
    let linger = SeccompRule::new(vec![equal(1, c::SOL_SOCKET)?, equal(2, c::SO_LINGER)?])?;
    calls.insert(c::SYS_setsockopt, vec![linger]);
    // Limits are read, not set.
    let nothing_new = SeccompCondition::new(2, SeccompCmpArgLen::Qword, SeccompCmpOp::Eq, 0)?;
    calls.insert(c::SYS_prlimit64, vec![only(nothing_new)?]);
    // abort(3), of ourselves.
    let abort = SeccompRule::new(vec![equal(0, getpid().as_raw())?, equal(2, c::SIGABRT)?])?;
    calls.insert(c::SYS_tgkill, vec![abort]);
    Ok(calls)
}

fn only(condition: SeccompCondition) -> Result<SeccompRule, BackendError> {
    SeccompRule::new(vec![condition])
}

fn one_of<T: Word>(argument: u8, values: &[T]) -> Result<Vec<SeccompRule>, BackendError> {
    values.iter().map(|value| only(equal(argument, *value)?)).collect()
}

/// The kernel takes these arguments for 32 bits, whatever the caller left above them.
fn equal<T: Word>(argument: u8, value: T) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value.word())
}

/// The bits of the mask are those of the value.
fn bits(argument: u8, mask: c::c_int, value: c::c_int) -> Result<SeccompCondition, BackendError> {
    let operator = SeccompCmpOp::MaskedEq(mask.word());
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, value.word())
}

/// A 32-bit argument, which C declares as it likes.
trait Word: Copy {
    fn word(self) -> u64;
}

impl Word for c::c_int {
    fn word(self) -> u64 {
        u64::from(self.cast_unsigned())
    }
}

impl Word for c::c_ulong {
    fn word(self) -> u64 {
        self
    }
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::*;

    #[test]
    fn the_page_about_security_has_these_numbers() {
        let permitted = permitted().unwrap();
        let all = permitted.len();
        let narrowed = permitted.values().filter(|rules| !rules.is_empty()).count();
        let page = include_str!("../../../docs/security.md");
        for figure in [
            format!("{all} of some 380 (on x86-64), {narrowed} of them with certain arguments only"),
            format!("confined by seccomp: {all} system calls are left"),
        ] {
            assert!(page.contains(&figure), "docs/security.md does not say: {figure}");
        }
    }
}
