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
use std::process::{Command, ExitCode};

unsafe extern "C" {
    fn setuid(uid: c_uint) -> c_int;
    fn unshare(flags: c_int) -> c_int;
    fn kill(pid: c_int, signal: c_int) -> c_int;
    fn socket(domain: c_int, kind: c_int, protocol: c_int) -> c_int;
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

fn call(result: c_int) -> io::Result<()> {
    if result >= 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn write_to(path: &str) -> io::Result<()> {
    File::create(path)?.write_all(b"written")
}

/// Runs a program to its end; what the program says does not matter.
fn run(path: &str) -> io::Result<()> {
    Command::new(path).args(["-c", ":"]).status().map(drop)
}

fn attempt(what: &str) -> Option<io::Result<()>> {
    let done = match what {
        "write-to-the-state-directory" => write_to(&format!("{STATE}/probe")),
        "reach-the-journal" => UnixDatagram::unbound()
            .and_then(|socket| socket.send_to(b"MESSAGE=probe\n", "/run/systemd/journal/socket"))
            .map(drop),
        "connect-by-tcp" => TcpStream::connect("127.0.0.1:7").map(drop),
        "connect-by-tcp-on-ipv6" => TcpStream::connect("[::1]:7").map(drop),
        // AF_NETLINK, AF_PACKET.
        "open-a-netlink-socket" => call(unsafe { socket(16, 3, 0) }),
        "open-a-packet-socket" => call(unsafe { socket(17, 3, 0) }),
        "reach-the-system-bus" => std::os::unix::net::UnixStream::connect("/run/dbus/system_bus_socket").map(drop),
        "read-the-shadow-file" => fs::read("/etc/shadow").map(drop),
        "read-the-users" => fs::read("/etc/passwd").map(drop),
        "read-a-home" => fs::read("/home/ann/password").map(drop),
        "read-another-process" => fs::read("/proc/1/environ").map(drop),
        "see-another-process" => fs::metadata("/proc/1").map(drop),
        "read-the-kernels-settings" => fs::read("/proc/sys/kernel/osrelease").map(drop),
        "write-to-its-configuration" => write_to("/etc/messengerd/conf.d/probe.toml"),
        "write-to-its-program" => OpenOptions::new().append(true).open("/usr/sbin/messengerd").map(drop),
        "write-to-the-root" => write_to("/probe"),
        "write-to-tmp" => write_to("/tmp/probe"),
        "write-to-var-tmp" => write_to("/var/tmp/probe"),
        "write-to-shared-memory" => write_to("/dev/shm/probe"),
        "write-to-run" => write_to("/run/probe"),
        "run-a-shell" => run("/bin/sh"),
        "run-what-it-wrote" => {
            let copy = format!("{STATE}/program");
            fs::remove_file(&copy)
                .or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
                .and_then(|()| fs::read("/proc/self/exe"))
                .and_then(|program| {
                    OpenOptions::new().write(true).create_new(true).mode(0o700).open(&copy)?.write_all(&program)
                })
                .and_then(|()| run(&copy))
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
        // CLONE_NEWNS.
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
