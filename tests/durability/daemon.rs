//! The daemon as a child process, on a state directory that outlives it.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_mins(1);

/// The daemon's program and arguments: on a free port of the loopback interface, with hashes that cost little.
pub(crate) fn words(scratch: &Path, settings: &[&str]) -> Vec<OsString> {
    let mut words =
        vec![OsString::from(env!("CARGO_BIN_EXE_messengerd")), "--root".into(), scratch.join("root").into()];
    let state = format!("state.directory={}", scratch.join("state").display());
    let ours = [
        "listen.classic=127.0.0.1:0",
        "auth.argon2_memory=64KiB",
        "auth.argon2_iterations=1",
        // All come from one address, and do as much as they can.
        "accounts.source_sign_ups_refill=0s",
        "accounts.sign_ups_refill=0s",
        "auth.source_log_ins_refill=0s",
        "connections.requests_refill=0s",
        "connections.source_requests_refill=0s",
        "classic.packet_gap=0s",
        "log.format=json",
    ];
    for setting in ours.iter().chain(settings).copied().chain([state.as_str()]) {
        words.extend(["--set".into(), setting.into()]);
    }
    words
}

/// Starts what these words say, with nothing of our own surroundings, and listens to what it says.
pub(crate) fn spawn(words: &[OsString]) -> (Child, Says) {
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).env_clear().stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let says = Says::of(child.stderr.take().unwrap());
    (child, says)
}

/// Where a daemon listens, as soon as it says so; nothing when it ends before.
pub(crate) struct Says(Receiver<SocketAddr>);

impl Says {
    fn of(stderr: ChildStderr) -> Self {
        let (said, says) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if line.contains("\"ERROR\"") || line.contains("panicked") {
                    eprintln!("{line}");
                }
                if let Some((_, rest)) = line.split_once("127.0.0.1:")
                    && line.contains("listening on")
                {
                    let port: String = rest.chars().take_while(char::is_ascii_digit).collect();
                    let _ = said.send(format!("127.0.0.1:{port}").parse().expect("it is an address"));
                }
            }
        });
        Self(says)
    }

    pub(crate) fn address(&self) -> Option<SocketAddr> {
        self.0.recv_timeout(PATIENCE).ok()
    }
}

pub(crate) fn signal(pid: Pid, signal: Signal) {
    // It may have ended, and nobody has its number until we have waited for it.
    let _ = kill(pid, signal);
}

/// A scene that fails does not leave its daemon behind, nor wait for it.
pub(crate) struct KilledInPanic(pub(crate) Pid);

impl Drop for KilledInPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            signal(self.0, Signal::SIGKILL);
        }
    }
}
