//! A finished backup on its way to another folder: of another disk, perhaps, where the daemon can't write.

use super::check::{self, Sum};
use super::folder::{self, Folder};
use super::{BackupError, Made, Progress};
use std::io::Write;
use std::num::NonZero;
use std::path::Path;

/// Where it is now.
#[derive(Debug)]
pub struct Carried {
    /// The backup, and what had to go from its folder.
    pub made: Made,
    /// Why the one that it was carried from is still there, if it is.
    pub left: Option<BackupError>,
}

/// Whether a folder can be carried to: before anything is made.
///
/// # Errors
/// When it is none, or can't be opened.
pub fn expect_folder(folder: &Path) -> Result<(), BackupError> {
    Folder::open(folder).map(drop)
}

/// Takes a backup to another folder, and removes the oldest there until `keep` are left. It is
/// checked against its manifest on the way. Of two folders that are one nothing is moved.
///
/// # Errors
/// [`BackupError`]; it is where it was then.
pub fn carry(
    file: &Path,
    to: &Path,
    keep: Option<NonZero<u32>>,
    mut progress: impl FnMut(Progress),
) -> Result<Carried, BackupError> {
    let not_whole = |detail: String| BackupError::NotWhole { path: file.to_owned(), detail };
    let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let from = Folder::open(file.parent().unwrap_or(file))?;
    let beside = folder::manifest_of(name);
    let manifest = folder::read_manifest(from.open_file(&beside)?, &from.path().join(&beside));
    let mut manifest = manifest.map_err(not_whole)?;
    let source = from.open_file(name)?;
    let there = match Folder::open(to) {
        // Of the same folder that is held already.
        Err(BackupError::Busy) if from.is_at(to) => {
            let removed = from.keep(keep, name);
            return Ok(Carried { made: Made { file: file.to_owned(), manifest, removed }, left: None });
        }
        there => there?,
    };
    there.expect_room(manifest.bytes)?;
    let at = manifest.moment().ok_or_else(|| not_whole("its manifest does not say when it was made".to_owned()))?;
    let unfinished = there.begin(at)?;
    let mut sum = Sum::default();
    check::read::<BackupError>(&source, file, |part, bytes| {
        sum.add(part);
        let mut copy = unfinished.file();
        copy.write_all(part).map_err(BackupError::io(unfinished.path(), "can't write it"))?;
        if bytes.done.is_multiple_of(SYNC_BYTES) {
            unfinished.sync()?;
        }
        let pages = |bytes: u64| bytes / super::PAGE;
        progress(Progress { checking: false, pages: pages(bytes.done), of: pages(bytes.of) });
        Ok(())
    })?;
    if sum.end() != (manifest.bytes, manifest.blake2b.clone()) {
        return Err(not_whole("it is not what its manifest says".to_owned()));
    }
    unfinished.sync()?;
    unfinished.name().clone_into(&mut manifest.file);
    let carried = unfinished.publish(&manifest)?;
    let removed = there.keep(keep, &manifest.file);
    let left = from.discard(name).err();
    Ok(Carried { made: Made { file: carried, manifest, removed }, left })
}

/// What is written goes to the disk now and then.
const SYNC_BYTES: u64 = 16 * 1024 * 1024;
