use std::collections::BTreeMap;

use super::*;
use crate::order::calendar::File;
use crate::order::{Holding, HoldingKey, OrderRecord, Points, Quantity, Side};
use crate::pnl::{Day, DayChange, Move};
use crate::ports::Carried;
use crate::testkit::builders::{Build, at as second, book_of, nse, order, points, position, price, rupees, sbin, sbin_in, strategy};

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// Quotes and closes as a test says.
#[derive(Debug, Default)]
struct Board {
    quotes: BTreeMap<InstrumentKey, Quote>,
    closes: BTreeMap<InstrumentKey, Price>,
}

impl Board {
    fn with(mut self, key: InstrumentKey, bid: Option<&str>, ask: Option<&str>, last: &str) -> Self {
        let quote = Quote { bid: bid.map(price), ask: ask.map(price), last: price(last), band: None, at: second(0), seen_at: second(0) };
        self.quotes.insert(key, quote);
        self
    }

    fn closed(mut self, key: InstrumentKey, close: &str) -> Self {
        self.closes.insert(key, price(close));
        self
    }
}

impl Quotes for Board {
    fn quote(&self, key: &InstrumentKey) -> Option<Quote> {
        self.quotes.get(key).copied()
    }
    fn previous_close(&self, key: &InstrumentKey) -> Option<Price> {
        self.closes.get(key).copied()
    }
}

fn ours(day: &Day, board: &Board) -> Figure {
    own_pnl(day.pools(day.date()), board, asked(second(3_600), DayOf::Sessions))
}

fn asked(now: DateTime<Utc>, day: DayOf) -> Asked {
    Asked { now, day, sight: None }
}

fn known(amount: i64) -> Figure {
    Figure::Known(rupees(amount))
}

/// A day with these trades of ten units each.
fn traded(trades: &[(HoldingKey, Side, &str)]) -> Day {
    let mut changes = Vec::new();
    let mut held: BTreeMap<HoldingKey, Holding> = BTreeMap::new();
    for (seq, (key, side, at)) in (1..).zip(trades) {
        let (before, quantity) = (held.get(key).copied().unwrap_or_default(), Quantity::new(10).unwrap());
        let what = Move::Traded { order: seq, side: *side, quantity, price: price(at), seen: None, at: crate::testkit::builders::at(0) };
        changes.push(DayChange { seq, day: trading_date(second(0)), strategy: strategy("trend"), key: key.clone(), before, what });
        held.insert(key.clone(), before.after(*side, quantity, price(at)));
    }
    let owner = strategy("trend");
    Day::load(trading_date(second(0)), held.iter().map(|(key, held)| (&owner, key, held)), &changes)
}

fn carried(net: i64, cost: i64) -> Day {
    let held = Holding { net, cost: points(cost), realised: Points::ZERO, opened_at: None };
    Day::load(trading_date(second(0)), [(&strategy("trend"), &sbin_in(Product::Mis), &held)], &[])
}

#[test]
fn before_the_exchanges_open_yesterdays_figure_is_not_todays() {
    let idle = book_of([], &[]);
    for (time, pnl) in [
        ("2026-11-19T18:30:00Z", 0),
        ("2026-11-20T03:29:59Z", 0),
        ("2026-11-20T03:30:00Z", -9_000),
        ("2026-11-20T18:24:59Z", -9_000),
        ("2026-11-20T18:25:00Z", 0),
    ] {
        let now = at(time);
        let loss = Some((now, known(-9_000)));
        for (day, expected) in [(DayOf::Sessions, pnl), (DayOf::Always, pnl), (DayOf::Rest, 0)] {
            assert_eq!(DayResult::of(loss.clone(), known(-500), &idle, asked(now, day)).pnl(), Some(rupees(expected)), "{time} {day:?}");
        }
    }
    let night = at("2026-11-19T18:31:00Z");
    let traded = OrderRecord { updated_at: night, ..order(1).filled(10, 10) };
    let loss = Some((night, known(-9_000)));
    let result = DayResult::of(loss, known(0), &book_of([traded], &[]), asked(night, DayOf::Always));
    assert_eq!(result.pnl(), Some(rupees(-9_000)), "something was traded today");
}

