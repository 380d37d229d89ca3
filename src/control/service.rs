//! The methods of `io.messengerd.Control`, and those by which every Varlink service describes itself.
//!
//! zlink can make this from the methods' signatures, but what it makes closes the connection at a method or parameter that
//! it does not know. A `messengerctl` newer than the daemon should be told so.

use super::interface::{DESCRIPTION, Refused};
use super::stream::Bounded;
use super::{Caller, Order, Task};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::os::fd::OwnedFd;
use tokio::sync::{mpsc, oneshot};
use zlink::futures_util::stream::Empty;
use zlink::service::{HandleResult, Infallible, MethodReply, ReplyStreamItem};
use zlink::varlink_service::{self, Info, InterfaceDescription};
use zlink::{Call, Connection};

/// What one connection can call.
pub(super) struct Service {
    pub(super) caller: Caller,
    pub(super) orders: mpsc::Sender<Order>,
}

/// A call of any method.
#[derive(Debug, Deserialize)]
pub(super) struct Called {
    method: String,
    parameters: Option<Value>,
}

impl Called {
    /// The parameters, if they are those of the method.
    fn parameters<T: DeserializeOwned>(&self) -> Result<T, Fault> {
        let parameters = self.parameters.clone().unwrap_or_else(|| Value::Object(serde_json::Map::new()));
        serde_json::from_value(parameters).map_err(|error| Fault::invalid(error.to_string()))
    }
}

/// The parameters of methods that have none.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Which {
    interface: String,
}

/// What is answered, where that is more than that it was done.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Answer {
    Info(Info<'static>),
    Description(InterfaceDescription<'static>),
}

/// What is answered where nothing was done.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Fault {
    Call(varlink_service::Error<'static>),
    Refused(Refused),
}

impl Fault {
    fn invalid(parameter: String) -> Self {
        Self::Call(varlink_service::Error::InvalidParameter { parameter: parameter.into() })
    }
}

impl From<Refused> for Fault {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl Service {
    async fn answer(&mut self, call: &Call<Called>) -> Result<Option<Answer>, Fault> {
        if call.upgrade() {
            return Err(Fault::invalid("upgrade".to_owned()));
        }
        let called = call.method();
        match called.method.as_str() {
            "io.messengerd.Control.Reload" => {
                let Nothing {} = called.parameters()?;
                self.reload().await?;
                Ok(None)
            }
            "org.varlink.service.GetInfo" => {
                let Nothing {} = called.parameters()?;
                let interfaces = [DESCRIPTION.name().clone(), varlink_service::INTERFACE_NAME.clone()].into();
                let [vendor, product, url] = ["messengerd".into(), "messengerd".into(), "".into()];
                let version = env!("CARGO_PKG_VERSION").into();
                Ok(Some(Answer::Info(Info { vendor, product, version, url, interfaces })))
            }
            "org.varlink.service.GetInterfaceDescription" => {
                let Which { interface } = called.parameters()?;
                let description = [DESCRIPTION, varlink_service::DESCRIPTION]
                    .into_iter()
                    .find(|description| description.name().as_str() == interface)
                    .ok_or(Fault::Call(varlink_service::Error::InterfaceNotFound { interface: interface.into() }))?;
                Ok(Some(Answer::Description(description.into())))
            }
            method => Err(Fault::Call(varlink_service::Error::MethodNotFound { method: method.to_owned().into() })),
        }
    }

    async fn reload(&self) -> Result<(), Refused> {
        let (answer, answered) = oneshot::channel();
        let order = Order { caller: self.caller, task: Task::Reload(answer) };
        self.orders.send(order).await.map_err(|_| Refused::Stopping)?;
        let outcome = answered.await.map_err(|_| Refused::Stopping)?;
        outcome.map_err(|reasons| Refused::ReloadRefused { reasons })
    }
}

impl zlink::Service<Bounded> for Service {
    type MethodCall<'de> = Called;
    type ReplyParams<'ser> = Answer;
    type ReplyStreamParams = ();
    type ReplyStreamError = Infallible;
    type ReplyStream = Empty<ReplyStreamItem<(), Infallible>>;
    type ReplyError<'ser> = Fault;
    type Upgrade = ();

    async fn handle<'ser>(
        &'ser mut self,
        call: &'ser Call<Self::MethodCall<'_>>,
        _connection: &mut Connection<Bounded>,
        _descriptors: Vec<OwnedFd>,
    ) -> HandleResult<Answer, Self::ReplyStream, Fault> {
        let reply = match self.answer(call).await {
            Ok(answer) => MethodReply::Single(answer),
            Err(fault) => MethodReply::Error(fault),
        };
        (reply, Vec::new())
    }
}
