use super::*;
use crate::order::{Ask, Exchange, Product, Right, Status, Tag};
use crate::persistence::Control;
use crate::testkit::ListedInstruments;
use crate::testkit::builders::{Build, at, book_of, exit, future, listed, nfo, option, price, share, terms_of};

fn rows() -> ListedInstruments {
    let shares = Instrument { underlying: future().underlying, ..share() };
    listed([
        option("25700CE", "25700", Right::Call),
        option("25800CE", "25700", Right::Call),
        option("25800PE", "25700", Right::Put),
        future(),
        shares,
    ])
}

/// An exit of one of them, at the market.
fn of(number: u64, symbol: &str, side: Side) -> OrderRecord {
    let order = exit(number).of(symbol).side(side).asks(75);
    let ask = Ask { exchange: Some(Exchange::Nfo), product: Some(Product::Nrml), order_type: Some(OrderType::Market), ..order.ask.clone() };
    OrderRecord { ask, source: Source::Dashboard, ..order }
}

/// The short and what covers it, with these orders.
fn spread(orders: &[OrderRecord]) -> Book {
    book_of(orders.to_vec(), &[("trend", nfo("25800CE"), 75), ("trend", nfo("25700CE"), -75)])
}

fn look(covers: &mut Covers, sale: &OrderRecord, book: &Book, second: i64) -> Cover {
    covers.look(sale, &terms_of(sale), book, &rows(), at(second))
}

fn waits(cover: &Cover) -> bool {
    matches!(cover, Cover::Waits(reason) if reason.contains("25700CE NRML, which it covers, is not bought back yet"))
}

fn level(cover: Cover) -> Option<Level> {
    match cover {
        Cover::Uncovers(level, _) => Some(level),
        Cover::Goes | Cover::Waits(_) => None,
    }
}

#[test]
fn the_cover_waits_for_the_short_that_leaves_beside_it_and_goes_with_a_page_when_that_does_not_come() {
    let (buy, sale) = (of(1, "25700CE", Side::Buy), of(2, "25800CE", Side::Sell));
    let mut covers = Covers::default();
    assert!(waits(&look(&mut covers, &sale, &spread(&[buy.clone(), sale.clone()]), 0)), "neither has been sent");
    let rests = spread(&[OrderRecord { sent_at: Some(at(0)), ..buy.clone().working("1") }, sale.clone()]);
    assert!(waits(&look(&mut covers, &sale, &rests, 19)));
    let Cover::Uncovers(Level::Page, text) = look(&mut covers, &sale, &rests, 20) else { panic!("it goes") };
    assert!(text.contains("trend NFO:25800CE NRML is closed although trend NFO:25700CE NRML, which it covers"), "{text}");

    // One that was refused is not forgotten either: it was to go first.
    let mut covers = Covers::default();
    look(&mut covers, &sale, &spread(&[buy.clone(), sale.clone()]), 0);
    let refused = spread(&[buy.ended(Status::Failed, Some(Tag::BrokerRejected)), sale.clone()]);
    assert!(waits(&look(&mut covers, &sale, &refused, 1)));
    assert_eq!(level(look(&mut covers, &sale, &refused, 20)), Some(Level::Page));
}

#[test]
fn it_goes_the_moment_that_the_short_is_closed() {
    let (buy, sale) = (of(1, "25700CE", Side::Buy), of(2, "25800CE", Side::Sell));
    let mut covers = Covers::default();
    assert!(waits(&look(&mut covers, &sale, &spread(&[buy, sale.clone()]), 0)));
    let closed = book_of([sale.clone()], &[("trend", nfo("25800CE"), 75)]);
    assert_eq!(look(&mut covers, &sale, &closed, 1), Cover::Goes);
}

#[test]
fn it_waits_for_the_short_of_another_strategy_too_but_for_no_limit_far_away() {
    let sale = of(2, "25800CE", Side::Sell);
    let others = of(1, "25700CE", Side::Buy).by("other");
    let of_two = book_of([others, sale.clone()], &[("trend", nfo("25800CE"), 75), ("other", nfo("25700CE"), -75)]);
    assert!(waits(&look(&mut Covers::default(), &sale, &of_two, 0)), "the account has one margin");
    let mut limit = OrderRecord { sent_at: Some(at(0)), ..of(1, "25700CE", Side::Buy).working("1") };
    (limit.ask.order_type, limit.ask.price) = (Some(OrderType::Limit), Some(price("20")));
    let rests = spread(&[limit, sale.clone()]);
    assert_eq!(level(look(&mut Covers::default(), &sale, &rests, 30)), Some(Level::Warn), "it has rested for long");
}

