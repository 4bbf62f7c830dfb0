//! What a reply proves. The body is read first, the HTTP status second: a refusal comes with 200 and with 400, and an
//! empty book is an error object (Noren protocol reference, sections 1.5, 4.1 and 7.3).

use std::fmt;
use std::marker::PhantomData;

use chrono::{DateTime, Utc};
use ordergate_actors::order::BookState;
use ordergate_actors::ports::{Glimpse, Snapshot, Unreadable};
use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::class::ErrorClass;
use super::order_row::order_number;
use super::redact;
use super::scalar::{FieldError, Fields};
use super::status;
use super::time;

const SHOWN: usize = 160;
/// What tells people which position or order a row is of.
const GLIMPSED: [&str; 8] = ["norenordno", "exch", "tsym", "prd", "netqty", "trantype", "qty", "status"];

/// A clear `Not_Ok`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotOk {
    /// What the text means.
    pub class: ErrorClass,
    /// The text, on one line.
    pub emsg: String,
    /// The broker's clock, if it was told.
    pub request_time: Option<DateTime<Utc>>,
}

/// Something that is no answer of the protocol.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("HTTP {status} without a readable answer: {snippet}")]
pub struct Garbled {
    /// The HTTP status.
    pub status: u16,
    /// The body's beginning, without secrets.
    pub snippet: String,
}

/// The reply to a call that answers with one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ObjectReply {
    /// The call was taken.
    Ok(Fields),
    /// The call was refused, in the broker's words.
    NotOk(NotOk),
    /// Proves nothing.
    Garbled(Garbled),
}

/// Far more rows than a day of one account has. A list of more proves nothing: it would only fill the memory.
pub(super) const ROWS_MOST: usize = 200_000;

/// The elements of an array that is not longer than any honest one.
pub(super) struct Elements<T>(pub(super) Vec<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Elements<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Counted<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Counted<T> {
            type Value = Elements<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "an array of at most {ROWS_MOST} rows")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<Self::Value, A::Error> {
                let mut elements = Vec::new();
                while let Some(element) = rows.next_element()? {
                    if elements.len() == ROWS_MOST {
                        return Err(A::Error::invalid_length(ROWS_MOST, &self));
                    }
                    elements.push(element);
                }
                Ok(Elements(elements))
            }
        }
        deserializer.deserialize_seq(Counted(PhantomData))
    }
}

/// The reply to a call that answers with an array.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListReply {
    /// The broker's whole answer, and what in it is no object.
    Rows(Vec<Fields>, Vec<Unreadable>),
    /// The broker says that there is nothing.
    Empty,
    /// An error; what the book holds is unknown.
    NotOk(NotOk),
    /// Proves nothing.
    Garbled(Garbled),
}

impl ObjectReply {
    /// Reads a reply that says `stat`.
    #[must_use]
    pub fn read(status: u16, body: &[u8]) -> Self {
        Self::read_proven_by(status, body, "")
    }

    /// Reads a reply that may lack `stat` when it has the field that proves success (`access_token`).
    #[must_use]
    pub fn read_proven_by(status: u16, body: &[u8], proof: &str) -> Self {
        let text = String::from_utf8_lossy(body);
        let Some(fields) = Fields::parse(text.trim()) else { return Self::Garbled(Garbled::new(status, &text)) };
        match stat(&fields) {
            Some(true) => Self::Ok(fields),
            None if fields.text(proof).is_some() => Self::Ok(fields),
            None if fields.text("emsg").is_none() => Self::Garbled(Garbled::new(status, &text)),
            _ => Self::NotOk(NotOk::read(&fields)),
        }
    }

    /// The broker's clock, if it was told.
    #[must_use]
    pub fn request_time(&self) -> Option<DateTime<Utc>> {
        match self {
            Self::Ok(fields) => time::first(fields, &["request_time"]),
            Self::NotOk(refusal) => refusal.request_time,
            Self::Garbled(_) => None,
        }
    }