#[test]
fn what_the_broker_showed_before_the_day_began_is_no_result_of_it() {
    let idle = book_of([], &[]);
    let now = at("2026-11-20T03:31:00Z");
    let of = |read: &str, day| DayResult::of(Some((at(read), known(-9_000))), known(-5), &idle, asked(now, day));
    for stale in ["2026-11-19T10:00:00Z", "2026-11-20T03:29:00Z"] {
        assert_eq!(of(stale, DayOf::Sessions).pnl(), Some(rupees(-5)), "{stale}");
    }
    assert_eq!(of("2026-11-20T03:30:30Z", DayOf::Sessions).pnl(), Some(rupees(-9_000)));
    assert_eq!(of("2026-11-20T03:29:00Z", DayOf::Always).pnl(), Some(rupees(-9_000)), "a market that is always open has no morning");
    assert_eq!(of("2026-11-19T10:00:00Z", DayOf::Always).pnl(), Some(rupees(-5)));
    let words = of("2026-11-19T10:00:00Z", DayOf::Sessions).to_string();
    assert_eq!(
        words,
        "-5 rupees by our own fills, the broker's positions do not tell: they were last read on Thu 19 Nov 2026 15:30 IST, before the day began"
    );
}

#[test]
fn a_day_without_a_session_is_told_by_the_calendar() {
    let files =
        [("2026", include_str!("../../../config/calendar/2026.toml")), ("2027", include_str!("../../../config/calendar/2027.toml"))];
    let files = files.map(|(name, text)| File { name: name.to_owned(), text: text.to_owned() });
    let calendar = Calendar::parse(&files).unwrap();
    let day = |time, is_live| Asked::at(at(time), &calendar, is_live).day;
    assert_eq!(day("2026-11-20T05:00:00Z", true), DayOf::Sessions);
    assert_eq!(day("2026-11-21T05:00:00Z", true), DayOf::Rest, "a Saturday");
    assert_eq!(day("2026-02-01T05:00:00Z", true), DayOf::Sessions, "the Sunday of the budget");
    assert_eq!(day("2026-11-21T05:00:00Z", false), DayOf::Always, "paper");
    assert_eq!(day("2031-11-22T05:00:00Z", true), DayOf::Sessions, "beyond the calendar it is not known: what is lost counts");
}

#[test]
fn a_quote_of_an_earlier_day_is_the_close_of_the_day_before() {
    let yesterday = Quote { bid: None, ask: None, last: price("750"), band: None, at: second(-86_400), seen_at: second(0) };
    let mut board = Board::default().closed(sbin(), "800");
    board.quotes.insert(sbin(), yesterday);
    assert_eq!(ours(&carried(10, 8_000), &board), known(0), "what it fell yesterday is no loss of today");
    board.quotes.insert(sbin(), Quote { at: second(0), last: price("745"), ..yesterday });
    assert_eq!(ours(&carried(10, 8_000), &board), known(-550), "from here on the market tells the close");
    let early = "2026-11-20T02:00:00Z".parse().unwrap();
    board.quotes.insert(sbin(), Quote { at: early, last: price("745"), ..yesterday });
    assert_eq!(ours(&carried(10, 8_000), &board), known(0), "asked for before the exchanges open it is yesterday's");
    let always = asked(second(3_600), DayOf::Always);
    let day = carried(10, 8_000);
    assert_eq!(own_pnl(day.pools(day.date()), &board, always), known(-550), "where the market is always open it is of its date");
}

#[test]
fn the_worse_book_decides_and_both_figures_are_named() {
    let unknown = || Figure::unknown("no price of NSE:SBIN-EQ");
    let rows = [
        (Some(-900), known(-400), Some(-900), BROKER, "-900 rupees by the broker's positions, our own fills say -400"),
        (Some(-400), known(-900), Some(-900), FILLS, "-900 rupees by our own fills, the broker's positions say -400"),
        (Some(300), known(-1), Some(-1), FILLS, "-1 rupees by our own fills, the broker's positions say 300"),
        (Some(300), known(700), Some(300), BROKER, "300 rupees by the broker's positions, our own fills say 700"),
        (Some(5), known(5), Some(5), "the broker's positions and our own fills", "5 rupees by the broker's positions and our own fills"),
        (Some(7), unknown(), Some(7), BROKER, "7 rupees by the broker's positions, our own fills do not tell: no price of NSE:SBIN-EQ"),
        (None, known(-7), Some(-7), FILLS, "-7 rupees by our own fills, the broker's positions do not tell: they were never read"),
        (
            None,
            unknown(),
            None,
            "nothing: neither book tells",
            "not known: the broker's positions do not tell: they were never read, our own fills do not tell: no price of NSE:SBIN-EQ",
        ),
    ];
    let book = book_of([], &[]);
    for (broker, fills, pnl, source, words) in rows {
        let result = DayResult::of(broker.map(|pnl| (second(0), known(pnl))), fills, &book, asked(second(0), DayOf::Sessions));
        assert_eq!((result.pnl(), result.source(), &*result.to_string()), (pnl.map(rupees), source, words));
    }
}

