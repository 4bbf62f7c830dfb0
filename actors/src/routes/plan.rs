//! The core: an alert under its route becomes one leg. In two steps, because its size depends on the instrument and the
//! instrument is found by the leg's own words.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

use super::reading::{Format, Reading};
use super::route::{Direction, Route, trailing};
use super::size::{self, Size};
use crate::order::{Blocked, Instrument, LegDraft, OrderType, Price, Product, Side, Tag, clean, ist};

/// What the second step goes by.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// What the leg's words mean today, or what they mean of what is held.
    pub instrument: Option<&'a Instrument>,
    /// A fresh price of it.
    pub price: Option<Price>,
    /// What the route's strategy holds there and has working towards there, in units.
    pub held: i64,
    /// Why entries of its source stop, if they do.
    pub stopped: Option<&'a str>,
    /// The time.
    pub now: DateTime<Utc>,
}

/// What an alert comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// The leg.
    pub leg: LegDraft,
    /// What the sender or a person should know.
    pub notes: Vec<String>,
    /// Where the alert says that the strategy was before, in units, if it says so and if that can be compared with what is held.
    pub before: Option<i64>,
}

/// The leg without its size: enough to find its instrument.
#[must_use]
pub fn draft(reading: &Reading, route: &Route, version: u64) -> LegDraft {
    let (exchange, symbol) = named(reading, route);
    let order_type = route.order_type.map(|word| word.to_string()).or_else(|| reading.order_type.clone());
    let kind = order_type.as_deref().and_then(|text| OrderType::parse(text.trim()));
    // A chart's price is one of the chart's instrument, and no price for another. A market order has none.
    let is_own = route.instrument.is_none();
    let price = reading.price.clone().filter(|_| is_own && kind.is_some_and(OrderType::has_price));
    let mut leg = LegDraft {
        strategy: Some(route.strategy.to_string()),
        exchange,
        symbol,
        order_type,
        price,
        trigger_price: reading.trigger_price.clone().filter(|_| is_own && kind.is_some_and(OrderType::has_trigger)),
        product: route.product.map(|word| word.to_string()).or_else(|| reading.product.clone()),
        test_mode: reading.test_mode.clone(),
        unreadable: reading.wrong.clone(),
        route: Some(route.terms(version)),
        ..LegDraft::default()
    };
    match act(reading, route) {
        Ok(act) => {
            leg.execution_type = Some(act.word().to_owned());
            if let Act::Enter(side) | Act::Leave(side) = act {
                leg.side = Some(side.to_string());
            }
        }
        Err(words) => leg.unreadable.push(words),
    }
    leg
}

/// The exchange and the symbol: the route's, else the alert's. A route's exchange stands before its instrument.
fn named(reading: &Reading, route: &Route) -> (Option<String>, Option<String>) {
    let Some(text) = &route.instrument else { return (reading.exchange.clone(), reading.ticker.clone()) };
    match text.split_once(':') {
        Some((exchange, symbol)) => (Some(exchange.trim().to_owned()), Some(symbol.trim().to_owned())),
        None => (None, Some(text.trim().to_owned())),
    }
}

/// What the alert wants done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    /// Open, or add, on that side.
    Enter(Side),
    /// Close, by an order of that side.
    Leave(Side),
    /// Be in that position, in the alert's unit.
    Reach(Decimal),
}

impl Act {
    fn word(self) -> &'static str {
        match self {
            Self::Enter(_) => "ENTRY",
            Self::Leave(_) => "EXIT",
            Self::Reach(_) => "TARGET",
        }
    }
}

fn act(reading: &Reading, route: &Route) -> Result<Act, String> {
    if let Some(position) = reading.position {
        return Ok(Act::Reach(position));
    }
    let Some(side) = reading.action.or(route.action) else {
        return Err("action is missing: neither the alert nor its route says buy or sell".to_owned());
    };
    match route.direction {
        Direction::Both => {
            let field = if reading.format == Format::OpenalgoOrder { "position_size (placesmartorder)" } else { "market_position" };
            Err(format!("{field} is missing: of a route in both directions a {side} may open or close, and only the position tells"))
        }
        direction if direction.takes(side) => Ok(Act::Enter(side)),
        Direction::Long | Direction::Short => Ok(Act::Leave(side)),
    }
}

/// The leg, whole.
#[must_use]
pub fn settle(mut leg: LegDraft, reading: &Reading, route: &Route, facts: &Facts<'_>) -> Planned {
    let mut notes = Vec::new();
    let act = act(reading, route);
    let mut before = None;
    match (act, facts.instrument) {
        // Both are named by the leg already: what it lacks, or that there is no such instrument.
        (Err(_), _) | (Ok(Act::Enter(_) | Act::Reach(_)), None) => {}
        (Ok(Act::Leave(_)), instrument) => leave(&mut leg, reading, route, instrument),
        (Ok(Act::Enter(_)), Some(instrument)) => {
            match sized(reading.size, route, instrument, facts) {
                Ok(units) => leg.quantity = Some(units.to_string()),
                Err(words) => leg.unreadable.push(words),
            }
            protect(&mut leg, route);
            if let Some(reason) = may_not_enter(route, facts) {
                leg.blocked = Some(Blocked { tag: Tag::RiskLimitsExceeded, reason });
            }
        }
        (Ok(Act::Reach(position)), Some(instrument)) => {
            before = reading.before.and_then(|before| comparable(before, route, instrument));
            reach(&mut leg, position, route, instrument, facts, &mut notes);
        }
    }
    Planned { leg, notes, before }
}

