//! A disk, and what it may hold when its power is cut.
//!
//! It promises what POSIX does, and nothing more. What was synced is there. Of what was written after the last sync of its
//! file, any part may be there, in any order, down to the sector, and a sector may be half-way; where the file has grown
//! without the sector that belongs there, zeros or anything else stand; and the file has its old size, or a later one. A name that was made, changed or
//! removed after the last sync of its directory may be so, or not. SQLite asks one thing more of a disk
//! (<https://sqlite.org/psow.html>): that writing some bytes harms no others.

use crate::random::Random;
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;
use std::sync::Arc;

const SECTOR: usize = 512;

/// A file, under whatever names.
pub(crate) type FileId = usize;

/// What a program does to a directory and the files in it. A sync ends later than it begins, and what is written meanwhile
/// is no part of it; `by` is the thread.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    Create { name: String, file: FileId },
    Remove { name: String },
    Rename { from: String, to: String },
    Write { file: FileId, offset: usize, data: Arc<[u8]> },
    Resize { file: FileId, size: usize },
    SyncBegins { by: i32, of: Synced },
    SyncEnds { by: i32 },
}

/// What a sync is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Synced {
    Directory,
    File(FileId),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Honesty {
    /// A sync ends when what it is of is there.
    Honest,
    /// A sync ends when what the one before was of is there: the rest is in a cache, which the power cut empties.
    Cached,
}

#[derive(Debug, Clone)]
enum Content {
    Write { offset: usize, data: Arc<[u8]> },
    Resize(usize),
}

#[derive(Debug, Clone)]
enum Name {
    Is(String, FileId),
    IsNot(String),
    Moves(String, String),
}

/// Changes that are not synced. Each has a number, which it keeps.
#[derive(Debug, Clone)]
struct Pending<T> {
    changes: Vec<T>,
    first: usize,
    /// Up to where the last sync went.
    synced: usize,
}

impl<T> Default for Pending<T> {
    fn default() -> Self {
        Self { changes: Vec::new(), first: 0, synced: 0 }
    }
}

impl<T> Pending<T> {
    fn end(&self) -> usize {
        self.first + self.changes.len()
    }

    /// Takes out what is there now that a sync of all up to `end` has ended.
    fn sync(&mut self, end: usize, honesty: Honesty) -> Vec<T> {
        let there = if honesty == Honesty::Honest { end } else { self.synced };
        self.synced = self.synced.max(end);
        let count = there.saturating_sub(self.first);
        self.first += count;
        self.changes.drain(..count).collect()
    }
}

#[derive(Debug, Clone, Default)]
struct File {
    there: Vec<u8>,
    pending: Pending<Content>,
}

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct Disk {
    honesty: Honesty,
    files: Vec<File>,
    names: BTreeMap<String, FileId>,
    pending: Pending<Name>,
    syncs: HashMap<i32, (Synced, usize)>,
}

impl Disk {
    /// Files that are there from the beginning have the first numbers, in this order.
    pub(crate) fn with(files: &[(String, Vec<u8>)], honesty: Honesty) -> Self {
        let names = files.iter().enumerate().map(|(file, (name, _))| (name.clone(), file)).collect();
        let files = files.iter().map(|(_, there)| File { there: there.clone(), pending: Pending::default() }).collect();
        Self { honesty, files, names, pending: Pending::default(), syncs: HashMap::new() }
    }

    pub(crate) fn change(&mut self, change: &Change) {
        match change {
            Change::Create { name, file } => {
                self.files.resize_with(self.files.len().max(file + 1), File::default);
                self.pending.changes.push(Name::Is(name.clone(), *file));
            }
            Change::Remove { name } => self.pending.changes.push(Name::IsNot(name.clone())),
            Change::Rename { from, to } => self.pending.changes.push(Name::Moves(from.clone(), to.clone())),
            Change::Write { file, offset, data } => {
                let data = Arc::clone(data);
                self.files[*file].pending.changes.push(Content::Write { offset: *offset, data });
            }
            Change::Resize { file, size } => self.files[*file].pending.changes.push(Content::Resize(*size)),
            Change::SyncBegins { by, of } => {
                let end = match of {
                    Synced::Directory => self.pending.end(),
                    Synced::File(file) => self.files[*file].pending.end(),
                };
                self.syncs.insert(*by, (*of, end));
            }
            Change::SyncEnds { by } => match self.syncs.remove(by).expect("what ends has begun") {
                (Synced::Directory, end) => {
                    for name in self.pending.sync(end, self.honesty) {
                        name.change(&mut self.names);
                    }
                }
                (Synced::File(file), end) => {
                    let file = &mut self.files[file];
                    for content in file.pending.sync(end, self.honesty) {
                        file.take(content);
                    }
                }
            },
        }
    }

    /// What everybody sees while the power is on.
    pub(crate) fn all(&self) -> BTreeMap<String, Vec<u8>> {
        let mut names = self.names.clone();
        self.pending.changes.iter().for_each(|name| name.change(&mut names));
        let content = |file: FileId| {
            let mut file = self.files[file].clone();
            for content in std::mem::take(&mut file.pending.changes) {
                file.take(content);
            }
            file.there
        };
        names.into_iter().map(|(name, file)| (name, content(file))).collect()
    }

