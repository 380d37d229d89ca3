//! Where the configuration is read from.

use super::draft::Draft;
use super::fault::Problem;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Where the configuration is read from: the options that all programs of ours share.
#[derive(Debug, Clone, Default, PartialEq, Eq, clap::Args)]
pub struct Sources {
    /// Read this file alone, and none under /usr/lib/messengerd and /etc/messengerd
    #[arg(long, value_name = "FILE", help_heading = "Configuration")]
    pub config: Option<PathBuf>,

    /// Look for /usr/lib/messengerd and /etc/messengerd below this directory
    #[arg(long, value_name = "DIR", help_heading = "Configuration")]
    pub root: Option<PathBuf>,

    /// Set a key, whatever files and environment say; may be repeated
    #[arg(long, value_name = "SECTION.KEY=VALUE", help_heading = "Configuration")]
    pub set: Vec<String>,
}

impl Sources {
    /// Where those files are or may come to be: directories, or the one file.
    #[must_use]
    pub fn places(&self) -> Vec<PathBuf> {
        match &self.config {
            Some(file) => vec![file.clone()],
            None => ["usr/lib/messengerd", "etc/messengerd"].map(|place| self.root().join(place)).to_vec(),
        }
    }

    fn root(&self) -> &Path {
        self.root.as_deref().unwrap_or(Path::new("/"))
    }

    /// The files to read, in this order. What cannot be listed is noted as a fault; what is not there is no fault,
    /// unless it was asked for.
    pub(super) fn files(&self, draft: &mut Draft) -> Vec<PathBuf> {
        if let Some(file) = &self.config {
            return vec![file.clone()];
        }
        let root = self.root();
        let mut files = listed(&root.join("usr/lib/messengerd"), draft);
        let main = root.join("etc/messengerd/messengerd.toml");
        // A symbolic link to nowhere is there all the same: it will be read, and found faulty.
        match fs::symlink_metadata(&main) {
            Ok(_) => files.push(main),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => unreadable(&main, error, draft),
        }
        files.extend(listed(&root.join("etc/messengerd/conf.d"), draft));
        files
    }
}

/// The files named `*.toml` in a directory, sorted by name. Hidden ones are left out: editors keep theirs so.
fn listed(directory: &Path, draft: &mut Draft) -> Vec<PathBuf> {
    let names = fs::read_dir(directory)
        .and_then(|entries| entries.map(|entry| entry.map(|entry| entry.file_name())).collect::<io::Result<Vec<_>>>());
    match names {
        Ok(mut names) => {
            names.retain(|name| {
                let name = name.as_encoded_bytes();
                name.ends_with(b".toml") && !name.starts_with(b".")
            });
            names.sort();
            names.into_iter().map(|name| directory.join(name)).collect()
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => {
            unreadable(directory, error, draft);
            Vec::new()
        }
    }
}

/// Notes a file or directory that is there and cannot be read, or is not there and should be.
pub(super) fn unreadable(path: &Path, error: io::Error, draft: &mut Draft) {
    let remedy = match error.kind() {
        io::ErrorKind::NotFound => "create it, or do not ask for it; a symbolic link must lead to a file",
        io::ErrorKind::PermissionDenied => "let the user that messengerd runs as read it, and search its directories",
        io::ErrorKind::IsADirectory => "put a file in its place, or remove it",
        io::ErrorKind::NotADirectory => "put a directory where a file is in the way, or remove it",
        _ => "make it readable, or remove it",
    };
    draft.fault(path.display().to_string(), None, Problem::Unreadable(error), remedy.to_owned());
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{CommandFactory, Parser};

    /// What the program is for
    #[derive(Debug, Parser)]
    struct Program {
        #[command(flatten)]
        sources: Sources,
    }

    #[test]
    fn a_program_that_takes_these_options_keeps_its_own_description() {
        let command = Program::command();
        assert_eq!(command.get_about().map(ToString::to_string).as_deref(), Some("What the program is for"));
        assert_eq!(command.get_long_about().map(ToString::to_string), None);
    }

    #[test]
    fn the_places_are_where_files_are_looked_for() {
        let sources = |config: Option<&str>, root: Option<&str>| {
            Sources { config: config.map(Into::into), root: root.map(Into::into), set: Vec::new() }.places()
        };
        let paths = |paths: &[&str]| paths.iter().map(PathBuf::from).collect::<Vec<_>>();
        assert_eq!(sources(None, None), paths(&["/usr/lib/messengerd", "/etc/messengerd"]));
        assert_eq!(sources(None, Some("/r")), paths(&["/r/usr/lib/messengerd", "/r/etc/messengerd"]));
        assert_eq!(sources(Some("/c.toml"), Some("/r")), paths(&["/c.toml"]));
    }

    #[test]
    fn flags_are_kept_in_their_order() {
        let program = Program::try_parse_from(["x", "--set", "a.b=1", "--root", "/r", "--set=a.b=2"]).unwrap();
        let expected = Sources { config: None, root: Some("/r".into()), set: vec!["a.b=1".into(), "a.b=2".into()] };
        assert_eq!(program.sources, expected);
    }
}
