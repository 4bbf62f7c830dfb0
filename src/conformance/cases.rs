//! The cases: what was seen, judged. Pure functions of the facts, one for each line of the table.

mod orders;
mod reads;

pub(super) use orders::{mode, placed};

use super::facts::Facts;
use super::{Line, Needs, Verdict};

/// What a case comes to.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    verdict: Verdict,
    text: String,
}

fn passed(text: impl Into<String>) -> Seen {
    Seen { verdict: Verdict::Passed, text: text.into() }
}

fn failed(text: impl Into<String>) -> Seen {
    Seen { verdict: Verdict::Failed, text: text.into() }
}

fn not_tried(text: impl Into<String>) -> Seen {
    Seen { verdict: Verdict::NotTried, text: text.into() }
}

/// Passed or failed, with the same words.
fn if_so(is_fine: bool, text: impl Into<String>) -> Seen {
    if is_fine { passed(text) } else { failed(text) }
}

/// One case.
struct Case {
    name: &'static str,
    question: &'static str,
    needs: Needs,
    judge: fn(&Facts) -> Seen,
}

const fn case(name: &'static str, question: &'static str, needs: Needs, judge: fn(&Facts) -> Seen) -> Case {
    Case { name, question, needs, judge }
}

const CASES: &[Case] = &[
    case("session", "Does the login work, proven by a read?", Needs::ReadOnly, reads::session),
    case("token", "Does a second start use the kept token without a login?", Needs::ReadOnly, reads::token),
    case("clock", "How far is the broker's clock from ours?", Needs::ReadOnly, reads::clock),
    case("funds", "Which fields of the money formula come?", Needs::ReadOnly, reads::funds),
    case("margin", "Can the margin of an order be asked for?", Needs::ReadOnly, reads::margin),
    case("order book", "Is it whole, or said to be empty?", Needs::ReadOnly, reads::orders),
    case("trade book", "Is it whole, or said to be empty?", Needs::ReadOnly, reads::trades),
    case("positions", "Are they whole, or said to be none?", Needs::ReadOnly, reads::positions),
    case("quote", "Is it of the instrument, two-sided, fresh?", Needs::ReadOnly, reads::quote),
    case("index quote", "Is NIFTY 50 quoted?", Needs::ReadOnly, reads::index),
    case("search", "Does the search find what the master names?", Needs::ReadOnly, reads::search),
    case("security info", "Are lot, tick, freeze and band the master's?", Needs::ReadOnly, reads::security),
    case("stream", "Is the socket's handshake taken?", Needs::ReadOnly, reads::stream),
    case("order subscription", "Is it acknowledged?", Needs::ReadOnly, reads::subscription),
    case("heartbeat", "Is it answered?", Needs::ReadOnly, reads::heartbeat),
    case("tick", "Does a quote come over the stream?", Needs::ReadOnly, reads::tick),
    case("masters", "Can they be fetched and read?", Needs::ReadOnly, reads::masters),
    case("second login", "Does the account come back after another login?", Needs::ReadOnly, reads::second_login),
    case("rate texts", "Are they understood?", Needs::Simulator, reads::rates),
    case("place", "Is a far limit order accepted with a number and open?", Needs::SmallOrder, orders::place),
    case("remarks in book", "Does our text come back whole?", Needs::SmallOrder, orders::remarks_in_book),
    case("remarks in history", "Does it stand in the order's history?", Needs::SmallOrder, orders::remarks_in_history),
    case("remarks in stream", "Does it come over the stream?", Needs::SmallOrder, orders::remarks_in_stream),
    case("remarks length", "How long may it be?", Needs::SmallOrder, orders::remarks_length),
    case("visibility", "How long after the reply is it in the book?", Needs::SmallOrder, orders::visibility),
    case("stream order", "Does the stream tell of it before the reply?", Needs::SmallOrder, orders::stream_order),
    case("order number", "Do numbers grow?", Needs::SmallOrder, orders::order_number),
    case("modify", "Are price and total quantity changed?", Needs::SmallOrder, orders::modify),
    case("remarks after modify", "Does our text stay?", Needs::SmallOrder, orders::remarks_after_modify),
    case("cancel", "Is it cancelled, and by which statuses?", Needs::SmallOrder, orders::cancel),
    case("cancel again", "Is the cancel of a cancelled order refused clearly?", Needs::SmallOrder, orders::cancel_again),
    case("history kept", "Is the history there after the end?", Needs::SmallOrder, orders::history_kept),
    case("refusal", "Is a stop-market order refused at once?", Needs::SmallOrder, orders::refusal),
    case("stop order", "Does a stop-limit order wait, move, and become a limit?", Needs::SmallOrder, orders::stop),
    case("ampersand", "Does an order for M&M-EQ arrive as such?", Needs::SmallOrder, orders::ampersand),
    case("quantity unit", "What does a quantity count on MCX and CDS?", Needs::SmallOrder, orders::unit),
    case("nothing left", "Is everything of ours at its end, unfilled?", Needs::SmallOrder, orders::nothing_left),
];

/// One line for each case, from the facts that a run has found.
pub(super) fn lines(facts: &Facts) -> Vec<Line> {
    let line = |case: &Case| {
        let Seen { verdict, text } = (case.judge)(facts);
        Line { name: case.name, question: case.question, needs: case.needs, verdict, seen: text }
    };
    CASES.iter().map(line).collect()
}

/// What a person must look at now.
pub(super) fn alarms(facts: &Facts) -> Vec<String> {
    let Ok(left) = &facts.left else { return Vec::new() };
    let fills = left.fills.iter().map(|fill| format!("FILLED: {fill}. You hold this position now: close it at the broker"));
    let unproven = left.unproven.iter().map(|words| format!("NOT PROVEN TO HAVE ENDED: {words}. Look at the broker's own terminal"));
    fills.chain(unproven).collect()
}
