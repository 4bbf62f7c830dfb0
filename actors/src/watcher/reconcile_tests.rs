//! What a book means for our orders: whose each row is, and what of it is news.

use chrono::Duration;
use proptest::prelude::{ProptestConfig, prop_assert_eq, proptest};

use super::*;
use crate::order::{Fill, HoldingKey, OrderRecord, Product, Side, Status, Tag, Terms, TradeId};
use crate::ports::DeliveryRow;
use crate::testkit::builders::{Build, SEQ, at, book_of, book_row, broker_id, command, order, price, units};
use crate::testkit::builders::{broker_shows, sbin_in};
use crate::watcher::Delivered;
use crate::watcher::owner::trade_twins;
use crate::watcher::{Patience, Search, read_row, speaks_against_an_end};

#[path = "reconcile_absence_tests.rs"]
mod absence;
#[path = "search_tests.rs"]
mod search;

const PREFIX: &str = "A1B2";

/// The row of a working BUY 10 SBIN-EQ, with the tag of our order of that number.
fn row(id: &str, number: u64) -> BookRow {
    tagged(id, Some(&format!("OG{PREFIX}{number:07}")))
}

fn tagged(id: &str, tag: Option<&str>) -> BookRow {
    BookRow { tag: tag.map(Arc::from), at: at(2), ..book_row(id) }
}

fn in_state(row: BookRow, state: BookState, filled: i64) -> BookRow {
    BookRow { state, filled, ..row }
}

fn reading(book: &Book, rows: &[BookRow]) -> BookReading {
    let rows: Vec<Arc<BookRow>> = rows.iter().cloned().map(Arc::new).collect();
    read_orders(book, &rows, PREFIX, SEQ, at(10))
}

/// What the reading says of our orders: the order's number, the broker's number, the state.
fn facts(reading: &BookReading) -> Vec<(CommandId, String, BookState, i64)> {
    let told = |(command, fact): &(CommandId, OrderFact)| match fact {
        OrderFact::Book { broker_order_id, state, filled, .. } => (*command, broker_order_id.to_string(), *state, *filled),
        other => panic!("an order book states rows, not {other:?}"),
    };
    reading.facts.iter().map(told).collect()
}

fn events(reading: &BookReading) -> Vec<&'static str> {
    reading.concerns.iter().map(|concern| concern.event).collect()
}

const PATIENCE: Patience = Patience { quiet: Duration::seconds(5), books: 3 };

fn looking(book: &Book) -> Search {
    let mut search = Search::default();
    search.follow(book, at(0), |_| false);
    search
}

fn both(search: &mut Search, now: DateTime<Utc>) {
    search.missed_orders(PATIENCE, now);
    search.missed_trades(PATIENCE, now);
}

#[test]
fn a_row_is_ours_by_its_number_and_then_by_its_tag() {
    let book = book_of([order(1).working("B1"), order(2).doubted()], &[]);
    let by_number = tagged("B1", None);
    let by_tag = row("B2", 2);
    let read = reading(&book, &[in_state(by_number, BookState::Complete, 10), by_tag]);
    assert_eq!(facts(&read), [(command(1), "B1".to_owned(), BookState::Complete, 10), (command(2), "B2".to_owned(), BookState::Open, 0)]);
    assert!(read.foreign.is_empty() && read.concerns.is_empty() && read.lacks.is_empty() && !read.strange_tag);
    let strange_tag_on_our_number = reading(&book, &[in_state(tagged("B1", Some("OGZZZZ0000009")), BookState::Complete, 10), row("B2", 2)]);
    assert_eq!(facts(&strange_tag_on_our_number).len(), 2, "the number comes first");
}

#[test]
fn what_carries_no_tag_of_our_shape_is_foreign_and_never_touched() {
    let book = book_of([order(1).working("B1")], &[]);
    for tag in [None, Some(""), Some("my own"), Some("OGA1B2"), Some("oga1b20000001")] {
        let read = reading(&book, &[tagged("X9", tag), row("B1", 1)]);
        assert_eq!((read.foreign.len(), read.facts.len(), read.concerns.len(), read.strange_tag), (1, 0, 0, false), "{tag:?}");
    }
}

