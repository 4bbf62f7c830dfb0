//! The fault menu (Noren protocol reference, section 11.4) and the plan that says which call each fault meets.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How an answer goes wrong, whatever was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Symptom {
    /// The connection is closed without an answer.
    Drop,
    /// No answer until the client gives up.
    Timeout,
    /// 502 with a page of HTML.
    #[serde(rename = "502")]
    BadGateway,
    /// 504 with a page of HTML.
    #[serde(rename = "504")]
    GatewayTimeout,
    /// 200 with nothing in it.
    Empty,
    /// 200 with half of the JSON.
    Truncated,
    /// `Ok`, but no order number.
    OkWithoutNumber,
    /// `Not_Ok` with `Server Timeout`.
    ServerTimeout,
}

impl Symptom {
    /// Every symptom.
    pub const ALL: [Self; 8] = [
        Self::Drop,
        Self::Timeout,
        Self::BadGateway,
        Self::GatewayTimeout,
        Self::Empty,
        Self::Truncated,
        Self::OkWithoutNumber,
        Self::ServerTimeout,
    ];
}

/// One thing that can go wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fault", rename_all = "snake_case")]
pub enum Fault {
    /// The call is done, then its answer goes wrong.
    Accept {
        /// How.
        then: Symptom,
    },
    /// The call is not done, with the same outward look.
    Refuse {
        /// How it looks.
        then: Symptom,
    },
    /// `Not_Ok` with that text; the call is not done.
    Reject {
        /// The `emsg`.
        text: String,
        /// HTTP status.
        #[serde(default = "ok_status")]
        status: u16,
    },
    /// Done at once, answered late.
    Slow {
        /// Simulated milliseconds.
        ms: u32,
    },
    /// Done late, answered then.
    Late {
        /// Simulated milliseconds.
        ms: u32,
    },
    /// The order's messages go out before the answer.
    StreamFirst {
        /// Simulated milliseconds that the answer waits.
        #[serde(default = "stream_lead")]
        ms: u32,
    },
    /// The order is in no book for a while.
    Invisible {
        /// Simulated milliseconds.
        ms: u32,
        /// Whether the stream shows it meanwhile.
        #[serde(default)]
        stream: bool,
    },
    /// The order has a number and works, but reaches risk check and exchange only later; in no book until then.
    Stuck {
        /// Simulated milliseconds.
        ms: u32,
    },
    /// The order has a number and is never seen again, at no exchange either.
    SilentlyDropped,
    /// The book is said to be empty.
    LyingEmpty,
    /// The book as it was.
    Stale {
        /// Simulated milliseconds ago.
        ms: u32,
    },
    /// The session is dead.
    SessionExpired {
        /// HTTP status: 200, 401 or 403.
        #[serde(default = "ok_status")]
        status: u16,
        /// Whether the token is dead from now on, or only for this call.
        #[serde(default = "yes")]
        kill: bool,
    },
    /// A gateway before the broker refuses the call, with a page; the call is not done.
    GatewayPage {
        /// HTTP status: 401 or 403 speak of the token, 404 and 405 of the call.
        status: u16,
    },
    /// Somebody logs in elsewhere: tokens and sockets of before are dead.
    SecondLogin,
    /// The caller's address is not the registered one.
    WrongIp,
    /// A gateway before the broker has counted too many calls, and says so with 429 and a page, not of which window; the call is not
    /// done.
    RatePage,
    /// One call too many in the calendar second.
    RateSecond,
    /// One call too many in the calendar minute.
    RateMinute,
    /// Every trade is listed twice.
    DuplicateTrades,
    /// Shares that were sold the day before are still listed as held, and as used; they are not delivered yet.
    Unsettled {
        /// The share, at NSE.
        tsym: String,
        /// Units that were sold.
        quantity: i64,
    },
    /// Trades have no number.
    MissingFlid,
    /// Other spellings of the states: `CANCELLED`, `REJECT`, `Open`, `TRIGGER PENDING`.
    Spelling,
    /// A cancel or change is answered `Ok`; then the order's message looks rejected with a `SAF:` reason, though it is live.
    SafRejected,
    /// A cancel or change is done; then a request of the same kind is refused, and its `SAF:` event stands on top of the order in its
    /// book and its history, which looks rejected.
    SafInBook,
    /// A change sets the remarks to those it brings: they are gone if it brings none.
    RemarksByChange,
    /// A change is answered `Ok`, then refused.
    ReplaceRejected,
    /// A cancel is answered `Ok`, then refused.
    CancelRejected,
    /// A quote with the price of the underlying.
    UnderlyingPrice,
    /// A quote with the price of the underlying that does not tell the day's band either.
    UnderlyingWithoutBand,
    /// A quote without bids and asks.
    ZeroBook,
    /// A quote of something that was not traded today: no last price.
    NoLast,
    /// The socket says nothing more, and stays open.
    SocketSilent,
    /// The socket is closed with code 1000.
    SocketEvict,
    /// The socket's handshake is answered `NOT_OK`.
    SocketRefuse,
    /// Order messages come twice.
    StreamDuplicate,
    /// Each order message changes places with the next one of its order.
    StreamReorder,
    /// Order messages come late.
    StreamDelay {
        /// Simulated milliseconds.
        ms: u32,
    },
    /// Order messages do not come.
    StreamLost,
    /// The order's remarks are cut.
    RemarksTruncated {
        /// Characters that are kept.
        length: usize,
    },
    /// The order's remarks are gone.
    RemarksMissing,
    /// The times in the answer are off.
    ClockSkew {
        /// Milliseconds; negative is behind.
        ms: i64,
    },
    /// The exchange cancels the order.
    UnsolicitedCancel {
        /// Simulated milliseconds after the order.
        ms: u32,
    },
    /// The broker squares off every intraday position after this call.
    SquareOff,
    /// Somebody places the same order by hand, elsewhere, without remarks.
    ForeignTwin,
}

