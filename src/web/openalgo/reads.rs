//! What only reads: `orderstatus`, `openposition`, the books, `holdings`, `funds`, `quotes`, `search`.

use ordergate_actors::ingress::naming;
use ordergate_actors::order::{
    CommandId, Exchange, Instrument, InstrumentKey, Kind, LegDraft, OrderRecord, Product, Right, Side, Status, clean, trading_date,
};
use rust_decimal::Decimal;
use serde::Serialize;
use serde_json::json;
use std::sync::Arc;

use super::words::{Exact, OrderLine, Said, action, line, spelled, symbol, timestamp};
use super::{Asked, text};
use crate::web::problem::Problem;
use crate::web::state::WebState;
use crate::web::today;

/// Instruments of one search.
const FOUND: usize = 50;

fn success<T: Serialize>(data: T) -> Result<String, Problem> {
    text(&Said { data, status: "success" })
}

pub(super) async fn status(state: &WebState, asked: &Asked) -> Result<String, Problem> {
    success(line(state, &*asked.order(state).await?))
}

/// What a strategy holds of an instrument and product.
pub(super) fn open_position(state: &WebState, asked: &Asked) -> Result<String, Problem> {
    let strategy = asked.strategy()?;
    let product = asked.needed("product")?;
    let product = Product::parse(product.trim())
        .ok_or_else(|| Problem::bad_request("bad_request", "product is none of MIS, NRML, CNC", "see docs/openalgo.md"))?;
    let found = instrument(state, asked)?;
    let held = state.engine.read(&asked.client_id, |book| {
        let of_it =
            book.holdings().filter(|(owner, key, _)| owner.as_str() == strategy && key.instrument == found.key && key.product == product);
        of_it.map(|(_, _, holding)| holding.net).sum::<i64>()
    });
    Ok(json!({ "quantity": held.unwrap_or_default().to_string(), "status": "success" }).to_string())
}

/// The instrument that `symbol` and `exchange` name.
fn instrument(state: &WebState, asked: &Asked) -> Result<Arc<Instrument>, Problem> {
    let (name, exchange) = (asked.needed("symbol")?, asked.text("exchange")?);
    let leg = LegDraft { symbol: Some(name.clone()), exchange, execution_type: Some("ENTRY".to_owned()), ..LegDraft::default() };
    let named = naming::name(state.engine.line(), &asked.client_id, &leg, state.now());
    let why = named.trouble.as_ref().map_or_else(|| format!("{} is no name of an instrument", clean(&name, 60)), ToString::to_string);
    named.instrument.ok_or_else(|| Problem::not_found("unknown_symbol", why, "see search"))
}

#[derive(Debug, Serialize)]
struct Statistics {
    total_buy_orders: usize,
    total_sell_orders: usize,
    total_completed_orders: usize,
    total_open_orders: usize,
    total_rejected_orders: usize,
}

#[derive(Debug, Serialize)]
struct OrderBook {
    orders: Vec<OrderLine>,
    statistics: Statistics,
}

/// Today's orders, the newest first; all of them: OpenAlgo's answer has no place to say that there are more.
pub(super) async fn order_book(state: &WebState, asked: &Asked) -> Result<String, Problem> {
    let orders = today::orders(state, &asked.client_id, trading_date(state.now())).await?;
    let of = |test: fn(&OrderRecord) -> bool| orders.iter().filter(|order| test(order)).count();
    let statistics = Statistics {
        total_buy_orders: of(|order| order.ask.side == Some(Side::Buy)),
        total_sell_orders: of(|order| order.ask.side == Some(Side::Sell)),
        total_completed_orders: of(|order| order.status == Status::Executed),
        total_open_orders: of(|order| !order.status.is_terminal()),
        total_rejected_orders: of(|order| super::words::order_status(order) == "rejected"),
    };
    success(OrderBook { orders: orders.iter().map(|order| line(state, order)).collect(), statistics })
}

#[derive(Debug, Serialize)]
struct Trade {
    action: Option<&'static str>,
    average_price: Exact,
    exchange: &'static str,
    orderid: CommandId,
    product: Option<&'static str>,
    quantity: i64,
    symbol: String,
    timestamp: String,
    /// `null`: nobody knows what a point of it is worth.
    trade_value: Option<Exact>,
    tradeid: String,
}