#[test]
fn a_tag_of_our_shape_with_another_prefix_is_a_second_engine() {
    let book = book_of([order(1)], &[]);
    let read = reading(&book, &[tagged("X9", Some("OGZZZZ0000001"))]);
    assert_eq!((events(&read), read.strange_tag, read.foreign.len(), read.facts.len()), (vec!["ALARM_STRANGE_TAG"], true, 1, 0));
    assert!(read.concerns[0].level == Level::Page && read.concerns[0].text.contains("a second engine"));
}

#[test]
fn our_own_prefix_with_a_number_never_written_is_a_restored_backup() {
    let read = reading(&book_of([order(1)], &[]), &[row("X9", 2)]);
    assert_eq!((events(&read), read.strange_tag, read.facts.len()), (vec!["ALARM_STRANGE_TAG"], true, 0));
    assert!(read.concerns[0].text.contains("a restored backup"));
}

#[test]
fn an_order_that_ended_here_long_ago_is_looked_up_on_disk() {
    let book = book_of([order(9)], &[]);
    let read = reading(&book, &[row("X9", 3), tagged("X8", None)]);
    assert_eq!((events(&read), read.strange_tag, read.facts.len()), (vec![], false, 0));
    assert_eq!(numbers(&read.old), ["X9"], "nothing was forgotten yet: a row without a tag is foreign");
    let long = book_of([order(crate::persistence::NEWEST_KEPT + 1)], &[]);
    let read = reading(&long, &[row("X9", 3), tagged("X8", None), tagged("X7", Some("my own"))]);
    assert_eq!((numbers(&read.old), numbers(&read.foreign)), (vec!["X9", "X8"], vec!["X8", "X7"]));
}

fn numbers(rows: &[Arc<BookRow>]) -> Vec<&str> {
    rows.iter().map(|row| row.broker_order_id.as_str()).collect()
}

#[test]
fn a_number_of_another_day_is_ours_only_while_it_waits_for_news_and_fits() {
    let yesterday = |number, status| OrderRecord { sent_at: Some(at(-86_400)), ..order(number).working("B1").ended(status, None) };
    let ended = book_of([yesterday(1, Status::Executed)], &[]);
    let read = reading(&ended, &[tagged("B1", None)]);
    assert_eq!((read.facts.len(), read.foreign.len()), (0, 1), "the broker uses the number again");
    let trades = [trade("B1", "T1", 4)];
    assert!(read_trades(&ended, &trades).is_empty());
    let again = book_of([yesterday(1, Status::Executed), order(2).working("B1")], &[]);
    assert_eq!(facts(&reading(&again, &[in_state(tagged("B1", None), BookState::Complete, 10)]))[0].0, command(2));
    let open = book_of([yesterday(1, Status::SentToBroker)], &[]);
    assert_eq!(facts(&reading(&open, &[in_state(tagged("B1", None), BookState::Complete, 10)])).len(), 1, "sent before midnight");
    assert_eq!(read_trades(&open, &trades).len(), 1);
    let other_side = BookRow { side: Side::Sell, ..tagged("B1", None) };
    assert_eq!(reading(&open, &[other_side]).foreign.len(), 1);
}

#[test]
fn a_tag_on_the_wrong_instrument_or_side_is_not_adopted() {
    let book = book_of([order(1).doubted()], &[]);
    let elsewhere = BookRow { instrument: crate::testkit::builders::nse("INFY-EQ"), ..row("B1", 1) };
    let other_side = BookRow { side: Side::Sell, ..row("B1", 1) };
    for wrong in [elsewhere, other_side] {
        let read = reading(&book, std::slice::from_ref(&wrong));
        assert_eq!((events(&read), read.facts.len(), read.foreign.len()), (vec!["ALARM_TAG_MISMATCH"], 0, 1));
        assert_eq!(read_row(&book, &wrong, PREFIX), None);
    }
}

#[test]
fn two_rows_of_one_order_are_said_whether_its_number_is_known_or_not() {
    let known = reading(&book_of([order(1).working("B1")], &[]), &[row("B1", 1), row("B2", 1)]);
    assert_eq!((events(&known), known.facts.len()), (vec!["ALARM_DOUBLE_ORDER"], 0), "the second one is not adopted");
    assert!(known.concerns[0].text.contains("broker orders B2 and B1 both carry the tag"));
    let in_doubt = reading(&book_of([order(1).doubted()], &[]), &[row("B1", 1), row("B2", 1)]);
    assert_eq!((events(&in_doubt), in_doubt.concerns[0].command_id), (vec!["ALARM_DOUBLE_ORDER"], Some(command(1))));
    assert!(in_doubt.concerns[0].text.contains("broker orders B1 and B2 are both order"));
    let twice = reading(&book_of([order(1).doubted()], &[]), &[row("B1", 1), row("B1", 1)]);
    assert!(twice.concerns.is_empty(), "the same row twice is one order");
}

