//! Who to be.

use super::PrivilegeError;
use nix::unistd::{Gid, Group, Uid, User, getgid, getresuid, getuid};
use std::fmt;
use std::fs;
use std::ops::RangeInclusive;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The ids that systemd gives to `DynamicUser=` services, and nobody else should give to anybody: see "Users,
/// Groups, UIDs and GIDs on systemd Systems".
pub const DYNAMIC_IDS: RangeInclusive<u32> = 61184..=65519;

/// The user to be when nobody says otherwise. Also the name that the numeric id is derived from.
const DEFAULT_USER: &str = "messengerd";

/// Whom the configuration names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// The user's name; by default `messengerd`, if there is one.
    pub user: Option<String>,
    /// The group's name; by default the user's primary group.
    pub group: Option<String>,
}

/// Who to be, and how that came about. Its [`Display`](fmt::Display) is a phrase for one log line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    /// Not started as root: who we are already.
    Unchanged {
        /// Our user.
        uid: Uid,
        /// Our group.
        gid: Gid,
    },
    /// A user that exists.
    Named {
        /// The user's name.
        user: String,
        /// The user's id.
        uid: Uid,
        /// The group's id.
        gid: Gid,
    },
    /// An id of [`DYNAMIC_IDS`] that has no name, since no user was named and there is no `messengerd`.
    Numeric {
        /// The id.
        uid: Uid,
        /// The same number, unless the configuration names a group.
        gid: Gid,
        /// The state directory, if the id is that of its owner; else it is derived from our name.
        owner_of: Option<PathBuf>,
    },
}

impl Identity {
    /// The user's id.
    #[must_use]
    pub fn uid(&self) -> Uid {
        let (Self::Unchanged { uid, .. } | Self::Named { uid, .. } | Self::Numeric { uid, .. }) = self;
        *uid
    }

    /// The group's id.
    #[must_use]
    pub fn gid(&self) -> Gid {
        let (Self::Unchanged { gid, .. } | Self::Named { gid, .. } | Self::Numeric { gid, .. }) = self;
        *gid
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (uid, gid) = (self.uid(), self.gid());
        match self {
            Self::Unchanged { .. } => write!(f, "uid {uid}, gid {gid}, as started"),
            Self::Named { user, .. } => write!(f, "user {user} (uid {uid}, gid {gid})"),
            Self::Numeric { owner_of, .. } => {
                write!(f, "uid {uid}, gid {gid}, a numeric id of its own, since there is no user {DEFAULT_USER}")?;
                match owner_of {
                    Some(directory) => write!(f, " (it owns {})", directory.display()),
                    None => Ok(()),
                }
            }
        }
    }
}

/// Decides who to be. Changes nothing, but asks the user database and looks at the state directory.
///
/// - Not root: who we are already, whatever is wanted.
/// - Root: the named user, which must exist; without a name `messengerd`, if it exists; else an id of [`DYNAMIC_IDS`]:
///   the state directory's owner if it is one of them, so that it is the same at each start, else one derived
///   from our name that no user and no group has.
///
/// # Errors
/// Who was named doesn't exist or is root, or no id is free.
pub fn plan(wanted: &Wanted, state_directory: &Path) -> Result<Identity, PrivilegeError> {
    if !started_as_root()? {
        return Ok(Identity::Unchanged { uid: getuid(), gid: getgid() });
    }
    let group = wanted.group.as_deref().map(existing_group).transpose()?;
    let user = match &wanted.user {
        Some(name) => Some(find_user(name)?.ok_or_else(|| PrivilegeError::NoSuchUser { user: name.clone() })?),
        None => find_user(DEFAULT_USER)?,
    };
    let identity = if let Some(user) = user {
        Identity::Named { user: user.name, uid: user.uid, gid: group.unwrap_or(user.gid) }
    } else {
        let owner = dynamic_owner(state_directory);
        let id = match owner {
            Some(id) => id,
            None => free_id(is_known)?,
        };
        let owner_of = owner.map(|_| state_directory.to_owned());
        Identity::Numeric { uid: Uid::from_raw(id), gid: group.unwrap_or(Gid::from_raw(id)), owner_of }
    };
    refuse_root(&identity)?;
    Ok(identity)
}

