//! Cases that only read.

use std::time::Duration;

use ordergate_actors::ports::RateWindow;

use super::{Seen, failed, if_so, not_tried, passed};
use crate::brokers::noren::wire::ErrorClass;
use crate::conformance::facts::{Book, Facts, Found, Tried};

/// A last trade older than this is not today's market.
const FRESH: Duration = Duration::from_secs(300);

/// The facts of a case that was tried and brought something.
macro_rules! found {
    ($tried:expr) => {
        match &$tried {
            Err(cause) => return not_tried(cause.as_str()),
            Ok(Err(words)) => return failed(words.as_str()),
            Ok(Ok(found)) => found,
        }
    };
}

/// The facts of a case that was tried.
macro_rules! tried {
    ($tried:expr) => {
        match &$tried {
            Err(cause) => return not_tried(cause.as_str()),
            Ok(tried) => tried,
        }
    };
}
pub(super) use tried;

pub(super) fn session(facts: &Facts) -> Seen {
    match &facts.session {
        Ok(words) => passed(words.as_str()),
        Err(words) => failed(words.as_str()),
    }
}

pub(super) fn token(facts: &Facts) -> Seen {
    match &tried!(facts.token).same_token {
        Ok(true) => passed("a second start has the same token, proven by a read"),
        Ok(false) => failed("a second start has another token: it logged in again"),
        Err(words) => failed(format!("a second start has no session: {words}")),
    }
}

pub(super) fn clock(facts: &Facts) -> Seen {
    let limit = facts.max_skew.as_millis();
    match tried!(facts.skew_ms) {
        None => failed("the broker does not tell its time"),
        Some(skew) => {
            if_so(u128::from(skew.unsigned_abs()) <= limit, format!("the broker's clock is {skew} ms from ours (limit: {limit} ms)"))
        }
    }
}

pub(super) fn funds(facts: &Facts) -> Seen {
    let limits = found!(facts.funds);
    let names: Vec<&str> = limits.counted.iter().map(|(name, _)| *name).collect();
    let text = format!("₹{} available of ₹{} cash; came: {}", limits.available, limits.cash, names.join(" "));
    // Without the margin in use the sum would promise money that is bound.
    if_so(names.contains(&"marginused"), text)
}

pub(super) fn margin(facts: &Facts) -> Seen {
    let margin = found!(facts.margin);
    let figure = |value: Option<rust_decimal::Decimal>| value.map_or_else(|| "untold".to_owned(), |value| format!("₹{value}"));
    passed(format!(
        "one lot needs {}, in use with it ₹{}: {}",
        figure(margin.order),
        margin.used,
        margin.verdict.as_deref().unwrap_or("no words")
    ))
}

fn book(tried: &Tried<Found<Book>>, what: &str) -> Seen {
    let book = found!(*tried);
    if let Some(first) = book.unreadable.first() {
        return failed(format!("{} rows, {} not readable: {first}", book.rows, book.unreadable.len()));
    }
    if book.rows == 0 { passed("said to be empty") } else { passed(format!("{} {what}", book.rows)) }
}

pub(super) fn orders(facts: &Facts) -> Seen {
    book(&facts.orders, "orders")
}

pub(super) fn trades(facts: &Facts) -> Seen {
    book(&facts.trades, "trades")
}

pub(super) fn positions(facts: &Facts) -> Seen {
    book(&facts.positions, "positions")
}

pub(super) fn quote(facts: &Facts) -> Seen {
    let quoted = found!(facts.quote);
    let market = &quoted.market;
    let touch = |levels: &[crate::brokers::noren::wire::quote::Level]| {
        levels.first().map_or_else(|| "nobody".to_owned(), |level| level.price.to_string())
    };
    let book = format!("{} at {}, bid {}, ask {}", facts.key, market.last, touch(&market.bids), touch(&market.asks));
    match quoted.trade_age {
        _ if !market.is_two_sided() => failed(format!("{book}: not two-sided; try it while the market is open")),
        None => failed(format!("{book}: the broker does not say when it traded last")),
        Some(age) => if_so(age <= FRESH, format!("{book}, last traded {} s before the answer", age.as_secs())),
    }
}

