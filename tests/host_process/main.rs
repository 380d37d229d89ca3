//! What `host` does to a whole process: its environment, its identity, its log.
//!
//! Such scenes need a process of their own with one thread, and libtest gives each test a thread beside the main
//! one. So this program has its own `main`: called with `as ROLE` it plays that role, and says on one line of JSON what
//! it saw; called by cargo it runs the scenes, each of which starts such processes.

mod journal;
mod privileges;
mod sandbox;
mod sockets;
mod systemd;

use libtest_mimic::{Arguments, Completion, Trial};
use serde_json::Value;
use std::process::{Command, ExitCode, Output};

/// How a scene ends, unless it panics.
enum Scene {
    Played,
    /// What this machine does not let us try, and why. It is shown in the list of tests.
    NotHere(&'static str),
}

/// A scene and its name, which is a statement.
type Named = (&'static str, fn() -> Scene);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [as_, role, rest @ ..] = arguments.as_slice()
        && as_ == "as"
    {
        println!("{}", play(role, rest));
        return ExitCode::SUCCESS;
    }
    let scenes = [sockets::SCENES, systemd::SCENES, privileges::SCENES, journal::SCENES, sandbox::SCENES].concat();
    let trials = scenes.into_iter().map(|(name, scene)| {
        Trial::ignorable_test(name, move || match scene() {
            Scene::Played => Ok(Completion::Completed),
            Scene::NotHere(reason) => Ok(Completion::ignored_with(format!("NOT TRIED: {reason}"))),
        })
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit_code()
}

/// The child's side.
fn play(role: &str, arguments: &[String]) -> Value {
    match role {
        "socket-activated" => sockets::socket_activated(arguments),
        "notifying" => systemd::notifying(),
        "dropping" => privileges::dropping(arguments),
        "dropping-capabilities" => privileges::dropping_capabilities(),
        "logging" => journal::logging(arguments),
        "confining-files" => sandbox::confining_files(arguments),
        "confining-calls" => sandbox::confining_calls(arguments),
        other => panic!("no role {other}"),
    }
}

/// A process that plays a role.
fn child(role: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("we run from a file"));
    command.args(["as", role]);
    command
}

/// A process that plays a role after a shell has prepared it: `script` ends in `exec "$0" "$@"`.
fn child_of_shell(script: &str, role: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]).arg(std::env::current_exe().expect("we run from a file")).args(["as", role]);
    command
}

/// What the child said, on the last line of this stream.
fn said(stream: &[u8], output: &Output) -> Value {
    let text = String::from_utf8_lossy(stream);
    assert!(output.status.success(), "the child ended with {}: {output:?}", output.status);
    let line = text.lines().last().unwrap_or_else(|| panic!("the child said nothing: {output:?}"));
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}
