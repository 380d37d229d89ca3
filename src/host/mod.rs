//! All that is systemd's or the kernel's: what a daemon needs from its host and cannot have from std.
//!
//! - [`sockets`]: listeners, passed in by systemd under a name or bound by us, and what their connections inherit.
//! - [`readiness`]: which of thousands of sockets have something to read.
//! - [`socket_queue`]: how much of what we wrote the other side has not taken.
//! - [`peer_groups`]: who is at the other end of a UNIX socket.
//! - [`notify`] and [`watchdog`]: what systemd is told, and when it is told nothing.
//! - [`descriptor_store`] and [`memory_file`]: what stays when the process ends.
//! - [`privileges`]: from root to nobody in particular, for good.
//! - [`sandbox`]: what we forbid ourselves.
//! - [`journal`]: where log records go.
//! - [`resources`]: how many descriptors we may have.
//! - [`process`]: what this process has and uses.
//! - [`threads`] and [`block_memory`]: which of our threads give way to the others, and memory for hashing.
//!
//! # Order
//!
//! Three functions need a process with one thread, because they change what all threads share, or what each has for
//! itself and leaves to those that it starts: the environment ([`sockets::inherited`]), the identity
//! ([`privileges::drop_to`]), the files within reach ([`sandbox::confine_files`]). They refuse when a second thread
//! exists. So a start goes: log ([`journal::start`]) → [`sockets::inherited`] or [`sockets::bind_tcp`] →
//! [`privileges::plan`] → [`privileges::prepare_state_directory`] → [`privileges::drop_to`] →
//! [`sandbox::confine_files`] → threads: the runtime, the store's writer, those that hash, the [`watchdog`] →
//! [`sandbox::confine_calls`] → [`notify::Notifier::ready`].
//!
//! # Errors
//!
//! One enum for each module. Each variant names the address, path, user or descriptor that it is about, and what
//! to do; `exit()` is its code for the shell. A text never repeats its cause: print the chain of causes,
//! with [`journal::Chain`].
//!
//! # Must not be here
//!
//! Reading the configuration (plain option structs come in), the runtime (but where it waits for a descriptor of ours, in
//! [`readiness`]), protocols, what a listener's name means. This is
//! the only room with `unsafe`: a few items, each with its reason.

pub mod block_memory;
pub mod descriptor_store;
pub mod journal;
pub mod memory_file;
pub mod notify;
pub mod peer_groups;
pub mod privileges;
pub mod process;
pub mod readiness;
pub mod resources;
pub mod sandbox;
pub mod socket_queue;
pub mod sockets;
pub mod threads;
pub mod watchdog;
