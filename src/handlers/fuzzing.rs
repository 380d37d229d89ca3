//! Several people at once, for [`crate::fuzzing`].
//!
//! Errors: a claim that does not hold is a panic.

use super::{Caller, Core, HandlerError, Needs, SessionChange, handle, needs};
use crate::accounts::Accounts;
use crate::config::{ContactsPolicy, Live, Settings};
use crate::domain::reply::{BlockRefusal, LogInRefusal, PasswordRefusal, SignUpRefusal};
use crate::domain::{AccountId, Email, Event, Login, Password, Peer, Reply, Request, Secret, Seq, SessionKey, Status};
use crate::fuzzing::Choices;
use crate::notifier;
use crate::sessions::{Dismissal, Session, Sessions, Subscriber};
use crate::store::model::{Both, Person, Step};
use crate::store::{Committed, PageLimits};
use std::collections::{BTreeSet, HashMap};
use std::mem;
use std::sync::{Arc, Mutex, Weak};
use tokio::runtime::Builder;
use tokio::sync::mpsc;

/// As many steps as are taken at the most.
const STEPS: usize = 48;
/// Connections at the same time.
const CONNECTIONS: u8 = 3;
/// Batches that wait for the notifier: more than one step makes.
const BATCHES: usize = 4;

/// How bytes become a request, and the key that it came with: a protocol's business.
pub(crate) type Decode = fn(&[u8]) -> Option<(Option<SessionKey>, Request)>;

/// Each step is a byte, which says what asks or happens, and a packet of so many bytes as the next one says. The reply, the
/// sessions, what others are told and what is kept is as the model says.
pub(crate) fn people(bytes: &[u8], decode: Decode) {
    let mut choices = Choices(bytes);
    Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(async {
        let mut house = House::new();
        for _ in 0..STEPS {
            let Some(head) = choices.next() else { break };
            let (connection, what) = (head % (CONNECTIONS + 1), head / (CONNECTIONS + 1));
            if connection == CONNECTIONS {
                house.happen(what).await;
                house.both.compare().await;
            } else if let Some((key, request)) = decode(choices.bytes()) {
                let connection = usize::from(connection);
                let own = house.connections[connection].session.as_ref().map(|session| session.key);
                house.ask(connection, if what == 0 { own } else { key }, request).await;
            }
        }
        house.both.compare().await;
        house.both.store.stop().await.expect("the last cursors are written");
    });
}

/// What a connection is told.
#[derive(Default)]
struct Heard {
    events: Mutex<Vec<(AccountId, Event)>>,
    /// Its session, and where it ends. Those have this, so this has not those: nobody would ever be given back.
    session: Mutex<Option<(Weak<Sessions>, Session)>>,
}

impl Subscriber for Heard {
    fn notify(&self, account: AccountId, event: &Event) {
        self.events.lock().expect("nobody has panicked").push((account, event.clone()));
    }

    fn expect(&self, _account: AccountId) {}

    fn settle(&self) {}

    fn dismiss(&self, key: SessionKey, _why: Dismissal) {
        let mut session = self.session.lock().expect("nobody has panicked");
        if let Some((sessions, session)) = session.take_if(|(_, session)| session.key == key)
            && let Some(sessions) = sessions.upgrade()
        {
            sessions.sign_out(&session);
        }
    }

    fn peer(&self) -> Peer {
        Peer::Unix { user: 0 }
    }
}

#[derive(Default)]
struct Connection {
    heard: Arc<Heard>,
    session: Option<Session>,
}

/// A server without sockets, and what is expected of it.
struct House {
    both: Both,
    core: Core,
    committed: mpsc::Sender<Vec<Committed>>,
    passwords: HashMap<Login, Password>,
    connections: [Connection; CONNECTIONS as usize],
    /// Whose status was seen by whom before the request, and is seen by whom now, as far as the request changes that.
    sight: Option<(Login, BTreeSet<AccountId>, BTreeSet<AccountId>)>,
}

/// Hashing costs little, and nobody is throttled.
fn settings() -> Settings {
    let mut settings = Settings::default();
    settings.auth.argon2_memory = 8 * 1024;
    settings.auth.argon2_iterations = 1;
    settings.auth.account_failures = 100_000;
    settings.auth.source_failures = 100_000;
    settings
}

