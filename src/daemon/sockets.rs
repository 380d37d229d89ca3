//! The listeners: what systemd passed, else what the configuration names.

use crate::config::{ListenAddress, Settings};
use crate::handover;
use crate::host::descriptor_store::DescriptorStore;
use crate::host::journal::Chain;
use crate::host::privileges::Identity;
use crate::host::sockets::{self, Listener, NamedListener, Reach, SocketError, Stored, TcpOptions};
use crate::listener;
use crate::metrics;
use std::io;
use std::net::Ipv6Addr;
use std::os::unix::fs::lchown;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

/// People's clients. The only protocol so far, and so the only name of a socket for them.
const CLASSIC: &str = "classic";
/// Administrators' commands.
const CONTROL: &str = "control";
/// Programs that collect metrics.
const METRICS: &str = "metrics";

/// All that is listened on.
pub(super) struct Sockets {
    /// Where people's clients connect.
    pub(super) clients: Vec<Open>,
    /// Where administrators' commands come in.
    pub(super) control: Vec<UnixListener>,
    /// Where metrics are asked for.
    pub(super) metrics: Vec<Open>,
}

/// A listener that stands, not yet on the runtime.
pub(super) struct Open {
    /// Where, for log lines.
    pub(super) address: String,
    source: &'static str,
    listener: Listener,
    /// The file of a UNIX socket that we made ourselves.
    file: Option<PathBuf>,
}

/// Takes what systemd passed; where it passed none of a name, binds what the configuration says: `listen.classic`,
/// `listen.control`, `listen.metrics`. Before there are threads, and before privileges go. With a `store` of descriptors comes what was
/// in it.
pub(super) fn open(
    settings: &Settings,
    store: Option<&DescriptorStore>,
) -> Result<(Sockets, Vec<Stored>), SocketError> {
    let inherited = sockets::inherited(&[CLASSIC, CONTROL, METRICS], store.is_some(), handover::is_name)?;
    tell_closed(&inherited.closed, store);
    let (control, others): (Vec<_>, Vec<_>) = inherited.listeners.into_iter().partition(|named| named.name == CONTROL);
    let (metrics, classic): (Vec<_>, Vec<_>) = others.into_iter().partition(|named| named.name == METRICS);
    let sockets = Sockets {
        clients: open_classic(classic, settings)?,
        control: open_control(control, settings)?,
        metrics: open_either(metrics, &settings.listen.metrics, "listen.metrics")?,
    };
    Ok((sockets, inherited.stored))
}

/// Where there is a store, they would come again.
fn tell_closed(names: &[String], store: Option<&DescriptorStore>) {
    let Some(store) = store else {
        if !names.is_empty() {
            let descriptors = names.len();
            tracing::info!(descriptors, "what the process before has left is closed: systemd keeps nothing for us now");
        }
        return;
    };
    for name in names {
        tracing::warn!(name, "systemd kept a socket that is none to keep, or a name that is a socket's; it is closed");
        // If that is lost, it is logged, and the next process tries again.
        let _ = store.remove(name);
    }
}

fn open_classic(inherited: Vec<NamedListener>, settings: &Settings) -> Result<Vec<Open>, SocketError> {
    let open = open_either(inherited, &settings.listen.classic, "listen.classic")?;
    let connections = &settings.connections;
    let options = TcpOptions {
        keepalive_idle: connections.keepalive_idle,
        keepalive_interval: connections.keepalive_interval,
        user_timeout: connections.user_timeout,
    };
    for open in &open {
        if let Listener::Tcp(listener) = &open.listener {
            sockets::set_tcp_options(listener, &options)?;
        }
    }
    Ok(open)
}

/// What systemd passed of a name, else what the configuration says under a key.
fn open_either(
    inherited: Vec<NamedListener>,
    configured: &[ListenAddress],
    key: &'static str,
) -> Result<Vec<Open>, SocketError> {
    let (source, listeners) = if inherited.is_empty() {
        (key, bind_all(configured)?)
    } else {
        ("systemd", inherited.into_iter().map(|named| (named.listener, None)).collect())
    };
    let open = |(listener, file)| Open { address: address(&listener), source, listener, file };
    Ok(listeners.into_iter().map(open).collect())
}