pub(super) fn index(facts: &Facts) -> Seen {
    passed(format!("NIFTY 50 at {}", found!(facts.index)))
}

pub(super) fn search(facts: &Facts) -> Seen {
    let hits = found!(facts.search);
    let words = if hits.has_it { "with the master's token" } else { "with another token, or not at all" };
    if_so(hits.has_it, format!("{} found, {} {words}", hits.count, facts.key))
}

pub(super) fn security(facts: &Facts) -> Seen {
    let compared = found!(facts.security);
    let shown = |value: &Option<String>| value.clone().unwrap_or_else(|| "untold".to_owned());
    let figures = compared.figures.iter().map(|figure| {
        if figure.ours == figure.theirs {
            format!("{} {}", figure.name, shown(&figure.theirs))
        } else {
            format!("{} {} (master: {})", figure.name, shown(&figure.theirs), shown(&figure.ours))
        }
    });
    let text = figures.collect::<Vec<_>>().join(", ");
    if_so(compared.figures.iter().all(|figure| figure.is_fine), text)
}

pub(super) fn stream(facts: &Facts) -> Seen {
    let is_up = tried!(facts.stream).is_up;
    if_so(is_up, if is_up { "the handshake was taken" } else { "no socket came up: a refused handshake, or nobody answers" })
}

/// What a stream that is not up cannot show.
macro_rules! streaming {
    ($facts:expr) => {
        match &$facts.stream {
            Err(cause) => return not_tried(cause.as_str()),
            Ok(streaming) if !streaming.is_up => return not_tried("needs a stream"),
            Ok(streaming) => streaming,
        }
    };
}

pub(super) fn subscription(facts: &Facts) -> Seen {
    if streaming!(facts).acknowledges_orders {
        passed("the subscription of order updates was acknowledged")
    } else {
        // Some brokers of this protocol send none (Noren protocol reference, section 6.4).
        not_tried("unsupported: no acknowledgement came")
    }
}

pub(super) fn heartbeat(facts: &Facts) -> Seen {
    if streaming!(facts).answers_heartbeats {
        passed("heartbeats are answered")
    } else {
        not_tried("unsupported: no answer came; any frame counts as life")
    }
}

pub(super) fn tick(facts: &Facts) -> Seen {
    match streaming!(facts).tick {
        Some(price) => passed(format!("{} at {price} over the stream", facts.key)),
        None => failed(format!("{} was subscribed and no quote came", facts.key)),
    }
}

pub(super) fn masters(facts: &Facts) -> Seen {
    let fetched = tried!(facts.masters);
    let words = fetched.iter().map(|(exchange, master)| match master {
        Ok(master) => format!("{exchange}: {} rows, {} not readable", master.rows, master.bad),
        Err(words) => format!("{exchange}: {words}"),
    });
    let text = words.collect::<Vec<_>>().join("; ");
    if_so(fetched.iter().all(|(_, master)| master.as_ref().is_ok_and(|master| master.rows > 0)), text)
}

pub(super) fn second_login(facts: &Facts) -> Seen {
    let second = tried!(facts.second_login);
    let first = match &second.first_token {
        Ok(()) => "the first token still works".to_owned(),
        Err(words) => format!("the first token is dead ({words})"),
    };
    match &second.login {
        Err(words) => failed(format!("the second login did not work: {words}")),
        Ok(()) => {
            if_so(second.came_back, format!("{first}; the account {}", if second.came_back { "came back" } else { "did not come back" }))
        }
    }
}

pub(super) fn rates(facts: &Facts) -> Seen {
    let texts = tried!(facts.rates);
    let is_understood = |wanted: RateWindow, class: Option<ErrorClass>| matches!(class, Some(ErrorClass::RateLimited { period, .. }) if period == Some(wanted));
    let words: Vec<&str> = texts.iter().map(|text| text.text.as_str()).collect();
    if_so(texts.iter().all(|text| is_understood(text.window, text.class)), words.join("; "))
}
