//! How the daemon is.

use super::{Answered, Method, Nothing};
use crate::control::interface::Refused;
use crate::control::status::Status;
use crate::control::{Caller, Desk};

pub(in crate::control) struct GetStatus;

impl Method for GetStatus {
    const NAME: &'static str = "GetStatus";
    const ABOUT: &'static str =
        "How the daemon is: who is online, what waits, how long things take. Counted from its start.";
    type Parameters = Nothing;
    type Reply = Status;

    fn change(_: &Nothing) -> Option<String> {
        None
    }
}

impl Answered for GetStatus {
    async fn answer(desk: &Desk, _: Caller, _: Nothing) -> Result<Status, Refused> {
        Ok(Status::of(&desk.report().await?, None))
    }
}
