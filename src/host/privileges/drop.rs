//! Giving up, in the order that the kernel wants.

use super::identity::{refuse_root, started_as_root};
use super::proof::{self, Started};
use super::{Identity, PrivilegeError};
use crate::host::{resources, threads};
use caps::{CapSet, Capability};
use nix::errno::Errno;
use nix::libc::{self, c_ulong};
use nix::sys::prctl::{set_dumpable, set_no_new_privs};
use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};
use std::fmt;
use std::io;

/// The proof that [`drop_to`] has been there: nothing else makes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dropped {
    uid: Uid,
    gid: Gid,
    bounding: bool,
}

impl Dropped {
    /// The user that we are now.
    #[must_use]
    pub fn uid(&self) -> Uid {
        self.uid
    }

    /// The group that we are in now.
    #[must_use]
    pub fn gid(&self) -> Gid {
        self.gid
    }

    /// Whether the bounding set was emptied too. Without `CAP_SETPCAP` nobody can, and it bounds nothing any more:
    /// `no_new_privs` lets no program that we start have capabilities.
    #[must_use]
    pub fn bounding_set_is_empty(&self) -> bool {
        self.bounding
    }
}

impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "uid {}, gid {}, without capabilities", self.uid, self.gid)
    }
}

/// Becomes the identity, gives up all capabilities, and proves that nothing is left and nothing can be had back.
///
/// Started as root there are no supplementary groups afterwards, not even those that the user has in group(5): the
/// state directory and the sockets need none, and what such a group opens was meant for people who log in.
/// Started as somebody else, the groups stay: whoever started us chose them (`SupplementaryGroups=`).
///
/// Sets `no_new_privs`, which also stops set-user-ID programs, and clears the dumpable flag: no core file, no ptrace(2)
/// by the same user. The limit of core files becomes 0 as well, for the day on which something sets that flag again. Secure bits are left alone: they say what uid 0 and execve(2) would give, and neither can
/// give anything after this.
///
/// Call it before there are threads. After an error the process must end.
///
/// # Errors
/// [`PrivilegeError`] says which step was refused, or what is left.
pub fn drop_to(identity: &Identity) -> Result<Dropped, PrivilegeError> {
    let count = threads::count().map_err(refused("counting our threads"))?;
    if count != 1 {
        return Err(PrivilegeError::Threads { count });
    }
    refuse_root(identity)?;
    let started = if started_as_root()? { Started::AsRoot } else { Started::AsSomebody };
    // First, since it takes CAP_SETPCAP, and setresuid takes that away.
    let bounding = caps::has_cap(None, CapSet::Effective, Capability::CAP_SETPCAP)
        .map_err(|error| refused("reading capabilities")(io::Error::other(error)))?;
    if bounding {
        empty_bounding_set().map_err(|errno| refused("emptying the bounding set")(errno.into()))?;
    }
    if started == Started::AsRoot {
        become_identity(identity.uid(), identity.gid())?;
    }
    empty_capability_sets()?;
    set_no_new_privs().map_err(|errno| refused("setting no_new_privs")(errno.into()))?;
    // After setresuid, which sets it to what fs.suid_dumpable says.
    set_dumpable(false).map_err(|errno| refused("clearing the dumpable flag")(errno.into()))?;
    resources::forbid_core_files().map_err(refused("setting the limit of core files"))?;
    proof::check(identity, started, bounding)?;
    Ok(Dropped { uid: identity.uid(), gid: identity.gid(), bounding })
}

fn refused(doing: &'static str) -> impl Fn(io::Error) -> PrivilegeError {
    move |source| PrivilegeError::Refused { doing, source }
}

/// Groups before the group, the group before the user: each step needs what the next one takes away.
fn become_identity(uid: Uid, gid: Gid) -> Result<(), PrivilegeError> {
    let step = |doing| move |errno: Errno| refused(doing)(errno.into());
    setgroups(&[]).map_err(step("leaving all groups (setgroups)"))?;
    setresgid(gid, gid, gid).map_err(step("becoming the group (setresgid)"))?;
    setresuid(uid, uid, uid).map_err(step("becoming the user (setresuid)"))
}

/// Ambient is emptied with inheritable by the kernel, but its own call says what is meant. Where the sets are
/// empty already there is no call: a unit's `SystemCallFilter=~@privileged` would kill us for capset(2).
fn empty_capability_sets() -> Result<(), PrivilegeError> {
    for set in [CapSet::Ambient, CapSet::Inheritable, CapSet::Effective, CapSet::Permitted] {
        let failed = |error| refused("emptying capability sets")(io::Error::other(error));
        if !caps::read(None, set).map_err(failed)?.is_empty() {
            caps::clear(None, set).map_err(failed)?;
        }
    }
    Ok(())
}

/// Drops what the kernel knows, not only what a list here knows.
fn empty_bounding_set() -> nix::Result<()> {
    // A capability set has 64 bits; the kernel says EINVAL to the first number after its last capability.
    for capability in 0..64 {
        match drop_from_bounding_set(capability) {
            Err(Errno::EINVAL) => break,
            other => other?,
        }
    }
    Ok(())
}

#[expect(unsafe_code, reason = "nix has no PR_CAPBSET_DROP, and caps drops only the capabilities it has names for")]
fn drop_from_bounding_set(capability: c_ulong) -> nix::Result<()> {
    let none: c_ulong = 0;
    // SAFETY: PR_CAPBSET_DROP reads one number and touches no memory of ours.
    Errno::result(unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability, none, none, none) }).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rest is told by `tests/host_process`, in processes of one thread.
    #[test]
    fn beside_other_threads_it_refuses() {
        let nobody = Identity::Numeric { uid: Uid::from_raw(61200), gid: Gid::from_raw(61200), owner_of: None };
        let error = drop_to(&nobody).unwrap_err();
        assert!(matches!(error, PrivilegeError::Threads { count } if count > 1), "{error}");
    }
}
