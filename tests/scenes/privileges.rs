//! Started as root, it is root no more when it serves. That nothing can be had back is told by `tests/host_process`.

use crate::support::{Server, Setup, as_user, is_root, not_tried, tool};
use nix::unistd::User;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::{Command, Stdio};

/// The ids that systemd gives to services with `DynamicUser=`.
const DYNAMIC_IDS: std::ops::RangeInclusive<u32> = 61184..=65519;

/// False, and a word about it, when this is not root.
fn as_root() -> bool {
    if !is_root() {
        not_tried("not root");
    }
    is_root()
}

/// Of a `/proc/PID/status`, with single spaces.
fn field(status: &str, name: &str) -> String {
    let value = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    value.unwrap_or_else(|| panic!("no {name}")).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// No thread of the daemon has anything left but these ids.
fn nothing_is_left(server: &Server, uid: u32, gid: u32) {
    let mut threads = Vec::new();
    for task in fs::read_dir(format!("/proc/{}/task", server.pid())).unwrap() {
        // A thread for reading may end meanwhile.
        let Ok(status) = fs::read_to_string(task.unwrap().path().join("status")) else { continue };
        let name = field(&status, "Name");
        assert_eq!(field(&status, "Uid"), format!("{uid} {uid} {uid} {uid}"), "{name}");
        assert_eq!(field(&status, "Gid"), format!("{gid} {gid} {gid} {gid}"), "{name}");
        assert_eq!(field(&status, "Groups"), "", "{name}");
        for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
            assert_eq!(field(&status, set), "0".repeat(16), "{set} of {name}");
        }
        assert_eq!(field(&status, "NoNewPrivs"), "1", "{name}");
        threads.push(name);
    }
    for name in ["store-writer", "watchdog", "messengerd"] {
        assert!(threads.iter().any(|thread| thread == name), "no thread {name} among {threads:?}");
    }
}

fn with_all_threads() -> Setup {
    Setup::new().environment("WATCHDOG_USEC", "60000000")
}

#[test]
fn nothing_of_root_is_left_in_any_thread() {
    if !as_root() {
        return;
    }
    let server = with_all_threads().start();
    let mut ann = server.person("ann");
    ann.write("ann", "to the store and back");
    ann.hears("ann", "to the store and back");
    let state = fs::metadata(server.scratch.state()).unwrap();
    nothing_is_left(&server, state.uid(), state.gid());
    let record = server.logged("running as")["message"].as_str().unwrap().to_owned();
    if User::from_name("messengerd").unwrap().is_none() {
        assert!(DYNAMIC_IDS.contains(&state.uid()) && state.gid() == state.uid(), "{record}");
        assert!(record.contains("a numeric id of its own, since there is no user messengerd"), "{record}");
    }
    assert!(record.contains(&format!("uid {}, gid {}", state.uid(), state.gid())), "{record}");
}

#[test]
fn the_state_is_closed_to_everybody_else() {
    if !as_root() {
        return;
    }
    let server = Server::start();
    server.person("ann").barrier();
    let directory = fs::metadata(server.scratch.state()).unwrap();
    assert_eq!(directory.permissions().mode() & 0o7777, 0o700);
    let mut names = Vec::new();
    for file in fs::read_dir(server.scratch.state()).unwrap() {
        let file = file.unwrap();
        let found = file.metadata().unwrap();
        let name = file.file_name().into_string().unwrap();
        let mode = if found.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(found.permissions().mode() & 0o7777, mode, "{name}");
        assert_eq!((found.uid(), found.gid()), (directory.uid(), directory.gid()), "{name}");
        names.push(name);
    }
    names.sort();
    assert_eq!(
        names,
        ["backups", "messengerd.lock", "messengerd.sqlite", "messengerd.sqlite-shm", "messengerd.sqlite-wal"]
    );
}

#[test]
fn not_even_another_process_of_the_same_user_looks_into_it() {
    if !as_root() || !tool("setpriv", "util-linux") {
        return;
    }
    let server = Server::start();
    let uid = fs::metadata(server.scratch.state()).unwrap().uid();
    // What is not dumpable belongs to root in /proc, whoever it runs as.
    assert_eq!(fs::metadata(format!("/proc/{}/environ", server.pid())).unwrap().uid(), 0);
    let by_same_user = |program: &[&str]| {
        let mut command = Command::new("setpriv");
        command.args(&as_user(uid)[1..]).args(program).stdin(Stdio::piped()).stdout(Stdio::piped());
        command.stderr(Stdio::null());
        command.spawn().unwrap()
    };
    let can_read = |pid: u32| {
        let environment = format!("/proc/{pid}/environ");
        by_same_user(&["cat", &environment]).wait_with_output().unwrap().status.success()
    };
    // A process of that user that has not shut itself off is looked into without ado.
    let mut other = by_same_user(&["sh", "-c", "echo here; exec cat"]);
    std::io::Read::read_exact(other.stdout.as_mut().unwrap(), &mut [0; 5]).unwrap();
    let looked_into_other = can_read(other.id());
    drop(other.stdin.take());
    other.wait().unwrap();
    assert!(looked_into_other, "what is shown here needs processes that can be looked into");
    assert!(!can_read(server.pid()));
}

#[test]
fn no_core_file_may_be_written_whatever_the_limit_was() {
    let limits = |pid: u32| fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let of_core = |limits: &str| {
        let line = limits.lines().find_map(|line| line.strip_prefix("Max core file size"));
        line.unwrap().split_whitespace().take(2).collect::<Vec<_>>().join(" ")
    };
    // The stage may have none to give.
    let server = Setup::new().after("ulimit -c $(ulimit -H -c)").start();
    assert_eq!(of_core(&limits(server.pid())), "0 0");
    let without = of_core(&limits(std::process::id()));
    if without == "0 0" {
        not_tried("no process of this machine may write a core file");
    }
}

#[test]
fn the_named_user_is_served_as() {
    if !as_root() {
        return;
    }
    let nobody = User::from_name("nobody").unwrap().expect("every Linux has it");
    let server = with_all_threads().set("process.user=nobody").start();
    server.person("ann").barrier();
    nothing_is_left(&server, nobody.uid.as_raw(), nobody.gid.as_raw());
    assert_eq!(fs::metadata(server.scratch.state()).unwrap().uid(), nobody.uid.as_raw());
}

#[test]
fn a_user_that_does_not_exist_is_named() {
    if as_root() {
        let said = Setup::new().set("process.user=no-such-user").fail().with(67);
        assert!(said.starts_with("there is no user \"no-such-user\"; create it"), "{said}");
    }
}

#[test]
fn root_is_refused() {
    if as_root() {
        let said = Setup::new().set("process.user=root").fail().with(78);
        assert_eq!(said, "user \"root\" is root, and messengerd does not serve as root; name another, or none");
    }
}
