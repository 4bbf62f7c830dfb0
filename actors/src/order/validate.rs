//! From text to an order: every field is checked against the instrument of today, and nothing that defines an order
//! is ever assumed. All violations of a leg are named at once.

use std::fmt;
use std::sync::Arc;

use super::draft::{LegDraft, clean};
use super::instrument::{Instrument, InstrumentKey};
use super::money::{Amount, Price, Quantity, worked_out};
use super::record::Ask;
use super::tag::Tag;
use super::words::{Exchange, Intent, OrderType, Policy, Validity};

/// One thing wrong with one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The field, as the sender spells it.
    pub field: &'static str,
    /// What is wrong and what to send instead.
    pub message: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

/// The result of reading a leg: what could be read, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// What could be read; whole if there are no violations.
    pub ask: Ask,
    /// What is wrong; empty for an order that may go on.
    pub violations: Vec<Violation>,
}

/// Bounds that no order passes, whatever the risk limits say.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// The most rupees that one priced order may be worth.
    pub max_notional: Amount,
}

/// The instrument that the leg names, if its exchange can be read: what the caller looks up before [`read`].
#[must_use]
pub fn named_instrument(leg: &LegDraft) -> Option<InstrumentKey> {
    let exchange = Exchange::parse(leg.exchange.as_deref()?.trim())?;
    let symbol = leg.symbol.as_deref()?.trim();
    (!symbol.is_empty() && symbol.len() <= 64).then(|| InstrumentKey::new(exchange, symbol))
}

/// The policy that the leg's signal asks for, if it can be read.
#[must_use]
pub fn policy(leg: &LegDraft) -> Option<Policy> {
    Policy::parse(leg.policy.as_deref()?.trim())
}

/// Reads one leg against the instrument found for it (`None`: the symbol is not in today's master).
#[must_use]
pub fn read(leg: &LegDraft, instrument: Option<&Instrument>, bounds: &Bounds) -> Reading {
    read_named(leg, instrument, None, bounds)
}

/// As [`read`]; `refused` says why the symbol is no instrument, where more is known about that than its absence.
#[must_use]
pub fn read_named(leg: &LegDraft, instrument: Option<&Instrument>, refused: Option<&(Tag, String)>, bounds: &Bounds) -> Reading {
    let mut reader = Reader { violations: Vec::new() };
    for message in &leg.unreadable {
        reader.wrong("signal", clean(message, 200));
    }
    let mut ask = reader.fields(leg);
    ask.seen_price = reference_price(leg, &ask);
    if let Some(found) = instrument.filter(|found| found.key.symbol == ask.symbol) {
        // One text for all orders in it: the book keeps it for as long as something is held.
        ask.symbol = Arc::clone(&found.key.symbol);
    }
    reader.required(leg, &ask);
    reader.waiting(&ask);
    reader.target(leg, &ask);
    // What it is for is the whole signal's business; here it is only a word.
    let _known = reader.word("policy", leg.policy.as_ref(), Policy::parse, Policy::choices);
    match refused {
        Some((_, why)) => reader.wrong("tradingsymbol", why.as_str()),
        None => reader.against_instrument(&ask, instrument),
    }
    reader.prices(&ask, ask.seen_price);
    reader.protection(leg, &ask);
    let most = ask.quantity.or_else(|| Quantity::new(ask.target_position?.abs()));
    if let (Some(price), Some(quantity)) = (ask.price, most) {
        // Of what no master has it is not asked: it is refused for that.
        let point = ask.exchange.and_then(Exchange::rupees_per_point).or(instrument.map(|found| found.rupees_per_point));
        if let Some(point) = point.filter(|point| price.times(quantity.value()).rupees(*point) > bounds.max_notional) {
            let notional = worked_out(quantity.value(), price, point);
            reader.wrong("quantity", format!("{notional} is above the bound of {} (validation.max_notional)", bounds.max_notional));
        }
    }
    Reading { ask, violations: reader.violations }
}

