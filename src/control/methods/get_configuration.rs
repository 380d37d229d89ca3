//! What the daemon goes by at this moment, key by key.

use super::{Answered, Method, Nothing};
use crate::config;
use crate::control::interface::Refused;
use crate::control::{Caller, Desk};
use serde::{Deserialize, Serialize};
use zlink::introspect;

pub(in crate::control) struct GetConfiguration;

/// All keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, introspect::Type)]
pub(in crate::control) struct Configuration {
    pub(in crate::control) entries: Vec<Entry>,
}

/// A key, and its value as it would stand in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, introspect::Type)]
pub(in crate::control) struct Entry {
    pub(in crate::control) key: String,
    pub(in crate::control) value: String,
}

impl Method for GetConfiguration {
    const NAME: &'static str = "GetConfiguration";
    const ABOUT: &'static str = "What the daemon goes by at this moment, key by key.";
    type Parameters = Nothing;
    type Reply = Configuration;

    fn change(_: &Nothing) -> Option<String> {
        None
    }
}

impl Answered for GetConfiguration {
    async fn answer(desk: &Desk, _: Caller, _: Nothing) -> Result<Configuration, Refused> {
        let settings = desk.settings.get();
        let entry = |key: &config::Key| Entry { key: key.path.to_owned(), value: key.text(&settings) };
        Ok(Configuration { entries: config::keys().map(entry).collect() })
    }
}
