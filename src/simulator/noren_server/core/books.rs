//! The rows of the books (Noren protocol reference, sections 4.2 to 4.6 and 4.9).

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use ordergate_actors::order::{Exchange, Holding, HoldingKey, Instrument, InstrumentKey, Points, Price, Product, Quantity, Side};
use ordergate_actors::ports::Instruments as _;
use rust_decimal::Decimal;
use serde_json::Value;

use super::Fault;
use super::desk::Desk;
use super::order::{Kind, Order, Report, product_alias, side_code};
use super::wire::{Fields, epoch, exchange_time, fixed, request_time};
use crate::simulator::market::Market as _;
use crate::simulator::noren_server::listing::{instrument_name, point_factors, precision};

/// How a book is asked for.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct View {
    /// As it was then.
    pub(super) as_of: Option<DateTime<Utc>>,
    /// With the other spellings of the states.
    pub(super) other_spelling: bool,
    pub(super) trades_twice: bool,
    pub(super) without_trade_ids: bool,
}

impl View {
    fn sees(self, at: DateTime<Utc>) -> bool {
        self.as_of.is_none_or(|as_of| at <= as_of)
    }
}

/// `OrderBook`: the newest number first.
pub(super) fn orders(desk: &Desk, now: DateTime<Utc>, view: View) -> Vec<Value> {
    let at = view.as_of.unwrap_or(now);
    desk.orders
        .values()
        .rev()
        .filter(|order| order.is_shown(at))
        .filter_map(|order| {
            let report = order.reports.iter().rev().find(|report| view.sees(report.at))?;
            Some(book_row(desk, order, report, view).value())
        })
        .collect()
}

fn book_row(desk: &Desk, order: &Order, report: &Report, view: View) -> Fields {
    let places = precision(order.key.exchange);
    let limit = fixed(report.asked.price, places);
    let trigger = report.asked.price_type.has_trigger().then(|| fixed(report.asked.trigger, places));
    let reported = match (report.average(), report.asked.price_type.has_price()) {
        (Some(average), false) => fixed(average, places),
        _ => limit.clone(),
    };
    event_row(desk, order, report, view)
        .with("kidid", "1")
        .with("ordenttm", epoch(report.at))
        .with("src_uid", &desk.settings.user.uid)
        .with("s_prdt_ali", product_alias(order.product))
        .with("ordersource", &order.source)
        .with("pan", &desk.settings.user.pan)
        .maybe("ipaddr", desk.settings.user.address)
        .with("rprc", reported)
        .maybe("rtrgprc", trigger)
        .with("rqty", report.asked.quantity)
        .with("rorgqty", order.reports.first().map_or(report.asked.quantity, |first| first.asked.quantity))
        .and(point_fields(desk.listing.find(&order.key).as_deref()))
        .with("st_intrn", report.status.text(false))
}

/// What a point of it is worth, as every row tells: a product of two numbers.
pub(super) fn point_fields(instrument: Option<&Instrument>) -> Fields {
    let (multiplier, price_factor) = instrument.map_or((Decimal::ONE, Decimal::ONE), point_factors);
    Fields::new().with("mult", multiplier.normalize()).with("prcftr", fixed(price_factor, 6))
}

/// `SingleOrdHist`: the newest report first. Nothing for a number that is not known.
pub(super) fn history(desk: &Desk, number: &str, now: DateTime<Utc>, view: View) -> Vec<Value> {
    let at = view.as_of.unwrap_or(now);
    let Some(order) = desk.orders.get(number).filter(|order| order.is_shown(at)) else { return Vec::new() };
    let reports = order.reports.iter().rev().filter(|report| view.sees(report.at));
    reports.map(|report| event_row(desk, order, report, view).with("rpt", report.kind.text()).value()).collect()
}

