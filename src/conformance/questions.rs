//! The open questions of the protocol (Noren protocol reference, section 12), each with what this run says to it.

use ordergate_actors::ports::PlaceOutcome;

use super::Answer;
use super::bench::ms;
use super::cases::{mode, placed};
use super::facts::{Facts, Fillshares, SmallOrder};

type Answered = Result<String, String>;

/// A question, and what the facts say to it; `Err`: what an answer needs.
type Question = (&'static str, fn(&Facts) -> Answered);

const QUESTIONS: &[Question] = &[
    ("Do remarks come back, how long, and after a change?", remarks),
    ("How does PlaceOrder take M&M?", ampersand),
    ("Does a synchronous refusal leave a row?", refusal),
    ("How late is an order visible after an HTTP failure, at worst?", visibility),
    ("How long does a token live, and does a second login end it?", token),
    ("When does the broker stop MIS and AMO orders?", |_| {
        Err("needs orders at the end of a session; set it from the broker's circulars".to_owned())
    }),
    ("Does a second websocket end the first?", sockets),
    ("What do fillshares, MCX quantities and the payout's sign mean?", quantities),
    ("Which statuses stand around a cancel, and around a trigger?", statuses),
    ("Do cancels and changes count toward the rate limits?", |_| {
        Err("needs a breach with cancels, which is not made on purpose; they are counted here".to_owned())
    }),
];

/// Each question with its answer.
pub(super) fn answers(facts: &Facts) -> Vec<Answer> {
    let answer = |(number, (question, answer)): (u8, &Question)| Answer {
        number,
        question,
        answer: answer(facts).unwrap_or_else(|needs| format!("not tried: {needs}")),
    };
    (1..).zip(QUESTIONS).map(answer).collect()
}

fn small(facts: &Facts) -> Result<&SmallOrder, String> {
    let small = facts.small.as_ref().map_err(Clone::clone)?;
    if small.number.is_some() { Ok(small) } else { Err("needs an accepted order".to_owned()) }
}

fn remarks(facts: &Facts) -> Answered {
    let small = small(facts)?;
    let came = |seen: Option<&str>| match seen {
        Some(text) if text == small.tag => "whole".to_owned(),
        Some(text) => format!("cut to {}", text.len()),
        None => "not".to_owned(),
    };
    let book = came(small.book_remarks.as_ref().and_then(Option::as_deref));
    let stream = small.frames.iter().find(|frame| !frame.is_sparse);
    let stream = stream.map_or_else(|| "unknown (no frame)".to_owned(), |frame| came(frame.event.remarks.as_deref()));
    let longest = match &facts.long {
        Ok(long) => match long.in_book {
            Some(length) if length == long.sent => format!("{length} characters and maybe more"),
            Some(length) => format!("{length} characters"),
            None => format!("unknown ({})", placed(&long.outcome)),
        },
        Err(needs) => format!("not tried, {needs}"),
    };
    let bare = match &small.bare_change {
        Some(bare) if bare.is_shown && bare.remarks.as_deref() == Some(&small.tag) => "kept",
        Some(bare) if bare.is_shown => "lost",
        _ => "unknown",
    };
    Ok(format!("book: {book}; stream: {stream}; longest: {longest}; after a change that leaves them out: {bare}"))
}

fn ampersand(facts: &Facts) -> Answered {
    let tried = facts.ampersand.as_ref().map_err(Clone::clone)?;
    let words = tried.iter().map(|one| format!("{}: {}", mode(one.mode), one.symbol.clone().unwrap_or_else(|| placed(&one.outcome))));
    Ok(words.collect::<Vec<_>>().join("; "))
}

fn refusal(facts: &Facts) -> Answered {
    let refused = facts.refusal.as_ref().map_err(Clone::clone)?;
    if !matches!(refused.outcome, PlaceOutcome::Rejected(_)) {
        return Err(format!("needs a synchronous refusal; it was {}", placed(&refused.outcome)));
    }
    match &refused.row {
        Ok(None) => Ok("no".to_owned()),
        Ok(Some(status)) => Ok(format!("yes, with the status {status}")),
        Err(words) => Err(format!("needs the order book: {words}")),
    }
}

fn visibility(facts: &Facts) -> Answered {
    let small = small(facts)?;
    let after = small.visible_after.ok_or_else(|| "needs an order that the book shows".to_owned())?;
    Ok(format!("after a reply {} ms; after a failure not tried: needs a failure", ms(after)))
}

fn token(facts: &Facts) -> Answered {
    facts.token.as_ref().map_err(Clone::clone)?;
    let ends = facts.token_ends_at.map_or_else(|| "unknown".to_owned(), |at| at.format("%Y-%m-%d %H:%M UTC").to_string());
    let second = match &facts.second_login {
        Ok(second) if second.login.is_err() => "the second login did not work".to_owned(),
        Ok(second) if second.first_token.is_ok() => "a second login leaves it alive".to_owned(),
        Ok(_) => "a second login ends it".to_owned(),
        Err(needs) => format!("a second login was not tried: {needs}"),
    };
    Ok(format!("planned until {ends}; {second}"))
}

fn sockets(facts: &Facts) -> Answered {
    match facts.token.as_ref().map_err(Clone::clone)?.evicted_stream {
        Some(true) => Ok("yes, with the same token".to_owned()),
        Some(false) => Ok("no, with the same token".to_owned()),
        None => Err("needs two streams at once".to_owned()),
    }
}

fn quantities(facts: &Facts) -> Answered {
    let fills = match facts.fillshares {
        Some(Fillshares::OwnFill) => "the row's own fill",
        Some(Fillshares::Cumulative) => "the fills so far",
        None => "not tried, needs an order with several fills today",
    };
    let unit = match &facts.unit {
        Ok(unit) => unit.unit.map_or_else(|| "unknown".to_owned(), |counts| format!("{} counts {counts}", unit.exchange)),
        Err(needs) => format!("not tried, {needs}"),
    };
    let payout = match &facts.funds {
        Ok(Ok(limits)) => match limits.counted.iter().find(|(name, _)| *name == "payout") {
            Some((_, value)) if value.is_zero() => "not tried, needs a payout under way".to_owned(),
            Some((_, value)) => format!("{value}"),
            None => "not told".to_owned(),
        },
        Ok(Err(words)) => format!("unknown ({words})"),
        Err(needs) => format!("not tried, {needs}"),
    };
    Ok(format!("fillshares: {fills}; quantities: {unit}; payout: {payout}"))
}

fn statuses(facts: &Facts) -> Answered {
    let small = small(facts)?;
    if small.cancel_statuses.is_empty() {
        return Err("needs a cancel that history or stream tell of".to_owned());
    }
    let stop = match &facts.stop {
        Ok(stop) if stop.statuses.is_empty() => format!("unknown ({})", placed(&stop.outcome)),
        Ok(stop) => stop.statuses.join(", "),
        Err(needs) => format!("not tried, {needs}"),
    };
    Ok(format!("{}; a stop from placing to cancel: {stop}", small.cancel_statuses.join(", ")))
}
