//! One-time codes (RFC 6238: SHA-1, six digits, 30 s). Near the end of a step the next one is waited for: a code that
//! arrives too late counts as wrong, and wrong codes lock accounts (Noren protocol reference, section 2.1).

use std::time::Duration;

use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretString};
use totp_rs::{Builder, Secret};

const STEP: u64 = 30;
/// From this second of a step on, the next step is waited for.
const LATE: u64 = 27;

/// The seed is no base32 text. It is not quoted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the seed of the one-time codes (totp_secret) is not base32; copy it again from the broker's enrolment page")]
pub struct BadSeed;

/// A code, and how long to wait before it is sent.
#[derive(Debug, Clone)]
pub struct Code {
    /// Six digits.
    pub text: SecretString,
    /// Until its step begins.
    pub wait: Duration,
}

/// The code to send: of now, or of the next step if this one is about to end.
///
/// # Errors
/// [`BadSeed`].
pub fn code(seed: &SecretString, now: DateTime<Utc>) -> Result<Code, BadSeed> {
    let plain: String = seed.expose_secret().chars().filter(|c| !c.is_whitespace() && *c != '-' && *c != '=').collect();
    let secret = Secret::try_from_base32(plain.to_ascii_uppercase()).map_err(|_| BadSeed)?;
    if secret.is_empty() {
        return Err(BadSeed);
    }
    let totp = Builder::new().with_secret(secret).build_noncompliant();
    let seconds = u64::try_from(now.timestamp()).map_err(|_| BadSeed)?;
    let into = seconds.checked_rem(STEP).unwrap_or_default();
    let wait = if into >= LATE { STEP.saturating_sub(into) } else { 0 };
    let text = totp.generate(seconds.saturating_add(wait)).to_string();
    Ok(Code { text: SecretString::from(text), wait: Duration::from_secs(wait) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    fn of(seed: &str, seconds: i64) -> (String, u64) {
        let code = code(&SecretString::from(seed), at(seconds)).unwrap();
        (code.text.expose_secret().to_owned(), code.wait.as_secs())
    }

    #[test]
    fn the_codes_are_those_of_the_standard() {
        // RFC 6238, appendix B, the last six digits; the seed is "12345678901234567890".
        let seed = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
        assert_eq!(of(seed, 1_111_111_111).0, "050471");
        assert_eq!(of(seed, 1_234_567_890).0, "005924");
        assert_eq!(of("gezd gnbv-gy3t qojq gezd gnbv gy3t qojq====", 1_234_567_890).0, "005924");
    }

    #[test]
    fn near_the_end_of_a_step_the_next_one_is_waited_for() {
        let seed = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
        let next = of(seed, 1_200_000_030).0;
        assert_eq!(of(seed, 1_200_000_026).1, 0);
        assert_eq!(of(seed, 1_200_000_027), (next.clone(), 3));
        assert_eq!(of(seed, 1_200_000_029), (next.clone(), 1));
        assert_eq!(of(seed, 1_200_000_030), (next, 0));
    }

    #[test]
    fn a_bad_seed_is_refused_without_quoting_it() {
        for seed in ["", "hunter2!", "0189"] {
            let words = code(&SecretString::from(seed), at(0)).unwrap_err().to_string();
            assert!(words.contains("base32") && (seed.is_empty() || !words.contains(seed)), "{words}");
        }
    }
}
