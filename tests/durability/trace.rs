//! The real daemon under ptrace(2), and a record of what it does: to the files of its state directory, and on its
//! connections, in the order in which that can be seen from outside.
//!
//! A write counts from its beginning, for from then on the disk may have it; a sync from its end; and what is sent, from its
//! beginning, for from then on somebody may read it. The daemon is not dumpable, so that
//! takes `CAP_SYS_PTRACE`.

use crate::daemon::{self, KilledInPanic};
use crate::disk::{Change, Disk, FileId, Honesty, Synced, files_in, is_memory};
use crate::ledger::ConnectionId;
use nix::errno::Errno;
use nix::libc::{self, c_long, user_regs_struct};
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::Signal;
use nix::sys::uio::{RemoteIoVec, process_vm_readv};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::io::IoSliceMut;
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Something that was seen.
#[derive(Debug, Clone)]
pub(crate) enum Event {
    /// A daemon was started.
    Started,
    Disk(Change),
    Heard(ConnectionId, Vec<u8>),
    Told(ConnectionId, Vec<u8>),
}

/// All that daemons did on one state directory, one after the other.
pub(crate) struct Record {
    /// What was there before.
    pub(crate) before: Vec<(String, Vec<u8>)>,
    pub(crate) events: Vec<Event>,
    directory: PathBuf,
    /// By name. The first files are those that were there before.
    names: BTreeMap<String, FileId>,
    files: usize,
    connections: usize,
}

/// What a descriptor of the daemon is.
#[derive(Debug, Clone, Copy)]
enum Descriptor {
    Directory,
    File(FileId),
    /// Files of shared memory.
    Memory,
    Connection(ConnectionId),
}

/// A call that a thread is in: its number and arguments.
#[derive(Debug, Clone, Copy)]
struct Call {
    number: c_long,
    arguments: [u64; 4],
}

/// A call that a thread is in, and where in the record it stands, if it is there.
type UnderWay = (Call, Option<usize>);

/// One daemon.
struct Watch<'a> {
    record: &'a mut Record,
    descriptors: HashMap<u64, Descriptor>,
    /// Each thread that was seen, and the call that it is in.
    threads: HashMap<Pid, Option<UnderWay>>,
    /// Where in the record calls stand that did not end.
    cut_short: Vec<usize>,
    leader: Pid,
}

/// The child's side: lets its parent watch it, and turns into the daemon.
pub(crate) fn become_watched(words: &[String]) -> ! {
    ptrace::traceme().expect("a parent may trace its child");
    let error = Command::new(&words[0]).args(&words[1..]).exec();
    panic!("{}: {error}", words[0]);
}

impl Record {
    /// Of what daemons will do on this state directory.
    pub(crate) fn of(directory: &Path) -> Self {
        let before = if directory.exists() { files_in(directory) } else { Vec::new() };
        let names = before.iter().enumerate().map(|(file, (name, _))| (name.clone(), file)).collect();
        let files = before.len();
        Self { before, events: Vec::new(), directory: directory.to_owned(), names, files, connections: 0 }
    }

    /// Starts a daemon, watches it until it has ended, and plays with it meanwhile, on another thread, with its address.
    pub(crate) fn watch(&mut self, scratch: &Path, settings: &[&str], play: impl FnOnce(Pid, SocketAddr) + Send) {
        let mut words: Vec<OsString> = vec![std::env::current_exe().unwrap().into(), "as".into(), "watched".into()];
        words.extend(daemon::words(scratch, settings));
        // From this thread: it is its children's tracer.
        let (child, says) = daemon::spawn(&words);
        let leader = Pid::from_raw(i32::try_from(child.id()).unwrap());
        let first = waitpid(leader, Some(WaitPidFlag::__WALL)).unwrap();
        assert_eq!(first, WaitStatus::Stopped(leader, Signal::SIGTRAP), "it has not begun");
        // It dies with us, and its threads are watched from their beginning.
        let options = Options::PTRACE_O_TRACESYSGOOD | Options::PTRACE_O_TRACECLONE | Options::PTRACE_O_EXITKILL;
        ptrace::setoptions(leader, options).unwrap();
        self.events.push(Event::Started);
        std::thread::scope(|scope| {
            scope.spawn(move || {
                let _killed = KilledInPanic(leader);
                play(leader, says.address().expect("it listens"));
            });
            ptrace::syscall(leader, None).unwrap();
            let threads = HashMap::from([(leader, None)]);
            Watch { record: self, descriptors: HashMap::new(), threads, cut_short: Vec::new(), leader }.until_the_end();
        });
        self.holds();
    }

    /// Where the first daemon's events begin.
    pub(crate) fn began(&self) -> usize {
        self.events.iter().position(|event| matches!(event, Event::Started)).unwrap_or(0)
    }