/// Today's trades, the newest first; all of them.
pub(super) async fn trade_book(state: &WebState, asked: &Asked) -> Result<String, Problem> {
    let trades = today::trades(state, &asked.client_id, trading_date(state.now())).await?;
    let row = |of: &crate::store::Trade| {
        let (quantity, price) = (of.fill.quantity.value(), of.fill.price.value());
        let point = state.engine.line().point(&asked.client_id, &InstrumentKey::new(of.exchange, &of.symbol));
        Trade {
            action: of.side.map(Into::into),
            average_price: Exact(price),
            exchange: of.exchange.into(),
            orderid: of.command_id,
            product: of.product.map(Into::into),
            quantity,
            symbol: symbol(state, &InstrumentKey::new(of.exchange, &of.symbol)),
            timestamp: timestamp(of.fill.at),
            trade_value: point.map(|point| Exact(of.fill.price.times(quantity).rupees(point).0)),
            tradeid: of.fill.trade_id.to_string(),
        }
    };
    success(trades.iter().map(row).collect::<Vec<_>>())
}

#[derive(Debug, Serialize)]
struct Position {
    action: &'static str,
    /// A text, as OpenAlgo has it here.
    average_price: String,
    exchange: Exchange,
    ltp: Option<Exact>,
    pnl: Exact,
    product: Product,
    quantity: i64,
    symbol: String,
}

/// What the broker shows, as it was last proven.
pub(super) fn position_book(state: &WebState, asked: &Asked) -> Result<String, Problem> {
    let desk = state.engine.desk(&asked.client_id)?;
    let positions = desk.findings.read().positions.clone();
    let positions = positions.ok_or_else(|| Problem::unavailable("not_read", "the broker's positions were not read yet"))?;
    let rows = positions.rows().iter().map(|row| {
        let key = &row.holding.instrument;
        Position {
            action: action(row.net),
            average_price: row.average_price.map_or_else(|| "0".to_owned(), |price| price.normalize().to_string()),
            exchange: key.exchange,
            ltp: state.engine.line().newest_quote(desk, key).map(|quote| Exact(quote.last.value())),
            pnl: Exact(row.realised.0.saturating_add(row.unrealised.0)),
            product: row.holding.product,
            quantity: row.net,
            symbol: symbol(state, key),
        }
    });
    success(rows.collect::<Vec<_>>())
}

#[derive(Debug, Serialize)]
struct Held {
    average_price: Option<Exact>,
    exchange: Exchange,
    /// Null where the price or the cost is not known.
    pnl: Option<Exact>,
    pnlpercent: Option<Exact>,
    product: Product,
    quantity: i64,
    symbol: String,
}

#[derive(Debug, Serialize)]
struct HeldTotals {
    totalholdingvalue: Option<Exact>,
    totalinvvalue: Option<Exact>,
    totalpnlpercentage: Option<Exact>,
    totalprofitandloss: Option<Exact>,
}

#[derive(Debug, Serialize)]
struct Holdings {
    holdings: Vec<Held>,
    statistics: HeldTotals,
}

fn percent(part: Decimal, whole: Decimal) -> Option<Decimal> {
    Some(part.checked_mul(Decimal::ONE_HUNDRED)?.checked_div(whole)?.round_dp(2))
}

/// Shares held for delivery. A total is null as soon as one of its parts is not known.
pub(super) fn holdings(state: &WebState, asked: &Asked) -> Result<String, Problem> {
    let desk = state.engine.desk(&asked.client_id)?;
    let delivered = desk.findings.read().holdings.clone();
    let delivered = delivered.ok_or_else(|| Problem::unavailable("not_read", "the broker's holdings were not read yet"))?;
    let (mut rows, mut value, mut cost) = (Vec::new(), Some(Decimal::ZERO), Some(Decimal::ZERO));
    for row in &delivered.rows {
        let Some(key) = row.listings.first() else { continue };
        let units = Decimal::from(row.quantity);
        let last = state.engine.line().newest_quote(desk, key).map(|quote| quote.last.value());
        let (now, paid) = (last.map(|last| last.saturating_mul(units)), row.average_price.map(|price| price.saturating_mul(units)));
        value = value.zip(now).map(|(sum, now)| sum.saturating_add(now));
        cost = cost.zip(paid).map(|(sum, paid)| sum.saturating_add(paid));
        let pnl = now.zip(paid).map(|(now, paid)| now.saturating_sub(paid));
        rows.push(Held {
            average_price: row.average_price.map(Exact),
            exchange: key.exchange,
            pnl: pnl.map(Exact),
            pnlpercent: pnl.zip(paid).and_then(|(pnl, paid)| percent(pnl, paid)).map(Exact),
            product: Product::Cnc,
            quantity: row.quantity,
            symbol: symbol(state, key),
        });
    }
    let pnl = value.zip(cost).map(|(value, cost)| value.saturating_sub(cost));
    let statistics = HeldTotals {
        totalholdingvalue: value.map(Exact),
        totalinvvalue: cost.map(Exact),
        totalpnlpercentage: pnl.zip(cost).and_then(|(pnl, cost)| percent(pnl, cost)).map(Exact),
        totalprofitandloss: pnl.map(Exact),
    };
    success(Holdings { holdings: rows, statistics })
}

