//! Passwords, throttling, renewal.

use crate::support::{Deadline, Peer, Person, Scratch, Server, Setup, until};
use messengerd::config::Settings;
use nix::sys::signal::Signal;
use rusqlite::Connection;
use std::fs;
use std::net::IpAddr;
use std::sync::Arc;

/// What the database has for a login. No daemon is on it.
fn stored<T: rusqlite::types::FromSql>(scratch: &Scratch, column: &str, login: &str) -> T {
    let db = Connection::open(scratch.database()).unwrap();
    db.query_row(&format!("SELECT {column} FROM accounts WHERE login = ?1"), [login], |row| row.get(0)).unwrap()
}

fn log_in(login: &str, password: &str) -> Vec<u8> {
    format!("\x01{login}\r{password}").into_bytes()
}

#[test]
fn whoever_fails_too_often_is_told_to_try_later() {
    let server = Setup::new().set("auth.account_failures=3").set("auth.account_refill=1h").start();
    let mut ann = server.peer();
    ann.sign_up("ann");
    for _ in 0..3 {
        ann.ask(b"\x01ann\rwrong guess", &[1, 2]);
    }
    ann.ask(b"\x01ann\rwrong guess", &[1, 3]);
    // The right password too: else guessing would go on.
    ann.ask(b"\x01ann\rsecret of ann", &[1, 3]);
    // Nor does it help to come from elsewhere.
    let mut elsewhere = Peer::connect_from(IpAddr::from([127, 0, 0, 2]), server.address());
    elsewhere.ask(b"\x01ann\rsecret of ann", &[1, 3]);
    // Another account is not concerned, nor is the address: to be told to wait is no failure.
    for _ in 0..40 {
        ann.ask(b"\x01ann\rwrong guess", &[1, 3]);
    }
    server.person("bob");
}

#[test]
fn an_address_from_which_too_many_fail_waits_and_others_do_not() {
    let server = Setup::new().set("auth.source_failures=3").set("auth.source_refill=1h").start();
    let mut ann = server.person("ann");
    // Success costs nothing, however often.
    for _ in 0..5 {
        ann.key = ann.peer.log_in("ann");
    }
    let mut guesser = server.peer();
    guesser.ask(b"\x01ann\rwrong guess", &[1, 2]);
    guesser.ask(b"\x01bob\rwrong guess", &[1, 1]);
    guesser.ask(b"\x01not a login\rwrong guess", &[1, 1]);
    // On another connection too.
    server.peer().ask(b"\x01cat\rwrong guess", &[1, 3]);
    guesser.ask(b"\x01ann\rsecret of ann", &[1, 3]);
    let elsewhere = Peer::connect_from(IpAddr::from([127, 0, 0, 2]), server.address());
    Person::log_in(elsewhere, "ann");
    // Who is in stays in.
    ann.barrier();
}

#[test]
fn a_success_forgives_all_failures_of_the_account() {
    let server = Setup::new().set("auth.account_failures=3").set("auth.account_refill=1h").start();
    let mut ann = server.peer();
    ann.sign_up("ann");
    for _ in 0..3 {
        ann.ask(b"\x01ann\rwrong guess", &[1, 2]);
        ann.ask(b"\x01ann\rwrong guess", &[1, 2]);
        ann.log_in("ann");
    }
    for _ in 0..3 {
        ann.ask(b"\x01ann\rwrong guess", &[1, 2]);
    }
    ann.ask(b"\x01ann\rsecret of ann", &[1, 3]);
}

#[test]
fn failures_are_forgiven_with_time() {
    let server = Setup::new().set("auth.account_failures=2").set("auth.account_refill=400ms").start();
    let mut ann = server.peer();
    ann.sign_up("ann");
    until("guesses are refused", || {
        ann.send(b"\x01ann\rwrong guess");
        (ann.receive() == [1, 3]).then_some(())
    });
    until("ann is let in", || {
        ann.send(b"\x01ann\rsecret of ann");
        let answer = ann.receive();
        assert!(answer == [1, 3] || answer[..2] == [1, 0], "{answer:?}");
        (answer[1] == 0).then_some(())
    });
}

#[test]
fn guessing_at_a_login_that_nobody_has_costs_as_well() {
    let server = Setup::new().set("auth.account_failures=3").set("auth.account_refill=1h").start();
    let mut peer = server.peer();
    for _ in 0..3 {
        peer.ask(b"\x01ghost\rwrong guess", &[1, 1]);
    }
    peer.ask(b"\x01ghost\rwrong guess", &[1, 3]);
    // In any spelling.
    peer.ask(b"\x01GHOST\rwrong guess", &[1, 3]);
}