/// What order book and history have in common.
fn event_row(desk: &Desk, order: &Order, report: &Report, view: View) -> Fields {
    let uid = &desk.settings.user.uid;
    let places = precision(order.key.exchange);
    let instrument = desk.listing.find(&order.key);
    let asked = &report.asked;
    let fill = report.fill.as_ref();
    let disclosed = (report.kind != Kind::NewAck).then_some(asked.disclosed);
    Fields::new()
        .with("stat", "Ok")
        .with("norenordno", &order.number)
        .with("uid", uid)
        .with("actid", uid)
        .with("exch", order.key.exchange)
        .with("tsym", &order.key.symbol)
        .maybe("token", instrument.as_ref().map(|row| row.token))
        .maybe("ls", instrument.as_ref().map(|row| row.lot))
        .maybe("ti", instrument.as_ref().map(|row| fixed(row.tick.value(), places)))
        .maybe("instname", instrument.as_ref().map(|row| instrument_name(row)))
        .with("pp", places)
        .with("trantype", side_code(order.side))
        .with("qty", asked.quantity)
        .with("prctyp", asked.price_type_text())
        .with("ret", asked.validity)
        .with("prd", order.product_code())
        .with("prc", fixed(asked.price, places))
        .maybe("trgprc", asked.price_type.has_trigger().then(|| fixed(asked.trigger, places)))
        .maybe("dscqty", disclosed)
        .with("status", report.status.text(view.other_spelling))
        .maybe("fillshares", (report.filled > 0).then_some(report.filled))
        .maybe("avgprc", report.average().map(|average| fixed(average, places)))
        .maybe("flid", fill.filter(|_| !view.without_trade_ids).map(|fill| &fill.id))
        .maybe("flqty", fill.map(|fill| fill.quantity))
        .maybe("flprc", fill.map(|fill| fixed(fill.price, places)))
        .maybe("fltm", fill.map(|_| exchange_time(report.at)))
        .maybe("cancelqty", (report.cancelled > 0).then_some(report.cancelled))
        .maybe("rejreason", report.reason.as_ref())
        .maybe("rejby", report.rejected_by.as_ref())
        .with("norentm", request_time(report.at))
        .maybe("exch_tm", report.at_exchange.then(|| exchange_time(report.at)))
        .maybe("exchordid", order.exchange_number().filter(|_| report.at_exchange))
        .maybe("remarks", order.remarks.as_ref())
}

/// `TradeBook`: one row per fill, the newest first.
pub(super) fn trades(desk: &Desk, now: DateTime<Utc>, view: View) -> Vec<Value> {
    let at = view.as_of.unwrap_or(now);
    let shown = desk.orders.values().filter(|order| order.is_shown(at));
    let mut rows: Vec<(DateTime<Utc>, &Order, &Report)> = shown
        .flat_map(|order| order.reports.iter().map(move |report| (report.at, order, report)))
        .filter(|(at, _, report)| report.fill.is_some() && view.sees(*at))
        .collect();
    rows.sort_by_key(|(at, _, report)| std::cmp::Reverse((*at, report.fill.as_ref().map(|fill| fill.id.clone()))));
    let copies = if view.trades_twice { 2 } else { 1 };
    rows.into_iter().flat_map(|(_, order, report)| std::iter::repeat_n(trade_row(desk, order, report, view), copies)).collect()
}

fn trade_row(desk: &Desk, order: &Order, report: &Report, view: View) -> Value {
    let event = event_row(desk, order, report, view).map();
    let kept = [
        "stat",
        "norenordno",
        "uid",
        "actid",
        "exch",
        "tsym",
        "token",
        "ls",
        "ti",
        "pp",
        "trantype",
        "qty",
        "prctyp",
        "ret",
        "prd",
        "prc",
        "fillshares",
        "flid",
        "flqty",
        "flprc",
        "fltm",
        "norentm",
        "exch_tm",
        "exchordid",
        "remarks",
    ];
    let mut row = Fields::new()
        .with("s_prdt_ali", product_alias(order.product))
        .with("ordersource", &order.source)
        .with("cstFrm", "C")
        .and(point_fields(desk.listing.find(&order.key).as_deref()));
    for (name, value) in event.into_iter().filter(|(name, _)| kept.contains(&name.as_str())) {
        row = row.json(&name, value);
    }
    row.value()
}

/// A position made from what was carried and the fills that the view sees.
#[derive(Debug, Clone, Copy, Default)]
struct Made {
    carried: Holding,
    holding: Holding,
    bought: (i64, Points),
    sold: (i64, Points),
}

