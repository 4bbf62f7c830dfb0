use proptest::collection::vec;
use proptest::prelude::{Just, ProptestConfig, Strategy, prop_assert, prop_assert_eq, prop_oneof, proptest};

use super::*;
use crate::order::{BookState, Fill, OrderRecord, Status, TradeId};
use crate::ports::BookRow;
use crate::testkit::builders::{Build, SEQ, at, book_of, book_row, broker_id, order, price, units};

const PREFIX: &str = "A1B2";
const ORDERS: usize = 5;

fn working_row(number: usize) -> BookRow {
    BookRow { tag: Some(Arc::from(format!("OG{PREFIX}{number:07}"))), at: at(2), ..book_row(&format!("B{number}")) }
}

fn ended(number: usize) -> OrderRecord {
    order(u64::try_from(number).unwrap()).working(&format!("B{number}")).filled(10, 10)
}

/// What happens between two books, to the order of that number.
#[derive(Debug, Clone, Copy)]
enum Step {
    TheyFill(i64),
    TheyEnd(BookState),
    WeFill(i64),
    WeFail,
    WeReopen,
    TheyHide,
    TheyShow,
    Stranger,
    Copied,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (1..10_i64).prop_map(Step::TheyFill),
        Just(Step::TheyEnd(BookState::Complete)),
        Just(Step::TheyEnd(BookState::Cancelled)),
        Just(Step::TheyEnd(BookState::Rejected)),
        (1..=10_i64).prop_map(Step::WeFill),
        Just(Step::WeFail),
        Just(Step::WeReopen),
        Just(Step::TheyHide),
        Just(Step::TheyShow),
        Just(Step::Stranger),
        Just(Step::Copied),
    ]
}

/// Both sides of five orders.
struct World {
    ours: Vec<OrderRecord>,
    theirs: Vec<Arc<BookRow>>,
    hidden: Vec<bool>,
    strangers: Vec<Arc<BookRow>>,
}

impl World {
    fn new() -> Self {
        let ours = (1..=ORDERS).map(|number| order(u64::try_from(number).unwrap()).working(&format!("B{number}"))).collect();
        let theirs = (1..=ORDERS).map(|number| Arc::new(working_row(number))).collect();
        Self { ours, theirs, hidden: vec![false; ORDERS], strangers: Vec::new() }
    }

    /// As an order's life allows it: filled units never shrink, and what is executed stays so.
    fn take(&mut self, place: usize, step: Step) {
        let (ours, theirs) = (&mut self.ours[place], &mut self.theirs[place]);
        match step {
            Step::TheyFill(filled) if theirs.state == BookState::Open && filled > theirs.filled => Arc::make_mut(theirs).filled = filled,
            Step::TheyEnd(state) if theirs.state == BookState::Open => {
                let row = Arc::make_mut(theirs);
                row.state = state;
                row.filled = if state == BookState::Complete { 10 } else { row.filled };
            }
            Step::WeFill(filled) if filled > ours.filled_quantity && ours.status != Status::Failed => {
                *ours = ours.clone().filled(filled, filled);
            }
            Step::WeFail if !ours.status.is_terminal() => ours.status = Status::Failed,
            Step::WeReopen if ours.status == Status::Failed => {
                ours.status = if ours.filled_quantity > 0 { Status::Partial } else { Status::SentToBroker };
            }
            Step::TheyHide => self.hidden[place] = true,
            Step::TheyShow => self.hidden[place] = false,
            Step::Stranger => {
                let row = BookRow { tag: None, broker_order_id: broker_id(&format!("X{}", self.strangers.len())), ..working_row(1) };
                self.strangers.push(Arc::new(row));
            }
            // The same row, handed over as another value.
            Step::Copied => *theirs = Arc::new(BookRow::clone(theirs)),
            _ => {}
        }
    }

    fn rows(&self, newest_first: bool) -> Arc<[Arc<BookRow>]> {
        let shown = self.theirs.iter().zip(&self.hidden).filter(|(_, hidden)| !**hidden).map(|(row, _)| row);
        let rows = shown.chain(&self.strangers).cloned();
        let mut rows: Vec<_> = rows.collect();
        if newest_first {
            rows.reverse();
        }
        Arc::from(rows)
    }
}

