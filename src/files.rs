//! Files that are there whole or not at all.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::path::Path;

/// Who may read a new file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Whoever the umask lets.
    Shared,
    /// Its owner alone.
    Private,
}

/// Puts the file in place in one step: written beside, synced, renamed.
pub(crate) fn write_whole(path: &Path, mut bytes: &[u8], mode: Mode) -> io::Result<()> {
    copy_whole(path, &mut bytes, mode)
}

/// The same with whatever can be read there.
pub(crate) fn copy_whole(path: &Path, from: &mut impl Read, mode: Mode) -> io::Result<()> {
    let beside = path.with_added_extension("partial");
    let written = write_new(&beside, from, mode).and_then(|()| std::fs::rename(&beside, path));
    if written.is_err() {
        let _ = std::fs::remove_file(&beside);
    }
    written?;
    // The name itself is on the disk once its directory is.
    match path.parent().map(File::open) {
        Some(Ok(directory)) => directory.sync_all(),
        _ => Ok(()),
    }
}

fn write_new(path: &Path, from: &mut impl Read, mode: Mode) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    if mode == Mode::Private {
        use std::os::unix::fs::OpenOptionsExt;
        // A file left over from a crash keeps the mode that it has.
        let _ = std::fs::remove_file(path);
        options.mode(0o600);
    }
    #[cfg(not(unix))]
    let _ = mode;
    let mut file = options.open(path)?;
    io::copy(from, &mut file)?;
    file.sync_all()
}

/// Makes the directory for its owner alone, if it is not there; an existing one stays as it is.
pub(crate) fn private_directory(path: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt;
        builder.mode(0o700);
    }
    builder.create(path)
}

/// Whether the disk is at fault, full, or was made read-only: what stood in the way may be gone at the next try. Anything else
/// (no such directory, no permission) stays until somebody has corrected it.
pub(crate) fn may_heal(cause: &io::Error) -> bool {
    #[cfg(unix)]
    if cause.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error()) {
        return true;
    }
    matches!(cause.kind(), io::ErrorKind::StorageFull | io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::QuotaExceeded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_leaves_nothing_beside() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.json");
        write_whole(&path, b"one", Mode::Shared).unwrap();
        write_whole(&path, b"two", Mode::Shared).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_write_that_fails_leaves_the_old_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a");
        std::fs::create_dir(&path).unwrap();
        assert!(write_whole(&path, b"x", Mode::Shared).is_err());
        assert!(path.is_dir());
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}
