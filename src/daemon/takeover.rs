//! From one process to the next: taking up what is there, and leaving what goes on.

use super::StartError;
use crate::config::Settings;
use crate::connection::{Connection, Shared, Stream};
use crate::domain::{AccountId, AccountMap, Login};
use crate::handover::{Gone, Handover, Inheritance, Kept, Line, OUR_OWN, roll, state};
use crate::host::descriptor_store::DescriptorStore;
use crate::host::notify::Notifier;
use crate::host::sockets::Stored;
use crate::sessions::Session;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

/// How long requests may take to be answered when the next process waits to go on. Those that take longer cost their
/// connection.
const QUICK: Duration = Duration::from_millis(500);
/// How long contacts may take to be told what they have not been told by then.
const TELLING: Duration = Duration::from_millis(200);

/// How long peers' kernels may take to acknowledge what was written: longer than Linux puts off an acknowledgement.
const TAKING: Duration = Duration::from_millis(100);
/// How often is looked whether they have.
const LOOK: Duration = Duration::from_millis(2);

/// systemd's store for this process, if it has one; then there is room in it for all connections.
pub(super) fn store(notifier: &Notifier, settings: &Settings) -> Result<Option<DescriptorStore>, StartError> {
    let store = DescriptorStore::from_environment(notifier)
        .map_err(|source| StartError::Runtime { doing: "a pair of sockets", source })?;
    let Some(store) = store else {
        tracing::info!("connections end with this process: systemd keeps no descriptors for it");
        return Ok(None);
    };
    let connections = settings.connections.max;
    if connections > roll::LINES {
        return Err(StartError::TooManyToKeep { connections });
    }
    if connections + OUR_OWN > store.max() {
        return Err(StartError::DescriptorStore { connections, kept: store.max().saturating_sub(OUR_OWN) });
    }
    Ok(Some(store))
}

/// What the process before has left, sorted.
pub(super) struct Left {
    inheritance: Inheritance,
    store: DescriptorStore,
}

impl Left {
    pub(super) fn sort(stored: Vec<Stored>, store: DescriptorStore) -> Result<Self, StartError> {
        let inheritance = Inheritance::sort(stored, &store)
            .map_err(|source| StartError::Runtime { doing: "what the process before has left", source })?;
        Ok(Self { inheritance, store })
    }

    /// From now on, the next process is thought of.
    pub(super) fn begin(self) -> Result<(Handover, Heirs), StartError> {
        let Inheritance { roll, kept, gone, stored, orderly, debts } = self.inheritance;
        let handover = Handover::begin(self.store, roll, &stored)
            .map_err(|source| StartError::Runtime { doing: "keeping connections for the next process", source })?;
        Ok((handover, Heirs { kept, gone, orderly, debts }))
    }
}

/// Connections that wait to be gone on with.
pub(super) struct Heirs {
    kept: Vec<Kept>,
    gone: Vec<Gone>,
    orderly: bool,
    debts: state::Debts,
}

impl Heirs {
    /// Takes up what can be, and the sessions with it. The contacts of whoever is not online any more are told.
    pub(super) async fn take_up(self, shared: &Arc<Shared>) -> Vec<Arc<Connection>> {
        let began = Instant::now();
        shared.core.accounts.owe(&self.debts);
        let (found, orderly) = (self.kept.len(), self.orderly);
        let whose = |kept: &Kept| match &kept.state {
            Some(state) => state.session.as_ref().map(|session| AccountId(session.account)),
            None => kept.entry.session.map(|(account, _)| account),
        };
        let accounts = self.kept.iter().filter_map(whose).chain(self.gone.iter().map(|gone| gone.account)).collect();
        let logins = shared.core.store.logins(accounts).await.inspect_err(|error| {
            tracing::error!(error = %error.chain(), "the accounts of those who were online can't be read");
        });
        let mut connections = Vec::with_capacity(found);
        let mut gone = Leavers::new(shared);
        for Gone { account, line } in self.gone {
            gone.add(account, line);
        }
        for kept in self.kept {
            let (account, line) = (whose(&kept), kept.line);
            // First of all: if the rest fails, it gives the line back.
            let Some(taken) = gone.line(line) else { continue };
            match go_on(kept, taken, shared, logins.as_ref().ok()) {
                Ok(connection) => connections.push(connection),
                Err(error) => {
                    tracing::info!(error, "a connection can't be gone on with, and is closed");
                    if let Some(account) = account {
                        gone.add(account, line);
                    }
                }
            }
        }
        gone.tell(logins.ok());
        if found > 0 {
            let (connections, milliseconds) = (connections.len(), began.elapsed().as_millis());
            tracing::info!(
                connections,
                found,
                orderly,
                milliseconds,
                "went on with the connections of the process before"
            );
        }
        connections
    }
}

