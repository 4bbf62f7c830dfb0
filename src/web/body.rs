//! Reading a body: bounded in bytes and in time, and typed for the dashboard API.

use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, HeaderMap};
use actix_web::web::{Bytes, BytesMut, Payload};
use futures_util::StreamExt;
use serde::de::{DeserializeOwned, Deserializer, Error as _, Unexpected, Visitor};
use serde_json::json;

use super::json::{Bounds, Json};
use super::problem::Problem;
use super::settings::WebSettings;

/// So much of a body that is too large is read and thrown away, so that its sender hears the answer.
const DRAINED: usize = 8 * 1024 * 1024;

/// Reads the whole body.
///
/// # Errors
/// 413 beyond the limit, 408 beyond the deadline, 400 when it breaks off.
pub(super) async fn read(mut payload: Payload, settings: &WebSettings) -> Result<Bytes, Problem> {
    let limit = settings.body_limit;
    let whole = async {
        let (mut body, mut seen) = (BytesMut::new(), 0usize);
        while let Some(chunk) = payload.next().await {
            let chunk = chunk.map_err(|_| Problem::bad_request("body_broken", "the body broke off", "send it again"))?;
            seen = seen.saturating_add(chunk.len());
            if seen <= limit {
                body.extend_from_slice(&chunk);
            } else if seen > DRAINED {
                break;
            }
        }
        if seen > limit { Err(too_large(limit)) } else { Ok(body.freeze()) }
    };
    match tokio::time::timeout(settings.body_deadline, whole).await {
        Ok(result) => result,
        Err(_) => Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "body_too_slow", "the body did not come in time", "send it again")),
    }
}

fn too_large(limit: usize) -> Problem {
    Problem::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "body_too_large",
        format!("the body is larger than {limit} bytes"),
        "send fewer legs, or less text",
    )
    .with("limit_bytes", json!(limit))
}

/// Refuses headers that are too long altogether.
///
/// # Errors
/// 431.
pub(super) fn check_headers(headers: &HeaderMap, limit: usize) -> Result<(), Problem> {
    let size: usize = headers.iter().map(|(name, value)| name.as_str().len().saturating_add(value.len())).sum();
    if size <= limit {
        return Ok(());
    }
    let detail = format!("the headers are larger than {limit} bytes");
    Err(Problem::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "headers_too_large", detail, "send fewer or shorter headers"))
}

/// The kind of text that a body says it is.
///
/// # Errors
/// 415 for anything but JSON and plain text (which TradingView sends).
pub(super) fn check_content_type(headers: &HeaderMap) -> Result<(), Problem> {
    let Some(value) = headers.get(CONTENT_TYPE) else { return Ok(()) };
    let kind = value.to_str().unwrap_or("").split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    if kind.is_empty() || kind == "application/json" || kind == "text/plain" || kind.ends_with("+json") {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "unsupported_media_type",
        "the body is neither application/json nor text/plain",
        "send Content-Type: application/json",
    ))
}

/// The bounds of a JSON body.
pub(super) fn bounds(settings: &WebSettings) -> Bounds {
    Bounds { depth: settings.max_json_depth, keys: settings.max_json_keys }
}

/// Reads a body as JSON.
///
/// # Errors
/// 400 that tells where, and never quotes the body.
pub(super) fn parse(body: &[u8], settings: &WebSettings) -> Result<Json, Problem> {
    let text = std::str::from_utf8(body)
        .map_err(|error| Problem::bad_request("not_json", format!("no UTF-8 at byte {}", error.valid_up_to()), "send JSON in UTF-8"))?;
    Json::parse(text, bounds(settings)).map_err(|error| {
        let remedy = match error.code {
            "duplicate_key" => "send every key once; keys are the same in any case",
            "json_too_complex" => "send fewer or flatter fields",
            _ => "send JSON; a placeholder that stands for a text needs quotes around it",
        };
        Problem::bad_request(error.code, error.to_string(), remedy)
    })
}

/// Reads the body of an API call; an empty body is an empty object.
///
/// # Errors
/// 4xx.
pub(super) async fn json(payload: Payload, headers: &HeaderMap, settings: &WebSettings) -> Result<Json, Problem> {
    let body = read(payload, settings).await?;
    check_content_type(headers)?;
    if body.iter().all(u8::is_ascii_whitespace) { Ok(Json::Object(Default::default())) } else { parse(&body, settings) }
}

/// Reads the body of an API call into its fields.
///
/// # Errors
/// 400 names the field.
pub(super) async fn typed<T: DeserializeOwned>(
    payload: Payload,
    headers: &HeaderMap,
    settings: &WebSettings,
) -> Result<(T, Json), Problem> {
    let json = json(payload, headers, settings).await?;
    Ok((fields(json.clone())?, json))
}

/// The fields of a body.
///
/// # Errors
/// 400 names the field.
pub(super) fn fields<T: DeserializeOwned>(json: Json) -> Result<T, Problem> {
    serde_json::from_value(json.into_value())
        .map_err(|error| Problem::bad_request("bad_request", error.to_string(), "correct the field named in the detail"))
}

/// Takes a text, or the text of a number: for the fields of an order, which the engine reads itself.
///
/// # Errors
/// Neither of the two.
pub(super) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    struct Text;
    impl Visitor<'_> for Text {
        type Value = Option<String>;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a text or a number")
        }
        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
            Ok((!text.trim().is_empty()).then(|| text.to_owned()))
        }
        fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Self::Value, E> {
            Ok(Some(number.to_string()))
        }
        fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Self::Value, E> {
            Ok(Some(number.to_string()))
        }
        fn visit_unit<E: serde::de::Error>(self) -> Result<Self::Value, E> {
            Ok(None)
        }
    }
    deserializer.deserialize_any(Text)
}

/// A text that must be there and not be blank: a reason.
///
/// # Errors
/// It is blank.
pub(super) fn said<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text: String = serde::Deserialize::deserialize(deserializer)?;
    let text = ordergate_actors::order::clean(text.trim(), 300);
    if text.is_empty() { Err(D::Error::invalid_value(Unexpected::Str(""), &"a reason, in words")) } else { Ok(text) }
}
