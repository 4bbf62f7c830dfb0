//! The broker's own checks, after the number was given (Noren protocol reference, sections 3.6 and 11.1): product time,
//! lot, tick, freeze, circuit, margin. The texts are the broker's.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use ordergate_actors::order::{BookState, HoldingKey, Instrument, InstrumentKey, OrderType, Price, Product, Side, ist};
use ordergate_actors::ports::Instruments as _;
use rust_decimal::Decimal;

use super::desk::Desk;
use super::order::{Asked, Order};
use super::wire::fixed;
use crate::simulator::exchange::Reject;
use crate::simulator::margin::blocked;
use crate::simulator::market::Market as _;

/// Why the change of an order is refused; nothing is changed. The rules are those of a new order, but for the hour: what works goes on
/// working.
pub(super) fn check_change(desk: &Desk, order: &Order, asked: &Asked, now: DateTime<Utc>) -> Result<(), String> {
    let mut changed = order.clone();
    if let Some(last) = changed.reports.last_mut() {
        last.asked = asked.clone();
    }
    rules(desk, &changed, now)
}

/// Why the order is refused; nothing is changed.
pub(super) fn check(desk: &Desk, order: &Order, now: DateTime<Utc>) -> Result<(), String> {
    let is_late = desk.settings.square_off.is_some_and(|from| now.with_timezone(&ist()).time() >= from);
    if order.product == Product::Mis && is_late && order.source != "RMS" {
        return Err("RED:'MIS' Orders are disallowed after system square off".to_owned());
    }
    rules(desk, order, now)
}

fn rules(desk: &Desk, order: &Order, now: DateTime<Utc>) -> Result<(), String> {
    let client = format!("for C-{} [SIM]", desk.settings.user.uid);
    let Some(asked) = order.last().map(|last| &last.asked) else { return Err("ORA:order has no data".to_owned()) };
    let Some(instrument) = desk.listing.find(&order.key) else { return Err("16012: Security is not found".to_owned()) };
    if !instrument.is_tradable() {
        return Err("TRANSACTION NOT ALLOWED IN CURRENT INSTRUMENT STATE".to_owned());
    }
    if !instrument.takes(order.product) {
        return Err(format!("ORA:Product {} not enabled for Account {} on {}", order.product, desk.settings.user.uid, order.key));
    }
    if asked.quantity % instrument.lot.value() != 0 {
        return Err(format!("Quantity {} is not a multiple of lot size {}.00", asked.quantity, instrument.lot));
    }
    for (value, is_used) in [(asked.price, asked.price_type.has_price()), (asked.trigger, asked.price_type.has_trigger())] {
        let price = Price::new(value).filter(|_| is_used);
        if price.is_some_and(|price| !price.is_on_tick(instrument.tick)) {
            return Err(tick_text(&instrument.tick.to_string()));
        }
    }
    if let Some(freeze) = instrument.freeze.filter(|freeze| asked.quantity > freeze.value()) {
        return Err(freeze_text(asked.quantity, freeze.value(), &client));
    }
    if let Some((low, high)) = instrument.band
        && asked.price_type.has_price()
        && (asked.price < low.value() || asked.price > high.value())
    {
        return Err(circuit_text(asked.price, low, high, &order.key, &client));
    }
    holdings(desk, order, asked.quantity, &client)?;
    funds(desk, order, &instrument, now, &client)
}

fn holdings(desk: &Desk, order: &Order, quantity: i64, client: &str) -> Result<(), String> {
    if order.product != Product::Cnc || order.side != Side::Sell {
        return Ok(());
    }
    let eligible = net(desk, &order.key, Product::Cnc).max(0);
    if quantity > eligible {
        return Err(format!("RED:RULE:{{Check Holdings Including BTST}}Eligible Sell:{eligible} {client}"));
    }
    Ok(())
}

fn funds(desk: &Desk, order: &Order, instrument: &Instrument, now: DateTime<Utc>, client: &str) -> Result<(), String> {
    let needed = needed(desk, order, instrument, now);
    let available = desk.settings.cash.saturating_sub(used(desk, now, Some(&order.number)));
    if needed > available && needed > Decimal::ZERO {
        return Err(format!("RED:Margin Shortfall:INR {} Available:INR {} {client}", fixed(needed - available, 2), fixed(available, 2)));
    }
    Ok(())
}

/// Rupees that an order blocks: what closes a position blocks nothing.
pub(super) fn needed(desk: &Desk, order: &Order, instrument: &Instrument, now: DateTime<Utc>) -> Decimal {
    needed_beside(desk, order, instrument, net(desk, &order.key, order.product), now)
}

