//! From text to an order: every field is checked against the instrument of today, and nothing that defines an order
//! is ever assumed. All violations of a leg are named at once.

use std::fmt;
use std::sync::Arc;

use rust_decimal::Decimal;

use super::draft::{LegDraft, clean, signed_units};
use super::exit_at::{ExitAt, ExitExtras, ExitTimes};
use super::ids::Strategy;
use super::instrument::{Instrument, InstrumentKey};
use super::money::{Amount, BadNumber, Price, Quantity, decimal};
use super::record::{Ask, Trailing};
use super::tag::Tag;
use super::words::{Exchange, Intent, OrderType, Policy, Product, Side, StopAt, TestMode, TrailingType, Validity};

/// The longest time after which what has not filled is cancelled, seconds: a day ends within it.
const CANCEL_AFTER_MOST_S: u32 = 86_400;

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
        let notional = price.times(quantity.value());
        if notional > bounds.max_notional {
            reader.wrong(
                "quantity",
                format!("{quantity} x {price} = {notional} rupees is above the bound of {} (validation.max_notional)", bounds.max_notional),
            );
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

fn price_of(at: Option<ExitAt>) -> Option<Price> {
    at.and_then(ExitAt::price)
}

struct Reader {
    violations: Vec<Violation>,
}

impl Reader {
    fn wrong(&mut self, field: &'static str, message: impl Into<String>) {
        self.violations.push(Violation { field, message: message.into() });
    }

    fn text<'a>(&mut self, field: &'static str, value: Option<&'a String>) -> Option<&'a str> {
        let text = value?.trim();
        if text.is_empty() {
            return None;
        }
        if text.contains("{{") || text.contains("}}") {
            self.wrong(field, format!("unresolved placeholder {:?}: the alert was not filled in", clean(text, 60)));
            return None;
        }
        Some(text)
    }

    fn word<T>(&mut self, field: &'static str, value: Option<&String>, parse: fn(&str) -> Option<T>, choices: fn() -> String) -> Option<T> {
        let text = self.text(field, value)?;
        let word = parse(text);
        if word.is_none() {
            self.wrong(field, format!("{:?} is not one of {}", clean(text, 40), choices()));
        }
        word
    }

    fn price(&mut self, field: &'static str, value: Option<&String>) -> Option<Price> {
        let text = self.text(field, value)?;
        Price::parse(text).map_err(|error| self.wrong(field, format!("{:?} must be {}", clean(text, 40), error.rule))).ok()
    }

    /// Zero is what many alert templates send for "no price"; taken so only where the order type has none.
    fn price_or_zero(&mut self, field: &'static str, value: Option<&String>, wanted: bool) -> Option<Price> {
        let is_zero = value.and_then(|text| decimal(field, text.trim()).ok()).is_some_and(|number| number.is_zero());
        if is_zero && !wanted { None } else { self.price(field, value) }
    }

    fn fields(&mut self, leg: &LegDraft) -> Ask {
        let order_type = self.word("order_type", leg.order_type.as_ref(), OrderType::parse, OrderType::choices);
        let price = self.price_or_zero("price", leg.price.as_ref(), order_type.is_some_and(OrderType::has_price));
        let trigger = self.price_or_zero("trigger_price", leg.trigger_price.as_ref(), order_type.is_some_and(OrderType::has_trigger));
        Ask {
            strategy: self.strategy(leg),
            intent: self.word("execution_type", leg.execution_type.as_ref(), Intent::parse, Intent::choices),
            exchange: self.word("exchange", leg.exchange.as_ref(), Exchange::parse, Exchange::choices),
            symbol: self.symbol(leg),
            side: self.word("direction", leg.side.as_ref(), Side::parse, Side::choices),
            quantity: self.quantity(leg),
            product: self.word("product_type", leg.product.as_ref(), Product::parse, Product::choices),
            order_type,
            validity: self.word("validity", leg.validity.as_ref(), Validity::parse, Validity::choices).unwrap_or(Validity::Day),
            price: price.filter(|_| order_type.is_none_or(OrderType::has_price)),
            trigger_price: trigger,
            seen_price: None,
            stop_loss: self.exit_at("stop_loss", leg.stop_loss.as_ref()),
            target: self.exit_at("target", leg.target.as_ref()),
            trailing: self.trailing(leg),
            exits: self.exits(leg),
            test_mode: self.word("test_mode", leg.test_mode.as_ref(), TestMode::parse, TestMode::choices),
            route: leg.route.clone().map(Arc::new),
            target_position: self.target_position(leg),
            cancel_after_s: self.cancel_after(leg),
        }
    }

    fn exit_at(&mut self, field: &'static str, value: Option<&String>) -> Option<ExitAt> {
        let text = self.text(field, value)?;
        text.parse().map_err(|error: BadNumber| self.wrong(field, format!("{:?} must be {}", clean(text, 40), error.rule))).ok()
    }

    /// A distance from the fill: what a price would mean here nobody knows.
    fn distance(&mut self, field: &'static str, value: Option<&String>) -> Option<ExitAt> {
        let at = self.exit_at(field, value)?;
        if at.price().is_some() {
            self.wrong(field, format!("{at} must be a distance from the fill, 12 points or 1.5%"));
            return None;
        }
        Some(at)
    }

    fn exits(&mut self, leg: &LegDraft) -> ExitExtras {
        let times = self.text("exit_at", leg.exit_at.as_ref()).map(str::to_owned);
        let times = times.and_then(|text| {
            text.parse::<ExitTimes>().map_err(|error| self.wrong("exit_at", format!("{:?} must be {}", clean(&text, 60), error.rule))).ok()
        });
        ExitExtras {
            trailing_step: self.distance("trailing_step", leg.trailing_step.as_ref()),
            trailing_after: self.distance("trailing_after", leg.trailing_after.as_ref()),
            break_even: self.distance("break_even", leg.break_even.as_ref()),
            times: times.unwrap_or_default(),
            stop_at: self.word("stop_at", leg.stop_at.as_ref(), StopAt::parse, StopAt::choices),
        }
    }

    fn strategy(&mut self, leg: &LegDraft) -> Strategy {
        let text = self.text("strategy_name", leg.strategy.as_ref()).unwrap_or("default");
        Strategy::parse(text).unwrap_or_else(|error| {
            self.wrong("strategy_name", error.rule);
            let mut short: String = clean(text, 64);
            while short.len() > 64 {
                short.pop();
            }
            // Cleaned to at most 64 bytes without control characters, and not empty: the rule holds.
            Strategy::parse(&short).unwrap_or_else(|_| Strategy::unnamed())
        })
    }

    fn symbol(&mut self, leg: &LegDraft) -> Arc<str> {
        let Some(text) = self.text("tradingsymbol", leg.symbol.as_ref()) else { return Arc::from("") };
        if text.len() > 64 || text.chars().any(super::draft::is_unsafe) {
            self.wrong("tradingsymbol", "at most 64 bytes without control characters");
        }
        Arc::from(clean(text, 64))
    }

    fn quantity(&mut self, leg: &LegDraft) -> Option<Quantity> {
        let text = self.text("qty", leg.quantity.as_ref())?;
        Quantity::parse(text).map_err(|error| self.wrong("qty", format!("{:?} must be {}", clean(text, 40), error.rule))).ok()
    }

    fn target_position(&mut self, leg: &LegDraft) -> Option<i64> {
        let text = self.text("target_position", leg.target_position.as_ref())?;
        let units = signed_units(text);
        if units.is_none() {
            let most = Quantity::MAX;
            self.wrong(
                "target_position",
                format!("{:?} must be a whole number of units from -{most} to {most}; 0 is flat", clean(text, 40)),
            );
        }
        units
    }

    fn cancel_after(&mut self, leg: &LegDraft) -> Option<u32> {
        let text = self.text("cancel_after_s", leg.cancel_after_s.as_ref())?;
        let seconds = text.parse::<u32>().ok().filter(|seconds| (1..=CANCEL_AFTER_MOST_S).contains(seconds));
        if seconds.is_none() {
            self.wrong("cancel_after_s", format!("{:?} must be whole seconds from 1 to {CANCEL_AFTER_MOST_S}", clean(text, 40)));
        }
        seconds
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

    fn trailing(&mut self, leg: &LegDraft) -> Option<Trailing> {
        if leg.trailing_type.as_deref().is_some_and(|text| text.trim().eq_ignore_ascii_case("NONE")) {
            return None;
        }
        let kind = self.word("trailing_type", leg.trailing_type.as_ref(), TrailingType::parse, TrailingType::choices);
        let text = self.text("trailing_value", leg.trailing_value.as_ref());
        let (Some(kind), Some(text)) = (kind, text) else {
            if kind.is_some() || text.is_some() {
                self.wrong("trailing_value", "trailing_type and trailing_value go together");
            }
            return None;
        };
        match decimal("trailing_value", text) {
            Ok(value) if value > Decimal::ZERO && (kind != TrailingType::Percent || value < Decimal::ONE_HUNDRED) => {
                Some(Trailing { kind, value })
            }
            _ => {
                self.wrong("trailing_value", format!("{:?} must be greater than 0 (and less than 100 for PERCENT)", clean(text, 40)));
                None
            }
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

    fn against_instrument(&mut self, ask: &Ask, instrument: Option<&Instrument>) {
        let Some(instrument) = instrument else {
            // What is held must be closed, whatever today's master says: an exit is measured against its position instead.
            if ask.exchange.is_some() && !ask.symbol.is_empty() && !ask.is_exit() {
                self.wrong(
                    "tradingsymbol",
                    format!("{} is not in today's instrument master of {}", ask.symbol, ask.exchange.map_or("", Exchange::as_str)),
                );
            }
            return;
        };
        if !instrument.is_tradable() {
            self.wrong("tradingsymbol", format!("{} is an index: it is quoted, not traded", instrument.key));
        }
        if let Some(product) = ask.product.filter(|product| !instrument.takes(*product)) {
            self.wrong("product_type", format!("{product} is not possible in {}", instrument.key));
        }
        if let Some(quantity) = ask.quantity {
            self.lot_and_freeze(quantity, instrument);
        }
        let target = ask.target_position.and_then(|units| Quantity::new(units.abs()));
        if let Some(units) = target.filter(|units| !units.is_whole_lots(instrument.lot)) {
            self.wrong("target_position", format!("{units} is no multiple of the lot {} of {}", instrument.lot, instrument.key));
        }
        for (field, price) in [
            ("price", ask.price),
            ("trigger_price", ask.trigger_price),
            ("stop_loss", price_of(ask.stop_loss)),
            ("target", price_of(ask.target)),
        ] {
            if let Some(price) = price.filter(|price| !price.is_on_tick(instrument.tick)) {
                self.wrong(field, format!("{price} is no multiple of the tick {} of {}", instrument.tick, instrument.key));
            }
        }
    }

    fn lot_and_freeze(&mut self, quantity: Quantity, instrument: &Instrument) {
        let lot = instrument.lot.value();
        if !quantity.is_whole_lots(instrument.lot) {
            let below = quantity.value() - quantity.value().checked_rem(lot).unwrap_or(0);
            let neighbours = if below > 0 { format!("{below} or {}", below + lot) } else { format!("{lot}") };
            self.wrong("qty", format!("{quantity} is no multiple of the lot {lot} of {}; {neighbours}", instrument.key));
        }
        if let Some(max) = instrument.max_quantity().filter(|max| quantity.value() > *max) {
            self.wrong("qty", format!("{quantity} is above the freeze quantity of {}; at most {max} in one order", instrument.key));
        }
    }

    /// A stop order's limit must be reachable from its trigger; stop and target stand on their own sides of the price.
    fn prices(&mut self, ask: &Ask, reference: Option<Price>) {
        let Some(side) = ask.leaning() else { return };
        if let (Some(OrderType::StopLimit), Some(price), Some(trigger)) = (ask.order_type, ask.price, ask.trigger_price) {
            let reachable = match side {
                Side::Buy => trigger <= price,
                Side::Sell => trigger >= price,
            };
            if !reachable {
                self.wrong("trigger_price", format!("{trigger} is on the wrong side of the limit {price} for a {side}"));
            }
        }
        let below = |lower: Price, upper: Price| match side {
            Side::Buy => lower < upper,
            Side::Sell => lower > upper,
        };
        // A distance becomes a price at the fill; against what the sender saw it must leave a price at all.
        for (field, at) in [("stop_loss", ask.stop_loss), ("target", ask.target)] {
            let Some((at, reference)) = at.filter(|at| at.price().is_none()).zip(reference) else { continue };
            let price = if field == "stop_loss" { at.below(reference.value(), side) } else { at.above(reference.value(), side) };
            if price.is_none_or(|price| price <= Decimal::ZERO || price > Price::MAX) {
                self.wrong(field, format!("{at} from {reference} is no price for a {side}"));
            }
        }
        let (stop_loss, target) = (price_of(ask.stop_loss), price_of(ask.target));
        if let Some((stop, reference)) = stop_loss.zip(reference).filter(|(stop, reference)| !below(*stop, *reference)) {
            self.wrong("stop_loss", format!("{stop} is on the wrong side of {reference} for a {side}"));
        }
        if let Some((target, reference)) = target.zip(reference).filter(|(target, reference)| !below(*reference, *target)) {
            self.wrong("target", format!("{target} is on the wrong side of {reference} for a {side}"));
        }
        if let Some((stop, target)) = stop_loss.zip(target).filter(|(stop, target)| !below(*stop, *target)) {
            self.wrong("target", format!("{target} and stop_loss {stop} are on the wrong sides of each other for a {side}"));
        }
    }

    fn protection(&mut self, leg: &LegDraft, ask: &Ask) {
        let given = |value: &Option<String>| value.as_deref().is_some_and(|text| !text.trim().is_empty());
        if given(&leg.target) && !given(&leg.stop_loss) {
            self.wrong("target", "a target needs a stop_loss");
        }
        if ask.trailing.is_some() && !given(&leg.stop_loss) {
            self.wrong("trailing_type", "a trailing stop needs a stop_loss");
        }
        if ask.is_exit() && given(&leg.cancel_after_s) {
            self.wrong("cancel_after_s", "an EXIT is not cancelled for its age: its position is open");
        }
        if (ask.exits.trailing_step.is_some() || ask.exits.trailing_after.is_some()) && ask.trailing.is_none() {
            self.wrong("trailing_type", "trailing_step and trailing_after need a trailing stop");
        }
        if given(&leg.break_even) && !given(&leg.stop_loss) {
            self.wrong("break_even", "a move to break-even needs a stop_loss");
        }
        if ask.exits.stop_at.is_some() && !given(&leg.stop_loss) {
            self.wrong("stop_at", "says where a stop lives, and there is no stop_loss");
        }
        if let (Some(Trailing { kind: TrailingType::Points, value }), Some(ExitAt::Points(step))) = (ask.trailing, ask.exits.trailing_step)
            && value > step
        {
            self.wrong("trailing_step", format!("the stop would move {value} for every {step} of the price and overtake it"));
        }
        let times = !ask.exits.times.is_empty();
        if ask.is_exit() && (given(&leg.stop_loss) || given(&leg.target) || ask.trailing.is_some() || given(&leg.break_even) || times) {
            self.wrong("stop_loss", "an EXIT opens nothing that a stop or target could protect");
        }
    }
}

#[cfg(test)]
#[path = "validate_tests.rs"]
mod tests;