    /// What is there when the power comes back.
    pub(crate) fn cut(&self, random: &mut Random) -> BTreeMap<String, Vec<u8>> {
        let luck = Luck::of(random);
        let mut names = self.names.clone();
        for name in &self.pending.changes {
            if luck.has(random) {
                name.change(&mut names);
            }
        }
        names.into_iter().map(|(name, file)| (name, self.files[file].cut(luck, random))).collect()
    }
}

impl Name {
    fn change(&self, names: &mut BTreeMap<String, FileId>) {
        match self {
            Self::Is(name, file) => {
                names.insert(name.clone(), *file);
            }
            Self::IsNot(name) => {
                names.remove(name);
            }
            Self::Moves(from, to) => {
                if let Some(file) = names.remove(from) {
                    names.insert(to.clone(), file);
                }
            }
        }
    }
}

/// How much survives that need not: in so many of a hundred cases.
#[derive(Debug, Clone, Copy)]
struct Luck {
    percent: usize,
    garbage: bool,
}

impl Luck {
    fn of(random: &mut Random) -> Self {
        let percent = *random.one_of(&[0, 100, 100, 10, 50, 50, 90, 98]);
        Self { percent, garbage: random.percent(30) }
    }

    fn has(self, random: &mut Random) -> bool {
        random.percent(self.percent)
    }
}

impl File {
    fn take(&mut self, content: Content) {
        match content {
            Content::Write { offset, data } => write(&mut self.there, offset, &data, |_| 0),
            Content::Resize(size) => self.there.resize(size, 0),
        }
    }

    fn cut(&self, luck: Luck, random: &mut Random) -> Vec<u8> {
        let pending = &self.pending.changes;
        let mut there = self.there.clone();
        let mut largest = there.len();
        let mut fill = {
            let mut garbage = Random::new(random.number());
            move |size: usize| if luck.garbage && size > 0 { garbage.number().to_le_bytes()[0] } else { 0 }
        };
        // The pieces of each write that arrive, each a sector or a part of one.
        let mut arrived = Vec::new();
        let mut shrinks = false;
        for content in pending {
            match content {
                Content::Write { offset, data } => {
                    largest = largest.max(offset + data.len());
                    let mut begin = 0;
                    while begin < data.len() {
                        let end = data.len().min(begin + SECTOR - (offset + begin) % SECTOR);
                        let piece = &data[begin..end];
                        if luck.has(random) {
                            arrived.push(Content::Write { offset: offset + begin, data: piece.into() });
                        } else if luck.garbage && random.percent(5) {
                            // It was under way.
                            let data = piece.iter().map(|_| random.number().to_le_bytes()[0]).collect();
                            arrived.push(Content::Write { offset: offset + begin, data });
                        }
                        begin = end;
                    }
                }
                Content::Resize(size) => {
                    shrinks = true;
                    if luck.has(random) {
                        arrived.push(content.clone());
                    }
                    largest = largest.max(*size);
                }
            }
        }
        // An older version of a sector may be the one that was written last.
        if !shrinks && random.percent(50) {
            random.shuffle(&mut arrived);
        }
        for content in arrived {
            match content {
                Content::Write { offset, data } => write(&mut there, offset, &data, &mut fill),
                Content::Resize(size) => there.resize(size, 0),
            }
        }
        if !shrinks && luck.percent < 100 {
            match random.below(4) {
                0 => there.truncate(self.there.len()),
                1 => write(&mut there, largest, &[], &mut fill),
                _ => {}
            }
        }
        there
    }
}

/// Writes into a file; where it grows beyond its end, `filler` says what is there.
fn write(file: &mut Vec<u8>, offset: usize, data: &[u8], mut filler: impl FnMut(usize) -> u8) {
    let end = offset + data.len();
    while file.len() < end.min(offset) {
        let byte = filler(file.len());
        file.push(byte);
    }
    if file.len() < end {
        file.resize(end, 0);
    }
    file[offset..end].copy_from_slice(data);
}

/// Makes these files.
pub(crate) fn make(files: &BTreeMap<String, Vec<u8>>, directory: &Path) {
    for (name, content) in files {
        fs::write(directory.join(name), content).unwrap();
    }
}

/// The files of a directory, without what is shared memory and is not there after a power cut.
pub(crate) fn files_in(directory: &Path) -> Vec<(String, Vec<u8>)> {
    // Nobody makes a backup here: their folder is empty.
    let entries = fs::read_dir(directory).unwrap().map(Result::unwrap).filter(|entry| entry.path().is_file());
    let names = entries.map(|entry| entry.file_name().into_string().unwrap()).filter(|name| !is_memory(name));
    names.map(|name| (name.clone(), fs::read(directory.join(name)).unwrap())).collect()
}

/// SQLite's index of the log. Each process that comes first makes it anew.
pub(crate) fn is_memory(name: &str) -> bool {
    name.ends_with("-shm")
}
