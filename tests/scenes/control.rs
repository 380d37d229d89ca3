//! Administrators' orders: over the control socket, with messengerctl, and by those who mean no good.

use crate::support::{PATIENCE, Scratch, Server, Setup, until};
use nix::sys::signal::Signal::{SIGCONT, SIGSTOP};
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

const SIGN_UP: &[u8] = b"\x00ann@example.org\rann\rsecret of ann";
const CLOSED: &str = "[accounts]\nsign_up = \"closed\"\n";
/// src/control/stream.rs
const MESSAGE_MAX: usize = 64 * 1_024;

/// A daemon with this configuration that takes orders.
fn listening(text: &str) -> Server {
    let scratch = Arc::new(Scratch::new());
    scratch.configure(text);
    let socket = scratch.control();
    Setup::new().on(&scratch).set(&format!("listen.control={}", socket.display())).start()
}

fn reload_command(socket: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_messengerctl"));
    command.arg("reload").arg("--socket").arg(socket).stdin(Stdio::null());
    command
}

/// `messengerctl reload`: its exit code, and what it says on standard error.
fn reload(socket: &Path) -> (Option<i32>, String) {
    let Output { status, stdout, stderr } = reload_command(socket).output().unwrap();
    assert_eq!(stdout, b"");
    (status.code(), String::from_utf8(stderr).unwrap())
}

/// Somebody at the control socket who has the protocol in hand.
struct Caller(BufReader<UnixStream>);

impl Caller {
    fn connect(server: &Server) -> Self {
        let stream = UnixStream::connect(server.scratch.control()).unwrap();
        // More than the daemon's own patience, and that of a machine under load.
        stream.set_read_timeout(Some(3 * PATIENCE)).unwrap();
        Self(BufReader::new(stream))
    }

    fn send(&mut self, bytes: &[u8]) {
        self.0.get_mut().write_all(bytes).unwrap();
    }

    fn call(&mut self, method: &str, parameters: &Value) -> Value {
        let mut message = json!({ "method": method, "parameters": parameters }).to_string().into_bytes();
        message.push(0);
        self.send(&message);
        let mut answer = Vec::new();
        self.0.read_until(0, &mut answer).unwrap();
        assert_eq!(answer.pop(), Some(0), "the connection was closed");
        serde_json::from_slice(&answer).unwrap()
    }

    fn reload(&mut self) -> Value {
        self.call("io.messengerd.Control.Reload", &json!({}))
    }

    /// Nothing more comes but the end.
    fn closed(&mut self) {
        // What the daemon did not read makes the end a reset.
        let end = loop {
            match self.0.read(&mut [0; 1]) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                end => break end,
            }
        };
        assert!(matches!(&end, Ok(0)) || end.as_ref().is_err_and(|e| e.raw_os_error() == Some(104)), "{end:?}");
    }
}

#[test]
fn a_reload_holds_when_the_command_returns_and_the_journal_says_who_ordered_it() {
    let server = listening("");
    server.scratch.configure(CLOSED);
    let mark = server.notices().len();
    assert_eq!(reload(&server.scratch.control()), (Some(0), String::new()));
    server.peer().ask(SIGN_UP, &[0, 5]);
    server.notified_since(mark, "RELOADING=1");
    assert_eq!(server.notified_since(mark, "READY=1"), "READY=1\nSTATUS=0 online, 0 connections\n");
    let record = server.logged("ordered and done: take the new configuration");
    assert_eq!((&record["audit"], &record["request"]), (&json!(1), &json!("Reload")), "{record}");
    let who = format!("local user {}, process ", nix::unistd::getuid());
    assert!(record["peer"].as_str().unwrap().starts_with(&who), "{record}");
    server.logged("configuration reloaded");
}

#[test]
fn a_faulty_configuration_is_refused_with_all_that_is_wrong_as_the_journal_has_it() {
    let server = listening(CLOSED);
    let file = server.scratch.configure("[accounts]\nsign_up = \"perhaps\"\npasword_min_length = 10\n");
    let mark = server.notices().len();
    let (code, said) = reload(&server.scratch.control());
    assert_eq!(code, Some(78), "{said}");
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(lines.len(), 2, "{said}");
    for (line, number, key) in [(lines[0], 2, "accounts.sign_up"), (lines[1], 3, "accounts.pasword_min_length")] {
        assert!(line.starts_with(&format!("reload refused: {}:{number}: {key}: ", file.display())), "{line}");
        assert_eq!(server.logged(key)["message"], *line);
    }
    assert!(server.notified_since(mark, "READY=1").contains("the configuration has 2 faults, see the journal"));
    // The old settings hold, and a good file is taken afterwards.
    server.peer().ask(SIGN_UP, &[0, 5]);
    server.scratch.configure("");
    assert_eq!(reload(&server.scratch.control()), (Some(0), String::new()));
    server.peer().ask(SIGN_UP, &[0, 0]);
}

