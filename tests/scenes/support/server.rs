//! The daemon as a child process, watched by its log and by what it tells systemd.

use super::{PATIENCE, Peer, Person, Scratch};
use serde_json::Value;
use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Instant;

/// How the daemon is to be started.
pub struct Setup {
    settings: Vec<String>,
    left_to_the_daemon: Vec<&'static str>,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    wrappers: Vec<Vec<String>>,
    sockets: [Option<OwnedFd>; 2],
    locally: bool,
    scratch: Option<Arc<Scratch>>,
}

/// Whatever this test itself was started with is no part of a scene.
const SURROUNDINGS: [&str; 10] = [
    "CARGO",
    "HOME",
    "JOURNAL_STREAM",
    "LISTEN_FDNAMES",
    "LISTEN_FDS",
    "LISTEN_PID",
    "STATE_DIRECTORY",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
    "XDG_STATE_HOME",
];

impl Setup {
    /// On a free port of the loopback interface, with hashes that cost little, with no configuration file of this
    /// machine, and with patience for peers that don't get a processor for a while.
    pub fn new() -> Self {
        let settings = [
            "listen.classic=127.0.0.1:0",
            "auth.argon2_memory=64KiB",
            "auth.argon2_iterations=1",
            "classic.packet_gap=20ms",
        ];
        Self {
            settings: settings.map(str::to_owned).to_vec(),
            left_to_the_daemon: Vec::new(),
            arguments: Vec::new(),
            environment: Vec::new(),
            wrappers: Vec::new(),
            sockets: [None, None],
            locally: false,
            scratch: None,
        }
    }

    /// With this key, `section.key=value`.
    pub fn set(mut self, setting: &str) -> Self {
        self.settings.push(setting.to_owned());
        self
    }

    /// Without the limits that a family never meets: a crowd comes from this one address.
    pub fn for_a_crowd(self) -> Self {
        [
            "accounts.source_sign_ups=1000000",
            "accounts.sign_ups=1000000",
            "auth.source_log_ins=1000000",
            "connections.requests=1000000",
            "connections.source_requests=10000000",
            "connections.source_max=100000",
        ]
        .into_iter()
        .fold(self, Self::set)
    }

    /// Without what the stage says about this key.
    pub fn leave(mut self, key: &'static str) -> Self {
        self.left_to_the_daemon.push(key);
        self
    }

    /// On [`Server::local_peer`]'s path too.
    pub fn locally(mut self) -> Self {
        self.locally = true;
        self
    }

    /// With this argument on the command line.
    pub fn argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// With this variable.
    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// By this program, which ends by turning into the program that its further arguments name.
    pub fn by(mut self, wrapper: &[&str]) -> Self {
        self.wrappers.push(wrapper.iter().copied().map(str::to_owned).collect());
        self
    }

    /// By a shell that does this first.
    pub fn after(self, script: &str) -> Self {
        self.by(&["sh", "-c", &format!("{script}\nexec \"$0\" \"$@\"")])
    }

    /// With one or two listeners, as systemd passes them, and with these variables beside `LISTEN_PID`.
    pub fn hand_over<const N: usize>(self, sockets: [OwnedFd; N], variables: &str) -> Self {
        // A child gets its standard streams without ado, and the shell moves them to where systemd has its sockets.
        let moves = if N == 1 { "exec 3<&0" } else { "exec 3<&0 4<&1" };
        let script = format!("{moves}\nexec 0</dev/null 1>/dev/null\nexport LISTEN_PID=$$ {variables}");
        let mut setup = self.after(&script).leave("listen.classic");
        let mut sockets = sockets.into_iter();
        setup.sockets = [sockets.next(), sockets.next()];
        assert!(sockets.next().is_none(), "the shell has no room for more than two");
        setup
    }

    /// In this folder, where an earlier daemon may have left a database.
    pub fn on(mut self, scratch: &Arc<Scratch>) -> Self {
        self.scratch = Some(Arc::clone(scratch));
        self
    }

