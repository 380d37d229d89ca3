//! The stage: the daemon as a child process, people with connections to it, and a folder for each scene.

mod machine;
mod memory;
mod patience;
mod peers;
mod people;
mod scratch;
mod server;

pub use machine::{Somebody, as_user, is_root, not_tried, tool};
pub use memory::Memory;
pub use patience::{Deadline, until};
pub use peers::{Packet, Unhurried};
pub use people::{Peer, Person, packet, password};
pub use scratch::Scratch;
pub use server::{Server, Setup};

use std::time::Duration;

/// How long a scene waits for something that must come. It is only ever waited out by a scene that fails.
pub const PATIENCE: Duration = Duration::from_secs(20);
