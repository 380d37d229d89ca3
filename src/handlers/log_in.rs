//! Begin a session. On a connection that has one already, the new one takes its place; a log-in that fails leaves it.

use super::{Caller, Core, HandlerError, Outcome, SessionChange};
use crate::domain::reply::LogInRefusal;
use crate::domain::{Login, Reply, Secret};
use std::sync::Arc;

pub(super) async fn handle(
    core: &Core,
    caller: &Caller<'_>,
    login: &str,
    password: &Secret,
) -> Result<Outcome, HandlerError> {
    let verified = match core.accounts.verify_login(login, password, caller.peer).await {
        Ok(verified) => verified,
        Err(error) => {
            return Ok(refuse(caller, login, HandlerError::split(error)?));
        }
    };
    let (account, login) = (verified.account(), verified.login().clone());
    core.sessions.settle(account);
    let delivered = core.store.cursor(account).await?;
    caller.subscriber.expect(account);
    let session =
        core.sessions.sign_in(account, login.clone(), Arc::clone(&caller.subscriber)).map_err(HandlerError::Random)?;
    // Whoever has disabled the account, or changed its password, has ended the sessions that they saw: this one they may not
    // have seen. It was verified before that.
    let still = core.accounts.is_still(&verified).await;
    if !matches!(still, Ok(true)) {
        core.sessions.sign_out(&session);
        still?;
        return Ok(refuse(caller, login.as_str(), LogInRefusal::TryLater));
    }
    // The new one first: the same login again does not go offline in between.
    if let Some(before) = caller.session {
        core.sessions.sign_out(before);
        core.sessions.told(before.account).await;
    }
    let (peer, protocol) = (caller.peer, caller.protocol);
    tracing::info!(%peer, protocol, login = %session.login, request = "log-in", "session began");
    // Whoever is answered is online for everybody, and no contact is told of it later than that.
    core.sessions.told(account).await;
    Ok(Outcome { reply: Reply::LoggedIn(session.key), session: SessionChange::Begin(session, delivered) })
}

fn refuse(caller: &Caller<'_>, login: &str, refusal: LogInRefusal) -> Outcome {
    // What was typed may be anything; as much as a login has is enough to recognise it.
    let login: String = login.chars().take(Login::MAX_CHARS).collect();
    let (peer, protocol) = (caller.peer, caller.protocol);
    tracing::info!(%peer, protocol, login, request = "log-in", error = ?refusal, "log-in refused");
    Reply::LogInRefused(refusal).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounts::{Accounts, Parameters, hash_password};
    use crate::config::{Live, Settings};
    use crate::domain::{AccountId, Event, Peer, SessionKey, Status};
    use crate::sessions::{Dismissal, Subscriber};
    use crate::store::{Options, Store};
    use std::time::Duration;
    use tokio::runtime::Handle;
    use tokio::task::block_in_place;

    const PEER: Peer = Peer::Unix { user: 0 };
    const LIGHT: Parameters = Parameters { memory_kib: 64, iterations: 1, lanes: 1 };

    fn password(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    fn hash(text: &str) -> String {
        hash_password(&password(text), 8, LIGHT).unwrap()
    }

    /// A connection for which something happens just when its log-in has been verified.
    struct Meanwhile<F>(F);

    impl<F: Fn() + Send + Sync> Subscriber for Meanwhile<F> {
        fn notify(&self, _: AccountId, _: &Event) {}

        fn expect(&self, _: AccountId) {
            (self.0)();
        }

        fn settle(&self) {}

        fn dismiss(&self, _: SessionKey, _: Dismissal) {}

        fn peer(&self) -> Peer {
            PEER
        }
    }

    /// Ann logs in, and meanwhile this is done. Her answer, and whether she has a session.
    async fn log_in_while<W: Future>(work: impl Fn(Arc<Core>) -> W + Clone + Send + Sync + 'static) -> (Reply, Status) {
        let folder = tempfile::tempdir().unwrap();
        let options = Options {
            directory: folder.path().to_owned(),
            sync_every_commit: false,
            readers: 1,
            batch_max: 16,
            busy_timeout: Duration::from_secs(1),
        };
        let progress: crate::store::Progress = Arc::new(|| ());
        let (store, _committed) = Store::open(&options, &progress).unwrap();
        let mut settings = Settings::default();
        settings.auth.argon2_memory = 64 * 1024;
        settings.auth.argon2_iterations = 1;
        let accounts = Accounts::start(store.clone(), Live::new(settings)).unwrap();
        let core = Arc::new(Core { accounts, sessions: Arc::default(), store });
        core.accounts.add_user("ann", "ann@example.org", hash("secret of ann")).await.unwrap();
        let (busy, told) = (Arc::clone(&core), Arc::clone(&core));
        let announcing = tokio::spawn(async move {
            loop {
                told.sessions.next_change().await;
            }
        });
        let subscriber: Arc<dyn Subscriber> = Arc::new(Meanwhile(move || {
            block_in_place(|| Handle::current().block_on(work(Arc::clone(&busy))));
        }));
        let caller = Caller { session: None, peer: PEER, protocol: "test", subscriber };
        let outcome = handle(&core, &caller, "ann", &password("secret of ann")).await.unwrap();
        let ann = core.store.get_account(Login::parse("ann").unwrap()).await.unwrap().unwrap().id;
        announcing.abort();
        (outcome.reply, core.sessions.status(ann))
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn who_is_disabled_while_they_log_in_gets_no_session() {
        let refused = (Reply::LogInRefused(LogInRefusal::TryLater), Status::Offline);
        let disable = |core: Arc<Core>| async move { core.accounts.set_disabled("ann", true).await.unwrap() };
        assert_eq!(log_in_while(disable).await, refused);
        let change =
            |core: Arc<Core>| async move { core.accounts.set_password("ann", hash("something else")).await.unwrap() };
        assert_eq!(log_in_while(change).await, refused);
        let (reply, status) = log_in_while(|_| async {}).await;
        assert!(matches!(reply, Reply::LoggedIn(_)) && status == Status::Online);
    }
}