#[test]
fn an_unknown_login_can_be_hidden_behind_a_wrong_password() {
    let hidden = Setup::new().set("auth.hide_unknown_login=true");
    let server = hidden.set("auth.account_failures=3").set("auth.account_refill=1h").start();
    let mut peer = server.peer();
    peer.sign_up("ann");
    for login in ["ann", "ghost"] {
        for _ in 0..3 {
            peer.ask(&log_in(login, "wrong guess"), &[1, 2]);
        }
        peer.ask(&log_in(login, "wrong guess"), &[1, 3]);
    }
    peer.ask(&log_in("not a login", "wrong guess"), &[1, 2]);
    // Ann's account is read in the place of one that is not there; her password opens her own only.
    for login in ["amy", "an", "", "zoe"] {
        peer.ask(&log_in(login, "secret of ann"), &[1, 2]);
    }
    // What can't be a password is no other answer either.
    peer.sign_up("bob");
    peer.ask(&log_in("bob", "\x01"), &[1, 2]);
    peer.ask(&log_in("phantom", "\x01"), &[1, 2]);
}

/// A server that computes one hash at a time, and that for a good while.
fn slow() -> Setup {
    let slow = Setup::new().set("auth.argon2_memory=16MiB").set("auth.argon2_iterations=20");
    // Other scenes have people in them who want to read in time.
    slow.set("auth.hashing_threads=1").set("auth.hashing_queue=0").by(&["nice", "-n", "19"])
}

/// Two peers ask at once, until one is refused because the other is being served. Returns whether the second was
/// refused.
#[track_caller]
fn collide(mut ask: impl FnMut(u32) -> [(Vec<u8>, Vec<u8>); 2], server: &Server) -> bool {
    let (mut one, mut other) = (server.peer(), server.peer());
    let deadline = Deadline::new();
    for attempt in 0.. {
        deadline.check("two hashes at once");
        let [(first, first_refused), (second, second_refused)] = ask(attempt);
        one.send(&first);
        other.send(&second);
        let answers = (one.receive(), other.receive());
        assert!(answers != (first_refused.clone(), second_refused.clone()), "both were refused: {answers:?}");
        if answers.0 == first_refused || answers.1 == second_refused {
            return answers.1 == second_refused;
        }
    }
    unreachable!("the deadline ends it")
}

#[test]
fn one_more_than_the_hashing_queue_holds_is_told_to_try_later() {
    let server = slow().set("auth.account_failures=2").set("auth.account_refill=1h").start();
    server.peer().sign_up("ann");
    let sign_up = |name: String| (format!("\0{name}@example.org\r{name}\rsecret of {name}").into_bytes(), vec![0, 5]);
    collide(|attempt| [sign_up(format!("one{attempt}")), sign_up(format!("other{attempt}"))], &server);
    let right = || (log_in("ann", "secret of ann"), vec![1, 3]);
    collide(|_| [right(), right()], &server);
    // To be turned away is no failure.
    let mut ann = server.peer();
    ann.ask(b"\x01ann\rwrong guess", &[1, 2]);
    ann.ask(b"\x01ann\rwrong guess", &[1, 2]);
    ann.ask(b"\x01ann\rsecret of ann", &[1, 3]);
}

#[test]
fn a_hidden_unknown_login_costs_a_hash_like_any_other() {
    let hidden = slow().set("auth.hide_unknown_login=true").set("auth.source_failures=100000");
    let server = hidden.set("auth.account_failures=100000").start();
    // A hash for a login that nobody has keeps a known one waiting or the other way round, and so do two of the former.
    server.peer().sign_up("ann");
    let refused = || vec![1, 3];
    collide(|_| [(log_in("ghost", "wrong guess"), refused()), (log_in("ann", "secret of ann"), refused())], &server);
    collide(|_| [(log_in("ghost", "guess"), refused()), (log_in("not a login", "guess"), refused())], &server);
}

