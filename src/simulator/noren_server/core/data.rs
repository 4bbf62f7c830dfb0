//! Replies about the account and the market (Noren protocol reference, sections 2, 4.7, 4.8 and 5.1).

use std::sync::Arc;

use chrono::{DateTime, Utc};
use ordergate_actors::order::{Exchange, Instrument, Kind, Product, Right, Side};
use ordergate_actors::ports::Instruments as _;
use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::books::exchange;
use super::desk::Desk;
use super::entry;
use super::faults::Fault;
use super::order::{Asked, Report, Status};
use super::request::Request;
use super::risk;
use super::sessions::Token;
use super::wire::{Fields, INVALID_INPUT, epoch, fixed};
use crate::simulator::market::{Depth, Level, Market as _};
use crate::simulator::noren_server::listing::{expiry_text, instrument_name, point_factors, precision, symbol_name};
use crate::simulator::noren_server::settings::TestUser;

fn access(user: &TestUser, now: DateTime<Utc>) -> Fields {
    let product = |prd: &str, alias: &str, exch: &[&str]| json!({ "prd": prd, "s_prdt_ali": alias, "exch": exch });
    Fields::ok(now)
        .with("uid", &user.uid)
        .with("actid", &user.uid)
        .with("uname", "TEST USER")
        .with("email", &user.email)
        .with("pan", &user.pan)
        .with("brkname", "SIM")
        .with("brnchid", "HO")
        .json("exarr", json!(["NSE", "NFO", "BSE", "BFO", "MCX", "CDS"]))
        .json("orarr", json!(["MKT", "LMT", "SL-LMT", "SL-MKT"]))
        .json(
            "prarr",
            json!([
                product("C", "CNC", &["NSE", "BSE"]),
                product("M", "NRML", &["NFO", "BFO", "MCX", "CDS"]),
                product("I", "MIS", &["NSE", "BSE", "NFO", "BFO", "MCX", "CDS"])
            ]),
        )
}

/// After `QuickAuth`.
pub(super) fn logged_in(user: &TestUser, token: &Token, now: DateTime<Utc>) -> Value {
    access(user, now)
        .with("susertoken", &token.text)
        .with("lastaccesstime", epoch(now))
        .json("access_type", json!(["WEB", "TT", "MOB", "API"]))
        .with("totp_set", "1")
        .json("values", json!(["1"]))
        .json("mws", json!({}))
        .value()
}

/// After `GenAcsTok`. It has no `stat`.
pub(super) fn token_granted(user: &TestUser, token: &Token, now: DateTime<Utc>) -> Value {
    let mut reply = access(user, now)
        .with("access_token", &token.text)
        .with("refresh_token", super::wire::sha256_hex(&token.text))
        .with("susertoken", &token.text)
        .with("USERID", &user.uid)
        .with("expires_in", epoch(token.expires_at))
        .with("scope", "API")
        .with("lastaccesstime", epoch(now))
        .map();
    reply.remove("stat");
    Value::Object(reply)
}

/// After Flattrade's `apitoken`.
pub(super) fn api_token(user: &TestUser, token: &Token) -> Value {
    json!({ "stat": "Ok", "token": token.text, "client": user.uid, "emsg": "" })
}

/// `UserDetails`
pub(super) fn user(user: &TestUser, now: DateTime<Utc>) -> Value {
    access(user, now).json("access_type", json!(["WEB", "TT", "MOB", "API"])).with("m_num", "9000000000").value()
}

/// `Limits`
pub(super) fn limits(desk: &Desk, now: DateTime<Utc>) -> Value {
    let money = |value: Decimal| fixed(value, 2);
    let rows = desk.exchange.positions(now, &*desk.market);
    let sum =
        |pick: fn(&ordergate_actors::ports::PositionRow) -> Decimal| rows.iter().map(pick).fold(Decimal::ZERO, Decimal::saturating_add);
    Fields::ok(now)
        .with("cash", money(desk.settings.cash))
        .with("payin", "0.00")
        .with("payout", "0.00")
        .with("brkcollamt", "0.00")
        .with("unclearedcash", "0.00")
        .with("daycash", "0.00")
        .with("marginused", money(risk::used(desk, now, None)))
        .with("mtomcurper", "0.00")
        .with("rpnl", money(sum(|row| row.realised.0)))
        .with("unmtom", money(sum(|row| row.unrealised.0)))
        .value()
}