/// Those who went with the process before. Their lines stay on the roll until their contacts have been told: until then a
/// crash must not take the news away.
struct Leavers<'a> {
    shared: &'a Arc<Shared>,
    accounts: Vec<(AccountId, usize)>,
    lines: HashMap<usize, Arc<Line>>,
}

impl<'a> Leavers<'a> {
    fn new(shared: &'a Arc<Shared>) -> Self {
        Self { shared, accounts: Vec::new(), lines: HashMap::new() }
    }

    /// A line of the process before, which is given back when nobody has it any more.
    fn line(&mut self, index: usize) -> Option<Arc<Line>> {
        let handover = self.shared.handover.as_ref()?;
        Some(Arc::clone(self.lines.entry(index).or_insert_with(|| Arc::new(handover.take_up(index)))))
    }

    fn add(&mut self, account: AccountId, line: usize) {
        if self.line(line).is_some() {
            self.accounts.push((account, line));
        }
    }

    /// Has their contacts told. Without their logins, the next process tries again.
    fn tell(mut self, logins: Option<AccountMap<Login>>) {
        let lines: Vec<_> = self
            .accounts
            .iter()
            .filter_map(|(account, line)| Some((*account, self.lines.get(line)?.clone())))
            .collect();
        self.lines.clear();
        let Some(logins) = logins else {
            for (_, line) in &lines {
                line.leave_to_the_next();
            }
            return;
        };
        for (account, _) in &lines {
            if let Some(login) = logins.get(account) {
                self.shared.core.sessions.was_online(*account, login.clone());
            }
        }
        let sessions = Arc::clone(&self.shared.core.sessions);
        tokio::spawn(async move {
            for (account, line) in lines {
                sessions.told(account).await;
                drop(line);
            }
        });
    }
}

fn go_on(
    kept: Kept,
    line: Arc<Line>,
    shared: &Arc<Shared>,
    logins: Option<&AccountMap<Login>>,
) -> Result<Arc<Connection>, String> {
    let login_of = |account| logins.and_then(|logins| logins.get(&account)).ok_or("its account is gone");
    let (stream, peer) = Stream::inherited(kept.socket).map_err(|error| error.to_string())?;
    let state = if let Some(state) = kept.state {
        state
    } else {
        let session = |(account, key)| Ok::<_, String>(Session { account, login: login_of(account)?.clone(), key });
        let session = kept.entry.session.map(session).transpose()?;
        Connection::after_a_crash(u32::try_from(kept.line).unwrap_or(0), session.as_ref(), kept.entry.written)
    };
    if let Some(session) = &state.session
        && login_of(AccountId(session.account))?.as_str() != session.login
    {
        return Err("its account has another name".into());
    }
    Connection::restore(stream, peer, Arc::clone(shared), line, state).map_err(|error| error.to_string())
}

/// How long connections have to come to an end, or to a place where the next process can go on.
pub(super) fn deadline(shared: &Shared, stop_deadline: Duration) -> Duration {
    if shared.handover.is_some() { stop_deadline.min(QUICK) } else { stop_deadline }
}

/// If there is no next process (systemctl stop), nobody notes any more what the peers take of what was written, and they
/// would get it again. So that has a moment.
async fn wait_for_what_is_under_way(connections: &[Arc<Connection>]) {
    for connection in connections {
        connection.write_no_more();
    }
    let began = Instant::now();
    while began.elapsed() < TAKING && connections.iter().any(|connection| connection.has_mail_under_way()) {
        tokio::time::sleep(LOOK).await;
    }
}

/// Leaves the connections that have been parked to the next process.
pub(super) async fn leave(shared: &Shared) {
    let Some(handover) = &shared.handover else { return };
    // What is told now is in the outboxes that are left.
    let _ = tokio::time::timeout(TELLING, shared.core.sessions.all_told()).await;
    let parked = || shared.parked.lock().unwrap_or_else(PoisonError::into_inner).clone();
    wait_for_what_is_under_way(&parked()).await;
    let parked = parked();
    let mut room = state::ROOM;
    let mut connections = Vec::with_capacity(parked.len());
    for connection in &parked {
        let Some(kept) = connection.keep() else { continue };
        if let Some(rest) = room.checked_sub(kept.size()) {
            room = rest;
            connections.push(kept);
        } else {
            // The next process finds no state of it, and closes it.
            tracing::warn!("more waits for the peers than can be left to the next process: a connection is closed");
        }
    }
    let (count, debts) = (connections.len(), shared.core.accounts.debts());
    let left = state::State { connections, debts, ..state::State::default() };
    // systemd may take a moment, and nobody else has anything to do by now.
    match tokio::task::block_in_place(|| handover.end(left)) {
        Ok(()) => tracing::info!(count, "connections are left to the next process"),
        Err(error) => tracing::error!(%error, "the next process finds no state, and closes what is not settled"),
    }
}