/// Whether any of our three user ids is root's: a program with the set-user-ID bit has it in one of them.
pub(super) fn started_as_root() -> Result<bool, PrivilegeError> {
    let ids =
        getresuid().map_err(|errno| PrivilegeError::Refused { doing: "reading our user ids", source: errno.into() })?;
    Ok([ids.real, ids.effective, ids.saved].iter().any(|id| id.is_root()))
}

/// Neither root nor, when the choice is ours, root's group: its files are readable by it.
pub(super) fn refuse_root(identity: &Identity) -> Result<(), PrivilegeError> {
    let root = |who: String| Err(PrivilegeError::Root { who });
    match identity {
        Identity::Named { user, uid, .. } if uid.is_root() => root(format!("user \"{user}\"")),
        _ if identity.uid().is_root() => root("uid 0".into()),
        Identity::Unchanged { .. } => Ok(()),
        _ if identity.gid().as_raw() == 0 => root("the group with gid 0".into()),
        _ => Ok(()),
    }
}

fn find_user(name: &str) -> Result<Option<User>, PrivilegeError> {
    User::from_name(name).map_err(|source| PrivilegeError::Lookup { name: format!("user \"{name}\""), source })
}

fn existing_group(name: &str) -> Result<Gid, PrivilegeError> {
    Group::from_name(name)
        .map_err(|source| PrivilegeError::Lookup { name: format!("group \"{name}\""), source })?
        .map(|group| group.gid)
        .ok_or_else(|| PrivilegeError::NoSuchGroup { group: name.to_owned() })
}

/// Whether a user or a group has this id. Where systemd runs, that includes the dynamic users of the moment.
fn is_known(id: u32) -> Result<bool, PrivilegeError> {
    let failed = |source| PrivilegeError::Lookup { name: format!("id {id}"), source };
    Ok(User::from_uid(Uid::from_raw(id)).map_err(failed)?.is_some()
        || Group::from_gid(Gid::from_raw(id)).map_err(failed)?.is_some())
}

/// The owner of the directory, if it is one of [`DYNAMIC_IDS`]. A symbolic link has none.
fn dynamic_owner(directory: &Path) -> Option<u32> {
    let found = fs::symlink_metadata(super::state_directory::without_slash(directory)).ok()?;
    (found.is_dir() && DYNAMIC_IDS.contains(&found.uid())).then_some(found.uid())
}

/// The first unknown id from the one that our name gives, round the range: the same on each machine, so that a state
/// directory that was moved keeps its owner.
fn free_id(known: impl Fn(u32) -> Result<bool, PrivilegeError>) -> Result<u32, PrivilegeError> {
    let count = DYNAMIC_IDS.end() - DYNAMIC_IDS.start() + 1;
    let first = fnv_1a(DEFAULT_USER) % count;
    for step in 0..count {
        let id = DYNAMIC_IDS.start() + (first + step) % count;
        if !known(id)? {
            return Ok(id);
        }
    }
    Err(PrivilegeError::NoFreeId)
}