/// An exit asks for the alert's number; under a route of fixed size it closes all.
fn leave(leg: &mut LegDraft, reading: &Reading, route: &Route, instrument: Option<&Instrument>) {
    let (Some(number), None, Some(instrument)) = (reading.size, route.size, instrument) else { return };
    match size::from_alert(number, route.qty_unit, instrument) {
        Ok(units) if units > 0 => leg.quantity = Some(units.to_string()),
        Ok(_) => leg.unreadable.push(format!("qty: {number} closes nothing")),
        Err(words) => leg.unreadable.push(words),
    }
}

fn sized(number: Option<Decimal>, route: &Route, instrument: &Instrument, facts: &Facts<'_>) -> Result<i64, String> {
    if let Some(size) = route.size {
        return size::fixed(size, instrument, facts.price);
    }
    let number = number.ok_or_else(|| "qty is missing: neither the alert nor its route says how much".to_owned())?;
    match size::from_alert(number, route.qty_unit, instrument)? {
        units if units > 0 => Ok(units),
        _ => Err(format!("qty: {number} is no size of an order")),
    }
}

/// Where the alert says that the strategy was, in units; `None` where the route sizes by itself and only the side counts.
fn comparable(before: Decimal, route: &Route, instrument: &Instrument) -> Option<i64> {
    if route.size.is_some() || side_of(before).is_some_and(|side| !route.direction.takes(side)) {
        return None;
    }
    size::from_alert(before, route.qty_unit, instrument).ok()
}

/// The side of a position in whatever unit; none when it is flat.
fn side_of(position: Decimal) -> Option<Side> {
    match (position.is_zero(), position.is_sign_negative()) {
        (true, _) => None,
        (false, true) => Some(Side::Sell),
        (false, false) => Some(Side::Buy),
    }
}

/// A target: in the alert's size or in the route's, on the sides that the route takes, and no larger than what is held
/// while entries stop.
fn reach(leg: &mut LegDraft, position: Decimal, route: &Route, instrument: &Instrument, facts: &Facts<'_>, notes: &mut Vec<String>) {
    let wanted = side_of(position);
    let target = match wanted {
        None => Ok(0),
        Some(side) if !route.direction.takes(side) => {
            notes.push(format!("the alert says {position}, and the route does not take that side: the target is flat"));
            Ok(0)
        }
        Some(side) => match route.size {
            // What an amount buys changes with the price; what it bought is kept.
            Some(Size::Rupees(_)) if Side::of_net(facts.held) == Some(side) => Ok(facts.held),
            Some(size) => size::fixed(size, instrument, facts.price).map(|units| side.sign() * units),
            None => size::from_alert(position, route.qty_unit, instrument),
        },
    };
    let mut target = match target {
        Ok(target) => target,
        Err(words) => {
            leg.unreadable.push(words);
            return;
        }
    };
    let is_same_side = target.signum() == facts.held.signum();
    let opens = target != 0 && (!is_same_side || target.abs() > facts.held.abs());
    if opens && let Some(reason) = may_not_enter(route, facts) {
        if is_same_side || facts.held == 0 {
            leg.blocked = Some(Blocked { tag: Tag::RiskLimitsExceeded, reason });
        } else {
            notes.push(format!("{reason}: what is held on the other side is closed, and nothing is opened"));
            target = 0;
        }
    }
    leg.target_position = Some(target.to_string());
    if target != 0 {
        protect(leg, route);
    }
}

fn protect(leg: &mut LegDraft, route: &Route) {
    leg.stop_loss.clone_from(&route.stop_loss);
    leg.target.clone_from(&route.target);
    leg.stop_at = route.stop_at.map(|word| word.to_string());
    if let Some((kind, value)) = route.trailing.as_deref().and_then(trailing) {
        (leg.trailing_type, leg.trailing_value) = (Some(kind.to_string()), Some(value));
    }
}

/// Why the route takes no entry now.
fn may_not_enter(route: &Route, facts: &Facts<'_>) -> Option<String> {
    if let Some(words) = facts.stopped {
        return Some(clean(words, 300));
    }
    let now = facts.now.with_timezone(&ist()).time();
    let is_open = route.entries_from.is_none_or(|from| now >= from) && route.entries_until.is_none_or(|until| now < until);
    (!is_open).then(|| {
        let time =
            |time: Option<chrono::NaiveTime>, open: &str| time.map_or_else(|| open.to_owned(), |time| time.format("%H:%M").to_string());
        format!(
            "route {} takes entries from {} to {} (India), and it is {}",
            route.name,
            time(route.entries_from, "the open"),
            time(route.entries_until, "the close"),
            now.format("%H:%M:%S")
        )
    })
}

/// The product that the leg names, if it can be read: where what is held is looked up.
#[must_use]
pub fn product(leg: &LegDraft) -> Option<Product> {
    Product::parse(leg.product.as_deref()?.trim())
}

#[cfg(test)]
#[path = "plan_tests.rs"]
pub(crate) mod tests;
