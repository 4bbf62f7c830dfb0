//! One-time codes of a person's authenticator app (RFC 6238: SHA-1, six digits, 30 s).

use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretString};
use totp_rs::{Builder, Secret};

/// A new secret, as base32: 160 bits, as RFC 4226 recommends.
pub(super) fn draw() -> Result<SecretString, String> {
    let mut bytes = [0; 20];
    getrandom::fill(&mut bytes).map_err(|cause| cause.to_string())?;
    Ok(SecretString::from(Secret::new_stack(bytes).to_base32()))
}

/// The time step that the code is of: the present one, or its neighbours for clocks that differ; `None` if it is of none.
pub(super) fn step(secret: &SecretString, code: &str, now: DateTime<Utc>) -> Option<u64> {
    let secret = Secret::try_from_base32(secret.expose_secret()).ok()?;
    let digits: String = code.chars().filter(|c| !c.is_whitespace()).collect();
    let totp = Builder::new().with_secret(secret).with_skew(0).build_noncompliant();
    let seconds = u64::try_from(now.timestamp()).ok()?;
    // Every neighbour is looked at, whatever was found before.
    let fits: Vec<u64> = [seconds.saturating_sub(30), seconds, seconds.saturating_add(30)]
        .into_iter()
        .filter(|at| super::files::is_same(&totp.generate(*at).to_string(), &digits))
        .collect();
    fits.last().map(|at| at / 30)
}

/// What an authenticator app takes, as a link or a QR code.
pub(super) fn address(secret: &SecretString) -> String {
    format!("otpauth://totp/ordergate:owner?secret={}&issuer=ordergate&algorithm=SHA1&digits=6&period=30", secret.expose_secret())
}

/// The code that the app shows.
#[cfg(test)]
pub(super) fn shown(secret: &SecretString, now: DateTime<Utc>) -> String {
    let secret = Secret::try_from_base32(secret.expose_secret()).unwrap();
    Builder::new().with_secret(secret).build_noncompliant().generate(u64::try_from(now.timestamp()).unwrap()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_of_its_step_or_the_neighbours() {
        // RFC 6238, appendix B, the last six digits.
        let secret = SecretString::from("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        let at = |second: i64| DateTime::from_timestamp(second, 0).unwrap();
        let of = 1_234_567_890i64;
        let step_of = |second: i64| u64::try_from(second).unwrap() / 30;
        for off in [-30, 0, 30] {
            assert_eq!(step(&secret, "005 924", at(of + off)), Some(step_of(of)), "{off}");
        }
        assert_eq!(step(&secret, "005924", at(of + 60)), None);
        for wrong in ["", "005925", "5924", "0059240"] {
            assert_eq!(step(&secret, wrong, at(of)), None, "{wrong}");
        }
        let drawn = draw().unwrap();
        assert!(address(&drawn).contains(drawn.expose_secret()) && drawn.expose_secret().len() == 32);
    }
}
