//! The folder that holds the state, made while we may still make it.

use super::Identity;
use crate::domain::exit::Exit;
use nix::dir::Dir;
use nix::libc::{O_DIRECTORY, O_NOFOLLOW};
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

/// Nobody else reads what people write to each other.
const MODE: u32 = 0o700;
/// Folders on the way there: others must pass, also under a strict umask.
const PARENT_MODE: u32 = 0o755;

/// Why the state directory can't be used.
#[derive(Debug, thiserror::Error)]
pub enum StateDirectoryError {
    /// A symbolic link or a file. systemd makes a link for `DynamicUser=`; start it by systemd then.
    #[error("{path} is no directory of its own (a symbolic link, or a file); set state.directory to where it leads")]
    NotADirectory {
        /// The path.
        path: String,
    },
    /// Its content is somebody else's.
    #[error(
        "{path} belongs to uid {owner}, but must belong to uid {wanted}; \
         if it is messengerd's, run: chown -R {wanted}:{wanted_group} {path}"
    )]
    Foreign {
        /// The path.
        path: String,
        /// Whose it is.
        owner: u32,
        /// Whose it should be.
        wanted: u32,
        /// The group that it should have.
        wanted_group: u32,
    },
    /// Anybody may write to it.
    #[error("{path} is writable by everybody; run: chmod o-w {path}")]
    OpenToAll {
        /// The path.
        path: String,
    },
    /// Making or changing it failed.
    #[error("{path}: {doing} failed")]
    Failed {
        /// The path.
        path: String,
        /// The step.
        doing: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl StateDirectoryError {
    /// The code to end with.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            Self::NotADirectory { .. } => Exit::Config,
            Self::Foreign { .. } | Self::OpenToAll { .. } => Exit::NoPermission,
            Self::Failed { source, .. } if source.kind() == ErrorKind::PermissionDenied => Exit::NoPermission,
            Self::Failed { .. } => Exit::CantCreate,
        }
    }
}

/// Makes sure that `path` is a directory of this identity: creates it with mode 0700, and its parents with 0755.
///
/// An empty directory of root's, such as a fresh volume of a container, is given over. Any other that is not the
/// identity's is refused, for its content may be anybody's; no content is ever given over.
///
/// # Errors
/// [`StateDirectoryError`], with the path and what to run.
pub fn prepare_state_directory(path: &Path, identity: &Identity) -> Result<(), StateDirectoryError> {
    let path = without_slash(path);
    let failed = |doing| {
        let path = path.display().to_string();
        move |source| StateDirectoryError::Failed { path, doing, source }
    };
    match fs::symlink_metadata(&path) {
        Ok(found) if !found.is_dir() => {
            return Err(StateDirectoryError::NotADirectory { path: path.display().to_string() });
        }
        Ok(found) if found.uid() != identity.uid().as_raw() && found.uid() != 0 => {
            return Err(foreign(&path, found.uid(), identity));
        }
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => create(&path)?,
        Err(error) => return Err(failed("looking at it")(error)),
    }
    // From here on by descriptor: what is judged is what is given over.
    let directory = OpenOptions::new()
        .read(true)
        .custom_flags(O_DIRECTORY | O_NOFOLLOW)
        .open(&path)
        .map_err(failed("opening it"))?;
    let found = directory.metadata().map_err(failed("looking at it"))?;
    if found.uid() != identity.uid().as_raw() {
        let empty = is_empty(&directory).map_err(failed("reading it"))?;
        if found.uid() != 0 || !empty || matches!(identity, Identity::Unchanged { .. }) {
            return Err(foreign(&path, found.uid(), identity));
        }
        directory.set_permissions(Permissions::from_mode(MODE)).map_err(failed("setting its mode"))?;
        fchown(&directory, Some(identity.uid().as_raw()), Some(identity.gid().as_raw()))
            .map_err(failed("giving it over"))?;
    } else if found.mode() & 0o002 != 0 {
        return Err(StateDirectoryError::OpenToAll { path: path.display().to_string() });
    }
    Ok(())
}

/// The path without a slash at its end, which would follow a symbolic link.
pub(super) fn without_slash(path: &Path) -> PathBuf {
    path.components().collect()
}

fn foreign(path: &Path, owner: u32, identity: &Identity) -> StateDirectoryError {
    StateDirectoryError::Foreign {
        path: path.display().to_string(),
        owner,
        wanted: identity.uid().as_raw(),
        wanted_group: identity.gid().as_raw(),
    }
}

fn create(path: &Path) -> Result<(), StateDirectoryError> {
    let failed = |path: &Path, doing| {
        let path = path.display().to_string();
        move |source| StateDirectoryError::Failed { path, doing, source }
    };
    let missing: Vec<&Path> =
        path.ancestors().skip(1).take_while(|parent| !parent.as_os_str().is_empty() && !parent.exists()).collect();
    for parent in missing.into_iter().rev() {
        DirBuilder::new().create(parent).map_err(failed(parent, "creating it"))?;
        fs::set_permissions(parent, Permissions::from_mode(PARENT_MODE)).map_err(failed(parent, "setting its mode"))?;
    }
    DirBuilder::new().mode(MODE).create(path).map_err(failed(path, "creating it"))
}

