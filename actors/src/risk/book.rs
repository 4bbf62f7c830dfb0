//! RiskBook: the pure core. It takes a registered order, the committed book and the time, and says: go (as these
//! terms), no (with the reason), or not yet.

use super::exit::{ExitCase, ExitSize, enters, overtaken, size};
use super::read_age::ReadAge;
use super::rules::{Checked, FOR_ENTRIES, FOR_EXITS, Inputs, Unquoted, lacks_quote, self_trade, wants_quote};
use crate::arming::{Yes, asks_a_person, yes};
use crate::line::Phase;
use crate::order::{CommandId, GateVerdict, Intent, OrderRecord, OrderType, Side, Tag, Terms};
use crate::plan::{Aim, Plan, Turn, aim, only_reduces, reduction, turn};
use crate::ports::Session;

/// What risk says about one order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judgement {
    /// It may go on, as these terms.
    Clear {
        /// The settled order.
        terms: Terms,
        /// Every rule's verdict.
        gates: Vec<GateVerdict>,
        /// What a person should hear (an exit was capped).
        note: Option<String>,
        /// Units that an exit leaves because the exchange takes no more in one order.
        left: i64,
        /// Units that it leaves to an order of somebody else's, in words.
        theirs: Option<String>,
    },
    /// It may not.
    Refuse {
        /// Why, as a code.
        tag: Tag,
        /// Why, with the numbers.
        reason: String,
        /// Every rule's verdict.
        gates: Vec<GateVerdict>,
    },
    /// It cannot be judged yet.
    Wait {
        /// What it waits for.
        reason: String,
    },
    /// It is not what will be sent yet: this comes first.
    Step(Aim),
    /// It ends here without having failed: nothing is to do for it.
    End {
        /// Why, as a code.
        tag: Tag,
        /// Why, with the numbers.
        reason: String,
    },
    /// It may, when its basket's plan says that it is its turn; it keeps no other leg waiting.
    Held {
        /// What it waits for.
        reason: String,
    },
    /// Nothing but a fresh quote is missing, and one can be asked for.
    Quote,
    /// An exit that could trade against orders of our own, or that leaves all while they still add: they are cancelled first, and it goes
    /// when they are proven gone, or after a while.
    MakeWay {
        /// Those orders.
        orders: Vec<CommandId>,
        /// What it waits for.
        reason: String,
    },
    /// It may, once a person has said yes to its basket.
    Ask {
        /// What it waits for.
        reason: String,
    },
}

/// Judges one order.
#[must_use]
pub fn judge(x: &Inputs<'_>, phase: Phase) -> Judgement {
    let is_exit = x.order.is_exit();
    let rules = if is_exit { FOR_EXITS } else { FOR_ENTRIES };
    // A stale entry ends now; everything else waits until the broker's books were read.
    if phase == Phase::Recovering {
        let stale = FOR_EXITS
            .iter()
            .chain(FOR_ENTRIES)
            .map(|rule| rule(x))
            .find(|checked| checked.tag == Tag::StaleSignal && !checked.verdict.passed && !is_exit);
        return match stale {
            Some(checked) => refuse(vec![checked]),
            None => Judgement::Wait { reason: "the broker's books are being read after the start".to_owned() },
        };
    }
    if x.order.is_unaimed() {
        return unaimed(x);
    }
    if let Some(shot) = reduction(x.order, x.instrument, x.book) {
        return Judgement::Step(Aim::Go(shot));
    }
    if phase == Phase::ExitsOnly && !is_exit {
        return Judgement::Wait { reason: "entries wait until the doubts of the start are settled".to_owned() };
    }
    if phase == Phase::Closing && x.findings.positions.is_none() {
        return Judgement::Wait { reason: "stopping before the broker's books were read; the next start decides".to_owned() };
    }
    let checked: Vec<Checked> = rules.iter().map(|rule| rule(x)).collect();
    if waits_for_a_quote(x, &checked) {
        // A person takes minutes: nothing is asked for until the yes is there.
        return if is_before_a_person(x) { ask() } else { Judgement::Quote };
    }
    if checked.iter().any(|checked| !checked.verdict.passed) {
        return refuse(checked);
    }
    let mut gates: Vec<GateVerdict> = checked.into_iter().map(|checked| checked.verdict).collect();
    if is_exit && !x.order.is_test() {
        if let Some(reason) = x.market.keeps_back(x.order) {
            return Judgement::Wait { reason };
        }
        // An exit is not refused for want of a session: it waits, and RiskActor pages.
        return match &x.findings.session {
            Some(Session::Ready) => exit(x, gates),
            Some(Session::NotReady(cause) | Session::Resting(cause)) => Judgement::Wait { reason: format!("no broker session: {cause}") },
            None => Judgement::Wait { reason: "the broker session is not proven yet".to_owned() },
        };
    }
    match whole_terms(x.order) {
        Some(_) if needs_a_yes(x) => ask(),
        // A basket's exits go by themselves, also those that are mocks.
        Some(terms) => match Plan::policy(x.book, x.order.basket_id)
            .filter(|_| !is_exit)
            .map_or(Turn::Go, |policy| turn(policy, x.order, x.book, x.findings))
        {
            Turn::Go => Judgement::Clear { terms, gates, note: None, left: 0, theirs: None },
            Turn::Wait(reason) => Judgement::Held { reason },
            Turn::Never(reason) => Judgement::Refuse { tag: Tag::PlanStopped, reason, gates },
        },
        None => {
            gates.push(GateVerdict {
                gate: "risk.terms".into(),
                passed: false,
                input: "incomplete".into(),
                limit: "side, quantity, product and type".into(),
            });
            Judgement::Refuse { tag: Tag::ValidationFailed, reason: "side, quantity, product and order type must be given".into(), gates }
        }
    }
}

