//! Confining oneself, and trying what is forbidden: each attempt in a process of its own.

use super::{Named, Scene, child, said};
use messengerd::host::sandbox::{Files, SandboxError, confine_calls, confine_files};
use nix::errno::Errno;
use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous};
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{Signal, kill};
use nix::sys::termios::{FlushArg, tcflush};
use serde_json::{Value, json};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener, UnixStream};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::mpsc::channel;

pub(crate) const SCENES: &[Named] = &[
    ("sandbox::landlock_refuses_what_is_not_named", landlock_refuses),
    ("sandbox::landlock_leaves_what_a_database_and_a_reload_need", landlock_leaves),
    ("sandbox::an_abstract_socket_is_reached_only_if_systemd_listens_on_one", abstract_sockets),
    ("sandbox::the_filter_kills_whoever_makes_another_call", the_filter_kills),
    ("sandbox::the_filter_kills_for_what_an_older_thread_does", the_filter_kills_for_an_older_thread),
    ("sandbox::the_filter_leaves_what_serving_needs", the_filter_leaves),
    ("sandbox::the_filter_lets_a_process_abort", the_filter_lets_abort),
];

type Attempt = (&'static str, fn(&Stage) -> io::Result<()>);

/// What attempts are made on. The processes of one scene share it.
struct Stage {
    folder: PathBuf,
}

impl Stage {
    fn state(&self) -> PathBuf {
        self.folder.join("state")
    }

    fn configuration(&self) -> PathBuf {
        self.folder.join("etc")
    }

    fn outside(&self) -> PathBuf {
        self.folder.join("outside")
    }

    fn abstract_name(&self) -> String {
        self.folder.file_name().unwrap().to_string_lossy().into_owned()
    }

    fn made() -> (tempfile::TempDir, Self) {
        let folder = tempfile::tempdir().unwrap();
        let stage = Self { folder: folder.path().to_owned() };
        for directory in [stage.state(), stage.configuration(), stage.outside()] {
            fs::create_dir(&directory).unwrap();
            fs::write(directory.join("file"), "a file").unwrap();
        }
        (folder, stage)
    }

    fn confine_files(&self, abstract_sockets: bool) -> Result<String, SandboxError> {
        let readable = vec![self.configuration(), self.folder.join("missing")];
        let files = Files { writable: self.state(), readable, abstract_sockets };
        confine_files(&files).map(|restrictions| restrictions.to_string())
    }

    /// Plays a role in a child, on this stage.
    fn child(&self, role: &str, arguments: &[&str]) -> Output {
        child(role).arg(&self.folder).args(arguments).output().unwrap()
    }
}

/// Each must be refused.
const FORBIDDEN_FILES: &[Attempt] = &[
    ("read /etc/passwd", |_| File::open("/etc/passwd").map(drop)),
    ("list /", |_| fs::read_dir("/").map(drop)),
    ("read another process's memory map", |_| File::open("/proc/self/maps").map(drop)),
    ("read outside", |stage| File::open(stage.outside().join("file")).map(drop)),
    ("write outside", |stage| OpenOptions::new().write(true).open(stage.outside().join("file")).map(drop)),
    ("make a file outside", |stage| File::create_new(stage.outside().join("new")).map(drop)),
    ("remove outside", |stage| fs::remove_file(stage.outside().join("file"))),
    ("move out of the state directory", |stage| fs::rename(stage.state().join("file"), stage.outside().join("moved"))),
    ("link out of the state directory", |stage| {
        fs::hard_link(stage.outside().join("file"), stage.state().join("link"))
    }),
    ("write the configuration", |stage| {
        OpenOptions::new().append(true).open(stage.configuration().join("file")).map(drop)
    }),
    ("make a directory in the state directory", |stage| fs::create_dir(stage.state().join("directory"))),
    ("make a symbolic link in the state directory", |stage| {
        std::os::unix::fs::symlink("/etc/passwd", stage.state().join("link"))
    }),
    ("make a socket in the state directory", |stage| UnixListener::bind(stage.state().join("socket")).map(drop)),
    ("execute a program", |_| Command::new("/bin/true").status().map(drop)),
];

/// The same for what later kernels add, by the word for it.
const FORBIDDEN_LATER: &[(&str, Attempt)] = &[
    (
        "truncation",
        ("empty a file of the configuration", |stage| {
            Ok(nix::unistd::truncate(&stage.configuration().join("file"), 0)?)
        }),
    ),
    ("TCP", ("listen on TCP", |_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map(drop))),
    ("TCP", ("connect by TCP", |_| TcpStream::connect((Ipv4Addr::LOCALHOST, 9)).map(drop))),
    // What a terminal would be asked: which device answers does not matter, for the asking is what is refused.
    ("devices", ("command a device", |_| Ok(nix::sys::termios::tcgetattr(File::open("/dev/urandom")?).map(drop)?))),
    ("signals", ("signal the parent", |_| Ok(kill(nix::unistd::getppid(), Signal::SIGCONT)?))),
    ("abstract sockets", ("write to an abstract socket", write_to_an_abstract_socket)),
];

fn write_to_an_abstract_socket(stage: &Stage) -> io::Result<()> {
    let address = SocketAddr::from_abstract_name(stage.abstract_name())?;
    UnixDatagram::unbound()?.send_to_addr(b"hello", &address).map(drop)
}

/// Arguments: the stage, and "abstract" where these sockets are left, or "free" where nothing is confined.
pub(crate) fn confining_files(arguments: &[String]) -> Value {
    let [folder, left @ ..] = arguments else { panic!("a stage is needed") };
    let stage = Stage { folder: folder.into() };
    if left == ["free"] {
        return json!({ "refused": attempts(&stage, |_| true) });
    }
    let held = match stage.confine_files(left == ["abstract"]) {
        Ok(held) => held,
        Err(error @ SandboxError::NoLandlock { .. }) => return json!({ "no landlock": error.to_string() }),
        Err(error) => panic!("{error:?}"),
    };
    let refused = attempts(&stage, |since| held.contains(since));
    let in_a_thread = std::thread::spawn(|| outcome(File::open("/etc/passwd").map(drop))).join().unwrap();
    let (file, renamed) = (stage.state().join("new"), stage.state().join("renamed"));
    let allowed = json!({
        "make": outcome(fs::write(&file, "made")),
        "rename": outcome(fs::rename(&file, &renamed)),
        "empty": outcome(OpenOptions::new().write(true).truncate(true).open(&renamed).map(drop)),
        "sync": outcome(File::open(stage.state()).and_then(|directory| directory.sync_all())),
        "remove": outcome(fs::remove_file(&renamed)),
        "list the configuration": outcome(fs::read_dir(stage.configuration()).map(drop)),
        "read the configuration": outcome(fs::read(stage.configuration().join("file")).map(drop)),
        "learn that a file is missing": fs::read(stage.folder.join("missing")).unwrap_err().kind() == io::ErrorKind::NotFound,
        "random bytes": outcome(File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut [0; 8]))),
        "tell systemd": outcome(UnixDatagram::unbound().and_then(|us| us.send_to(b"hello", stage.folder.join("notify")).map(drop))),
        "abstract sockets": outcome(write_to_an_abstract_socket(&stage)),
    });
    json!({ "held": held, "refused": refused, "a thread": in_a_thread, "allowed": allowed })
}

