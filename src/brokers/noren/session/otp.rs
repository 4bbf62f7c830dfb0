//! One-time codes (RFC 6238: SHA-1, six digits, 30 s). Near the end of a step the next one is waited for: a code that
//! arrives too late counts as wrong, and wrong codes lock accounts (Noren protocol reference, section 2.1). A server may take a
//! code once only (RFC 6238, section 5.2): one that went out is not sent again, and the next step is waited for.

use std::time::Duration;

use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretString};
use totp_rs::{Builder, Secret};

const STEP: u64 = 30;
/// From this second of a step on, the next step is waited for.
const LATE: u64 = 27;

/// No code is waited for longer than this.
pub const LONGEST_WAIT: Duration = Duration::from_secs(2 * STEP);

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
    /// The number of its step.
    pub step: u64,
}

/// The code to send: of now, or of the next step if this one is about to end or `used` already.
///
/// # Errors
/// [`BadSeed`].
pub fn code(seed: &SecretString, now: DateTime<Utc>, used: Option<u64>) -> Result<Code, BadSeed> {
    let plain: String = seed.expose_secret().chars().filter(|c| !c.is_whitespace() && *c != '-' && *c != '=').collect();
    let secret = Secret::try_from_base32(plain.to_ascii_uppercase()).map_err(|_| BadSeed)?;
    if secret.is_empty() {
        return Err(BadSeed);
    }
    let totp = Builder::new().with_secret(secret).build_noncompliant();
    let seconds = u64::try_from(now.timestamp()).map_err(|_| BadSeed)?;
    let into = seconds.checked_rem(STEP).unwrap_or_default();
    let present = seconds.checked_div(STEP).unwrap_or_default();
    let good = if into >= LATE { present.saturating_add(1) } else { present };
    // One that lies further ahead was sent by a clock that has been set back since.
    let step = used.filter(|used| (good..=present.saturating_add(1)).contains(used)).map_or(good, |used| used.saturating_add(1));
    let begins = step.saturating_mul(STEP);
    let text = totp.generate(begins.max(seconds)).to_string();
    Ok(Code { text: SecretString::from(text), wait: Duration::from_secs(begins.saturating_sub(seconds)), step })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    fn of(seed: &str, seconds: i64) -> (String, u64) {
        let code = code(&SecretString::from(seed), at(seconds), None).unwrap();
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
    fn a_code_that_went_out_is_not_sent_again() {
        let seed = SecretString::from("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        let of = |seconds: i64, used: Option<u64>| {
            let code = code(&seed, at(seconds), used).unwrap();
            (code.step, code.wait.as_secs(), code.text.expose_secret().to_owned())
        };
        let (first, _, sent) = of(1_200_000_002, None);
        let (second, wait, next) = of(1_200_000_007, Some(first));
        assert_eq!((second, wait), (first + 1, 23));
        assert_ne!(sent, next);
        assert_eq!(of(1_200_000_030, Some(first)), (second, 0, next.clone()), "its step has come");
        // Sent early in its step because the one before was about to end, and lost at once.
        assert_eq!((of(1_200_000_028, None).0, of(1_200_000_028, Some(first)).0), (second, second));
        assert_eq!(of(1_200_000_028, Some(second)).1, 32);
        assert!(of(1_200_000_000, Some(second)).1 <= LONGEST_WAIT.as_secs());
        assert_eq!(of(1_200_000_002, Some(first + 100)), (first, 0, sent), "a clock that was ahead");
    }

    #[test]
    fn a_bad_seed_is_refused_without_quoting_it() {
        for seed in ["", "hunter2!", "0189"] {
            let words = code(&SecretString::from(seed), at(0), None).unwrap_err().to_string();
            assert!(words.contains("base32") && (seed.is_empty() || !words.contains(seed)), "{words}");
        }
    }
}
