//! A finished backup on its way to another folder: of another disk, perhaps, where the daemon can't write.

use super::check::{self, Sum};
use super::folder::{self, Folder};
use super::{BackupError, Made, Manifest, PAGE, Progress};
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

/// Takes a backup of a state directory to another folder, and removes the oldest there until `keep` are left. It is checked
/// against its manifest on the way. Of two folders that are one nothing is moved.
///
/// Whoever says which file it is may have been taken over, and the caller may be root: anything but a backup in the folder of
/// backups is left alone.
///
/// # Errors
/// [`BackupError`]. A backup is gone then: one that stayed at each failure would fill the disk that messages are on.
pub fn carry(
    state: &Path,
    file: &Path,
    to: &Path,
    keep: Option<NonZero<u32>>,
    progress: impl FnMut(Progress),
) -> Result<Carried, BackupError> {
    let ours = state.join(super::FOLDER);
    let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    if file.parent() != Some(&ours) || !folder::is_copy(name) {
        return Err(BackupError::Elsewhere { path: file.to_owned(), folder: ours });
    }
    let from = Folder::open(&ours)?;
    let outcome = match Folder::open(to) {
        // Of the same folder that is held already.
        Err(BackupError::Busy) if from.is_at(to) => {
            let manifest = manifest(&from, name)?;
            let removed = from.keep(keep, name);
            return Ok(Carried { made: Made { file: file.to_owned(), manifest, removed }, left: None });
        }
        there => there.and_then(|there| take(&from, name, &there, keep, progress)),
    };
    let left = from.discard(name).err();
    Ok(Carried { made: outcome?, left })
}

fn manifest(from: &Folder, name: &str) -> Result<Manifest, BackupError> {
    let beside = folder::manifest_of(name);
    let path = from.path().join(&beside);
    folder::read_manifest(from.open_file(&beside)?, &path).map_err(|detail| BackupError::NotWhole { path, detail })
}

fn take(
    from: &Folder,
    name: &str,
    there: &Folder,
    keep: Option<NonZero<u32>>,
    mut progress: impl FnMut(Progress),
) -> Result<Made, BackupError> {
    let file = from.path().join(name);
    let not_whole = |detail: &str| BackupError::NotWhole { path: file.clone(), detail: detail.to_owned() };
    let mut manifest = manifest(from, name)?;
    let source = from.open_file(name)?;
    there.expect_room(manifest.bytes)?;
    let at = manifest.moment().ok_or_else(|| not_whole("its manifest does not say when it was made"))?;
    let unfinished = there.begin(at)?;
    let mut sum = Sum::default();
    check::read::<BackupError>(&source, &file, |part, bytes| {
        sum.add(part);
        let mut copy = unfinished.file();
        copy.write_all(part).map_err(BackupError::io(unfinished.path(), "can't write it"))?;
        if bytes.done.is_multiple_of(SYNC_BYTES) {
            unfinished.sync()?;
        }
        progress(Progress { checking: false, pages: bytes.done / PAGE, of: bytes.of / PAGE });
        Ok(())
    })?;
    if sum.end() != (manifest.bytes, manifest.blake2b.clone()) {
        return Err(not_whole("it is not what its manifest says"));
    }
    unfinished.sync()?;
    unfinished.name().clone_into(&mut manifest.file);
    let carried = unfinished.publish(&manifest)?;
    let removed = there.keep(keep, &manifest.file);
    Ok(Made { file: carried, manifest, removed })
}

/// What is written goes to the disk now and then.
const SYNC_BYTES: u64 = 16 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn what_is_no_backup_in_the_folder_of_backups_is_neither_carried_nor_removed() {
        let (state, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let ours = state.path().join(super::super::FOLDER);
        fs::create_dir(&ours).unwrap();
        let victims = [
            there.path().join("shadow"),
            there.path().join("messengerd-20261127T132005Z.sqlite"),
            ours.join("shadow"),
            state.path().join("messengerd-20261127T132005Z.sqlite"),
        ];
        for victim in victims {
            fs::write(&victim, "dear").unwrap();
            let target = tempfile::tempdir().unwrap();
            let carried = carry(state.path(), &victim, target.path(), None, |_| {});
            assert!(matches!(carried, Err(BackupError::Elsewhere { .. })), "{victim:?}: {carried:?}");
            assert_eq!(fs::read_to_string(&victim).unwrap(), "dear");
        }
    }
}
