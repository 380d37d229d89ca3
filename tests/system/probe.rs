//! Tries one thing, and says what came of it: exit code 0 when it could, 1 when it was refused, 2 when it does not know
//! the thing.
//!
//! It takes the daemon's place in the daemon's unit (`scenes/confining.py`), so that what it can't do the daemon can't.

use std::ffi::{c_char, c_int, c_long, c_uint, c_ulong, c_void};
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::net::TcpStream;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

unsafe extern "C" {
    fn setuid(uid: c_uint) -> c_int;
    fn unshare(flags: c_int) -> c_int;
    fn kill(pid: c_int, signal: c_int) -> c_int;
    fn socket(domain: c_int, kind: c_int, protocol: c_int) -> c_int;
    fn capset(header: *const Header, sets: *const [Sets; 2]) -> c_int;
    fn getrlimit(resource: c_int, limit: *mut Limit) -> c_int;
    fn setrlimit(resource: c_int, limit: *const Limit) -> c_int;
    fn mount(
        source: *const c_char,
        target: *const c_char,
        kind: *const c_char,
        flags: c_ulong,
        data: *const c_void,
    ) -> c_int;
    fn mmap(
        at: *mut c_void,
        length: usize,
        protection: c_int,
        flags: c_int,
        file: c_int,
        offset: c_long,
    ) -> *mut c_void;
    fn memfd_create(name: *const c_char, flags: c_uint) -> c_int;
}

const STATE: &str = "/var/lib/messengerd";
const LOADER: &str =
    if cfg!(target_arch = "x86_64") { "/lib64/ld-linux-x86-64.so.2" } else { "/lib/ld-linux-aarch64.so.1" };

