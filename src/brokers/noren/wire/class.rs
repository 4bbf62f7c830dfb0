//! What an error text means. The HTTP status tells nothing reliable, the text does: blanks are collapsed, case is
//! ignored (Noren protocol reference, sections 1.5, 3.6 and 7).

use ordergate_actors::ports::RateWindow;

/// The class of a `Not_Ok`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorClass {
    /// The token is dead: log in again.
    SessionExpired,
    /// A gateway took neither the call nor the token, without a word of the broker's: the token is proven again.
    TokenNotTaken,
    /// More calls than allowed in one calendar second or minute.
    RateLimited {
        /// The allowed number, if the text names it.
        limit: Option<u32>,
        /// Of what, if the text names it.
        period: Option<RateWindow>,
    },
    /// There is nothing to show.
    NoData,
    /// The call came from an address that is not registered.
    InvalidIp,
    /// The one-time code was wrong.
    WrongOtp,
    /// The password was wrong.
    WrongPassword,
    /// The password has to be changed first.
    PasswordExpired,
    /// The key, the code or the account cannot be used for a login.
    BadCredentials,
    /// A field is missing or malformed.
    InvalidInput,
    /// Refused by the OMS, by whom the prefix says.
    Rejected(RejectPrefix),
    /// The OMS did not answer its front in time: the request may have been done.
    ServerTimeout,
    /// Anything else: proves nothing.
    Unknown,
}

/// Who refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RejectPrefix {
    /// `ALGO_CHK`: a rule for orders from programs.
    AlgoCheck,
    /// `RED`: the risk system.
    Risk,
    /// `ORA`: the order management system.
    Oms,
    /// `SAF`: the order is in no state for this request; the order itself is not touched.
    RequestState,
    /// A number: the exchange.
    Exchange,
    /// No known prefix.
    Other,
}

impl ErrorClass {
    /// Reads `emsg`.
    #[must_use]
    pub fn of(emsg: &str) -> Self {
        let text = normal(emsg);
        let has = |part: &str| text.contains(part);
        let rejected = text.strip_prefix("rejected:");
        // A refusal of the OMS may tell of a session too, of the exchange's or its own: only the front speaks of ours.
        if rejected.is_none() && (has("session expired") || has("invalid session")) {
            return Self::SessionExpired;
        }
        if is_rate(&text) {
            return rate(&text);
        }
        if has("no data") {
            return Self::NoData;
        }
        if has("invalid ip") {
            return Self::InvalidIp;
        }
        if let Some(rest) = rejected {
            return Self::Rejected(RejectPrefix::of(rest));
        }
        if has("server timeout") {
            return Self::ServerTimeout;
        }
        login(&text).unwrap_or_else(|| input(&text))
    }

    /// Whether it proves that this one call had no effect (Noren protocol reference, section 7.3).
    #[must_use]
    pub fn refuses_the_call(self) -> bool {
        !matches!(self, Self::ServerTimeout | Self::Unknown | Self::NoData)
    }

    /// The window of calls that is full, if that is the class.
    #[must_use]
    pub fn window(self) -> Option<RateWindow> {
        match self {
            Self::RateLimited { period, .. } => Some(period.unwrap_or(RateWindow::Unsaid)),
            _ => None,
        }
    }
}

impl RejectPrefix {
    /// Reads what stands before the first colon of a reason.
    #[must_use]
    pub fn of(reason: &str) -> Self {
        let text = normal(reason);
        let starts = |prefix: &str| text.strip_prefix(prefix).is_some_and(|rest| rest.starts_with(':'));
        if starts("algo_chk") {
            Self::AlgoCheck
        } else if starts("red") {
            Self::Risk
        } else if starts("ora") {
            Self::Oms
        } else if starts("saf") {
            Self::RequestState
        } else if text.starts_with(|c: char| c.is_ascii_digit()) {
            Self::Exchange
        } else {
            Self::Other
        }
    }
}

/// Lower case, one blank between words, none beside a colon.
pub(super) fn normal(text: &str) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
    words.replace(" :", ":").replace(": ", ":")
}

/// A rate breach, and not a limit of the risk system (`RED:... exceeds limit`).
fn is_rate(text: &str) -> bool {
    let counts = ["current second", "current minute", "for user", "order recieved", "order received"];
    (text.contains("exceeds limit") && counts.iter().any(|word| text.contains(word))) || text.contains("throttle limit exceeded")
}

fn rate(text: &str) -> ErrorClass {
    let after = text.split_once("exceeds limit").map_or("", |(_, after)| after);
    let limit = after.split_whitespace().next().and_then(|number| number.parse().ok());
    let period = if text.contains("current second") {
        Some(RateWindow::Second)
    } else if text.contains("current minute") {
        Some(RateWindow::Minute)
    } else {
        None
    };
    ErrorClass::RateLimited { limit, period }
}

fn login(text: &str) -> Option<ErrorClass> {
    let rest = text.strip_prefix("invalid input:")?;
    let is_credentials = ["invalid app key", "invalid_verifier", "user not enabled", "user blocked"].iter().any(|word| rest.contains(word));
    match rest {
        _ if rest.starts_with("invalid otp") => Some(ErrorClass::WrongOtp),
        _ if rest.starts_with("wrong password") => Some(ErrorClass::WrongPassword),
        _ if rest.starts_with("password expired") || rest.starts_with("change password") => Some(ErrorClass::PasswordExpired),
        _ if is_credentials => Some(ErrorClass::BadCredentials),
        _ => None,
    }
}

fn input(text: &str) -> ErrorClass {
    let is_input = text.starts_with("invalid input") || text.starts_with("invalid trading symbol");
    let is_code = text.starts_with("error occurred:") && text.contains("\"invalid input\"");
    if is_input || is_code { ErrorClass::InvalidInput } else { ErrorClass::Unknown }
}
