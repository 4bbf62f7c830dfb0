//! The settings of arming and readiness.

use std::net::IpAddr;
use std::time::Duration;

use chrono::NaiveTime;
use ordergate_actors::arming::{ArmingSettings, Basis};

use super::reader::{Reader, Scope};
use super::{Readiness, Setting};

/// What these sections say does not act on any order: their change disarms nobody.
const NOT_TRADING: [&str; 10] = ["server.", "storage.", "webhook.", "api.", "access.", "live.", "alerts.", "readiness.", "log.", "drill."];

pub(super) fn readiness(reader: &mut Reader) -> Readiness {
    let mut scope = reader.section("readiness");
    let push_at =
        scope.text("push_at", "must be a time of day, for example 08:45", |text| NaiveTime::parse_from_str(text.trim(), "%H:%M").ok());
    Readiness {
        push_at: push_at.unwrap_or_default(),
        repeat: Duration::from_secs(scope.number("repeat_min", 1..=1_440) * 60),
        max_clock_skew: scope.millis("max_clock_skew_ms"),
        max_master_age: Duration::from_secs(scope.number("max_master_age_h", 1..=720) * 3_600),
    }
}

/// An account's own part: the arming, and the address that its broker knows.
pub(super) fn account(scope: &mut Scope<'_>) -> (ArmingSettings, Option<IpAddr>) {
    let is_required = scope.text("arming", "must be auto or required", |text| match text.trim().to_ascii_lowercase().as_str() {
        "auto" => Some(false),
        "required" => Some(true),
        _ => None,
    });
    let approval_limit = scope.seconds("approval_limit_s");
    let address = scope.text("registered_address", "must be an IP address, or empty", |text| {
        let text = text.trim();
        if text.is_empty() { Some(None) } else { text.parse().ok().map(Some) }
    });
    (ArmingSettings { is_required: is_required.unwrap_or(false), approval_limit, basis: Basis::default() }, address.flatten())
}

/// What an arming of the account is good for: every setting that acts on its orders. Which build that is, is put in where it is armed.
pub(super) fn basis(index: usize, effective: &[Setting]) -> Basis {
    let own = format!("accounts.{index}.");
    let settings = effective.iter().filter_map(|setting| {
        let key = match setting.key.strip_prefix(&own) {
            Some(rest) => format!("account.{rest}"),
            None if setting.key.starts_with("accounts.") || NOT_TRADING.iter().any(|part| setting.key.starts_with(part)) => return None,
            None => setting.key.clone(),
        };
        Some((key, setting.value.clone()))
    });
    Basis { version: String::new(), settings: settings.collect() }
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    fn load(env: &[(&str, &str)]) -> Result<Config, crate::config::ConfigError> {
        Config::load(None, env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
    }

    #[test]
    fn a_limit_is_part_of_the_basis_and_a_log_level_is_not() {
        let basis = |env: &[(&str, &str)]| load(env).unwrap().accounts[0].settings.arming.basis.clone();
        let plain = basis(&[]);
        assert_eq!(plain, basis(&[("ORDERGATE__LOG__LEVEL", "debug"), ("ORDERGATE__API__KEY", "another-key-of-the-api")]));
        let other = basis(&[("ORDERGATE__ACCOUNT__LIMITS__DAILY_LOSS", "1234")]);
        let changed: Vec<_> = other.differences(&plain).into_iter().map(|one| (one.key, one.new)).collect();
        assert_eq!(changed, [("account.limits.daily_loss".to_owned(), Some("1234".to_owned()))]);
    }

    #[test]
    fn wrong_values_are_named_and_the_address_of_the_webhook_is_not_shown() {
        let error = load(&[
            ("ORDERGATE__ALERTS__WEBHOOK_URL", "ftp://u:hunter2@x"),
            ("ORDERGATE__ALERTS__TELEGRAM_CHAT", "42"),
            ("ORDERGATE__READINESS__PUSH_AT", "late"),
            ("ORDERGATE__ACCOUNT__ARMING", "sometimes"),
        ])
        .unwrap_err()
        .to_string();
        for key in ["alerts.webhook_url", "alerts.telegram_token", "readiness.push_at", "account.arming"] {
            assert!(error.contains(key), "{key} is not in {error}");
        }
        assert!(!error.contains("hunter2"), "{error}");
    }
}