/// The outcome of each attempt, of the later ones those that are `wanted`.
fn attempts(stage: &Stage, wanted: impl Fn(&str) -> bool) -> Value {
    let later = FORBIDDEN_LATER.iter().filter(|(since, _)| wanted(since)).map(|(_, attempt)| attempt);
    let outcomes = FORBIDDEN_FILES.iter().chain(later).map(|(what, attempt)| (*what, outcome(attempt(stage))));
    outcomes.map(|(what, outcome)| (what.to_owned(), outcome)).collect::<serde_json::Map<_, _>>().into()
}

/// True, or the error's name.
fn outcome(result: io::Result<()>) -> Value {
    match result {
        Ok(()) => true.into(),
        Err(error) => format!("{:?}", error.raw_os_error().map_or(Errno::UnknownErrno, Errno::from_raw)).into(),
    }
}

/// What a confined child saw, with sockets there that it may try; `None` where there is no Landlock.
fn confined(left: &[&str]) -> Option<Value> {
    let (_folder, stage) = Stage::made();
    let _systemd = UnixDatagram::bind(stage.folder.join("notify")).unwrap();
    let _stranger = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(stage.abstract_name()).unwrap()).unwrap();
    let output = stage.child("confining-files", left);
    let said = said(&output.stdout, &output);
    said.get("no landlock").is_none().then_some(said)
}

const NO_LANDLOCK: Scene = Scene::NotHere("this kernel has no Landlock");

fn landlock_refuses() -> Scene {
    let Some(said) = confined(&[]) else { return NO_LANDLOCK };
    let refused = said["refused"].as_object().unwrap();
    assert!(refused.len() >= FORBIDDEN_FILES.len());
    for (attempt, outcome) in refused {
        // EPERM is the answer for what lies in other processes; EXDEV that for what would change a file's rights.
        let expected = match attempt.as_str() {
            "signal the parent" | "write to an abstract socket" => ["EPERM"].as_slice(),
            "move out of the state directory" | "link out of the state directory" => &["EXDEV", "EACCES"],
            _ => &["EACCES"],
        };
        assert!(expected.contains(&outcome.as_str().unwrap_or("done")), "{attempt}: {outcome}");
    }
    assert_eq!(said["a thread"], "EACCES", "a thread that is made later is confined as well");

    // The same attempts of a process that is not confined: so it is Landlock that refused.
    let free = confined(&["free"]).unwrap();
    for attempt in refused.keys() {
        let outcome = &free["refused"][attempt];
        assert!(outcome != "EACCES" && outcome != "EPERM" && outcome != "EXDEV", "{attempt}: {outcome}");
    }
    Scene::Played
}