/// `GetOrderMargin`
pub(super) fn order_margin(request: &Request, desk: &Desk, now: DateTime<Utc>) -> Result<Value, String> {
    request.require(&["uid", "actid", "exch", "tsym", "qty", "prd", "trantype", "prctyp"])?;
    let needed = leg_margin(request, desk, now)?;
    let used = risk::used(desk, now, None);
    let is_enough = needed.saturating_add(used) <= desk.settings.cash;
    Ok(Fields::ok(now)
        .with("cash", fixed(desk.settings.cash, 2))
        .with("marginused", fixed(used.saturating_add(needed), 2))
        .with("ordermargin", fixed(needed, 2))
        .with("marginusedprev", fixed(used, 2))
        .with("remarks", if is_enough { "Order Success" } else { "Insufficient Balance" })
        .value())
}

/// `GetBasketMargin`: the first leg at the top, the others in `basketlists`.
pub(super) fn basket_margin(request: &Request, desk: &Desk, now: DateTime<Utc>) -> Result<Value, String> {
    request.require(&["uid", "actid", "exch", "tsym", "qty", "prd", "trantype", "prctyp"])?;
    let mut total = leg_margin(request, desk, now)?;
    for leg in request.fields.get("basketlists").and_then(Value::as_array).into_iter().flatten() {
        let fields = leg.as_object().cloned().ok_or(INVALID_INPUT)?;
        total = total.saturating_add(leg_margin(&Request { fields }, desk, now)?);
    }
    let used = risk::used(desk, now, None).saturating_add(total);
    let remarks = if used <= desk.settings.cash { "Order Success" } else { "Insufficient Balance" };
    Ok(Fields::ok(now).with("marginused", fixed(used, 2)).with("marginusedtrade", fixed(used, 2)).with("remarks", remarks).value())
}

fn leg_margin(request: &Request, desk: &Desk, now: DateTime<Utc>) -> Result<Decimal, String> {
    let mut with_validity = request.clone();
    with_validity.fields.entry("ret").or_insert_with(|| "DAY".into());
    let asked = entry::asked(&with_validity, desk.settings.refuse_market_orders)?;
    let key = entry::instrument(request, desk)?;
    let product = entry::product(&request.or_empty("prd")).ok_or(INVALID_INPUT)?;
    let side = if request.or_empty("trantype") == "S" { Side::Sell } else { Side::Buy };
    let instrument = desk.listing.find(&key).ok_or(INVALID_INPUT)?;
    let order = asking(desk, &key, side, product, asked, now);
    Ok(risk::needed(desk, &order, &instrument, now))
}

/// An order that is only asked about.
fn asking(
    desk: &Desk,
    key: &ordergate_actors::order::InstrumentKey,
    side: Side,
    product: Product,
    asked: Asked,
    now: DateTime<Utc>,
) -> super::order::Order {
    let report = Report {
        status: Status::Pending,
        kind: super::order::Kind::NewAck,
        at: now,
        asked,
        filled: 0,
        value: Decimal::ZERO,
        cancelled: 0,
        reason: None,
        rejected_by: None,
        fill: None,
        at_exchange: false,
    };
    super::order::Order {
        number: String::new(),
        key: key.clone(),
        side,
        product,
        tag: None,
        remarks: None,
        source: desk.settings.user.uid.clone(),
        exchange_id: None,
        oddities: super::order::Oddities::default(),
        reports: vec![report],
        standing: Status::Pending,
    }
}

/// The instrument that `exch` and `token` name.
fn by_token(request: &Request, desk: &Desk) -> Result<Arc<Instrument>, String> {
    request.require(&["uid", "exch", "token"])?;
    let found =
        exchange(&request.or_empty("exch")).and_then(|exchange| desk.listing.by_token(exchange, request.or_empty("token").parse().ok()?));
    found.ok_or_else(|| INVALID_INPUT.to_owned())
}

