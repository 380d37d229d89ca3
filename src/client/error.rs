//! Every way in which a command can fail: one line for a person, one exit code for a script.

use super::link::LinkError;
use super::remembered::RememberedError;
use super::session::SessionError;
use crate::domain::exit::Exit;
use crate::domain::reply::{LogInRefusal, PasswordRefusal, SignUpRefusal};
use crate::terminal::credentials::CredentialsError;
use crate::terminal::plain;
use clap_complete::env::Shells;
use std::io;

/// The longest text that is read from standard input; servers take far less.
pub(super) const MAX_TEXT: u64 = 16 * 1024 * 1024;

/// Why a command did not do what it says.
#[derive(Debug, thiserror::Error)]
pub(super) enum ClientError {
    /// What was said to the server, or by it.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// No password.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// No server, or no login.
    #[error(transparent)]
    Remembered(#[from] RememberedError),
    /// At sign-up.
    #[error("{0:?} is not a plausible e-mail address")]
    Email(String),
    /// Nobody said who this is.
    #[error("who are you? Log in once (messenger login NAME), or give --login NAME")]
    NoLogin,
    /// An empty message.
    #[error("there is nothing to send")]
    NoText,
    /// More than [`MAX_TEXT`].
    #[error("standard input has more than {} MiB; nothing was sent", MAX_TEXT >> 20)]
    LongText,
    /// Standard input failed.
    #[error("cannot read standard input: {}", plain(.0))]
    Input(io::Error),
    /// Standard output failed.
    #[error("cannot write to standard output: {}; what comes from now on stays at the server", plain(.0))]
    Output(io::Error),
    /// Nothing was deleted.
    #[error("that is not the login; nothing was deleted")]
    NotConfirmed,
    /// There is nobody to chat.
    #[error("chat needs a terminal; use send and listen in scripts")]
    NoChat,
    /// The terminal failed during a chat.
    #[error("the terminal failed: {0}")]
    Terminal(rustyline::error::ReadlineError),

    /// Completions for what?
    #[error("{shell:?} is no shell that completions are known for; these are: {}", shells())]
    Shell {
        /// What was asked for.
        shell: String,
    },
    /// The kernel refused something small.
    #[error("the system refused: {}", plain(.0))]
    System(io::Error),
}

impl From<LinkError> for ClientError {
    fn from(error: LinkError) -> Self {
        Self::Session(error.into())
    }
}

impl ClientError {
    /// What a script can act on.
    pub(super) fn exit(&self) -> Exit {
        match self {
            Self::Session(error) => session_exit(error),
            Self::Credentials(error) => match error {
                CredentialsError::NoTerminal(..) => Exit::Usage,
                CredentialsError::NoAnswer(_) | CredentialsError::File(_) => Exit::NoInput,
                CredentialsError::Empty(_) | CredentialsError::Differ | CredentialsError::NoPassword(_) => Exit::Data,
            },
            Self::Remembered(error) => match error {
                RememberedError::File(_) => Exit::CantCreate,
                RememberedError::Damaged { .. } | RememberedError::Homeless => Exit::Config,
                RememberedError::Address(_) => Exit::Usage,
                RememberedError::Login { .. } => Exit::Data,
            },
            Self::NoLogin | Self::NoChat | Self::Shell { .. } => Exit::Usage,
            Self::Email(_) | Self::NoText | Self::LongText | Self::NotConfirmed => Exit::Data,
            Self::Input(_) | Self::Output(_) | Self::Terminal(_) => Exit::Io,
            Self::System(_) => Exit::Os,
        }
    }
}

fn session_exit(error: &SessionError) -> Exit {
    match error {
        SessionError::Link(LinkError::Endless { .. } | LinkError::Rubbish(_)) | SessionError::OtherReply => {
            Exit::Protocol
        }
        // Not as when nobody answered: sending it again may bring it twice.
        SessionError::Unconfirmed(_) => Exit::Io,
        SessionError::Link(_) | SessionError::SignUp(SignUpRefusal::Closed) | SessionError::TooManyBlocked => {
            Exit::Unavailable
        }
        SessionError::SignUp(_) | SessionError::Password(PasswordRefusal::BadPassword) => Exit::Data,
        SessionError::Password(PasswordRefusal::WrongPassword) => Exit::NoPermission,
        SessionError::Password(PasswordRefusal::TryLater) => Exit::TryLater,
        SessionError::LogIn { refusal, .. } => match refusal {
            LogInRefusal::UnknownLogin => Exit::NoUser,
            LogInRefusal::WrongPassword | LogInRefusal::Disabled => Exit::NoPermission,
            LogInRefusal::TryLater => Exit::TryLater,
        },
        SessionError::Nobody(_) | SessionError::NoContact(_) | SessionError::NotBlocked(_) => Exit::NoUser,
    }
}

/// The shells that completions are known for.
fn shells() -> String {
    Shells::builtins().names().collect::<Vec<_>>().join(", ")
}
