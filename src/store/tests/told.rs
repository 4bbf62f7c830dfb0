//! Prices that are told of what left without one: they count where their units left, and change nothing else.

use std::sync::Arc;

use chrono::NaiveDate;
use ordergate_actors::order::{
    Amount, BrokerOrderId, EndPrice, Exchange, Fill, Holding, HoldingKey, InstrumentKey, OrderFact, Price, Product, Side, Strategy,
    trading_date,
};
use ordergate_actors::persistence::{Earlier, Telling, Unit, replay};
use ordergate_actors::pnl::{Curve, Day, Line};

use crate::store::fixtures::client;
use crate::store::fixtures::desk::{Desk, fact, sends, trade};
use crate::store::{JournalRows, ReadStore, VerifyFrom};

fn trend() -> Strategy {
    Strategy::parse("trend").unwrap()
}

fn held() -> HoldingKey {
    HoldingKey { instrument: InstrumentKey::new(Exchange::Nse, "RELIANCE-EQ"), product: Product::Mis }
}

fn rupees(sum: i64) -> Amount {
    Amount(sum.into())
}

/// Ten bought at 1,400.
fn bought() -> Desk {
    let mut desk = Desk::new();
    let signal = desk.signal(&[1], |_| ());
    desk.round(vec![signal, sends(1, Side::Buy, 10)]);
    let accepted = OrderFact::Accepted { broker_order_id: BrokerOrderId::parse("B1").unwrap() };
    let fill = Fill { at: desk.at(), ..trade("T1", "B1", 10, "1400") };
    desk.round(vec![fact(1, accepted), fact(1, OrderFact::Fill(fill))]);
    desk
}

fn leaves(units: i64, price: Option<&str>, earlier: Option<Earlier>) -> Unit {
    let price = price.map(|price| Price::parse(price).unwrap());
    Unit::Reduce { client_id: client(), strategy: trend(), key: held(), units, price, earlier, reason: Arc::from("closed elsewhere") }
}

fn tells(row: u64, price: &str) -> Unit {
    let price = EndPrice::parse(price).unwrap();
    Unit::Tell(Telling { client_id: client(), row, price, who: Arc::from("asha"), reason: Arc::from("the contract note") })
}

fn events(desk: &Desk, event: &str) -> Vec<u64> {
    let store = desk.store();
    let rows = JournalRows::new(store.connection(), "PAPER1", 0, u64::MAX).map(Result::unwrap);
    rows.filter(|row| &*row.event == event).map(|row| row.seq).collect()
}

fn line(day: &Day) -> Line {
    day.line(&trend(), &held()).cloned().unwrap_or_default()
}

fn its_day(desk: &Desk, date: NaiveDate) -> Day {
    Day::load(date, [], &ReadStore::simulated(&desk.disk).unwrap().changes_of(&client(), date).unwrap())
}

/// The same day in the book, in a replay and after a restart, and tables that are what the journal makes.
fn is_one_truth(desk: Desk) -> Desk {
    let (day, today) = (desk.day(), trading_date(desk.at()));
    let rows: Vec<_> = JournalRows::new(desk.store().connection(), "PAPER1", 0, u64::MAX).collect::<Result<_, _>>().unwrap();
    let made = replay(&rows).unwrap();
    let replayed = Day::load(today, made.holdings.iter().map(|((strategy, key), (held, _))| (strategy, key, held)), &made.day(today));
    assert_eq!(day, replayed, "the journal alone makes it");
    let reports = desk.store().verify(VerifyFrom::Full).unwrap();
    assert!(reports.iter().all(|report| report.is_sound()), "{reports:?}");
    let desk = desk.restarted();
    assert_eq!(desk.day(), day, "a restart has it");
    desk
}

#[test]
fn a_price_that_is_told_counts_where_the_units_left_and_the_second_replaces_the_first() {
    let mut desk = bought();
    desk.round(vec![leaves(10, None, None)]);
    let row = events(&desk, "HOLDING_REDUCED")[0];
    let before = (line(&desk.day()), desk.day().curve(), desk.day().as_of(trading_date(desk.at())));
    assert_eq!((before.0.left, before.0.trips.unknown, before.1), (10, 1, Curve::default()), "nothing of it is known");

    desk.round(vec![tells(row, "1390")]);
    let told = line(&desk.day());
    assert_eq!((told.left, told.corrected, told.held), (0, -10, Holding::default()));
    assert_eq!((told.trips.unknown, told.trips.losses, told.trips.lost), (0, 1, rupees(-100)));
    assert_eq!((desk.day().curve().realised, desk.day().curve().drawdown), (rupees(-100), rupees(100)));
    assert_ne!(desk.day().as_of(trading_date(desk.at())), before.2, "whoever keeps the day's result must look again");
    let mut desk = is_one_truth(desk);

    // An option that ends worthless: nothing is a price too. And what was told wrongly is told again.
    desk.round(vec![tells(row, "0")]);
    assert_eq!(desk.day().curve().realised, rupees(-14_000));
    desk.round(vec![tells(row, "1405.50")]);
    let (day, rows) = (desk.day(), events(&desk, "PRICE_TOLD").len());
    assert_eq!((day.curve().realised, day.curve().drawdown, line(&day).trips.wins), (rupees(55), Amount::ZERO, 1));
    desk.round(vec![tells(row, "1405.5")]);
    assert_eq!((desk.day(), events(&desk, "PRICE_TOLD").len(), rows), (day, 3, 3), "the same again says nothing new");
    is_one_truth(desk);
}

