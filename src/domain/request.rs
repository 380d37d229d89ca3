//! What a peer asks for, in no protocol's bytes. Texts are as they came: the handlers check them, because a bad
//! login at sign-up and an unknown one at log-in get different answers.

use super::{Secret, Seq};

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Make an account.
    SignUp {
        /// The e-mail address, unchecked.
        email: String,
        /// The login, unchecked.
        login: String,
        /// The password, unchecked.
        password: Secret,
    },
    /// Start a session.
    LogIn {
        /// The login, unchecked.
        login: String,
        /// The password, unchecked.
        password: Secret,
    },
    /// End the session; the connection stays.
    LogOut,
    /// List the session's contacts.
    GetContacts,
    /// Put somebody on the session's contact list.
    AddContact {
        /// Whom, unchecked.
        login: String,
    },
    /// Take somebody off the session's contact list.
    RemoveContact {
        /// Whom, unchecked.
        login: String,
    },
    /// Hear nothing of somebody any more.
    Block {
        /// Of whom, unchecked.
        login: String,
    },
    /// Hear of them again.
    Unblock {
        /// Of whom, unchecked.
        login: String,
    },
    /// Give the session's account another password.
    ChangePassword {
        /// The one that it has, unchecked.
        old: Secret,
        /// The one that it is to have, unchecked.
        new: Secret,
    },
    /// Erase the session's account.
    DeleteAccount {
        /// Its password, unchecked.
        password: Secret,
    },
    /// Read what was written to somebody and by them.
    GetHistory {
        /// Who, unchecked; empty: everybody.
        login: String,
        /// What stands before this place in the mailbox; 0: the newest.
        before: Seq,
        /// As many messages, at the most.
        count: u32,
    },
    /// Write to somebody.
    SendMessage {
        /// To whom, unchecked.
        recipient: String,
        /// What.
        text: Text,
    },
}

/// A message's text on its way to the store. Its debug output says how long it is and no more.
#[derive(Clone, PartialEq, Eq)]
pub struct Text(pub Box<str>);

impl std::fmt::Debug for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Text({} bytes)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_request_shows_what_is_nobodys_business() {
        let password = || Secret::new("hunter2 and more".to_owned());
        let shown = format!(
            "{:?}",
            [
                Request::SignUp { email: "ann@example.org".into(), login: "ann".into(), password: password() },
                Request::LogIn { login: "ann".into(), password: password() },
                Request::ChangePassword { old: password(), new: password() },
                Request::DeleteAccount { password: password() },
                Request::SendMessage { recipient: "ann".into(), text: Text("hunter2 and more".into()) },
            ]
        );
        assert!(shown.contains("ann@example.org") && shown.contains("SendMessage"), "{shown}");
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
