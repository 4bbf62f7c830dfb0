use chrono::NaiveDate;
use proptest::prelude::{Strategy as _, any, prop_assert, prop_assert_eq, proptest};
use proptest::sample::select;
use rust_decimal::Decimal;

use super::*;
use crate::order::{Holding, Price, Quantity};
use crate::pnl::charges::{BadCharges, ChargeFile};
use crate::pnl::{Day, DayChange, Move};
use crate::testkit::builders::strategy;

const BUILT_IN: &str = include_str!("../../../../config/charges/2026.toml");

/// A plan of five rupees an order, or 0.03 % if that is less, and fifteen for a delivery.
const MINE: &str = r#"
[[rate]]
charge = "BROKERAGE"
plan = "mine"
segments = ["NSE", "BSE", "NFO", "MCX"]
kinds = ["SHARE", "FUTURE", "OPTION"]
per_order = "5"
percent = "0.03"
from = "2026-04-01"
source = "a test"

[[rate]]
charge = "DP"
plan = "mine"
segments = ["NSE"]
kinds = ["SHARE"]
per_scrip = "15"
from = "2026-04-01"
source = "a test"
"#;

fn parsed(more: &[&str]) -> Result<Rates, BadCharges> {
    let files = [BUILT_IN].iter().chain(more).enumerate();
    let files: Vec<ChargeFile> =
        files.map(|(number, text)| ChargeFile { name: format!("{number}.toml"), text: (*text).to_owned() }).collect();
    Rates::parse(&files)
}

fn rates() -> Rates {
    parsed(&[MINE]).unwrap()
}

fn day() -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 11, 20).unwrap()
}

fn key(exchange: Exchange, symbol: &str, product: Product) -> HoldingKey {
    HoldingKey { instrument: InstrumentKey::new(exchange, symbol), product }
}

/// The line that these trades make: order, side, units, price.
fn line(key: &HoldingKey, trades: &[(u64, Side, i64, &str)]) -> Line {
    valued(key, Decimal::ONE, trades)
}

/// The same of a contract whose point is worth that much.
fn valued(key: &HoldingKey, point: Decimal, trades: &[(u64, Side, i64, &str)]) -> Line {
    let mut made = Day::valued([(key.instrument.clone(), point)].into_iter().collect(), day(), [], &[]);
    for (seq, (order, side, quantity, at)) in (1..).zip(trades) {
        let (quantity, price) = (Quantity::new(*quantity).unwrap(), Price::parse(at).unwrap());
        let what = Move::Traded { order: *order, side: *side, quantity, price, seen: None, at: crate::testkit::builders::at(0) };
        made.apply(&DayChange { seq, day: day(), strategy: strategy("trend"), key: key.clone(), before: Holding::default(), what });
    }
    made.line(&strategy("trend"), key).unwrap().clone()
}

/// A line that nothing else is charged with.
trait Alone {
    fn alone(&self, line: (&HoldingKey, &Line), kind: Option<Kind>, plan: &str, date: NaiveDate) -> Costs;
}

impl Alone for Rates {
    fn alone(&self, (key, line): (&HoldingKey, &Line), kind: Option<Kind>, plan: &str, date: NaiveDate) -> Costs {
        self.costs((key, line, Turned::default().with(line)), kind, plan, date)
    }
}

fn told(costs: &Costs) -> Vec<String> {
    costs.each().map(|charged| format!("{:?} {}", charged.charge, charged.rupees)).collect()
}