#[test]
fn who_sells_the_cover_of_a_short_that_stays_is_told_and_of_the_engines_own_sale_a_page_tells() {
    let sale = of(2, "25800CE", Side::Sell);
    assert_eq!(level(look(&mut Covers::default(), &sale, &spread(std::slice::from_ref(&sale)), 0)), Some(Level::Warn));
    let ours = OrderRecord { source: Source::System, ..sale.clone() };
    assert_eq!(level(look(&mut Covers::default(), &ours, &spread(std::slice::from_ref(&ours)), 0)), Some(Level::Page));
    // Rules and square-offs wait before they send, and have told of what did not come.
    let both = spread(&[of(1, "25700CE", Side::Buy), ours.clone()]);
    assert_eq!(look(&mut Covers::default(), &ours, &both, 0), Cover::Goes);
    let mut squared = spread(std::slice::from_ref(&ours));
    squared.put_control(Control { level: KillLevel::SquareOff, ..Control::default() });
    assert_eq!(look(&mut Covers::default(), &ours, &squared, 0), Cover::Goes);
    let resting = OrderRecord { source: Source::Stop, ..sale };
    assert_eq!(look(&mut Covers::default(), &resting, &spread(std::slice::from_ref(&resting)), 0), Cover::Goes, "it only rests");
}

/// The limit of a target is no buying back: the stop of the cover fires beside it, and the short stands alone.
#[test]
fn the_target_of_the_short_does_not_keep_the_page_back() {
    let (ours, mut target) = (OrderRecord { source: Source::System, ..of(2, "25800CE", Side::Sell) }, of(1, "25700CE", Side::Buy));
    (target.source, target.ask.order_type, target.ask.price) = (Source::Dashboard, Some(OrderType::Limit), Some(price("20")));
    let book = spread(&[target, ours.clone()]);
    assert_eq!(level(look(&mut Covers::default(), &ours, &book, 0)), Some(Level::Page));
}

/// A covered call, and a future that was sold against a sold put.
#[test]
fn a_future_and_shares_wait_for_the_option_that_they_cover() {
    const FUTURE: &str = "NIFTY26NOVFUT";
    for (side, units, option) in [(Side::Sell, 75, "25700CE"), (Side::Buy, -75, "25800PE")] {
        let (buy, exit) = (of(1, option, Side::Buy), of(2, FUTURE, side));
        let held = [("trend", nfo(FUTURE), units), ("trend", nfo(option), -75)];
        let mut covers = Covers::default();
        let both = book_of([buy, exit.clone()], &held);
        let Cover::Waits(reason) = look(&mut covers, &exit, &both, 0) else { panic!("{option}") };
        assert!(reason.contains(option), "{reason}");
        assert_eq!(level(look(&mut covers, &exit, &both, 20)), Some(Level::Page), "{option}");
        let stays = book_of([exit.clone()], &held);
        assert_eq!(level(look(&mut Covers::default(), &exit, &stays, 0)), Some(Level::Warn), "{option}");
        let more = book_of([exit.clone()], &[("trend", nfo(FUTURE), 2 * units), held[1].clone()]);
        assert_eq!(look(&mut Covers::default(), &exit, &more, 0), Cover::Goes, "{option}: the rest covers it still");
        let other = if option == "25700CE" { "25800PE" } else { "25700CE" };
        let beside = book_of([exit.clone()], &[held[0].clone(), ("trend", nfo(other), -75)]);
        assert_eq!(look(&mut Covers::default(), &exit, &beside, 0), Cover::Goes, "{option}: it does not cover {other}");
    }
    let mut shares = of(2, "SBIN-EQ", Side::Sell);
    (shares.ask.exchange, shares.ask.product) = (Some(Exchange::Nse), Some(Product::Cnc));
    let key = shares.holding().unwrap();
    let stays = book_of([shares.clone()], &[("trend", key, 75), ("trend", nfo("25700CE"), -75)]);
    assert_eq!(level(look(&mut Covers::default(), &shares, &stays, 0)), Some(Level::Warn));
}

#[test]
fn what_covers_nothing_goes() {
    let sale = |symbol: &str| of(2, symbol, Side::Sell);
    let buy = of(1, "25700CE", Side::Buy);
    let put = sale("25800PE");
    let other_right = book_of([buy.clone(), put.clone()], &[("trend", nfo("25800PE"), 75), ("trend", nfo("25700CE"), -75)]);
    assert_eq!(look(&mut Covers::default(), &put, &other_right, 0), Cover::Goes);
    let alone = book_of([sale("25800CE")], &[("trend", nfo("25800CE"), 75)]);
    assert_eq!(look(&mut Covers::default(), &sale("25800CE"), &alone, 0), Cover::Goes);
    let more = book_of([sale("25800CE")], &[("trend", nfo("25800CE"), 150), ("trend", nfo("25700CE"), -75)]);
    assert_eq!(look(&mut Covers::default(), &sale("25800CE"), &more, 0), Cover::Goes, "the rest covers it still");
    assert_eq!(look(&mut Covers::default(), &buy, &spread(std::slice::from_ref(&buy)), 0), Cover::Goes, "a short's own exit");
}
