//! Which ordergate this is: the version, and the build of it. Two builds of one version are two programs: what a person armed, and what
//! a conformance run has proven, holds for one of them.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use sha2::{Digest, Sha256};

use crate::hex::hex;

/// The version that people know.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Bytes of the hash that name a build.
const NAMED_BY: usize = 8;

/// The version with the build: `0.1.0+` and the hash of the running program's file. A copy of the file elsewhere is the same build.
#[must_use]
pub fn of_this_build() -> &'static str {
    static OURS: LazyLock<String> = LazyLock::new(|| own_file().and_then(|path| of(&path)).unwrap_or_else(|cause| unread(&cause)));
    &OURS
}

/// The version with the build of this program's file.
fn of(path: &Path) -> io::Result<String> {
    let (mut file, mut hash, mut chunk) = (File::open(path)?, Sha256::new(), vec![0; 64 * 1024]);
    loop {
        match file.read(&mut chunk)? {
            0 => break,
            read => hash.update(&chunk[..read]),
        }
    }
    Ok(format!("{VERSION}+{}", hex(&hash.finalize()[..NAMED_BY])))
}

/// The file that runs, also when another has taken its name since.
fn own_file() -> io::Result<PathBuf> {
    if cfg!(target_os = "linux") { Ok(PathBuf::from("/proc/self/exe")) } else { std::env::current_exe() }
}

/// A build that cannot name itself is like no other, and not like itself at the next start.
#[expect(clippy::disallowed_methods, reason = "it names no order and no decision: it is to differ at every start")]
fn unread(cause: &io::Error) -> String {
    tracing::error!(event = "build_unread", "the running program's own file cannot be read ({cause}): every start counts as another build");
    format!("{VERSION}+unread.{}", uuid::Uuid::new_v4().simple())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_is_named_by_what_its_file_holds_and_not_by_where_it_lies() {
        let directory = tempfile::tempdir().unwrap();
        let [old, new, copy] = [("old", "one"), ("new", "two"), ("copy", "two")].map(|(name, holds)| {
            let path = directory.path().join(name);
            std::fs::write(&path, holds).unwrap();
            of(&path).unwrap()
        });
        assert_ne!(old, new);
        assert_eq!(new, copy);
        // The SHA-256 of "two".
        assert_eq!(new, format!("{VERSION}+3fc4ccfe745870e2"));
    }

    #[test]
    fn this_build_has_a_name_of_its_own_and_always_the_same() {
        let ours = of_this_build();
        assert!(ours.strip_prefix(VERSION).is_some_and(|rest| rest.len() == 1 + 2 * NAMED_BY && rest.starts_with('+')), "{ours}");
        assert_eq!(ours, of(&std::env::current_exe().unwrap()).unwrap());
    }

    #[test]
    fn one_that_cannot_be_read_is_like_no_other() {
        let cause = of(Path::new("/nowhere/at/all")).unwrap_err();
        assert_ne!(unread(&cause), unread(&cause));
    }
}