fn landlock_leaves() -> Scene {
    let Some(said) = confined(&[]) else { return NO_LANDLOCK };
    for (attempt, outcome) in said["allowed"].as_object().unwrap() {
        assert!(outcome == true || attempt == "abstract sockets", "{attempt}: {outcome}");
    }
    Scene::Played
}

fn abstract_sockets() -> Scene {
    let Some(said) = confined(&["abstract"]) else { return NO_LANDLOCK };
    assert_eq!(said["allowed"]["abstract sockets"], true);
    assert!(!said["held"].as_str().unwrap().contains("abstract"), "{said}");
    Scene::Played
}

/// Each must kill. Those that return at all have failed to, whatever they return.
const DEADLY: &[Attempt] = &[
    ("socket of IPv4", |_| UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).map(drop)),
    ("socket of UNIX", |_| UnixDatagram::unbound().map(drop)),
    ("execve", |_| Ok(nix::unistd::execv::<&std::ffi::CStr>(c"/bin/true", &[c"true"]).map(drop)?)),
    // Without clone3 the C library makes processes by clone, with flags that no thread has.
    ("fork", |_| Command::new("/bin/true").status().map(drop)),
    ("ptrace", |_| Ok(nix::sys::ptrace::traceme()?)),
    ("mmap executable", |_| executable_memory()),
    ("mprotect executable", |_| executable_later()),
    ("prctl dumpable", |_| Ok(nix::sys::prctl::set_dumpable(true)?)),
    ("unshare", |_| Ok(nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWUSER)?)),
    ("mount", |_| {
        let none = None::<&str>;
        Ok(nix::mount::mount(none, "/", none, nix::mount::MsFlags::MS_REMOUNT, none)?)
    }),
    ("chroot", |_| Ok(nix::unistd::chroot("/")?)),
    ("setuid", |_| Ok(nix::unistd::setuid(nix::unistd::getuid())?)),
    ("setgroups", |_| Ok(nix::unistd::setgroups(&[])?)),
    ("kill", |_| Ok(kill(nix::unistd::getpid(), None)?)),
    ("setrlimit", |_| Ok(setrlimit(Resource::RLIMIT_CORE, 0, 0)?)),
    ("an ioctl of terminals", |_| Ok(tcflush(io::stdin(), FlushArg::TCIFLUSH)?)),
    ("open and empty", |stage| File::create(stage.state().join("file")).map(drop)),
    ("rename", |stage| fs::rename(stage.state().join("file"), stage.state().join("other"))),
    ("chmod", |stage| {
        let permissions = <fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o777);
        fs::set_permissions(stage.state(), permissions)
    }),
    ("a pipe", |_| io::pipe().map(drop)),
    ("another filter", |_| confine_calls().map(drop).map_err(io::Error::other)),
];

/// "Pages that can be written and executed": what code that was smuggled in would ask for.
fn executable_memory() -> io::Result<()> {
    map(ProtFlags::PROT_READ | ProtFlags::PROT_WRITE | ProtFlags::PROT_EXEC).map(drop)
}

fn executable_later() -> io::Result<()> {
    let memory = map(ProtFlags::PROT_READ | ProtFlags::PROT_WRITE)?;
    let executable = ProtFlags::PROT_READ | ProtFlags::PROT_EXEC;
    #[expect(unsafe_code, reason = "there is no safe way to ask for what must be refused")]
    // SAFETY: these are the pages that were just mapped, and nothing refers to them.
    Ok(unsafe { nix::sys::mman::mprotect(memory, PAGE, executable) }?)
}

const PAGE: usize = 4096;

fn map(protection: ProtFlags) -> io::Result<std::ptr::NonNull<std::ffi::c_void>> {
    let length = std::num::NonZero::new(PAGE).unwrap();
    #[expect(unsafe_code, reason = "there is no safe way to ask for what must be refused")]
    // SAFETY: new pages, where the kernel likes, that no object lives in.
    Ok(unsafe { mmap_anonymous(None, length, protection, MapFlags::MAP_PRIVATE) }?)
}

