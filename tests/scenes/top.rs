//! `messengerctl top`: how the daemon is, live, on a terminal.

use crate::administration::{command, ctl, listening};
use crate::support::{Deadline, Scratch};
use nix::poll::{PollFd, PollFlags, poll};
use nix::pty::{Winsize, openpty};
use nix::sys::termios::{LocalFlags, tcgetattr};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Stdio};

#[test]
fn top_needs_a_terminal_and_a_daemon() {
    let server = listening(&[]);
    let (code, out, err) = ctl(&server.scratch, &["top"]);
    assert_eq!((code, out.as_str()), (Some(64), ""));
    assert!(err.contains("messengerctl status"), "{err}");
}

/// `messengerctl top` at a terminal.
struct Terminal {
    keys: File,
    /// Kept open, so that the terminal can be asked how it was left.
    slave: OwnedFd,
    shown: String,
    child: Child,
}

impl Terminal {
    fn top(scratch: &Scratch, words: &[&str]) -> Self {
        let size = Winsize { ws_row: 30, ws_col: 110, ws_xpixel: 0, ws_ypixel: 0 };
        let pty = openpty(Some(&size), None).unwrap();
        let slave = || Stdio::from(pty.slave.try_clone().unwrap());
        let mut command = command(scratch, words);
        command.env("TERM", "xterm").stdin(slave()).stdout(slave()).stderr(slave());
        let child = command.spawn().unwrap();
        Self { keys: File::from(pty.master), slave: pty.slave, shown: String::new(), child }
    }

    /// Waits until a word has been shown: between two, the cursor moves.
    fn until(&mut self, text: &str) {
        let (mut bytes, deadline) = ([0; 4096], Deadline::new());
        while !self.shown.contains(text) {
            deadline.check(text);
            let mut polled = [PollFd::new(self.keys.as_fd(), PollFlags::POLLIN)];
            assert!(poll(&mut polled, 20_000_u16).unwrap() > 0, "no {text:?} in {:?}", self.shown);
            let count = self.keys.read(&mut bytes).unwrap();
            self.shown.push_str(&String::from_utf8_lossy(&bytes[..count]));
        }
    }

    fn is_as_before(&self) -> bool {
        tcgetattr(&self.slave).unwrap().local_flags.contains(LocalFlags::ICANON | LocalFlags::ECHO)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The other screen, and back.
const ENTER: &str = "\x1b[?1049h";
const LEAVE: &str = "\x1b[?1049l";

#[test]
fn top_shows_how_things_are_until_q_and_leaves_the_terminal_as_it_was() {
    let server = listening(&[]);
    let mut terminal = Terminal::top(&server.scratch, &["top", "--every", "100ms"]);
    terminal.until(ENTER);
    terminal.until("accounts");
    terminal.until("queues");
    assert!(!terminal.is_as_before());
    // What changes is drawn as it changes: of the line, its first figure.
    let _ann = server.person("ann");
    terminal.until("\x1b[2;14H1");
    terminal.keys.write_all(b"q").unwrap();
    terminal.until(LEAVE);
    assert_eq!(terminal.child.wait().unwrap().code(), Some(0));
    assert!(terminal.is_as_before());
}

#[test]
fn top_ends_with_the_daemon_and_leaves_the_terminal_as_it_was() {
    let server = listening(&[]);
    let mut terminal = Terminal::top(&server.scratch, &["top"]);
    terminal.until("queues");
    server.stop();
    terminal.until(LEAVE);
    terminal.until("closed the connection");
    assert_eq!(terminal.child.wait().unwrap().code(), Some(69));
    assert!(terminal.is_as_before());
}
