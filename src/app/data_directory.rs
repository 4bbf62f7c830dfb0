//! The data directory is for its owner alone. One that an administrator or a copy made may let others in: they would read every order
//! and position, and could hold the engine's locks. It is closed to them at the start, with what lies in it.

use std::io;
use std::path::{Path, PathBuf};

use crate::files::private_directory;

/// Why nothing may be written there.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotOurs {
    /// It cannot be made or looked at.
    #[error("the data directory {}: {cause}", path.display())]
    Unusable {
        /// Which.
        path: PathBuf,
        /// What the system says.
        cause: io::Error,
    },
    /// Others may enter it, and it stays so.
    #[error(
        "others may enter the data directory {} (mode {mode:o}), and {why}. Give it to the user that ordergate runs as, with mode 700 (chown, \
         chmod 700), or set storage.directory to a directory of its own",
        path.display()
    )]
    Open {
        /// Which.
        path: PathBuf,
        /// As it is.
        mode: u32,
        /// Why it was not closed.
        why: String,
    },
}

/// Makes the directory, or closes one that is there; what was closed, in words.
///
/// # Errors
/// [`NotOurs`].
pub(super) fn close(directory: &Path) -> Result<Option<String>, NotOurs> {
    let unusable = |cause| NotOurs::Unusable { path: directory.to_path_buf(), cause };
    private_directory(directory).map_err(unusable)?;
    imp::close(directory)
}

#[cfg(unix)]
mod imp {
    use std::fs::{Metadata, Permissions};
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;

    use super::NotOurs;
    use crate::secrets;

    /// What group and others may do.
    const OTHERS: u32 = 0o077;
    /// Everybody may make files in it, each his own: /tmp.
    const SHARED: u32 = 0o1000;
    /// What shows that the files in it are the engine's.
    const DATABASE: &str = "orders.db";

    fn mode(found: &Metadata) -> u32 {
        found.permissions().mode() & 0o7777
    }

    pub(super) fn close(directory: &Path) -> Result<Option<String>, NotOurs> {
        let look = || {
            let unusable = |cause| NotOurs::Unusable { path: directory.to_path_buf(), cause };
            std::fs::metadata(directory).map(|found| mode(&found)).map_err(unusable)
        };
        let was = look()?;
        let mut closed = Vec::new();
        if was & OTHERS != 0 {
            let open = |why: String| NotOurs::Open { path: directory.to_path_buf(), mode: was, why };
            if was & SHARED != 0 {
                return Err(open("everybody keeps files there".to_owned()));
            }
            match std::fs::set_permissions(directory, Permissions::from_mode(was & !OTHERS)) {
                // A disk that does not take it now is waited for, or told of, by whoever writes there next.
                Err(cause) if crate::files::may_heal(&cause) => return Ok(Some(format!("it is open to others (mode {was:o}): {cause}"))),
                Err(cause) => return Err(open(format!("it could not be closed to them ({cause})"))),
                Ok(()) if look()? & OTHERS != 0 => return Err(open("its file system keeps no modes".to_owned())),
                Ok(()) => closed.push(format!("{} (mode {was:o})", directory.display())),
            }
        }
        closed.extend(close_files(directory));
        Ok((!closed.is_empty()).then(|| format!("others could read or enter these, and cannot any more: {}", closed.join(", "))))
    }

    /// Closes what lies in it. Nobody else reaches it any more: what cannot be closed does no harm.
    fn close_files(directory: &Path) -> Vec<String> {
        if !directory.join(DATABASE).exists() {
            return Vec::new();
        }
        let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
        // Secrets that others could read are no secrets any more: those are refused, and not put right.
        let ours = entries.flatten().filter(|entry| entry.file_name() != secrets::FILE);
        let close = |entry: std::fs::DirEntry| {
            let found = entry.metadata().ok().filter(|found| found.is_file() || found.is_dir())?;
            let was = mode(&found);
            let is_closed = was & OTHERS != 0 && std::fs::set_permissions(entry.path(), Permissions::from_mode(was & !OTHERS)).is_ok();
            is_closed.then(|| format!("{} (mode {was:o})", entry.file_name().display()))
        };
        let mut closed: Vec<String> = ours.filter_map(close).collect();
        closed.sort();
        closed
    }
}

#[cfg(not(unix))]
mod imp {
    pub(super) fn close(_: &std::path::Path) -> Result<Option<String>, super::NotOurs> {
        Ok(None)
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::fs::{Permissions, metadata, set_permissions, write};
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn mode(path: &Path) -> u32 {
        metadata(path).unwrap().permissions().mode() & 0o7777
    }

    fn set(path: &Path, mode: u32) {
        set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_directory_that_others_may_enter_is_closed_with_all_that_lies_in_it() {
        let root = tempfile::tempdir().unwrap();
        let data = root.path().join("data");
        assert_eq!(close(&data).unwrap(), None, "a new one is closed from the beginning");
        set(&data, 0o755);
        std::fs::create_dir(data.join("logs")).unwrap();
        for (name, mode) in [("orders.db", 0o644), ("engine.lock", 0o664), ("secrets.toml", 0o644), ("starts.json", 0o600)] {
            write(data.join(name), "").unwrap();
            set(&data.join(name), mode);
        }
        set(&data.join("logs"), 0o755);
        let said = close(&data).unwrap().unwrap();
        let modes = ["orders.db", "engine.lock", "secrets.toml", "starts.json", "logs"].map(|name| mode(&data.join(name)));
        assert_eq!((mode(&data), modes), (0o700, [0o600, 0o600, 0o644, 0o600, 0o700]), "secrets are refused, and not put right");
        assert!(said.contains("(mode 755), engine.lock (mode 664), logs (mode 755), orders.db (mode 644)"), "{said}");
        assert_eq!(close(&data).unwrap(), None);
    }

    #[test]
    fn what_lies_beside_in_a_directory_that_was_no_data_directory_stays_as_it_is() {
        let root = tempfile::tempdir().unwrap();
        set(root.path(), 0o755);
        write(root.path().join("script.sh"), "").unwrap();
        set(&root.path().join("script.sh"), 0o755);
        assert!(close(root.path()).unwrap().is_some());
        assert_eq!((mode(root.path()), mode(&root.path().join("script.sh"))), (0o700, 0o755));
    }

    #[test]
    fn a_directory_that_everybody_uses_is_refused_and_left_as_it_is() {
        let root = tempfile::tempdir().unwrap();
        set(root.path(), 0o1777);
        let words = close(root.path()).unwrap_err().to_string();
        assert!(
            words.contains("(mode 1777)") && words.contains("everybody keeps files there") && words.contains("storage.directory"),
            "{words}"
        );
        assert_eq!(mode(root.path()), 0o1777);
    }
}