/// What a daemon does with a store.
fn start(both: &Both) -> (Core, mpsc::Sender<Vec<Committed>>) {
    let store = both.store.clone();
    let accounts = Accounts::start(store.clone(), Live::new(settings())).expect("a thread");
    let sessions = Arc::<Sessions>::default();
    let (committed, batches) = mpsc::channel(BATCHES);
    let telling = Arc::clone(&sessions);
    tokio::spawn(async move { notifier::deliver(&telling, batches).await });
    let (announcing, reading) = (Arc::clone(&sessions), store.clone());
    tokio::spawn(async move { notifier::announce(&announcing, &reading, || ContactsPolicy::Open).await });
    (Core { accounts, sessions, store }, committed)
}

impl House {
    fn new() -> Self {
        let both = Both::new();
        let (core, committed) = start(&both);
        Self { both, core, committed, passwords: HashMap::new(), connections: Default::default(), sight: None }
    }

    /// Messages are filed; or the daemon ends, in order or not, and begins anew.
    async fn happen(&mut self, what: u8) {
        match what % 4 {
            0 | 1 => return self.both.take(Step::File).await,
            2 => self.both.take(Step::Stop).await,
            _ => self.both.take(Step::Crash).await,
        }
        (self.core, self.committed) = start(&self.both);
        self.connections = Default::default();
    }

    async fn ask(&mut self, connection: usize, key: Option<SessionKey>, request: Request) {
        // What is left of an account that is erased is for the store's own tests.
        if let (Request::DeleteAccount { password }, Some(session)) = (&request, &self.connections[connection].session)
            && self.is_right(&session.login, password)
        {
            return;
        }
        let before = self.online();
        let Connection { heard, session } = &self.connections[connection];
        let session = session.clone();
        let caller = Caller {
            session: session.as_ref(),
            peer: Peer::Unix { user: 1 },
            protocol: "classic",
            subscriber: Arc::<Heard>::clone(heard),
        };
        let outcome = handle(&self.core, &caller, key, request.clone()).await;
        let session = match (needs(&request).1, session) {
            (Needs::Session, None) => {
                return assert!(matches!(outcome, Err(HandlerError::NoSession)));
            }
            (Needs::Session, Some(session)) if key != Some(session.key) => {
                return assert!(matches!(outcome, Err(HandlerError::ForeignKey)));
            }
            (_, session) => session,
        };
        let outcome = outcome.expect("nothing fails here");
        match outcome.session {
            SessionChange::Keep => {}
            SessionChange::Begin(session, _) => {
                assert_eq!(outcome.reply, Reply::LoggedIn(session.key));
                let others = self.connections.iter().filter_map(|connection| connection.session.as_ref());
                assert!(others.into_iter().all(|other| other.key != session.key));
                let heard = &self.connections[connection].heard;
                let sessions = Arc::downgrade(&self.core.sessions);
                *heard.session.lock().expect("nobody has panicked") = Some((sessions, session.clone()));
                self.connections[connection].session = Some(session);
            }
            SessionChange::End => {
                assert_eq!(outcome.reply, Reply::LoggedOut);
                self.connections[connection].session = None;
            }
        }
        let told = self.expected(connection, session, request, outcome.reply).await;
        self.hear(&before, told).await;
    }

