//! The terminal during a chat: lines that come in, shown above the line that is being typed.
//!
//! rustyline's printer hands a text to the thread that edits, and that thread may end its line before it has shown
//! it. A message must not vanish that way. So a text stays in [`Screen`]'s queue until it is certain that it was
//! shown, and what is still there at the end is written out then.

use super::session::{Arrivals, Push};
use super::show::{Style, line};
use jiff::Zoned;
use nix::sys::termios::{InputFlags, LocalFlags, SetArg, SpecialCharacterIndices, Termios, tcgetattr, tcsetattr};
use rustyline::ExternalPrinter;
use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Shows nothing: up one row, and down again. There is always a row above, because this only follows a text. The
/// editing thread takes one thing at a time, and there is room for one that waits: so when there is room for a second
/// mark, the first has been taken, and what came before it has been shown.
const MARK: &str = "\x1b[A\n";
/// How long the editing thread gets at the end to show what it was given.
const FLUSH: Duration = Duration::from_millis(500);

/// What is to be shown, in order.
#[derive(Debug, Default)]
struct Queue {
    /// Handed to the editor, which may or may not have shown them.
    unsure: Vec<String>,
    waiting: VecDeque<String>,
    closed: bool,
}

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
}

impl Shared {
    fn with<T>(&self, change: impl FnOnce(&mut Queue) -> T) -> T {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let outcome = change(&mut queue);
        drop(queue);
        self.changed.notify_all();
        outcome
    }

    /// Waits until `wanted` holds, or the deadline has passed.
    fn until(&self, deadline: Option<Instant>, wanted: impl Fn(&Queue) -> bool) {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        while !wanted(&queue) {
            queue = match deadline.map(|at| at.saturating_duration_since(Instant::now())) {
                None => self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner),
                Some(Duration::ZERO) => return,
                Some(left) => self.changed.wait_timeout(queue, left).unwrap_or_else(PoisonError::into_inner).0,
            };
        }
    }
}

/// Where a chat shows things.
#[derive(Debug)]
pub(super) struct Screen {
    shared: Arc<Shared>,
    printer: Option<JoinHandle<()>>,
    /// The terminal's settings before a chat changed them.
    before: Option<Termios>,
}

/// The screen as the place where pushes go.
#[derive(Debug)]
pub(super) struct Above {
    shared: Arc<Shared>,
    style: Style,
}

impl Screen {
    /// Begins to show, through the editor's printer as long as that edits.
    pub(super) fn new(printer: impl ExternalPrinter + Send + 'static) -> Self {
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        let printer = std::thread::spawn(move || print(&theirs, printer));
        Self { shared, printer: Some(printer), before: None }
    }

    /// Keeps what is typed between two lines for the next one, as it is: without this the terminal would echo it,
    /// swallow Ctrl-D and make a signal of Ctrl-C while a line is on its way to the server. The editor goes back to
    /// these settings after each line. `IEXTEN` means nothing in them, and stays as the sign that it has done so.
    ///
    /// # Errors
    /// When this is no terminal any more.
    pub(super) fn quieten(&mut self) -> io::Result<()> {
        let before = tcgetattr(io::stdin())?;
        let mut quiet = before.clone();
        quiet.local_flags.remove(LocalFlags::ICANON | LocalFlags::ECHO | LocalFlags::ISIG);
        quiet.local_flags.insert(LocalFlags::IEXTEN);
        quiet.input_flags.remove(InputFlags::ICRNL);
        quiet.control_chars[SpecialCharacterIndices::VMIN as usize] = 1;
        quiet.control_chars[SpecialCharacterIndices::VTIME as usize] = 0;
        tcsetattr(io::stdin(), SetArg::TCSADRAIN, &quiet)?;
        self.before = Some(before);
        Ok(())
    }

    /// A place for a session's pushes.
    pub(super) fn above(&self) -> Above {
        Above { shared: Arc::clone(&self.shared), style: Style::of(&io::stdout()) }
    }

    /// Shows text of ours; it ends with a line feed.
    pub(super) fn show(&self, text: String) {
        self.shared.with(|queue| queue.waiting.push_back(text));
    }

    /// The editor has ended: shows what is left.
    pub(super) fn close(mut self) {
        self.shared.with(|queue| queue.closed = true);
        if let Some(printer) = self.printer.take() {
            // It panics nowhere, and the rest is written all the same.
            let _ = printer.join();
        }
        self.give_back();
        self.write_rest();
    }

    /// The editor still edits, and the program is going to end: shows what is left and gives the terminal back.
    pub(super) fn abandon(self) {
        self.shared.until(Some(Instant::now() + FLUSH), |queue| queue.waiting.is_empty() && queue.unsure.is_empty());
        self.shared.with(|queue| queue.closed = true);
        // Off the line that was being typed, with bracketed paste off, which the editor had switched on.
        write("\r\n\x1b[?2004l");
        self.give_back();
        self.write_rest();
    }

    fn give_back(&self) {
        if let Some(before) = &self.before {
            // When the terminal has gone, so have its settings.
            let _ = tcsetattr(io::stdin(), SetArg::TCSADRAIN, before);
        }
    }

    fn write_rest(&self) {
        let rest = self.shared.with(|queue| {
            let mut rest = std::mem::take(&mut queue.unsure);
            rest.extend(queue.waiting.drain(..));
            rest
        });
        write(&rest.concat());
    }
}

impl Arrivals for Above {
    fn take(&mut self, push: Push) {
        let text = line(&push, &Zoned::now(), self.style);
        self.shared.with(|queue| queue.waiting.push_back(text));
    }
}

/// The printer's thread. It may wait for the editor for as long as that is busy with a question of its own.
fn print(shared: &Shared, mut printer: impl ExternalPrinter) {
    loop {
        shared.until(None, |queue| queue.closed || !queue.waiting.is_empty());
        let Some(text) = shared.with(|queue| {
            let text = if queue.closed { None } else { queue.waiting.pop_front() };
            queue.unsure.extend(text.clone());
            text
        }) else {
            return;
        };
        let shown = if is_editing() {
            // An error means that the editor has gone.
            let mut hand = |text| printer.print(text).is_ok();
            hand(text) && hand(MARK.to_owned()) && hand(MARK.to_owned()) && is_editing()
        } else {
            write(&text);
            shared.with(|queue| queue.unsure.pop());
            continue;
        };
        if shown {
            shared.with(|queue| queue.unsure.clear());
        }
    }
}

/// Whether the editor has the terminal.
fn is_editing() -> bool {
    tcgetattr(io::stdin()).is_ok_and(|settings| !settings.local_flags.contains(LocalFlags::IEXTEN))
}

fn write(text: &str) {
    let mut out = io::stdout().lock();
    // When the terminal has gone there is nowhere to show it.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
