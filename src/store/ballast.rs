//! Space on the disk: how much is left, and a file to give up when there is none, so that exits can still be journaled.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

/// The ballast is made only while the disk has this many times its size left.
const ROOM: u64 = 4;
const CHUNK: usize = 1024 * 1024;

/// Bytes free to this process where the path lives; `None` when the system does not say.
#[cfg(unix)]
#[must_use]
pub fn free_space(path: &Path) -> Option<u64> {
    let found = rustix::fs::statvfs(path).ok()?;
    found.f_bavail.checked_mul(found.f_frsize)
}

/// Bytes free to this process where the path lives; `None` when the system does not say.
#[cfg(not(unix))]
#[must_use]
pub fn free_space(_path: &Path) -> Option<u64> {
    None
}

/// The file that is given up.
#[derive(Debug)]
pub(super) struct Ballast {
    path: PathBuf,
}

impl Ballast {
    /// Makes the file if it is missing, or shorter than asked for, and there is room. Without room the engine starts
    /// all the same: the free-space watermark stops entries, and a start on a full disk must still reach recovery.
    pub(super) fn ensure(directory: &Path, bytes: u64) -> Self {
        let path = directory.join("ballast");
        let is_there = std::fs::metadata(&path).is_ok_and(|found| found.len() >= bytes);
        let has_room = free_space(directory).is_none_or(|free| free / ROOM >= bytes);
        if bytes > 0 && !is_there {
            let made = if has_room { fill(&path, bytes).map_err(|cause| cause.to_string()) } else { Err("no room".to_owned()) };
            if let Err(cause) = made {
                tracing::warn!(%cause, bytes, "no ballast file: exits may not be journaled once the disk is full");
                let _ = std::fs::remove_file(&path);
            }
        }
        Self { path }
    }

    /// Whether there is anything to give up.
    pub(super) fn is_there(&self) -> bool {
        self.path.exists()
    }

    /// Gives the space back to the disk.
    pub(super) fn release(&self) {
        match std::fs::remove_file(&self.path) {
            Ok(()) => tracing::warn!("the ballast file was given up: the disk is full"),
            Err(cause) => tracing::error!(%cause, "the ballast file could not be given up"),
        }
    }
}

/// Gives up the ballast of a directory whose disk has less room than this, as a running engine does: for a command that holds its lock.
pub(crate) fn give_up_below(directory: &Path, low_water: u64) {
    let ballast = Ballast { path: directory.join("ballast") };
    if free_space(directory).is_some_and(|free| free < low_water) && ballast.is_there() {
        ballast.release();
    }
}

/// Random bytes: zeros would be a hole, or compressed away, on some file systems, and give nothing back.
fn fill(path: &Path, bytes: u64) -> std::io::Result<()> {
    let mut chunk = vec![0; CHUNK];
    getrandom::fill(&mut chunk).map_err(|cause| std::io::Error::other(cause.to_string()))?;
    let mut file = File::create(path)?;
    let mut left = bytes;
    while left > 0 {
        let now = left.min(CHUNK as u64);
        file.write_all(&chunk[..usize::try_from(now).unwrap_or(CHUNK)])?;
        left -= now;
    }
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ballast_is_made_once_and_given_up() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ballast");
        let ballast = Ballast::ensure(directory.path(), 3_000_000);
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 3_000_000);
        ballast.release();
        assert!(!path.exists());
        Ballast::ensure(directory.path(), 0);
        assert!(!path.exists());
    }

    #[test]
    fn a_command_gives_it_up_only_where_there_is_too_little_room() {
        let directory = tempfile::tempdir().unwrap();
        let ballast = Ballast::ensure(directory.path(), 1_000);
        give_up_below(directory.path(), 0);
        assert!(ballast.is_there());
        give_up_below(directory.path(), u64::MAX);
        assert!(!ballast.is_there());
    }

    #[test]
    fn no_room_is_no_error_and_leaves_nothing() {
        let directory = tempfile::tempdir().unwrap();
        Ballast::ensure(directory.path(), u64::MAX / 2);
        assert!(!directory.path().join("ballast").exists());
        assert!(free_space(directory.path()).is_some_and(|free| free > 0));
    }
}