/// FNV-1a, 32 bits: std's hashes may change from release to release.
fn fnv_1a(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::exit::Exit;

    fn as_root() -> bool {
        let root = started_as_root().unwrap();
        if !root {
            eprintln!("not root: only the unprivileged branch is tried");
        }
        root
    }

    fn named(user: Option<&str>, group: Option<&str>) -> Result<Identity, PrivilegeError> {
        let folder = tempfile::tempdir().unwrap();
        plan(&Wanted { user: user.map(Into::into), group: group.map(Into::into) }, folder.path())
    }

    #[test]
    fn who_is_not_root_stays() {
        if !as_root() {
            let unchanged = Identity::Unchanged { uid: getuid(), gid: getgid() };
            assert_eq!(named(Some("no-such-user"), None).unwrap(), unchanged);
            assert_eq!(named(None, None).unwrap(), unchanged);
        }
    }

    #[test]
    fn a_named_user_and_group_must_exist() {
        if as_root() {
            let error = named(Some("no-such-user"), None).unwrap_err();
            assert!(error.to_string().starts_with("there is no user \"no-such-user\""), "{error}");
            assert_eq!(error.exit(), Exit::NoUser);
            let error = named(Some("nobody"), Some("no-such-group")).unwrap_err();
            assert!(error.to_string().starts_with("there is no group \"no-such-group\""), "{error}");
            assert_eq!(error.exit(), Exit::NoUser);
        }
    }

    #[test]
    fn a_named_user_comes_with_its_group_or_the_named_one() {
        if as_root() {
            let nobody = User::from_name("nobody").unwrap().expect("every Linux has it");
            let identity = named(Some("nobody"), None).unwrap();
            assert_eq!((identity.uid(), identity.gid()), (nobody.uid, nobody.gid));
            let daemon = Group::from_name("daemon").unwrap().expect("every Linux has it").gid;
            assert_eq!(named(Some("nobody"), Some("daemon")).unwrap().gid(), daemon);
        }
    }

    #[test]
    fn root_is_no_user_to_serve_as() {
        if as_root() {
            for (user, group) in [(Some("root"), None), (Some("nobody"), Some("root")), (None, Some("root"))] {
                let error = named(user, group).unwrap_err();
                assert!(matches!(error, PrivilegeError::Root { .. }), "{error}");
                assert_eq!(error.exit(), Exit::Config);
            }
        }
    }

    #[test]
    fn without_a_user_messengerd_the_id_is_numeric_and_that_of_the_state_directory() {
        if !as_root() {
            return;
        }
        if find_user(DEFAULT_USER).unwrap().is_some() {
            assert!(matches!(named(None, None).unwrap(), Identity::Named { .. }));
            eprintln!("this machine has a user messengerd: the numeric id is not tried");
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let derived = plan(&Wanted::default(), folder.path()).unwrap();
        assert!(DYNAMIC_IDS.contains(&derived.uid().as_raw()), "{derived}");
        assert_eq!(derived.uid().as_raw(), derived.gid().as_raw());
        assert_eq!(derived, plan(&Wanted::default(), &folder.path().join("missing")).unwrap(), "the same each time");
        assert!(derived.to_string().contains("a numeric id of its own"), "{derived}");

        std::os::unix::fs::chown(folder.path(), Some(61190), Some(61190)).unwrap();
        let owner = plan(&Wanted::default(), folder.path()).unwrap();
        assert_eq!(owner.uid().as_raw(), 61190);
        assert!(owner.to_string().ends_with(&format!("(it owns {})", folder.path().display())), "{owner}");

        std::os::unix::fs::chown(folder.path(), Some(1234), Some(1234)).unwrap();
        assert_eq!(plan(&Wanted::default(), folder.path()).unwrap(), derived, "1234 is no id of ours");
    }

    #[test]
    fn an_id_that_somebody_has_is_passed_over() {
        let first = free_id(|_| Ok(false)).unwrap();
        assert!(DYNAMIC_IDS.contains(&first));
        let second = free_id(|id| Ok(id == first)).unwrap();
        assert_eq!(second, first + 1);
        let last = free_id(|id| Ok(id != *DYNAMIC_IDS.start())).unwrap();
        assert_eq!(last, *DYNAMIC_IDS.start(), "the search goes round");
        assert!(matches!(free_id(|_| Ok(true)), Err(PrivilegeError::NoFreeId)));
    }
}
