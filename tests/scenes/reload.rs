//! SIGHUP: new settings, all of them or none, and systemd is told which.

use crate::support::{Person, Scratch, Server, Setup};
use nix::sys::signal::Signal;
use std::sync::Arc;

fn configured(text: &str) -> Server {
    let scratch = Arc::new(Scratch::new());
    scratch.configure(text);
    Setup::new().on(&scratch).start()
}

/// Reloads with this file; returns the two notices of it.
fn reload(server: &Server, text: &str) -> [String; 2] {
    server.scratch.configure(text);
    let mark = server.notices().len();
    server.signal(Signal::SIGHUP);
    ["RELOADING=1", "READY=1"].map(|line| server.notified_since(mark, line))
}

const SIGN_UP: &[u8] = b"\x00ann@example.org\rann\rsecret of ann";

#[test]
fn a_good_reload_takes_effect_and_systemd_hears_when_it_began_and_ended() {
    let server = configured("[accounts]\nsign_up = \"closed\"\n");
    let mut ann = server.peer();
    ann.ask(SIGN_UP, &[0, 5]);
    let clock = || {
        let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC).unwrap();
        i128::from(now.tv_sec()) * 1_000_000 + i128::from(now.tv_nsec()) / 1_000
    };
    let before = clock();
    let [reloading, ready] = reload(&server, "[accounts]\nsign_up = \"open\"\n");
    let time: i128 = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap().trim_end().parse().unwrap();
    assert!((before..=clock()).contains(&time), "{reloading}");
    assert_eq!(ready, "READY=1\nSTATUS=0 online, 1 connection\n");
    // On the connection that was there before.
    ann.ask(SIGN_UP, &[0, 0]);
    server.logged("configuration reloaded");
}

#[test]
fn a_faulty_configuration_is_refused_whole_and_service_goes_on() {
    let server = configured("[accounts]\nsign_up = \"closed\"\n");
    let (_, ready) = (server.peer(), reload(&server, "[accounts]\nsign_up = \"open\"\npasword_min_length = 10\n"));
    assert!(ready[1].contains("reload refused: the configuration has 1 fault, see the journal"), "{ready:?}");
    let file = server.scratch.configure("");
    let record = server.logged("reload refused");
    let message = record["message"].as_str().unwrap();
    assert_eq!(record["level"], "ERROR");
    for part in [&format!("{}:3", file.display()), "accounts.pasword_min_length: unknown key", "password_min_length"] {
        assert!(message.contains(part), "{part} is missing in: {message}");
    }
    server.peer().ask(SIGN_UP, &[0, 5]);
}

#[test]
fn what_needs_a_restart_is_refused_by_name_and_takes_the_rest_with_it() {
    let server = configured("");
    let [_, ready] =
        reload(&server, "[accounts]\nsign_up = \"closed\"\n[connections]\nmax = 5\n[store]\nreaders = 3\n");
    let refusal = "reload refused: needs a restart: connections.max, store.readers";
    assert!(ready.ends_with(&format!("; {refusal}\n")), "{ready}");
    assert_eq!(server.logged(refusal)["level"], "ERROR");
    // The status says so until it is settled.
    let mark = server.notices().len();
    let mut ann = server.peer();
    ann.ask(SIGN_UP, &[0, 0]);
    assert!(server.notified_since(mark, "STATUS=0 online, 1 connection").contains(refusal));
    let [_, ready] = reload(&server, "[accounts]\nsign_up = \"closed\"\n");
    assert!(!ready.contains("refused"), "{ready}");
    server.peer().ask(b"\x00bob@example.org\rbob\rsecret of bob", &[0, 5]);
}

#[test]
fn the_level_of_the_log_can_be_changed_while_the_daemon_runs() {
    let server = configured("");
    let _ann = server.peer();
    reload(&server, "[log]\nlevel = \"debug\"\n");
    let _bob = server.peer();
    server.logged("connection accepted");
    assert_eq!(server.records().iter().filter(|record| record.contains("connection accepted")).count(), 1);
}

#[test]
fn the_status_is_told_anew_when_it_is_again_what_it_was_before_a_reload() {
    let server = configured("");
    let ann = server.person("ann");
    server.notified("STATUS=1 online, 1 connection");
    drop(ann);
    // It rests for a second after each notice, and a reload tells what has changed meanwhile.
    while reload(&server, "")[1] != "READY=1\nSTATUS=0 online, 0 connections\n" {}
    let mark = server.notices().len();
    let _ann = Person::log_in(server.peer(), "ann");
    server.notified_since(mark, "STATUS=1 online, 1 connection");
}
