//! Files in memory that one process leaves to the next: `memfd_create(2)`.
//!
//! They never touch a disk, and systemd's store of descriptors keeps them while no process of ours runs. What comes
//! out of one is checked before it is believed: size and seals here, what it says by whoever reads it.
//!
//! Errors: [`io::Error`] with the file's name.

use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::num::NonZero;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::AtomicU64;

/// A page that was written is as it was written, for good.
const UNCHANGEABLE: SealFlag =
    SealFlag::F_SEAL_WRITE.union(SealFlag::F_SEAL_SHRINK).union(SealFlag::F_SEAL_GROW).union(SealFlag::F_SEAL_SEAL);
/// It can be written to, and nobody can take away what is mapped.
const FIXED_SIZE: SealFlag = SealFlag::F_SEAL_SHRINK.union(SealFlag::F_SEAL_GROW).union(SealFlag::F_SEAL_SEAL);

fn failed(name: &str, doing: &str, error: impl Into<io::Error>) -> io::Error {
    let error = error.into();
    io::Error::new(error.kind(), format!("the memory file \"{name}\": {doing}: {error}"))
}

fn create(name: &str) -> io::Result<File> {
    let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
    Ok(memfd_create(name, flags).map_err(|error| failed(name, "making it", error))?.into())
}

fn seal(file: &File, name: &str, seals: SealFlag) -> io::Result<()> {
    fcntl(file, FcntlArg::F_ADD_SEALS(seals)).map(drop).map_err(|error| failed(name, "sealing it", error))
}

fn is_sealed(file: BorrowedFd<'_>, name: &str, seals: SealFlag) -> io::Result<bool> {
    let found = fcntl(file, FcntlArg::F_GET_SEALS).map_err(|error| failed(name, "asking for its seals", error))?;
    Ok(SealFlag::from_bits_truncate(found).contains(seals))
}

/// A file with these bytes that nobody can change any more. Its name is for people who look into `/proc`.
///
/// # Errors
/// When the kernel has no memory or no descriptor left.
pub fn sealed(name: &str, bytes: &[u8]) -> io::Result<OwnedFd> {
    let mut file = create(name)?;
    file.write_all(bytes).map_err(|error| failed(name, "writing it", error))?;
    seal(&file, name, UNCHANGEABLE)?;
    Ok(file.into())
}

/// What is in a file that [`sealed`] made.
///
/// # Errors
/// `InvalidData`: it can still be changed, or is longer than `max` bytes, of which none is read then.
pub fn read_sealed(file: OwnedFd, name: &str, max: u64) -> io::Result<Vec<u8>> {
    let odd = |what| failed(name, what, io::ErrorKind::InvalidData);
    if !is_sealed(file.as_fd(), name, UNCHANGEABLE)? {
        return Err(odd("it has no seals"));
    }
    let mut file = File::from(file);
    let size = file.metadata().map_err(|error| failed(name, "asking for its size", error))?.len();
    if size > max {
        return Err(odd("it is too long"));
    }
    let mut bytes = Vec::new();
    file.rewind().and_then(|()| file.read_to_end(&mut bytes)).map_err(|error| failed(name, "reading it", error))?;
    Ok(bytes)
}

/// Numbers in memory that outlive the process: whatever was stored last is there when another process maps the file,
/// however this one ended.
#[derive(Debug)]
pub struct SharedNumbers {
    start: NonNull<AtomicU64>,
    count: NonZero<usize>,
    file: OwnedFd,
}

impl SharedNumbers {
    /// So many zeros. What is never written to takes no memory.
    ///
    /// # Errors
    /// When the kernel has no memory or no descriptor left.
    pub fn create(name: &str, count: NonZero<usize>) -> io::Result<Self> {
        let file = create(name)?;
        file.set_len((count.get() * size_of::<AtomicU64>()) as u64)
            .map_err(|error| failed(name, "making room", error))?;
        seal(&file, name, FIXED_SIZE)?;
        Self::map(file.into(), name, count)
    }

    /// The numbers that another process left in this file.
    ///
    /// # Errors
    /// `InvalidData`: it has another size, or one that can change.
    pub fn open(file: OwnedFd, name: &str, count: NonZero<usize>) -> io::Result<Self> {
        let odd = |what| failed(name, what, io::ErrorKind::InvalidData);
        if !is_sealed(file.as_fd(), name, FIXED_SIZE)? || is_sealed(file.as_fd(), name, SealFlag::F_SEAL_WRITE)? {
            return Err(odd("it is not sealed as it should be"));
        }
        let file = File::from(file);
        let size = file.metadata().map_err(|error| failed(name, "asking for its size", error))?.len();
        if size != (count.get() * size_of::<AtomicU64>()) as u64 {
            return Err(odd("it has another size"));
        }
        Self::map(file.into(), name, count)
    }