#[test]
fn what_needs_a_restart_is_refused_by_name() {
    let server = listening("");
    server.scratch.configure(&format!("{CLOSED}[connections]\nmax = 5\n[store]\nreaders = 3\n"));
    let mark = server.notices().len();
    let refusal = "reload refused: needs a restart: connections.max, store.readers";
    assert_eq!(reload(&server.scratch.control()), (Some(78), format!("{refusal}\n")));
    assert!(server.notified_since(mark, "READY=1").ends_with(&format!("; {refusal}\n")));
    server.peer().ask(SIGN_UP, &[0, 0]);
}

#[test]
fn files_that_landlock_closes_off_are_refused_with_the_reason() {
    let scratch = Arc::new(Scratch::new());
    // Nothing was there at the start, and so nothing there can be read later.
    fs::remove_dir_all(scratch.path("root/etc")).unwrap();
    let socket = scratch.control();
    let server = Setup::new().on(&scratch).set(&format!("listen.control={}", socket.display())).start();
    scratch.configure(CLOSED);
    let (code, said) = reload(&socket);
    assert_eq!(code, Some(78));
    assert!(said.contains("is closed to this process by Landlock; it is read after a restart"), "{said}");
    server.person("ann");
}

#[test]
fn systemds_control_socket_is_taken_beside_that_of_clients() {
    let scratch = Arc::new(Scratch::new());
    let control = UnixListener::bind(scratch.control()).unwrap();
    let classic = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let server = Setup::new()
        .on(&scratch)
        .hand_over([control.into(), classic.into()], "LISTEN_FDS=2 LISTEN_FDNAMES=control:classic")
        // It would fail if it were bound.
        .argument("--set=listen.control=/proc/nowhere")
        .start();
    server.person("ann").barrier();
    assert_eq!(reload(&scratch.control()), (Some(0), String::new()));
}

#[test]
fn a_control_socket_that_is_no_unix_socket_is_refused() {
    let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let failure = Setup::new().hand_over([tcp.into()], "LISTEN_FDS=1 LISTEN_FDNAMES=control").fail();
    assert!(failure.with(78).contains("must be a UNIX socket"), "{}", failure.said);
}

#[test]
fn the_daemons_own_socket_is_for_its_owner_alone() {
    let server = listening("");
    assert_eq!(fs::metadata(server.scratch.control()).unwrap().permissions().mode() & 0o7777, 0o600);
}

#[test]
fn messengerctl_says_when_there_is_nobody_and_when_it_may_not() {
    let scratch = Scratch::new();
    let (code, said) = reload(&scratch.control());
    assert_eq!(code, Some(69), "{said}");
    assert!(said.contains("can't be reached") && said.contains("No such file"), "{said}");
    drop(UnixListener::bind(scratch.control()).unwrap());
    assert_eq!(reload(&scratch.control()).0, Some(69), "a socket that is left over");
}

#[test]
fn a_daemon_that_dies_before_it_answers_is_told() {
    let server = listening("");
    server.signal(SIGSTOP);
    let waiting = reload_command(&server.scratch.control()).stderr(Stdio::piped()).spawn().unwrap();
    let socket = server.scratch.control().display().to_string();
    until("messengerctl has connected", || {
        let sockets = fs::read_to_string("/proc/net/unix").unwrap();
        // The listener, and the connection that waits to be accepted.
        (sockets.lines().filter(|line| line.ends_with(&socket)).count() > 1).then_some(())
    });
    server.kill();
    let Output { status, stderr, .. } = waiting.wait_with_output().unwrap();
    assert_eq!(status.code(), Some(69), "{}", String::from_utf8_lossy(&stderr));
}

#[test]
fn the_interface_describes_itself() {
    let server = listening("");
    let mut caller = Caller::connect(&server);
    let info = caller.call("org.varlink.service.GetInfo", &json!({}));
    assert_eq!(info["parameters"]["product"], "messengerd");
    assert_eq!(info["parameters"]["interfaces"], json!(["io.messengerd.Control", "org.varlink.service"]));
    let name = json!({ "interface": "io.messengerd.Control" });
    let described = caller.call("org.varlink.service.GetInterfaceDescription", &name);
    let described = described["parameters"]["description"].as_str().unwrap();
    assert!(described.contains("\ninterface io.messengerd.Control\n"), "{described}");
    assert!(described.contains("method Reload() -> ()"), "{described}");
    assert!(described.contains("error ReloadRefused (reasons: []string)"), "{described}");
    // Several calls on one connection, right and wrong.
    let unknown = caller.call("io.messengerd.Control.Fly", &json!({ "how": "high" }));
    assert_eq!(unknown["error"], "org.varlink.service.MethodNotFound");
    assert_eq!(unknown["parameters"]["method"], "io.messengerd.Control.Fly");
    let unknown = caller.call("io.messengerd.Control.Reload", &json!({ "force": true }));
    assert_eq!(unknown["error"], "org.varlink.service.InvalidParameter");
    let unknown = caller.call("org.varlink.service.GetInterfaceDescription", &json!({ "interface": "org.example" }));
    assert_eq!(unknown["error"], "org.varlink.service.InterfaceNotFound");
    server.scratch.configure("[store]\nreaders = 3\n");
    let refused = caller.reload();
    assert_eq!(refused["error"], "io.messengerd.Control.ReloadRefused");
    assert_eq!(refused["parameters"]["reasons"], json!(["needs a restart: store.readers"]));
    server.scratch.configure("");
    assert_eq!(caller.reload().get("error"), None);
}