fn described(row: &Instrument) -> Fields {
    let (expiry, right, strike) = match &row.kind {
        Kind::Future { expiry } => (Some(*expiry), Some("XX"), None),
        Kind::Option { expiry, strike, right } => (Some(*expiry), Some(if *right == Right::Call { "CE" } else { "PE" }), Some(*strike)),
        Kind::Equity | Kind::Index => (None, None, None),
    };
    let places = precision(row.key.exchange);
    Fields::new()
        .with("exch", row.key.exchange)
        .with("token", row.token)
        .with("tsym", &row.key.symbol)
        .with("symname", symbol_name(row))
        .with("instname", instrument_name(row))
        .with("pp", places)
        .with("ls", row.lot)
        .with("ti", fixed(row.tick.value(), places))
        .maybe("exd", expiry.map(expiry_text))
        .maybe("optt", right)
        .maybe("strprc", strike.map(|strike| fixed(strike.value(), 2)))
}

/// `SearchScrip`; `None` when nothing is found.
pub(super) fn search(request: &Request, desk: &Desk, now: DateTime<Utc>) -> Result<Option<Value>, String> {
    request.require(&["uid", "stext"])?;
    let text = request.or_empty("stext");
    let text = super::request::percent_decoded(&text).unwrap_or(text);
    let wanted = request.text("exch").and_then(|name| exchange(&name));
    let found = desk.listing.search(&text, usize::MAX);
    let rows = found.iter().filter(|row| wanted.is_none_or(|wanted| row.key.exchange == wanted)).take(50);
    let values: Vec<Value> = rows.map(|row| described(row).with("dname", &row.key.symbol).value()).collect();
    Ok((!values.is_empty()).then(|| Fields::ok(now).json("values", Value::Array(values)).value()))
}

/// What a point of it is worth, as data about an instrument tells.
fn quoted_point(row: &Instrument) -> Fields {
    let (multiplier, price_factor) = point_factors(row);
    Fields::new().with("mult", multiplier.normalize()).with("prcftr_d", format!("({} / 1 ) * (1 / 1)", price_factor.normalize()))
}

/// `GetSecurityInfo`
pub(super) fn security(request: &Request, desk: &Desk, now: DateTime<Utc>) -> Result<Value, String> {
    let row = by_token(request, desk)?;
    Ok(Fields::ok(now)
        .and(described(&row))
        .maybe("frzqty", row.freeze.map(|freeze| freeze.value() + 1))
        .maybe("lc", row.band.map(|band| fixed(band.0.value(), 2)))
        .maybe("uc", row.band.map(|band| fixed(band.1.value(), 2)))
        .and(quoted_point(&row))
        .value())
}

/// `GetOptionChain`: so many strikes to each side, calls and puts.
pub(super) fn chain(request: &Request, desk: &Desk, now: DateTime<Utc>) -> Result<Value, String> {
    request.require(&["uid", "exch", "tsym", "strprc", "cnt"])?;
    let bad = || "Invalid Input : Invalid Trading Symbol".to_owned();
    let named = desk.listing.find(&entry::instrument(request, desk).map_err(|_| bad())?).ok_or_else(bad)?;
    let (Kind::Future { expiry } | Kind::Option { expiry, .. }) = named.kind else { return Err(bad()) };
    let middle: Decimal = request.or_empty("strprc").parse().map_err(|_| INVALID_INPUT)?;
    let count: usize = request.or_empty("cnt").parse().map_err(|_| INVALID_INPUT)?;
    let mut strikes: Vec<Decimal> = Vec::new();
    let mut options: Vec<(Decimal, Arc<Instrument>)> = Vec::new();
    for row in desk.listing.rows().into_iter().filter(|row| row.underlying == named.underlying && row.key.exchange == named.key.exchange) {
        if let Kind::Option { expiry: of, strike, .. } = &row.kind
            && *of == expiry
        {
            let strike = strike.value();
            strikes.push(strike);
            options.push((strike, row));
        }
    }
    strikes.sort_unstable();
    strikes.dedup();
    let at = strikes.partition_point(|strike| *strike < middle);
    let wanted = strikes.get(at.saturating_sub(count)..at.saturating_add(count).min(strikes.len())).unwrap_or_default();
    let values: Vec<Value> = options.iter().filter(|(strike, _)| wanted.contains(strike)).map(|(_, row)| described(row).value()).collect();
    Ok(Fields::ok(now).json("values", Value::Array(values)).value())
}

