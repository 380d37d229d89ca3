//! How passwords are hashed, for a caller who hashes one: no password goes through this door.

use super::{Answered, Method, Nothing};
use crate::control::interface::Refused;
use crate::control::{Caller, Desk};
use serde::{Deserialize, Serialize};
use zlink::introspect;

pub(in crate::control) struct GetPasswordPolicy;

/// argon2id's parameters (RFC 9106), and how long a password is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, introspect::Type)]
pub(in crate::control) struct Policy {
    /// At least so many characters.
    pub(in crate::control) min_length: u64,
    /// In bytes.
    pub(in crate::control) memory: u64,
    pub(in crate::control) iterations: u32,
    pub(in crate::control) lanes: u32,
}

impl Method for GetPasswordPolicy {
    const NAME: &'static str = "GetPasswordPolicy";
    const ABOUT: &'static str = "How a password has to be, and how it is hashed.";
    type Parameters = Nothing;
    type Reply = Policy;

    fn change(_: &Nothing) -> Option<String> {
        None
    }
}

impl Answered for GetPasswordPolicy {
    async fn answer(desk: &Desk, _: Caller, _: Nothing) -> Result<Policy, Refused> {
        let settings = desk.settings.get();
        Ok(Policy {
            min_length: settings.accounts.password_min_length as u64,
            memory: settings.auth.argon2_memory,
            iterations: settings.auth.argon2_iterations,
            lanes: settings.auth.argon2_lanes,
        })
    }
}
