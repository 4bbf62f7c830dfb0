//! How often books must lack an order in doubt until it is proven absent.

use super::*;

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
