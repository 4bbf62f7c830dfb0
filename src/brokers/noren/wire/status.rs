//! Where an order is, from the many spellings of its status. A status that is not known is "live": an order is never
//! ended by a word that nobody understood (Noren protocol reference, sections 3.4 and 4.3).

use ordergate_actors::order::BookState;

use super::reject::RejectClass;

/// A state, and what is strange about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// The state for the engine.
    pub state: BookState,
    /// Why the state is a careful guess; the order's history should be read.
    pub doubt: Option<String>,
    /// It tells of a request about the order, refused or on its way; what the order is stands in the event before.
    pub is_of_request: bool,
}

/// Statuses of an order that works or waits. There is no partial status: a partly filled order is `OPEN`.
const LIVE: &[&str] = &[
    "OPEN",
    "PENDING",
    "TRIGGER PENDING",
    "NEW",
    "REPLACED",
    "OPEN PENDING",
    "MODIFY PENDING",
    "CANCEL PENDING",
    "AFTER MARKET ORDER REQ RECEIVED",
];

/// Reports that a request about the order was refused; the order goes on.
const REQUEST_REFUSED: &[&str] = &["CANCELREJECTED", "REPLACEREJECTED"];
/// Reports that a cancel is on its way, not done.
const CANCEL_UNDER_WAY: &[&str] = &["CANACK", "PENDINGCANCEL"];

/// Reads the status together with the report type and the reason, which can take a refusal back.
#[must_use]
pub fn read(status: &str, report: Option<&str>, reason: Option<&str>) -> Reading {
    let word = normal(status);
    let report = report.map(|report| normal(report).replace(' ', "")).unwrap_or_default();
    let is = |words: &[&str]| words.contains(&report.as_str());
    let refused_request = is(REQUEST_REFUSED) || reason.is_some_and(|reason| RejectClass::of(reason) == RejectClass::RequestRefused);
    let known = |state| Reading { state, doubt: None, is_of_request: false };
    match word.as_str() {
        "COMPLETE" | "COMPLETED" => known(BookState::Complete),
        "REJECTED" | "REJECT" if refused_request => of_request(format!("{word} of a request about the order, not of the order")),
        "REJECTED" | "REJECT" => known(BookState::Rejected),
        "CANCELED" | "CANCELLED" if is(CANCEL_UNDER_WAY) => of_request(format!("{word} while the cancel is under way ({report})")),
        "CANCELED" | "CANCELLED" => known(BookState::Cancelled),
        "EXPIRED" => known(BookState::Expired),
        _ if LIVE.contains(&word.as_str()) => known(BookState::Open),
        _ => doubtful(format!("unknown status {word:?}")),
    }
}

fn doubtful(doubt: String) -> Reading {
    Reading { state: BookState::Open, doubt: Some(doubt), is_of_request: false }
}

fn of_request(doubt: String) -> Reading {
    Reading { is_of_request: true, ..doubtful(doubt) }
}

/// Upper case, underscores as blanks, one blank between words.
fn normal(text: &str) -> String {
    text.replace('_', " ").split_whitespace().collect::<Vec<_>>().join(" ").to_uppercase()
}