/// Those of capset(2).
#[repr(C)]
struct Header {
    version: u32,
    pid: c_int,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Sets {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// That of getrlimit(2).
#[repr(C)]
#[derive(Default)]
struct Limit {
    soft: c_ulong,
    hard: c_ulong,
}

fn call(result: c_int) -> io::Result<()> {
    if result >= 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// The kernel's link to what another process sees as its root: proc_pid_root(5).
fn root_of(process: u32) -> PathBuf {
    ["/proc", &process.to_string(), "root"].iter().collect()
}

fn write_to(path: &str) -> io::Result<()> {
    File::create(path)?.write_all(b"written")
}

/// Becomes another program, whose exit code is the answer then. Nothing is started and waited for: that the waiting is
/// refused would pass for a refusal.
fn run(path: &str, arguments: &[&str]) -> io::Result<()> {
    Err(Command::new(path).args(arguments).exec())
}

/// Leaves this program in the state directory, so that it can be run, and says where.
fn write_a_program() -> io::Result<String> {
    let copy = format!("{STATE}/program");
    fs::remove_file(&copy)
        .or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })?;
    let program = fs::read("/proc/self/exe")?;
    OpenOptions::new().write(true).create_new(true).mode(0o700).open(&copy)?.write_all(&program)?;
    Ok(copy)
}

fn take_a_capability() -> io::Result<()> {
    // Version 3; CAP_CHOWN.
    let chown = Sets { effective: 1, permitted: 1, inheritable: 0 };
    call(unsafe { capset(&Header { version: 0x2008_0522, pid: 0 }, &[chown, Sets::default()]) })
}

/// More than `LimitNOFILE=` allows, and than the soft limit does, which anyone may raise.
fn open_too_many_files() -> io::Result<()> {
    // RLIMIT_NOFILE.
    let mut limit = Limit::default();
    call(unsafe { getrlimit(7, &mut limit) })?;
    limit.soft = limit.hard;
    call(unsafe { setrlimit(7, &limit) })?;
    let file = File::open("/dev/null")?;
    (0..16384).map(|_| file.try_clone()).collect::<io::Result<Vec<_>>>().map(drop)
}

/// A page is enough to show it.
fn make_room_for_a_core_file() -> io::Result<()> {
    // RLIMIT_CORE.
    let mut limit = Limit::default();
    call(unsafe { getrlimit(4, &mut limit) })?;
    limit.hard = limit.hard.max(4096);
    limit.soft = limit.hard;
    call(unsafe { setrlimit(4, &limit) })
}

fn attempt(what: &str) -> Option<io::Result<()>> {
    let done = match what {
        "do-nothing" => Ok(()),
        "write-to-the-state-directory" => write_to(&format!("{STATE}/probe")),
        "reach-the-journal" => UnixDatagram::unbound()
            .and_then(|socket| socket.send_to(b"MESSAGE=probe\n", "/run/systemd/journal/socket"))
            .map(drop),
        "connect-by-tcp" => TcpStream::connect("127.0.0.1:7").map(drop),
        "connect-by-tcp-on-ipv6" => TcpStream::connect("[::1]:7").map(drop),
        // AF_INET, AF_INET6, AF_NETLINK, AF_PACKET; SOCK_DGRAM, SOCK_RAW.
        "open-an-ipv4-socket" => call(unsafe { socket(2, 2, 0) }),
        "open-an-ipv6-socket" => call(unsafe { socket(10, 2, 0) }),
        "open-a-netlink-socket" => call(unsafe { socket(16, 3, 0) }),
        "open-a-packet-socket" => call(unsafe { socket(17, 3, 0) }),
        "reach-the-system-bus" => std::os::unix::net::UnixStream::connect("/run/dbus/system_bus_socket").map(drop),
        "read-the-shadow-file" => fs::read("/etc/shadow").map(drop),
        "read-the-users" => fs::read("/etc/passwd").map(drop),
        "read-a-home" => fs::read("/home/ann/password").map(drop),
        "read-another-process" => fs::read("/proc/1/environ").map(drop),
        "see-another-process" => fs::metadata("/proc/1").map(drop),
        "read-files-through-another-process" => fs::read(root_of(1).join("etc/shadow")).map(drop),
        "read-the-kernels-settings" => fs::read("/proc/sys/kernel/osrelease").map(drop),
        "write-to-its-configuration" => write_to("/etc/messengerd/conf.d/probe.toml"),
        "write-to-its-program" => OpenOptions::new().append(true).open("/usr/sbin/messengerd").map(drop),
        "write-to-the-root" => write_to("/probe"),
        "write-to-tmp" => write_to("/tmp/probe"),
        "write-to-var-tmp" => write_to("/var/tmp/probe"),
        "write-to-shared-memory" => write_to("/dev/shm/probe"),
        "write-to-run" => write_to("/run/probe"),
        "run-a-shell" => run("/bin/sh", &["-c", ":"]),
        "run-a-set-user-id-program" => run("/usr/bin/passwd", &["--status"]),
        "run-what-it-wrote" => write_a_program().and_then(|program| run(&program, &["do-nothing"])),
        // A program that the daemon can't do without, and that runs others.
        "have-the-loader-run-what-it-wrote" => {
            write_a_program().and_then(|program| run(LOADER, &[&program, "do-nothing"]))
        }
        "make-a-file-in-memory" => call(unsafe { memfd_create(c"probe".as_ptr(), 0) }),
        "make-a-set-user-id-program" => {
            let path = format!("{STATE}/probe");
            write_to(&path).and_then(|()| File::open(&path)?.set_permissions(Permissions::from_mode(0o4755)))
        }
        "have-memory-that-is-written-and-run" => {
            // PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS.
            let memory = unsafe { mmap(std::ptr::null_mut(), 4096, 7, 0x22, -1, 0) };
            if memory as isize == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
        }
        "become-root" => call(unsafe { setuid(0) }),
        "signal-another-process" => call(unsafe { kill(1, 0) }),
        "take-a-capability" => take_a_capability(),
        "make-room-for-a-core-file" => make_room_for_a_core_file(),
        "open-too-many-files" => open_too_many_files(),
        // CLONE_NEWUSER, CLONE_NEWNS.
        "make-a-user-namespace" => call(unsafe { unshare(0x1000_0000) }),
        "make-a-namespace" => call(unsafe { unshare(0x0002_0000) }),
        "mount" => call(unsafe { mount(c"none".as_ptr(), c"/tmp".as_ptr(), c"tmpfs".as_ptr(), 0, std::ptr::null()) }),
        _ => return None,
    };
    Some(done)
}

fn main() -> ExitCode {
    let what = std::env::args().nth(1).unwrap_or_default();
    match attempt(&what) {
        Some(Ok(())) => ExitCode::SUCCESS,
        Some(Err(error)) => {
            eprintln!("{what}: {error}");
            ExitCode::from(1)
        }
        None => {
            eprintln!("{what}: the probe does not know this");
            ExitCode::from(2)
        }
    }
}
