//! How much one may take of what all share: places for connections, requests, attempts to get in.
//!
//! A [`Budget`] says how much at once, and after how long a little more. A [`Throttle`] remembers who owes how much of one,
//! a [`Meter`] is what a single one owes. [`Sources`] counts who has how many connections.
//!
//! Errors: none. Who asks is told that there is nothing left, or how long to wait, and makes of it what its protocol has.
//!
//! Must not be here: settings, sockets, what a request means. Memory is bounded, whoever comes and however many they are.

mod budget;
mod sources;
mod throttle;

pub use budget::{Budget, Meter};
pub use sources::{Seat, Sources};
pub use throttle::Throttle;