/// A plain copy of the directory, put back on the same day, counts on from the same number: the row of the order before carries
/// the tag of the one that is sent now.
#[test]
fn a_row_that_was_there_before_the_order_was_sent_is_not_that_order() {
    let sent = |high: Option<&str>, at_second: i64| OrderRecord {
        high_water: high.map(broker_id),
        sent_at: Some(at(at_second)),
        ..order(1).doubted()
    };
    let read = |order: OrderRecord, id: &str| {
        let read = reading(&book_of([order], &[]), &[in_state(row(id, 1), BookState::Complete, 10)]);
        (events(&read), read.facts.len())
    };
    assert_eq!(read(sent(Some("B5"), 600), "B3"), (vec!["ALARM_TAG_MISMATCH"], 0));
    assert_eq!(read(sent(Some("B5"), 600), "B6"), (vec![], 1), "numbered after it");
    assert_eq!(read(sent(Some("B5"), 30), "B3"), (vec![], 1), "a clock may be a minute off, and a broker may not count up");
    assert_eq!(read(sent(None, 600), "B3"), (vec![], 1));
}

#[test]
fn a_second_order_with_our_tag_that_works_or_has_filled_is_a_rivals() {
    let rivals = |rows: &[BookRow], order: OrderRecord| {
        let read = reading(&book_of([order], &[]), rows);
        read.rivals.iter().map(|(id, _)| id.to_string()).collect::<Vec<_>>()
    };
    let known = || order(1).working("B1");
    assert_eq!(rivals(&[row("B1", 1), row("B2", 1)], known()), ["B2"]);
    assert_eq!(rivals(&[row("B1", 1), in_state(row("B2", 1), BookState::Complete, 10)], known()), ["B2"]);
    assert_eq!(rivals(&[row("B1", 1), in_state(row("B2", 1), BookState::Rejected, 0)], known()), [""; 0], "it does no harm");
    assert_eq!(rivals(&[row("B1", 1), row("B2", 1)], order(1).doubted()), ["B2"]);
    assert_eq!(rivals(&[tagged("X9", Some("OGZZZZ0000001"))], known()), ["X9"]);
    assert_eq!(rivals(&[row("B1", 1)], known()), [""; 0]);
}

#[test]
fn trades_beyond_what_an_order_is_for_are_said() {
    let said = |order: OrderRecord, trades: &[Arc<TradeRow>], shown: i64| {
        let rows = [Arc::new(BookRow { quantity: shown, ..tagged("B1", None) })];
        beyond(&book_of([order], &[]), trades, &rows).into_iter().map(|concern| concern.text).collect::<Vec<_>>()
    };
    let whole = [trade("B1", "T1", 4), trade("B1", "T2", 6)];
    let more = [trade("B1", "T1", 4), trade("B1", "T2", 6), trade("B1", "T3", 5), trade("X9", "T4", 50)];
    let order = || order(1).working("B1").filled(10, 10).ended(Status::Executed, None);
    assert!(said(order(), &whole, 10).is_empty());
    let texts = said(order(), &more, 10);
    assert!(texts.len() == 1 && texts[0].contains("15 units of order") && texts[0].contains("which is for 10"), "{texts:?}");
    assert!(said(order(), &more, 15).is_empty(), "somebody has made it larger");
}

#[test]
fn a_live_row_reopens_only_what_ended_before_the_read_began() {
    let ended = |seq| {
        let mut order = order(1).working("B1").ended(Status::Failed, Some(Tag::BrokerCancelled));
        order.seq = seq;
        book_of([order], &[])
    };
    assert_eq!(facts(&reading(&ended(SEQ), &[row("B1", 1)])).len(), 1, "late truth");
    assert_eq!(facts(&reading(&ended(SEQ + 1), &[row("B1", 1)])), vec![], "it was cancelled while the book was under way");
    let filled = in_state(row("B1", 1), BookState::Open, 4);
    assert_eq!(facts(&reading(&ended(SEQ + 1), &[filled])).len(), 1, "a fill that we lack is always told");
}

