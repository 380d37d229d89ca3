//! What every scene needs: a home for a person, the program, and a peer.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// How long a peer waits before it says that the program did nothing. No scene depends on it going by.
const PATIENCE: Duration = Duration::from_secs(20);

/// A key as a server gives it.
pub(crate) const KEY: &[u8] = b"\x01\xfe\x00\x7f";

/// A person's folders, with a password file in them.
pub(crate) struct Home(TempDir);

impl Home {
    pub(crate) fn new() -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        std::fs::write(home.password_file(), "correct horse\nnot this\n").unwrap();
        std::fs::set_permissions(home.password_file(), PermissionsExt::from_mode(0o600)).unwrap();
        home
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn password_file(&self) -> PathBuf {
        self.path("password")
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.path("config/messenger/config.toml")
    }

    /// The environment of this person, and nothing of the one who runs the tests.
    pub(crate) fn dress(&self, command: &mut Command) {
        for name in ["MESSENGER_SERVER", "MESSENGER_LOGIN", "MESSENGER_PASSWORD_FILE", "NO_COLOR", "COMPLETE"] {
            command.env_remove(name);
        }
        command
            .env("HOME", self.0.path())
            .env("XDG_CONFIG_HOME", self.path("config"))
            .env("XDG_CACHE_HOME", self.path("cache"))
            .env("TZ", "UTC")
            .env("TERM", "xterm");
    }

    /// The program, with these arguments and nothing said about who and where.
    pub(crate) fn bare(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_messenger"));
        self.dress(&mut command);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// The program as ann, with her password file, at a server.
    pub(crate) fn ann(&self, server: &str, arguments: &[&str]) -> Command {
        let mut command = self.bare(arguments);
        command
            .env("MESSENGER_SERVER", server)
            .env("MESSENGER_LOGIN", "ann")
            .env("MESSENGER_PASSWORD_FILE", self.password_file());
        command
    }
}

/// The program while it runs.
pub(crate) struct Running {
    child: Child,
    pub(crate) out: Option<BufReader<ChildStdout>>,
    pub(crate) err: BufReader<ChildStderr>,
}

impl Running {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let out = child.stdout.take().map(BufReader::new);
        let err = BufReader::new(child.stderr.take().unwrap());
        Self { child, out, err }
    }

    /// Starts it with a text on its standard input.
    pub(crate) fn fed(mut command: Command, input: &[u8]) -> Self {
        let mut running = Self::start({
            command.stdin(Stdio::piped());
            command
        });
        running.child.stdin.take().unwrap().write_all(input).unwrap();
        running
    }

    pub(crate) fn pid(&self) -> nix::unistd::Pid {
        nix::unistd::Pid::from_raw(self.child.id().try_into().unwrap())
    }

    /// The next line of standard output, without its end; empty when there is none.
    pub(crate) fn line(&mut self) -> String {
        line(self.out.as_mut().unwrap())
    }

    /// The next line of standard error.
    pub(crate) fn error_line(&mut self) -> String {
        line(&mut self.err)
    }

    /// Waits for the end: exit code, the rest of standard output, the rest of standard error.
    pub(crate) fn end(mut self) -> (i32, String, String) {
        let (mut out, mut err) = (String::new(), String::new());
        if let Some(reader) = &mut self.out {
            reader.read_to_string(&mut out).unwrap();
        }
        self.err.read_to_string(&mut err).unwrap();
        (self.child.wait().unwrap().code().unwrap(), out, err)
    }
}

impl Drop for Running {
    /// A scene that failed leaves nothing running. After [`Running::end`] there is nothing to kill.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn line(reader: &mut impl BufRead) -> String {
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    line.trim_end_matches('\n').to_owned()
}

/// The server's part, to be played byte by byte.
pub(crate) struct Stage(TcpListener);

impl Stage {
    pub(crate) fn new() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").unwrap())
    }

    pub(crate) fn address(&self) -> String {
        self.0.local_addr().unwrap().to_string()
    }

    /// An address where nobody listens.
    pub(crate) fn nowhere() -> String {
        Self::new().address()
    }

    pub(crate) fn accept(&self) -> Peer<TcpStream> {
        let (stream, _): (_, SocketAddr) = self.0.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Peer(stream)
    }

    /// The connection of ann, who has logged in.
    pub(crate) fn accept_ann(&self) -> Peer<TcpStream> {
        let mut peer = self.accept();
        peer.log_in_ann();
        peer
    }
}

/// One connection, seen by the server.
pub(crate) struct Peer<S>(pub(crate) S);

impl<S: Read + Write> Peer<S> {
    /// Waits for exactly these bytes.
    pub(crate) fn expect(&mut self, parts: &[&[u8]]) {
        let wanted = parts.concat();
        let mut got = vec![0; wanted.len()];
        self.0.read_exact(&mut got).unwrap();
        assert!(got == wanted, "wanted {}, got {}", wanted.escape_ascii(), got.escape_ascii());
    }

    /// Writes one packet.
    pub(crate) fn send(&mut self, parts: &[&[u8]]) {
        self.0.write_all(&parts.concat()).unwrap();
    }

    pub(crate) fn log_in_ann(&mut self) {
        self.expect(&[b"\x01ann\rcorrect horse"]);
        self.send(&[b"\x01\x00\r", KEY]);
    }

    pub(crate) fn expect_contacts_request(&mut self) {
        self.expect(&[b"\x03", KEY]);
    }

    /// The person logs out, says that nothing more will come, and gets the end.
    pub(crate) fn expect_leaving(mut self) {
        self.expect(&[b"\x02", KEY]);
        self.expect_end();
    }

    /// Waits for the end of what the program sends.
    pub(crate) fn expect_end(&mut self) {
        let mut rest = Vec::new();
        self.0.read_to_end(&mut rest).unwrap();
        assert!(rest.is_empty(), "more came: {}", rest.escape_ascii());
    }
}

/// A line as it is shown, without the time before it, which has the form `12:03 `.
pub(crate) fn without_time(line: &str) -> &str {
    let (time, rest) = line.split_at(6);
    let digits = |range: std::ops::Range<usize>| time[range].bytes().all(|byte| byte.is_ascii_digit());
    assert!(digits(0..2) && &time[2..3] == ":" && digits(3..5) && time.ends_with(' '), "{line}");
    rest
}

/// The permissions of a file.
pub(crate) fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}
