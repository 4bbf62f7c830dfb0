//! The owner's password: kept as Argon2id, with the secret of the one-time codes if there is one. `ordergate password` sets it,
//! beside the running engine; the engine reads it anew at each login.

use std::path::Path;

use argon2::{Algorithm, Argon2, Params, Version};
use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::code;
use super::files::{self, AccessError, is_same, place};
use crate::hex::hex;

const FILE: &str = "password.json";
/// The shortest password, characters.
pub const MIN_LENGTH: usize = 10;
/// The longest that is hashed, bytes: a longer one only costs time.
const LONGEST: usize = 1_024;
/// OWASP's first choice for Argon2id: 19 MiB, two passes, one lane.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const SALT: usize = 16;
const HASH: usize = 32;

/// What the file holds.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Password {
    memory_kib: u32,
    passes: u32,
    salt: String,
    hash: String,
    /// Base32.
    #[serde(default)]
    totp: Option<String>,
    /// Sessions of the owner that began before this have ended.
    pub set_at: DateTime<Utc>,
}

impl Password {
    /// Reads the file; `None` if no password is set.
    pub(super) fn read(directory: &Path) -> Result<Option<Self>, AccessError> {
        files::read(&path(directory))
    }

    /// Whether it is this password. Slow on purpose: tens of milliseconds and 19 MiB.
    pub(super) fn is(&self, given: &str) -> bool {
        let Some(salt) = from_hex(&self.salt).filter(|_| self.is_set()) else { return false };
        given.len() <= LONGEST && hash(given, &salt, self.memory_kib, self.passes).is_ok_and(|hash| is_same(&hash, &self.hash))
    }

    /// Whether there is a password at all; none is left after [`forget_password`].
    pub(super) fn is_set(&self) -> bool {
        !self.hash.is_empty()
    }

    /// Whether it takes a one-time code as well.
    pub(super) fn wants_code(&self) -> bool {
        self.totp.is_some()
    }

    /// The step of a one-time code that holds.
    pub(super) fn step(&self, given: &str, now: DateTime<Utc>) -> Option<u64> {
        code::step(&SecretString::from(self.totp.clone()?), given, now)
    }
}

/// The password's file; its age tells whether it was changed.
pub(super) fn path(directory: &Path) -> std::path::PathBuf {
    place(directory, FILE)
}

fn hash(password: &str, salt: &[u8], memory_kib: u32, passes: u32) -> Result<String, String> {
    let params = Params::new(memory_kib, passes, 1, Some(HASH)).map_err(|cause| cause.to_string())?;
    let mut out = [0; HASH];
    let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    argon.hash_password_into(password.as_bytes(), salt, &mut out).map_err(|cause| cause.to_string())?;
    Ok(hex(&out))
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes().chunks(2);
    digits.map(|pair| std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok())).collect()
}

/// The secret of one-time codes that a person is about to take over into an app.
#[derive(Debug, Clone)]
pub struct Enrolment(SecretString);

impl Enrolment {
    /// A new one.
    ///
    /// # Errors
    /// No random numbers.
    pub fn draw() -> Result<Self, AccessError> {
        code::draw().map(Self).map_err(AccessError::Secret)
    }

    /// The secret, to be typed into the app.
    #[must_use]
    pub fn secret(&self) -> &str {
        self.0.expose_secret()
    }

    /// The authenticator's secret as a link for the app (`otpauth://`).
    #[must_use]
    pub fn address(&self) -> String {
        code::address(&self.0)
    }

    /// The code that the app shows.
    #[cfg(test)]
    pub(super) fn shown(&self, now: DateTime<Utc>) -> String {
        code::shown(&self.0, now)
    }

    /// Whether the app shows this code now.
    #[must_use]
    pub fn is_shown(&self, code: &str, now: DateTime<Utc>) -> bool {
        code::step(&self.0, code, now).is_some()
    }
}

