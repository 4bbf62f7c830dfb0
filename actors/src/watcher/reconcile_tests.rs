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
fn a_book_that_misses_what_the_broker_has_proves_no_absence() {
    let mut yesterday = order(3).working("B3");
    yesterday.sent_at = Some(at(-86_400));
    let mut young = order(4).working("B4");
    young.seq = SEQ + 1;
    let ended = order(5).working("B5").ended(Status::Executed, None);
    let orders = [order(1).working("B1"), order(2).sent(), yesterday, young, ended];
    assert_eq!(reading(&book_of(orders.clone(), &[]), &[]).lacks, [command(1)], "known there, sent today, older than the read");
    assert_eq!(reading(&book_of(orders.clone(), &[]), &[row("B1", 1)]).lacks, []);
    let looking = book_of(orders.into_iter().chain([order(6).doubted()]), &[]);
    assert_eq!(reading(&looking, &[row("B1", 1)]).lacks, [command(5)], "while something is looked for the ended ones count too");
}

#[test]
fn a_book_that_says_what_we_hold_says_nothing() {
    let executed = order(3).working("B3").filled(10, 10);
    let failed = order(4).working("B4").ended(Status::Failed, Some(Tag::BrokerRejected));
    let book = book_of([order(1).working("B1"), order(2).working("B2").filled(4, 4), executed, failed], &[]);
    let rows = [
        row("B1", 1),
        in_state(row("B2", 2), BookState::Open, 4),
        in_state(row("B3", 3), BookState::Complete, 10),
        in_state(row("B4", 4), BookState::Rejected, 0),
    ];
    assert_eq!(facts(&reading(&book, &rows)), vec![]);
    let lagging = [in_state(row("B2", 2), BookState::Open, 1), in_state(row("B3", 3), BookState::Open, 4)];
    assert_eq!(facts(&reading(&book, &lagging)), vec![], "a row that was true before our fills tells nothing");
    let cancelled_after_all = in_state(row("B3", 3), BookState::Cancelled, 10);
    assert_eq!(read_row(&book, &cancelled_after_all, PREFIX), None);
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
fn a_number_that_is_known_to_be_missing_holds_nothing_back_and_a_blank_book_proves_no_absence() {
    let lost = || order(1).working("B1");
    assert_eq!(reading(&book_of([lost()], &[]), &[]).lacks, [command(1)]);
    let book = book_of([OrderRecord { tag: Some(Tag::SendUnconfirmed), ..lost() }, order(2).doubted()], &[]);
    let blank = reading(&book, &[]);
    assert_eq!((blank.lacks, blank.is_blank), (vec![], true));
    let other = BookRow { side: Side::Sell, ..tagged("X1", None) };
    assert!(!reading(&book, &[other]).is_blank);
    assert_eq!(facts(&reading(&book, &[row("B1", 1)])).len(), 1, "there after all");
}

#[test]
fn an_order_of_an_earlier_day_lapses_only_when_what_is_held_agrees() {
    let old = || OrderRecord { sent_at: Some(at(-86_400)), ..order(1).working("B1") };
    let read = reading(&book_of([old(), order(2).working("B2")], &[]), &[row("B2", 2)]);
    assert_eq!((read.past, read.lacks), (vec![command(1)], vec![]));
    let in_doubt = OrderRecord { tag: Some(Tag::SendUnconfirmed), ..old() };
    assert_eq!(reading(&book_of([in_doubt], &[]), &[]).past, [command(1)], "what it came to may be known by now");
    let end = |held: i64, net: i64| {
        let key = sbin_in(Product::Mis);
        let holdings = if held == 0 { vec![] } else { vec![("trend", key.clone(), held)] };
        lapse(&book_of([old()], &holdings), &old(), &broker_shows(&[(key, net)]))
    };
    assert!(matches!(end(0, 0), Over::Lapsed(_)) && matches!(end(5, 5), Over::Lapsed(_)) && matches!(end(-5, -5), Over::Lapsed(_)));
    assert!(matches!(end(0, 10), Over::InDoubt(_)), "it may have filled unseen");
    let flat = book_of([old()], &[]);
    assert!(matches!(lapse(&flat, &old(), &Findings::default()), Over::NotTold(_)), "no positions at hand");
    let mut early = broker_shows(&[]);
    early.positions.as_mut().unwrap().began_seq = 0;
    assert!(matches!(lapse(&flat, &OrderRecord { seq: 1, ..old() }, &early), Over::NotTold(_)), "they are older than the order's last row");
    let Over::Lapsed(evidence) = end(0, 0) else { panic!("it has lapsed") };
    for before in [old(), OrderRecord { tag: Some(Tag::SendUnconfirmed), ..old() }] {
        let lapsed = crate::order::lifecycle::apply(&before, &OrderFact::Lapsed { evidence: evidence.clone() }, at(9)).unwrap().record;
        assert_eq!((lapsed.status, lapsed.tag), (Status::Failed, Some(Tag::BrokerExpired)));
    }
}

#[test]
fn shares_for_delivery_are_looked_for_among_the_holdings_too() {
    let key = sbin_in(Product::Cnc);
    let mut old = OrderRecord { sent_at: Some(at(-86_400)), ..order(1).working("B1") };
    old.ask.product = Some(Product::Cnc);
    let book = book_of([old.clone()], &[("trend", key.clone(), 10)]);
    let shows = |second, quantity| {
        let row = DeliveryRow { listings: vec![key.instrument.clone()], quantity, average_price: None };
        Findings { holdings: Some(Delivered { rows: vec![row], at: at(second) }), ..broker_shows(&[]) }
    };
    assert!(matches!(lapse(&book, &old, &broker_shows(&[])), Over::NotTold(_)), "the positions alone hold no delivered shares");
    assert!(matches!(lapse(&book, &old, &shows(-86_400, 10)), Over::NotTold(_)), "of another day");
    assert!(matches!(lapse(&book, &old, &shows(0, 10)), Over::Lapsed(_)));
    assert!(matches!(lapse(&book, &old, &shows(0, 20)), Over::InDoubt(_)), "it may have bought ten more");
}

#[test]
fn absence_of_an_order_of_an_earlier_day_is_never_concluded() {
    let mut search = looking(&book_of([OrderRecord { sent_at: Some(at(-86_400)), ..order(1).doubted() }], &[]));
    for second in 5..12 {
        both(&mut search, at(second));
    }
    assert_eq!((search.len(), search.proven(PATIENCE)), (0, vec![]));
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
fn an_order_in_doubt_is_not_absent_while_a_row_without_a_tag_could_be_it() {
    let book = book_of([order(1).doubted()], &[]);
    let twins = |row: BookRow| {
        let reading = reading(&book, &[row]);
        assert!(reading.facts.is_empty(), "never adopted");
        assert_eq!(reading.twins.is_empty(), !events(&reading).contains(&"ALARM_IN_DOUBT"));
        reading.twins
    };
    let bare = tagged("B1", None);
    assert_eq!(twins(bare.clone()), [command(1)]);
    assert_eq!(twins(tagged("B1", Some("OGA1"))), [command(1)], "what is left of a tag is no tag");
    for other in
        [BookRow { side: Side::Sell, ..bare.clone() }, BookRow { quantity: 9, ..bare.clone() }, tagged("B1", Some("OGZZZZ0000001"))]
    {
        assert_eq!(twins(other), []);
    }
    let mut search = looking(&book);
    for second in 5..12 {
        both(&mut search, at(second));
        search.start_over_for(&[command(1)]);
    }
    assert_eq!(search.proven(PATIENCE), vec![]);
}

/// An order in doubt whose tag is that of its number; "B5" was the highest number when it was sent.
fn doubt(number: u64) -> OrderRecord {
    let broker_tag = crate::order::BrokerTag::parse(&format!("OG{PREFIX}{number:07}")).unwrap();
    OrderRecord { broker_tag, high_water: Some(broker_id("B5")), ..order(number).doubted() }
}

#[test]
fn a_row_that_was_there_before_the_order_was_sent_is_not_it() {
    let book = book_of([doubt(1)], &[]);
    for (id, twins) in [("B4", 0), ("B5", 0), ("B6", 1), ("B10", 1)] {
        assert_eq!(reading(&book, &[tagged(id, None)]).twins.len(), twins, "{id}");
    }
}

#[test]
fn a_cut_tag_is_never_adopted_holds_absence_back_and_a_person_is_asked() {
    let cut = |id| tagged(id, Some("OGA1B2000000"));
    let one = book_of([doubt(1)], &[]);
    let read = reading(&one, &[cut("B6")]);
    assert_eq!((facts(&read), read.twins, read.foreign.len()), (vec![], vec![command(1)], 1), "not even where all agrees");
    assert_eq!(
        (read.concerns[0].event, read.concerns[0].level, read.concerns[0].command_id),
        ("ALARM_IN_DOUBT", Level::Page, Some(command(1)))
    );
    assert!(read.concerns[0].text.contains("broker order B6") && read.concerns[0].text.contains("resolve the order"));
    assert_eq!(read_row(&one, &cut("B6"), PREFIX), None, "nor when it is pushed");
    for tag in [Tag::NotAtBroker, Tag::BrokerRejected] {
        let ended = book_of([doubt(1).ended(Status::Failed, Some(tag))], &[]);
        let read = reading(&ended, &[cut("B6")]);
        assert_eq!((facts(&read), events(&read), read.foreign.len()), (vec![], vec!["ALARM_TAG_MISMATCH"], 1), "{tag}");
        assert!(read.concerns[0].text.contains(tag.as_str()) && !read.strange_tag);
        let whole = reading(&ended, &[tagged("B6", Some("OGA1B20000001"))]);
        assert_eq!(facts(&whole).len(), 1, "a whole tag overrules it");
    }
    let two = book_of([doubt(1), doubt(2)], &[]);
    let read = reading(&two, &[cut("B6")]);
    assert_eq!((facts(&read), read.twins), (vec![], vec![command(1), command(2)]), "nothing is guessed");
    let changed = reading(&one, &[BookRow { quantity: 9, ..cut("B6") }]);
    assert_eq!((facts(&changed), changed.twins), (vec![], vec![command(1)]), "it may have been changed there");
    for other in [
        cut("B4"),
        tagged("B6", Some("OGA1B2000001")),
        BookRow { side: Side::Sell, ..cut("B6") },
        BookRow { product: Product::Cnc, ..cut("B6") },
    ] {
        let read = reading(&one, &[other]);
        assert_eq!((read.facts.len(), read.twins.len(), read.foreign.len()), (0, 0, 1));
    }
    let known = book_of([OrderRecord { broker_order_id: Some(broker_id("B6")), ..doubt(1) }], &[]);
    assert_eq!(reading(&known, &[cut("B7"), row("B6", 1)]).foreign.len(), 1, "it has its number");
}

/// Somebody places an order of ours once more by hand, with what stands beside it: the row begins as the tag of the next order
/// does too, and agrees with it in everything.
#[test]
fn an_order_placed_anew_by_hand_is_not_taken_for_the_next_one_of_ours_that_is_in_doubt() {
    let done = order(1).working("B6").filled(10, 10).ended(Status::Executed, None);
    let book = book_of([done, OrderRecord { high_water: Some(broker_id("B6")), ..doubt(2) }], &[]);
    let again = tagged("B7", Some("OGA1B2000000"));
    let read = reading(&book, &[in_state(row("B6", 1), BookState::Complete, 10), again]);
    assert_eq!((facts(&read), events(&read), read.twins), (vec![], vec!["ALARM_IN_DOUBT"], vec![command(2)]));
}

#[test]
fn a_trade_that_nobody_owns_holds_absence_back() {
    let book = book_of([doubt(1), order(2).working("B7")], &[]);
    let twins = |trade: Arc<TradeRow>, rows: &[BookRow]| {
        let rows: Vec<Arc<BookRow>> = rows.iter().cloned().map(Arc::new).collect();
        trade_twins(&book, &[trade], &rows)
    };
    assert_eq!(twins(trade("B6", "T1", 4), &[]), [command(1)], "no row tells what it is for");
    assert_eq!(twins(trade("B6", "T1", 4), &[tagged("B6", None)]), [command(1)]);
    let elsewhere = BookRow { side: Side::Sell, ..tagged("B6", None) };
    assert_eq!(twins(trade("B6", "T1", 4), &[elsewhere]), [], "its row is for something else");
    assert_eq!(twins(trade("B5", "T1", 4), &[]), [], "it was there before");
    assert_eq!(twins(trade("B6", "T1", 11), &[]), [], "it is more than was sent");
    assert_eq!(twins(trade("B7", "T1", 4), &[]), [], "another order's");
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
fn absence_is_proven_by_enough_books_in_a_row_after_the_quiet_period() {
    let mut search = looking(&book_of([order(1).doubted()], &[]));
    for second in [0, 1, 4] {
        both(&mut search, at(second));
    }
    assert_eq!(search.proven(PATIENCE), vec![], "books within the quiet period count for nothing");
    for second in [5, 6] {
        both(&mut search, at(second));
        assert_eq!(search.proven(PATIENCE), vec![]);
    }
    search.missed_orders(PATIENCE, at(7));
    assert_eq!(search.proven(PATIENCE), vec![], "the trade book has its own word");
    search.missed_trades(PATIENCE, at(7));
    let proven = search.proven(PATIENCE);
    assert_eq!(proven.len(), 1);
    assert_eq!(proven[0].0, command(1));
    assert!(matches!(&proven[0].1, OrderFact::Absent { evidence } if evidence.contains("3 order books and 3 trade books in a row")));
}

/// Order book and trade book may both lie empty: what the order has filled stands in the positions.
#[test]
fn positions_that_have_what_the_order_would_have_filled_speak_against_its_absence() {
    let (mis, doubted) = (sbin_in(Product::Mis), order(1).doubted());
    let agrees = |search: &Search, book: &Book, shown: i64, read_at: i64, began_seq: u64| {
        let mut findings = broker_shows(&[(sbin_in(Product::Mis), shown)]);
        let positions = findings.positions.as_mut().unwrap();
        (positions.at, positions.began_seq) = (at(read_at), began_seq);
        search.excess(book.order(command(1)).unwrap(), book, &findings, PATIENCE).map(|units| units == 0)
    };
    let book = book_of([doubted.clone()], &[]);
    let search = looking(&book);
    assert_eq!(agrees(&search, &book, 0, 5, SEQ), Some(true));
    assert_eq!(agrees(&search, &book, 10, 5, SEQ), Some(false), "it has filled");
    assert_eq!(agrees(&search, &book, 3, 5, SEQ), Some(false), "a part of it");
    assert_eq!(agrees(&search, &book, -3, 5, SEQ), Some(true), "that is not its side");
    assert_eq!(agrees(&search, &book, 0, 4, SEQ), None, "too early: the broker may show late");
    assert_eq!(agrees(&search, &book, 0, 5, 0), None, "asked for before it was sent");
    let held = book_of([doubted.clone()], &[("trend", mis.clone(), 10)]);
    assert_eq!(agrees(&looking(&held), &held, 10, 5, SEQ), Some(true), "what we hold is known");
    // Somebody's own 40 were there before.
    let mut known = Search::default();
    known.positions_read(&book_of([], &[]), &broker_shows(&[(mis.clone(), 40)]), PATIENCE);
    known.follow(&book, at(0), |_| false);
    known.positions_read(&book, &broker_shows(&[(mis, 50)]), PATIENCE);
    assert_eq!(agrees(&known, &book, 40, 5, SEQ), Some(true));
    assert_eq!(agrees(&known, &book, 50, 5, SEQ), Some(false), "what came while it was looked for is not taken for somebody's");
}

/// How many units speak against the absence of the order of number 1, when even a late one must have been shown.
fn excess(book: &Book, findings: Findings) -> Option<i64> {
    let mut findings = findings;
    if let Some(positions) = findings.positions.as_mut() {
        positions.at = at(5);
    }
    looking(book).excess(book.order(command(1)).unwrap(), book, &findings, PATIENCE)
}

/// A buy of 10 and a sale of 10 for delivery, beside 500 shares of the owner's.
#[test]
fn shares_of_earlier_days_say_nothing_of_an_order_of_today() {
    let cnc = sbin_in(Product::Cnc);
    let beside = |shown: &[(HoldingKey, i64)]| {
        let shares = DeliveryRow { listings: vec![cnc.instrument.clone()], quantity: 500, average_price: None };
        Findings { holdings: Some(Delivered { rows: vec![shares], at: at(0) }), ..broker_shows(shown) }
    };
    let bought = book_of([order(1).product(Product::Cnc).doubted()], &[]);
    assert_eq!(excess(&bought, beside(&[])), Some(0));
    assert_eq!(excess(&bought, beside(&[(cnc.clone(), 10)])), Some(10), "it has filled");
    let sold = book_of([order(1).side(Side::Sell).product(Product::Cnc).doubted()], &[("trend", cnc.clone(), 10)]);
    assert_eq!(excess(&sold, beside(&[])), Some(0));
    assert_eq!(excess(&sold, beside(&[(cnc.clone(), -10)])), Some(10));
}

/// Nothing is remembered: the process has just begun.
#[test]
fn what_others_have_is_set_off_as_the_brokers_books_tell_it() {
    let key = sbin_in(Product::Nrml);
    let doubted = || order(1).product(Product::Nrml).doubted();
    let by_hand = |side, filled| Arc::new(BookRow { side, filled, product: Product::Nrml, at: at(1), ..book_row("X1") });
    let shows = |net: i64, carried: Option<i64>, foreign: Vec<Arc<BookRow>>| {
        let carried = carried.map(|net| crate::ports::Carried { net, from: None });
        let mut findings = Findings { foreign, ..broker_shows(&[]) };
        let row = crate::ports::PositionRow { carried, ..crate::testkit::builders::position(key.clone(), net) };
        crate::testkit::builders::add_row(&mut findings, row);
        findings
    };
    let book = book_of([doubted()], &[]);
    assert_eq!(excess(&book, shows(65, None, vec![])), Some(65), "nothing explains it");
    assert_eq!(excess(&book, shows(65, Some(65), vec![])), Some(0), "somebody carries it");
    assert_eq!(excess(&book, shows(75, Some(65), vec![])), Some(10));
    assert_eq!(excess(&book, shows(65, None, vec![by_hand(Side::Buy, 65)])), Some(0), "somebody has bought it today");
    assert_eq!(excess(&book, shows(75, None, vec![by_hand(Side::Buy, 65)])), Some(10));
    let held = book_of([doubted()], &[("trend", key.clone(), 30)]);
    assert_eq!(excess(&held, shows(30, None, vec![])), Some(0), "what we carry is known");
    assert_eq!(excess(&held, shows(95, Some(95), vec![])), Some(0), "and that of others beside it");
    let mut unseen = shows(65, None, vec![by_hand(Side::Buy, 65)]);
    unseen.elsewhere.see([&*by_hand(Side::Buy, 65)], trading_date(at(0)));
    assert_eq!(excess(&book, unseen), None, "the positions may be of before it");
}

/// A stop of ours rests there all day.
#[test]
fn what_nothing_explains_is_learned_beside_an_order_that_works_once_it_stays() {
    let key = sbin_in(Product::Mis);
    let working = book_of([order(2).side(Side::Sell).working("B2")], &[]);
    let shows = |net, read_at| {
        let mut findings = broker_shows(&[(sbin_in(Product::Mis), net)]);
        findings.positions.as_mut().unwrap().at = at(read_at);
        findings
    };
    let after = |reads: &[(i64, i64)]| {
        let mut search = Search::default();
        for (net, read_at) in reads {
            search.positions_read(&working, &shows(*net, *read_at), PATIENCE);
        }
        let book = book_of([order(1).doubted(), order(2).side(Side::Sell).working("B2")], &[]);
        search.follow(&book, at(30), |_| false);
        search.excess(book.order(command(1)).unwrap(), &book, &shows(40, 35), PATIENCE)
    };
    assert_eq!(after(&[(40, 0), (40, 5)]), Some(0));
    assert_eq!(after(&[(40, 0), (40, 4)]), Some(40), "the order that works may have filled it, and nobody has heard");
    assert_eq!(after(&[(40, 0), (30, 4), (40, 5)]), Some(40));
    // In doubt from here on: what comes now may be of the order.
    let mut search = Search::default();
    search.positions_read(&working, &shows(40, 0), PATIENCE);
    let doubt = book_of([order(1).doubted(), order(2).side(Side::Sell).working("B2")], &[]);
    search.positions_read(&doubt, &shows(40, 3), PATIENCE);
    search.positions_read(&doubt, &shows(40, 9), PATIENCE);
    search.follow(&doubt, at(9), |_| false);
    assert_eq!(search.excess(doubt.order(command(1)).unwrap(), &doubt, &shows(40, 35), PATIENCE), Some(40), "{key}");
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

#[test]
fn a_book_that_lacks_what_it_had_today_counts_for_nothing() {
    let book = book_of([order(1).doubted()], &[]);
    let mut last = crate::watcher::Last::default();
    let foreign = |second| Arc::new(BookRow { side: Side::Sell, at: at(second), ..tagged("X9", None) });
    let mut read = |rows: Vec<Arc<BookRow>>, now| {
        let rows: Arc<[Arc<BookRow>]> = Arc::from(rows);
        let mut search = looking(&book);
        let reading = last.read(&book, &rows, PREFIX, SEQ, at(now));
        search.orders_read(&reading, true, Patience { books: 1, ..PATIENCE }, at(10));
        (reading.vanished, search.missing[&command(1)].order_books)
    };
    assert_eq!(read(vec![foreign(1)], 10), (0, 1));
    assert_eq!(read(vec![], 11), (1, 0));
    assert_eq!(read(vec![], 12), (1, 0), "it is still not there");
    assert_eq!(read(vec![foreign(2)], 13), (0, 1), "it is there again, and has changed");
    assert_eq!(read(vec![], 86_410), (0, 1), "the next day begins empty");
}

#[test]
fn an_unknown_book_or_a_change_starts_the_counting_anew() {
    let mut search = looking(&book_of([order(1).doubted()], &[]));
    for second in [5, 6] {
        both(&mut search, at(second));
    }
    search.start_over();
    for second in [7, 8] {
        both(&mut search, at(second));
        assert_eq!(search.proven(PATIENCE), vec![]);
    }
    both(&mut search, at(9));
    assert_eq!(search.proven(PATIENCE).len(), 1);
}

#[test]
fn a_book_that_is_not_whole_or_tells_something_new_begins_the_count_anew() {
    let book = book_of([order(1).doubted(), order(2).working("B2")], &[]);
    let quiet = || in_state(row("B2", 2), BookState::Open, 0);
    let proven = |is_clean: (bool, bool), third: BookRow| {
        let mut search = looking(&book);
        for second in 5..9 {
            let is_third = second == 7;
            let (orders, trades) = if is_third { is_clean } else { (true, true) };
            let read = reading(&book, &[if is_third { third.clone() } else { quiet() }]);
            search.orders_read(&read, orders, PATIENCE, at(second));
            search.trades_read(&book, &[], &[], trades, PATIENCE, at(second));
        }
        search.proven(PATIENCE).len()
    };
    assert_eq!(proven((true, true), quiet()), 1);
    assert_eq!(proven((false, true), quiet()), 0, "a row of the order book could not be read: it could be the one");
    assert_eq!(proven((true, false), quiet()), 0, "a row of the trade book could not be read");
    assert_eq!(proven((true, true), in_state(row("B2", 2), BookState::Open, 4)), 0, "what has just changed may have more to tell");
}

#[test]
fn only_what_was_sent_unanswered_unfound_and_is_not_under_way_is_looked_for() {
    let numbered = order(2).working("B2").doubted();
    let mut filled = order(3).doubted();
    filled.filled_quantity = 4;
    let book = book_of([order(1).doubted(), numbered, filled, order(4).sent(), order(5)], &[]);
    assert_eq!(looking(&book).len(), 1);
    let mut search = Search::default();
    search.follow(&book, at(0), |running| running == command(1));
    assert!(search.is_empty(), "while its call runs nothing can be concluded");
    search.follow(&book, at(10), |_| false);
    both(&mut search, at(14));
    both(&mut search, at(15));
    assert_eq!((search.len(), search.proven(Patience { books: 1, ..PATIENCE }).len()), (1, 1), "quiet since the call ended");
    search.follow(&book, at(16), |running| running == command(1));
    search.follow(&book, at(17), |_| false);
    assert_eq!(search.proven(Patience { books: 1, ..PATIENCE }), vec![], "a call in between starts it anew");
    search.follow(&book_of([order(1).working("B1")], &[]), at(18), |_| false);
    assert!(search.is_empty(), "found");
}

#[test]
fn following_does_not_disturb_the_count() {
    let book = book_of([order(1).doubted()], &[]);
    let mut search = looking(&book);
    for second in 5..8 {
        both(&mut search, at(second));
        search.follow(&book, at(second), |_| false);
    }
    assert_eq!(search.proven(PATIENCE).len(), 1);
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

    /// No absence without enough authoritative books of both kinds in a row, all of them after the quiet period.
    #[test]
    fn prop_absence_needs_its_books(steps in proptest::collection::vec((0u8..3, 0i64..3), 0..30), books in 1u32..4) {
        let patience = Patience { quiet: Duration::seconds(5), books };
        let mut search = looking(&book_of([order(1).doubted()], &[]));
        let (mut now, mut seen_orders, mut seen_trades) = (0, 0, 0);
        for (what, passed) in steps {
            now += passed;
            let counts = u32::from(now >= 5);
            match what {
                0 => {
                    search.missed_orders(patience, at(now));
                    seen_orders += counts;
                }
                1 => {
                    search.missed_trades(patience, at(now));
                    seen_trades += counts;
                }
                _ => {
                    search.start_over();
                    (seen_orders, seen_trades) = (0, 0);
                }
            }
            prop_assert_eq!(!search.proven(patience).is_empty(), seen_orders >= books && seen_trades >= books);
        }
    }
}
