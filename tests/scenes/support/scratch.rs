//! A folder for one scene.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use tempfile::TempDir;

/// Removed at the end of the scene. Anybody may look into it, because a daemon that was started as root is not root
/// for long.
pub struct Scratch(TempDir);

impl Scratch {
    pub fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("messengerd-scene-").tempdir().unwrap();
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        // As the package makes it: what is not there at the start can't be read at a reload.
        fs::create_dir_all(folder.path().join("root/etc/messengerd/conf.d")).unwrap();
        Self(folder)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The daemon's state directory, which it makes itself.
    pub fn state(&self) -> PathBuf {
        self.path("state")
    }

    /// Writes `/etc/messengerd/messengerd.toml` of the daemon's root.
    pub fn configure(&self, text: &str) -> PathBuf {
        let file = self.path("root/etc/messengerd/messengerd.toml");
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, text).unwrap();
        file
    }

    /// Where the daemon listens beside its port, if it is told to.
    pub fn socket(&self) -> PathBuf {
        self.path("classic.sock")
    }

    /// Where the daemon takes orders, if it is told to.
    pub fn control(&self) -> PathBuf {
        self.path("control")
    }

    /// The daemon's database.
    pub fn database(&self) -> PathBuf {
        self.state().join("messengerd.sqlite")
    }
}
