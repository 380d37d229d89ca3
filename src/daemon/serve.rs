//! From READY to STOPPING.

use super::population::Population;
use super::reload::Refusal;
use super::sockets::Sockets;
use super::takeover::{self, Left};
use super::{Daemon, StartError, figures, greeting, orders, reload, retention};
use crate::accounts::Accounts;
use crate::config::Settings;
use crate::connection::Shared;
use crate::handlers::Core;
use crate::host::threads;
use crate::host::watchdog::{self, Probe, Watchdog};
use crate::listener;
use crate::notifier;
use crate::sessions::Sessions;
use crate::store::{Committed, Store};
use std::io;
use std::num::NonZero;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Duration;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// For connections to end when they have been told to give up.
const LAST_MOMENT: Duration = Duration::from_millis(500);

fn failed(doing: &'static str) -> impl FnOnce(io::Error) -> StartError {
    move |source| StartError::Runtime { doing, source }
}

/// How many threads connections are served on. Counting CPUs reads what the control group allows.
pub(super) fn worker_threads(settings: &Settings) -> usize {
    match settings.process.worker_threads {
        0 => std::thread::available_parallelism().map_or(1, NonZero::get),
        threads => threads,
    }
}

/// Beside those of the runtime: one writes, one reads.
const OF_THE_STORE: usize = 2;

/// Whether the system allows the threads without which there is no serving: the runtime panics where it does not.
pub(super) fn check_threads(threads: usize) -> Result<(), StartError> {
    threads::can_have(threads.saturating_add(OF_THE_STORE)).map_err(failed("its threads"))
}

/// The threads that connections are served on.
pub(super) fn runtime(threads: usize) -> Result<Runtime, StartError> {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(threads).enable_all().thread_name("messengerd").build().map_err(failed("its threads"))
}

/// What the daemon is told from outside.
enum Told {
    Stop(&'static str),
    Reload,
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Told {
        tokio::select! {
            _ = self.terminate.recv() => Told::Stop("SIGTERM"),
            _ = self.interrupt.recv() => Told::Stop("SIGINT"),
            _ = self.hang_up.recv() => Told::Reload,
        }
    }

    /// A reload comes too late by now.
    async fn stop(&mut self) -> &'static str {
        loop {
            if let Told::Stop(signal) = self.next().await {
                return signal;
            }
        }
    }
}

/// Serves until told to stop, or until a listener breaks.
pub(super) async fn serve(
    mut daemon: Daemon,
    sockets: Sockets,
    left: Option<Left>,
    store: Store,
    committed: mpsc::Receiver<Vec<Committed>>,
) -> Result<(), StartError> {
    // From here on a signal is heard, even if it comes before READY.
    let mut signals = Signals::listen().map_err(failed("its signals"))?;
    let sessions = Arc::new(Sessions::default());
    let core = Core {
        accounts: Accounts::start(store.clone(), daemon.live.clone()).map_err(failed("the threads that hash"))?,
        sessions: Arc::clone(&sessions),
        store: store.clone(),
    };
    let (handover, heirs) = match left {
        Some(left) => left.begin().map(|(handover, heirs)| (Some(handover), Some(heirs)))?,
        None => (None, None),
    };
    let shared = Shared::new(core, daemon.live.clone(), handover).map_err(failed("its connections"))?;
    // Before anybody is told anything: sessions that go on were online all the time.
    let heirs = match heirs {
        Some(heirs) => heirs.take_up(&shared).await,
        None => Vec::new(),
    };
    let population = Arc::new(Population::default());
    let mut rounds = rounds(&daemon, &shared, &population, committed);
    let mut hearing = JoinSet::new();
    let room = Arc::clone(&shared);
    hearing.spawn(async move { room.connections.run().await });

    for connection in heirs {
        connection.wake();
        shared.connections.take_up(&connection);
    }
    let mut addresses = Vec::new();
    let mut accepting = JoinSet::new();
    for open in sockets.clients {
        let (address, listener) = open.register().map_err(failed("its listeners"))?;
        addresses.push(address.clone());
        let accept = listener::accept(listener, Arc::clone(&shared));
        accepting.spawn(async move { accept.await.map_err(|source| StartError::Listener { address, source }) });
    }
    let probe = probe(Handle::current(), Arc::clone(&sessions), store.clone());
    let watchdog = Watchdog::start(watchdog::interval_from_systemd(), daemon.notifier.clone(), probe)
        .map_err(failed("the watchdog"))?;

    let rooms = figures::Rooms::of(&shared, &mut daemon);
    let showing = figures::show(sockets.metrics, &rooms)?;
    let (takers, mut ordered) = orders::take(sockets.control, &shared.core, &daemon.live, rooms)?;

    daemon.sandbox.confine_calls()?;
    population.lacks(daemon.sandbox.missing());

    population.tell_with(&shared, |status| daemon.notifier.ready(status));
    greeting::greet(&addresses);
    // One at a time, whoever asks.
    let reload = || reload_and_tell(&daemon, &shared, &population);
    let outcome = takers
        .run_until(async {
            loop {
                tokio::select! {
                    told = signals.next() => match told {
                        Told::Stop(signal) => {
                            tracing::info!(signal, "stopping");
                            break Ok(());
                        }
                        Told::Reload => drop(reload()),
                    },
                    Some(order) = ordered.recv() => orders::carry_out(order, &daemon.log, reload),
                    Some(Ok(Err(broken))) = accepting.join_next() => break Err(broken),
                    Some(Ok(Err(source))) = hearing.join_next() => {
                        break Err(StartError::Runtime { doing: "what it hears of its connections", source });
                    }
                }
            }
        })
        .await;
    drop((takers, showing));

    daemon.notifier.stopping();
    shared.stop.cancel();
    accepting.join_all().await;
    end_connections(&daemon, &shared, &mut signals).await;
    // Nobody is left who could be told anything, and what they read is about to be closed.
    rounds.abort_all();
    if let Err(error) = store.stop().await {
        tracing::warn!(error = %error.chain(), "the last cursors were not written: some messages may come twice");
    }
    drop(watchdog);
    tracing::info!("stopped");
    outcome
}