    /// Whether the reply is as it should be, and what was committed.
    async fn expected(
        &mut self,
        connection: usize,
        session: Option<Session>,
        request: Request,
        reply: Reply,
    ) -> Vec<Committed> {
        match (request, session) {
            (Request::SignUp { email, login, password }, _) => {
                let expected = self.signed_up(&email, &login, &password);
                assert_eq!(
                    reply,
                    expected.as_ref().map_or_else(|refusal| Reply::SignUpRefused(*refusal), |_| Reply::SignedUp)
                );
                if let Ok((login, password)) = expected {
                    let account = self.core.store.get_account(login.clone()).await.expect("it can be read");
                    self.both.model.add_user(Person { id: account.expect("it is there").id, login: login.clone() });
                    self.passwords.insert(login, password);
                }
            }
            (Request::LogIn { login, password }, before) => {
                let expected = self.logged_in(&login, &password);
                let session = self.connections[connection].session.as_ref();
                match (expected, reply) {
                    (Ok(person), Reply::LoggedIn(key)) => {
                        let session = session.expect("it began");
                        assert_eq!((session.account, &session.login, session.key), (person.id, &person.login, key));
                    }
                    (Err(expected), Reply::LogInRefused(refusal)) => {
                        assert_eq!(refusal, expected);
                        assert_eq!(session, before.as_ref());
                    }
                    (expected, reply) => panic!("{reply:?}, and not {expected:?}"),
                }
            }
            (Request::LogOut, _) => assert_eq!(reply, Reply::LoggedOut),
            (Request::GetContacts, Some(session)) => {
                let online = self.online();
                let contacts = self.both.model.contacts(session.account).into_iter();
                let with_status = contacts.map(|(account, login)| (login, self.seen(&session, &online, account)));
                assert_eq!(reply, Reply::Contacts(with_status.collect()));
            }
            (Request::AddContact { login }, Some(session)) => {
                let login = Login::parse(&login).ok();
                let contact = login.and_then(|login| self.both.model.add_contact(session.account, &login));
                let added = contact.map(|contact| Reply::ContactAdded(self.seen(&session, &self.online(), contact)));
                assert_eq!(reply, added.unwrap_or(Reply::UnknownContact));
            }
            (Request::Block { login }, Some(session)) => {
                let before = self.watchers(&session);
                let other = Login::parse(&login).ok().and_then(|login| self.both.model.block(session.account, &login));
                let refused = Reply::BlockRefused(BlockRefusal::UnknownLogin);
                assert_eq!(reply, other.map_or(refused, |_| Reply::Blocked));
                self.sight = Some((session.login.clone(), before, self.watchers(&session)));
            }
            (Request::Unblock { login }, Some(session)) => {
                let before = self.watchers(&session);
                let other =
                    Login::parse(&login).ok().and_then(|login| self.both.model.unblock(session.account, &login));
                assert_eq!(reply, other.map_or(Reply::WasNotBlocked, |_| Reply::Unblocked));
                self.sight = Some((session.login.clone(), before, self.watchers(&session)));
            }
            (
                request @ (Request::ChangePassword { .. } | Request::DeleteAccount { .. } | Request::GetHistory { .. }),
                Some(session),
            ) => self.own_account(&session, request, &reply),
            (Request::RemoveContact { login }, Some(session)) => {
                let login = Login::parse(&login).ok();
                let removed = login.is_some_and(|login| self.both.model.remove_contact(session.account, &login));
                assert_eq!(reply, if removed { Reply::ContactRemoved } else { Reply::NoSuchContact });
            }
            (Request::SendMessage { recipient, text }, Some(session)) => {
                assert_eq!(reply, Reply::MessageTaken);
                let committed = self.both.committed.try_recv().unwrap_or_default();
                let Some(first) = committed.first() else {
                    assert!(
                        Login::parse(&recipient).ok().is_none_or(|login| self.both.model.with_login(&login).is_none())
                    );
                    return committed;
                };
                // When it was sent is all that the model can't know.
                let message = &first.entry.message;
                assert_eq!((&message.sender, &message.text), (&session.login, &text.0));
                assert_eq!(Ok(&message.recipient), Login::parse(&recipient).as_ref());
                assert_eq!(committed, self.both.model.add_message(session.account, message));
                return committed;
            }
            (request, None) => panic!("{request:?} was answered without a session"),
        }
        Vec::new()
    }

    /// Whether the reply to a request about the account itself is as it should be.
    fn own_account(&mut self, session: &Session, request: Request, reply: &Reply) {
        match request {
            Request::ChangePassword { old, new } => {
                match self.changed(&session.login, &old, &new) {
                    Ok(password) => {
                        assert_eq!(*reply, Reply::PasswordChanged);
                        self.passwords.insert(session.login.clone(), password);
                        for other in &mut self.connections {
                            other.session.take_if(|other| other.account == session.account && other.key != session.key);
                        }
                    }
                    Err(refusal) => assert_eq!(*reply, Reply::PasswordNotChanged(refusal)),
                }
                let held = self.core.sessions.list(Some(session.account)).len();
                let ours = self.connections.iter().filter_map(|connection| connection.session.as_ref());
                assert_eq!(held, ours.filter(|other| other.account == session.account).count());
            }
            Request::DeleteAccount { .. } => {
                assert_eq!(*reply, Reply::AccountNotDeleted(PasswordRefusal::WrongPassword));
            }
            Request::GetHistory { login, before, count } => {
                let with = Login::parse(&login).ok();
                let limits = PageLimits { entries: count.clamp(1, 100), bytes: 16 * 1024 };
                let before = if before == Seq(0) { u64::MAX } else { before.0 };
                let known = login.is_empty() || with.is_some();
                let history = self.both.model.history(session.account, with.as_ref(), before, limits);
                assert_eq!(*reply, history.filter(|_| known).map_or(Reply::UnknownPartner, Reply::History));
            }
            request => panic!("{request:?} is about something else"),
        }
    }