#[test]
fn a_told_price_counts_before_what_was_traded_after_it() {
    let mut desk = bought();
    desk.round(vec![leaves(4, None, None)]);
    let signal = desk.signal(&[2], |ask| ask.side = Some(Side::Sell));
    desk.round(vec![signal, sends(2, Side::Sell, 6)]);
    let accepted = OrderFact::Accepted { broker_order_id: BrokerOrderId::parse("B2").unwrap() };
    let fill = Fill { at: desk.at(), ..trade("T2", "B2", 6, "1410") };
    desk.round(vec![fact(2, accepted), fact(2, OrderFact::Fill(fill))]);
    assert_eq!((desk.day().curve().realised, line(&desk.day()).trips.unknown), (rupees(60), 1));
    let row = events(&desk, "HOLDING_REDUCED")[0];
    desk.round(vec![tells(row, "1380")]);
    let (curve, trips) = (desk.day().curve(), line(&desk.day()).trips);
    assert_eq!((curve.realised, curve.high_water, curve.drawdown), (rupees(-20), Amount::ZERO, rupees(80)), "80 lost first, 60 won then");
    assert_eq!((trips.unknown, trips.losses, trips.lost), (0, 1, rupees(-20)), "the trip is whole again");
    is_one_truth(desk);
}

#[test]
fn what_has_a_price_or_never_left_takes_none() {
    let mut desk = bought();
    desk.round(vec![leaves(3, Some("1401"), None)]);
    let (priced, journal) = (events(&desk, "HOLDING_REDUCED")[0], |desk: &Desk| events(desk, "PRICE_TOLD").len());
    let fill = events(&desk, "FILL")[0];
    desk.round(vec![tells(priced, "1"), tells(fill, "1"), tells(9_999, "1"), tells(0, "1")]);
    assert_eq!((journal(&desk), desk.day().curve().realised), (0, rupees(3)));
    is_one_truth(desk);
}

#[test]
fn an_intraday_position_of_yesterday_ends_on_its_day_and_leaves_today_known() {
    let mut desk = bought();
    let yesterday = trading_date(desk.at());
    let end = |on, net_before| Some(Earlier { on, net_before });
    desk.round(vec![leaves(10, None, end(yesterday, 10))]);
    assert!(events(&desk, "HOLDING_REDUCED").is_empty(), "its day is not over");
    desk.sleep_a_day();
    desk.round(vec![leaves(10, None, end(yesterday, 9))]);
    assert!(events(&desk, "HOLDING_REDUCED").is_empty(), "something else is held than was seen");
    desk.round(vec![leaves(10, None, end(yesterday, 10))]);
    let row = events(&desk, "HOLDING_REDUCED")[0];
    let today = line(&desk.day());
    assert_eq!((today.carried.net, today.held.net, today.left, today.corrected), (0, 0, 0, 0), "today never had it");
    assert_eq!((line(&its_day(&desk, yesterday)).left, its_day(&desk, yesterday).curve()), (10, Curve::default()));
    let mut desk = is_one_truth(desk);
    desk.round(vec![tells(row, "1375")]);
    assert_eq!((line(&its_day(&desk, yesterday)).left, its_day(&desk, yesterday).curve().realised), (0, rupees(-250)));
    assert_eq!(desk.day().curve(), Curve::default(), "a loss of yesterday is none of today");
    is_one_truth(desk);
}

#[test]
fn an_intraday_position_whose_price_the_broker_tells_is_priced_on_its_day_and_by_nobody_else() {
    let mut desk = bought();
    let yesterday = trading_date(desk.at());
    desk.sleep_a_day();
    desk.round(vec![leaves(10, Some("1390"), Some(Earlier { on: yesterday, net_before: 10 }))]);
    let day = its_day(&desk, yesterday);
    assert_eq!((line(&day).left, day.curve().realised, line(&day).trips.losses), (0, rupees(-100), 1));
    assert_eq!(desk.day().curve(), Curve::default());
    let row = events(&desk, "HOLDING_REDUCED")[0];
    desk.round(vec![tells(row, "1399")]);
    assert!(events(&desk, "PRICE_TOLD").is_empty());
    is_one_truth(desk);
}

#[test]
fn a_contract_that_ended_is_told_on_its_own_day() {
    let mut desk = bought();
    let expiry = trading_date(desk.at());
    desk.sleep_a_day();
    let settles = Unit::Settle { client_id: client(), strategy: trend(), key: held(), expiry, reason: Arc::from("it has ended") };
    desk.round(vec![settles]);
    let row = events(&desk, "HOLDING_SETTLED")[0];
    desk.round(vec![tells(row, "1420.05")]);
    assert_eq!(its_day(&desk, expiry).curve().realised, Amount("200.5".parse().unwrap()));
    assert_eq!((desk.day().curve(), line(&desk.day()).left), (Curve::default(), 0));
    is_one_truth(desk);
}