fn ok_status() -> u16 {
    200
}

fn stream_lead() -> u32 {
    200
}

fn yes() -> bool {
    true
}

fn one() -> u64 {
    1
}

/// Which calls a fault meets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultRule {
    /// A route (`PlaceOrder`), `*` for all routes, `socket` for handshakes, `om` for order messages, `feed` for quotes.
    pub route: String,
    /// The first call that is met; the first after the rule was added is 1.
    #[serde(default = "one")]
    pub nth: u64,
    /// How many calls from there on; 0: all.
    #[serde(default = "one")]
    pub count: u64,
    /// Only calls with these remarks count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// What goes wrong.
    #[serde(flatten)]
    pub fault: Fault,
}

impl FaultRule {
    /// The first call of that route from now on.
    #[must_use]
    pub fn next(route: &str, fault: Fault) -> Self {
        Self { route: route.to_owned(), nth: 1, count: 1, tag: None, fault }
    }

    /// The n-th call of that route from now on; 1 is the next.
    #[must_use]
    pub fn nth(route: &str, nth: u64, fault: Fault) -> Self {
        Self { nth, ..Self::next(route, fault) }
    }

    /// Every call of that route from now on.
    #[must_use]
    pub fn always(route: &str, fault: Fault) -> Self {
        Self { count: 0, ..Self::next(route, fault) }
    }

    /// Reads a rule. `accept_then_502` is short for `{"fault": "accept", "then": "502"}`, `refuse_then_502` likewise.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn from_json(value: &Value) -> Result<Self, String> {
        let mut value = value.clone();
        let short = value["fault"].as_str().and_then(|text| text.split_once("_then_").map(|(a, b)| (a.to_owned(), b.to_owned())));
        if let (Some((what, then)), Some(object)) = (short, value.as_object_mut()) {
            object.insert("fault".to_owned(), what.into());
            object.insert("then".to_owned(), then.into());
        }
        let rule: Self = serde_json::from_value(value.clone()).map_err(|bad| format!("{value}: {bad}"))?;
        if super::Route::parse(&rule.route).is_none() && !PLACES.contains(&rule.route.as_str()) {
            return Err(format!("{:?} is no route: a route of the broker, or one of {}", rule.route, PLACES.join(", ")));
        }
        if rule.nth == 0 {
            return Err(format!("{value}: nth begins at 1"));
        }
        Ok(rule)
    }
}