/// Charges are parts of what was traded in rupees: a tenth of a rupee a point is a tenth of every charge that is a percentage.
#[test]
fn a_contract_is_charged_on_what_its_points_are_worth() {
    let gold = key(Exchange::Mcx, "GOLDM05DEC26", Product::Nrml);
    let trades = [(1, Side::Buy, 100, "75000"), (2, Side::Sell, 100, "75100")];
    let percents = |line: &Line| {
        let costs = rates().alone((&gold, line), Some(Kind::Future), "zero", day());
        let wanted = [Charge::Ctt, Charge::Exchange, Charge::Stamp];
        wanted.map(|charge| costs.each().find(|charged| charged.charge == charge).unwrap().rupees)
    };
    // A hundred grams at 75,000 rupees for ten: 750,000 rupees bought, 751,000 sold; CTT 0.01 % of the sale, the exchange's
    // 0.0021 % of both, stamp duty 0.002 % of the purchase.
    let worked_out = ["75.00", "31.52", "15.00"].map(|text| Amount(text.parse().unwrap()));
    assert_eq!(percents(&valued(&gold, Decimal::new(1, 1), &trades)), worked_out);
    assert_ne!(percents(&valued(&gold, Decimal::ONE, &trades)), worked_out);
    let mut unknown = Day::load(day(), [], &[]);
    let what = Move::Traded {
        order: 1,
        side: Side::Buy,
        quantity: Quantity::new(100).unwrap(),
        price: Price::parse("75000").unwrap(),
        seen: None,
        at: crate::testkit::builders::at(0),
    };
    unknown.apply(&DayChange { seq: 1, day: day(), strategy: strategy("trend"), key: gold.clone(), before: Holding::default(), what });
    let line = unknown.line(&strategy("trend"), &gold).unwrap();
    let costs = rates().alone((&gold, line), Some(Kind::Future), "zero", day());
    assert_eq!((costs.total(), costs.unclassed().count()), (None, 1), "nobody knows what was traded in rupees");
}

#[test]
fn shares_within_a_day() {
    let key = key(Exchange::Nse, "SBIN-EQ", Product::Mis);
    let line = line(&key, &[(1, Side::Buy, 100, "1000"), (2, Side::Sell, 60, "1010"), (2, Side::Sell, 40, "1010")]);
    let costs = rates().alone((&key, &line), Some(Kind::Share), "zero", day());
    assert_eq!(told(&costs), ["Brokerage 0.00", "Stt 25.00", "Exchange 6.17", "Sebi 0.20", "Stamp 3.00", "Gst 1.15"]);
    assert_eq!(costs.total(), Some(Amount("35.52".parse().unwrap())));
}

#[test]
fn shares_for_delivery() {
    let key = key(Exchange::Nse, "SBIN-EQ", Product::Cnc);
    let bought = rates().alone((&key, &line(&key, &[(1, Side::Buy, 10, "1500")])), Some(Kind::Share), "zero", day());
    assert_eq!(told(&bought), ["Brokerage 0.00", "Stt 15.00", "Exchange 0.46", "Sebi 0.02", "Stamp 2.25", "Gst 0.09"]);
    let sold = rates().alone((&key, &line(&key, &[(1, Side::Sell, 10, "1500")])), Some(Kind::Share), "mine", day());
    // 0.03 % of 15,000 is 4.50, less than five rupees.
    assert_eq!(told(&sold), ["Brokerage 4.50", "Stt 15.00", "Exchange 0.46", "Sebi 0.02", "Stamp 0.00", "Dp 15.00", "Gst 3.60"]);
}

