//! Memory for argon2: pages of its own, in as large ones as the kernel has.
//!
//! The allocator would keep what it gets back, or fetch each page anew for the next hash. Here the caller says when it
//! is kept and when it goes. With huge pages, fetching takes a tenth of the time (nobody waits for 4,864 page faults to
//! log in), and computing some per cent less: argon2 jumps about in it.
//!
//! Errors: [`io::Error`]: the kernel has none left.

use argon2::Block;
use nix::sys::mman::{MapFlags, MmapAdvise, ProtFlags, madvise, mmap_anonymous, munmap};
use std::ffi::c_void;
use std::io;
use std::num::NonZero;
use std::ptr::NonNull;
use zeroize::Zeroize;

/// Where a huge page may begin: 2 MiB on x86-64, and on ARM with pages of 4 KiB. Elsewhere it costs addresses only.
const HUGE_PAGE: usize = 2 << 20;

const _: () = assert!(size_of::<Block>() == Block::SIZE && HUGE_PAGE.is_multiple_of(align_of::<Block>()));

/// So many blocks. They are wiped before they go back to the kernel, since they hold what is derived from passwords.
#[derive(Debug)]
pub struct BlockMemory {
    mapping: NonNull<c_void>,
    length: NonZero<usize>,
    blocks: NonNull<Block>,
    count: NonZero<usize>,
}

impl BlockMemory {
    /// Blocks of zeros. What is never written to takes no memory.
    ///
    /// # Errors
    /// The kernel has no memory for them.
    #[expect(unsafe_code, reason = "the allocator has no such pages")]
    pub fn map(count: NonZero<usize>) -> io::Result<Self> {
        let too_many = || io::Error::from(io::ErrorKind::OutOfMemory);
        let bytes = count.get().checked_mul(Block::SIZE).ok_or_else(too_many)?;
        // With room before them, for the blocks to begin where a huge page may.
        let length = bytes.checked_add(HUGE_PAGE).and_then(NonZero::new).ok_or_else(too_many)?;
        let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: a new mapping at a place of the kernel's choice takes nothing from anybody.
        let mapping = unsafe { mmap_anonymous(None, length, protection, MapFlags::MAP_PRIVATE) }?;
        let before = mapping.align_offset(HUGE_PAGE);
        // SAFETY: the mapping is longer than the blocks by the most that this can be.
        let start = unsafe { mapping.byte_add(before) };
        // Where there are none it works without.
        // SAFETY: this range is a part of our mapping, and what is in it does not change.
        let _ = unsafe { madvise(start, bytes, MmapAdvise::MADV_HUGEPAGE) };
        Ok(Self { mapping, length, blocks: start.cast(), count })
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> NonZero<usize> {
        self.count
    }

    /// All of them.
    #[expect(unsafe_code, reason = "the mapping is memory that only we know of")]
    pub fn all(&mut self) -> &mut [Block] {
        // SAFETY: the mapping has room for so many blocks from there on, which is aligned for them. A block is numbers
        // and nothing else, and zeros are one. It stays until self is dropped, and whoever has it has borrowed self.
        unsafe { std::slice::from_raw_parts_mut(self.blocks.as_ptr(), self.count.get()) }
    }

    fn wipe(&mut self) {
        self.all().iter_mut().for_each(Zeroize::zeroize);
    }
}

impl Drop for BlockMemory {
    #[expect(unsafe_code, reason = "what was mapped is given back")]
    fn drop(&mut self) {
        self.wipe();
        // SAFETY: the mapping is ours, and nobody can have borrowed from self any more. An error would mean that it is
        // no mapping, and there is nothing left to do then.
        let _ = unsafe { munmap(self.mapping, self.length.get()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks(count: usize) -> BlockMemory {
        BlockMemory::map(NonZero::new(count).unwrap()).unwrap()
    }

    fn is_blank(memory: &mut BlockMemory) -> bool {
        memory.all().iter().all(|block| block.as_ref().iter().all(|number| *number == 0))
    }

    #[test]
    fn it_is_blank_all_of_it_can_be_written_and_wiping_makes_it_blank_again() {
        // Less than a huge page, just one, and some.
        for count in [8, 2048, 5000] {
            let mut memory = blocks(count);
            assert_eq!((memory.count().get(), memory.all().len()), (count, count));
            assert!(is_blank(&mut memory));
            memory.all().iter_mut().for_each(|block| block.as_mut().fill(u64::MAX));
            memory.wipe();
            assert!(is_blank(&mut memory));
        }
    }

    #[test]
    fn it_begins_where_a_huge_page_may() {
        assert!(blocks(8).all().as_ptr().addr().is_multiple_of(HUGE_PAGE));
    }

    #[test]
    fn more_than_there_are_addresses_is_an_error() {
        for count in [usize::MAX, usize::MAX / Block::SIZE, 1 << 40] {
            let refused = BlockMemory::map(NonZero::new(count).unwrap()).unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::OutOfMemory, "{count}");
        }
    }
}
