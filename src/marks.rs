//! What the next start must know, each in a file of its own in the data directory: it is there before what it is about is lost from
//! sight, and goes only when that has been seen to.

use std::io;
use std::path::{Path, PathBuf};

use crate::files::{Mode, write_whole};

/// What is marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    /// The database is older than what was done with it: entries are to be stopped.
    Restored,
    /// A page of the database was found damaged: the whole file is to be checked.
    Damaged,
}

impl Mark {
    fn path(self, directory: &Path) -> PathBuf {
        directory.join(match self {
            Self::Restored => "restored",
            Self::Damaged => "damaged",
        })
    }

    /// Sets it, with the words of who found it. One that stands keeps its own.
    ///
    /// # Errors
    /// The disk.
    pub(crate) fn set(self, directory: &Path, words: &str) -> io::Result<()> {
        let path = self.path(directory);
        if path.try_exists()? { Ok(()) } else { write_whole(&path, words.as_bytes(), Mode::Shared) }
    }

    /// The words of it, if it stands. One that cannot be read stands.
    pub(crate) fn read(self, directory: &Path) -> Option<String> {
        match std::fs::read(self.path(directory)) {
            Ok(words) => Some(String::from_utf8_lossy(&words).into_owned()),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => None,
            Err(cause) => Some(format!("the mark {} cannot be read: {cause}", self.path(directory).display())),
        }
    }

    /// Takes it away.
    ///
    /// # Errors
    /// It is there and cannot be removed.
    pub(crate) fn clear(self, directory: &Path) -> io::Result<()> {
        match std::fs::remove_file(self.path(directory)) {
            Err(cause) if cause.kind() != io::ErrorKind::NotFound => Err(cause),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_stands_with_its_first_words_until_it_is_cleared() {
        let directory = tempfile::tempdir().unwrap();
        let here = directory.path();
        assert_eq!(Mark::Damaged.read(here), None);
        Mark::Damaged.set(here, "row 7").unwrap();
        Mark::Damaged.set(here, "row 9").unwrap();
        assert_eq!((Mark::Damaged.read(here).as_deref(), Mark::Restored.read(here)), (Some("row 7"), None));
        Mark::Damaged.clear(here).unwrap();
        Mark::Damaged.clear(here).unwrap();
        assert_eq!(Mark::Damaged.read(here), None);
        std::fs::create_dir(here.join("restored")).unwrap();
        assert!(Mark::Restored.read(here).is_some_and(|words| words.contains("cannot be read")));
    }
}
