//! A conversation at a terminal.

use crate::stage::{Home, KEY, Peer, Stage};
use nix::libc::winsize;
use nix::poll::{PollFd, PollFlags, poll};
use nix::pty::openpty;
use nix::sys::signal::{Signal, kill};
use nix::sys::termios::{LocalFlags, tcgetattr};
use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::fd::AsFd;
use std::process::{Child, Stdio};

/// `messenger chat` at a terminal of eighty columns.
struct Terminal {
    keys: File,
    /// Kept open, so that the terminal can be asked how it was left.
    slave: std::os::fd::OwnedFd,
    shown: String,
    child: Child,
}

impl Terminal {
    fn chat(home: &Home, stage: &Stage, partner: &str) -> Self {
        let size = winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
        let pty = openpty(Some(&size), None).unwrap();
        let mut command = home.ann(&stage.address(), &["chat", partner]);
        let slave = || Stdio::from(pty.slave.try_clone().unwrap());
        let child = command.env("NO_COLOR", "1").stdin(slave()).stdout(slave()).stderr(slave()).spawn().unwrap();
        Self { keys: File::from(pty.master), slave: pty.slave, shown: String::new(), child }
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
    }

    /// Waits until the text has been shown, and hands back what was shown up to its end.
    fn until(&mut self, text: &str) -> String {
        let mut bytes = [0; 4096];
        loop {
            if let Some(at) = self.shown.find(text) {
                let rest = self.shown.split_off(at + text.len());
                return std::mem::replace(&mut self.shown, rest);
            }
            let mut polled = [PollFd::new(self.keys.as_fd(), PollFlags::POLLIN)];
            assert!(poll(&mut polled, 20_000u16).unwrap() > 0, "no {text:?} in {:?}", self.shown);
            let count = self.keys.read(&mut bytes).unwrap();
            self.shown.push_str(&String::from_utf8_lossy(&bytes[..count]));
        }
    }

    /// Waits for the end, and says how the program ended.
    fn end(mut self) -> i32 {
        let code = self.child.wait().unwrap().code().unwrap();
        let settings = tcgetattr(&self.slave).unwrap();
        assert!(settings.local_flags.contains(LocalFlags::ICANON | LocalFlags::ECHO), "the terminal is as before");
        code
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A chat of ann with bob, who is online.
fn with_bob(home: &Home, stage: &Stage) -> (Terminal, Peer<TcpStream>) {
    let mut terminal = Terminal::chat(home, stage, "bob");
    let mut peer = stage.accept_ann();
    peer.expect_contacts_request();
    send_contacts(&mut peer);
    terminal.until("Talking to bob; /help tells what you can do.\r\n");
    terminal.until("bob is online.\r\n");
    terminal.until("bob> ");
    (terminal, peer)
}

fn send_contacts(peer: &mut Peer<TcpStream>) {
    peer.send(&[b"\x03\x00\rbob\r\x01\rcelina\r\x00"]);
}

#[test]
fn a_line_arrives_while_one_types() {
    let (home, stage) = (Home::new(), Stage::new());
    let (mut terminal, mut peer) = with_bob(&home, &stage);
    terminal.press("half a sen");
    terminal.until("half a sen");
    peer.send(&[b"\x02celina\rdinner?\x1b[2J"]);
    let shown = terminal.until("celina: dinner?␛[2J\r\n");
    assert!(shown.contains(':'), "with the time before it: {shown:?}");
    // The line is there again, and goes on where it was.
    terminal.until("bob> half a sen");
    terminal.press("tence\r");
    peer.expect(&[b"\x06", KEY, b"\rbob\rhalf a sentence"]);
    peer.expect_contacts_request();
    send_contacts(&mut peer);
    terminal.until("bob> ");
    terminal.press("/quit\r");
    peer.expect_leaving();
    assert_eq!(terminal.end(), 0);
}

#[test]
fn tab_completes_names_and_to_switches() {
    let (home, stage) = (Home::new(), Stage::new());
    let (mut terminal, mut peer) = with_bob(&home, &stage);
    terminal.press("/to c\t\r");
    peer.expect_contacts_request();
    send_contacts(&mut peer);
    terminal.until("celina is offline; messages wait at the server.\r\n");
    terminal.until("celina> ");
    terminal.press("//shrug\r");
    peer.expect(&[b"\x06", KEY, b"\rcelina\r/shrug"]);
    peer.expect_contacts_request();
    send_contacts(&mut peer);
    terminal.until("celina> ");
    terminal.press("/who\r");
    peer.expect_contacts_request();
    send_contacts(&mut peer);
    terminal.until("bob     online\r\ncelina  offline\r\n");
    terminal.press("/frob\r");
    terminal.until("\"/frob\" is no command; /help lists them.");
    terminal.press("\x04");
    peer.expect_leaving();
    assert_eq!(terminal.end(), 0);
}

#[test]
fn ctrl_c_throws_the_line_away_and_no_more() {
    let (home, stage) = (Home::new(), Stage::new());
    let (mut terminal, mut peer) = with_bob(&home, &stage);
    terminal.press("I hate\x03");
    terminal.until("(Ctrl-D or /quit leaves)");
    terminal.until("bob> ");
    terminal.press("hello\r");
    peer.expect(&[b"\x06", KEY, b"\rbob\rhello"]);
    peer.expect_contacts_request();
    send_contacts(&mut peer);
    terminal.until("bob> ");
    terminal.press("\x04");
    peer.expect_leaving();
    assert_eq!(terminal.end(), 0);
}

#[test]
fn what_comes_at_the_very_end_is_shown() {
    let (home, stage) = (Home::new(), Stage::new());
    let (mut terminal, mut peer) = with_bob(&home, &stage);
    terminal.press("\x04");
    peer.expect(&[b"\x02", KEY]);
    peer.send(&[b"\x02bob\rone more thing"]);
    terminal.until("bob: one more thing\r\n");
    peer.expect_end();
    drop(peer);
    assert_eq!(terminal.end(), 0);
}

#[test]
fn a_message_that_comes_with_the_last_key_is_shown() {
    let (home, stage) = (Home::new(), Stage::new());
    let (mut terminal, mut peer) = with_bob(&home, &stage);
    // Both at once: which of them the program meets first is open, and must not matter.
    peer.send(&[b"\x02bob\rwait!"]);
    terminal.press("\x04");
    terminal.until("bob: wait!\r\n");
    peer.expect_leaving();
    assert_eq!(terminal.end(), 0);
}

#[test]
fn a_server_that_goes_gives_the_terminal_back() {
    let (home, stage) = (Home::new(), Stage::new());
    let (mut terminal, mut peer) = with_bob(&home, &stage);
    terminal.press("half a sen");
    terminal.until("half a sen");
    peer.send(&[b"\x02bob\rbye"]);
    drop(peer);
    terminal.until("bob: bye\r\n");
    terminal.until(&format!("messenger: {} closed the connection\r\n", stage.address()));
    assert_eq!(terminal.end(), 69);
}

#[test]
fn sigterm_gives_the_terminal_back_after_a_log_out() {
    let (home, stage) = (Home::new(), Stage::new());
    let (terminal, peer) = with_bob(&home, &stage);
    kill(nix::unistd::Pid::from_raw(terminal.child.id().try_into().unwrap()), Signal::SIGTERM).unwrap();
    peer.expect_leaving();
    assert_eq!(terminal.end(), 0);
}