fn is_empty(directory: &File) -> io::Result<bool> {
    let mut entries = Dir::from_fd(directory.try_clone()?.into())?;
    for entry in entries.iter() {
        if !matches!(entry?.file_name().to_bytes(), b"." | b"..") {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::unistd::{Gid, Uid, getgid, getuid};
    use std::os::unix::fs::{chown, symlink};

    /// Whom to give a directory to: a numeric id as root, and else only ourselves.
    fn somebody() -> Identity {
        if getuid().is_root() {
            Identity::Numeric { uid: Uid::from_raw(61200), gid: Gid::from_raw(61201), owner_of: None }
        } else {
            eprintln!("not root: directories stay our own");
            Identity::Unchanged { uid: getuid(), gid: getgid() }
        }
    }

    fn owner_and_mode(path: &Path) -> (u32, u32, u32) {
        let found = fs::symlink_metadata(path).unwrap();
        (found.uid(), found.gid(), found.mode() & 0o7777)
    }

    #[test]
    fn a_missing_one_is_made_with_its_parents() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b/state");
        let somebody = somebody();
        for _ in 0..2 {
            prepare_state_directory(&path, &somebody).unwrap();
            assert_eq!(owner_and_mode(&path), (somebody.uid().as_raw(), somebody.gid().as_raw(), 0o700));
            assert_eq!(owner_and_mode(&folder.path().join("a/b")).2, 0o755);
        }
    }

    #[test]
    fn what_it_holds_stays_when_it_is_ours() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let somebody = somebody();
        prepare_state_directory(&path, &somebody).unwrap();
        fs::write(path.join("messengerd.db"), "state").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o750)).unwrap();
        prepare_state_directory(&path, &somebody).unwrap();
        assert_eq!(owner_and_mode(&path).2, 0o750, "an administrator may let a group read backups");
    }

    #[test]
    fn an_empty_one_of_roots_is_given_over_and_a_full_one_is_not() {
        if !getuid().is_root() {
            eprintln!("not root: not tried");
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let (empty, full) = (folder.path().join("empty"), folder.path().join("full"));
        fs::create_dir_all(&empty).unwrap();
        fs::create_dir_all(full.join("something")).unwrap();
        prepare_state_directory(&empty, &somebody()).unwrap();
        assert_eq!(owner_and_mode(&empty), (61200, 61201, 0o700));

        let error = prepare_state_directory(&full, &somebody()).unwrap_err();
        let full = full.display();
        assert_eq!(
            error.to_string(),
            format!(
                "{full} belongs to uid 0, but must belong to uid 61200; \
                 if it is messengerd's, run: chown -R 61200:61201 {full}"
            )
        );
        assert_eq!(error.exit(), Exit::NoPermission);
    }

    #[test]
    fn one_of_somebody_elses_is_refused_even_when_empty() {
        let folder = tempfile::tempdir().unwrap();
        let stranger = Identity::Unchanged { uid: Uid::from_raw(4321), gid: Gid::from_raw(4321) };
        if getuid().is_root() {
            chown(folder.path(), Some(1234), Some(1234)).unwrap();
            let error = prepare_state_directory(folder.path(), &somebody()).unwrap_err();
            assert!(matches!(error, StateDirectoryError::Foreign { owner: 1234, wanted: 61200, .. }), "{error}");
        }
        let error = prepare_state_directory(folder.path(), &stranger).unwrap_err();
        assert!(matches!(error, StateDirectoryError::Foreign { wanted: 4321, .. }), "{error}");
    }

    #[test]
    fn a_link_or_a_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (target, link, file) =
            (folder.path().join("target"), folder.path().join("link"), folder.path().join("file"));
        fs::create_dir(&target).unwrap();
        symlink(&target, &link).unwrap();
        fs::write(&file, "").unwrap();
        let with_slash = PathBuf::from(format!("{}/", link.display()));
        for path in [&link, &with_slash, &file] {
            let error = prepare_state_directory(path, &somebody()).unwrap_err();
            assert!(matches!(error, StateDirectoryError::NotADirectory { .. }), "{path:?}: {error}");
        }
        assert_eq!(owner_and_mode(&target).0, getuid().as_raw());
    }

    #[test]
    fn one_that_everybody_may_write_to_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        prepare_state_directory(&path, &somebody()).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o777)).unwrap();
        let error = prepare_state_directory(&path, &somebody()).unwrap_err();
        assert!(matches!(error, StateDirectoryError::OpenToAll { .. }), "{error}");
    }
}