/// A TARGET is no order yet: what leads to it is worked out first, and then judged as what it is.
fn unaimed(x: &Inputs<'_>) -> Judgement {
    let reversal = Plan::reversal(x.book, x.order.command_id);
    match aim(x.order, x.instrument, x.book, x.findings, reversal.as_ref(), x.largest) {
        Aim::End(Tag::ValidationFailed, reason) => Judgement::Refuse { tag: Tag::ValidationFailed, reason, gates: Vec::new() },
        Aim::End(tag, reason) => Judgement::End { tag, reason },
        shot @ Aim::Go(_) => Judgement::Step(shot),
        waits => {
            let checked: Vec<Checked> = FOR_EXITS.iter().map(|rule| rule(x)).collect();
            if !only_reduces(x.order, x.instrument, x.book) && checked.iter().any(|checked| !checked.verdict.passed) {
                return not_aimed(refuse(checked), &waits);
            }
            match waits {
                Aim::Wait(reason) => Judgement::Wait { reason },
                step => Judgement::Step(step),
            }
        }
    }
}

/// The refusal of a target that is too old by now: its age alone does not say what it waited for.
fn not_aimed(refusal: Judgement, waits: &Aim) -> Judgement {
    match (refusal, waits) {
        (
            Judgement::Refuse { tag: Tag::StaleSignal, reason, gates },
            Aim::Wait(why) | Aim::Yield(why) | Aim::Clear(_, why) | Aim::Reverse(_, why),
        ) => Judgement::Refuse { tag: Tag::StaleSignal, reason: format!("{reason}; it was not aimed, because {why}"), gates },
        (refusal, _) => refusal,
    }
}

/// What every rule for an order of its kind says, whatever comes of it.
#[must_use]
pub fn verdicts(x: &Inputs<'_>) -> Vec<GateVerdict> {
    let rules = if x.order.is_exit() { FOR_EXITS } else { FOR_ENTRIES };
    rules.iter().map(|rule| rule(x).verdict).collect()
}

fn ask() -> Judgement {
    Judgement::Ask { reason: "waits for a person's yes (LIVE-APPROVE)".to_owned() }
}

/// A fresh quote is all that is missing: the value of the order is not known without one, or its price cannot be judged.
fn waits_for_a_quote(x: &Inputs<'_>, checked: &[Checked]) -> bool {
    let lacks = |checked: &Checked| match checked.verdict.gate.as_ref() {
        "risk.max_order_value" => lacks_quote(x),
        "risk.price_collar" => wants_quote(x),
        _ => false,
    };
    let mut failed = checked.iter().filter(|checked| !checked.verdict.passed).peekable();
    !x.order.is_exit() && x.unquoted == Unquoted::Ask && failed.peek().is_some() && failed.all(lacks)
}

/// Everything was judged before, the basket was shown, and the answer is awaited.
fn is_before_a_person(x: &Inputs<'_>) -> bool {
    needs_a_yes(x) && matches!(yes(x.book.control(), x.order.basket_id, x.now), Yes::Waiting(_))
}

/// Only an entry that everything else lets through is shown to a person.
fn needs_a_yes(x: &Inputs<'_>) -> bool {
    asks_a_person(x.standing, x.order)
        && !x.order.is_exit()
        && !x.order.is_test()
        && !matches!(yes(x.book.control(), x.order.basket_id, x.now), Yes::Given(_))
}

fn refuse(checked: Vec<Checked>) -> Judgement {
    let failed: Vec<&Checked> = checked.iter().filter(|checked| !checked.verdict.passed).collect();
    let tag = failed.first().map_or(Tag::RiskLimitsExceeded, |checked| checked.tag);
    let words = |checked: &&Checked| format!("{}: {} (limit: {})", checked.verdict.gate, checked.verdict.input, checked.verdict.limit);
    let reason = failed.iter().map(words).collect::<Vec<_>>().join("; ");
    Judgement::Refuse { tag, reason, gates: checked.into_iter().map(|checked| checked.verdict).collect() }
}

