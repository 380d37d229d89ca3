//! System calls, by a seccomp filter.

use super::SandboxError;
use super::permitted::{PRETENDED_MISSING, permitted};
use nix::errno::Errno;
use seccompiler::{BpfProgram, Error, SeccompAction, SeccompFilter, SeccompRule, TargetArch, apply_filter_all_threads};
use std::collections::BTreeMap;

/// What is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Calls {
    /// System calls that may be made, some of them with certain arguments only.
    pub permitted: usize,
}

/// Restricts all threads, and those that they start, to the system calls of a daemon that serves: no new sockets,
/// programs, processes, executable memory. Any other kills the whole process (SIGSYS), because who makes it is not us. A
/// few that the C library can do without seem to be missing (ENOSYS). It can't be taken back. Sets `no_new_privs`.
///
/// # Errors
/// No call is forbidden then that we need.
pub fn confine_calls() -> Result<Calls, SandboxError> {
    let permitted = permitted().map_err(|error| SandboxError::Filter(error.into()))?;
    let missing: BTreeMap<i64, Vec<SeccompRule>> = PRETENDED_MISSING.iter().map(|call| (*call, Vec::new())).collect();
    let calls = Calls { permitted: permitted.len() };
    // Of two filters the sterner answer counts, so the second lets through what the first answers.
    let both = permitted.into_iter().chain(missing.clone()).collect();
    let not_here = SeccompAction::Errno(Errno::ENOSYS as u32);
    let pretending = program(missing, SeccompAction::Allow, not_here)?;
    let killing = program(both, SeccompAction::KillProcess, SeccompAction::Allow)?;
    // The second forbids to set more of them, so it is the last.
    apply_filter_all_threads(&pretending).map_err(refused)?;
    apply_filter_all_threads(&killing).map_err(refused)?;
    Ok(calls)
}

fn program(
    rules: BTreeMap<i64, Vec<SeccompRule>>,
    otherwise: SeccompAction,
    matching: SeccompAction,
) -> Result<BpfProgram, SandboxError> {
    let architecture = TargetArch::try_from(std::env::consts::ARCH);
    let architecture = architecture.map_err(|error| SandboxError::NoFilter(error.into()))?;
    SeccompFilter::new(rules, otherwise, matching, architecture)
        .and_then(BpfProgram::try_from)
        .map_err(|error| SandboxError::Filter(error.into()))
}

/// Tells a kernel without filters (or a sandbox around us that hides them) from one that dislikes ours.
fn refused(error: Error) -> SandboxError {
    match &error {
        Error::Seccomp(source) if matches!(source.raw_os_error(), Some(nix::libc::ENOSYS | nix::libc::EINVAL)) => {
            SandboxError::NoFilter(error)
        }
        _ => SandboxError::Filter(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[test]
    fn both_filters_compile() {
        let rules = permitted().unwrap();
        assert!(!program(rules, SeccompAction::KillProcess, SeccompAction::Allow).unwrap().is_empty());
    }

    #[test]
    fn what_seems_missing_is_not_permitted_as_well() {
        let permitted = permitted().unwrap();
        assert!(PRETENDED_MISSING.iter().all(|call| !permitted.contains_key(call)));
    }

    #[test]
    fn a_kernel_without_filters_is_told_from_a_refusal() {
        let seccomp = |errno: Errno| refused(Error::Seccomp(io::Error::from(errno)));
        assert!(matches!(seccomp(Errno::ENOSYS), SandboxError::NoFilter(_)));
        assert!(matches!(seccomp(Errno::ENOMEM), SandboxError::Filter(_)));
        assert!(matches!(refused(Error::ThreadSync(1)), SandboxError::Filter(_)));
    }
}
