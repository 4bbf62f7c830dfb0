//! The enumerations of answers, from the code's own: what is written here is each kind's words as it writes them itself.

use ordergate_actors::Phase;
use ordergate_actors::arming::Mode;
use ordergate_actors::exits::Cause as ExitCause;
use ordergate_actors::explain::Fate;
use ordergate_actors::order::{
    BookState, Exchange, Intent, OrderType, Policy, Product, Right, Side, Source, Status, StopAt, Tag, TestMode, TrailingType, Validity,
};
use ordergate_actors::persistence::{KillLevel, Level};
use ordergate_actors::plan::PlanKind;
use ordergate_actors::pnl::charges::Charge;
use ordergate_actors::pnl::{Cause, MarkedFrom};
use ordergate_actors::ports::Rule;
use ordergate_actors::risk::LimitName;
use ordergate_actors::routes::{Direction, Format, OnGap, Origin, QtyUnit};
use serde_json::{Map, Value, json};

use crate::readiness::Verdict;
use crate::web::api::attention::What;
use crate::web::connect::Sender;

/// Every variant of a kind that has no list of its own. One that is left out does not compile.
macro_rules! every {
    ($kind:ident: $($variant:ident)+) => {{
        const _: fn($kind) = |one| match one { $($kind::$variant)|+ => () };
        json!([$($kind::$variant),+])
    }};
}

/// Name and words.
pub(super) fn all() -> Map<String, Value> {
    let kinds = [
        ("AlertFormat", every!(Format: TradingviewStrategy Tradingview OpenalgoOrder OpenalgoSmartOrder Chartink)),
        (
            "Attention",
            every!(What: Alarm Approval BooksUnknown CancelNotDead Difference ExitFailed ExitWaiting ExitsFrozen ForeignOrder HaltOfTheDay
                KillLevel NoSession NotFlat OrderInDoubt PlanStuck UnreadableRow),
        ),
        ("BrokerState", every!(BookState: Open Complete Rejected Cancelled Expired)),
        ("Charge", every!(Charge: Brokerage Stt Ctt Exchange Sebi Stamp Dp Gst)),
        ("DifferenceCause", every!(Cause: LateFill ManualTrade ForeignOrder HeldForDelivery Unknown)),
        ("Direction", every!(Direction: Long Short Both)),
        ("Exchange", json!(Exchange::ALL)),
        ("ExitCause", every!(ExitCause: Stop Trail Target Time Combined)),
        ("Fate", every!(Fate: WouldGo WouldWait Refused NothingToDo)),
        ("Intent", json!(Intent::ALL)),
        ("KillLevel", every!(KillLevel: None StopEntries CancelEntries SquareOff)),
        ("Level", every!(Level: Info Warn Page)),
        ("Limit", json!(LimitName::ALL)),
        ("MarkedFrom", every!(MarkedFrom: Nothing PreviousClose Cost)),
        ("Mode", every!(Mode: Paper LiveDisarmed LiveApprove Live)),
        ("NamingRule", every!(Rule: BrokerSymbol Share Index Continuous MonthOfFuture Contract Selector Held)),
        ("OnGap", every!(OnGap: Tell Block)),
        // What OpenAlgo calls the states of an order: `order_status` of its words.
        ("OpenAlgoStatus", json!(["complete", "open", "pending", "cancelled", "rejected"])),
        ("OrderType", json!(OrderType::ALL)),
        ("Origin", every!(Origin: Config Person)),
        ("Phase", every!(Phase: Recovering ExitsOnly Open Closing)),
        ("PlanKind", every!(PlanKind: Basket Reverse CancelAfter Unknown)),
        ("Policy", json!(Policy::ALL)),
        ("Product", json!(Product::ALL)),
        ("QtyUnit", every!(QtyUnit: Units Lots)),
        ("Right", every!(Right: Call Put)),
        ("Sender", json!(Sender::ALL)),
        ("Side", json!(Side::ALL)),
        ("Source", json!(Source::ALL)),
        ("Status", json!(Status::ALL)),
        ("StopAt", json!(StopAt::ALL)),
        ("Tag", json!(Tag::ALL)),
        ("TestMode", json!(TestMode::ALL)),
        ("TrailingType", json!(TrailingType::ALL)),
        ("Validity", json!(Validity::ALL)),
        ("Verdict", every!(Verdict: Ok Unknown Warn Fail)),
    ];
    kinds.into_iter().map(|(name, words)| (name.to_owned(), schema(&words))).collect()
}

fn schema(words: &Value) -> Value {
    let kind = if words[0].is_string() { "string" } else { "integer" };
    json!({ "type": kind, "enum": words })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_the_words_that_stand_in_answers() {
        let all = all();
        assert_eq!(all["Mode"], json!({ "type": "string", "enum": ["PAPER", "LIVE-DISARMED", "LIVE-APPROVE", "LIVE"] }));
        assert_eq!(all["KillLevel"], json!({ "type": "integer", "enum": [0, 1, 2, 3] }));
        for (name, schema) in &all {
            let words = schema["enum"].as_array().unwrap();
            assert!(words.len() > 1 && words.iter().all(|word| word.is_string() || name == "KillLevel"), "{name}: {schema}");
        }
    }
}
