//! Starting by hand: where it listens, whose it is, where its state goes; and what is said when it can't be.

use crate::support::{Peer, Person, Scratch, Server, Setup, Somebody, not_tried};
use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

#[test]
fn a_port_that_is_taken_is_named_in_one_line() {
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = other.local_addr().unwrap();
    let failure = Setup::new().leave("listen.classic").argument(&format!("--set=listen.classic={address}")).fail();
    assert_eq!(failure.with(69), format!("{address} is taken: another program listens there (ss -lxtnp shows which)"));
}

#[test]
fn where_one_may_not_listen_is_named_in_one_line() {
    let Some(somebody) = Somebody::here() else { return };
    let refused = |scratch: &Arc<Scratch>, address: &str| {
        let setup = Setup::new().on(scratch).leave("listen.classic");
        let failure = somebody.start(setup.argument(&format!("--set=listen.classic={address}"))).fail();
        assert_eq!(
            failure.with(77),
            format!("no permission to listen on {address}; let systemd pass the socket, or choose another address")
        );
    };
    let scratch = Arc::new(Scratch::new());
    let closed = scratch.path("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, Permissions::from_mode(0o555)).unwrap();
    refused(&scratch, &closed.join("classic.sock").display().to_string());
    let first_free = fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start").unwrap();
    if first_free.trim().parse::<u32>().unwrap() > 1023 {
        refused(&scratch, "127.0.0.1:1023");
    } else {
        not_tried("everybody may listen on every port here (net.ipv4.ip_unprivileged_port_start)");
    }
}

#[test]
fn a_path_of_the_configuration_is_listened_on_for_whole_conversations() {
    let scratch = Arc::new(Scratch::new());
    let path = scratch.path("classic.sock");
    scratch.configure(&format!("[listen]\nclassic = [\"127.0.0.1:0\", \"{}\"]\n", path.display()));
    let server = Setup::new().on(&scratch).leave("listen.classic").start();
    let mut ann = Person::sign_up(Peer::connect_unix(&path), "ann");
    let mut bob = Person::sign_up(Peer::connect_unix(&path), "bob");
    let mut cat = server.person("cat");
    assert_eq!(ann.add("bob"), 1);
    // More than a socket holds; and each packet is a read.
    let texts: Vec<String> = (0..100).map(|number| format!("{number} {}", "x".repeat(3000))).collect();
    for text in &texts {
        ann.write("bob", text);
    }
    for text in &texts {
        bob.hears("ann", text);
    }
    bob.write("cat", "from a path to a port");
    cat.hears("bob", "from a path to a port");
    drop(bob);
    ann.sees("bob", 0);
    // It can be bound again after the end, though its file stays.
    let scratch = server.stop();
    let server = Setup::new().on(&scratch).leave("listen.classic").start();
    Person::log_in(Peer::connect_unix(&path), "bob").barrier();
    let file = fs::metadata(&path).unwrap();
    assert_eq!(file.permissions().mode() & 0o777, 0o660);
    // So that the group of the service can be let in.
    let state = fs::metadata(scratch.state()).unwrap();
    assert_eq!((file.uid(), file.gid()), (state.uid(), state.gid()));
    drop(server);
}

/// What a program says and how it ends, with the configuration below this folder.
fn said(program: &str, arguments: &[&str], root: &Path) -> (Option<i32>, String, String) {
    let output = Command::new(program).args(arguments).arg("--root").arg(root).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn a_faulty_configuration_is_told_with_file_line_and_key_the_same_by_all() {
    let scratch = Arc::new(Scratch::new());
    let file = scratch.configure("[accounts]\n\nsign_up = \"maybe\"\n[auth]\nhashing_thread = 2\n");
    let failure = Setup::new().on(&scratch).fail();
    assert_eq!(failure.status.code(), Some(78));
    for fault in [":3: accounts.sign_up: ", ":5: auth.hashing_thread: unknown key"] {
        let place = format!("{}{fault}", file.display());
        assert!(failure.said.contains(&place), "{place} is missing in:\n{}", failure.said);
    }
    assert!(!scratch.state().exists(), "nothing was begun");

    let root = scratch.path("root");
    let daemon = said(env!("CARGO_BIN_EXE_messengerd"), &["--check-config"], &root);
    let control = said(env!("CARGO_BIN_EXE_messengerctl"), &["config", "check"], &root);
    assert_eq!(daemon, control);
    assert_eq!((daemon.0, daemon.1.as_str(), daemon.2.trim()), (Some(78), "", failure.said.trim()));
    scratch.configure("[accounts]\nsign_up = \"closed\"\n");
    let daemon = said(env!("CARGO_BIN_EXE_messengerd"), &["--check-config"], &root);
    assert_eq!(daemon, said(env!("CARGO_BIN_EXE_messengerctl"), &["config", "check"], &root));
    assert_eq!((daemon.0, daemon.2.as_str()), (Some(0), ""));
}

#[test]
fn an_ordinary_user_needs_nothing_but_a_home() {
    let Some(somebody) = Somebody::here() else { return };
    for (variable, value, database) in [
        ("STATE_DIRECTORY", "state-directory", "state-directory/messengerd.sqlite"),
        ("XDG_STATE_HOME", "xdg", "xdg/messengerd/messengerd.sqlite"),
        ("HOME", "home", "home/.local/state/messengerd/messengerd.sqlite"),
    ] {
        let scratch = Arc::new(Scratch::new());
        let folder = scratch.path(value);
        fs::create_dir(&folder).unwrap();
        somebody.owns(&folder);
        let setup = Setup::new().on(&scratch).leave("state.directory").environment(variable, folder.to_str().unwrap());
        let server = somebody.start(setup).start();
        server.person("ann").barrier();
        assert!(scratch.path(database).exists(), "no {database}");
        assert!(server.logged("running as")["message"].as_str().unwrap().ends_with(", as started"));
    }
}

#[test]
fn without_any_place_for_the_database_it_says_what_to_set() {
    let Some(somebody) = Somebody::here() else { return };
    let failure = somebody.start(Setup::new().leave("state.directory")).fail();
    assert_eq!(
        failure.with(78),
        "there is no directory for the database: set state.directory, or STATE_DIRECTORY, XDG_STATE_HOME or HOME"
    );
}

#[test]
fn who_started_it_with_cargo_is_told_what_to_type_next() {
    let server = Setup::new().environment("CARGO", "cargo").start();
    let address = server.address();
    server.said("Ready. In another terminal:");
    server.said(&format!("    cargo run --release --bin messenger -- --server {address} signup ann"));
    server.said("Ctrl-C stops the server");
}

#[test]
fn a_second_daemon_on_the_same_state_is_refused_and_the_first_goes_on() {
    let server = Server::start();
    let mut ann = server.person("ann");
    let failure = Setup::new().on(&server.scratch).fail();
    let lock = server.scratch.state().join("messengerd.lock");
    assert_eq!(
        failure.with(75),
        format!(
            "{}: another messengerd is running on this state directory; stop it first, or give this one its own",
            lock.display()
        )
    );
    ann.barrier();
}