/// A contract note charges as intraday what is bought and sold on one day, whichever strategy did which, and as delivery the rest.
#[test]
fn shares_that_are_bought_and_sold_on_one_day_are_not_delivered() {
    let (cnc, mis) = (key(Exchange::Nse, "SBIN-EQ", Product::Cnc), key(Exchange::Nse, "SBIN-EQ", Product::Mis));
    let trades = [(1, Side::Sell, 100, "1010"), (2, Side::Buy, 100, "1000")];
    let turned = rates().alone((&cnc, &line(&cnc, &trades)), Some(Kind::Share), "zero", day());
    assert_eq!(
        told(&turned),
        told(&rates().alone((&mis, &line(&mis, &trades)), Some(Kind::Share), "zero", day())),
        "nor charged by the depository"
    );

    // 60 of the 100 that were bought are kept: 40 % of the purchase, and all that was sold, is intraday.
    let kept =
        rates().alone((&cnc, &line(&cnc, &[(1, Side::Buy, 100, "1000"), (2, Side::Sell, 40, "1010")])), Some(Kind::Share), "mine", day());
    // STT: 0.1 % of 60,000 and 0.025 % of 40,400; stamp duty: 0.015 % of 60,000 and 0.003 % of 40,000.
    for (charge, rupees) in [(Charge::Stt, "70.00"), (Charge::Stamp, "10.20")] {
        assert_eq!(kept.each().find(|charged| charged.charge == charge).unwrap().rupees, Amount(rupees.parse().unwrap()), "{charge:?}");
    }
    assert!(!kept.each().any(|charged| charged.charge == Charge::Dp), "nothing left the depository");

    // One strategy bought what another sold: together the same as one that did both.
    let (bought, sold) = (line(&cnc, &[(1, Side::Buy, 100, "1000")]), line(&cnc, &[(2, Side::Sell, 40, "1010")]));
    let all = Turned::default().with(&bought).with(&sold);
    let one = |line: &Line| rates().costs((&cnc, line, all), Some(Kind::Share), "mine", day());
    assert_eq!(told(&one(&bought).with(one(&sold), &rates(), day())), told(&kept));

    // More is sold than bought: the difference is delivered.
    let more =
        rates().alone((&cnc, &line(&cnc, &[(1, Side::Buy, 40, "1000"), (2, Side::Sell, 100, "1000")])), Some(Kind::Share), "mine", day());
    // 0.1 % of 60,000 and 0.025 % of 40,000.
    assert_eq!(more.each().find(|charged| charged.charge == Charge::Stt).unwrap().rupees, Amount("70.00".parse().unwrap()));
    assert_eq!(more.each().find(|charged| charged.charge == Charge::Dp).unwrap().rupees, Amount("15.00".parse().unwrap()));
}

#[test]
fn options_of_an_index() {
    let key = key(Exchange::Nfo, "NIFTY24NOV26C26000", Product::Nrml);
    let line = line(&key, &[(1, Side::Buy, 65, "100"), (2, Side::Sell, 65, "120")]);
    let costs = rates().alone((&key, &line), Some(Kind::Option), "mine", day());
    // Brokerage: 0.03 % of 6,500 is 1.95, of 7,800 is 2.34. GST: 18 % of 4.29 + 5.08079 + 0.0143.
    assert_eq!(told(&costs), ["Brokerage 4.29", "Stt 12.00", "Exchange 5.08", "Sebi 0.01", "Stamp 0.20", "Gst 1.69"]);
}

#[test]
fn futures_of_an_index_and_of_a_metal() {
    let nifty = key(Exchange::Nfo, "NIFTY24NOV26F", Product::Nrml);
    let costs = rates().alone((&nifty, &line(&nifty, &[(1, Side::Sell, 75, "25000")])), Some(Kind::Future), "mine", day());
    assert_eq!(told(&costs), ["Brokerage 5.00", "Stt 938.00", "Exchange 34.31", "Sebi 1.88", "Stamp 0.00", "Gst 7.41"]);
    let gold = key(Exchange::Mcx, "GOLD05DEC26", Product::Nrml);
    let trades = [(1, Side::Buy, 10, "100000"), (2, Side::Sell, 10, "100000")];
    let costs = rates().alone((&gold, &line(&gold, &trades)), Some(Kind::Future), "zero", day());
    assert_eq!(told(&costs), ["Brokerage 0.00", "Ctt 100.00", "Exchange 42.00", "Sebi 2.00", "Stamp 20.00", "Gst 7.92"]);
}

