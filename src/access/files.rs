//! The files of access: JSON, whole or not there, for their owner alone.

use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::files::{Mode, private_directory, write_whole};
use crate::hex::hex;
use crate::secrets::read_private;

/// The directory within the data directory.
const DIRECTORY: &str = "access";

/// Why a file of access cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// It cannot be read or written, or others can read it.
    #[error("cannot use {}: {cause}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// It is not what ordergate wrote.
    #[error("{} is damaged; remove it: sessions begin anew, a password is set again with `ordergate password`", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// No random numbers from the system, or no memory for the password's hash.
    #[error("cannot draw or hash a secret: {0}")]
    Secret(String),
    /// A password that is too short, or a code that is not of its secret.
    #[error("{0}")]
    Refused(&'static str),
}

/// Where a file of access is.
pub(super) fn place(directory: &Path, name: &str) -> PathBuf {
    directory.join(DIRECTORY).join(name)
}

/// Reads a file; `None` if there is none.
pub(super) fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, AccessError> {
    let bytes = match read_private(path) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
        bytes => bytes.map_err(|cause| AccessError::Unusable { path: path.to_path_buf(), cause })?,
    };
    serde_json::from_slice(&bytes).map(Some).map_err(|_| AccessError::Damaged { path: path.to_path_buf() })
}

/// Writes a file.
pub(super) fn write<T: Serialize>(path: &Path, value: &T) -> Result<(), AccessError> {
    let unusable = |cause| AccessError::Unusable { path: path.to_path_buf(), cause };
    if let Some(directory) = path.parent() {
        private_directory(directory).map_err(unusable)?;
    }
    let bytes = serde_json::to_vec(value).map_err(|cause| unusable(cause.into()))?;
    write_whole(path, &bytes, Mode::Private).map_err(unusable)
}

/// Removes a file; one that is not there is no error.
pub(super) fn remove(path: &Path) -> Result<(), AccessError> {
    match std::fs::remove_file(path) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => Err(AccessError::Unusable { path: path.to_path_buf(), cause }),
        _ => Ok(()),
    }
}

/// How a token is kept: its SHA-256, as hex.
pub(super) fn hashed(token: &str) -> String {
    use sha2::{Digest, Sha256};
    hex(Sha256::digest(token.as_bytes()).as_slice())
}

/// Whether two hashes are one, in constant time.
pub(super) fn is_same(a: &str, b: &str) -> bool {
    use subtle::ConstantTimeEq;
    a.as_bytes().ct_eq(b.as_bytes()).into()
}
