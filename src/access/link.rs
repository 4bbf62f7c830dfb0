//! The one-time link: who can read the terminal, or run a command on this machine, may open the dashboard once.

use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::files::{self, AccessError, hashed, is_same, place};

const FILE: &str = "link.json";

/// What the file holds: the newest link is the only one.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    hash: String,
    until: DateTime<Utc>,
}

/// Draws a link's token, good for so long and for one login. One that was drawn before is worth nothing any more.
///
/// # Errors
/// No random numbers, or it cannot be written.
pub fn draw_link(directory: &Path, now: DateTime<Utc>, for_so_long: TimeDelta) -> Result<SecretString, AccessError> {
    let token = crate::secrets::draw().map_err(|cause| AccessError::Secret(cause.to_string()))?;
    let until = now.checked_add_signed(for_so_long).unwrap_or(now);
    files::write(&place(directory, FILE), &Kept { hash: hashed(token.expose_secret()), until })?;
    Ok(token)
}

/// Whether the token opens the door now. If it does, it never does again. The caller sees to it that no two ask at once.
pub(super) fn spend(directory: &Path, token: &str, now: DateTime<Utc>) -> Result<bool, AccessError> {
    let path = place(directory, FILE);
    let Some(kept) = files::read::<Kept>(&path)? else { return Ok(false) };
    if !is_same(&kept.hash, &hashed(token)) || now > kept.until {
        return Ok(false);
    }
    files::remove(&path)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_opens_once_in_time_and_only_the_newest() {
        let directory = tempfile::tempdir().unwrap();
        let (at, hour) = (|minute: i64| DateTime::UNIX_EPOCH + TimeDelta::minutes(minute), TimeDelta::hours(1));
        let opens = |token: &SecretString, minute| spend(directory.path(), token.expose_secret(), at(minute)).unwrap();
        assert!(!spend(directory.path(), "", at(0)).unwrap());
        let first = draw_link(directory.path(), at(0), hour).unwrap();
        let second = draw_link(directory.path(), at(0), hour).unwrap();
        let text = std::fs::read_to_string(place(directory.path(), FILE)).unwrap();
        assert!(!text.contains(second.expose_secret()), "{text}");
        assert!(!opens(&first, 1) && !opens(&SecretString::from("wrong"), 1));
        assert!(opens(&second, 60) && !opens(&second, 60));
        let third = draw_link(directory.path(), at(0), hour).unwrap();
        assert!(!opens(&third, 61), "its time is over");
    }
}
