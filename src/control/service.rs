//! The methods of `io.messengerd.Control`, and those by which every Varlink service describes itself, as zlink calls them.
//!
//! zlink can make this from the methods' signatures, but what it makes closes the connection at a method or parameter that
//! it does not know. A `messengerctl` newer than the daemon should be told so.

use super::interface::{DESCRIPTION, Refused};
use super::methods::{self, Answer, Long, Nothing};
use super::stream::Bounded;
use super::{Caller, Desk};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::rc::Rc;
use zlink::futures_util::Stream;
use zlink::futures_util::stream;
use zlink::service::{HandleResult, MethodReply, ReplyStreamItem};
use zlink::varlink_service::{self, Info, InterfaceDescription};
use zlink::{Call, Connection, Reply};

/// What one connection can call.
pub(super) struct Service {
    pub(super) caller: Caller,
    pub(super) desk: Rc<Desk>,
}

/// A call of any method.
#[derive(Debug, Deserialize)]
pub(super) struct Called {
    pub(super) method: String,
    parameters: Option<Value>,
}

impl Called {
    /// The parameters, if they are those of the method.
    pub(super) fn parameters<T: DeserializeOwned>(&self) -> Result<T, Fault> {
        let parameters = self.parameters.clone().unwrap_or_else(|| Value::Object(serde_json::Map::new()));
        serde_json::from_value(parameters).map_err(|error| Fault::invalid(error.to_string()))
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Which {
    interface: String,
}

/// What is answered at once.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Told {
    Info(Info<'static>),
    Description(InterfaceDescription<'static>),
    Ours(Value),
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

    pub(super) fn expected_more() -> Self {
        Self::Call(varlink_service::Error::ExpectedMore)
    }
}

impl From<Refused> for Fault {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl Service {
    async fn answer(&mut self, call: &Call<Called>) -> Result<Given, Fault> {
        if call.upgrade() {
            return Err(Fault::invalid("upgrade".to_owned()));
        }
        let called = call.method();
        match called.method.as_str() {
            "org.varlink.service.GetInfo" => {
                let Nothing {} = called.parameters()?;
                let interfaces = [DESCRIPTION.name().clone(), varlink_service::INTERFACE_NAME.clone()].into();
                let [vendor, product, url] = ["messengerd".into(), "messengerd".into(), "".into()];
                let version = env!("CARGO_PKG_VERSION").into();
                Ok(MethodReply::Single(Some(Told::Info(Info { vendor, product, version, url, interfaces }))))
            }
            "org.varlink.service.GetInterfaceDescription" => {
                let Which { interface } = called.parameters()?;
                let description = [&*DESCRIPTION, varlink_service::DESCRIPTION]
                    .into_iter()
                    .find(|description| description.name().as_str() == interface)
                    .ok_or(Fault::Call(varlink_service::Error::InterfaceNotFound { interface: interface.into() }))?;
                Ok(MethodReply::Single(Some(Told::Description(description.into()))))
            }
            method => {
                let unknown =
                    || Fault::Call(varlink_service::Error::MethodNotFound { method: method.to_owned().into() });
                match methods::dispatch(&self.desk, self.caller, called, call.more()).await.ok_or_else(unknown)?? {
                    Answer::One(reply) => Ok(MethodReply::Single(Some(Told::Ours(reply)))),
                    Answer::Many(long) => Ok(MethodReply::Multi(Box::pin(stream::unfold(Some(long), next_part)))),
                }
            }
        }
    }
}

type Part = ReplyStreamItem<Value, Fault>;
type Streaming = Pin<Box<dyn Stream<Item = Part>>>;
type Given = MethodReply<Told, Streaming, Fault>;

/// The next part of a long answer, and what is left of it: after the last, nothing.
async fn next_part(long: Option<Long>) -> Option<(Part, Option<Long>)> {
    let mut long = long?;
    let (part, rest) = match long.parts.recv().await {
        Some(part) => (Ok(Reply::new(Some(part)).set_continues(Some(true))), Some(long)),
        None => {
            let outcome = (&mut long.outcome).await.unwrap_or(Err(Refused::Stopping));
            (outcome.map(|last| Reply::new(Some(last)).set_continues(Some(false))).map_err(Fault::Refused), None)
        }
    };
    Some(((part, Vec::new()), rest))
}

impl zlink::Service<Bounded> for Service {
    type MethodCall<'de> = Called;
    type ReplyParams<'ser> = Told;
    type ReplyStreamParams = Value;
    type ReplyStreamError = Fault;
    type ReplyStream = Streaming;
    type ReplyError<'ser> = Fault;
    type Upgrade = ();

    async fn handle<'ser>(
        &'ser mut self,
        call: &'ser Call<Self::MethodCall<'_>>,
        _connection: &mut Connection<Bounded>,
        _descriptors: Vec<OwnedFd>,
    ) -> HandleResult<Told, Streaming, Fault> {
        (self.answer(call).await.unwrap_or_else(MethodReply::Error), Vec::new())
    }
}