    #[expect(unsafe_code, reason = "no file can be mapped without")]
    fn map(file: OwnedFd, name: &str, count: NonZero<usize>) -> io::Result<Self> {
        let length = bytes(count);
        let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: a new mapping at a place of the kernel's choice takes nothing from anybody.
        let start = unsafe { mmap(None, length, protection, MapFlags::MAP_SHARED, &file, 0) }
            .map_err(|error| failed(name, "mapping it", error))?;
        Ok(Self { start: start.cast(), count, file })
    }

    /// All of them.
    #[must_use]
    #[expect(unsafe_code, reason = "the mapping is memory that only we know of")]
    pub fn all(&self) -> &[AtomicU64] {
        // SAFETY: the mapping begins on a page, is as long as `count` numbers, which any bytes are, and stays until
        // self is dropped. The file is sealed against shrinking, so each page is there. Whoever else has it mapped
        // changes the numbers, which atomics allow.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.count.get()) }
    }

    /// The file, to be given to whoever keeps it.
    #[must_use]
    pub fn file(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

fn bytes(count: NonZero<usize>) -> NonZero<usize> {
    count.saturating_mul(const { NonZero::new(size_of::<AtomicU64>()).unwrap() })
}

// SAFETY: the mapping belongs to the process, not to a thread, and is reached as atomics only.
#[expect(unsafe_code, reason = "a pointer says nothing about threads")]
unsafe impl Send for SharedNumbers {}
// SAFETY: as above.
#[expect(unsafe_code, reason = "a pointer says nothing about threads")]
unsafe impl Sync for SharedNumbers {}

impl Drop for SharedNumbers {
    #[expect(unsafe_code, reason = "what was mapped is given back")]
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and nobody can have borrowed from self any more. An error would mean that it is
        // no mapping, and there is nothing left to do then.
        let _ = unsafe { munmap(self.start.cast(), bytes(self.count).get()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::Ordering::Relaxed;

    const COUNT: NonZero<usize> = NonZero::new(1000).unwrap();

    fn kind<T: std::fmt::Debug>(result: io::Result<T>) -> io::ErrorKind {
        result.unwrap_err().kind()
    }

    #[test]
    fn what_is_sealed_can_be_read_and_not_changed() {
        let file = sealed("state", b"what the next one needs").unwrap();
        let mut same = File::from(file.try_clone().unwrap());
        assert_eq!(same.write(b"!").unwrap_err().kind(), io::ErrorKind::PermissionDenied);
        assert!(same.set_len(0).is_err());
        assert_eq!(read_sealed(file, "state", 100).unwrap(), b"what the next one needs");
    }

    #[test]
    fn what_is_too_long_or_not_sealed_is_not_read() {
        assert_eq!(kind(read_sealed(sealed("state", &[0; 101]).unwrap(), "state", 100)), io::ErrorKind::InvalidData);
        assert_eq!(kind(read_sealed(create("state").unwrap().into(), "state", 100)), io::ErrorKind::InvalidData);
        let (pipe, _other) = nix::unistd::pipe().unwrap();
        assert!(read_sealed(pipe, "state", 100).is_err());
    }

    #[test]
    fn numbers_are_found_by_whoever_maps_the_file_next() {
        let first = SharedNumbers::create("roll", COUNT).unwrap();
        let file = first.file().try_clone_to_owned().unwrap();
        assert!(first.all().iter().all(|number| number.load(Relaxed) == 0));
        first.all()[999].store(42, Relaxed);
        drop(first);
        let second = SharedNumbers::open(file, "roll", COUNT).unwrap();
        assert_eq!(second.all().len(), 1000);
        assert_eq!(second.all()[999].load(Relaxed), 42);
    }

    #[test]
    fn a_file_of_another_size_or_without_seals_is_refused() {
        let other = |count: usize| {
            let numbers = SharedNumbers::create("roll", NonZero::new(count).unwrap()).unwrap();
            SharedNumbers::open(numbers.file().try_clone_to_owned().unwrap(), "roll", COUNT)
        };
        assert_eq!(kind(other(999)), io::ErrorKind::InvalidData);
        assert_eq!(kind(other(1001)), io::ErrorKind::InvalidData);
        let unsealed = create("roll").unwrap();
        unsealed.set_len(8000).unwrap();
        assert_eq!(kind(SharedNumbers::open(unsealed.into(), "roll", COUNT)), io::ErrorKind::InvalidData);
        let unchangeable = sealed("roll", &[0; 8000]).unwrap();
        assert_eq!(kind(SharedNumbers::open(unchangeable, "roll", COUNT)), io::ErrorKind::InvalidData);
    }
}
