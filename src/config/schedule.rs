//! Reads `[[schedule]]`.

use std::time::Duration;

use chrono::NaiveTime;
use ordergate_actors::order::{ClientId, Exchange};

use super::Account;
use super::reader::Reader;
use crate::schedule::Scheduled;
use crate::web::scheduled::orders_of;

/// Late at the latest, seconds, where a row does not say.
const GRACE_S: u64 = 60;

pub(super) fn schedule(reader: &mut Reader, accounts: &[Account]) -> Vec<Scheduled> {
    let mut all: Vec<Scheduled> = Vec::new();
    for index in 0..reader.rows("schedule") {
        let Some(scheduled) = row(reader, index, accounts) else { continue };
        if all.iter().any(|other| other.name == scheduled.name) {
            reader.violate(&format!("schedule.{index}.name"), "is the name of another stored alert too");
        }
        all.push(scheduled);
    }
    all
}

fn row(reader: &mut Reader, index: usize, accounts: &[Account]) -> Option<Scheduled> {
    let at = |name: &str| format!("schedule.{index}.{name}");
    let (is_account_said, is_exchange_said) = (reader.is_said(&at("account")), reader.is_said(&at("exchange")));
    let mut scope = reader.row("schedule", index, None);
    let name = scope.text("name", "must be 1 to 32 of A-Z a-z 0-9 _ -", |text| ClientId::parse(text).ok());
    let time = scope.text("at", "must be a time of day such as 09:20 or 09:20:30", time);
    let grace_s = scope.number_or("grace_s", 1..=3_600, GRACE_S);
    let alert = scope.text("alert", "must be the text of an alert", |text| Some(text.to_owned()));
    let account = is_account_said.then(|| scope.text("account", "must be text", |text| Some(text.trim().to_owned()))).flatten();
    let exchange = if is_exchange_said {
        scope.text("exchange", "must be one of NSE, BSE, NFO, BFO, MCX, CDS", |text| Exchange::parse(text.trim()))
    } else {
        Some(Exchange::Nse)
    };
    let known = match (&account, accounts) {
        (None, [only]) if !is_account_said => Some(&only.client_id),
        (Some(name), _) => accounts.iter().map(|account| &account.client_id).find(|client| client.as_str() == name),
        _ => None,
    };
    if known.is_none() {
        reader.violate(&at("account"), "must be one of the accounts");
    }
    let alert = alert?;
    if let Err(why) = orders_of(&alert) {
        reader.violate(&at("alert"), why);
    }
    let (time, grace) = (time?, Duration::from_secs(grace_s));
    // A day's alert that may fire on the next day would be two days' at once.
    if time.overflowing_add_signed(chrono::TimeDelta::seconds(i64::try_from(grace_s).unwrap_or(i64::MAX))).1 != 0 {
        reader.violate(&at("grace_s"), "must end before midnight");
    }
    Some(Scheduled { name: name?.to_string(), client_id: known?.clone(), at: time, grace, exchange: exchange?, alert })
}

fn time(text: &str) -> Option<NaiveTime> {
    let text = text.trim();
    NaiveTime::parse_from_str(text, "%H:%M").or_else(|_| NaiveTime::parse_from_str(text, "%H:%M:%S")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, ConfigError};

    const ALERT: &str = r#"{"execution_type":"ENTRY","legs":[{"tradingsymbol":"SBIN"}]}"#;

    fn load(rows: &[(&str, &str)]) -> Result<Config, ConfigError> {
        Config::load(None, rows.iter().map(|(key, value)| (format!("ORDERGATE__{key}"), (*value).to_owned())))
    }

    #[test]
    fn a_stored_alert_is_read_with_what_it_leaves_out() {
        assert_eq!(load(&[]).unwrap().schedule, []);
        let config = load(&[("SCHEDULE__0__NAME", "morning"), ("SCHEDULE__0__AT", "09:20"), ("SCHEDULE__0__ALERT", ALERT)]).unwrap();
        let [only] = config.schedule.as_slice() else { panic!("{:?}", config.schedule) };
        assert_eq!((only.name.as_str(), only.client_id.as_str(), only.at.to_string()), ("morning", "PAPER1", "09:20:00".to_owned()));
        assert_eq!((only.grace, only.exchange), (Duration::from_secs(60), Exchange::Nse));
    }

    #[test]
    fn what_is_wrong_is_named_by_its_key() {
        let good =
            [("SCHEDULE__0__NAME", "m"), ("SCHEDULE__0__AT", "23:59"), ("SCHEDULE__0__ALERT", ALERT), ("SCHEDULE__0__GRACE_S", "30")];
        assert!(load(&good).is_ok());
        for (key, value, rule) in [
            ("SCHEDULE__0__NAME", "a b", "schedule.0.name"),
            ("SCHEDULE__0__AT", "25:00", "must be a time of day"),
            ("SCHEDULE__0__GRACE_S", "90", "must end before midnight"),
            ("SCHEDULE__0__GRACE_S", "0", "schedule.0.grace_s"),
            ("SCHEDULE__0__ACCOUNT", "NOBODY", "must be one of the accounts"),
            ("SCHEDULE__0__EXCHANGE", "NYSE", "must be one of NSE"),
            ("SCHEDULE__0__ALERT", "{", "is not JSON"),
            ("SCHEDULE__0__ALERT", "{}", "is no alert"),
            ("SCHEDULE__0__ALERT", r#"{"secret_key":"x","legs":[{}]}"#, "holds a secret_key"),
            ("SCHEDULE__0__SYMBOL", "SBIN", "is not a setting"),
        ] {
            let mut rows: Vec<(&str, &str)> = good.iter().copied().filter(|(name, _)| *name != key).collect();
            rows.push((key, value));
            let error = load(&rows).unwrap_err().to_string();
            assert!(error.contains(rule), "{rule:?} is not in {error}");
        }
    }
}