#[test]
fn what_nobody_has_a_rate_for_is_unknown_and_not_nothing() {
    let share = key(Exchange::Nse, "SBIN-EQ", Product::Cnc);
    let sold = line(&share, &[(1, Side::Sell, 10, "1500")]);
    let costs = rates().alone((&share, &sold), Some(Kind::Share), "", day());
    assert_eq!(costs.unknown().collect::<Vec<_>>(), [Charge::Brokerage, Charge::Dp]);
    assert_eq!((costs.total(), costs.known() > Amount::ZERO), (None, true));
    let costs = rates().alone((&share, &sold), None, "zero", day());
    assert_eq!((costs.total(), costs.unclassed().count()), (None, 1));
    let agri = key(Exchange::Mcx, "COTTON30NOV26", Product::Nrml);
    let costs = rates().alone((&agri, &line(&agri, &[(1, Side::Buy, 10, "500")])), Some(Kind::Agri), "zero", day());
    assert_eq!(costs.total(), None, "agricultural commodities are charged otherwise");
    let before = NaiveDate::from_ymd_opt(2026, 3, 31).unwrap();
    let costs = rates().alone((&share, &sold), Some(Kind::Share), "zero", before);
    assert_eq!(costs.unknown().count(), 7, "a date that no rate covers");
    let untouched = rates().alone((&share, &Line::default()), None, "", day());
    assert_eq!(untouched.total(), Some(Amount::ZERO), "where nothing traded nothing is charged");
}

#[test]
fn a_newer_rate_holds_from_its_day_on_and_the_depository_charges_a_share_once() {
    let newer = r#"
[[rate]]
charge = "STT"
segments = ["NSE"]
kinds = ["SHARE"]
products = ["CNC"]
percent = "0.2"
from = "2027-04-01"
source = "a budget to come"
"#;
    let rates = parsed(&[MINE, newer]).unwrap();
    let key = key(Exchange::Nse, "SBIN-EQ", Product::Cnc);
    let sold = line(&key, &[(1, Side::Sell, 10, "1500")]);
    let on = |date: &str| {
        let date = date.parse().unwrap();
        rates.alone((&key, &sold), Some(Kind::Share), "mine", date).each().find(|charged| charged.charge == Charge::Stt).unwrap().rupees
    };
    assert_eq!((on("2027-03-31"), on("2027-04-01")), (Amount(Decimal::from(15)), Amount(Decimal::from(30))));
    let one = || rates.alone((&key, &sold), Some(Kind::Share), "mine", day());
    let two = one().with(one(), &rates, day());
    let of = |costs: &Costs, charge| costs.each().find(|charged| charged.charge == charge).unwrap().rupees;
    assert_eq!(of(&two, Charge::Dp), Amount(Decimal::from(15)), "two strategies sold it, and it left the depository once");
    assert_eq!(of(&two, Charge::Gst), Amount("4.49".parse().unwrap()), "18 % of 9 + 0.921 + 0.03 + 15");
}