/// Sets the password, with one-time codes or without. Every session of the owner ends.
///
/// # Errors
/// It is too short, or it cannot be written.
pub fn set_password(directory: &Path, password: &SecretString, codes: Option<&Enrolment>, now: DateTime<Utc>) -> Result<(), AccessError> {
    let plain = password.expose_secret();
    if plain.chars().count() < MIN_LENGTH || plain.len() > LONGEST {
        return Err(AccessError::Refused("a password has 10 characters at least, and 1024 bytes at most"));
    }
    let mut salt = [0; SALT];
    getrandom::fill(&mut salt).map_err(|cause| AccessError::Secret(cause.to_string()))?;
    let kept = Password {
        memory_kib: MEMORY_KIB,
        passes: PASSES,
        salt: hex(&salt),
        hash: hash(plain, &salt, MEMORY_KIB, PASSES).map_err(AccessError::Secret)?,
        totp: codes.map(|codes| codes.secret().to_owned()),
        set_at: now,
    };
    files::write(&path(directory), &kept)
}

/// Whether the owner has an authenticator app.
///
/// # Errors
/// The password's file cannot be read.
pub fn has_authenticator(directory: &Path) -> Result<bool, AccessError> {
    Ok(Password::read(directory)?.is_some_and(|kept| kept.wants_code()))
}

/// Takes the password away: nobody logs in by one, and every session of the owner ends.
///
/// # Errors
/// It cannot be written.
pub fn forget_password(directory: &Path, now: DateTime<Utc>) -> Result<(), AccessError> {
    let none = Password { memory_kib: 0, passes: 0, salt: String::new(), hash: String::new(), totp: None, set_at: now };
    files::write(&path(directory), &none)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_234_567_890, 0).unwrap()
    }

    #[test]
    fn it_is_kept_hashed_and_known_again() {
        let directory = tempfile::tempdir().unwrap();
        assert!(Password::read(directory.path()).unwrap().is_none());
        let plain = SecretString::from("correct horse battery");
        set_password(directory.path(), &plain, None, now()).unwrap();
        let text = std::fs::read_to_string(path(directory.path())).unwrap();
        assert!(!text.contains("horse"), "{text}");
        let kept = Password::read(directory.path()).unwrap().unwrap();
        assert!(kept.is("correct horse battery") && !kept.is("correct horse batterz") && !kept.is("") && !kept.wants_code());
        let first = kept.hash;
        set_password(directory.path(), &plain, None, now()).unwrap();
        assert_ne!(first, Password::read(directory.path()).unwrap().unwrap().hash, "each has a salt of its own");
        forget_password(directory.path(), now()).unwrap();
        let none = Password::read(directory.path()).unwrap().unwrap();
        assert!(!none.is_set() && !none.is("correct horse battery") && !none.is(""));
    }

    #[test]
    fn with_codes_it_knows_their_steps() {
        let directory = tempfile::tempdir().unwrap();
        let codes = Enrolment(SecretString::from("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"));
        assert!(codes.is_shown("005924", now()) && !codes.is_shown("000000", now()));
        set_password(directory.path(), &SecretString::from("long enough it is"), Some(&codes), now()).unwrap();
        let kept = Password::read(directory.path()).unwrap().unwrap();
        assert!(kept.wants_code() && kept.step("005924", now()).is_some() && kept.step("1", now()).is_none());
    }

    #[test]
    fn a_short_one_and_a_damaged_file_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        let short = set_password(directory.path(), &SecretString::from("short"), None, now());
        assert!(matches!(short, Err(AccessError::Refused(_))));
        files::write(&path(directory.path()), &"hunter2").unwrap();
        let words = Password::read(directory.path()).err().unwrap().to_string();
        assert!(words.contains("damaged") && !words.contains("hunter2"), "{words}");
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_may_read_it() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        set_password(directory.path(), &SecretString::from("long enough it is"), None, now()).unwrap();
        let file = path(directory.path());
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(Password::read(directory.path()), Err(AccessError::Unusable { .. })));
    }
}
