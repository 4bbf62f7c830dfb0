//! The kept token: a private file, sealed under a key that comes from the account's own secrets, so that a copy of the
//! data directory alone opens no session. Beside it stands the mark of a person's logout, which holds over a restart.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{ChaCha20Poly1305, Key, Nonce};
use chrono::{DateTime, Utc};
use hmac::{Hmac, Mac};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::brokers::noren::settings::Credentials;
use crate::files::{Mode, private_directory, write_whole};

/// The file's name in the account's directory.
pub const FILE: &str = "noren_token.sealed";
/// The mark's name there: it holds nothing, that it is there says all.
pub const LOGGED_OUT: &str = "noren_logged_out";
const PURPOSE: &str = "ordergate noren token 1";
const NONCE: usize = 12;

/// Where the token is kept.
pub struct Vault {
    path: PathBuf,
    mark: PathBuf,
    cipher: ChaCha20Poly1305,
    bound_to: String,
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault").field("path", &self.path).finish_non_exhaustive()
    }
}

/// What is sealed.
#[derive(Serialize, Deserialize)]
struct Sealed {
    token: String,
    ends_at: DateTime<Utc>,
}

impl Vault {
    /// The vault of an account at a host.
    #[must_use]
    pub fn new(directory: &Path, host: &str, credentials: &Credentials) -> Self {
        let bound_to = format!("{PURPOSE}|{host}|{}", credentials.uid);
        let secrets = [&credentials.api_key, &credentials.client_secret, &credentials.password];
        // Keyed by every secret that there is: whoever has them could log in anyway.
        let mut key = [0_u8; 32];
        for secret in secrets.into_iter().flatten() {
            key = mac(&key, secret.expose_secret().as_bytes());
        }
        let key = mac(&key, bound_to.as_bytes());
        Self { path: directory.join(FILE), mark: directory.join(LOGGED_OUT), cipher: ChaCha20Poly1305::new(&Key::from(key)), bound_to }
    }

    /// The kept token, if there is one that has not ended. One that does not open is no token: another secret, another
    /// host, or a damaged file.
    ///
    /// # Errors
    /// The file is there and cannot be read, or others can read it.
    pub fn load(&self, now: DateTime<Utc>) -> io::Result<Option<(SecretString, DateTime<Utc>)>> {
        let bytes = match crate::secrets::read_private(&self.path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        Ok(self.open(&bytes).filter(|sealed| now < sealed.ends_at).map(|sealed| (SecretString::from(sealed.token), sealed.ends_at)))
    }

    fn open(&self, bytes: &[u8]) -> Option<Sealed> {
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE>()?;
        let payload = Payload { msg: sealed, aad: self.bound_to.as_bytes() };
        let plain = self.cipher.decrypt(&Nonce::from(*nonce), payload).ok()?;
        serde_json::from_slice(&plain).ok()
    }

    /// Keeps the token.
    ///
    /// # Errors
    /// The disk said no, or the system gave no random numbers.
    pub fn keep(&self, token: &SecretString, ends_at: DateTime<Utc>) -> io::Result<()> {
        let mut nonce = [0_u8; NONCE];
        getrandom::fill(&mut nonce).map_err(|error| io::Error::other(error.to_string()))?;
        let plain = serde_json::to_vec(&Sealed { token: token.expose_secret().to_owned(), ends_at })?;
        let payload = Payload { msg: &plain, aad: self.bound_to.as_bytes() };
        let sealed = self.cipher.encrypt(&Nonce::from(nonce), payload).map_err(|_| io::Error::other("the token cannot be sealed"))?;
        self.room()?;
        write_whole(&self.path, &[nonce.as_slice(), &sealed].concat(), Mode::Private)
    }

    /// Forgets the token.
    pub fn forget(&self) {
        // What cannot be removed is a dead token, and is tried with a read before anything else.
        let _ = std::fs::remove_file(&self.path);
    }

    /// A person logged out: no process logs in by itself until a person asks for it.
    ///
    /// # Errors
    /// The disk said no.
    pub fn log_out(&self) -> io::Result<()> {
        self.room()?;
        write_whole(&self.mark, b"", Mode::Private)
    }

    /// A person asked for a login, or brought one.
    pub fn log_in(&self) {
        // A mark that cannot be removed keeps the next process out until a person asks again.
        let _ = std::fs::remove_file(&self.mark);
    }

    /// Whether a person logged out, and none has asked for a login since.
    #[must_use]
    pub fn is_logged_out(&self) -> bool {
        self.mark.exists()
    }

    fn room(&self) -> io::Result<()> {
        self.path.parent().map_or(Ok(()), private_directory)
    }
}

fn mac(key: &[u8], text: &[u8]) -> [u8; 32] {
    // HMAC takes a key of any length.
    let Ok(mut mac) = <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(key) else { return [0; 32] };
    mac.update(text);
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials(password: &str) -> Credentials {
        Credentials {
            uid: "FA00001".into(),
            actid: "FA00001".into(),
            vendor_code: "FA00001_U".into(),
            client_id: "FA00001_U".into(),
            imei: "x".into(),
            password: Some(SecretString::from(password)),
            totp_secret: None,
            api_key: None,
            client_secret: None,
        }
    }

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn a_token_is_kept_sealed_for_its_owner_until_its_end() {
        let directory = tempfile::tempdir().unwrap();
        let private = directory.path().join("account");
        let vault = Vault::new(&private, "https://a", &credentials("one"));
        let (now, end) = (at("2026-11-20T04:00:00Z"), at("2026-11-20T21:30:00Z"));
        assert!(vault.load(now).unwrap().is_none());
        vault.keep(&SecretString::from("tok-hunter2"), end).unwrap();
        let (token, ends_at) = vault.load(now).unwrap().unwrap();
        assert_eq!((token.expose_secret(), ends_at), ("tok-hunter2", end));
        assert!(vault.load(end).unwrap().is_none());
        let bytes = std::fs::read(private.join(FILE)).unwrap();
        assert!(!bytes.windows(7).any(|part| part == b"hunter2"));
        assert!(!format!("{vault:?}").contains("hunter2"));
        for other in [Vault::new(&private, "https://a", &credentials("two")), Vault::new(&private, "https://b", &credentials("one"))] {
            assert!(other.load(now).unwrap().is_none());
        }
        std::fs::write(private.join(FILE), &bytes[..bytes.len() - 1]).unwrap();
        assert!(vault.load(now).unwrap().is_none());
        vault.forget();
        assert!(!private.join(FILE).exists());
    }

    #[cfg(unix)]
    #[test]
    fn a_token_that_others_can_read_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let vault = Vault::new(directory.path(), "https://a", &credentials("one"));
        vault.keep(&SecretString::from("t"), at("2026-11-20T21:30:00Z")).unwrap();
        let path = directory.path().join(FILE);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(vault.load(at("2026-11-20T04:00:00Z")).is_err());
    }
}