#[test]
fn files_that_are_wrong_are_refused_with_all_that_is_wrong() {
    let wrong = |text: &str| parsed(&[text]).unwrap_err().to_string();
    let row = |rest: &str| format!("[[rate]]\n{rest}\nfrom = \"2027-04-01\"\nsource = \"a test\"\n");
    for (text, says) in [
        (row("charge = \"STT\"\npercent = \"0.1\""), "it is for nothing"),
        (row("charge = \"STT\"\nper_order = \"1\"\nsegments = [\"NSE\"]\nkinds = [\"SHARE\"]"), "all others take percent"),
        (row("charge = \"STT\"\npercent = \"-1\"\nsegments = [\"NSE\"]\nkinds = [\"SHARE\"]"), "from 0 to 100000"),
        (row("charge = \"STT\"\npercent = \"1e3\"\nsegments = [\"NSE\"]\nkinds = [\"SHARE\"]"), "plain decimal"),
        (row("charge = \"BROKERAGE\"\npercent = \"1\"\nsegments = [\"NSE\"]\nkinds = [\"SHARE\"]"), "name a plan"),
        (row("charge = \"SEBI\"\nplan = \"x\"\npercent = \"1\"\nsegments = [\"NSE\"]\nkinds = [\"SHARE\"]"), "no other charge does"),
        (row("charge = \"GST\"\npercent = \"18\"\nuntil = \"2026-01-01\""), "until is before from"),
        (row("charge = \"GST\"\npercent = \"18\"\nuntil = \"soon\""), "is not a date"),
        (row("charge = \"STT\"\nrate = \"1\""), "unknown field"),
        ("[[rate]]\ncharge = \"GST\"\npercent = \"18\"\nfrom = \"2027-01-01\"\nsource = \" \"\n".to_owned(), "source is empty"),
        (
            "[[rate]]\ncharge = \"GST\"\npercent = \"28\"\nfrom = \"2026-04-01\"\nsource = \"twice\"\n".to_owned(),
            "another rate from 2026-04-01",
        ),
    ] {
        assert!(wrong(&text).contains(says), "{says:?} is not in {}", wrong(&text));
    }
    let both = parsed(&[&row("charge = \"STT\"\npercent = \"0.1\""), "nonsense"]).unwrap_err();
    assert_eq!(both.problems.len(), 2);
}

fn any_trade() -> impl proptest::strategy::Strategy<Value = (u64, Side, i64, i64)> {
    (1u64..6, any::<bool>(), 1i64..500, 5i64..500_000)
        .prop_map(|(order, buys, quantity, paise)| (order, if buys { Side::Buy } else { Side::Sell }, quantity, paise))
}

fn class() -> impl proptest::strategy::Strategy<Value = (Exchange, Kind, Product)> {
    select(vec![
        (Exchange::Nse, Kind::Share, Product::Cnc),
        (Exchange::Nse, Kind::Share, Product::Mis),
        (Exchange::Nfo, Kind::Future, Product::Nrml),
        (Exchange::Nfo, Kind::Option, Product::Mis),
        (Exchange::Mcx, Kind::Option, Product::Nrml),
    ])
}

proptest! {
    /// No charge is negative, one more trade never makes any smaller (but of shares for delivery, which turn intraday when the other
    /// side trades), and the sum of the parts is the whole.
    #[test]
    fn prop_charges_are_never_negative_and_grow_with_every_trade(
        trades in proptest::collection::vec(any_trade(), 1..12), (exchange, kind, product) in class(), plan in select(vec!["zero", "mine"]),
    ) {
        let (rates, key) = (rates(), key(exchange, "X", product));
        let priced: Vec<(u64, Side, i64, String)> =
            trades.into_iter().map(|(order, side, quantity, paise)| (order + if side == Side::Buy { 0 } else { 10 }, side, quantity, Decimal::new(paise, 2).to_string())).collect();
        let priced: Vec<(u64, Side, i64, &str)> = priced.iter().map(|(order, side, quantity, at)| (*order, *side, *quantity, at.as_str())).collect();
        let mut before = Costs::default();
        for upto in 1..=priced.len() {
            let line = line(&key, &priced[..upto]);
            let costs = rates.alone((&key, &line), Some(kind), plan, day());
            prop_assert!(costs.total().is_some());
            for (charge, rupees) in &costs.exact {
                prop_assert!(!rupees.is_sign_negative() || rupees.is_zero(), "{charge:?} {rupees}");
                let may_fall = product == Product::Cnc && !matches!(charge, Charge::Exchange | Charge::Sebi | Charge::Brokerage);
                prop_assert!(may_fall || *rupees >= before.exact.get(charge).copied().unwrap_or_default(), "{charge:?} fell to {rupees}");
            }
            let sum: Decimal = costs.each().map(|charged| charged.rupees.0).sum();
            prop_assert_eq!(costs.known(), Amount(sum));
            before = costs;
        }
    }
}