#[test]
fn a_hash_is_renewed_at_log_in_when_the_parameters_have_changed() {
    let parameters = Settings::default().auth;
    let default = || {
        let memory = format!("auth.argon2_memory={}KiB", parameters.argon2_memory / 1024);
        let iterations = format!("auth.argon2_iterations={}", parameters.argon2_iterations);
        Setup::new().set(&memory).set(&iterations)
    };
    let server = Setup::new().set("auth.argon2_lanes=2").start();
    server.peer().sign_up("ann");
    let scratch = server.stop();
    let hash = || stored::<String>(&scratch, "password", "ann");
    let first = hash();
    assert!(first.starts_with("$argon2id$v=19$m=64,t=1,p=2$"), "{first}");

    // Who does not know the password changes nothing.
    let server = default().on(&scratch).start();
    server.peer().ask(b"\x01ann\rwrong guess", &[1, 2]);
    server.stop();
    assert_eq!(hash(), first);

    let server = default().on(&scratch).start();
    server.peer().log_in("ann");
    let record = server.logged("password hash renewed");
    assert_eq!(record["login"], "ann");
    server.peer().log_in("ann");
    assert_eq!(server.records().iter().filter(|record| record.contains("password hash renewed")).count(), 1);
    server.stop();
    assert!(hash().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", hash());

    let server = Setup::new().on(&scratch).start();
    server.peer().log_in("ann");
}

#[test]
fn a_password_is_as_long_as_it_has_characters() {
    let scratch = Arc::new(Scratch::new());
    let server = Setup::new().on(&scratch).start();
    let mut peer = server.peer();
    let sign_up = |login: &str, password: &str| format!("\0{login}@example.org\r{login}\r{password}").into_bytes();
    peer.ask(&sign_up("ann", &"ż".repeat(7)), &[0, 3]);
    peer.ask(&sign_up("ann", &"z\u{307}".repeat(7)), &[0, 3]);
    peer.ask(&sign_up("ann", &"ż".repeat(8)), &[0, 0]);

    let file = scratch.path("root/etc/messengerd/messengerd.toml");
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(&file, "[accounts]\npassword_min_length = 12\n").unwrap();
    server.signal(Signal::SIGHUP);
    server.logged("configuration reloaded");
    peer.ask(&sign_up("bob", &"ż".repeat(11)), &[0, 3]);
    peer.ask(&sign_up("bob", &"ż".repeat(12)), &[0, 0]);
    // What was set earlier stays valid.
    peer.send(&log_in("ann", &"ż".repeat(8)));
    assert_eq!(peer.receive()[..2], [1, 0]);
}

#[test]
fn a_password_is_one_however_it_is_typed_and_its_case_counts() {
    let server = Server::start();
    let mut peer = server.peer();
    peer.ask("\0ann@example.org\rann\rZażółć gęślą jaźń".as_bytes(), &[0, 0]);
    for same in [
        "Zażółć gęślą jaźń",
        "Zaz\u{307}o\u{301}łc\u{301} ge\u{328}s\u{301}la\u{328} jaz\u{301}n\u{301}",
        "Zażółć\u{3000}gęślą\u{a0}jaźń",
    ] {
        peer.send(&log_in("ann", same));
        assert_eq!(peer.receive()[..2], [1, 0], "{same:?}");
    }
    peer.ask(&log_in("ann", "zażółć gęślą jaźń"), &[1, 2]);
}

#[test]
fn a_login_is_one_in_any_case_and_width() {
    let server = Server::start();
    let mut ann = server.peer();
    ann.sign_up("Ann");
    let mut bob = server.person("bob");
    assert_eq!(bob.add("ＡＮＮ"), 0);
    for same in ["ann", "ANN", "aNN", "ａｎｎ", "ＡＮＮ"] {
        ann.send(&log_in(same, "secret of Ann"));
        assert_eq!(ann.receive()[..3], [1, 0, b'\r'], "{same:?}");
    }
    ann.ask("\0other@example.org\rＡnn\rsecret of Ann".as_bytes(), &[0, 4]);
    // She is told to others in the one spelling, whatever they write.
    bob.sees("ann", 1);
    bob.write("aNN", "hello");
    ann.expect(b"\x02bob\rhello");
    assert_eq!(bob.contacts(), b"\x03\0\rann\r\x01");
}

#[test]
fn a_disabled_account_is_told_so_to_who_knows_its_password_only() {
    let server = Server::start();
    server.peer().sign_up("ann");
    let scratch = server.stop();
    let disable = |disabled: bool| {
        let db = Connection::open(scratch.database()).unwrap();
        assert_eq!(db.execute("UPDATE accounts SET disabled = ?1 WHERE login = 'ann'", [disabled]).unwrap(), 1);
    };
    disable(true);
    let server = Setup::new().on(&scratch).start();
    let mut peer = server.peer();
    peer.ask(b"\x01ann\rwrong guess", &[1, 2]);
    peer.ask(b"\x01ann\rsecret of ann", &[1, 4]);
    // Messages wait for her meanwhile.
    let mut bob = server.person("bob");
    bob.write("ann", "still there?\n");
    bob.barrier();
    server.stop();
    disable(false);
    let server = Setup::new().on(&scratch).start();
    Person::log_in(server.peer(), "ann").hears("bob", "still there?\n");
}