    /// Starts it, and waits for nothing.
    pub fn spawn(self) -> Server {
        let scratch = self.scratch.unwrap_or_else(|| Arc::new(Scratch::new()));
        let notices = Arc::new(Heard::default());
        let socket = tempfile::Builder::new()
            .prefix("notify-")
            .make_in(scratch.path(""), |path| UnixDatagram::bind(path))
            .unwrap();
        fs::set_permissions(socket.path(), Permissions::from_mode(0o666)).unwrap();
        // The last to be named is the first to run.
        let mut words: Vec<String> = self.wrappers.into_iter().rev().flatten().collect();
        words.extend([env!("CARGO_BIN_EXE_messengerd"), "--root"].map(str::to_owned));
        words.push(scratch.path("root").display().to_string());
        let mut settings = vec!["log.format=json".to_owned(), format!("state.directory={}", scratch.state().display())];
        settings.extend(self.settings);
        if self.locally {
            settings.push(format!("listen.classic=[\"127.0.0.1:0\", \"{}\"]", scratch.socket().display()));
        }
        settings.retain(|setting| setting.split('=').next().is_some_and(|key| !self.left_to_the_daemon.contains(&key)));
        words.extend(settings.into_iter().flat_map(|setting| ["--set".to_owned(), setting]));
        words.extend(self.arguments);
        let mut command = Command::new(&words[0]);
        for name in SURROUNDINGS {
            command.env_remove(name);
        }
        let [stdin, stdout] = self.sockets.map(|socket| socket.map_or_else(Stdio::null, Stdio::from));
        command.args(&words[1..]).env("NOTIFY_SOCKET", socket.path()).envs(self.environment);
        command.stdin(stdin).stdout(stdout).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();

        let records = Arc::new(Heard::default());
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let hears = Arc::clone(&records);
        std::thread::spawn(move || {
            stderr.lines().map_while(Result::ok).for_each(|line| hears.hear(line));
            hears.end();
        });
        let hears = Arc::clone(&notices);
        let listening = socket.as_file().try_clone().unwrap();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(size) = listening.recv(&mut buffer) {
                if size == 0 {
                    return;
                }
                hears.hear(String::from_utf8_lossy(&buffer[..size]).into_owned());
            }
        });
        Server { child, records, notices, socket, scratch }
    }

    /// Starts it, and waits until it says that it is ready.
    pub fn start(self) -> Server {
        let mut server = self.spawn();
        server.ready();
        server
    }

    /// Starts it, and waits until it has given up.
    pub fn fail(self) -> Failure {
        self.spawn().failure()
    }
}

/// A daemon that did not start.
#[derive(Debug)]
pub struct Failure {
    pub status: ExitStatus,
    pub said: String,
}

impl Failure {
    /// It ended with this code, and with one error record; returns what that says.
    #[track_caller]
    pub fn with(&self, code: i32) -> String {
        assert_eq!(self.status.code(), Some(code), "{}", self.said);
        let records = self.said.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let errors: Vec<Value> = records.filter(|record| record["level"] == "ERROR").collect();
        assert_eq!(errors.len(), 1, "{}", self.said);
        let message = errors[0]["message"].as_str().unwrap();
        assert!(!message.contains('\n'), "more than one line: {message}");
        message.to_owned()
    }
}

/// A running daemon; killed at the end of the scene.
pub struct Server {
    child: Child,
    records: Arc<Heard>,
    notices: Arc<Heard>,
    socket: tempfile::NamedTempFile<UnixDatagram>,
    pub scratch: Arc<Scratch>,
}

impl Server {
    pub fn start() -> Self {
        Setup::new().start()
    }

    /// Waits until it says that it is ready.
    pub fn ready(&mut self) {
        assert!(self.ready_or_ended(), "the daemon did not get ready; it said:\n{}", self.records.all().join("\n"));
    }

    /// Waits until it says that it is ready, or has given up; whether it is ready.
    pub fn ready_or_ended(&mut self) -> bool {
        let ready = self.notices.wait(
            0,
            |notice| notice.lines().any(|line| line == "READY=1"),
            || self.child.try_wait().unwrap().is_some(),
        );
        ready.is_some()
    }

