//! That nothing is left, by the kernel's own record, and that nothing can be had back, by trying.

use super::{Identity, PrivilegeError};
use nix::errno::Errno;
use nix::sys::prctl::get_dumpable;
use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};
use std::fs;

/// How this process came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Started {
    AsRoot,
    AsSomebody,
}

const STATUS: &str = "/proc/self/status";

/// Fails with the first thing that is left.
pub(super) fn check(identity: &Identity, started: Started, bounding: bool) -> Result<(), PrivilegeError> {
    let status = fs::read_to_string(STATUS)
        .map_err(|source| PrivilegeError::Refused { doing: "reading /proc/self/status", source })?;
    record_is_clean(&status, identity, started, bounding).map_err(|what| PrivilegeError::NotGone { what })?;
    if get_dumpable() != Ok(false) {
        return Err(PrivilegeError::NotGone { what: "the dumpable flag".into() });
    }
    // A unit's system call filter may kill whoever so much as asks (~@privileged). A process that never was root, with
    // no capabilities and no_new_privs, would be told EPERM; the record above says so.
    if started == Started::AsRoot || value(&status, "Seccomp") == Ok("0") {
        nothing_comes_back(started).map_err(|what| PrivilegeError::NotGone { what: what.into() })?;
    }
    Ok(())
}

/// Judges a `/proc/PID/status`, by `proc_pid_status(5)`.
fn record_is_clean(status: &str, identity: &Identity, started: Started, bounding: bool) -> Result<(), String> {
    // Real, effective, saved and filesystem.
    for (field, id) in [("Uid", identity.uid().as_raw()), ("Gid", identity.gid().as_raw())] {
        let ids = value(status, field)?;
        if !(ids.split_whitespace().count() == 4 && ids.split_whitespace().all(|found| found == id.to_string())) {
            return Err(format!("{field} is {ids}"));
        }
    }
    if started == Started::AsRoot && !value(status, "Groups")?.is_empty() {
        return Err(format!("Groups is {}", value(status, "Groups")?));
    }
    let sets = ["CapInh", "CapPrm", "CapEff", "CapAmb"].into_iter().chain(bounding.then_some("CapBnd"));
    for field in sets {
        let set = value(status, field)?;
        if u64::from_str_radix(set, 16) != Ok(0) {
            return Err(format!("{field} is {set}"));
        }
    }
    match value(status, "NoNewPrivs")? {
        "1" => Ok(()),
        other => Err(format!("NoNewPrivs is {other}")),
    }
}

fn value<'status>(status: &'status str, field: &str) -> Result<&'status str, String> {
    status
        .lines()
        .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))
        .map(str::trim)
        .ok_or_else(|| format!("{STATUS} has no {field}"))
}

/// Tries to be root again. Each attempt must be refused.
fn nothing_comes_back(started: Started) -> Result<(), &'static str> {
    let (root, root_group) = (Uid::from_raw(0), Gid::from_raw(0));
    // EINVAL is the answer of a user namespace that has no such id.
    let is_refused = |attempt: nix::Result<()>| matches!(attempt, Err(Errno::EPERM | Errno::EINVAL));
    if !is_refused(setresuid(root, root, root)) {
        return Err("setresuid(0, 0, 0) was not refused");
    }
    if !is_refused(setgroups(&[root_group])) {
        return Err("setgroups(0) was not refused");
    }
    // Who was started in root's group, as some container platforms do, may name it as it likes.
    if started == Started::AsRoot && !is_refused(setresgid(root_group, root_group, root_group)) {
        return Err("setresgid(0, 0, 0) was not refused");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLEAN: &str = "Name:\tmessengerd\nUid:\t61200\t61200\t61200\t61200\nGid:\t61201\t61201\t61201\t61201\n\
        Groups:\t \nCapInh:\t0000000000000000\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000\n\
        CapBnd:\t0000000000000000\nCapAmb:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t0\n";

    fn judge(status: &str) -> Result<(), String> {
        let identity = Identity::Numeric { uid: Uid::from_raw(61200), gid: Gid::from_raw(61201), owner_of: None };
        record_is_clean(status, &identity, Started::AsRoot, true)
    }

    #[test]
    fn a_clean_record_passes() {
        assert_eq!(judge(CLEAN), Ok(()));
    }

    #[test]
    fn each_thing_that_is_left_is_found() {
        for (clean, left) in [
            ("Uid:\t61200\t61200\t61200", "Uid:\t61200\t61200\t0"),
            ("Uid:\t61200\t61200\t61200\t61200", "Uid:\t0\t0\t0\t0"),
            ("Gid:\t61201", "Gid:\t0"),
            ("Groups:\t ", "Groups:\t0 "),
            ("CapInh:\t0000000000000000", "CapInh:\t0000000000000001"),
            ("CapPrm:\t0000000000000000", "CapPrm:\t0000000000000001"),
            ("CapEff:\t0000000000000000", "CapEff:\t8000000000000000"),
            ("CapBnd:\t0000000000000000", "CapBnd:\t000001ffffffffff"),
            ("CapAmb:\t0000000000000000", "CapAmb:\t0000000000000400"),
            ("NoNewPrivs:\t1", "NoNewPrivs:\t0"),
            ("NoNewPrivs:\t1\n", ""),
        ] {
            let status = CLEAN.replace(clean, left);
            assert_ne!(status, CLEAN);
            let field = clean.split(':').next().unwrap();
            assert!(judge(&status).unwrap_err().contains(field), "{left}");
        }
    }
}
