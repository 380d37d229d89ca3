//! What a service learns from its environment: whom to notify, and how often to be alive.

use super::{Named, Scene, child_of_shell, said};
use messengerd::host::notify::Notifier;
use messengerd::host::watchdog::interval_from_systemd;
use serde_json::{Value, json};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

pub(crate) const SCENES: &[Named] = &[
    ("systemd::the_environment_names_the_socket_to_notify", the_environment_names_the_socket),
    ("systemd::an_abstract_socket_is_notified_too", an_abstract_socket),
    ("systemd::without_a_socket_or_with_a_strange_one_notifying_is_off", off),
    ("systemd::the_watchdogs_interval_counts_only_for_the_process_it_was_meant_for", the_watchdogs_interval),
];

pub(crate) fn notifying() -> Value {
    let notifier = Notifier::from_environment();
    notifier.ready("up");
    json!({ "on": notifier.is_on(), "interval": interval_from_systemd().map(|interval| interval.as_millis()) })
}

fn with(variables: &str) -> Value {
    let script = format!("export {variables}\nexec \"$0\" \"$@\"");
    let mut command = child_of_shell(&script, "notifying");
    for variable in ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"] {
        command.env_remove(variable);
    }
    let output = command.output().expect("there is a shell");
    said(&output.stdout, &output)
}

fn heard(socket: &UnixDatagram) -> String {
    let mut bytes = [0; 256];
    let length = socket.recv(&mut bytes).unwrap();
    String::from_utf8(bytes[..length].to_vec()).unwrap()
}

fn the_environment_names_the_socket() -> Scene {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let systemd = UnixDatagram::bind(&path).unwrap();
    assert_eq!(with(&format!("NOTIFY_SOCKET={}", path.display()))["on"], true);
    assert_eq!(heard(&systemd), "READY=1\nSTATUS=up\n");
    Scene::Played
}

fn an_abstract_socket() -> Scene {
    let name = format!("messengerd-host-process-{}", std::process::id());
    let systemd = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    assert_eq!(with(&format!("NOTIFY_SOCKET=@{name}"))["on"], true);
    assert_eq!(heard(&systemd), "READY=1\nSTATUS=up\n");
    Scene::Played
}

fn off() -> Scene {
    for variables in ["NOTHING=", "NOTIFY_SOCKET=vsock:2:1234"] {
        assert_eq!(with(variables)["on"], false, "{variables}");
    }
    Scene::Played
}

fn the_watchdogs_interval() -> Scene {
    assert_eq!(with("WATCHDOG_USEC=30000000 WATCHDOG_PID=$$")["interval"], 30_000);
    assert_eq!(with("WATCHDOG_USEC=30000000")["interval"], 30_000);
    for variables in ["WATCHDOG_USEC=30000000 WATCHDOG_PID=1", "WATCHDOG_USEC=0 WATCHDOG_PID=$$", "NOTHING="] {
        assert_eq!(with(variables)["interval"], Value::Null, "{variables}");
    }
    Scene::Played
}
