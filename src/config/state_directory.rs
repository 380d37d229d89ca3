//! Where the database lives when the configuration does not say.

use super::Settings;
use nix::unistd::Uid;
use std::ffi::OsString;
use std::path::PathBuf;

/// What the choice depends on besides the configuration.
struct Surroundings {
    root: bool,
    state_directory: Option<OsString>,
    xdg_state_home: Option<OsString>,
    home: Option<OsString>,
}

impl Surroundings {
    fn of_this_process() -> Self {
        Self {
            root: Uid::effective().is_root(),
            state_directory: std::env::var_os("STATE_DIRECTORY"),
            xdg_state_home: std::env::var_os("XDG_STATE_HOME"),
            home: std::env::var_os("HOME"),
        }
    }
}

/// Where the database is: `None` when nothing says so. `state.directory`; else `$STATE_DIRECTORY` (systemd.exec(5): the first, if the unit has several); else
/// `/var/lib/messengerd` for root; else as the XDG base directory specification says, which ignores relative paths.
#[must_use]
pub fn state_directory(settings: &Settings) -> Option<PathBuf> {
    choose(settings, &Surroundings::of_this_process())
}

fn choose(settings: &Settings, surroundings: &Surroundings) -> Option<PathBuf> {
    if let Some(directory) = &settings.state.directory {
        return Some(directory.clone());
    }
    let absolute = |text: &OsString| Some(PathBuf::from(text)).filter(|path| path.is_absolute());
    let from_systemd = surroundings.state_directory.as_ref().and_then(|list| {
        let first = list.as_encoded_bytes().split(|byte| *byte == b':').next()?;
        absolute(&OsString::from(std::str::from_utf8(first).ok()?))
    });
    if let Some(directory) = from_systemd {
        return Some(directory);
    }
    if surroundings.root {
        return Some(PathBuf::from("/var/lib/messengerd"));
    }
    let home = || surroundings.home.as_ref().and_then(absolute).map(|home| home.join(".local/state"));
    let state_home = surroundings.xdg_state_home.as_ref().and_then(absolute).or_else(home);
    state_home.map(|directory| directory.join("messengerd"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nobody() -> Surroundings {
        Surroundings { root: false, state_directory: None, xdg_state_home: None, home: None }
    }

    fn chosen(surroundings: &Surroundings) -> Option<PathBuf> {
        choose(&Settings::default(), surroundings)
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
