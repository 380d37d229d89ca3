//! Figures: what is counted and measured of a running server.
//!
//! The rooms that know keep them: the [`store`](crate::store) its commits, the [`accounts`](crate::accounts) their hashes,
//! the [`connections`](crate::connection) their requests. Here is what they keep them with, and the [`Report`] in which all
//! of a moment stand side by side, for whoever shows them. Counting must not be felt: no lock, no allocation, and no cache
//! line that many threads write to where each message comes by.
//!
//! They begin anew with each process.
//!
//! Errors: none. A figure that can't be had is missing from the report.
//!
//! Must not be here: how figures are shown, and anybody's login, text or address.

mod counter;
mod distribution;
mod histogram;
mod report;

pub use counter::{Counter, Labelled, Level, Spread};
pub use distribution::Distribution;
pub use histogram::{Durations, Sizes};
pub use report::{
    Accounts, Backlog, Connections, Counts, Daemon, Process, Queue, Report, Reporter, Reporting, Sessions, Store,
};
