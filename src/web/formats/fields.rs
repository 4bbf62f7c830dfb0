//! The fields of an alert, as every format reads them: a placeholder that was not filled in, or a list where a text was
//! meant, becomes a sentence that refuses the order, so that a row tells of it.

use chrono::{DateTime, Utc};
use ordergate_actors::order::{Side, clean};
use rust_decimal::Decimal;

use crate::web::json::{Field, Json};

/// Reads the fields of one object and gathers what is wrong with them.
pub(super) struct Fields<'a> {
    json: &'a Json,
    pub(super) unreadable: Vec<String>,
}

impl<'a> Fields<'a> {
    pub(super) fn of(json: &'a Json) -> Self {
        Self { json, unreadable: Vec::new() }
    }

    pub(super) fn text(&mut self, key: &str) -> Option<String> {
        match self.json.field(key) {
            Field::Absent => None,
            Field::Text(text) => Some(text),
            Field::Wrong(kind) => {
                self.unreadable.push(format!("{key} is {kind}; a text or a number is needed"));
                None
            }
        }
    }

    /// A text that must not be an unresolved placeholder: it would be the same for every alert.
    pub(super) fn filled_in(&mut self, key: &str) -> Option<String> {
        let text = self.text(key)?;
        if text.contains("{{") || text.contains("}}") {
            self.unreadable.push(format!("{key} is the unresolved placeholder {:?}", clean(&text, 60)));
            return None;
        }
        Some(text.trim().to_owned())
    }

    /// The first of several names of one field that was sent.
    pub(super) fn any(&mut self, keys: &[&str]) -> Option<String> {
        keys.iter().find_map(|key| self.filled_in(key))
    }

    pub(super) fn time(&mut self, key: &str) -> Option<DateTime<Utc>> {
        let text = self.filled_in(key)?;
        let time = time(&text);
        if time.is_none() {
            self.unreadable.push(format!("{key} {:?} is neither RFC 3339 nor seconds or milliseconds since 1970", clean(&text, 40)));
        }
        time
    }

    /// A number, sent as one or as a text; exact.
    pub(super) fn number(&mut self, keys: &[&str]) -> Option<Decimal> {
        let text = self.any(keys)?;
        let number =
            Decimal::from_str_exact(&text).ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit() || b"-.".contains(&byte)));
        if number.is_none() {
            self.unreadable.push(format!("{} {:?} is no number", keys.first().unwrap_or(&"?"), clean(&text, 40)));
        }
        number
    }

    /// A whole number that counts something.
    pub(super) fn count(&mut self, key: &str) -> Option<u64> {
        let text = self.filled_in(key)?;
        let count = text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
        if count.is_none() {
            self.unreadable.push(format!("{key} {:?} is no whole number from 0", clean(&text, 40)));
        }
        count
    }

    pub(super) fn side(&mut self, key: &str) -> Option<Side> {
        let text = self.filled_in(key)?;
        let side = Side::parse(&text);
        if side.is_none() {
            self.unreadable.push(format!("{key} {:?} is neither buy nor sell", clean(&text, 40)));
        }
        side
    }

    pub(super) fn flag(&mut self, key: &str) -> bool {
        match self.filled_in(key).map(|text| text.to_ascii_lowercase()).as_deref() {
            None | Some("false") => false,
            Some("true") => true,
            Some(other) => {
                self.unreadable.push(format!("{key} {:?} is neither true nor false", clean(other, 40)));
                false
            }
        }
    }
}

/// The keys that a format does not know, for the sender.
pub(super) fn unknown(json: &Json, known: &[&str], at: &str) -> Vec<String> {
    let Json::Object(fields) = json else { return Vec::new() };
    fields.keys().filter(|key| !known.contains(&key.as_str())).map(|key| format!("{at}{}", clean(key, 40))).collect()
}

/// Names that a sender is told at once.
const NAMED: usize = 20;

/// Names that are told to the sender: the first of them, and how many more there are.
pub(super) fn told(mut names: Vec<String>) -> Vec<String> {
    let more = names.len().saturating_sub(NAMED);
    names.truncate(NAMED);
    if more > 0 {
        names.push(format!("and {more} more"));
    }
    names
}

/// From here on a number counts milliseconds: as seconds it would be the year 5138.
const MILLIS_FROM: i64 = 100_000_000_000;

fn time(text: &str) -> Option<DateTime<Utc>> {
    if let Ok(number) = text.parse::<i64>() {
        return match number {
            1..MILLIS_FROM => DateTime::from_timestamp(number, 0),
            MILLIS_FROM.. => DateTime::from_timestamp_millis(number),
            _ => None,
        };
    }
    DateTime::parse_from_rfc3339(text).ok().map(|time| time.with_timezone(&Utc))
}
