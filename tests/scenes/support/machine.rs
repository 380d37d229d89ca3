//! What the machine that a scene is played on allows. What it does not is said aloud, never passed over.

use super::Setup;
use std::io::Write;
use std::os::unix::fs::chown;
use std::path::Path;
use std::process::{Command, Stdio};

pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// Says that a scene, or a part of it, can't be played here. It is seen though the scene passes: what is written to
/// the stream itself is not kept back.
pub fn not_tried(reason: &str) {
    let scene = std::thread::current().name().unwrap_or_default().to_owned();
    let mut stream = std::io::stderr().lock();
    writeln!(stream, "NOT TRIED: {scene}: {reason}").unwrap();
}

/// Whether there is such a program. If not, says so.
pub fn tool(name: &str, package: &str) -> bool {
    let version = Command::new(name).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    let is_there = version.is_ok_and(|status| status.success());
    if !is_there {
        not_tried(&format!("there is no {name} (Debian package {package})"));
    }
    is_there
}

/// An ordinary user of this machine: whoever runs the scenes or, if that is root, one with nothing to their name.
pub struct Somebody {
    uid: u32,
}

impl Somebody {
    const NOBODY: u32 = 65534;

    /// `None`, and a word about it, where there is no way to be one.
    pub fn here() -> Option<Self> {
        if !is_root() {
            return Some(Self { uid: nix::unistd::getuid().as_raw() });
        }
        if !tool("setpriv", "util-linux") {
            return None;
        }
        let somebody = Self { uid: Self::NOBODY };
        let [program, arguments @ ..] = &somebody.wrapper()[..] else { return None };
        let reads =
            Command::new(program).args(arguments).args(["test", "-x", env!("CARGO_BIN_EXE_messengerd")]).status();
        if !reads.unwrap().success() {
            not_tried("other users than root may not start the daemon from where it was built");
            return None;
        }
        Some(somebody)
    }

    /// What makes a program run as this user.
    pub fn wrapper(&self) -> Vec<String> {
        if is_root() { as_user(self.uid) } else { Vec::new() }
    }

    /// The daemon is started by this user.
    pub fn start(&self, setup: Setup) -> Setup {
        let wrapper = self.wrapper();
        if wrapper.is_empty() { setup } else { setup.by(&wrapper.iter().map(String::as_str).collect::<Vec<_>>()) }
    }

    /// Gives a path to this user.
    pub fn owns(&self, path: &Path) {
        chown(path, Some(self.uid), None).unwrap();
    }
}

/// What makes a program that root starts run as this user, without any capability.
pub fn as_user(uid: u32) -> Vec<String> {
    vec!["setpriv".into(), format!("--reuid={uid}"), format!("--regid={uid}"), "--clear-groups".into()]
}
