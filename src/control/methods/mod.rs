//! One method, one file: what is asked, what is answered, and how it is done. Both halves use the same types: the daemon
//! answers with them, `messengerctl` calls with them.
//!
//! The table at the end says which methods there are. To add one: a file with its [`Method`] and how it is answered
//! ([`Answered`] or [`Streamed`]), a row of the table, a command of `messengerctl`.
//!
//! Errors: a [`Refused`], which the caller is told. What is nobody's business but the journal's goes there.
//!
//! Must not be here: sockets, what is printed. A method that changes something says what in [`Method::change`], and that
//! is in the journal with whoever ordered it, done, refused or cut off, with `AUDIT=1`.

pub(super) mod add_contact;
pub(super) mod add_user;
pub(super) mod backup;
pub(super) mod create_invite;
pub(super) mod delete_user;
pub(super) mod export_user;
pub(super) mod get_configuration;
pub(super) mod get_password_policy;
pub(super) mod get_status;
pub(super) mod get_totals;
pub(super) mod kill_sessions;
pub(super) mod list_contacts;
pub(super) mod list_invites;
pub(super) mod list_sessions;
pub(super) mod list_users;
pub(super) mod reload;
pub(super) mod remove_contact;
pub(super) mod revoke_invite;
pub(super) mod run_retention;
pub(super) mod send_message;
pub(super) mod set_disabled;
pub(super) mod set_log_level;
pub(super) mod set_password;
pub(super) mod set_retention;
pub(super) mod show_retention;
pub(super) mod show_user;
pub(super) mod watch_status;

use super::audit::Audit;
use super::interface::{NAME, Refused};
use super::service::{Called, Fault};
use super::{Caller, Desk};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::fmt::Debug;
use std::marker::PhantomData;
use std::rc::Rc;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use zlink::idl::{self, Comment};
use zlink::introspect;

/// As many parts of a long answer wait for a caller who reads slowly; then the method waits.
const PARTS: usize = 4;

/// What both halves know of a method.
pub(super) trait Method {
    /// Its name within the interface.
    const NAME: &'static str;
    /// What it does, for the interface's description: sentences.
    const ABOUT: &'static str;
    /// What is given. Fields that a caller leaves out need a `serde(default)`.
    type Parameters: Serialize + DeserializeOwned + introspect::Type + Debug + 'static;
    /// What is answered; of a long answer, each part.
    type Reply: Serialize + DeserializeOwned + introspect::Type + Debug + 'static;

    /// What it changes, for the journal, without anything that is secret; nothing if it only reads.
    fn change(parameters: &Self::Parameters) -> Option<String>;
}

/// A method with one answer.
pub(super) trait Answered: Method {
    /// Does it.
    async fn answer(desk: &Desk, caller: Caller, parameters: Self::Parameters) -> Result<Self::Reply, Refused>;
}

/// A method whose answer comes in parts: a caller has to ask for `more`.
pub(super) trait Streamed: Method {
    /// Does it. The last part is what it returns. When the caller has gone, this is dropped at its next await.
    async fn answer(
        desk: &Desk,
        caller: Caller,
        parameters: Self::Parameters,
        parts: Parts<Self::Reply>,
    ) -> Result<Self::Reply, Refused>;
}

/// Where the parts of a long answer go.
pub(super) struct Parts<T> {
    parts: mpsc::Sender<Value>,
    of: PhantomData<T>,
}

impl<T: Serialize> Parts<T> {
    pub(super) fn to(parts: mpsc::Sender<Value>) -> Self {
        Self { parts, of: PhantomData }
    }

    /// Passes a part on, waiting for a caller who reads slowly.
    pub(super) async fn send(&self, part: &T) {
        // When nobody takes them any more, whoever makes them is about to be dropped.
        let _ = self.parts.send(value(part)).await;
    }
}

/// What is answered by types of ours always is JSON.
fn value(reply: &impl Serialize) -> Value {
    serde_json::to_value(reply).expect("it has no keys that are no strings")
}

/// What was made by [`value`], back again.
pub(super) fn from_value<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).expect("it was made from one")
}

/// What there is for a caller.
#[derive(Debug)]
pub(super) enum Answer {
    One(Value),
    Many(Long),
}

