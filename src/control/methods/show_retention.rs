//! Show how long mailboxes keep what: all of them, and what differs for one account.

use super::{Answered, Method};
use crate::control::interface::Refused;
use crate::control::{Caller, Desk};
use crate::domain::Login;
use crate::store::{Limits, Overrides};
use serde::{Deserialize, Serialize};
use zlink::introspect;

pub(in crate::control) struct ShowRetention;

/// Whose, beside what holds for all.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize, introspect::Type)]
#[serde(deny_unknown_fields)]
pub(in crate::control) struct Whose {
    #[serde(default)]
    pub(in crate::control) login: Option<String>,
}

/// Ages are milliseconds. 0: no limit. What is not there is not said.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, introspect::Type)]
#[serde(deny_unknown_fields)]
pub(in crate::control) struct Rules {
    #[serde(default)]
    pub(in crate::control) delivered_age: Option<u64>,
    #[serde(default)]
    pub(in crate::control) delivered_count: Option<u64>,
    #[serde(default)]
    pub(in crate::control) undelivered_age: Option<u64>,
    #[serde(default)]
    pub(in crate::control) undelivered_count: Option<u64>,
}

impl From<Limits> for Rules {
    fn from(limits: Limits) -> Self {
        Self {
            delivered_age: Some(limits.delivered_age),
            delivered_count: Some(limits.delivered_count),
            undelivered_age: Some(limits.undelivered_age),
            undelivered_count: Some(limits.undelivered_count),
        }
    }
}

impl From<Overrides> for Rules {
    fn from(own: Overrides) -> Self {
        let Overrides { delivered_age, delivered_count, undelivered_age, undelivered_count } = own;
        Self { delivered_age, delivered_count, undelivered_age, undelivered_count }
    }
}

impl From<Rules> for Overrides {
    fn from(rules: Rules) -> Self {
        let Rules { delivered_age, delivered_count, undelivered_age, undelivered_count } = rules;
        Self { delivered_age, delivered_count, undelivered_age, undelivered_count }
    }
}

/// What holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, introspect::Type)]
pub(in crate::control) struct Retention {
    /// As the configuration has it.
    pub(in crate::control) configured: Rules,
    /// What differs for the account, if one was asked for.
    pub(in crate::control) own: Rules,
}

impl Method for ShowRetention {
    const NAME: &'static str = "ShowRetention";
    const ABOUT: &'static str = "Shows how long mailboxes keep messages, and what differs for one account.";
    type Parameters = Whose;
    type Reply = Retention;

    fn change(_: &Whose) -> Option<String> {
        None
    }
}

impl Answered for ShowRetention {
    async fn answer(desk: &Desk, _: Caller, whose: Whose) -> Result<Retention, Refused> {
        let own = match whose.login {
            None => Overrides::default(),
            Some(login) => {
                let nobody = || Refused::NoSuchUser { login: login.clone() };
                let parsed = Login::parse(&login).map_err(|_| nobody())?;
                desk.core.store.retention(parsed).await?.ok_or_else(nobody)?
            }
        };
        let configured = Limits::from(&desk.settings.get().retention).into();
        Ok(Retention { configured, own: own.into() })
    }
}
