//! Cases that send an order.

use ordergate_actors::order::BookState;
use ordergate_actors::ports::{CallOutcome, PlaceOutcome};

use super::reads::tried;
use super::{Seen, failed, if_so, not_tried, passed};
use crate::brokers::noren::wire::{Ampersand, status};
use crate::conformance::bench::ms;
use crate::conformance::facts::{Changed, Facts, FrameSeen, StopRow, StopStep};
use crate::conformance::gather::by_number;

const NO_ORDER: &str = "needs an accepted order";

/// What became of a placing, for people.
pub(in crate::conformance) fn placed(outcome: &PlaceOutcome) -> String {
    match outcome {
        PlaceOutcome::Accepted(number) => format!("number {number}"),
        PlaceOutcome::Rejected(words) => format!("refused: {words}"),
        PlaceOutcome::RateLimited { text, .. } | PlaceOutcome::NoSession(text) => format!("refused: {text}"),
        PlaceOutcome::NotSent(words) => format!("not sent: {words}"),
        PlaceOutcome::Unconfirmed(words) => format!("unconfirmed: {words}"),
    }
}

/// What became of a cancel or a change, for people.
fn called(outcome: &CallOutcome) -> String {
    match outcome {
        CallOutcome::Accepted => "taken".to_owned(),
        CallOutcome::Rejected(words) => format!("refused: {words}"),
        CallOutcome::RateLimited { text, .. } => format!("refused: {text}"),
        CallOutcome::NotSent(words) => format!("not sent: {words}"),
        CallOutcome::Unconfirmed(words) => format!("unconfirmed: {words}"),
    }
}

/// The small order, if it has a number.
macro_rules! small {
    ($facts:expr) => {{
        let small = tried!($facts.small);
        if small.number.is_none() {
            return not_tried(NO_ORDER);
        }
        small
    }};
}

pub(super) fn place(facts: &Facts) -> Seen {
    let small = tried!(facts.small);
    let what = format!("buy {} at {}: {}", small.quantity, small.price, placed(&small.outcome));
    match (&small.outcome, &small.status) {
        (PlaceOutcome::Accepted(_), Some((status, _))) if status.eq_ignore_ascii_case("OPEN") => passed(format!("{what}, then {status}")),
        (_, Some((status, reason))) => failed(format!("{what}, then {status} {}", reason.as_deref().unwrap_or_default())),
        (_, None) => failed(format!("{what}, then in no order book")),
    }
}

fn echoed(seen: Option<&str>, sent: &str) -> Seen {
    match seen {
        Some(text) if text == sent => passed(format!("whole: {} characters", sent.len())),
        Some(text) => failed(format!("{} of {} characters came back: {text:?}", text.len(), sent.len())),
        None => failed("it did not come back"),
    }
}

pub(super) fn remarks_in_book(facts: &Facts) -> Seen {
    let small = small!(facts);
    match &small.book_remarks {
        None => not_tried("needs its row in the order book"),
        Some(remarks) => echoed(remarks.as_deref(), &small.tag),
    }
}

pub(super) fn remarks_in_history(facts: &Facts) -> Seen {
    let small = small!(facts);
    match &small.history {
        Err(words) => failed(words.as_str()),
        Ok(events) if events.is_empty() => failed("the history is empty"),
        Ok(events) => {
            let worst = events.iter().find(|event| event.remarks.as_deref() != Some(&small.tag)).or(events.first());
            let seen = echoed(worst.and_then(|event| event.remarks.as_deref()), &small.tag);
            Seen { text: format!("{} events; {}", events.len(), seen.text), ..seen }
        }
    }
}

/// The frames that say more than that there is an order.
fn whole(frames: &[FrameSeen]) -> impl Iterator<Item = &FrameSeen> {
    frames.iter().filter(|frame| !frame.is_sparse)
}

pub(super) fn remarks_in_stream(facts: &Facts) -> Seen {
    let small = small!(facts);
    match whole(&small.frames).next() {
        None => failed(format!("no frame told of the order ({} said too little)", small.frames.len())),
        Some(frame) => echoed(frame.event.remarks.as_deref(), &small.tag),
    }
}

pub(super) fn remarks_length(facts: &Facts) -> Seen {
    let long = tried!(facts.long);
    let seen = |length: Option<usize>| length.map_or_else(|| "nothing".to_owned(), |length| length.to_string());
    match &long.outcome {
        PlaceOutcome::Accepted(_) => {
            let shortest = [long.in_book, long.in_stream].into_iter().flatten().min().unwrap_or(0);
            let text = format!("of {} characters the book shows {}, the stream {}", long.sent, seen(long.in_book), seen(long.in_stream));
            if_so(shortest >= ordergate_actors::order::BrokerTag::LENGTH, text)
        }
        other => not_tried(format!("unsupported: {} characters are {}", long.sent, placed(other))),
    }
}