    fn signed_up(&self, email: &str, login: &str, password: &Secret) -> Result<(Login, Password), SignUpRefusal> {
        Email::parse(email).map_err(|_| SignUpRefusal::BadEmail)?;
        let login = Login::parse(login).map_err(|_| SignUpRefusal::BadLogin)?;
        let password = Password::parse(password).map_err(|_| SignUpRefusal::BadPassword)?;
        if password.chars() < settings().accounts.password_min_length {
            return Err(SignUpRefusal::BadPassword);
        }
        if self.both.model.with_login(&login).is_some() {
            Err(SignUpRefusal::LoginTaken)
        } else {
            Ok((login, password))
        }
    }

    fn logged_in(&self, login: &str, password: &Secret) -> Result<Person, LogInRefusal> {
        let person = Login::parse(login).ok().and_then(|login| self.both.model.with_login(&login));
        let person = person.ok_or(LogInRefusal::UnknownLogin)?;
        if self.is_right(&person.login, password) { Ok(person) } else { Err(LogInRefusal::WrongPassword) }
    }

    fn is_right(&self, login: &Login, password: &Secret) -> bool {
        Password::parse(password).is_ok_and(|password| self.passwords[login] == password)
    }

    fn changed(&self, login: &Login, old: &Secret, new: &Secret) -> Result<Password, PasswordRefusal> {
        let new = Password::parse(new).map_err(|_| PasswordRefusal::BadPassword)?;
        if new.chars() < settings().accounts.password_min_length {
            return Err(PasswordRefusal::BadPassword);
        }
        if self.is_right(login, old) { Ok(new) } else { Err(PasswordRefusal::WrongPassword) }
    }

    /// The status of an account, as a session sees it.
    fn seen(&self, session: &Session, online: &BTreeSet<(AccountId, Login)>, account: AccountId) -> Status {
        let is_seen = self.both.model.sees(session.account, account, ContactsPolicy::Open);
        if is_seen && online.iter().any(|(who, _)| *who == account) { Status::Online } else { Status::Offline }
    }

    /// Who sees the status of a session's account, of those who have a session.
    fn watchers(&self, session: &Session) -> BTreeSet<AccountId> {
        let online = self.online().into_iter().map(|(who, _)| who);
        online.filter(|who| self.both.model.sees(*who, session.account, ContactsPolicy::Open)).collect()
    }

    fn online(&self) -> BTreeSet<(AccountId, Login)> {
        let sessions = self.connections.iter().filter_map(|connection| connection.session.as_ref());
        sessions.map(|session| (session.account, session.login.clone())).collect()
    }

    /// Each session hears of the mail in its mailbox, and who of its contacts came or went; and of nothing else.
    async fn hear(&mut self, before: &BTreeSet<(AccountId, Login)>, committed: Vec<Committed>) {
        let (now, sight) = (self.online(), self.sight.take());
        let came = now.difference(before).map(|who| (who, Status::Online));
        let changes: Vec<_> = came.chain(before.difference(&now).map(|who| (who, Status::Offline))).collect();
        if !committed.is_empty() {
            self.committed.send(committed.clone()).await.expect("the notifier listens");
        }
        while self.committed.capacity() < BATCHES {
            tokio::task::yield_now().await;
        }
        self.core.sessions.all_told().await;
        for Connection { heard, session } in &self.connections {
            let heard = mem::take(&mut *heard.events.lock().expect("nobody has panicked"));
            let Some(Session { account, .. }) = session else {
                assert_eq!(heard, []);
                continue;
            };
            let mail = committed.iter().filter(|committed| committed.account == *account);
            let mail = mail.map(|committed| Event::Mail(committed.entry.clone()));
            let sees = |who: AccountId| self.both.model.sees(*account, who, ContactsPolicy::Open);
            let watched = changes.iter().filter(|((who, _), _)| sees(*who));
            let shown = sight.iter().filter_map(|(login, before, now)| {
                let status = if now.contains(account) { Status::Online } else { Status::Offline };
                (before.contains(account) != now.contains(account)).then_some((login, status))
            });
            let statuses = watched.map(|((_, login), status)| (login, *status)).chain(shown);
            let statuses = statuses.map(|(login, status)| Event::ContactStatus(login.clone(), status));
            assert_eq!(heard, mail.chain(statuses).map(|event| (*account, event)).collect::<Vec<_>>());
        }
    }
}