fn exit(x: &Inputs<'_>, mut gates: Vec<GateVerdict>) -> Judgement {
    let gate = |passed, input: &str| GateVerdict {
        gate: "risk.exit_size".into(),
        passed,
        input: input.to_owned(),
        limit: "what is held, less what other exits claim".into(),
    };
    let read = ReadAge::of(x.order, x.findings, &x.account.waits, x.now);
    let (order, instrument, book) = (x.order, x.instrument, x.book);
    match size(&ExitCase { order, instrument, book, findings: x.findings, largest: x.largest, read, quote: x.quote }) {
        ExitSize::Wait(reason) => Judgement::Wait { reason },
        ExitSize::Overtakes(orders, reason) => Judgement::Step(Aim::Clear(orders, reason)),
        ExitSize::Refuse(tag, reason) => {
            gates.push(gate(false, &reason));
            Judgement::Refuse { tag, reason, gates }
        }
        ExitSize::Close { side, product, quantity, left, theirs, note, measure } => {
            gates.push(gate(true, &measure));
            if let Some(first) = taken_back_first(x, side) {
                return first;
            }
            let (is_free, in_the_way) = way(x, side);
            if !in_the_way.is_empty() {
                return Judgement::MakeWay { orders: in_the_way, reason: is_free.input };
            }
            gates.push(is_free);
            let Some(order_type) = x.order.ask.order_type else {
                return Judgement::Refuse { tag: Tag::ValidationFailed, reason: "order_type must be given".into(), gates };
            };
            let ask = &x.order.ask;
            let terms =
                Terms { side, quantity, product, order_type, validity: ask.validity, price: ask.price, trigger_price: ask.trigger_price };
            Judgement::Clear { terms, gates, note, left, theirs }
        }
    }
}

/// A signal to leave all that is held: what of its strategy still adds to it is cancelled first, and what that fills meanwhile is
/// closed with it. The cancel is asked for however long the exit was held up before; its proof is not waited for for ever.
fn taken_back_first(x: &Inputs<'_>, closing: Side) -> Option<Judgement> {
    if x.order.ask.quantity.is_some() {
        return None;
    }
    let entries = overtaken(x.order, x.instrument, x.book, Some(closing.opposite()));
    let first = entries.first()?;
    let reason = enters(first, x.instrument);
    let standing: Vec<CommandId> = entries.iter().filter(|entry| entry.cancel_wanted.is_none()).map(|entry| entry.command_id).collect();
    if !standing.is_empty() {
        return Some(Judgement::Step(Aim::Clear(standing, reason)));
    }
    let orders: Vec<CommandId> = entries.iter().filter(|entry| !waited_enough(x, entry)).map(|entry| entry.command_id).collect();
    (!orders.is_empty()).then_some(Judgement::MakeWay { orders, reason })
}

/// Whether an exit has waited as long as it does for the end of an order of our own.
fn waited_enough(x: &Inputs<'_>, entry: &OrderRecord) -> bool {
    let patience = chrono::Duration::from_std(x.account.waits.exit_wait_page).unwrap_or(chrono::Duration::MAX);
    x.in_the_way.waited_enough(entry, x.now, patience)
}

/// Whether an exit may go without trading against an entry of our own, and the orders that are in its way. It is never
/// refused for them, and does not wait for their end for ever: a position that must be closed is closed.
fn way(x: &Inputs<'_>, side: Side) -> (GateVerdict, Vec<CommandId>) {
    // A stop rests nowhere until it is triggered.
    let waits = x.order.ask.order_type.is_some_and(OrderType::has_trigger);
    let against: Vec<&OrderRecord> = self_trade::against(x.order, x.instrument, side, x.book)
        .filter(|_| !waits)
        .filter(|other| !other.is_exit() && !other.is_in_doubt())
        .map(|other| &**other)
        .collect();
    let orders: Vec<CommandId> = against.iter().filter(|entry| !waited_enough(x, entry)).map(|entry| entry.command_id).collect();
    let input = match (orders.first().copied(), against.first()) {
        (Some(first), _) => format!("order {first} could meet it and is cancelled first"),
        (None, Some(late)) => format!("order {} could meet it, and its cancel is not proven: waited long enough", late.command_id),
        (None, None) => "no order of ours on the other side".to_owned(),
    };
    let limit = format!("no entry of ours to meet in {}", x.instrument);
    (GateVerdict { gate: "risk.self_trade".into(), passed: orders.is_empty(), input, limit }, orders)
}

/// The terms of an order that leaves nothing open. A mock exit may lack what a position would settle.
pub(crate) fn whole_terms(order: &OrderRecord) -> Option<Terms> {
    let ask = &order.ask;
    let mock = order.is_test() && ask.intent == Some(Intent::Exit);
    Some(Terms {
        side: ask.side.or(mock.then_some(crate::order::Side::Sell))?,
        quantity: ask.quantity.or(if mock { crate::order::Quantity::new(1) } else { None })?,
        product: ask.product.or(mock.then_some(crate::order::Product::Mis))?,
        order_type: ask.order_type?,
        validity: ask.validity,
        price: ask.price,
        trigger_price: ask.trigger_price,
    })
}

#[cfg(test)]
#[path = "tests/mod.rs"]
mod tests;