#[test]
fn a_working_row_for_more_units_is_late_truth_about_an_executed_order() {
    let executed = |seq| {
        let mut order = order(1).working("B1").filled(10, 10);
        order.seq = seq;
        book_of([order], &[])
    };
    let more = BookRow { quantity: 20, filled: 10, ..row("B1", 1) };
    assert_eq!(facts(&reading(&executed(SEQ), std::slice::from_ref(&more))).len(), 1);
    assert_eq!(facts(&reading(&executed(SEQ + 1), std::slice::from_ref(&more))), vec![], "the book was under way");
    assert!(read_row(&executed(SEQ), &more, PREFIX).is_none() && speaks_against_an_end(&executed(SEQ), &more, PREFIX));
}

#[test]
fn a_row_that_shows_a_pending_change_is_news() {
    let mut changed = order(1).working("B1");
    let terms = Terms { price: crate::order::Price::parse("801").ok(), ..crate::testkit::builders::terms_of(&changed) };
    changed.pending = Some(terms);
    let book = book_of([changed], &[]);
    let priced = |text: &str| BookRow { price: Some(price(text).value()), ..row("B1", 1) };
    assert_eq!(facts(&reading(&book, &[priced("800")])), vec![]);
    assert_eq!(facts(&reading(&book, &[priced("801")])).len(), 1);
}

#[test]
fn a_row_that_settles_the_change_of_an_order_that_filled_before_it_is_news() {
    let filled = |is_pending: bool, modifications| {
        let mut order = order(1).working("B1").filled(10, 10);
        order.ask.price = crate::order::Price::parse("800").ok();
        order.modifications = modifications;
        let terms = Terms { price: crate::order::Price::parse("801").ok(), ..crate::testkit::builders::terms_of(&order) };
        order.pending = is_pending.then_some(terms);
        book_of([order], &[])
    };
    let row = |text: &str, state| BookRow { price: Some(price(text).value()), state, filled: 10, ..row("B1", 1) };
    let count = |book: &Book, row: BookRow| facts(&reading(book, &[row])).len();
    for text in ["800", "801"] {
        assert_eq!(count(&filled(true, 1), row(text, BookState::Complete)), 1, "{text}: it settles it, one way or the other");
        assert_eq!(count(&filled(true, 1), row(text, BookState::Open)), 0, "{text}: a book that lags behind");
    }
    assert_eq!(count(&filled(false, 1), row("801", BookState::Complete)), 1, "the row came before the answer");
    assert_eq!(count(&filled(false, 1), row("800", BookState::Complete)), 0);
    assert_eq!(count(&filled(false, 0), row("801", BookState::Complete)), 0, "it was never changed");
}

#[test]
fn a_pushed_row_that_is_behind_reopens_nothing_and_asks_for_the_book() {
    let ended = |tag| book_of([order(1).working("B1").ended(Status::Failed, Some(tag))], &[]);
    let cancelled = ended(Tag::BrokerCancelled);
    assert_eq!(read_row(&cancelled, &row("B1", 1), PREFIX), None);
    assert!(speaks_against_an_end(&cancelled, &row("B1", 1), PREFIX));
    let filled = in_state(row("B1", 1), BookState::Open, 4);
    assert!(read_row(&cancelled, &filled, PREFIX).is_some(), "a fill that we lack is always told");
    let absent = ended(Tag::NotAtBroker);
    assert!(read_row(&absent, &row("B1", 1), PREFIX).is_some() && !speaks_against_an_end(&absent, &row("B1", 1), PREFIX));
}

#[test]
fn every_change_of_a_row_is_a_fact() {
    let book = book_of([order(1).working("B1"), order(2).working("B2").ended(Status::Failed, Some(Tag::NotAtBroker))], &[]);
    for (state, filled) in [
        (BookState::Open, 4),
        (BookState::Complete, 10),
        (BookState::Rejected, 0),
        (BookState::Cancelled, 0),
        (BookState::Cancelled, 4),
        (BookState::Expired, 0),
    ] {
        let (found, fact) = read_row(&book, &in_state(row("B1", 1), state, filled), PREFIX).unwrap();
        assert_eq!(found, command(1));
        assert!(matches!(fact, OrderFact::Book { state: told, filled: units, .. } if told == state && units == filled));
    }
    assert!(read_row(&book, &BookRow { quantity: 20, ..row("B1", 1) }, PREFIX).is_some(), "changed at the broker");
    assert!(read_row(&book, &row("B2", 2), PREFIX).is_some(), "live after all: late truth");
    assert_eq!(read_row(&book, &tagged("X9", None), PREFIX), None);
}