#[test]
fn fills_are_worth_what_the_newest_quotes_say_delivery_aside() {
    let (long, short) = (sbin_in(Product::Mis), HoldingKey { instrument: nse("INFY-EQ"), product: Product::Nrml });
    let delivery = HoldingKey { instrument: nse("INFY-EQ"), product: Product::Cnc };
    let day = traded(&[(long.clone(), Side::Buy, "800"), (short, Side::Sell, "1500"), (delivery, Side::Buy, "9000")]);
    let board = Board::default().with(sbin(), Some("790"), Some("790.5"), "790").with(nse("INFY-EQ"), Some("1519"), Some("1520"), "1520");
    assert_eq!(ours(&day, &board), known(-100 - 200));
    let flat = traded(&[(long.clone(), Side::Buy, "800"), (long, Side::Sell, "795")]);
    assert_eq!(ours(&flat, &Board::default()), known(-50), "what is flat needs no price");
    assert_eq!(ours(&traded(&[]), &Board::default()), known(0));
}

/// Monday long 500 at 2,500, closed at 2,400; Tuesday it trades at 2,405. Whatever the broker counts from, the day made 2,500.
#[test]
fn what_a_carried_position_lost_on_earlier_days_is_no_loss_of_today() {
    let key = HoldingKey { instrument: sbin(), product: Product::Nrml };
    let row = |net, unrealised, carried: i64, from: Option<&str>| PositionRow {
        unrealised: rupees(unrealised),
        carried: Some(Carried { net: carried, from: from.map(|from| from.parse().unwrap()) }),
        ..position(key.clone(), net)
    };
    let board = Board::default().with(sbin(), None, None, "2405").closed(sbin(), "2400");
    let figure =
        |row: &PositionRow, board: &Board| broker_pnl(std::slice::from_ref(row), rupees(-1), board, asked(second(3_600), DayOf::Sessions));
    assert_eq!(figure(&row(500, -47_500, 500, Some("2500")), &board), known(2_499), "from what it cost");
    assert_eq!(figure(&row(500, 2_500, 500, Some("2400")), &board), known(2_499), "from the last settlement");
    assert_eq!(figure(&row(-500, 47_500, -500, Some("2500")), &board), known(-2_501), "a short one gained it before today");
    let half = PositionRow { realised: rupees(-23_750), ..row(250, -23_750, 500, Some("2500")) };
    assert_eq!(figure(&half, &board), known(2_499), "also of what was closed today");
    let quote = Quote { bid: None, ask: None, last: price("2400"), band: None, at: second(-86_400), seen_at: second(0) };
    let mut yesterday = Board::default();
    yesterday.quotes.insert(sbin(), quote);
    assert_eq!(figure(&row(500, -50_000, 500, Some("2500")), &yesterday), known(-1), "nothing has traded since");
    let unknown = |row: &PositionRow, board: &Board| match figure(row, board) {
        Figure::Unknown(why) => why.to_string(),
        known @ Figure::Known(_) => panic!("{known:?}"),
    };
    let no_close = Board::default().with(sbin(), None, None, "2405");
    assert_eq!(unknown(&row(500, -47_500, 500, Some("2500")), &no_close), "no close of the day before for NSE:SBIN-EQ");
    assert!(unknown(&row(500, -47_500, 500, None), &board).starts_with("the broker does not tell from what price"));
    let delivery = PositionRow { holding: sbin_in(Product::Cnc), ..row(500, -47_500, 500, None) };
    assert_eq!(figure(&delivery, &board), known(-1));
}

