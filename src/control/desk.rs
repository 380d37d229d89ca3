//! What orders are carried out with, on the daemon's side of the door.

use super::interface::Refused;
use super::{Caller, Order, Task};
use crate::accounts::AdministrationError;
use crate::config::Live;
use crate::domain::Login;
use crate::figures::{Report, Reporter};
use crate::handlers::Core;
use crate::store::{Account, StoreError};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// The rooms that a method reaches into, and the way to the daemon for what only it can do.
pub struct Desk {
    /// Accounts, sessions and the store.
    pub core: Arc<Core>,
    /// The settings of this moment.
    pub settings: Live,
    /// What only the daemon itself can do, one after the other; `None`: there is none, and `messengerctl` does it itself.
    pub orders: Option<mpsc::Sender<Order>>,
    /// Who says how things are; `None`: there is no daemon.
    pub reporter: Option<Arc<dyn Reporter>>,
}

impl Desk {
    /// Has the daemon do something, and waits for what becomes of it.
    pub(super) async fn order<T>(
        &self,
        caller: Caller,
        task: impl FnOnce(oneshot::Sender<T>) -> Task,
    ) -> Result<T, Refused> {
        let (answer, answered) = oneshot::channel();
        let orders = self.orders.as_ref().ok_or(Refused::Stopping)?;
        orders.send(Order { caller, task: task(answer) }).await.map_err(|_| Refused::Stopping)?;
        answered.await.map_err(|_| Refused::Stopping)
    }

    /// How things are.
    pub(super) async fn report(&self) -> Result<Report, Refused> {
        Ok(self.reporter.as_ref().ok_or(Refused::Stopping)?.report().await)
    }

    /// Whether this is the daemon's.
    pub(super) fn serves(&self) -> bool {
        self.orders.is_some()
    }

    /// The account of a login as it was typed.
    pub(super) async fn account(&self, login: &str) -> Result<Account, Refused> {
        let nobody = || Refused::NoSuchUser { login: login.to_owned() };
        let parsed = Login::parse(login).map_err(|_| nobody())?;
        self.core.store.get_account(parsed).await?.ok_or_else(nobody)
    }
}

impl From<StoreError> for Refused {
    /// The caller is told that it failed; the journal has why.
    fn from(error: StoreError) -> Self {
        tracing::error!(error = %error.chain(), "an order failed");
        Self::Failed { reason: "the store failed; the journal says why".to_owned() }
    }
}

impl From<AdministrationError> for Refused {
    fn from(error: AdministrationError) -> Self {
        match error {
            AdministrationError::NotAcceptable(reason) => Self::NotAcceptable { reason },
            AdministrationError::LoginTaken(login) => Self::LoginTaken { login },
            AdministrationError::NoSuchUser(login) => Self::NoSuchUser { login },
            AdministrationError::Store(error) => error.into(),
        }
    }
}