pub(super) fn visibility(facts: &Facts) -> Seen {
    let small = small!(facts);
    let bound = small.visibility_bound;
    match small.visible_after {
        None => failed(format!("not in the order book within {} ms", ms(bound))),
        Some(after) => if_so(after <= bound, format!("{} ms after the reply (bound: {} ms)", ms(after), ms(bound))),
    }
}

pub(super) fn stream_order(facts: &Facts) -> Seen {
    let small = small!(facts);
    let before = small.frames.iter().filter(|frame| frame.before_reply).count();
    match (small.frames.len(), before) {
        (0, _) => failed("no frame came"),
        // Both are as it must be: the adapter takes either.
        (_, 0) => passed("every frame came after the reply"),
        (all, _) => passed(format!("{before} of {all} frames came before the reply")),
    }
}

pub(super) fn order_number(facts: &Facts) -> Seen {
    let small = small!(facts);
    let Some(number) = &small.number else { return not_tried(NO_ORDER) };
    match &small.high_water {
        None => passed(format!("{number} is the first of the day")),
        Some(mark) => if_so(by_number(number.as_str(), mark).is_gt(), format!("{number} after {mark}")),
    }
}

fn changed(change: &Changed) -> Seen {
    let text = format!("to {} at {}: {}", change.asked.1, change.asked.0, called(&change.outcome));
    if change.is_shown {
        passed(format!("{text}, and the book shows it"))
    } else {
        failed(format!("{text}, and the book does not show it"))
    }
}

pub(super) fn modify(facts: &Facts) -> Seen {
    match &small!(facts).change {
        None => not_tried("needs an open order"),
        Some(change) => changed(change),
    }
}

pub(super) fn remarks_after_modify(facts: &Facts) -> Seen {
    let small = small!(facts);
    let Some(change) = &small.change else { return not_tried("needs a changed order") };
    let with = echoed(change.remarks.as_deref(), &small.tag);
    let without = match &small.bare_change {
        Some(bare) if bare.is_shown && bare.remarks.as_deref() == Some(&small.tag) => "a change that leaves it out keeps it",
        Some(bare) if bare.is_shown => "a change that leaves it out loses it, and ours never does",
        _ => "a change that leaves it out was not taken",
    };
    Seen { text: format!("{}; {without}", with.text), ..with }
}

pub(super) fn cancel(facts: &Facts) -> Seen {
    let small = small!(facts);
    let Some(outcome) = &small.cancel else { return not_tried(NO_ORDER) };
    let text = format!("{}; seen: {}", called(outcome), small.cancel_statuses.join(", "));
    if_so(small.is_cancelled, text)
}

pub(super) fn cancel_again(facts: &Facts) -> Seen {
    let small = small!(facts);
    match &small.cancel_again {
        _ if !small.is_cancelled => not_tried("needs a cancelled order"),
        None => not_tried("needs a cancelled order"),
        Some(CallOutcome::Rejected(words)) => passed(words.as_str()),
        Some(CallOutcome::Accepted) => passed("taken a second time: its effect is followed in the book all the same"),
        Some(other) => failed(called(other)),
    }
}

pub(super) fn history_kept(facts: &Facts) -> Seen {
    match &small!(facts).history_after {
        Ok(events) if !events.is_empty() => passed(format!("{} events after the end", events.len())),
        Ok(_) => failed("the history is empty after the end"),
        Err(words) => failed(words.as_str()),
    }
}

pub(super) fn refusal(facts: &Facts) -> Seen {
    let refused = tried!(facts.refusal);
    let row = match &refused.row {
        Ok(None) => "no row in the book".to_owned(),
        Ok(Some(status)) => format!("a row in the book: {status}"),
        Err(words) => format!("the book could not be read: {words}"),
    };
    match &refused.outcome {
        PlaceOutcome::Rejected(words) => if_so(refused.row.is_ok(), format!("{words}; {row}")),
        PlaceOutcome::Accepted(number) => not_tried(format!("unsupported: it was taken under the number {number}, and cancelled")),
        other => failed(placed(other)),
    }
}

