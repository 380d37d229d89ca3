//! The daemon without its doors: all rooms from the connections down, put together as `src/daemon/serve.rs` does, and
//! people at the other ends of socket pairs.

use super::people::{self, Person};
use super::words::TEXT;
use messengerd::accounts::Accounts;
use messengerd::config::{Live, Settings};
use messengerd::connection::{Connection, Shared, Stream};
use messengerd::domain::request::Text;
use messengerd::domain::{Login, Reply, Request, Secret, SessionKey};
use messengerd::handlers::Core;
use messengerd::notifier;
use messengerd::protocol::classic::packet::{self, Packet};
use messengerd::protocol::classic::request;
use messengerd::store::{Committed, Store};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

const PASSWORD: &str = "secret of everybody";

/// How a house is to be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    /// How many have accounts.
    pub(crate) people: usize,
    /// Whether each commit waits for the disk.
    pub(crate) sync_every_commit: bool,
    /// Whether that goes its rounds as well which goes by the clock: writing cursors, and looking again at what was not
    /// taken.
    pub(crate) clocks: bool,
}

/// See the module.
pub(crate) struct House {
    pub(crate) shared: Arc<Shared>,
    /// Everybody who has an account.
    pub(crate) people: Vec<Person>,
    runtime: Handle,
    going: JoinSet<()>,
    _folder: TempDir,
}

impl House {
    /// A new house, with its database below `folder`. It is alive on the runtime of the handle, which somebody runs.
    pub(crate) fn open(runtime: &Handle, folder: &Path, plan: Plan) -> Self {
        let _within = runtime.enter();
        let folder = tempfile::tempdir_in(folder).expect("the folder can be written to");
        let settings = settings();
        let options = people::options(folder.path(), plan.sync_every_commit, settings.store.batch_max);
        let (store, committed) = Store::open(&options, &people::no_progress()).expect("it can be opened");
        let settings = Live::new(settings);
        let core = Core {
            accounts: Accounts::start(store.clone(), settings.clone()).expect("threads to hash on"),
            sessions: Arc::default(),
            store: store.clone(),
        };
        let shared = Shared::new(core, settings, None).expect("there are descriptors");
        let people = runtime.block_on(sign_up(&shared, plan.people));
        let going = go(&shared, committed, plan.clocks);
        Self { shared, people, runtime: runtime.clone(), going, _folder: folder }
    }

    /// Somebody comes and logs in.
    pub(crate) fn log_in(&self, person: &Person) -> Peer {
        let (ours, theirs) = UnixStream::pair().expect("there are descriptors");
        ours.set_nonblocking(true).expect("sockets can be told");
        let within = self.runtime.enter();
        let peer = messengerd::domain::Peer::Unix { user: 0 };
        let connection = |seat| Connection::new(Stream::Unix(ours), peer, seat, Arc::clone(&self.shared));
        self.shared.connections.admit(peer.into(), &self.shared, connection).expect("there is room");
        drop(within);
        Peer::log_in(theirs, &person.login)
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.going.abort_all();
        // Before its folder goes.
        let _ = self.runtime.block_on(self.shared.core.store.stop());
    }
}

/// The defaults, with hashing that costs next to nothing, and without limits to what one may ask for: neither is what is
/// measured with this.
fn settings() -> Settings {
    let mut settings = Settings::default();
    settings.auth.argon2_memory = 8 * 1024;
    settings.auth.argon2_iterations = 1;
    settings.connections.requests_refill = Duration::ZERO;
    settings.connections.source_requests_refill = Duration::ZERO;
    settings
}

/// The first as people do, and the others with the first one's password.
async fn sign_up(shared: &Shared, count: usize) -> Vec<Person> {
    let Core { accounts, store, .. } = &*shared.core;
    let first = "first";
    accounts
        .sign_up(
            "first@example.org",
            first,
            &Secret::new(PASSWORD.to_owned()),
            messengerd::domain::Peer::Unix { user: 0 },
        )
        .await
        .expect("nobody has that login");
    let first = store.get_account(Login::parse(first).expect("it is a login")).await.expect("it can be read");
    people::sign_up(store, count, &first.expect("it is there").password_hash).await
}

fn go(shared: &Arc<Shared>, committed: mpsc::Receiver<Vec<Committed>>, clocks: bool) -> JoinSet<()> {
    let mut going = JoinSet::new();
    let room = Arc::clone(shared);
    going.spawn(async move { panic!("connections are not heard: {:?}", room.connections.run().await) });
    let room = Arc::clone(shared);
    going.spawn(async move { notifier::deliver(&room.core.sessions, committed).await });
    let room = Arc::clone(shared);
    going.spawn(async move {
        let core = &room.core;
        notifier::announce(&core.sessions, &core.store, || core.accounts.contacts_policy()).await;
    });
    if clocks {
        let room = Arc::clone(shared);
        going.spawn(async move { room.core.store.keep_cursors().await });
        let room = Arc::clone(shared);
        going.spawn(async move { room.pacer.run().await });
    }
    going
}

/// Somebody at the other end of a connection, with a session: blocking, as clients are.
pub(crate) struct Peer {
    stream: UnixStream,
    key: SessionKey,
    buffer: Box<[u8]>,
}

impl Peer {
    fn log_in(stream: UnixStream, login: &Login) -> Self {
        let password = Secret::new(PASSWORD.to_owned());
        let request = request::encode(&Request::LogIn { login: login.as_str().to_owned(), password }, None);
        // No key yet.
        let key = SessionKey::new([0; SessionKey::LEN]).expect("it is one");
        let mut peer = Self { stream, key, buffer: vec![0; 4096].into() };
        peer.write(&request);
        match packet::decode(peer.read()) {
            Ok(Packet::Reply(Reply::LoggedIn(key))) => peer.key = key,
            other => panic!("no session began: {other:?}"),
        }
        peer
    }

    /// The bytes of a message to somebody.
    pub(crate) fn message(&self, recipient: &Login) -> Vec<u8> {
        let (recipient, text) = (recipient.as_str().to_owned(), Text(TEXT.into()));
        request::encode(&Request::SendMessage { recipient, text }, Some(self.key)).to_vec()
    }

    /// One write.
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("the connection stands");
    }

    /// One read, which waits.
    pub(crate) fn read(&mut self) -> &[u8] {
        let size = self.stream.read(&mut self.buffer).expect("the connection stands");
        assert!(size > 0, "the connection was closed");
        &self.buffer[..size]
    }
}
