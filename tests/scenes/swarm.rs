//! Many clients at once, as tests/messenger-swarm plays them, and that it sees what goes wrong.

use super::support::{Server, Setup, not_tried};
use nix::sys::signal::Signal::SIGTERM;
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/messenger-swarm");

/// Whether there is a Python for it. If not, says so.
fn can_be_played() -> bool {
    let asks = "import sys; sys.exit(sys.version_info < (3, 11))";
    let has = Command::new("python3").args(["-c", asks]).status().is_ok_and(|status| status.success());
    if !has {
        not_tried("there is no python3, or it is older than 3.11");
    }
    has
}

/// A swarm that goes on until it is told to end.
struct Swarm {
    child: Child,
    commands: ChildStdin,
    reports: BufReader<ChildStdout>,
}

impl Swarm {
    /// Of 20 clients who talk and two who don't, all logged in and talking.
    fn start(server: &Server, arguments: &[&str]) -> Self {
        let mut child = Command::new(PROGRAM)
            .args(["--address", &server.address().to_string(), "--clients=20", "--idle=2", "--seconds=0", "--rate=10"])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (commands, reports) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let mut swarm = Self { child, commands, reports };
        let report = swarm.next_report();
        assert_eq!((&report["at"], &report["connected"]), (&"streaming".into(), &22.into()));
        swarm
    }

    fn next_report(&mut self) -> Value {
        let mut line = String::new();
        self.reports.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error} in {line:?}"))
    }

    fn tell(&mut self, command: &str) -> Value {
        writeln!(self.commands, "{command}").unwrap();
        self.next_report()
    }

    /// Until each client has sent about so many messages more.
    fn talks(&mut self, messages: u64) {
        let sent = |report: &Value| report["sent"].as_u64().unwrap();
        let before = sent(&self.tell("counts"));
        while sent(&self.tell("counts")) < before + 20 * messages {}
    }

    /// The final report, and the exit code.
    fn end(mut self) -> (Value, Option<i32>) {
        let report = self.tell("end");
        (report, self.child.wait().unwrap().code())
    }
}

impl Drop for Swarm {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[track_caller]
fn says(report: &Value, expected: &[(&str, u64)]) {
    for (name, value) in expected {
        assert_eq!(report[name], *value, "{name} in {report}");
    }
}

#[test]
fn everything_that_many_clients_tell_each_other_arrives_once_and_in_order() {
    if !can_be_played() {
        return;
    }
    let server = Setup::new().for_a_crowd().start();
    let mut swarm = Swarm::start(&server, &[]);
    swarm.talks(10);
    let all_is_well =
        [("lost", 0), ("doubled", 0), ("trebled", 0), ("out_of_order", 0), ("unsure", 0), ("torn_reads", 0)];
    let nothing_happens = [("closed", 0), ("flickers", 0), ("connected", 22)];
    let paused = swarm.tell("pause");
    says(&paused, &all_is_well);
    says(&paused, &nothing_happens);
    assert_eq!(paused["received"], paused["sent"]);
    swarm.tell("go");
    swarm.talks(5);
    let (report, code) = swarm.end();
    says(&report, &all_is_well);
    says(&report, &nothing_happens);
    assert!(report["sent"].as_u64() > paused["sent"].as_u64() && report["received"] == report["sent"], "{report}");
    assert_eq!(code, Some(0));
}

#[test]
fn a_swarm_notices_that_its_server_went_away() {
    if !can_be_played() {
        return;
    }
    let server = Setup::new().for_a_crowd().start();
    let mut swarm = Swarm::start(&server, &[]);
    swarm.talks(5);
    server.signal(SIGTERM);
    server.stopped();
    let (report, code) = swarm.end();
    says(&report, &[("closed", 22), ("idle_closed", 2), ("connected", 0)]);
    assert_eq!((&report["settled"], code), (&false.into(), Some(1)));
}

#[test]
fn a_swarm_knows_how_to_count() {
    if !can_be_played() {
        return;
    }
    assert!(Command::new(PROGRAM).arg("--self-test").status().unwrap().success());
}
