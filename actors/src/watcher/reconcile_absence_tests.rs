//! What a book says of an order that is not in it, and what holds that back.

use super::*;

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
