//! JSON as strangers send it: bounded in depth and keys, keys in any case, and every number as its exact text.
//!
//! `serde_json` reads `101.50` through a float, so that `0.1` comes out as the shortest decimal that is nearest to it:
//! mostly the same text, and never certainly so; `1e2` would come out as `100.0`. Here a number stays the characters
//! that were sent. `0.1` is `0.1`, `101.50` is `101.50`, `1e2` is `1e2` (which the engine's money refuses).

use std::collections::BTreeMap;

use serde_json::Value;

/// A JSON value; object keys are lower case (ASCII) and sorted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Json {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number, as it was written.
    Number(String),
    /// A text.
    Text(String),
    /// A list.
    List(Vec<Json>),
    /// An object.
    Object(BTreeMap<String, Json>),
}

/// How much is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// The deepest nesting.
    pub depth: usize,
    /// The most keys, over all objects.
    pub keys: usize,
}

/// Why a text is not taken for JSON. Never quotes the text: it may hold a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{what} at byte {at}")]
pub struct JsonError {
    /// Stable code.
    pub code: &'static str,
    /// What is wrong.
    pub what: &'static str,
    /// Where.
    pub at: usize,
}

/// What a field holds, as a source means it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Field {
    /// Not sent, `null`, or blank.
    Absent,
    /// A text, or the text of a number or a truth value.
    Text(String),
    /// A list or an object, where a text was meant.
    Wrong(&'static str),
}

impl Json {
    /// Reads a text.
    ///
    /// # Errors
    /// [`JsonError`]: no JSON, too deep, too many keys, or a key twice (in whatever case).
    pub fn parse(text: &str, bounds: Bounds) -> Result<Self, JsonError> {
        let mut reader = Reader { text, bytes: text.as_bytes(), at: 0, keys_left: bounds.keys };
        let value = reader.value(bounds.depth)?;
        reader.blanks();
        if reader.at == reader.bytes.len() { Ok(value) } else { Err(reader.wrong("unexpected text after the JSON")) }
    }

    /// The value under a lower-case key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Object(fields) => fields.get(key),
            _ => None,
        }
    }

    /// The field under a lower-case key, as a text.
    #[must_use]
    pub fn field(&self, key: &str) -> Field {
        match self.get(key) {
            None | Some(Self::Null) => Field::Absent,
            Some(Self::Text(text)) if text.trim().is_empty() => Field::Absent,
            Some(Self::Text(text) | Self::Number(text)) => Field::Text(text.clone()),
            Some(Self::Bool(truth)) => Field::Text(truth.to_string()),
            Some(Self::List(_)) => Field::Wrong("a list"),
            Some(Self::Object(_)) => Field::Wrong("an object"),
        }
    }

    /// The same value without a key, wherever it stands.
    #[must_use]
    pub fn without(self, key: &str) -> Self {
        match self {
            Self::List(items) => Self::List(items.into_iter().map(|item| item.without(key)).collect()),
            Self::Object(fields) => {
                Self::Object(fields.into_iter().filter(|(name, _)| name != key).map(|(name, value)| (name, value.without(key))).collect())
            }
            other => other,
        }
    }

    /// The one spelling of this value: no blanks, keys lower case and sorted, numbers as they were written.
    #[must_use]
    pub fn canonical(&self) -> String {
        let mut text = String::new();
        self.write(&mut text);
        text
    }

    fn write(&self, out: &mut String) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(truth) => out.push_str(if *truth { "true" } else { "false" }),
            Self::Number(text) => out.push_str(text),
            Self::Text(text) => out.push_str(&Value::from(text.as_str()).to_string()),
            Self::List(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    item.write(out);
                }
                out.push(']');
            }
            Self::Object(fields) => {
                out.push('{');
                for (index, (name, value)) in fields.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    out.push_str(&Value::from(name.as_str()).to_string());
                    out.push(':');
                    value.write(out);
                }
                out.push('}');
            }
        }
    }

    /// For typed reading: whole numbers stay numbers, every other number becomes its exact text.
    #[must_use]
    pub fn into_value(self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(truth) => Value::Bool(truth),
            Self::Number(text) => text.parse::<i64>().map_or(Value::String(text), Value::from),
            Self::Text(text) => Value::String(text),
            Self::List(items) => Value::Array(items.into_iter().map(Self::into_value).collect()),
            Self::Object(fields) => Value::Object(fields.into_iter().map(|(name, value)| (name, value.into_value())).collect()),
        }
    }
}