/// One that we bind stays with whom it was bound as: where that is root, whom we become needs no orders from itself.
fn open_control(inherited: Vec<NamedListener>, settings: &Settings) -> Result<Vec<UnixListener>, SocketError> {
    let listeners = match &settings.listen.control {
        Some(path) if inherited.is_empty() => {
            vec![("listen.control", Listener::Unix(sockets::bind_unix(path, Reach::Owner)?))]
        }
        _ => inherited.into_iter().map(|named| ("systemd", named.listener)).collect(),
    };
    let mut control = Vec::new();
    for (source, listener) in listeners {
        let address = address(&listener);
        let Listener::Unix(listener) = listener else {
            return Err(SocketError::NotUnix { name: CONTROL, address });
        };
        tracing::info!(source, "taking orders at {address}");
        control.push(listener);
    }
    Ok(control)
}

/// Binds all addresses; with a UNIX socket comes the path of its file. An IPv6 loopback address that this machine does
/// not have is passed over where another one stands: the default names both, and must do on a machine without IPv6.
fn bind_all(addresses: &[ListenAddress]) -> Result<Vec<(Listener, Option<PathBuf>)>, SocketError> {
    let mut listeners = Vec::new();
    for address in addresses {
        let listener = match address {
            ListenAddress::Tcp(address) => sockets::bind_tcp(*address).map(|listener| (Listener::Tcp(listener), None)),
            ListenAddress::Unix(path) => {
                sockets::bind_unix(path, Reach::Group).map(|listener| (Listener::Unix(listener), Some(path.clone())))
            }
        };
        match (listener, address) {
            (Err(error @ SocketError::NoSuchAddress { .. }), ListenAddress::Tcp(address))
                if address.ip() == Ipv6Addr::LOCALHOST && !listeners.is_empty() =>
            {
                tracing::warn!(error = %Chain(&error), "passed over: this machine has no IPv6");
            }
            (listener, _) => listeners.push(listener?),
        }
    }
    Ok(listeners)
}

/// Gives the files of UNIX sockets to whom we become: what root has made, only root's group could connect to.
/// Those of systemd are as its unit says (`SocketUser=`, `SocketGroup=`).
pub(super) fn give_over<'a>(open: impl Iterator<Item = &'a Open>, identity: &Identity) -> Result<(), SocketError> {
    if let Identity::Unchanged { .. } = identity {
        return Ok(());
    }
    for file in open.filter_map(|open| open.file.as_deref()) {
        lchown(file, Some(identity.uid().as_raw()), Some(identity.gid().as_raw())).map_err(|source| {
            SocketError::Failed { address: file.display().to_string(), doing: "giving the socket over", source }
        })?;
    }
    Ok(())
}

fn address(listener: &Listener) -> String {
    let address = match listener {
        Listener::Tcp(listener) => listener.local_addr().map(|address| address.to_string()),
        Listener::Unix(listener) => listener.local_addr().map(|address| match address.as_pathname() {
            Some(path) => path.display().to_string(),
            None => format!("{address:?}"),
        }),
    };
    address.unwrap_or_else(|error| format!("an address that can't be told ({error})"))
}

impl Open {
    /// Puts the listener on the runtime, within which this must be called.
    pub(super) fn register(self) -> io::Result<(String, listener::Listener)> {
        let listener = match self.listener {
            Listener::Tcp(listener) => listener::Listener::Tcp(tokio::net::TcpListener::from_std(listener)?),
            Listener::Unix(listener) => listener::Listener::Unix(tokio::net::UnixListener::from_std(listener)?),
        };
        tracing::info!(protocol = CLASSIC, source = self.source, "listening on {}", self.address);
        Ok((self.address, listener))
    }

    /// The same, for one where metrics are asked for.
    pub(super) fn register_for_metrics(self) -> io::Result<metrics::Listener> {
        tracing::info!(source = self.source, "metrics are at {}", self.address);
        Ok(match self.listener {
            Listener::Tcp(listener) => metrics::Listener::Tcp(tokio::net::TcpListener::from_std(listener)?),
            Listener::Unix(listener) => metrics::Listener::Unix(tokio::net::UnixListener::from_std(listener)?),
        })
    }
}
