//! What a call gets back.

use serde_json::Value;

use super::faults::Symptom;

/// An answer, or what comes instead of one.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Reply {
    /// JSON with that HTTP status.
    Json(u16, Value),
    /// A gateway's page.
    Html(u16),
    /// 200 with nothing in it.
    Empty,
    /// 200 with the beginning of a JSON text.
    Truncated(String),
    /// The connection is closed.
    Drop,
    /// Nothing, until the client gives up.
    Hang,
}

/// A reply and when it goes out.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Outcome {
    /// The reply.
    pub reply: Reply,
    /// Simulated milliseconds to wait before it is sent.
    pub after_ms: u32,
}

impl Reply {
    /// HTTP status; 0 when there is none.
    #[must_use]
    pub(crate) fn status(&self) -> u16 {
        match self {
            Self::Json(status, _) | Self::Html(status) => *status,
            Self::Empty | Self::Truncated(_) => 200,
            Self::Drop | Self::Hang => 0,
        }
    }

    /// The same answer, gone wrong.
    pub(super) fn gone_wrong(self, symptom: Symptom, now: chrono::DateTime<chrono::Utc>) -> Self {
        match symptom {
            Symptom::Drop => Self::Drop,
            Symptom::Timeout => Self::Hang,
            Symptom::BadGateway => Self::Html(502),
            Symptom::GatewayTimeout => Self::Html(504),
            Symptom::Empty => Self::Empty,
            Symptom::Truncated => match self {
                Self::Json(_, value) => {
                    let text = value.to_string();
                    Self::Truncated(text.chars().take(text.chars().count() / 2).collect())
                }
                other => other,
            },
            Symptom::OkWithoutNumber => match self {
                Self::Json(_, Value::Object(mut fields)) => {
                    fields.remove("norenordno");
                    fields.remove("result");
                    fields.remove("emsg");
                    fields.insert("stat".to_owned(), "Ok".into());
                    Self::Json(200, Value::Object(fields))
                }
                other => other,
            },
            Symptom::ServerTimeout => Self::Json(200, super::wire::not_ok(now, super::wire::SERVER_TIMEOUT)),
        }
    }
}
