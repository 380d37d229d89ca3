//! Socket activation, as systemd does it: descriptors from 3 on, and variables that name them.

use super::{Named, Scene, child_of_shell, said};
use messengerd::host::sockets::{Listener, inherited};
use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::process::Stdio;

pub(crate) const SCENES: &[Named] = &[
    ("sockets::systemds_listeners_come_by_name_and_two_may_share_one", two_tcp_listeners_share_a_name),
    ("sockets::a_unix_listener_comes_beside_a_tcp_listener", a_unix_listener_beside_a_tcp_listener),
    ("sockets::an_unknown_name_is_refused_with_the_known_ones", an_unknown_name),
    ("sockets::without_names_the_remedy_is_told", without_names),
    ("sockets::what_is_no_listener_is_refused_by_number_and_name", what_is_no_listener),
    ("sockets::sockets_for_another_process_are_left_alone", sockets_for_another_process),
    ("sockets::what_the_store_kept_comes_beside_the_listeners", what_the_store_kept),
    ("sockets::a_listener_of_an_unknown_name_is_not_from_the_store", a_listener_is_not_from_the_store),
    ("sockets::without_a_store_what_one_has_kept_is_closed", without_a_store),
    ("sockets::behind_what_was_kept_nothing_is_listened_on", behind_what_was_kept),
    ("sockets::a_copy_of_a_listener_is_from_the_store_whatever_its_name", a_copy_of_a_listener),
    ("sockets::what_is_kept_under_the_name_of_a_listener_is_closed", kept_under_the_name_of_a_listener),
    ("sockets::with_a_store_too_a_unit_of_another_kind_is_refused", a_unit_of_another_kind),
    ("sockets::without_systemd_there_are_none", without_systemd),
    ("sockets::a_count_that_is_too_high_is_an_error", a_count_that_is_too_high),
];

fn is_ours(name: &str) -> bool {
    name == "c1a"
}

/// Takes the listeners named `arguments`, and one connection from each.
pub(crate) fn socket_activated(arguments: &[String]) -> Value {
    let known: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = inherited(&known, std::env::var_os("STORE").is_some(), is_ours);
    let left: Vec<String> = std::env::vars().map(|(name, _)| name).filter(|name| name.starts_with("LISTEN_")).collect();
    match outcome {
        Ok(found) => {
            let listeners: Vec<Value> =
                found.listeners.iter().map(|named| describe(&named.name, &named.listener)).collect();
            let stored: Vec<Value> = found.stored.into_iter().map(|(name, kept)| greet(&name, kept)).collect();
            let again = inherited(&known, true, is_ours).unwrap();
            let again = again.listeners.len() + again.stored.len() + again.closed.len();
            json!({ "listeners": listeners, "stored": stored, "closed": found.closed, "left": left, "again": again })
        }
        Err(error) => json!({ "error": error.to_string(), "exit": error.exit() as u8, "left": left }),
    }
}

fn describe(name: &str, listener: &Listener) -> Value {
    let (kind, accepted, again, socket) = match listener {
        Listener::Tcp(tcp) => ("tcp", tcp.accept().is_ok(), tcp.accept().map(drop), tcp.as_fd()),
        Listener::Unix(unix) => ("unix", unix.accept().is_ok(), unix.accept().map(drop), unix.as_fd()),
    };
    let flags = FdFlag::from_bits_truncate(fcntl(socket, FcntlArg::F_GETFD).unwrap());
    let mode = OFlag::from_bits_truncate(fcntl(socket, FcntlArg::F_GETFL).unwrap());
    json!({
        "name": name,
        "kind": kind,
        "accepted": accepted,
        "would block": again.unwrap_err().kind() == std::io::ErrorKind::WouldBlock,
        "non-blocking": mode.contains(OFlag::O_NONBLOCK),
        "close-on-exec": flags.contains(FdFlag::FD_CLOEXEC),
    })
}

