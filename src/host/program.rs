//! The program's own code in memory.
//!
//! Most of what a daemon at rest holds is its program, and most of that ran once, at the start. The kernel maps it in pieces
//! of 64 KiB and larger, whether asked for or not, and takes none away until memory is short.
//!
//! Errors: [`io::Error`], of proc(5).

use nix::sys::mman::{MmapAdvise, madvise};
use std::ffi::c_void;
use std::io;
use std::ptr::NonNull;

/// Where the code is: mapped from the program's file, and never written to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Code {
    start: usize,
    length: usize,
}

impl Code {
    /// Looks it up in `/proc/self/maps`, which a sandbox may put out of reach later. `None`: it looks unlike any that we know.
    ///
    /// # Errors
    /// There is no proc(5) here.
    pub fn find() -> io::Result<Option<Self>> {
        let program = std::fs::read_link("/proc/self/exe")?;
        let maps = std::fs::read_to_string("/proc/self/maps")?;
        Ok(maps.lines().find_map(|line| Self::in_line(line, program.to_str()?)))
    }

    /// `START-END r-xp OFFSET DEVICE INODE PATH`
    fn in_line(line: &str, program: &str) -> Option<Self> {
        let mut words = line.splitn(6, ' ');
        let (range, rights) = (words.next()?, words.next()?);
        let path = words.nth(3)?.trim_start();
        let (start, end) = range.split_once('-')?;
        let (start, end) = (usize::from_str_radix(start, 16).ok()?, usize::from_str_radix(end, 16).ok()?);
        let length = end.checked_sub(start)?;
        (rights == "r-xp" && path == program).then_some(Self { start, length })
    }

    /// Unmaps all of it for now. What runs next is mapped again as it is run, from the kernel's memory or from the file; the
    /// rest is the kernel's to keep or not.
    #[expect(unsafe_code, reason = "no library knows that code is never written to")]
    pub fn give_back(&self) {
        let Some(start) = NonNull::new(std::ptr::with_exposed_provenance_mut::<c_void>(self.start)) else { return };
        // SAFETY: it is a mapping of a file that can't be written through (`r-xp`), so that what is in it is what is in the
        // file, and comes back from there when it is next looked at (madvise(2), MADV_DONTNEED). It stays mapped.
        let _ = unsafe { madvise(start, self.length, MmapAdvise::MADV_DONTNEED) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_code_is_found_and_nobody_else_s() {
        let code = Code::find().unwrap().unwrap();
        let here = our_code_is_found_and_nobody_else_s as fn() as usize;
        assert!((code.start..code.start + code.length).contains(&here));
    }

    #[test]
    fn a_line_is_taken_only_if_it_is_code_of_the_program() {
        let line = |rights: &str, path: &str| {
            Code::in_line(
                &format!("7f00-7f80 {rights} 00001000 fe:00 4711                       {path}"),
                "/usr/sbin/it",
            )
        };
        assert_eq!(line("r-xp", "/usr/sbin/it"), Some(Code { start: 0x7f00, length: 0x80 }));
        // Constants with addresses in them are written to once, at the start, and only read afterwards.
        for (rights, path) in
            [("r--p", "/usr/sbin/it"), ("rwxp", "/usr/sbin/it"), ("r-xp", "/usr/lib/libc.so.6"), ("r-xp", "")]
        {
            assert_eq!(line(rights, path), None);
        }
        assert_eq!(Code::in_line("no map", "/usr/sbin/it"), None);
    }

    /// How much of it is in memory, in KiB; proc(5).
    fn resident(code: &Code) -> u64 {
        let smaps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let mut ours = smaps.lines().skip_while(|line| !line.starts_with(&format!("{:x}-", code.start)));
        let rss = ours.find_map(|line| line.strip_prefix("Rss:")).unwrap();
        rss.trim().strip_suffix(" kB").unwrap().trim().parse().unwrap()
    }

    #[test]
    fn what_is_given_back_is_not_in_memory_and_runs_all_the_same() {
        let code = Code::find().unwrap().unwrap();
        let before = resident(&code);
        // Other tests run meanwhile, and fetch what they need.
        let after = (0..50).map(|_| {
            code.give_back();
            resident(&code)
        });
        assert!(after.min().unwrap() < before, "{before} KiB before");
    }
}