/// An answer in parts, and how it ends.
#[derive(Debug)]
pub(super) struct Long {
    pub(super) parts: mpsc::Receiver<Value>,
    pub(super) outcome: oneshot::Receiver<Result<Value, Refused>>,
    /// Ends the method when nobody is there any more to be told.
    _work: JoinSet<()>,
}

/// No parameters, or nothing to say.
#[derive(Debug, Default, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, introspect::Type)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

async fn once<M: Answered>(desk: &Rc<Desk>, caller: Caller, call: &Called) -> Result<Answer, Fault> {
    let parameters = call.parameters::<M::Parameters>()?;
    let audit = Audit::of(caller, M::NAME, M::change(&parameters));
    let outcome = M::answer(desk, caller, parameters).await;
    audit.over(&outcome);
    Ok(Answer::One(value(&outcome?)))
}

async fn streamed<M: Streamed>(desk: &Rc<Desk>, caller: Caller, call: &Called) -> Result<Answer, Fault> {
    let parameters = call.parameters::<M::Parameters>()?;
    let audit = Audit::of(caller, M::NAME, M::change(&parameters));
    let (sender, parts) = mpsc::channel(PARTS);
    let (tell, outcome) = oneshot::channel();
    let desk = Rc::clone(desk);
    let mut work = JoinSet::new();
    work.spawn_local(async move {
        let done = M::answer(&desk, caller, parameters, Parts::to(sender)).await;
        audit.over(&done);
        // Who has gone is not told.
        let _ = tell.send(done.map(|reply| value(&reply)));
    });
    Ok(Answer::Many(Long { parts, outcome, _work: work }))
}

fn describe<M: Method>(more: bool) -> idl::Method<'static> {
    let fields = |object: &'static idl::Type<'static>| match object {
        idl::Type::Object(fields) => fields.iter().cloned().collect(),
        other => unreachable!("parameters and replies are objects, not {other}"),
    };
    let (inputs, outputs) =
        (fields(<M::Parameters as introspect::Type>::TYPE), fields(<M::Reply as introspect::Type>::TYPE));
    let mut comments = vec![Comment::new(M::ABOUT)];
    if more {
        comments.push(Comment::new("The answer comes in parts: it has to be called for more."));
    }
    idl::Method::new_owned(M::NAME, inputs, outputs, comments).expect("its name is one")
}

macro_rules! methods {
    ($($kind:ident $method:path,)*) => {
        /// Does what was called, if there is such a method.
        pub(super) async fn dispatch(
            desk: &Rc<Desk>,
            caller: Caller,
            call: &Called,
            more: bool,
        ) -> Option<Result<Answer, Fault>> {
            let name = call.method.strip_prefix(NAME)?.strip_prefix('.')?;
            match name {
                $(<$method as Method>::NAME if methods!(@more $kind) && !more => Some(Err(Fault::expected_more())),
                <$method as Method>::NAME => Some($kind::<$method>(desk, caller, call).await),)*
                _ => None,
            }
        }

        /// All of them, for the interface's description.
        pub(super) fn descriptions() -> Vec<idl::Method<'static>> {
            vec![$(describe::<$method>(methods!(@more $kind))),*]
        }
    };
    (@more once) => { false };
    (@more streamed) => { true };
}

methods! {
    once reload::Reload,
    once get_configuration::GetConfiguration,
    once set_log_level::SetLogLevel,
    once get_status::GetStatus,
    streamed watch_status::WatchStatus,
    once get_totals::GetTotals,
    streamed list_users::ListUsers,
    once show_user::ShowUser,
    once add_user::AddUser,
    once get_password_policy::GetPasswordPolicy,
    once set_password::SetPassword,
    once set_disabled::SetDisabled,
    streamed delete_user::DeleteUser,
    streamed export_user::ExportUser,
    streamed list_sessions::ListSessions,
    once kill_sessions::KillSessions,
    once create_invite::CreateInvite,
    streamed list_invites::ListInvites,
    once revoke_invite::RevokeInvite,
    streamed list_contacts::ListContacts,
    once add_contact::AddContact,
    once remove_contact::RemoveContact,
    streamed send_message::SendMessage,
    streamed backup::Backup,
    once show_retention::ShowRetention,
    once set_retention::SetRetention,
    streamed run_retention::RunRetention,
}
