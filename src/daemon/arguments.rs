//! The command line.

use crate::config::Sources;

/// A messenger server for people who run their own machines.
///
/// Started by systemd, it takes its sockets from messengerd.socket, messengerd-control.socket and
/// messengerd-metrics.socket; started by hand, it binds the addresses of listen.classic. SIGHUP reloads the configuration, SIGTERM stops.
#[derive(Debug, Clone, clap::Parser)]
#[command(name = "messengerd", version, max_term_width = 100)]
pub struct Arguments {
    /// Say all that is wrong with the configuration, or that it is fine, and exit
    #[arg(long)]
    pub check_config: bool,

    /// Where the configuration is read from.
    #[command(flatten)]
    pub sources: Sources,
}