    /// It has given up: how, and what it said.
    pub fn failure(&mut self) -> Failure {
        let status = self.wait();
        self.records.wait_for_end();
        Failure { status, said: self.records.all().join("\n") }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where it listens: the first of its addresses.
    pub fn address(&self) -> SocketAddr {
        let listening = self.logged("listening on");
        listening["message"].as_str().unwrap().rsplit(' ').next().unwrap().parse().unwrap()
    }

    /// A connection without a session.
    pub fn peer(&self) -> Peer {
        Peer::connect(self.address())
    }

    /// A connection without a session, over a UNIX socket: what comes on it comes when it is read, so that packets never
    /// share a read, however late that is.
    pub fn local_peer(&self) -> Peer {
        Peer::connect_unix(&self.scratch.socket())
    }

    /// Somebody who has just signed up and logged in, on a connection of their own.
    pub fn person(&self, login: &str) -> Person {
        Person::sign_up(self.peer(), login)
    }

    /// Waits for a log record with this in its line, and returns it.
    pub fn logged(&self, text: &str) -> Value {
        serde_json::from_str(&self.said(text)).unwrap()
    }

    /// Waits for a line on standard error with this in it.
    pub fn said(&self, text: &str) -> String {
        self.said_since(0, text)
    }

    /// The same among the lines from this number on.
    pub fn said_since(&self, since: usize, text: &str) -> String {
        let line = self.records.wait(since, |line| line.contains(text), || false);
        line.unwrap_or_else(|| panic!("no line {text:?} in:\n{}", self.records.all().join("\n")))
    }

    /// All lines on standard error so far: log records, as JSON unless the scene says otherwise.
    pub fn records(&self) -> Vec<String> {
        self.records.all()
    }

    /// Waits for a notice to systemd of which this is one line, or the beginning of one.
    pub fn notified(&self, line: &str) -> String {
        self.notified_since(0, line)
    }

    /// The same among the notices from this number on.
    pub fn notified_since(&self, since: usize, line: &str) -> String {
        let is_it = |notice: &str| notice.lines().any(|found| found.starts_with(line));
        let notice = self.notices.wait(since, is_it, || false);
        notice.unwrap_or_else(|| panic!("no notice {line:?} in:\n{}", self.notices.all().join("\n---\n")))
    }

    /// All notices to systemd so far.
    pub fn notices(&self) -> Vec<String> {
        self.notices.all()
    }

    pub fn signal(&self, signal: nix::sys::signal::Signal) {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.pid()).unwrap());
        nix::sys::signal::kill(pid, signal).unwrap();
    }

    /// Waits until the process has ended.
    pub fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "the daemon does not end: {:?}", self.records.all());
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    }

    /// SIGTERM, and the folder that stays.
    pub fn stop(self) -> Arc<Scratch> {
        self.signal(nix::sys::signal::Signal::SIGTERM);
        self.stopped()
    }

    /// It was told to stop: its good end, and the folder that stays.
    pub fn stopped(mut self) -> Arc<Scratch> {
        let status = self.wait();
        assert!(status.success(), "{status}: {:?}", self.records.all());
        Arc::clone(&self.scratch)
    }

    /// SIGKILL, and the folder that stays.
    pub fn kill(mut self) -> Arc<Scratch> {
        self.child.kill().unwrap();
        assert_eq!(self.wait().signal(), Some(9));
        Arc::clone(&self.scratch)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        // Ends the thread that listens.
        if let Ok(sender) = UnixDatagram::unbound() {
            let _ = sender.send_to(&[], self.socket.path());
        }
    }
}

/// Lines that come from another thread, and whoever waits for one.
#[derive(Default)]
struct Heard {
    lines: Mutex<(Vec<String>, bool)>,
    more: Condvar,
}

impl Heard {
    fn hear(&self, line: String) {
        self.lines.lock().unwrap().0.push(line);
        self.more.notify_all();
    }

    fn end(&self) {
        self.lines.lock().unwrap().1 = true;
        self.more.notify_all();
    }

    fn all(&self) -> Vec<String> {
        self.lines.lock().unwrap().0.clone()
    }

    fn wait_for_end(&self) {
        let lines = self.lines.lock().unwrap();
        let _ended = self.more.wait_timeout_while(lines, PATIENCE, |(_, ended)| !*ended).unwrap();
    }

    /// The first line of that kind from number `since` on, as soon as there is one; `None` when it has taken too long
    /// or is in vain.
    fn wait(&self, since: usize, wanted: impl Fn(&str) -> bool, mut in_vain: impl FnMut() -> bool) -> Option<String> {
        let deadline = Instant::now() + PATIENCE;
        let mut lines = self.lines.lock().unwrap();
        loop {
            if let Some(line) = lines.0.iter().skip(since).find(|line| wanted(line)) {
                return Some(line.clone());
            }
            if Instant::now() > deadline || in_vain() {
                return None;
            }
            lines = self.more.wait_timeout(lines, std::time::Duration::from_millis(50)).unwrap().0;
        }
    }
}