struct Reader<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    keys_left: usize,
}

impl Reader<'_> {
    fn wrong(&self, what: &'static str) -> JsonError {
        JsonError { code: "not_json", what, at: self.at }
    }

    fn bound(&self, what: &'static str) -> JsonError {
        JsonError { code: "json_too_complex", what, at: self.at }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        if is_next {
            self.at += 1;
        }
        is_next
    }

    fn value(&mut self, depth: usize) -> Result<Json, JsonError> {
        let Some(depth) = depth.checked_sub(1) else { return Err(self.bound("nested too deep")) };
        self.blanks();
        match self.peek() {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.list(depth),
            Some(b'"') => self.string().map(Json::Text),
            Some(b't') => self.word("true", Json::Bool(true)),
            Some(b'f') => self.word("false", Json::Bool(false)),
            Some(b'n') => self.word("null", Json::Null),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(_) => Err(self.wrong("no JSON value")),
            None => Err(self.wrong("the JSON ends too early")),
        }
    }

    fn word(&mut self, word: &str, value: Json) -> Result<Json, JsonError> {
        if !self.bytes.get(self.at..).is_some_and(|rest| rest.starts_with(word.as_bytes())) {
            return Err(self.wrong("no JSON value"));
        }
        self.at += word.len();
        Ok(value)
    }

    fn object(&mut self, depth: usize) -> Result<Json, JsonError> {
        self.at += 1;
        let mut fields = BTreeMap::new();
        self.blanks();
        if self.take(b'}') {
            return Ok(Json::Object(fields));
        }
        loop {
            self.blanks();
            if self.peek() != Some(b'"') {
                return Err(self.wrong("a key in quotes is missing"));
            }
            let Some(left) = self.keys_left.checked_sub(1) else { return Err(self.bound("too many keys")) };
            self.keys_left = left;
            let key = self.string()?.to_ascii_lowercase();
            self.blanks();
            if !self.take(b':') {
                return Err(self.wrong("a colon is missing"));
            }
            let value = self.value(depth)?;
            if fields.insert(key, value).is_some() {
                return Err(JsonError { code: "duplicate_key", what: "the same key twice (keys are the same in any case)", at: self.at });
            }
            self.blanks();
            if self.take(b'}') {
                return Ok(Json::Object(fields));
            }
            if !self.take(b',') {
                return Err(self.wrong("a comma or } is missing"));
            }
        }
    }

    fn list(&mut self, depth: usize) -> Result<Json, JsonError> {
        self.at += 1;
        let mut items = Vec::new();
        self.blanks();
        if self.take(b']') {
            return Ok(Json::List(items));
        }
        loop {
            items.push(self.value(depth)?);
            self.blanks();
            if self.take(b']') {
                return Ok(Json::List(items));
            }
            if !self.take(b',') {
                return Err(self.wrong("a comma or ] is missing"));
            }
        }
    }

    /// Finds the end of the string; its escapes are `serde_json`'s business.
    fn string(&mut self) -> Result<String, JsonError> {
        let start = self.at;
        self.at += 1;
        loop {
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => self.at += 2,
                Some(_) => self.at += 1,
                None => return Err(self.wrong("a text in quotes does not end")),
            }
        }
        self.at += 1;
        let quoted = self.text.get(start..self.at).ok_or_else(|| self.wrong("a text in quotes is not valid"))?;
        serde_json::from_str(quoted).map_err(|_| JsonError { code: "not_json", what: "a text in quotes is not valid", at: start })
    }

    fn digits(&mut self) -> bool {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        self.at > start
    }

    fn number(&mut self) -> Result<Json, JsonError> {
        let start = self.at;
        self.take(b'-');
        let whole = self.take(b'0') || self.digits();
        let fraction = !self.take(b'.') || self.digits();
        let exponent = match self.peek() {
            Some(b'e' | b'E') => {
                self.at += 1;
                let _sign = self.take(b'+') || self.take(b'-');
                self.digits()
            }
            _ => true,
        };
        match self.text.get(start..self.at) {
            Some(text) if whole && fraction && exponent => Ok(Json::Number(text.to_owned())),
            _ => Err(JsonError { code: "not_json", what: "a number is not valid", at: start }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{prop_assert, prop_assert_eq, proptest};

    const WIDE: Bounds = Bounds { depth: 200, keys: 10_000 };

    fn read(text: &str) -> Result<Json, JsonError> {
        Json::parse(text, Bounds { depth: 4, keys: 5 })
    }

    #[test]
    fn numbers_keep_their_exact_text() {
        for text in ["0.1", "101.50", "-0", "1e2", "12345678901234567890.123456789", "0.30000000000000004"] {
            assert_eq!(read(text), Ok(Json::Number(text.to_owned())));
        }
        for text in ["NaN", "inf", "01", "1.", ".5", "+1", "-", "1e", "0x1"] {
            assert_eq!(read(text).map_err(|error| error.code), Err("not_json"), "{text}");
        }
    }

    #[test]
    fn keys_are_the_same_in_any_case() {
        let value = read(r#"{"B":1,"a":{"Cc":null}}"#).unwrap();
        assert_eq!(value.canonical(), r#"{"a":{"cc":null},"b":1}"#);
        assert_eq!(read(r#"{"Qty":1,"qty":2}"#).unwrap_err().code, "duplicate_key");
    }

    #[test]
    fn depth_and_keys_are_bounded() {
        assert_eq!(read("[[[[1]]]]").unwrap_err().code, "json_too_complex");
        assert_eq!(read(r#"{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1}"#).unwrap_err().code, "json_too_complex");
        assert!(Json::parse(&"[".repeat(1_000_000), Bounds { depth: 16, keys: 5 }).is_err());
    }

    #[test]
    fn a_key_is_taken_out_at_every_level() {
        let value = read(r#"{"SECRET_KEY":"x","legs":[{"Secret_Key":"y","q":1}]}"#).unwrap();
        assert_eq!(value.without("secret_key").canonical(), r#"{"legs":[{"q":1}]}"#);
    }

    proptest! {
        #[test]
        fn prop_no_text_panics_and_what_is_taken_reads_back(text in "\\PC*") {
            if let Ok(value) = Json::parse(&text, WIDE) {
                prop_assert_eq!(Json::parse(&value.canonical(), WIDE), Ok(value));
            }
        }

        /// The same texts are JSON here and for `serde_json` (which also refuses numbers that no float holds).
        #[test]
        fn prop_agrees_with_serde_json(text in r#"[\[\]{}",:0-9.eE+\-a\\u tfnl]{0,24}|(true|false|null|[0-9.]{1,4}|"[a-z\\"]{0,3}"|[\[\]{},:]){1,12}"#) {
            let ours = Json::parse(&text, WIDE);
            let theirs = serde_json::from_str::<Value>(&text);
            match ours {
                Ok(_) => prop_assert!(theirs.is_ok() || theirs.is_err_and(|error| error.to_string().contains("out of range"))),
                Err(error) if error.code == "not_json" => prop_assert!(theirs.is_err(), "{} was refused: {}", text, error),
                Err(_) => {}
            }
        }
    }
}