    /// The class of the error, if it is one that says so.
    #[must_use]
    pub fn class(&self) -> Option<ErrorClass> {
        match self {
            Self::Ok(_) => None,
            Self::NotOk(refusal) => Some(refusal.class),
            Self::Garbled(garbled) => garbled.class(),
        }
    }
}

impl ListReply {
    /// Reads the reply of a book. Only a whole array, or an explicit "no data", proves what the book holds.
    #[must_use]
    pub fn read(status: u16, body: &[u8]) -> Self {
        let text = String::from_utf8_lossy(body);
        let trimmed = text.trim();
        // A gateway in trouble may hand out what it kept of an earlier answer.
        let proves = status < 500;
        if let Ok(Elements(elements)) = serde_json::from_str::<Elements<Box<RawValue>>>(trimmed) {
            return if proves { rows(&elements) } else { Self::Garbled(Garbled::new(status, &text)) };
        }
        let Some(fields) = Fields::parse(trimmed) else { return Self::Garbled(Garbled::new(status, &text)) };
        if stat(&fields) == Some(true) || fields.text("emsg").is_none() {
            return Self::Garbled(Garbled::new(status, &text));
        }
        let refusal = NotOk::read(&fields);
        match refusal.class {
            ErrorClass::NoData if proves => Self::Empty,
            _ => Self::NotOk(refusal),
        }
    }

    /// The snapshot that it proves: rows that cannot be read stand beside the others.
    #[must_use]
    pub fn into_snapshot<T>(self, read: impl Fn(&Fields) -> Result<T, FieldError>) -> Snapshot<T> {
        match self {
            Self::Rows(fields, mut unreadable) => {
                let mut good = Vec::with_capacity(fields.len());
                for row in &fields {
                    match read(row) {
                        Ok(value) => good.push(value),
                        Err(error) => unreadable.push(self::unreadable(row, &error)),
                    }
                }
                Snapshot::Authoritative(good, unreadable)
            }
            Self::Empty => Snapshot::Authoritative(Vec::new(), Vec::new()),
            Self::NotOk(refusal) => match refusal.class.window() {
                Some(window) => Snapshot::RateLimited { window, text: refusal.emsg },
                None => Snapshot::Unknown(format!("the broker answered: {}", refusal.emsg)),
            },
            Self::Garbled(garbled) => match garbled.class().and_then(ErrorClass::window) {
                Some(window) => Snapshot::RateLimited { window, text: garbled.to_string() },
                None => Snapshot::Unknown(garbled.to_string()),
            },
        }
    }

    /// The class of the error, if it is one that says so.
    #[must_use]
    pub fn class(&self) -> Option<ErrorClass> {
        match self {
            Self::Rows(..) | Self::Empty => None,
            Self::NotOk(refusal) => Some(refusal.class),
            Self::Garbled(garbled) => garbled.class(),
        }
    }
}

impl NotOk {
    fn read(fields: &Fields) -> Self {
        let emsg = fields.text("emsg").unwrap_or_default();
        let shown = if emsg.is_empty() { "Not_Ok without a message".to_owned() } else { redact::snippet(&emsg, SHOWN) };
        Self { class: ErrorClass::of(&emsg), emsg: shown, request_time: time::first(fields, &["request_time"]) }
    }
}

impl Garbled {
    fn new(status: u16, text: &str) -> Self {
        let shown = redact::snippet(text, SHOWN);
        Self { status, snippet: if shown.is_empty() { "an empty body".to_owned() } else { shown } }
    }

    /// A gateway's 429 is a rate limit even without words, and its 401 and 403 speak of the token (Noren protocol reference, section
    /// 7.3); no other status says anything by itself.
    #[must_use]
    pub fn class(&self) -> Option<ErrorClass> {
        match self.status {
            401 | 403 => Some(ErrorClass::TokenNotTaken),
            429 => Some(ErrorClass::RateLimited { limit: None, period: None }),
            _ => None,
        }
    }

