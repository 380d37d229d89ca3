//! `io.messengerd.Control`: what both halves say, and what the interface says of itself.

use super::methods;
use std::sync::LazyLock;
use zlink::idl::{Comment, Interface};
use zlink::introspect::ReplyError;

/// The interface's name. A method's is this, a dot, and its own.
pub(super) const NAME: &str = "io.messengerd.Control";

/// Why an order was refused. What is in `///` here is in the interface's description.
#[derive(Debug, Clone, PartialEq, Eq, zlink::ReplyError, zlink::introspect::ReplyError)]
#[zlink(interface = "io.messengerd.Control")]
#[expect(missing_docs, reason = "what is said of a field is in the description, in the middle of a line")]
pub enum Refused {
    /// None of the new configuration was taken. The reasons are all there are, in one line each.
    ReloadRefused { reasons: Vec<String> },
    /// The daemon is stopping, and takes no more orders.
    Stopping,
    /// Nobody has that login.
    NoSuchUser { login: String },
    /// Somebody has, or had, that login.
    LoginTaken { login: String },
    /// There is no invite with that code.
    NoSuchInvite { code: String },
    /// There is no session with that number.
    NoSuchSession { number: u64 },
    /// What was given is not what there may be.
    NotAcceptable { reason: String },
    /// No backup was made. Those that were there before are as they were.
    NoBackup { reason: String },
    /// Too much is done at the same time. Later it may work.
    Busy,
    /// It failed, and nothing was done. The journal has the causes.
    Failed { reason: String },
}

impl Refused {
    /// For people.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::ReloadRefused { reasons } => {
                reasons.iter().map(|reason| format!("reload refused: {reason}")).collect::<Vec<_>>().join("\n")
            }
            Self::Stopping => "messengerd is stopping and takes no more orders".to_owned(),
            Self::NoSuchUser { login } => format!("nobody has the login {login:?}"),
            Self::LoginTaken { login } => format!("the login {login:?} is taken"),
            Self::NoSuchInvite { code } => format!("there is no invite with the code {code:?}"),
            Self::NoSuchSession { number } => format!("there is no session number {number}"),
            Self::NotAcceptable { reason } => reason.clone(),
            Self::NoBackup { reason } => format!("no backup was made: {reason}"),
            Self::Busy => "messengerd is too busy for it at the moment; try again".to_owned(),
            Self::Failed { reason } => format!("it failed: {reason}"),
        }
    }
}

/// The interface, for those who ask what there is (`varlinkctl introspect`).
pub(super) static DESCRIPTION: LazyLock<Interface<'static>> = LazyLock::new(|| {
    let comments = vec![Comment::new("What messengerd can be told and asked while it runs.")];
    let errors = Refused::VARIANTS.iter().map(|error| (*error).clone()).collect();
    Interface::new_owned(NAME, methods::descriptions(), Vec::new(), errors, comments).expect("its name is one")
});
