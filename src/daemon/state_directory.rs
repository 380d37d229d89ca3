//! Where the database lives when the configuration does not say.

use super::StartError;
use crate::config::Settings;
use nix::unistd::Uid;
use std::ffi::OsString;
use std::path::PathBuf;

/// What the choice depends on besides the configuration.
pub(super) struct Surroundings {
    pub(super) root: bool,
    pub(super) state_directory: Option<OsString>,
    pub(super) xdg_state_home: Option<OsString>,
    pub(super) home: Option<OsString>,
}

impl Surroundings {
    pub(super) fn of_this_process() -> Self {
        Self {
            root: Uid::effective().is_root(),
            state_directory: std::env::var_os("STATE_DIRECTORY"),
            xdg_state_home: std::env::var_os("XDG_STATE_HOME"),
            home: std::env::var_os("HOME"),
        }
    }
}

/// `state.directory`; else `$STATE_DIRECTORY` (systemd.exec(5): the first, if the unit has several); else
/// `/var/lib/messengerd` for root; else as the XDG base directory specification says, which ignores relative paths.
pub(super) fn choose(settings: &Settings, surroundings: &Surroundings) -> Result<PathBuf, StartError> {
    if let Some(directory) = &settings.state.directory {
        return Ok(directory.clone());
    }
    let absolute = |text: &OsString| Some(PathBuf::from(text)).filter(|path| path.is_absolute());
    let from_systemd = surroundings.state_directory.as_ref().and_then(|list| {
        let first = list.as_encoded_bytes().split(|byte| *byte == b':').next()?;
        absolute(&OsString::from(std::str::from_utf8(first).ok()?))
    });
    if let Some(directory) = from_systemd {
        return Ok(directory);
    }
    if surroundings.root {
        return Ok(PathBuf::from("/var/lib/messengerd"));
    }
    let home = || surroundings.home.as_ref().and_then(absolute).map(|home| home.join(".local/state"));
    let state_home = surroundings.xdg_state_home.as_ref().and_then(absolute).or_else(home);
    state_home.map(|directory| directory.join("messengerd")).ok_or(StartError::NoStateDirectory)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nobody() -> Surroundings {
        Surroundings { root: false, state_directory: None, xdg_state_home: None, home: None }
    }

    fn chosen(surroundings: &Surroundings) -> Option<PathBuf> {
        choose(&Settings::default(), surroundings).ok()
    }

    #[test]
    fn whoever_says_it_first_is_heeded() {
        let mut around = nobody();
        assert_eq!(chosen(&around), None);
        around.home = Some("/home/ann".into());
        assert_eq!(chosen(&around), Some("/home/ann/.local/state/messengerd".into()));
        around.xdg_state_home = Some("relative".into());
        assert_eq!(chosen(&around), Some("/home/ann/.local/state/messengerd".into()));
        around.xdg_state_home = Some("/state".into());
        assert_eq!(chosen(&around), Some("/state/messengerd".into()));
        around.root = true;
        assert_eq!(chosen(&around), Some("/var/lib/messengerd".into()));
        around.state_directory = Some("/var/lib/private/messengerd:/var/lib/more".into());
        assert_eq!(chosen(&around), Some("/var/lib/private/messengerd".into()));
        let mut settings = Settings::default();
        settings.state.directory = Some("/srv/messengerd".into());
        assert_eq!(choose(&settings, &around).unwrap(), PathBuf::from("/srv/messengerd"));
    }
}
