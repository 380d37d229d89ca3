//! messengerd: a messenger server for people who run their own machines.
//!
//! # A message's way
//!
//! ```text
//! listener → connection → protocol → handler → store → notifier → sessions → connection(s) of the recipient
//! ```
//!
//! - A [`listener`] is a named socket, from systemd or bound by us. Its name says which protocol it speaks.
//! - A [`connection`] is one peer: bytes in, a bounded outbox, a position in a mailbox. It knows no SQL.
//! - A [`protocol`] turns bytes into requests, and replies and events into bytes. No I/O, no clock.
//! - A [`handlers`] file is one request of one kind; one table says what each needs, one gate checks it.
//! - [`accounts`] knows passwords, throttling and who may sign up.
//! - The [`store`] is the only place with SQL: one writer thread, group commit, readers beside it.
//! - The [`notifier`] takes what was committed to the sessions it concerns, in the order of the commits.
//! - [`sessions`] know who is online, on which connections, under which key.
//! - The [`handover`] is what one process leaves to the next, so that connections outlive it.
//!
//! Around that way stand the [`daemon`] (start, reload, stop), the [`client`] (the terminal client), [`control`] (the
//! administrators' door, and `messengerctl` at the other side of it), [`metrics`] (the figures, for programs that collect
//! such), and what every room may lean on: [`config`] (the
//! administrator's words), [`terminal`] (what programs for terminals share), [`limits`] (how much one may take of what all share), [`figures`] (what is counted of it all), [`host`] (systemd and the kernel; the only
//! `unsafe`), and [`domain`] (the words that protocol and store share, valid by construction).
//!
//! # Which room may know which
//!
//! Imports run downwards: `daemon`, `client`, `listener`, `connection`, `protocol`, `control`, `metrics`, `handlers`,
//! `notifier`, `accounts`, `handover`, `sessions`, `store`, `config`, `terminal`, `limits`, `figures`, `host`, `domain`. Nothing imports a room
//! above itself; `protocol` and `store` never meet, and neither `control` nor `metrics` meets any of `listener`, `connection` and `protocol`.
//! `tests/house.rs` reads the `use` lines and holds this. Above all of them stands `fuzzing`, which only tests and fuzzing build.
//!
//! # Errors
//!
//! Each room has a typed error. Three readers are served from it: the client gets a code and generic text
//! ([`domain::reply`]), the journal the chain of causes with fields, the shell an exit code of `sysexits.h`
//! ([`domain::exit`]). Nothing here panics on what a stranger sends.

#[forbid(unsafe_code)]
pub mod accounts;
#[forbid(unsafe_code)]
pub mod client;
#[forbid(unsafe_code)]
pub mod config;
#[forbid(unsafe_code)]
pub mod connection;
#[forbid(unsafe_code)]
pub mod control;
#[forbid(unsafe_code)]
pub mod daemon;
#[forbid(unsafe_code)]
pub mod domain;
#[forbid(unsafe_code)]
pub mod figures;
#[cfg(any(test, fuzzing))]
#[forbid(unsafe_code)]
pub mod fuzzing;
#[forbid(unsafe_code)]
pub mod handlers;
#[forbid(unsafe_code)]
pub mod handover;
pub mod host;
#[forbid(unsafe_code)]
pub mod limits;
#[forbid(unsafe_code)]
pub mod listener;
#[forbid(unsafe_code)]
pub mod metrics;
#[forbid(unsafe_code)]
pub mod notifier;
#[forbid(unsafe_code)]
pub mod protocol;
#[forbid(unsafe_code)]
pub mod sessions;
#[forbid(unsafe_code)]
pub mod store;
#[forbid(unsafe_code)]
pub mod terminal;