/// Says its name to whoever is at the other end of what the store kept.
fn greet(name: &str, kept: OwnedFd) -> Value {
    let flags = FdFlag::from_bits_truncate(fcntl(&kept, FcntlArg::F_GETFD).unwrap());
    UnixStream::from(kept).write_all(name.as_bytes()).unwrap();
    json!({ "name": name, "close-on-exec": flags.contains(FdFlag::FD_CLOEXEC) })
}

/// Starts a child as systemd would, with one or two sockets, and asks it for listeners named `classic` or `control`.
fn activate(sockets: Vec<OwnedFd>, variables: &str) -> Value {
    let order: Vec<usize> = (0..sockets.len()).collect();
    activate_with_copies(sockets, &order, variables)
}

/// The same; `order` says which of the sockets is at 3 and so on, and one may be there twice.
fn activate_with_copies(sockets: Vec<OwnedFd>, order: &[usize], variables: &str) -> Value {
    assert!(sockets.len() <= 2, "the shell has no room for more");
    let moves: Vec<String> = (3..).zip(order).map(|(to, from)| format!("exec {to}<&{from}")).collect();
    let moves = moves.join("\n");
    // What the child says goes to standard error, since standard output may be a socket on its way to 4.
    let script = format!("{moves}\nexec 0</dev/null 1>&2\nexport {variables}\nexec \"$0\" \"$@\"");
    let mut command = child_of_shell(&script, "socket-activated");
    command.args(["classic", "control"]).stderr(Stdio::piped());
    let mut sockets = sockets.into_iter();
    command.stdin(sockets.next().map_or_else(Stdio::null, Stdio::from));
    command.stdout(sockets.next().map_or_else(Stdio::null, Stdio::from));
    let output = command.spawn().expect("there is a shell").wait_with_output().unwrap();
    said(&output.stderr, &output)
}

/// A listener with a client in its queue.
fn tcp_with_a_client() -> (OwnedFd, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (listener.into(), client)
}

/// What a child says that takes what was passed.
fn all(listeners: &[Value], stored: &[Value], closed: &[&str]) -> Value {
    json!({ "listeners": listeners, "stored": stored, "closed": closed, "left": [], "again": 0 })
}

fn taken(name: &str, kind: &str) -> Value {
    json!({
        "name": name,
        "kind": kind,
        "accepted": true,
        "would block": true,
        "non-blocking": true,
        "close-on-exec": true,
    })
}

fn two_tcp_listeners_share_a_name() -> Scene {
    let (first, _client) = tcp_with_a_client();
    let (second, _client2) = tcp_with_a_client();
    // LISTEN_FDS_FIRST_FD is not systemd's and must not shift the count.
    let variables = "LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES=classic:classic LISTEN_FDS_FIRST_FD=7";
    let said = activate(vec![first, second], variables);
    let both = [taken("classic", "tcp"), taken("classic", "tcp")];
    assert_eq!(said, all(&both, &[], &[]));
    Scene::Played
}

fn a_unix_listener_beside_a_tcp_listener() -> Scene {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let unix = UnixListener::bind(&path).unwrap();
    let _client = UnixStream::connect(&path).unwrap();
    let (tcp, _client2) = tcp_with_a_client();
    let said = activate(vec![unix.into(), tcp], "LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES=control:classic");
    let both = [taken("control", "unix"), taken("classic", "tcp")];
    assert_eq!(said, all(&both, &[], &[]));
    Scene::Played
}

fn an_unknown_name() -> Scene {
    let (first, _client) = tcp_with_a_client();
    let (second, _client2) = tcp_with_a_client();
    let variables = "LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES=classic:messengerd.socket";
    let said = activate(vec![first, second], variables);
    assert_eq!(
        said["error"],
        "descriptor 4 from systemd is named \"messengerd.socket\", which is none of: classic, control; \
         set FileDescriptorName=NAME in its socket unit"
    );
    assert_eq!(said["exit"], 78);
    assert_eq!(said["left"], json!([]));
    Scene::Played
}