/// The same, beside so many units that are held.
fn needed_beside(desk: &Desk, order: &Order, instrument: &Instrument, held: i64, now: DateTime<Utc>) -> Decimal {
    let Some(last) = order.last() else { return Decimal::ZERO };
    let closing = (-order.side.sign() * held).max(0);
    let opening = (last.asked.quantity - last.filled - closing).max(0);
    let price = match last.asked.price_type {
        OrderType::Limit | OrderType::StopLimit => last.asked.price,
        OrderType::StopMarket => last.asked.trigger,
        OrderType::Market => desk.market.depth(instrument, now).map_or(Decimal::ZERO, |depth| depth.last.value()),
    };
    blocked(instrument, order.product, order.side, opening, price)
}

/// Rupees that positions and open orders block, one order left out.
pub(super) fn used(desk: &Desk, now: DateTime<Utc>, without: Option<&str>) -> Decimal {
    let positions = desk.exchange.position_details().filter(|(_, position)| position.holding.net != 0).filter_map(|(key, position)| {
        let instrument = desk.listing.find(&key.instrument)?;
        let side = if position.holding.net > 0 { Side::Buy } else { Side::Sell };
        Some(blocked(&instrument, key.product, side, position.holding.net.abs(), position.holding.average()?))
    });
    // Orders of one instrument come in rows: it is looked up once for each row.
    let mut row: Option<(&InstrumentKey, Product, Option<Arc<Instrument>>, i64)> = None;
    let orders = desk
        .orders
        .values()
        .filter(|order| !order.standing.is_over() && !order.oddities.dropped && Some(order.number.as_str()) != without)
        .filter_map(|order| {
            if row.as_ref().is_none_or(|(key, product, ..)| *key != &order.key || *product != order.product) {
                row = Some((&order.key, order.product, desk.listing.find(&order.key), net(desk, &order.key, order.product)));
            }
            let (_, _, instrument, held) = row.as_ref()?;
            Some(needed_beside(desk, order, instrument.as_deref()?, *held, now))
        });
    positions.chain(orders).fold(Decimal::ZERO, Decimal::saturating_add)
}

fn net(desk: &Desk, key: &InstrumentKey, product: Product) -> i64 {
    desk.exchange.position(&HoldingKey { instrument: key.clone(), product }).map_or(0, |position| position.holding.net)
}

fn freeze_text(quantity: i64, freeze: i64, client: &str) -> String {
    format!("RED:RULE:{{Check Freeze qty including square off order}}Current:{quantity} Set:{} {client}", freeze + 1)
}

fn circuit_text(price: Decimal, low: Price, high: Price, key: &InstrumentKey, client: &str) -> String {
    format!(
        "RED:RULE:{{Check circuit limit including square off order}}Current:INR {} LowerCircuit:INR {} UpperCircuit:INR {}:{}.{} {client}",
        fixed(price, 2),
        fixed(low.value(), 2),
        fixed(high.value(), 2),
        key.exchange,
        key.symbol
    )
}

fn tick_text(tick: &str) -> String {
    format!("16419: price is no multiple of the tick {tick} : invalid data in the order packet.")
}

/// A refusal of the exchange in the broker's words.
pub(super) fn exchange_text(reject: &Reject, uid: &str, key: &InstrumentKey) -> String {
    let client = format!("for C-{uid} [SIM]");
    match reject {
        Reject::Lot { quantity, lot } => format!("Quantity {quantity} is not a multiple of lot size {lot}.00"),
        Reject::Freeze { quantity, freeze } => freeze_text(*quantity, *freeze, &client),
        Reject::Band { price, low, high, .. } => circuit_text(price.value(), *low, *high, key, &client),
        Reject::Tick { tick, .. } => tick_text(&tick.to_string()),
        Reject::TriggerMissing(_) => "ORA:Trigger price invalid - 0.00".to_owned(),
        other => format!("16387 {other}"),
    }
}

/// Why a change or cancel of an order failed.
pub(super) fn change_text(reject: &Reject, what: &str, uid: &str, key: &InstrumentKey) -> String {
    match reject {
        Reject::NotOpen { state: BookState::Open, .. } => "16387 order is being changed".to_owned(),
        Reject::NotOpen { .. } | Reject::UnknownOrder(_) => format!("SAF:order is not open to {what}"),
        other => exchange_text(other, uid, key),
    }
}

/// `rejby`, from the text's beginning.
pub(super) fn rejected_by(reason: &str) -> String {
    match reason.split_once(':') {
        Some((by, _)) if by.len() == 3 && by.bytes().all(|byte| byte.is_ascii_uppercase()) => by.to_owned(),
        _ => "EXCHANGE".to_owned(),
    }
}