fn trade(id: &str, number: &str, quantity: i64) -> Arc<TradeRow> {
    let fill = Fill {
        trade_id: TradeId::parse(number).unwrap(),
        broker_order_id: broker_id(id),
        quantity: units(quantity),
        price: price("800"),
        at: at(3),
    };
    Arc::new(TradeRow { fill, exchange: crate::order::Exchange::Nse })
}

#[test]
fn trades_are_handed_over_until_they_are_counted() {
    let rows = [trade("B1", "T1", 4), trade("B1", "T2", 6), trade("X9", "T3", 5)];
    let found = |order: OrderRecord| read_trades(&book_of([order], &[]), &rows).len();
    assert_eq!(found(order(1).working("B1")), 2, "none of them is recorded");
    assert_eq!(found(order(1).working("B1").filled(10, 0)), 2, "the order book was faster");
    assert_eq!(found(order(1).working("B1").filled(10, 4)), 2, "one too many is harmless");
    assert_eq!(found(order(1).working("B1").filled(10, 10)), 0);
    assert_eq!(found(order(1).working("B1").filled(4, 4).ended(Status::Failed, Some(Tag::BrokerCancelled))), 2, "late truth");
    assert_eq!(found(order(1).sent()), 0, "a trade finds its order by the broker's number only");
    let mut mock = order(1).test();
    mock.broker_order_id = Some(broker_id("B1"));
    assert_eq!(found(mock), 0);
    assert!(read_trades(&book_of([], &[]), &rows).is_empty());
}

#[test]
fn a_number_that_a_person_gave_must_be_of_the_order() {
    let order = order(1).doubted();
    let row = || BookRow { tag: None, ..tagged("X9", None) };
    assert!(crate::watcher::is_row_of(&order, &row()));
    for other in [
        BookRow { side: Side::Sell, ..row() },
        BookRow { instrument: crate::testkit::builders::nse("INFY-EQ"), ..row() },
        BookRow { product: Product::Cnc, ..row() },
        BookRow { quantity: 75, ..row() },
    ] {
        assert!(!crate::watcher::is_row_of(&order, &other), "{other:?}");
    }
    let tag = |text: &str| BookRow { quantity: 75, tag: Some(Arc::from(text)), ..row() };
    let whole = order.broker_tag.as_str();
    assert!(crate::watcher::is_row_of(&order, &tag(whole)) && crate::watcher::is_row_of(&order, &tag(&whole[..whole.len() - 1])));
    assert!(!crate::watcher::is_row_of(&order, &tag("my own")), "changed by hand, and nothing tells that it was ours");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// Applying the same book twice says nothing new the second time: every fact that a book states agrees with it once
    /// it is applied.
    #[test]
    fn prop_a_book_applied_once_says_nothing_more(
        states in proptest::collection::vec((0u8..5, 0i64..=10, 0u8..4, 0i64..10), 1..6),
    ) {
        let mut orders = Vec::new();
        let mut rows = Vec::new();
        for ((state, filled, place, before), number) in states.into_iter().zip(1u64..) {
            let id = format!("B{number}");
            orders.push(match place {
                0 => order(number).sent(),
                1 => order(number).doubted(),
                2 => order(number).working(&id),
                _ => order(number).working(&id).filled(before, before),
            });
            let (state, filled) = match state {
                0 => (BookState::Open, filled.min(9)),
                1 => (BookState::Complete, 10),
                2 => (BookState::Rejected, 0),
                3 => (BookState::Cancelled, filled),
                _ => (BookState::Expired, filled),
            };
            rows.push(in_state(row(&id, number), state, filled));
        }
        for (found, fact) in reading(&book_of(orders.clone(), &[]), &rows).facts {
            let me = orders.iter_mut().find(|order| order.command_id == found).unwrap();
            if let Ok(transition) = crate::order::lifecycle::apply(me, &fact, at(9)) {
                *me = transition.record;
            }
        }
        let again = reading(&book_of(orders.clone(), &[]), &rows);
        prop_assert_eq!(again.facts, vec![]);
        prop_assert_eq!(again.lacks, vec![]);
    }
}