fn without_names() -> Scene {
    let (socket, _client) = tcp_with_a_client();
    let said = activate(vec![socket], "LISTEN_PID=$$ LISTEN_FDS=1");
    let error = said["error"].as_str().unwrap();
    assert!(error.starts_with("descriptor 3 from systemd is named \"unknown\""), "{error}");
    assert!(error.contains("set FileDescriptorName="), "{error}");
    Scene::Played
}

fn what_is_no_listener() -> Scene {
    let folder = tempfile::tempdir().unwrap();
    let datagrams: OwnedFd = UdpSocket::bind("127.0.0.1:0").unwrap().into();
    let connection: OwnedFd = UnixStream::pair().unwrap().0.into();
    let file: OwnedFd = std::fs::File::create(folder.path().join("file")).unwrap().into();
    let unconnected: OwnedFd = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap().into();
    for socket in [datagrams, connection, file, unconnected] {
        let said = activate(vec![socket], "LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=control");
        let error = said["error"].as_str().unwrap();
        assert!(
            error.starts_with("descriptor 3 from systemd, named \"control\", is no listening TCP or UNIX"),
            "{error}"
        );
        assert_eq!(said["exit"], 78);
    }
    Scene::Played
}

fn what_the_store_kept() -> Scene {
    let (listener, _client) = tcp_with_a_client();
    let (mut peer, kept) = UnixStream::pair().unwrap();
    let variables = "STORE=1 LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES=classic:c1a";
    let said = activate(vec![listener, kept.into()], variables);
    let stored = [json!({ "name": "c1a", "close-on-exec": true })];
    assert_eq!(said, all(&[taken("classic", "tcp")], &stored, &[]));
    let mut heard = String::new();
    peer.read_to_string(&mut heard).unwrap();
    assert_eq!(heard, "c1a");
    Scene::Played
}

fn a_listener_is_not_from_the_store() -> Scene {
    let (listener, _client) = tcp_with_a_client();
    let said = activate(vec![listener], "STORE=1 LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=messengerd.socket");
    let error = said["error"].as_str().unwrap();
    assert!(error.starts_with("descriptor 3 from systemd is named \"messengerd.socket\""), "{error}");
    Scene::Played
}

fn without_a_store() -> Scene {
    let (listener, _client) = tcp_with_a_client();
    let (mut peer, kept) = UnixStream::pair().unwrap();
    let variables = "LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES=classic:c1a";
    let said = activate(vec![listener, kept.into()], variables);
    assert_eq!(said, all(&[taken("classic", "tcp")], &[], &["c1a"]));
    assert_eq!(peer.read(&mut [0]).unwrap(), 0);
    // What is not ours is a socket unit's.
    let said = activate(vec![UnixStream::pair().unwrap().0.into()], "LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=c1b");
    assert!(said["error"].as_str().unwrap().starts_with("descriptor 3 from systemd is named \"c1b\""), "{said}");
    Scene::Played
}

fn behind_what_was_kept() -> Scene {
    let (listener, _client) = tcp_with_a_client();
    let (_peer, kept) = UnixStream::pair().unwrap();
    let stored = [json!({ "name": "c1a", "close-on-exec": true })];
    // By systemd's order it is not a unit's: neither as what we listen on, nor under any other name.
    let variables = "STORE=1 LISTEN_PID=$$ LISTEN_FDS=4 LISTEN_FDNAMES=c1a:classic:messengerd.socket:control";
    let said = activate_with_copies(vec![listener, kept.into()], &[1, 0, 0, 1], variables);
    assert_eq!(said, all(&[], &stored, &["classic", "messengerd.socket", "control"]));
    // Nor without a store.
    let (listener, _client) = tcp_with_a_client();
    let (_peer, kept) = UnixStream::pair().unwrap();
    let variables = "LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES=c1a:classic";
    assert_eq!(activate(vec![kept.into(), listener], variables), all(&[], &[], &["c1a", "classic"]));
    Scene::Played
}