/// Where faults can be beside routes.
const PLACES: [&str; 4] = ["*", "socket", "om", "feed"];

/// A rule and how many calls it has seen.
#[derive(Debug, Clone)]
struct Planned {
    rule: FaultRule,
    seen: u64,
}

/// The faults to come.
#[derive(Debug, Clone, Default)]
pub(super) struct Plan {
    rules: Vec<Planned>,
    /// How often each place met a fault.
    met: BTreeMap<String, u64>,
}

impl Plan {
    pub(super) fn add(&mut self, rule: FaultRule) {
        self.rules.push(Planned { rule, seen: 0 });
    }

    pub(super) fn clear(&mut self) {
        self.rules.clear();
    }

    /// Counts a call, and says what meets it. Several rules can.
    pub(super) fn take(&mut self, place: &str, tag: Option<&str>) -> Vec<Fault> {
        let mut met = Vec::new();
        for planned in &mut self.rules {
            let rule = &planned.rule;
            let is_here = rule.route == place || (rule.route == "*" && !PLACES.contains(&place));
            if !is_here || rule.tag.as_deref().is_some_and(|wanted| Some(wanted) != tag) {
                continue;
            }
            planned.seen += 1;
            if planned.seen >= rule.nth && (rule.count == 0 || planned.seen - rule.nth < rule.count) {
                met.push(rule.fault.clone());
            }
        }
        if !met.is_empty() {
            *self.met.entry(place.to_owned()).or_default() += 1;
        }
        self.rules.retain(|planned| planned.rule.count == 0 || planned.seen < planned.rule.nth.saturating_add(planned.rule.count - 1));
        met
    }

    /// How often that place met a fault.
    pub(super) fn met(&self, place: &str) -> u64 {
        self.met.get(place).copied().unwrap_or_default()
    }

    /// The rules that can still meet a call, with how many they have seen.
    pub(super) fn left(&self) -> Vec<Value> {
        self.rules.iter().map(|planned| serde_json::json!({ "rule": planned.rule, "seen": planned.seen })).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_rule_meets_its_calls_and_goes() {
        let mut plan = Plan::default();
        plan.add(FaultRule { count: 2, ..FaultRule::nth("PlaceOrder", 2, Fault::LyingEmpty) });
        plan.add(FaultRule { tag: Some("T".to_owned()), ..FaultRule::next("*", Fault::RateSecond) });
        let met: Vec<usize> = (0..4).map(|_| plan.take("PlaceOrder", None).len()).collect();
        assert_eq!(met, [0, 1, 1, 0]);
        assert_eq!(plan.take("om", Some("T")), [], "a star means routes");
        assert_eq!(plan.take("OrderBook", Some("T")), [Fault::RateSecond]);
        assert!(plan.left().is_empty());
        assert_eq!((plan.met("PlaceOrder"), plan.met("OrderBook"), plan.met("om")), (2, 1, 0));
    }

    #[test]
    fn rules_read_from_json() {
        let rule = FaultRule::from_json(&json!({"route":"PlaceOrder","nth":3,"count":1,"fault":"accept_then_502"})).unwrap();
        assert_eq!(rule, FaultRule::nth("PlaceOrder", 3, Fault::Accept { then: Symptom::BadGateway }));
        let rule = FaultRule::from_json(&json!({"route":"om","fault":"stream_delay","ms":50})).unwrap();
        assert_eq!(rule.fault, Fault::StreamDelay { ms: 50 });
        for bad in
            [json!({"route":"PlaceOrder","fault":"nonsense"}), json!({"route":"Nowhere","fault":"slow","ms":1}), json!({"route":"*"})]
        {
            assert!(FaultRule::from_json(&bad).is_err(), "{bad}");
        }
        assert!(FaultRule::from_json(&json!({"route":"*","fault":"slow","ms":1,"nth":0})).is_err());
    }
}