/// The price that stop and target are measured against: the limit, the trigger, or what the sender saw.
fn reference_price(leg: &LegDraft, ask: &Ask) -> Option<Price> {
    ask.price
        .or(if ask.order_type == Some(OrderType::StopMarket) { ask.trigger_price } else { None })
        .or_else(|| leg.price.as_deref().and_then(|text| Price::parse(text.trim()).ok()))
}

/// What is wrong with a leg, as it is read.
pub(super) struct Reader {
    violations: Vec<Violation>,
}

impl Reader {
    pub(super) fn wrong(&mut self, field: &'static str, message: impl Into<String>) {
        self.violations.push(Violation { field, message: message.into() });
    }

    /// A TARGET says where to, and not by which order; what only it has means nothing for the others.
    fn target(&mut self, leg: &LegDraft, ask: &Ask) {
        let given = |value: &Option<String>| value.as_deref().is_some_and(|text| !text.trim().is_empty());
        if ask.intent != Some(Intent::Target) {
            if ask.intent.is_some() && given(&leg.target_position) {
                self.wrong("target_position", "only a TARGET has one; send execution_type TARGET, or leave it out");
            }
            return;
        }
        for (field, value) in [("direction", &leg.side), ("qty", &leg.quantity)] {
            if given(value) {
                self.wrong(field, "a TARGET has none: target_position says where to, and the line works out the order; leave it out");
            }
        }
        if let Some(order_type) = ask.order_type.filter(|kind| kind.has_trigger()) {
            self.wrong(
                "order_type",
                format!("a TARGET is MARKET or LIMIT, not {order_type}: which side its trigger is on is not known yet"),
            );
        }
    }

    /// Nothing that defines an order is assumed. An exit may leave out what its position settles.
    fn required(&mut self, leg: &LegDraft, ask: &Ask) {
        let sent = |value: &Option<String>| value.as_deref().is_some_and(|text| !text.trim().is_empty());
        let is_target = ask.intent == Some(Intent::Target);
        let is_exit = ask.is_exit();
        let mut missing = |field: &'static str, value: &Option<String>| {
            if !sent(value) {
                self.violations.push(Violation { field, message: "missing; nothing is assumed for it".into() });
            }
        };
        missing("execution_type", &leg.execution_type);
        missing("exchange", &leg.exchange);
        missing("tradingsymbol", &leg.symbol);
        missing("order_type", &leg.order_type);
        if is_target {
            missing("target_position", &leg.target_position);
        } else if !is_exit {
            missing("direction", &leg.side);
            missing("qty", &leg.quantity);
        }
        if !is_exit {
            missing("product_type", &leg.product);
        }
        if ask.order_type.is_some_and(OrderType::has_price) {
            missing("price", &leg.price);
        }
        if ask.order_type.is_some_and(OrderType::has_trigger) {
            missing("trigger_price", &leg.trigger_price);
        }
        // It would go out at once although the sender thought of a trigger, and be valued at a price that it never pays.
        if let (Some(order_type), Some(trigger)) = (ask.order_type.filter(|kind| !kind.has_trigger()), ask.trigger_price) {
            self.wrong("trigger_price", format!("{trigger} means nothing for a {order_type} order; send SL or SLM, or leave it out"));
        }
    }

    /// A stop waits for its trigger, and what an IOC order does not get at once is cancelled: exchanges refuse the two together,
    /// or end the order as it arrives. Its sender believes in a stop that is not there.
    fn waiting(&mut self, ask: &Ask) {
        if let Some(order_type) = ask.order_type.filter(|kind| kind.has_trigger() && ask.validity == Validity::Ioc) {
            self.wrong(
                "validity",
                format!("IOC means nothing for a {order_type} order: it waits for its trigger, and an IOC order cannot wait; send DAY, or leave it out"),
            );
        }
    }
}

#[cfg(test)]
#[path = "validate_tests.rs"]
mod tests;