/// Arguments: the stage, what to try ("everything that serving needs", or a name of [`DEADLY`]), and "older thread"
/// where a thread that was there before the filter is to try it.
pub(crate) fn confining_calls(arguments: &[String]) -> Value {
    let [folder, what, who @ ..] = arguments else { panic!("a stage and an attempt are needed") };
    let stage = Stage { folder: folder.into() };
    if what == "serve" {
        return serve(&stage);
    }
    if what == "abort" {
        confine_calls().unwrap();
        std::process::abort();
    }
    let (_, attempt) = DEADLY.iter().find(|(name, _)| name == what).expect("an attempt");
    if who == ["older thread"] {
        let (now, told) = channel();
        let older = std::thread::spawn(move || {
            told.recv().unwrap();
            outcome(attempt(&stage))
        });
        confine_calls().unwrap();
        now.send(()).unwrap();
        return json!({ "survived": older.join().unwrap() });
    }
    confine_calls().unwrap();
    json!({ "survived": outcome(attempt(&stage)) })
}

/// All that a serving daemon does, the seldom things as well.
fn serve(stage: &Stage) -> Value {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let us = UnixDatagram::unbound().unwrap();
    let _systemd = UnixDatagram::bind(stage.folder.join("notify")).unwrap();
    let (mine, mut yours) = UnixStream::pair().unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let calls = confine_calls().unwrap();

    let (accepted, peer) = listener.accept().unwrap();
    assert_eq!(peer, client.local_addr().unwrap());
    accepted.set_nonblocking(true).unwrap();
    assert!(accepted.take_error().unwrap().is_none());
    assert_eq!(messengerd::host::socket_queue::unacknowledged_bytes(mine.as_fd()).unwrap(), 0);
    assert_eq!(messengerd::host::socket_queue::unread_bytes(mine.as_fd()).unwrap(), 0);
    us.send_to(b"hello", stage.folder.join("notify")).unwrap();
    yours.write_all(b"hello").unwrap();
    let file = File::create_new(stage.state().join("new")).unwrap();
    file.set_len(8192).unwrap();
    file.sync_all().unwrap();
    file.sync_data().unwrap();
    fs::remove_file(stage.state().join("new")).unwrap();
    let names = fs::read_dir(stage.configuration()).unwrap().count();
    let text = fs::read_to_string(stage.configuration().join("file")).unwrap();
    // Enough threads for malloc to need new arenas, and enough memory for it to map and to grow.
    let threads: Vec<_> = (0..8)
        .map(|number: u8| {
            std::thread::Builder::new().name(format!("thread {number}")).spawn(move || {
                let mut much = vec![number; 1 << 20];
                much.resize(64 << 20, number);
                much.len()
            })
        })
        .collect();
    let sum: usize = threads.into_iter().map(|thread| thread.unwrap().join().unwrap()).sum();
    assert_eq!(sum, 8 * (64 << 20));
    std::thread::sleep(std::time::Duration::from_millis(1));
    // A panic is told, with its backtrace, and ends its thread only.
    let panicking = std::thread::spawn(|| {
        let trace = std::backtrace::Backtrace::force_capture().to_string();
        assert!(trace.is_empty(), "a backtrace of {} bytes", trace.len());
    });
    assert!(panicking.join().is_err());
    json!({ "permitted": calls.permitted, "names": names, "text": text })
}

fn killed_by(output: &Output) -> Option<Signal> {
    output.status.signal().and_then(|signal| Signal::try_from(signal).ok())
}

fn the_filter_kills() -> Scene {
    for (attempt, _) in DEADLY {
        let (_folder, stage) = Stage::made();
        let output = stage.child("confining-calls", &[attempt]);
        assert_eq!(killed_by(&output), Some(Signal::SIGSYS), "{attempt}: {output:?}");
        assert_eq!(fs::read(stage.state().join("file")).unwrap(), b"a file", "{attempt}");
    }
    Scene::Played
}

fn the_filter_kills_for_an_older_thread() -> Scene {
    let (_folder, stage) = Stage::made();
    let output = stage.child("confining-calls", &["socket of IPv4", "older thread"]);
    assert_eq!(killed_by(&output), Some(Signal::SIGSYS), "{output:?}");
    Scene::Played
}

fn the_filter_leaves() -> Scene {
    let (_folder, stage) = Stage::made();
    let output = stage.child("confining-calls", &["serve"]);
    let said = said(&output.stdout, &output);
    assert_eq!((&said["names"], &said["text"]), (&json!(1), &json!("a file")));
    assert!(said["permitted"].as_u64().unwrap() < 100, "{said}");
    Scene::Played
}

fn the_filter_lets_abort() -> Scene {
    let (_folder, stage) = Stage::made();
    let output = stage.child("confining-calls", &["abort"]);
    assert_eq!(killed_by(&output), Some(Signal::SIGABRT), "{output:?}");
    Scene::Played
}