    /// Nothing has escaped us: what was done to the files, done to others, makes the same.
    fn holds(&self) {
        let mut disk = Disk::with(&self.before, Honesty::Honest);
        for event in &self.events {
            if let Event::Disk(change) = event {
                disk.change(change);
            }
        }
        let there = files_in(&self.directory).into_iter().collect();
        assert!(disk.all() == there, "the record is not what the daemon did to {}", self.directory.display());
    }
}

impl Watch<'_> {
    fn until_the_end(mut self) {
        // Of this thread's children only: other scenes have theirs.
        let flags = WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD;
        loop {
            let (thread, signal) = match waitpid(None, Some(flags)).unwrap() {
                WaitStatus::PtraceSyscall(thread) => {
                    self.at_a_call(thread);
                    (thread, None)
                }
                WaitStatus::Stopped(thread, signal) => {
                    // A new thread begins with this.
                    let begins = self.threads.insert(thread, None).is_none() && signal == Signal::SIGSTOP;
                    (thread, (!begins).then_some(signal))
                }
                WaitStatus::PtraceEvent(thread, ..) => (thread, None),
                WaitStatus::Exited(thread, _) | WaitStatus::Signaled(thread, ..) => {
                    if let Some(Some((_, Some(at)))) = self.threads.remove(&thread) {
                        self.cut_short.push(at);
                    }
                    if thread == self.leader {
                        return self.correct();
                    }
                    continue;
                }
                other => panic!("nobody stops so: {other:?}"),
            };
            // If it was killed meanwhile, its end is the next to be heard of it.
            let _ = ptrace::syscall(thread, signal);
        }
    }

    /// A write that was under way when the daemon was killed has done what can be seen now.
    fn correct(self) {
        let names: HashMap<FileId, &String> = self.record.names.iter().map(|(name, file)| (*file, name)).collect();
        for at in self.cut_short {
            if let Event::Disk(Change::Write { file, offset, data }) = &mut self.record.events[at] {
                let there = std::fs::read(self.record.directory.join(names[file])).unwrap();
                let end = there.len().min(*offset + data.len());
                *data = there[end.min(*offset)..end].into();
            }
        }
    }

    fn at_a_call(&mut self, thread: Pid) {
        let Ok(registers) = ptrace::getregs(thread) else { return };
        if let Some((call, _)) = self.threads.insert(thread, None).flatten() {
            return self.ends(thread, call, registers.rax.cast_signed());
        }
        let (call, events) = (call(&registers), self.record.events.len());
        self.begins(thread, call);
        let is_there = self.record.events.len() > events;
        self.threads.insert(thread, Some((call, is_there.then_some(events))));
    }

    fn see(&mut self, event: Event) {
        self.record.events.push(event);
    }

    fn descriptor(&self, call: Call) -> Option<Descriptor> {
        self.descriptors.get(&call.arguments[0]).copied()
    }

    fn begins(&mut self, thread: Pid, call: Call) {
        let [_, address, length, offset] = call.arguments;
        match (call.number, self.descriptor(call)) {
            (libc::SYS_close, _) => {
                self.descriptors.remove(&call.arguments[0]);
            }
            (libc::SYS_pwrite64, Some(Descriptor::File(file))) => {
                let Some(data) = memory(thread, address, length) else { return };
                self.see(Event::Disk(Change::Write { file, offset: size(offset), data: data.into() }));
            }
            (libc::SYS_ftruncate, Some(Descriptor::File(file))) => {
                self.see(Event::Disk(Change::Resize { file, size: size(address) }));
            }
            (libc::SYS_fsync | libc::SYS_fdatasync, Some(descriptor)) => {
                let of = match descriptor {
                    Descriptor::File(file) => Synced::File(file),
                    Descriptor::Directory => Synced::Directory,
                    other => panic!("nobody syncs {other:?}"),
                };
                self.see(Event::Disk(Change::SyncBegins { by: thread.as_raw(), of }));
            }
            (libc::SYS_sendto | libc::SYS_write, Some(Descriptor::Connection(connection))) => {
                let Some(bytes) = memory(thread, address, length) else { return };
                self.see(Event::Told(connection, bytes));
            }
            (number, Some(descriptor)) => {
                let unknown = UNKNOWN.iter().find(|(unknown, _)| *unknown == number);
                let memory = matches!(descriptor, Descriptor::Memory);
                assert!(unknown.is_none() || memory, "the model does not know {unknown:?} of {descriptor:?}");
            }
            _ => {}
        }
    }

    fn ends(&mut self, thread: Pid, call: Call, result: i64) {
        let [descriptor, second, third, _] = call.arguments;
        if result < 0 {
            let changes = [libc::SYS_pwrite64, libc::SYS_ftruncate, libc::SYS_fsync, libc::SYS_fdatasync];
            assert!(
                !changes.contains(&call.number) || self.descriptor(call).is_none(),
                "{call:?} has failed: {result}"
            );
            return;
        }
        match call.number {
            libc::SYS_openat => self.opened(result.cast_unsigned(), third),
            libc::SYS_accept4 => {
                let connection = self.record.connections;
                self.record.connections += 1;
                self.descriptors.insert(result.cast_unsigned(), Descriptor::Connection(connection));
            }
            libc::SYS_recvfrom | libc::SYS_read => {
                if let Some(Descriptor::Connection(connection)) = self.descriptor(call)
                    && let Some(bytes) = memory(thread, second, result.cast_unsigned())
                {
                    self.see(Event::Heard(connection, bytes));
                }
            }
            libc::SYS_pwrite64 if self.descriptor(call).is_some() => assert_eq!(result.cast_unsigned(), third),
            libc::SYS_fsync | libc::SYS_fdatasync if self.descriptor(call).is_some() => {
                self.see(Event::Disk(Change::SyncEnds { by: thread.as_raw() }));
            }
            libc::SYS_unlink => self.removed(&path(thread, descriptor)),
            libc::SYS_rename => self.renamed(&path(thread, descriptor), &path(thread, second)),
            _ => {}
        }
    }

    /// The name of a file of the state directory.
    fn name(&self, path: &Path) -> Option<String> {
        let name = path.strip_prefix(&self.record.directory).ok()?.to_str().unwrap();
        (!name.is_empty()).then(|| name.to_owned())
    }

    fn opened(&mut self, descriptor: u64, flags: u64) {
        let link = format!("/proc/{}/fd/{descriptor}", self.leader);
        let path = std::fs::read_link(&link).unwrap_or_else(|error| panic!("{link}: {error}"));
        let kind = match self.name(&path) {
            None if path == self.record.directory => Descriptor::Directory,
            None => return,
            Some(name) if is_memory(&name) => Descriptor::Memory,
            Some(name) => {
                assert!(flags & u64::from(libc::O_TRUNC.cast_unsigned()) == 0, "the model does not know O_TRUNC");
                let record = &mut *self.record;
                let known = record.names.get(&name).copied();
                let file = known.unwrap_or_else(|| {
                    let file = record.files;
                    record.files += 1;
                    record.names.insert(name.clone(), file);
                    record.events.push(Event::Disk(Change::Create { name, file }));
                    file
                });
                Descriptor::File(file)
            }
        };
        self.descriptors.insert(descriptor, kind);
    }

    fn removed(&mut self, path: &Path) {
        let Some(name) = self.name(path).filter(|name| !is_memory(name)) else { return };
        self.record.names.remove(&name).expect("it was there");
        self.see(Event::Disk(Change::Remove { name }));
    }

    fn renamed(&mut self, from: &Path, to: &Path) {
        let (Some(from), Some(to)) = (self.name(from), self.name(to)) else { return };
        let file = self.record.names.remove(&from).expect("it was there");
        self.record.names.insert(to.clone(), file);
        self.see(Event::Disk(Change::Rename { from, to }));
    }
}