fn made(desk: &Desk, view: View) -> BTreeMap<HoldingKey, Made> {
    let mut made: BTreeMap<HoldingKey, Made> = BTreeMap::new();
    for (key, position) in desk.exchange.position_details() {
        // Shares of the days before are holdings, not positions.
        if position.carried.net != 0 && key.product != Product::Cnc {
            made.insert(key.clone(), Made { carried: position.carried, holding: position.carried, ..Made::default() });
        }
    }
    let mut fills: Vec<(DateTime<Utc>, &Order, &super::order::Fill)> = desk
        .orders
        .values()
        .flat_map(|order| order.reports.iter().filter_map(move |report| Some((report.at, order, report.fill.as_ref()?))))
        .filter(|(at, ..)| view.sees(*at))
        .collect();
    fills.sort_by(|a, b| (a.0, &a.2.id).cmp(&(b.0, &b.2.id)));
    for (_, order, fill) in fills {
        let (Some(quantity), Some(price)) = (Quantity::new(fill.quantity), Price::new(fill.price)) else { continue };
        let made = made.entry(HoldingKey { instrument: order.key.clone(), product: order.product }).or_default();
        made.holding = made.holding.after(order.side, quantity, price);
        let flow = if order.side == Side::Buy { &mut made.bought } else { &mut made.sold };
        *flow = (flow.0 + fill.quantity, flow.1.plus(price.times(fill.quantity)));
    }
    made
}

/// `PositionBook`: closed positions stay for the day.
pub(super) fn positions(desk: &Desk, now: DateTime<Utc>, view: View) -> Vec<Value> {
    made(desk, view)
        .iter()
        .filter_map(|(key, made)| Some(position_row(desk, key, made, &*desk.listing.find(&key.instrument)?, now)))
        .collect()
}

fn position_row(desk: &Desk, key: &HoldingKey, made: &Made, instrument: &Instrument, now: DateTime<Utc>) -> Value {
    let places = precision(key.instrument.exchange);
    let money = |value: Decimal| fixed(value, places);
    let each = |value: Points, quantity: i64| money(value.per_unit(quantity).unwrap_or_default());
    let last = desk.market.depth(instrument, now).map(|depth| depth.last);
    let average = made.holding.average().unwrap_or_default();
    let net = made.holding.net;
    let per_point = instrument.rupees_per_point;
    let unrealised = last.map_or(Decimal::ZERO, |last| Decimal::from(net).saturating_mul(last.value() - average).saturating_mul(per_point));
    let carried = made.carried;
    let (long, short) = if carried.net >= 0 { (carried.net, 0) } else { (0, -carried.net) };
    let carried_cost = |units: i64| if units == 0 { Points::ZERO } else { carried.cost };
    let (open_buy, open_sell) = (pending(desk, key, Side::Buy), pending(desk, key, Side::Sell));
    instrument_fields(desk, &key.instrument, instrument)
        .with("prd", super::order::product_code(key.product))
        .with("s_prdt_ali", product_alias(key.product))
        .and(point_fields(Some(instrument)))
        .with("daybuyqty", made.bought.0)
        .with("daysellqty", made.sold.0)
        .with("daybuyamt", money(made.bought.1.0))
        .with("daysellamt", money(made.sold.1.0))
        .with("daybuyavgprc", each(made.bought.1, made.bought.0))
        .with("daysellavgprc", each(made.sold.1, made.sold.0))
        .with("dayavgprc", money(average))
        .with("cfbuyqty", long)
        .with("cfsellqty", short)
        .with("cfbuyamt", money(carried_cost(long).0))
        .with("cfsellamt", money(carried_cost(short).0))
        .with("cfbuyavgprc", each(carried_cost(long), long))
        .with("cfsellavgprc", each(carried_cost(short), short))
        .with("openbuyqty", open_buy.0)
        .with("opensellqty", open_sell.0)
        .with("openbuyamt", money(open_buy.1.0))
        .with("opensellamt", money(open_sell.1.0))
        .with("openbuyavgprc", each(open_buy.1, open_buy.0))
        .with("opensellavgprc", each(open_sell.1, open_sell.0))
        .with("netqty", net)
        .with("netavgprc", money(average))
        .with("upldprc", money(carried.average().unwrap_or_default()))
        .with("netupldprc", money(average))
        .maybe("lp", last.map(|last| money(last.value())))
        .with("urmtom", money(unrealised))
        .with("rpnl", money(made.holding.realised.rupees(per_point).0))
        .value()
}