fn a_copy_of_a_listener() -> Scene {
    let folder = tempfile::tempdir().unwrap();
    // systemd passes first what was stored last, so it may stand right behind the units' sockets.
    for (place, name) in ["control", "control", "classic", "c1a", "stranger"].into_iter().enumerate() {
        let (tcp, _client) = tcp_with_a_client();
        let path = folder.path().join(place.to_string());
        let unix = UnixListener::bind(&path).unwrap();
        let _client2 = UnixStream::connect(&path).unwrap();
        let variables = format!("STORE=1 LISTEN_PID=$$ LISTEN_FDS=3 LISTEN_FDNAMES=classic:classic:{name}");
        let said = activate_with_copies(vec![tcp, unix.into()], &[0, 1, place % 2], &variables);
        assert_eq!(said, all(&[taken("classic", "tcp"), taken("classic", "unix")], &[], &[name]));
    }
    Scene::Played
}

fn kept_under_the_name_of_a_listener() -> Scene {
    let folder = tempfile::tempdir().unwrap();
    let connection: OwnedFd = UnixStream::pair().unwrap().0.into();
    let datagrams: OwnedFd = UnixDatagram::unbound().unwrap().into();
    let file: OwnedFd = std::fs::File::create(folder.path().join("file")).unwrap().into();
    for kept in [connection, datagrams, file] {
        // A listener that comes behind may still be a unit's.
        let (listener, _client) = tcp_with_a_client();
        let variables = "STORE=1 LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES=control:classic";
        let said = activate(vec![kept, listener], variables);
        assert_eq!(said, all(&[taken("classic", "tcp")], &[], &["control"]));
    }
    Scene::Played
}

fn a_unit_of_another_kind() -> Scene {
    let folder = tempfile::tempdir().unwrap();
    let (socket, pipe) = (folder.path().join("socket"), folder.path().join("pipe"));
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let pipe = std::fs::File::options().read(true).write(true).open(pipe).unwrap();
    let datagrams = UdpSocket::bind("127.0.0.1:0").unwrap();
    let unix_datagrams = UnixDatagram::bind(socket).unwrap();
    let sequential = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::SEQPACKET, None).unwrap();
    sequential.bind(&socket2::SockAddr::unix(folder.path().join("sequential")).unwrap()).unwrap();
    sequential.listen(1).unwrap();
    for other in [datagrams.into(), unix_datagrams.into(), pipe.into(), sequential.into()] {
        let said = activate(vec![other], "STORE=1 LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=classic");
        let error = said["error"].as_str().unwrap_or_else(|| panic!("{said}"));
        assert!(error.starts_with("descriptor 3 from systemd, named \"classic\", is no listening TCP"), "{error}");
        assert_eq!(said["exit"], 78);
    }
    Scene::Played
}

fn sockets_for_another_process() -> Scene {
    let (socket, _client) = tcp_with_a_client();
    let said = activate(vec![socket], "LISTEN_PID=1 LISTEN_FDS=1 LISTEN_FDNAMES=classic");
    assert_eq!(said, all(&[], &[], &[]));
    Scene::Played
}

fn without_systemd() -> Scene {
    // A parent that took its own sockets may leave names or a count behind.
    for variables in
        ["NOTHING=", "LISTEN_FDNAMES=left:over", "LISTEN_FDS=3", "LISTEN_PID=$$ LISTEN_FDS=0 LISTEN_FDNAMES="]
    {
        let said = activate(Vec::new(), variables);
        assert_eq!(said, all(&[], &[], &[]), "{variables}");
    }
    Scene::Played
}

fn a_count_that_is_too_high() -> Scene {
    let (socket, _client) = tcp_with_a_client();
    let said = activate(vec![socket], "LISTEN_PID=$$ LISTEN_FDS=200 LISTEN_FDNAMES=classic");
    let error = said["error"].as_str().unwrap();
    assert!(error.contains("LISTEN_FDS=200, LISTEN_FDNAMES=classic"), "{error}");
    assert_eq!(said["exit"], 78);
    Scene::Played
}
