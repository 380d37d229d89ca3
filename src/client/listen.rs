//! `listen`: what arrives, on standard output, until somebody says stop.

use super::error::ClientError;
use super::session::Session;
use super::show::Printed;
use super::signals::{Signals, wait};
use std::io;
use std::os::fd::AsFd;

/// Prints what arrives until a signal comes, and leaves in order then.
///
/// # Errors
/// When the connection ends, or nobody reads standard output any more: what comes after that stays at the server.
pub(super) fn listen(mut session: Session<Printed>, signals: &Signals) -> Result<(), ClientError> {
    let out = io::stdout();
    loop {
        if let Some(fault) = session.arrivals().fault() {
            session.leave();
            return Err(ClientError::Output(fault));
        }
        let [arrived, told, gone] = wait([(session.as_fd(), true), (signals.as_fd(), true), (out.as_fd(), false)])
            .map_err(ClientError::System)?;
        if told || gone {
            let fault = session.leave().fault();
            return match fault {
                Some(fault) => Err(ClientError::Output(fault)),
                None if told => Ok(()),
                None => Err(ClientError::Output(io::ErrorKind::BrokenPipe.into())),
            };
        }
        if arrived {
            session.hear()?;
        }
    }
}