/// Reloads, and tells systemd when it began and ended, and in the status what became of it.
fn reload_and_tell(daemon: &Daemon, shared: &Shared, population: &Population) -> Result<(), Refusal> {
    daemon.notifier.reloading();
    let outcome = reload::reload(daemon);
    population.remark(outcome.as_ref().err().map(|refusal| refusal.summary.clone()));
    population.tell_with(shared, |status| daemon.notifier.ready_again(status));
    outcome
}

/// Lets connections come to their end, or leaves them to the next process.
async fn end_connections(daemon: &Daemon, shared: &Shared, signals: &mut Signals) {
    let connections = &shared.connections;
    connections.rouse_all();
    let deadline = takeover::deadline(shared, daemon.live.get().process.stop_deadline);
    let goes_on = shared.handover.is_some();
    tokio::select! {
        () = connections.wait_until_empty() => {}
        () = tokio::time::sleep(deadline) => {
            let left = connections.len();
            if goes_on {
                tracing::warn!(left, "not all requests were answered in time; the connections they came on are closed");
            } else {
                tracing::warn!(left, "not all clients took what waited for them in time; it stays in their mailboxes");
            }
        }
        signal = signals.stop() => tracing::warn!(signal, "stopping without delay"),
    }
    shared.give_up.cancel();
    if goes_on {
        takeover::leave(shared).await;
    } else {
        // They need a moment to note what was taken, and to take back what was not.
        let _ = tokio::time::timeout(LAST_MOMENT, connections.wait_until_empty()).await;
    }
}

/// The tasks that go their rounds as long as the daemon serves; they end when this is dropped.
fn rounds(
    daemon: &Daemon,
    shared: &Arc<Shared>,
    population: &Arc<Population>,
    committed: mpsc::Receiver<Vec<Committed>>,
) -> JoinSet<()> {
    let mut rounds = JoinSet::new();
    let room = Arc::clone(shared);
    rounds.spawn(async move { notifier::deliver(&room.core.sessions, committed).await });
    let room = Arc::clone(shared);
    rounds.spawn(async move {
        let core = &room.core;
        notifier::announce(&core.sessions, &core.store, || core.accounts.contacts_policy()).await;
    });
    let room = Arc::clone(shared);
    rounds.spawn(async move { room.core.store.keep_cursors().await });
    let room = Arc::clone(shared);
    rounds.spawn(async move { room.core.store.file_when_quiet().await });
    let room = Arc::clone(shared);
    rounds.spawn(async move { room.core.store.go_on_erasing().await });
    let (room, live) = (Arc::clone(shared), daemon.live.clone());
    rounds.spawn(async move { retention::go_rounds(&room.core.store, &live).await });
    let room = Arc::clone(shared);
    rounds.spawn(async move { room.pacer.run().await });
    let room = Arc::clone(shared);
    rounds.spawn(async move { room.connections.end_strangers(&room).await });
    if daemon.notifier.is_on() {
        let (room, population) = (Arc::clone(shared), Arc::clone(population));
        let notifier = daemon.notifier.clone();
        rounds.spawn(async move { population.tell(&notifier, &room).await });
    }
    rounds
}

/// Goes through the runtime, the sessions and the store's writer, and back.
fn probe(runtime: Handle, sessions: Arc<Sessions>, store: Store) -> Probe {
    Box::new(move |allowed: Duration| {
        let (done, answer) = sync_channel(1);
        let (sessions, store) = (Arc::clone(&sessions), store.clone());
        runtime.spawn(async move {
            let _ = sessions.accounts_online();
            // Nobody listens any more if it took too long.
            let _ = done.send(store.probe().await.is_ok());
        });
        answer.recv_timeout(allowed) == Ok(true)
    })
}