/// What would change a file, and is not made use of so far.
const UNKNOWN: [(c_long, &str); 11] = [
    (libc::SYS_write, "write"),
    (libc::SYS_writev, "writev"),
    (libc::SYS_pwritev, "pwritev"),
    (libc::SYS_pwritev2, "pwritev2"),
    (libc::SYS_fallocate, "fallocate"),
    (libc::SYS_sync_file_range, "sync_file_range"),
    (libc::SYS_copy_file_range, "copy_file_range"),
    (libc::SYS_sendfile, "sendfile"),
    (libc::SYS_sendmsg, "sendmsg"),
    (libc::SYS_dup, "dup"),
    (libc::SYS_dup3, "dup3"),
];

/// As x86-64 passes it.
fn call(registers: &user_regs_struct) -> Call {
    let arguments = [registers.rdi, registers.rsi, registers.rdx, registers.r10];
    Call { number: registers.orig_rax.cast_signed(), arguments }
}

fn size(number: u64) -> usize {
    usize::try_from(number).unwrap()
}

/// What stands there in the daemon's memory; nothing if it was killed in this moment, and then the call is not made either.
fn memory(thread: Pid, address: u64, length: u64) -> Option<Vec<u8>> {
    let mut bytes = vec![0; size(length)];
    let from = [RemoteIoVec { base: size(address), len: size(length) }];
    match process_vm_readv(thread, &mut [IoSliceMut::new(&mut bytes)], &from) {
        Ok(read) => {
            assert_eq!(read, bytes.len());
            Some(bytes)
        }
        Err(Errno::ESRCH) => None,
        Err(error) => panic!("the daemon's memory can't be read: {error}"),
    }
}

/// A path that ends with a zero.
fn path(thread: Pid, address: u64) -> PathBuf {
    let bytes = (address..).map_while(|address| memory(thread, address, 1)).map(|byte| byte[0]);
    PathBuf::from(String::from_utf8(bytes.take_while(|byte| *byte != 0).collect()).unwrap())
}