#[test]
fn garbage_ends_its_connection_and_nothing_else() {
    let server = listening("");
    for garbage in [
        &b"GET / HTTP/1.1\r\n\r\n\0"[..],
        b"\0",
        b"{}\0",
        b"[1, 2]\0",
        b"{\"method\": 7}\0",
        b"\xff\xfe\0",
        b"{\"method\"\0",
    ] {
        let mark = server.records().len();
        let mut stranger = Caller::connect(&server);
        stranger.send(garbage);
        stranger.closed();
        server.said_since(mark, "what came is no call");
        assert_eq!(Caller::connect(&server).reload().get("error"), None);
    }
    server.person("ann");
}

#[test]
fn a_message_is_as_long_as_it_may_be_and_no_longer() {
    let server = listening("");
    let call = br#"{"method":"io.messengerd.Control.Reload","parameters":{}}"#;
    let mut caller = Caller::connect(&server);
    caller.send(call);
    caller.send(&vec![b' '; MESSAGE_MAX - call.len() - 1]);
    caller.send(&[0]);
    let mut answer = Vec::new();
    caller.0.read_until(0, &mut answer).unwrap();
    assert!(answer.starts_with(b"{"), "{answer:?}");

    let mut stranger = Caller::connect(&server);
    let endless = std::iter::repeat_n([b' '; 1_024], 1_024).flatten().collect::<Vec<_>>();
    // It is closed somewhere on the way.
    let _ = stranger.0.get_mut().write_all(&endless);
    stranger.closed();
    assert_eq!(server.logged("a message of more than 65536 bytes")["level"], "WARN");
    assert_eq!(caller.reload().get("error"), None);
}

#[test]
fn whoever_says_nothing_or_half_a_message_is_closed_in_the_end() {
    let server = listening("");
    let (mut silent, mut halfway) = (Caller::connect(&server), Caller::connect(&server));
    halfway.send(b"{\"method\":");
    silent.closed();
    halfway.closed();
    assert_eq!(server.logged("no whole message came in time")["level"], "WARN");
    assert_eq!(reload(&server.scratch.control()), (Some(0), String::new()));
}

#[test]
fn one_control_connection_more_than_there_may_be_is_closed_at_once_and_people_are_not_counted() {
    let server = Setup::new().set("connections.max=2");
    let scratch = Arc::new(Scratch::new());
    let server = server.on(&scratch).set(&format!("listen.control={}", scratch.control().display())).start();
    let (mut ann, mut bob) = (server.person("ann"), server.person("bob"));
    let mut callers: Vec<_> = (0..8).map(|_| Caller::connect(&server)).collect();
    for caller in &mut callers {
        assert_eq!(caller.reload().get("error"), None);
    }
    Caller::connect(&server).closed();
    assert_eq!(server.logged("there are 8 already")["level"], "WARN");
    ann.write("bob", "with all of them here");
    bob.hears("ann", "with all of them here");
    let mark = server.notices().len();
    server.signal(nix::sys::signal::Signal::SIGHUP);
    assert_eq!(server.notified_since(mark, "READY=1"), "READY=1\nSTATUS=2 online, 2 connections\n");
    drop(callers);
    until("a place gets free", || (reload(&scratch.control()).0 == Some(0)).then_some(()));
}

#[test]
fn orders_of_many_are_carried_out_one_at_a_time() {
    let server = listening("");
    server.signal(SIGSTOP);
    let waiting: Vec<_> = (0..4).map(|_| reload_command(&server.scratch.control()).spawn().unwrap()).collect();
    server.signal(SIGCONT);
    for mut command in waiting {
        assert!(command.wait().unwrap().success());
    }
    let notices = server.notices();
    let order: Vec<_> =
        notices.iter().filter_map(|notice| notice.split(['\n', '=']).next()).filter(|word| *word != "STATUS").collect();
    assert_eq!(order[1..], ["RELOADING", "READY"].repeat(4), "{notices:?}");
}
