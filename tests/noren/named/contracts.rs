//! A contract of which a point is not worth a rupee: both books say the same rupees of it, over a restart too, and a broker that
//! says another worth is heard.

use ordergate::simulator::noren_server::PriceSetting;
use ordergate_actors::order::{Amount, LegDraft, Status, trading_date};
use ordergate_actors::pnl::ContractKept;
use ordergate_actors::ports::{Clock as _, PositionRow};
use rust_decimal::Decimal;

use crate::house::{House, Plan, client, leg};
use crate::parts::gold;

fn symbol(house: &House) -> String {
    gold(trading_date(house.clock.now()), Decimal::ONE).key.symbol.to_string()
}

fn in_gold(house: &House, kind: &str, side: &str, grams: i64, price: &str) -> LegDraft {
    let text = |text: &str| Some(text.to_owned());
    LegDraft { exchange: text("MCX"), symbol: Some(symbol(house)), product: text("NRML"), ..leg(kind, side, grams, price) }
}

fn shows(house: &House, bid: i64, ask: i64) {
    let levels = |price: i64| vec![(Decimal::from(price), 10_000)];
    let (bids, asks) = (levels(bid), levels(ask));
    house.sim().set_price(&PriceSetting { exch: "MCX".to_owned(), tsym: symbol(house), bids, asks, ..PriceSetting::default() }).unwrap();
}

/// The broker's row of the gold, as the engine read it last.
fn row(house: &House) -> Option<PositionRow> {
    let desk = house.engine().desk(&client()).unwrap();
    let findings = desk.findings.read();
    findings.positions.as_ref()?.rows().iter().find(|row| *row.holding.instrument.symbol == symbol(house)).cloned()
}

/// What was realised by our own fills, and what is held is worth at the quote of now.
fn ours(house: &House) -> (Amount, Option<Amount>) {
    let key = gold(trading_date(house.clock.now()), Decimal::ONE).key;
    let last = house.engine().line().quotes.quote(&key).map(|quote| quote.last);
    let worth = |book: &ordergate_actors::persistence::Book| {
        let day = book.newest_day();
        day.lines().next().map(|(_, _, line)| line.worth(last, None))
    };
    let worth = house.engine().read(&client(), worth).flatten().expect("the day has a line");
    (worth.realised, worth.unrealised)
}

fn point(house: &House) -> Option<Decimal> {
    let key = gold(trading_date(house.clock.now()), Decimal::ONE).key;
    house.engine().read(&client(), |book| book.point(&key)).flatten()
}

/// Two hundred grams are bought, a hundred are sold ninety rupees dearer, and the rest gains twenty more.
async fn a_day(house: &House) {
    shows(house, 75_000, 75_010);
    let bought = house.submit(in_gold(house, "ENTRY", "BUY", 200, "75020")).await;
    house.until_order("it fills", bought, |order| order.status == Status::Executed).await;
    shows(house, 75_100, 75_110);
    let sold = house.submit(in_gold(house, "EXIT", "SELL", 100, "75090")).await;
    house.until_order("it fills", sold, |order| order.status == Status::Executed).await;
    shows(house, 75_030, 75_030);
    house.until("the broker's row tells of both", || row(house).is_some_and(|row| row.net == 100)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_day_in_a_contract_of_a_tenth_of_a_rupee_a_point_is_the_same_in_both_books() {
    let mut house = House::open().await;
    a_day(&house).await;
    // Ninety rupees on ten grams, for a hundred grams; twenty for the hundred that are held.
    let (realised, unrealised) = (Amount(Decimal::from(900)), Amount(Decimal::from(200)));
    house
        .until("both books say the same", || {
            let row = row(&house).unwrap();
            (row.realised, row.unrealised) == (realised, unrealised) && ours(&house) == (realised, Some(unrealised))
        })
        .await;
    let tenth = Some(Decimal::new(1, 1));
    assert_eq!((row(&house).unwrap().per_point, point(&house)), (tenth, tenth));
    assert!(!house.has_alarm("ALARM_POINT_VALUE"));
    house.kill();
    house.start();
    house.until_open().await;
    assert_eq!((ours(&house).0, point(&house)), (realised, tenth), "a restart knows what its trades were worth");
    house.until("and what is held", || ours(&house).1 == Some(unrealised)).await;
}

/// A master that is wrong about it, or a broker: nobody knows which, so a person is told, and the position can be left.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_says_another_worth_is_heard_and_the_exit_goes() {
    let house = House::with(Plan { gold_point: Decimal::ONE, ..Plan::default() }).await;
    a_day(&house).await;
    house.until_alarm("ALARM_POINT_VALUE").await;
    let key = gold(trading_date(house.clock.now()), Decimal::ONE).key;
    let contradicted = house.engine().read(&client(), |book| ContractKept::contradicted(book, &key)).flatten();
    assert_eq!((contradicted, point(&house)), (Some(Decimal::new(1, 1)), Some(Decimal::ONE)));
    let left = house.submit(in_gold(&house, "EXIT", "SELL", 100, "75000")).await;
    house.until_order("it is left", left, |order| order.status == Status::Executed).await;
    house.until("nothing is held", || house.held(&symbol(&house)) == 0).await;
}
