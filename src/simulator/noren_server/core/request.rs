//! The body of a call: `jData=` and a JSON object, then perhaps `&jKey=` and a token (Noren protocol reference, section 1.4).

use serde_json::{Map, Value};

use super::wire;

/// The two parts of a body, not yet looked into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Split<'a> {
    pub(super) data: Option<&'a str>,
    pub(super) key: Option<&'a str>,
}

/// Finds the two parts: the token begins after the last `&jKey=`.
pub(super) fn split(body: &str) -> Split<'_> {
    let body = body.trim();
    let (data, key) = match body.rsplit_once("&jKey=") {
        Some((data, key)) => (data, Some(key)),
        None => (body, None),
    };
    Split { data: data.strip_prefix("jData="), key: key.filter(|key| !key.is_empty()) }
}

/// The fields of a call.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Request {
    pub(super) fields: Map<String, Value>,
}

impl Request {
    /// Reads the JSON part; the error is the broker's text.
    pub(super) fn parse(data: Option<&str>, refuse_raw_ampersand: bool) -> Result<Self, &'static str> {
        let data = data.filter(|data| !data.is_empty()).ok_or(wire::NO_BODY)?;
        if refuse_raw_ampersand && data.contains('&') {
            return Err(wire::NOT_JSON);
        }
        match serde_json::from_str(data) {
            Ok(Value::Object(fields)) => Ok(Self { fields }),
            _ => Err(wire::NOT_JSON),
        }
    }

    /// A field as text. A number is taken too; `null` and the word `None` are as good as absent.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        match self.fields.get(name)? {
            Value::String(text) if text != "None" => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }

    /// The text of a field, empty when it is absent.
    pub(super) fn or_empty(&self, name: &str) -> String {
        self.text(name).unwrap_or_default()
    }

    /// The broker's text when one of the fields is absent; it names them all.
    pub(super) fn require(&self, names: &[&str]) -> Result<(), String> {
        if names.iter().all(|name| self.text(name).is_some_and(|text| !text.is_empty())) {
            return Ok(());
        }
        Err(format!("Invalid Input :  {} is Missing.", names.join(" or ")))
    }
}

/// The text with `%XX` resolved; `None` when that changes nothing or gives no text.
pub(super) fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let code = (*first == b'%').then(|| after.get(..2)).flatten().and_then(|two| std::str::from_utf8(two).ok());
        match code.and_then(|two| u8::from_str_radix(two, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).ok().filter(|decoded| decoded != text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_behind_the_last_key() {
        let both = split("jData={\"uid\":\"A&jKey=B\"}&jKey=abc");
        assert_eq!((both.data, both.key), (Some("{\"uid\":\"A&jKey=B\"}"), Some("abc")));
        assert_eq!(split("jData={}"), Split { data: Some("{}"), key: None });
        assert_eq!(split(""), Split { data: None, key: None });
    }

    #[test]
    fn an_ampersand_in_the_json_is_no_json() {
        assert_eq!(Request::parse(Some(r#"{"tsym":"M&M-EQ"}"#), true), Err(wire::NOT_JSON));
        let escaped = Request::parse(Some("{\"tsym\":\"M\\u0026M-EQ\",\"qty\":5,\"a\":null,\"b\":\"None\"}"), true).unwrap();
        assert_eq!(escaped.text("tsym").as_deref(), Some("M&M-EQ"));
        assert_eq!((escaped.text("qty").as_deref(), escaped.text("a"), escaped.text("b")), (Some("5"), None, None));
        assert_eq!(percent_decoded("M%26M-EQ").as_deref(), Some("M&M-EQ"));
        assert_eq!((percent_decoded("SBIN-EQ"), percent_decoded("100%")), (None, None));
        assert_eq!(Request::parse(None, true), Err(wire::NO_BODY));
        assert_eq!(Request::parse(Some("[]"), true), Err(wire::NOT_JSON));
    }
}
