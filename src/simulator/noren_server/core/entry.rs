//! Orders as they come over the wire: what is checked before a number is given (Noren protocol reference, sections 3.1,
//! 3.3, 3.4 and 11.1).

use chrono::{DateTime, Utc};
use ordergate_actors::order::{InstrumentKey, OrderType, Product, Side, Validity};
use ordergate_actors::ports::Instruments as _;
use rust_decimal::Decimal;
use std::str::FromStr as _;

use super::books::exchange;
use super::desk::{Bend, Desk, Placing};
use super::order::{Asked, Oddities, Order};
use super::request::{Request, percent_decoded};
use super::wire::{EMPTY_NUMBER, INVALID_INPUT};

/// Market orders over the API, since April 2026.
const NO_MARKET: &str = "Rejected : ALGO_CHK: MKT Order type not allowed for API order";
/// A caller that is not the registered one.
pub(super) const WRONG_IP: &str = "Rejected : ALGO_CHK: Invalid IP";

/// Reads a `PlaceOrder`; the error is the broker's text.
pub(super) fn placing(request: &Request, desk: &Desk) -> Result<Placing, String> {
    request.require(&["uid", "actid", "exch", "tsym", "qty", "prd", "trantype", "prctyp", "ret"])?;
    let key = instrument(request, desk)?;
    let side = match request.or_empty("trantype").as_str() {
        "B" => Side::Buy,
        "S" => Side::Sell,
        _ => return Err(INVALID_INPUT.to_owned()),
    };
    let product = product(&request.or_empty("prd")).ok_or(INVALID_INPUT)?;
    if request.text("amo").is_some_and(|amo| amo != "Yes") {
        return Err("Invalid Input : Invalid AMO".to_owned());
    }
    let asked = asked(request, desk.settings.refuse_market_orders)?;
    let tag = request.text("remarks").filter(|tag| !tag.is_empty());
    let remarks = match (&tag, desk.settings.remarks_length) {
        (Some(tag), Some(length)) => Some(tag.chars().take(length).collect()),
        _ => tag.clone(),
    };
    let source = request.text("ordersource").unwrap_or_else(|| "API".to_owned());
    Ok(Placing { key, side, product, asked, tag, remarks, source, oddities: Oddities::default(), held_ms: 0 })
}

/// The instrument that the request names: its symbol as it is, or percent-decoded.
pub(super) fn instrument(request: &Request, desk: &Desk) -> Result<InstrumentKey, String> {
    let exchange = exchange(&request.or_empty("exch")).ok_or("Invalid Input : Invalid Exchange")?;
    let symbol = request.or_empty("tsym");
    let names = [Some(symbol.clone()), percent_decoded(&symbol)];
    let known = names.into_iter().flatten().map(|name| InstrumentKey::new(exchange, &name)).find(|key| desk.listing.find(key).is_some());
    known.ok_or_else(|| "Invalid Input : Invalid Trading Symbol".to_owned())
}

pub(super) fn product(code: &str) -> Option<Product> {
    match code {
        "C" => Some(Product::Cnc),
        "M" => Some(Product::Nrml),
        "I" => Some(Product::Mis),
        _ => None,
    }
}

/// Quantity, prices and validity.
pub(super) fn asked(request: &Request, refuse_market: bool) -> Result<Asked, String> {
    let price_type = match request.or_empty("prctyp").as_str() {
        "LMT" => OrderType::Limit,
        "MKT" => OrderType::Market,
        "SL-LMT" => OrderType::StopLimit,
        "SL-MKT" => OrderType::StopMarket,
        _ => return Err(INVALID_INPUT.to_owned()),
    };
    let validity = match (request.or_empty("ret").as_str(), request.or_empty("exch").as_str()) {
        ("DAY", _) | ("EOS", "BSE") => Validity::Day,
        ("IOC", _) => Validity::Ioc,
        _ => return Err(INVALID_INPUT.to_owned()),
    };
    let quantity = number(request, "qty")?.ok_or(INVALID_INPUT)?;
    let quantity =
        i64::try_from(quantity.normalize()).ok().filter(|units| *units > 0 && quantity.fract().is_zero()).ok_or(INVALID_INPUT)?;
    let price = number(request, "prc")?.unwrap_or_default();
    let trigger = number(request, "trgprc")?.unwrap_or_default();
    let disclosed = number(request, "dscqty")?.and_then(|units| i64::try_from(units).ok()).unwrap_or(0);
    if refuse_market && !price_type.has_price() {
        return Err(NO_MARKET.to_owned());
    }
    let lacks_price = price_type.has_price() && price <= Decimal::ZERO;
    if lacks_price || price < Decimal::ZERO || trigger < Decimal::ZERO || (price_type.has_trigger() && trigger.is_zero()) {
        return Err(INVALID_INPUT.to_owned());
    }
    Ok(Asked { quantity, price_type, price, trigger, disclosed, validity })
}

/// A number in text; an empty text is the one thing the broker stumbles over.
fn number(request: &Request, name: &str) -> Result<Option<Decimal>, String> {
    match request.text(name) {
        None => Ok(None),
        Some(text) if text.is_empty() => Err(EMPTY_NUMBER.to_owned()),
        Some(text) => Decimal::from_str(text.trim()).map(Some).map_err(|_| INVALID_INPUT.to_owned()),
    }
}

/// `ModifyOrder`: the number of the order; the error is the broker's text.
pub(super) fn modify(request: &Request, desk: &mut Desk, bend: Bend, now: DateTime<Utc>) -> Result<String, String> {
    request.require(&["uid", "norenordno", "exch", "tsym", "qty", "prctyp", "ret"])?;
    let number = request.or_empty("norenordno");
    let key = instrument(request, desk)?;
    let order = open(desk, &number, "Rejected : ORA:Order not found", "Rejected : SAF:order is not open to modify")?;
    if order.key != key {
        return Err("Rejected : ORA:Order not found".to_owned());
    }
    let last = order.last().map(|last| last.asked.clone());
    let asked = asked(request, desk.settings.refuse_market_orders)?;
    // A trigger of zero is only harmless where none is sent.
    let has_empty_trigger = !asked.price_type.has_trigger() && request.text("trgprc").is_some() && asked.trigger.is_zero();
    let bend = if has_empty_trigger && bend == Bend::Straight { Bend::BadTrigger } else { bend };
    let disclosed = if request.text("dscqty").is_some() { asked.disclosed } else { last.map_or(0, |last| last.disclosed) };
    desk.change(&number, Asked { disclosed, ..asked }, bend, now);
    Ok(number)
}

/// `CancelOrder`: the number of the order; the error is the broker's text.
pub(super) fn cancel(request: &Request, desk: &mut Desk, bend: Bend, now: DateTime<Utc>) -> Result<String, String> {
    request.require(&["uid", "norenordno"])?;
    let number = request.or_empty("norenordno");
    open(desk, &number, "Rejected : ORA:Order not found to Cancel", "Rejected : SAF:order is not open to cancel")?;
    desk.cancel(&number, bend, now);
    Ok(number)
}

fn open<'a>(desk: &'a Desk, number: &str, unknown: &str, over: &str) -> Result<&'a Order, String> {
    let order = desk.orders.get(number).filter(|order| !order.oddities.dropped).ok_or(unknown)?;
    if order.standing.is_over() { Err(over.to_owned()) } else { Ok(order) }
}