fn instrument_fields(desk: &Desk, key: &InstrumentKey, instrument: &Instrument) -> Fields {
    let places = precision(key.exchange);
    Fields::new()
        .with("stat", "Ok")
        .with("uid", &desk.settings.user.uid)
        .with("actid", &desk.settings.user.uid)
        .with("exch", key.exchange)
        .with("tsym", &key.symbol)
        .with("token", instrument.token)
        .with("instname", instrument_name(instrument))
        .with("dname", format!("{} ", key.symbol))
        .with("pp", places)
        .with("ls", instrument.lot)
        .with("ti", fixed(instrument.tick.value(), places))
}

/// Units of the open orders of one side, and what they are for.
fn pending(desk: &Desk, key: &HoldingKey, side: Side) -> (i64, Points) {
    let open = desk.orders.values().filter(|order| {
        order.key == key.instrument
            && order.product == key.product
            && order.side == side
            && order.exchange_id.is_some()
            && !order.standing.is_over()
    });
    open.filter_map(Order::last).fold((0, Points::ZERO), |(units, value), report| {
        let left = report.asked.quantity - report.filled;
        let each = Price::new(report.asked.price).map_or(Points::ZERO, |price| price.times(left));
        (units + left, value.plus(each))
    })
}

/// `Holdings`: shares of the days before, and by a fault what was sold of them yesterday and is not delivered yet.
pub(super) fn holdings(desk: &Desk, faults: &[Fault]) -> Vec<Value> {
    let held = desk.exchange.position_details().filter(|(key, position)| key.product == Product::Cnc && position.carried.net > 0);
    let mut rows: BTreeMap<InstrumentKey, Delivery> = BTreeMap::new();
    for (key, position) in held {
        let row = Delivery {
            held: position.carried.net,
            used: position.sold.quantity.min(position.carried.net),
            sold: position.sold.quantity,
            value: position.sold.value.0,
            average: position.carried.average().unwrap_or_default(),
        };
        rows.insert(key.instrument.clone(), row);
    }
    for fault in faults {
        if let Fault::Unsettled { tsym, quantity } = fault {
            let row = rows.entry(InstrumentKey::new(Exchange::Nse, tsym)).or_default();
            (row.held, row.used) = (row.held.saturating_add(*quantity), row.used.saturating_add(*quantity));
        }
    }
    rows.iter().filter_map(|(key, row)| Some(delivery_row(&*desk.listing.find(key)?, row))).collect()
}

/// Shares of the days before.
#[derive(Debug, Clone, Copy, Default)]
struct Delivery {
    held: i64,
    used: i64,
    sold: i64,
    value: Decimal,
    average: Decimal,
}

fn delivery_row(instrument: &Instrument, row: &Delivery) -> Value {
    let name =
        Fields::new().with("exch", instrument.key.exchange).with("token", instrument.token).with("tsym", &instrument.key.symbol).value();
    Fields::new()
        .with("stat", "Ok")
        .json("exch_tsym", Value::Array(vec![name]))
        .with("holdqty", row.held)
        .with("dpqty", 0)
        .with("npoadqty", 0)
        .with("colqty", 0)
        .with("benqty", 0)
        .with("unplgdqty", 0)
        .with("brkcolqty", 0)
        .with("btstqty", 0)
        .with("btstcolqty", 0)
        .with("usedqty", row.used)
        .with("trdqty", row.sold)
        .with("sell_amt", fixed(row.value, 2))
        .with("upldprc", fixed(row.average, 2))
        .with("s_prdt_ali", "CNC")
        .with("prd", "C")
        .value()
}

/// The exchange of that name.
pub(super) fn exchange(name: &str) -> Option<Exchange> {
    Exchange::ALL.iter().copied().find(|exchange| exchange.as_str() == name)
}
