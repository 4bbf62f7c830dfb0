//! Quotes that lie, or lack something: the price of the underlying in place of the option's, no book, no last price (Noren protocol
//! reference, sections 5.1 and 11.4). What hangs on a quote is a market order, a rule that watches a position, and the day's loss.

use std::sync::Arc;
use std::time::Duration;

use ordergate::instruments::sample;
use ordergate::simulator::noren_server::{Fault, PriceSetting};
use ordergate_actors::order::{Amount, Exchange, Instrument, Kind, LegDraft, Right, Status, trading_date};
use ordergate_actors::ports::Clock as _;
use rust_decimal::Decimal;

use crate::checks::{Excuse, at_rest, journal_sound};
use crate::house::{House, Plan, client, leg, pass};
use crate::matrix::run;
use crate::menu::always;

/// The places where quotes are told.
const QUOTES: &[&str] = &["feed", "GetQuotes"];
/// So often the prices move while the quotes lie: longer than the day's result is looked at.
const MOVES: i64 = 26;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hangs {
    /// A market order that opens.
    Entry,
    /// A market order that closes.
    Exit,
    /// Stop, target and trail of what was bought, and the day's loss.
    Bought,
    /// The same of what was sold.
    Sold,
}

/// A call of the index, at the money.
fn option(house: &House) -> Instrument {
    let rows = sample(trading_date(house.clock.now())).unwrap();
    let is_call = |row: &&Instrument| {
        row.key.exchange == Exchange::Nfo && &*row.underlying == "NIFTY" && matches!(row.kind, Kind::Option { right: Right::Call, .. })
    };
    rows.iter().find(is_call).cloned().expect("the sample has calls")
}

/// The option costs a hundred rupees and a few steps, its index thousands.
fn move_to(house: &House, option: &Instrument, step: i64) {
    let shows = |exchange: &str, symbol: &str, bid: Decimal, ask: Decimal| {
        let (exch, tsym, levels) = (exchange.to_owned(), symbol.to_owned(), |price| vec![(price, 100_000)]);
        house.sim().set_price(&PriceSetting { exch, tsym, bids: levels(bid), asks: levels(ask), ..PriceSetting::default() }).unwrap();
    };
    let bid = Decimal::new(10_000 + 5 * (step % 3), 2);
    shows("NFO", &option.key.symbol, bid, bid + Decimal::new(10, 2));
    shows("NSE", "NIFTY", Decimal::from(26_000 + step), Decimal::from(26_001 + step));
}

fn of(option: &Instrument, kind: &str, side: &str) -> LegDraft {
    let text = |text: &str| Some(text.to_owned());
    let price = if side == "BUY" { "101" } else { "99.50" };
    LegDraft { exchange: text("NFO"), symbol: text(&option.key.symbol), ..leg(kind, side, option.lot.value(), price) }
}

fn at_market(leg: LegDraft) -> LegDraft {
    LegDraft { order_type: Some("MARKET".into()), price: None, ..leg }
}

fn watched(leg: LegDraft) -> LegDraft {
    let text = |text: &str| Some(text.to_owned());
    LegDraft { stop_loss: text("30 points"), target: text("40 points"), trailing_type: text("ABSOLUTE"), trailing_value: text("10"), ..leg }
}

async fn play(fault: Fault, hangs: Hangs) -> Result<(), String> {
    let narrow = Plan { account: Arc::new(|account| account.limits.daily_loss = Amount(Decimal::from(5_000))), ..Plan::default() };
    let mut house = House::with(narrow).await;
    let option = option(&house);
    let symbol = option.key.symbol.to_string();
    move_to(&house, &option, 0);
    let opened = match hangs {
        Hangs::Entry => None,
        Hangs::Exit => Some(of(&option, "ENTRY", "BUY")),
        Hangs::Bought => Some(watched(of(&option, "ENTRY", "BUY"))),
        Hangs::Sold => Some(watched(of(&option, "ENTRY", "SELL"))),
    };
    if let Some(leg) = opened {
        let command = house.submit(leg).await;
        house.until_order("it fills", command, |order| order.status == Status::Executed).await;
    }
    at_rest(&house, Excuse::default()).await?;
    let (held, orders) = (house.held(&symbol), house.orders().len());
    always(QUOTES, &fault).into_iter().for_each(|rule| house.fault(rule));
    move_to(&house, &option, 1);
    house.until("a quote lies", || house.sim().faults_met("feed") > 0 || hangs == Hangs::Entry).await;
    match hangs {
        Hangs::Entry => drop(house.submit_soon(at_market(of(&option, "ENTRY", "BUY"))).await),
        Hangs::Exit => drop(house.submit_soon(at_market(of(&option, "EXIT", "SELL"))).await),
        Hangs::Bought | Hangs::Sold => {}
    }
    for step in 2..MOVES {
        move_to(&house, &option, step);
        pass(Duration::from_millis(100)).await;
    }
    let is_met = QUOTES.iter().any(|place| house.sim().faults_met(place) > 0);
    house.heal().await;
    // Nobody pays the index's price for the option, and no rule goes by it: neither now nor with the first true quote.
    move_to(&house, &option, MOVES);
    pass(Duration::from_millis(1_500)).await;
    at_rest(&house, Excuse::default()).await?;
    let level = house.engine().read(&client(), |book| u8::from(book.control().account_level())).unwrap();
    if level > 0 || house.has_alarm("ALARM_RISK_BREACH") {
        return Err(format!("the day's loss was counted by it\n{}", house.told()));
    }
    for order in house.orders().iter().filter(|order| order.filled_quantity > 0) {
        let paid = order.average_price;
        if !paid.is_some_and(|paid| paid > Decimal::from(95) && paid < Decimal::from(105)) {
            return Err(format!("it was traded at {paid:?}\n{}", house.told()));
        }
    }
    let is_watched = matches!(hangs, Hangs::Bought | Hangs::Sold);
    if is_watched && (house.held(&symbol), house.orders().len()) != (held, orders) {
        return Err(format!("a rule fired\n{}", house.told()));
    }
    leaves(&house, &option).await?;
    house.kill();
    journal_sound(&house)?;
    if is_met { Ok(()) } else { Err("no quote lied".to_owned()) }
}

/// With true quotes a market order closes what is left.
async fn leaves(house: &House, option: &Instrument) -> Result<(), String> {
    let symbol = option.key.symbol.to_string();
    while house.held(&symbol) != 0 {
        let side = if house.held(&symbol) > 0 { "SELL" } else { "BUY" };
        let command = house.submit(at_market(of(option, "EXIT", side))).await;
        house.until_order("it ends", command, |order| order.status.is_terminal()).await;
        at_rest(house, Excuse::default()).await?;
    }
    Ok(())
}

#[tokio::test]
async fn whatever_a_quote_says_nothing_is_traded_at_the_price_of_another_thing() {
    let faults = [
        ("12 quotes of the underlying", Fault::UnderlyingPrice),
        ("12 quotes of the underlying without a band", Fault::UnderlyingWithoutBand),
        ("12 quotes without a last price", Fault::NoLast),
        ("12 quotes without a book", Fault::ZeroBook),
    ];
    let hangs = [Hangs::Entry, Hangs::Exit, Hangs::Bought, Hangs::Sold];
    let cases = faults.iter().flat_map(|(name, fault)| hangs.map(|hangs| (format!("{name} / {hangs:?}"), play(fault.clone(), hangs))));
    run(cases.collect::<Vec<_>>().into_iter()).await;
}