    /// Whether a gateway in front of the broker refused the call, so that the broker never saw it: a page, not an answer,
    /// under a status that only a gateway gives so.
    #[must_use]
    pub fn is_from_gateway(&self) -> bool {
        matches!(self.status, 401 | 403 | 404 | 405) && self.snippet.starts_with('<')
    }
}

/// `Some(true)` for `Ok`, `Some(false)` for anything else, `None` when it is not said.
fn stat(fields: &Fields) -> Option<bool> {
    fields.text("stat").map(|stat| stat.eq_ignore_ascii_case("Ok"))
}

/// A row that could not be read. One for a product or an exchange that is not traded here cannot be ours, unless it carries
/// what begins like a tag of ours.
pub(super) fn unreadable(fields: &Fields, error: &FieldError) -> Unreadable {
    let is_of_another_kind = matches!(error, FieldError::Wrong { field: "exch" | "prd", .. });
    let is_tagged = fields.text("remarks").is_some_and(|tag| is_our_tag(&tag));
    let unlisted = match error {
        FieldError::Unlisted(unlisted) if !is_tagged => Some(unlisted.clone()),
        _ => None,
    };
    let is_foreign = is_of_another_kind && !is_tagged;
    Unreadable { raw: fields.summary(), cause: error.to_string(), is_foreign, unlisted, glimpse: Box::new(glimpse(fields, error)) }
}

/// What the row of a position or of an order tells, whatever else of it cannot be read.
fn glimpse(fields: &Fields, error: &FieldError) -> Glimpse {
    let told = GLIMPSED.iter().filter_map(|name| fields.text(name).map(|value| format!("{name}={value}")));
    let words = redact::snippet(&told.collect::<Vec<_>>().join(" "), SHOWN);
    let works = || fields.text("status").map(|status| status::read(&status, None, None).state == BookState::Open);
    let is_open = match fields.integer("netqty") {
        Ok(Some(net)) => Some(net != 0),
        Ok(None) => works(),
        Err(_) => None,
    };
    let unlisted = match error {
        FieldError::Unlisted(of) => Some(of.instrument.clone()),
        _ => None,
    };
    Glimpse { words, broker_order_id: order_number(fields).ok(), is_open, unlisted }
}

/// Whether remarks begin like the tag of an order that ordergate sent.
#[must_use]
pub fn is_our_tag(remarks: &str) -> bool {
    remarks.starts_with("OG")
}

/// The fields of one row; an element that is no object is one unreadable row.
pub(super) fn row(text: &str) -> Result<Fields, Unreadable> {
    Fields::parse(text).ok_or_else(|| Unreadable {
        raw: redact::snippet(text, SHOWN),
        cause: "the row is no object".to_owned(),
        is_foreign: false,
        unlisted: None,
        glimpse: Box::default(),
    })
}

/// Whether a row says that it is not Ok.
pub(super) fn is_refusal(fields: &Fields) -> bool {
    stat(fields) == Some(false)
}

/// A row that says it is not Ok makes the whole array no answer: what else it leaves out is not known.
fn rows(elements: &[Box<RawValue>]) -> ListReply {
    let mut good = Vec::with_capacity(elements.len());
    let mut unreadable = Vec::new();
    for element in elements {
        let fields = match row(element.get()) {
            Ok(fields) => fields,
            Err(row) => {
                unreadable.push(row);
                continue;
            }
        };
        if is_refusal(&fields) {
            let refusal = NotOk::read(&fields);
            let class = if refusal.class == ErrorClass::NoData { ErrorClass::Unknown } else { refusal.class };
            return ListReply::NotOk(NotOk { class, emsg: format!("a row of the list says: {}", refusal.emsg), ..refusal });
        }
        good.push(fields);
    }
    ListReply::Rows(good, unreadable)
}
