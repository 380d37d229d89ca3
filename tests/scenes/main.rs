//! Scenes: actors, what they send, what they see. Each starts the real daemon on a database of its own and talks to
//! it over real sockets.
//!
//! No scene sleeps to let something happen: it waits for a packet, a log record or a notice to systemd; and "nothing
//! came" is shown by something later that came first.

#![expect(unreachable_pub, reason = "the stage is public to the scenes, and nothing here is a library")]

mod support;

mod accounts;
mod administration;
mod backups;
mod classic;
mod control;
mod crash;
mod database;
mod disk_full;
mod exhaustion;
mod faults_of_the_original;
mod floods;
mod keeping;
mod limits;
mod living_together;
mod logging;
mod messages;
mod metrics;
mod model;
mod outbox;
mod own_account;
mod presence;
mod privacy;
mod privileges;
mod reload;
mod restoring;
mod sandbox;
mod secrets;
mod sessions;
mod start;
mod status;
mod stop;
mod swarm;
mod systemd;
mod top;
