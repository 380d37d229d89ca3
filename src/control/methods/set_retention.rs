//! Say how long one account's mailbox keeps what, where that differs from the configuration.

use super::show_retention::{Retention, Rules};
use super::{Answered, Method};
use crate::control::interface::Refused;
use crate::control::{Caller, Desk};
use crate::domain::Login;
use crate::store::Limits;
use serde::{Deserialize, Serialize};
use zlink::introspect;

pub(in crate::control) struct SetRetention;

/// Whose, and what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, introspect::Type)]
#[serde(deny_unknown_fields)]
pub(in crate::control) struct Differing {
    pub(in crate::control) login: String,
    /// What is not said stays as it was.
    pub(in crate::control) own: Rules,
    /// All that was said before is forgotten first.
    #[serde(default)]
    pub(in crate::control) forget: bool,
}

impl Method for SetRetention {
    const NAME: &'static str = "SetRetention";
    const ABOUT: &'static str =
        "Says how long an account's mailbox keeps messages, where that differs from the configuration.";
    type Parameters = Differing;
    type Reply = Retention;

    fn change(differing: &Differing) -> Option<String> {
        let Differing { login, own, forget } = differing;
        let forgotten = if *forget { "forget its own retention" } else { "" };
        let said = [
            ("delivered_age", own.delivered_age, " ms"),
            ("delivered_count", own.delivered_count, ""),
            ("undelivered_age", own.undelivered_age, " ms"),
            ("undelivered_count", own.undelivered_count, ""),
        ];
        let said = said.into_iter().filter_map(|(key, value, unit)| Some(format!("{key} = {}{unit}", value?)));
        let words: Vec<_> =
            Some(forgotten.to_owned()).filter(|words| !words.is_empty()).into_iter().chain(said).collect();
        Some(format!("retention of the account {login:?}: {}", words.join(", ")))
    }
}

impl Answered for SetRetention {
    async fn answer(desk: &Desk, _: Caller, differing: Differing) -> Result<Retention, Refused> {
        let Differing { login, own, forget } = differing;
        let nobody = || Refused::NoSuchUser { login: login.clone() };
        let parsed = Login::parse(&login).map_err(|_| nobody())?;
        let own = desk.core.store.set_retention(parsed, own.into(), forget).await?.ok_or_else(nobody)?;
        let configured = Limits::from(&desk.settings.get().retention).into();
        Ok(Retention { configured, own: own.into() })
    }
}