/// What a reading says, in an order of its own.
fn said(reading: &BookReading) -> (Vec<String>, Vec<String>, Vec<String>, Vec<CommandId>, bool) {
    let sorted = |mut all: Vec<String>| {
        all.sort();
        // An answer that has its rows twice says everything twice.
        all.dedup();
        all
    };
    (
        sorted(reading.facts.iter().map(|fact| format!("{fact:?}")).collect()),
        sorted(reading.concerns.iter().map(|concern| format!("{concern:?}")).collect()),
        sorted(reading.foreign.iter().map(|row| row.broker_order_id.to_string()).collect()),
        reading.lacks.clone(),
        reading.strange_tag,
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn a_book_after_another_says_what_it_says_alone(
        newest_first: bool,
        books in vec((proptest::bool::weighted(0.2), vec((0..ORDERS, step()), 0..4)), 1..12),
    ) {
        let (mut world, mut last) = (World::new(), Last::<BookRow>::default());
        for (is_doubled, steps) in books {
            for (place, step) in steps {
                world.take(place, step);
            }
            let book = book_of(world.ours.clone(), &[]);
            let mut rows = world.rows(newest_first);
            if is_doubled {
                rows = rows.iter().flat_map(|row| [Arc::clone(row), Arc::clone(row)]).collect();
            }
            let after = last.read(&book, &rows, PREFIX, SEQ, at(10));
            let alone = read_orders(&book, &rows, PREFIX, SEQ, at(10));
            prop_assert_eq!(said(&after), said(&alone));
        }
    }
}

#[test]
fn an_unchanged_book_of_ended_orders_is_not_compared_again_and_a_changed_row_is() {
    let book = book_of((1..=200).map(ended), &[]);
    let row = |number| Arc::new(BookRow { state: BookState::Complete, filled: 10, ..working_row(number) });
    let mut rows: Vec<_> = (1..=200).map(row).collect();
    let mut last = Last::<BookRow>::default();
    let _first = last.read(&book, &Arc::from(rows.clone()), PREFIX, SEQ, at(10));
    assert!(last.unsettled.is_empty() && last.news(&Change::between(&last.rows, &rows)).is_empty());
    Arc::make_mut(&mut rows[77]).filled = 11;
    rows.insert(0, Arc::new(working_row(900)));
    assert_eq!(last.news(&Change::between(&last.rows, &rows)).len(), 2);
    let read = last.read(&book, &Arc::from(rows), PREFIX, SEQ, at(11));
    assert_eq!((read.facts.len(), read.foreign.len()), (1, 1), "the row that fills more than it could, and a tag that nobody wrote");
}

/// A broker's answer had every row twice, once. What others trade is there afterwards too, and counts once.
#[test]
fn a_book_that_was_doubled_once_loses_no_row_and_counts_none_twice() {
    let stranger = |name: &str| Arc::new(BookRow { tag: None, broker_order_id: broker_id(name), ..working_row(1) });
    let (one, two, three) = (stranger("X1"), stranger("X2"), stranger("X3"));
    let (book, mut last) = (book_of([], &[]), Last::<BookRow>::default());
    let mut foreign = |rows: &[&Arc<BookRow>]| {
        let rows: Arc<[Arc<BookRow>]> = rows.iter().map(|row| Arc::clone(row)).collect();
        last.read(&book, &rows, PREFIX, SEQ, at(10)).foreign.len()
    };
    assert_eq!(foreign(&[&one, &two]), 2);
    assert_eq!(foreign(&[&one, &one, &two, &two]), 2);
    assert_eq!(foreign(&[&one, &two, &three]), 3);
}

fn trade(number: usize, id: &str, quantity: i64) -> Arc<TradeRow> {
    let fill = Fill {
        trade_id: TradeId::parse(id).unwrap(),
        broker_order_id: broker_id(&format!("B{number}")),
        quantity: units(quantity),
        price: price("800"),
        at: at(3),
    };
    Arc::new(TradeRow { fill, exchange: crate::order::Exchange::Nse })
}

fn read(last: &mut LastTrades, book: &Book, rows: &[Arc<TradeRow>]) -> usize {
    last.read(book, &Arc::from(rows)).len()
}

#[test]
fn trades_of_whole_orders_are_settled_until_more_is_owed() {
    let mut last = LastTrades::default();
    let mut rows = vec![trade(1, "T1", 10), trade(2, "T2", 4)];
    let partial = order(2).working("B2").filled(4, 4);
    assert_eq!(read(&mut last, &book_of([ended(1), partial.clone()], &[]), &rows), 0);
    assert_eq!(last.last.unsettled.len(), 1, "the second order goes on");
    // Its next trade is news although the first is an old row.
    rows.push(trade(2, "T3", 6));
    assert_eq!(read(&mut last, &book_of([ended(1), partial], &[]), &rows), 2);
    let both = book_of([ended(1), ended(2)], &[]);
    assert_eq!((read(&mut last, &both, &rows), last.last.unsettled.len()), (0, 0));
    // One that was whole is open again, as late truth does it: its next trade is told beside its old row.
    let again = book_of([order(1).working("B1").filled(10, 10).ended(Status::Partial, None), ended(2)], &[]);
    let more: Vec<_> = rows.iter().cloned().chain([trade(1, "T4", 5)]).collect();
    assert_eq!(read(&mut last, &again, &more), 2);
    assert_eq!((read(&mut last, &both, &rows), last.last.unsettled.len()), (0, 0));
    // A third trade of an order that was whole: it counts once the broker's book owes it.
    rows.insert(0, trade(1, "T4", 5));
    assert_eq!(read(&mut last, &both, &rows), 0);
    let owed = book_of([order(1).working("B1").filled(15, 10), ended(2)], &[]);
    assert_eq!(read(&mut last, &owed, &rows), 2);
}

/// What happens between two looks at the trade book.
#[derive(Debug, Clone, Copy)]
enum Between {
    Trade {
        order: usize,
        units: i64,
        at: Place,
    },
    /// The order book has counted its trades.
    Counted(usize),
    /// And they are recorded.
    Recorded(usize),
    /// The answer leaves out its first rows, or its last.
    Cut {
        rows: usize,
        newest: bool,
    },
    Shuffled,
    /// Every row twice.
    Doubled,
}

#[derive(Debug, Clone, Copy)]
enum Place {
    First,
    Middle,
    Last,
}

fn between() -> impl Strategy<Value = Between> {
    let place = prop_oneof![1 => Just(Place::First), 1 => Just(Place::Middle), 4 => Just(Place::Last)];
    prop_oneof![
        6 => (0..ORDERS, 1..=5_i64, place).prop_map(|(order, units, at)| Between::Trade { order, units, at }),
        3 => (0..ORDERS).prop_map(Between::Counted),
        3 => (0..ORDERS).prop_map(Between::Recorded),
        1 => (1..3_usize, proptest::bool::ANY).prop_map(|(rows, newest)| Between::Cut { rows, newest }),
        1 => Just(Between::Shuffled),
        1 => Just(Between::Doubled),
    ]
}

proptest! {
    /// Whatever was read before, a book's facts are those that a look at the whole book tells.
    #[test]
    fn trades_after_another_book_are_those_of_the_book_alone(steps in vec(between(), 1..40)) {
        let (mut last, mut rows, mut ours) = (LastTrades::default(), Vec::new(), [(0, 0); ORDERS]);
        for (step, what) in steps.into_iter().enumerate() {
            let sum = |rows: &[Arc<TradeRow>], number: usize| {
                let named = |row: &&Arc<TradeRow>| row.fill.broker_order_id == broker_id(&format!("B{number}"));
                rows.iter().filter(named).map(|row| row.fill.quantity.value()).sum::<i64>().min(10)
            };
            let mut answer = None;
            match what {
                Between::Trade { order, units, at } if sum(&rows, order) + units <= 10 => {
                    let place = match at {
                        Place::First => 0,
                        Place::Middle => rows.len() / 2,
                        Place::Last => rows.len(),
                    };
                    rows.insert(place, trade(order, &format!("T{step}"), units));
                }
                Between::Trade { .. } => {}
                Between::Counted(order) => ours[order].0 = sum(&rows, order).max(ours[order].1),
                Between::Recorded(order) => {
                    let all = sum(&rows, order).max(ours[order].1);
                    ours[order] = (all, all);
                }
                Between::Cut { rows: most, newest } => {
                    let left = rows.len().saturating_sub(most);
                    if newest { rows.truncate(left) } else { rows = rows.split_off(rows.len() - left) };
                }
                Between::Shuffled => rows.reverse(),
                Between::Doubled => answer = Some(rows.iter().flat_map(|row| [row, row]).cloned().collect::<Vec<_>>()),
            }
            let orders = ours.iter().enumerate().map(|(number, (filled, traded))| {
                order(u64::try_from(number).unwrap() + 1).working(&format!("B{number}")).filled(*filled, *traded)
            });
            let book = book_of(orders, &[]);
            let said = |facts: Vec<(CommandId, OrderFact)>| {
                facts.into_iter().map(|fact| format!("{fact:?}")).collect::<std::collections::BTreeSet<_>>()
            };
            // What an answer has twice is one trade. (A look at the whole book counts it twice: the disk knows its key.)
            let is_doubled = answer.is_some();
            let shown: Arc<[Arc<TradeRow>]> = Arc::from(answer.unwrap_or_else(|| rows.clone()));
            let (told, whole) = (said(last.read(&book, &shown)), said(read_trades(&book, &shown)));
            prop_assert!(if is_doubled { told.is_subset(&whole) } else { told == whole }, "{told:?} against {whole:?}");
        }
    }
}

/// An answer that repeats what stood in the last one, or lost rows at one end, costs what it changed: the rows by order are put
/// right by those alone.
#[test]
fn rows_by_order_follow_the_book() {
    let rows: Vec<_> = (0..6).map(|number| trade(number % 2, &format!("T{number}"), 1)).collect();
    let (book, mut last) = (book_of([], &[]), LastTrades::default());
    let mut names = |rows: &[Arc<TradeRow>]| {
        read(&mut last, &book, rows);
        let named = |trades: &Vec<Arc<TradeRow>>| trades.iter().map(|row| row.fill.trade_id.to_string()).collect::<Vec<_>>().join(" ");
        last.by_order.values().map(named).collect::<Vec<_>>()
    };
    assert_eq!(names(&rows[..5]), ["T0 T2 T4", "T1 T3"]);
    assert_eq!(names(&rows[..5]), ["T0 T2 T4", "T1 T3"]);
    assert_eq!(names(&rows[2..]), ["T2 T4", "T3 T5"]);
    let doubled: Vec<_> = rows.iter().flat_map(|row| [row, row]).cloned().collect();
    assert_eq!(names(&doubled), ["T0 T2 T4", "T1 T3 T5"]);
    assert_eq!(names(&rows[1..]), ["T2 T4", "T1 T3 T5"]);
    assert_eq!(names(&[]), [] as [&str; 0]);
}

/// A book of the day may be cut at its old end while it grows at the other: only what came and what went is looked at.
#[test]
fn a_book_that_grew_and_was_cut_has_what_is_new_in_it_as_its_only_news() {
    let all: Vec<_> = (0..100).map(|number| trade(number, &format!("T{number}"), 1)).collect();
    let numbers = |rows: Vec<&Arc<TradeRow>>| rows.iter().map(|row| row.fill.trade_id.to_string()).collect::<Vec<_>>();
    let names = |range: std::ops::Range<usize>| range.map(|number| format!("T{number}")).collect::<Vec<_>>();
    let (old, new) = (&all[..90], &all[7..95]);
    assert_eq!(numbers(others(new, old).collect()), names(90..95));
    assert_eq!(numbers(others(old, new).collect()), names(0..7));
    let newest_first = |rows: &[Arc<TradeRow>]| rows.iter().rev().cloned().collect::<Vec<_>>();
    let (old, new) = (newest_first(old), newest_first(new));
    assert_eq!(others(&new, &old).count(), 5);
    assert_eq!(others(&old, &new).count(), 7);
}

/// Somebody makes an order of 10 larger, and 12 of it are filled before any book of orders shows it.
#[test]
fn trades_beyond_an_order_are_held_against_an_order_book_of_after_them() {
    let book = book_of([order(1).working("B1").filled(10, 10)], &[]);
    let fill = Fill {
        trade_id: TradeId::parse("T1").unwrap(),
        broker_order_id: broker_id("B1"),
        quantity: units(12),
        price: price("800"),
        at: at(3),
    };
    let rows: Arc<[Arc<TradeRow>]> = Arc::from([Arc::new(TradeRow { fill, exchange: crate::order::Exchange::Nse })]);
    let shown = |quantity| [Arc::new(BookRow { quantity, filled: quantity.min(12), ..working_row(1) })];
    let mut last = LastTrades::default();
    for _ in 0..3 {
        last.read(&book, &rows);
        assert!(last.beyond(&book, &shown(15)).is_empty());
        assert_eq!(last.beyond(&book, &shown(10)).len(), 1, "also when the trade book has said nothing new");
    }
}