#[test]
fn one_odd_trade_far_from_the_touch_is_no_loss() {
    let long = traded(&[(sbin_in(Product::Mis), Side::Buy, "800")]);
    let short = traded(&[(sbin_in(Product::Mis), Side::Sell, "800")]);
    let quoted = |bid, ask, last| Board::default().with(sbin(), bid, ask, last);
    for (day, bid, ask, last, pnl) in [
        (&long, Some("799"), Some("801"), "8", -10),
        (&long, Some("799"), Some("801"), "800", 0),
        (&long, Some("700"), Some("801"), "790", -100),
        (&long, None, Some("801"), "790", -100),
        (&short, Some("799"), Some("801"), "8000", -10),
        (&short, Some("799"), None, "810", -100),
        (&long, Some("700"), Some("702"), "800", -980),
        (&short, Some("898"), Some("900"), "800", -980),
    ] {
        assert_eq!(ours(day, &quoted(bid, ask, last)), known(pnl), "{bid:?} {ask:?} {last}");
    }
}

#[test]
fn what_has_no_price_no_close_or_left_without_one_is_not_known() {
    let quoted = || Board::default().with(sbin(), Some("700"), Some("700"), "700");
    let why = |day: &Day, board: &Board| match ours(day, board) {
        Figure::Unknown(why) => why.to_string(),
        known @ Figure::Known(_) => panic!("{known:?}"),
    };
    assert_eq!(why(&traded(&[(sbin_in(Product::Mis), Side::Buy, "800")]), &Board::default()), "no price of NSE:SBIN-EQ");
    // Bought for 800 days ago: what it lost before today is no loss of today.
    assert_eq!(why(&carried(10, 8_000), &quoted()), "no close of the day before for NSE:SBIN-EQ");
    assert_eq!(ours(&carried(10, 8_000), &quoted().closed(sbin(), "705")), known(-50));
    let mut left = carried(10, 8_000);
    let before = Holding { net: 10, cost: points(8_000), ..Holding::default() };
    let what = Move::Left { units: 10, told: None };
    let day = trading_date(second(0));
    left.apply(&DayChange { seq: 9, day, strategy: strategy("trend"), key: sbin_in(Product::Mis), before, what });
    assert_eq!(why(&left, &quoted()), "10 units of NSE:SBIN-EQ were closed elsewhere, at a price that nobody told");
}

/// Positions that cannot be read and quotes that do not come: nobody knows the result, and nobody says that he does.
#[test]
fn what_was_seen_too_long_ago_is_no_result_while_the_market_trades() {
    let sight = Some(Sight { positions: TimeDelta::seconds(15), quotes: TimeDelta::seconds(30) });
    let asked = |now| Asked { now: second(now), day: DayOf::Sessions, sight };
    let idle = book_of([], &[]);
    let of = |now| DayResult::of(Some((second(0), known(-3))), Figure::unknown("nobody"), &idle, asked(now)).pnl();
    assert_eq!((of(15), of(16)), (Some(rupees(-3)), None));
    let held = carried(10, 8_000);
    let board = Board::default().with(sbin(), Some("799"), Some("799"), "799").closed(sbin(), "800");
    let fills = |now, positions_at: Option<i64>| own_pnl(held.pools(held.date()), &board, asked(now).beside(positions_at.map(second)));
    assert_eq!((fills(30, None), fills(60, Some(50))), (known(-10), known(-10)), "beside positions a price may stand still");
    for positions_at in [None, Some(0)] {
        assert_eq!(
            fills(31, positions_at),
            Figure::unknown("the broker's positions are too old, and so is the newest price of NSE:SBIN-EQ"),
            "{positions_at:?}"
        );
    }
    let night = Asked { now: second(14 * 3_600), ..asked(0) };
    assert_eq!(night.now.with_timezone(&ist()).time().to_string(), "00:00:00");
    assert!(!night.is_too_old(second(0)) && !night.is_muted(second(0)), "by night nothing trades");
}

#[test]
fn what_ended_with_its_contract_yesterday_leaves_the_result_of_today_known() {
    let mut day = carried(10, 8_000);
    let before = Holding { net: 10, cost: points(8_000), ..Holding::default() };
    let (today, key) = (day.date(), sbin_in(Product::Mis));
    let what = Move::Settled { units: 10, on: today.pred_opt().unwrap(), told: None };
    day.apply(&DayChange { seq: 9, day: today, strategy: strategy("trend"), key, before, what });
    assert_eq!(ours(&day, &Board::default()), known(0));
}
