//! `messengerctl top`: how the daemon is, live, in the terminal.

mod board;
mod draw;

use super::door::Door;
use crate::control::ClientError;
use crate::control::client::Client;
use crate::control::methods::watch_status::{Every, Moment, WatchStatus};
use board::Board;
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use std::io::{self, IsTerminal};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

/// How often keys are looked for.
const LOOK: Duration = Duration::from_millis(50);

/// Shows it until somebody has seen enough. The terminal is as it was when this returns, and also after a panic.
pub(super) fn run(door: &Door, every: Duration) -> Result<(), ClientError> {
    if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
        return Err(ClientError::NoTerminal);
    }
    let client = door.open()?;
    let (sender, moments) = sync_channel(1);
    let every = Every { milliseconds: u64::try_from(every.as_millis()).unwrap_or(u64::MAX) };
    // It ends with the process, if it still waits for the daemon then.
    thread::spawn(move || watch(client, &every, &sender));
    // Before anything is drawn: a refusal is told on a terminal that is as it was.
    let first = moments.recv().unwrap_or(Err(ClientError::NoAnswer))?;
    let mut terminal = ratatui::try_init().map_err(ClientError::Output)?;
    let outcome = show(&mut terminal, Board::of(first), &moments);
    ratatui::restore();
    outcome
}

fn watch(mut client: Client, every: &Every, sender: &SyncSender<Result<Moment, ClientError>>) {
    let outcome = client.stream::<WatchStatus, ClientError>(every, |moment| Ok(sender.send(Ok(moment)).is_ok()));
    if let Err(error) = outcome {
        // Who has quit does not hear it.
        let _ = sender.send(Err(error));
    }
}

fn show(
    terminal: &mut DefaultTerminal,
    mut board: Board,
    moments: &Receiver<Result<Moment, ClientError>>,
) -> Result<(), ClientError> {
    loop {
        terminal.draw(|frame| draw::draw(frame, &board)).map_err(ClientError::Output)?;
        // Until there is something new to be drawn.
        loop {
            if event::poll(Duration::ZERO).map_err(ClientError::Input)? {
                match event::read().map_err(ClientError::Input)? {
                    Event::Key(key) if is_end(key) => return Ok(()),
                    Event::Resize(..) => break,
                    _ => continue,
                }
            }
            match moments.recv_timeout(LOOK) {
                Ok(moment) => {
                    board.take(moment?);
                    break;
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Err(ClientError::NoAnswer),
            }
        }
    }
}

fn is_end(key: KeyEvent) -> bool {
    let control_c = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
    key.kind == KeyEventKind::Press && (control_c || matches!(key.code, KeyCode::Char('q') | KeyCode::Esc))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn q_escape_and_control_c_are_the_end_and_nothing_else() {
        for (code, modifiers, end) in [
            (KeyCode::Char('q'), KeyModifiers::NONE, true),
            (KeyCode::Esc, KeyModifiers::NONE, true),
            (KeyCode::Char('c'), KeyModifiers::CONTROL, true),
            (KeyCode::Char('c'), KeyModifiers::NONE, false),
            (KeyCode::Enter, KeyModifiers::NONE, false),
        ] {
            assert_eq!(is_end(KeyEvent::new(code, modifiers)), end, "{code:?}");
        }
    }
}
