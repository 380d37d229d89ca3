//! Have the daemon take the new configuration.

use super::{Answered, Method, Nothing};
use crate::control::interface::Refused;
use crate::control::{Caller, Desk, Task};

pub(in crate::control) struct Reload;

impl Method for Reload {
    const NAME: &'static str = "Reload";
    const ABOUT: &'static str = "Reads the configuration anew. When it returns, the new settings are in force.";
    type Parameters = Nothing;
    type Reply = Nothing;

    fn change(_: &Nothing) -> Option<String> {
        Some("take the new configuration".to_owned())
    }
}

impl Answered for Reload {
    async fn answer(desk: &Desk, caller: Caller, _: Nothing) -> Result<Nothing, Refused> {
        let outcome = desk.order(caller, Task::Reload).await?;
        outcome.map(|()| Nothing {}).map_err(|reasons| Refused::ReloadRefused { reasons })
    }
}