/// What stops that rest at the broker live by (`stop_at = "broker"`). Who refuses them clearly takes none: the engine's own do without.
pub(super) fn stop(facts: &Facts) -> Seen {
    let stop = tried!(facts.stop);
    let what = format!("buy {} at a trigger of {}: {}", stop.quantity, stop.trigger, placed(&stop.outcome));
    match &stop.outcome {
        PlaceOutcome::Accepted(_) => {}
        PlaceOutcome::Rejected(_) => return not_tried(format!("unsupported: {what}; leave stop_at = \"engine\"")),
        _ => return failed(what),
    }
    let Some(row) = &stop.placed else { return failed(format!("{what}, then in no order book")) };
    let what = format!("{what}, then {}", said(row));
    let reading = status::read(&row.status, None, row.reason.as_deref());
    if let Some(doubt) = reading.doubt.or_else(|| (reading.state != BookState::Open).then(|| "it does not wait".to_owned())) {
        return failed(format!("{what}: {doubt}"));
    }
    let is_shown = |step: Option<&StopStep>| step.is_some_and(|step| step.is_shown);
    let end = if stop.is_cancelled { "cancelled" } else { "its cancel is not shown" };
    let text = format!("{what}; trigger moved: {}; made a limit: {}; {end}", stepped(stop.moved.as_ref()), stepped(stop.limit.as_ref()));
    if_so(is_shown(stop.moved.as_ref()) && is_shown(stop.limit.as_ref()) && stop.is_cancelled, text)
}

fn said(row: &StopRow) -> String {
    row.reason.as_ref().map_or_else(|| row.status.clone(), |reason| format!("{} ({reason})", row.status))
}

fn stepped(step: Option<&StopStep>) -> String {
    let Some(step) = step else { return "not tried".to_owned() };
    let shown = if step.is_shown { "and the book shows it" } else { "and the book does not show it" };
    let row = step.row.as_ref().map_or_else(String::new, |row| format!(" ({})", said(row)));
    format!("{}, {shown}{row}", called(&step.outcome))
}

/// The word of the setting.
pub(in crate::conformance) fn mode(mode: Ampersand) -> &'static str {
    match mode {
        Ampersand::Escape => "escape",
        Ampersand::Percent => "percent",
        Ampersand::Raw => "raw",
    }
}

pub(super) fn ampersand(facts: &Facts) -> Seen {
    let tried = tried!(facts.ampersand);
    let is_right = |symbol: Option<&str>| symbol.is_some_and(|symbol| symbol.replace("%26", "&") == "M&M-EQ");
    let words = tried.iter().map(|one| {
        let book = one.symbol.as_deref().map_or_else(String::new, |symbol| format!(", in the book as {symbol}"));
        let status = one.status.as_deref().map_or_else(String::new, |status| format!(" ({status})"));
        format!("{}: {}{book}{status}", mode(one.mode), placed(&one.outcome))
    });
    let text = words.collect::<Vec<_>>().join("; ");
    let Some(own) = tried.first() else { return not_tried("needs M&M-EQ") };
    match tried.iter().find(|one| is_right(one.symbol.as_deref())) {
        Some(one) if one.mode == own.mode => passed(text),
        Some(one) => failed(format!("{text}; set noren.ampersand = \"{}\"", mode(one.mode))),
        None => failed(text),
    }
}

pub(super) fn unit(facts: &Facts) -> Seen {
    let unit = tried!(facts.unit);
    let status = unit.status.as_ref().map_or_else(String::new, |(status, reason)| {
        format!(", then {status} {}", reason.as_deref().unwrap_or_default()).trim_end().to_owned()
    });
    let shown = unit.shown.map_or_else(String::new, |shown| format!(", in the book as {shown}"));
    let text = format!("an order of 1 with a lot of {}: {}{shown}{status}", unit.lot, placed(&unit.outcome));
    let key = unit.exchange.as_str().to_lowercase();
    let text = match (unit.told_point, unit.expected_point()) {
        (Some(told), Some(expected)) if told != expected => {
            return failed(format!(
                "{text}; a point of one it counts is worth {} rupees by the master, and {told} by mult x prcftr of its row: trade nothing \
                 there before the broker has said which",
                expected.normalize()
            ));
        }
        (Some(told), Some(_)) => format!("{text}; master and row agree that a point of one it counts is worth {told} rupees"),
        (None, _) | (_, None) => format!("{text}; its row says nothing of what a point is worth"),
    };
    match unit.unit {
        Some(counts) => passed(format!("{text}; it counts {counts}: set quantity_unit.{key} = \"{counts}\"")),
        None => failed(format!("{text}; nothing follows from that")),
    }
}

pub(super) fn nothing_left(facts: &Facts) -> Seen {
    let left = tried!(facts.left);
    if left.unproven.is_empty() && left.fills.is_empty() {
        return passed(format!("{} orders, all at their end by the order book, nothing filled", left.orders));
    }
    failed(left.fills.iter().map(|fill| format!("FILLED {fill}")).chain(left.unproven.iter().cloned()).collect::<Vec<_>>().join("; "))
}