/// What the day showed of an instrument.
#[derive(Debug, Clone, Copy)]
pub(super) struct DaySeen {
    pub(super) date: chrono::NaiveDate,
    pub(super) open: Decimal,
    pub(super) high: Decimal,
    pub(super) low: Decimal,
    pub(super) close: Decimal,
}

/// Prices and five levels of each side, in the names of `GetQuotes` and the depth feed.
pub(super) fn prices(exchange: Exchange, depth: &Depth, day: &DaySeen, levels: usize) -> Fields {
    let places = precision(exchange);
    let money = |value: Decimal| fixed(value, places);
    let mut fields = Fields::new()
        .with("lp", money(depth.last.value()))
        .with("o", money(day.open))
        .with("h", money(day.high))
        .with("l", money(day.low))
        .with("c", money(day.close));
    for (side, rows) in [("b", &depth.bids), ("s", &depth.asks)] {
        for (place, level) in (1..=levels).zip(rows) {
            fields = level_fields(fields, side, place, level, places, levels > 1);
        }
    }
    fields
}

fn level_fields(fields: Fields, side: &str, place: usize, level: &Level, places: u32, with_orders: bool) -> Fields {
    let fields =
        fields.with(&format!("{side}p{place}"), fixed(level.price.value(), places)).with(&format!("{side}q{place}"), level.quantity);
    if with_orders { fields.with(&format!("{side}o{place}"), 1) } else { fields }
}

/// What can be odd about a quote.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct QuoteFaults {
    of_underlying: bool,
    without_band: bool,
    zero_book: bool,
    no_last: bool,
}

impl QuoteFaults {
    pub(super) fn of(faults: &[Fault]) -> Self {
        Self {
            of_underlying: faults.iter().any(|fault| matches!(fault, Fault::UnderlyingPrice | Fault::UnderlyingWithoutBand)),
            without_band: faults.contains(&Fault::UnderlyingWithoutBand),
            zero_book: faults.contains(&Fault::ZeroBook),
            no_last: faults.contains(&Fault::NoLast),
        }
    }

    /// The quote as it goes out: with the price of the underlying, or without bids and asks. Both were seen together (Noren
    /// protocol reference, section 5.1). Or as before the first trade of a day.
    pub(super) fn bend(self, mut fields: Fields, desk: &Desk, row: &Instrument, levels: usize, now: DateTime<Utc>) -> Fields {
        if self.of_underlying
            && let Some(under) = desk.listing.underlying(row)
            && let Some(depth) = desk.market.depth(&under, now)
        {
            fields = fields.with("lp", fixed(depth.last.value(), 2));
        }
        if self.without_band {
            fields = fields.with("lc", "0.00").with("uc", "0.00");
        }
        if self.no_last {
            fields = fields.with("lp", "0.00");
        }
        if self.zero_book || self.of_underlying {
            for (side, place) in ["b", "s"].into_iter().flat_map(|side| (1..=levels).map(move |place| (side, place))) {
                fields = fields.with(&format!("{side}p{place}"), "0.00").with(&format!("{side}q{place}"), 0);
                fields = if levels > 1 { fields.with(&format!("{side}o{place}"), 0) } else { fields };
            }
        }
        fields
    }
}

/// `GetQuotes`
pub(super) fn quotes(
    request: &Request,
    desk: &Desk,
    faults: QuoteFaults,
    day: &mut dyn FnMut(&Instrument, &Depth) -> DaySeen,
    now: DateTime<Utc>,
) -> Result<Value, String> {
    let row = by_token(request, desk)?;
    let Some(depth) = desk.market.depth(&row, now) else {
        return Ok(Fields::ok(now).and(described(&row)).value());
    };
    let seen = day(&row, &depth);
    let sum = |levels: &[Level]| levels.iter().map(|level| level.quantity).sum::<i64>();
    let fields = Fields::ok(now)
        .and(described(&row))
        .and(quoted_point(&row))
        .maybe("lc", row.band.map(|band| fixed(band.0.value(), 2)))
        .maybe("uc", row.band.map(|band| fixed(band.1.value(), 2)))
        .with("ltt", depth.at.with_timezone(&ordergate_actors::order::ist()).format("%H:%M:%S"))
        .with("tbq", sum(&depth.bids))
        .with("tsq", sum(&depth.asks))
        .and(prices(row.key.exchange, &depth, &seen, 5));
    Ok(faults.bend(fields, desk, &row, 5, now).value())
}
