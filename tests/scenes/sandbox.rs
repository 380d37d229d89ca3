//! What the daemon forbids itself, and that it serves all the same.

use crate::support::{Scratch, Server, Setup};
use nix::sys::signal::Signal;
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch, apply_filter};
use std::fs;
use std::sync::Arc;

/// The value of a field of each thread's `/proc/PID/task/TID/status`.
fn of_each_thread(pid: u32, field: &str) -> Vec<String> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    // A thread may end between the listing and the reading.
    let records = threads.filter_map(|thread| fs::read_to_string(thread.unwrap().path().join("status")).ok());
    let value = |record: String| {
        let line = record.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':').map(str::trim));
        line.unwrap_or_else(|| panic!("no {field} in {record}")).to_owned()
    };
    records.map(value).collect()
}

/// Whoever this thread starts finds no such system call: a machine without it.
fn take_away(call: nix::libc::c_long) {
    let rules = [(call, Vec::new())].into_iter().collect();
    let missing = SeccompAction::Errno(nix::errno::Errno::ENOSYS as u32);
    let architecture = TargetArch::try_from(std::env::consts::ARCH).unwrap();
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, missing, architecture).unwrap();
    apply_filter(&BpfProgram::try_from(filter).unwrap()).unwrap();
}

/// A daemon whose configuration is a file, with people who talk, before and after a reload.
fn converse(setup: Setup) -> Server {
    let scratch = Arc::new(Scratch::new());
    let file = scratch.path("root/etc/messengerd/messengerd.toml");
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(&file, "[log]\nlevel = \"info\"\n").unwrap();
    let server = setup.on(&scratch).start();
    let (mut ann, mut bob) = (server.person("ann"), server.person("bob"));
    ann.add("bob");
    ann.write("bob", "before");
    bob.hears("ann", "before");

    // As editors do it: another file takes the place of the first.
    let other = file.with_extension("new");
    fs::write(&other, "[accounts]\nsign_up = \"closed\"\n").unwrap();
    fs::write(file.with_file_name("conf.d").join("10-log.toml"), "[log]\nlevel = \"debug\"\n").unwrap();
    std::os::unix::fs::symlink("/dev/null", file.with_file_name("conf.d").join("20-masked.toml")).unwrap();
    fs::rename(&other, &file).unwrap();
    server.signal(Signal::SIGHUP);
    server.logged("configuration reloaded");
    ann.write("bob", "after");
    bob.hears("ann", "after");
    // Both files were read.
    server.peer().ask(b"\x00cat@example.org\rcat\rsecret of cat", &[0, 5]);
    server.logged("connection accepted");
    server
}

#[test]
fn every_thread_is_confined_and_people_talk_reload_and_stop_as_ever() {
    let server = converse(Setup::new().set("sandbox.require=true"));
    let threads = of_each_thread(server.pid(), "Seccomp");
    assert!(threads.len() > 3, "{threads:?}");
    assert!(threads.iter().all(|mode| mode == "2"), "{threads:?}");
    // Both filters, and not only what this machine may have laid on us before.
    let filters = |pid| of_each_thread(pid, "Seccomp_filters").iter().map(|n| n.parse().unwrap()).collect::<Vec<u32>>();
    let (ours, theirs) = (fs::read_to_string("/proc/thread-self/status").unwrap(), filters(server.pid()));
    let ours: u32 = ours.lines().find_map(|l| l.strip_prefix("Seccomp_filters:")).unwrap().trim().parse().unwrap();
    assert!(theirs.iter().all(|count| *count == ours + 2), "{theirs:?}");
    assert!(of_each_thread(server.pid(), "NoNewPrivs").iter().all(|value| value == "1"));
    assert!(server.logged("confined by Landlock")["message"].as_str().unwrap().contains("files"));
    server.logged("confined by seccomp");
    assert!(server.notified("STATUS=").contains("STATUS=0 online, 0 connections\n"));
    let scratch = server.stop();
    assert!(!scratch.state().join("messengerd.sqlite-wal").exists(), "the database was closed");
}

#[test]
fn a_layer_that_is_switched_off_is_told_in_the_status() {
    let server = converse(Setup::new().set("sandbox.landlock=false").set("sandbox.seccomp=false"));
    assert!(of_each_thread(server.pid(), "Seccomp").iter().all(|mode| mode == "0"));
    server.notified("STATUS=0 online, 0 connections; no Landlock; no seccomp");
    server.logged("sandbox.landlock is false: serving without Landlock");
    server.stop();
}

#[test]
fn without_landlock_the_daemon_warns_and_serves() {
    take_away(nix::libc::SYS_landlock_create_ruleset);
    let server = converse(Setup::new());
    server.notified("STATUS=0 online, 0 connections; no Landlock");
    assert_eq!(server.logged("serving without Landlock")["level"], "WARN");
    server.stop();
}

#[test]
fn without_filters_the_daemon_warns_and_serves() {
    take_away(nix::libc::SYS_seccomp);
    let server = converse(Setup::new());
    server.notified("STATUS=0 online, 0 connections; no seccomp");
    assert_eq!(server.logged("serving without seccomp")["level"], "WARN");
    server.stop();
}

#[test]
fn what_is_required_and_missing_keeps_it_from_starting() {
    take_away(nix::libc::SYS_landlock_create_ruleset);
    let failure = Setup::new().set("sandbox.require=true").fail();
    assert_eq!(failure.status.code(), Some(78), "a restart would not help, so systemd is not to try");
    assert!(failure.said.contains("sandbox.require is set"), "{}", failure.said);
    assert!(failure.said.contains("there is no Landlock here"), "{}", failure.said);
    // Unless it is not wanted.
    Setup::new().set("sandbox.require=true").set("sandbox.landlock=false").start().stop();
}

#[test]
fn required_filters_that_are_missing_keep_it_from_getting_ready() {
    take_away(nix::libc::SYS_seccomp);
    let failure = Setup::new().set("sandbox.require=true").fail();
    assert_eq!(failure.status.code(), Some(78));
    assert!(failure.said.contains("there are no system call filters here"), "{}", failure.said);
}

#[test]
fn a_configuration_that_landlock_closes_off_is_refused_with_the_reason() {
    let scratch = Arc::new(Scratch::new());
    // Nothing was there at the start, and so nothing there can be read later.
    fs::remove_dir_all(scratch.path("root/etc")).unwrap();
    let server = Setup::new().on(&scratch).start();
    let file = scratch.path("root/etc/messengerd/messengerd.toml");
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(&file, "[accounts]\nsign_up = \"closed\"\n").unwrap();
    server.signal(Signal::SIGHUP);
    server.logged("is closed to this process by Landlock; it is read after a restart");
    server.notified("STATUS=0 online, 0 connections; reload refused");
    // The old settings hold.
    server.person("ann");
    let scratch = server.stop();
    let server = Setup::new().on(&scratch).start();
    server.peer().ask(b"\x00bob@example.org\rbob\rsecret of bob", &[0, 5]);
}