#[derive(Debug, Serialize)]
struct Money {
    availablecash: String,
    /// The broker's figures as ordergate reads them do not tell it apart.
    collateral: Option<String>,
    m2mrealized: String,
    m2munrealized: String,
    utiliseddebits: String,
}

pub(super) fn funds(state: &WebState, asked: &Asked) -> Result<String, Problem> {
    let desk = state.engine.desk(&asked.client_id)?;
    let (funds, positions) = {
        let findings = desk.findings.read();
        (findings.funds.clone(), findings.positions.clone())
    };
    let unknown = || {
        Problem::new(
            actix_web::http::StatusCode::NOT_FOUND,
            "not_told",
            "this broker does not tell the account's money, or was not asked yet",
            "see the broker",
        )
    };
    let (funds, _) = funds.ok_or_else(unknown)?;
    let sum = |of: fn(&ordergate_actors::ports::PositionRow) -> Decimal| -> String {
        let rows = positions.as_ref().map_or(&[][..], |positions| positions.rows());
        rows.iter().map(of).fold(Decimal::ZERO, Decimal::saturating_add).round_dp(2).to_string()
    };
    success(Money {
        availablecash: funds.available.0.round_dp(2).to_string(),
        collateral: None,
        m2mrealized: sum(|row| row.realised.0),
        m2munrealized: sum(|row| row.unrealised.0),
        utiliseddebits: funds.margin_used.0.round_dp(2).to_string(),
    })
}

#[derive(Debug, Serialize)]
struct Quoted {
    ask: Option<Exact>,
    bid: Option<Exact>,
    ltp: Exact,
    prev_close: Option<Exact>,
    timestamp: String,
}

/// The newest quote that is at hand. To ask is to subscribe, at a broker that pushes quotes: the next call finds one.
pub(super) fn quotes(state: &WebState, asked: &Asked) -> Result<String, Problem> {
    let found = instrument(state, asked)?;
    let desk = state.engine.desk(&asked.client_id)?;
    let quote = state.engine.line().newest_quote(desk, &found.key);
    let quote =
        quote.ok_or_else(|| Problem::not_found("no_quote", format!("there is no quote of {} yet", found.key), "ask again in a moment"))?;
    let exact = |price: Option<ordergate_actors::order::Price>| price.map(|price| Exact(price.value()));
    success(Quoted {
        ask: exact(quote.ask),
        bid: exact(quote.bid),
        ltp: Exact(quote.last.value()),
        prev_close: exact(state.engine.line().quotes.previous_close(&found.key)),
        timestamp: timestamp(quote.at),
    })
}

#[derive(Debug, Serialize)]
struct Found {
    symbol: String,
    brsymbol: String,
    name: String,
    exchange: Exchange,
    brexchange: Exchange,
    token: String,
    expiry: String,
    strike: Exact,
    lotsize: i64,
    instrumenttype: &'static str,
    tick_size: Exact,
}

#[derive(Debug, Serialize)]
struct Search {
    data: Vec<Found>,
    message: String,
    status: &'static str,
}

pub(super) fn search(state: &WebState, asked: &Asked) -> Result<String, Problem> {
    let query = asked.needed("query")?;
    let exchange = match asked.text("exchange")? {
        None => None,
        Some(text) => Some(Exchange::parse(text.trim()).ok_or_else(|| {
            Problem::bad_request("bad_request", "exchange is none of NSE, BSE, NFO, BFO, MCX, CDS", "see docs/openalgo.md")
        })?),
    };
    let (count, found) = (state.tables)().search_in(exchange, &query, FOUND);
    let data: Vec<Found> = found.iter().map(|row| found_row(row)).collect();
    text(&Search { message: format!("Found {count} matching symbols"), data, status: "success" })
}

fn found_row(row: &Instrument) -> Found {
    let (kind, expiry, strike) = match &row.kind {
        Kind::Equity => ("EQ", None, None),
        Kind::Index => ("INDEX", None, None),
        Kind::Future { expiry } => ("FUT", Some(expiry), None),
        Kind::Option { expiry, strike, right: Right::Call } => ("CE", Some(expiry), Some(strike.value())),
        Kind::Option { expiry, strike, right: Right::Put } => ("PE", Some(expiry), Some(strike.value())),
    };
    Found {
        symbol: spelled(row),
        brsymbol: row.key.symbol.to_string(),
        name: row.underlying.to_string(),
        exchange: row.key.exchange,
        brexchange: row.key.exchange,
        token: row.token.to_string(),
        expiry: expiry.map_or_else(String::new, |day| day.format("%d-%b-%y").to_string().to_uppercase()),
        strike: Exact(strike.unwrap_or_default()),
        lotsize: row.lot.value(),
        instrumenttype: kind,
        tick_size: Exact(row.tick.value()),
    }
}
