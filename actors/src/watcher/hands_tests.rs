use proptest::prelude::{Just, ProptestConfig, Strategy as Gen, any, prop_assert, prop_assert_eq, prop_oneof, proptest};

use super::*;
use crate::order::{Answered, CallAnswer, ChangeCall, Heard, OrderType, Price, Terms, lifecycle};
use crate::testkit::builders::{Build, at, book_of, book_row, command, order, price, share};

const PREFIX: &str = "A1B2";
/// How long a book may lag, seconds.
const QUIET: i64 = 5;

fn working() -> OrderRecord {
    OrderRecord { updated_at: at(0), ..order(1).working("B1") }
}

fn shows(text: &str) -> BookRow {
    BookRow { price: Some(price(text).value()), order_type: Some(OrderType::Limit), ..book_row("B1") }
}

fn tick(_: &OrderRecord) -> Decimal {
    share().tick.value()
}

/// A whole book with that row alone, asked for after everything that is recorded; what it proves: the limit, and whose hand.
fn read(hands: &mut Hands, order: &OrderRecord, row: &BookRow, second: i64) -> Vec<(String, bool)> {
    let book = book_of([order.clone()], &[]);
    let facts = hands.read(&book, std::iter::once((order.command_id, row)), tick, (order.seq, at(second)), Duration::seconds(QUIET));
    let told = |(_, fact): (CommandId, OrderFact)| match fact {
        OrderFact::TermsShown { now, by_hand, .. } => (now.price.unwrap().to_string(), by_hand),
        other => panic!("{other:?}"),
    };
    facts.into_iter().map(told).collect()
}

#[test]
fn a_change_is_believed_when_it_is_shown_twice_at_rest_and_suspected_from_its_first_sign() {
    let (mut hands, order) = (Hands::default(), working());
    assert_eq!(read(&mut hands, &order, &shows("812"), 4), [], "a book may be as old");
    assert!(hands.suspects(command(1)));
    assert_eq!(read(&mut hands, &order, &shows("812"), 5), []);
    assert_eq!(read(&mut hands, &order, &shows("813"), 6), [], "it went on");
    assert_eq!(read(&mut hands, &order, &shows("813"), 7), [("813".to_owned(), true)]);
    // What the book of the order is behind of comes first; and a book that agrees takes the suspicion away.
    let filled = BookRow { filled: 4, ..shows("813") };
    assert_eq!(read(&mut Hands::default(), &order, &filled, 60), []);
    assert_eq!(read(&mut hands, &order, &shows("800"), 8), []);
    assert!(!hands.suspects(command(1)));
}

#[test]
fn a_book_from_before_the_last_change_of_the_record_proves_nothing() {
    let order = OrderRecord { seq: 9, ..working() };
    let book = book_of([order.clone()], &[]);
    let mut hands = Hands::default();
    for second in [60, 61, 62] {
        let row = shows("812");
        let facts = hands.read(&book, std::iter::once((order.command_id, &row)), tick, (8, at(second)), Duration::seconds(QUIET));
        assert_eq!(facts, []);
    }
}

#[test]
fn a_message_is_a_hint_that_is_told_once() {
    let book = book_of([working()], &[]);
    let mut hands = Hands::default();
    let tagged = |text: &str| BookRow { tag: Some("OGA1B20000001".into()), ..shows(text) };
    assert!(!hands.hint(&book, &tagged("800.00"), PREFIX, tick));
    assert!(hands.hint(&book, &tagged("812"), PREFIX, tick) && hands.suspects(command(1)));
    assert!(!hands.hint(&book, &tagged("812"), PREFIX, tick));
    let elsewhere = BookRow { tag: None, ..book_row("X1") };
    assert!(!hands.hint(&book, &BookRow { price: Some(Decimal::TEN), ..elsewhere }, PREFIX, tick), "somebody else's");
}

/// What happens, in any order.
#[derive(Debug, Clone)]
enum Step {
    /// We ask for a change: after how many seconds it is in force, if ever, what is heard of it, and how long after.
    Ask(Option<i64>, Option<Heard>, i64),
    /// Somebody changes the order at the broker.
    Hand,
    /// A book is asked for that is so old, and comes after so long.
    Read(i64, i64),
    /// A message of what the order was so many changes ago.
    Frame(usize),
    /// Seconds pass.
    Wait(i64),
}

fn step() -> impl Gen<Value = Step> {
    let unclear = prop_oneof![Just(None), Just(Some(Heard::Unclear))];
    prop_oneof![
        2 => (0..4i64, 0..4i64).prop_map(|(lands, after)| Step::Ask(Some(lands), Some(Heard::Taken), after)),
        1 => (proptest::option::of(0..25i64), unclear, 0..12i64).prop_map(|(lands, heard, after)| Step::Ask(lands, heard, after)),
        1 => (0..4i64).prop_map(|after| Step::Ask(None, Some(Heard::Refused), after)),
        1 => Just(Step::Hand),
        6 => (0..=QUIET, 0..3i64).prop_map(|(age, takes)| Step::Read(age, takes)),
        3 => (0..3usize).prop_map(Step::Frame),
        4 => (1..8i64).prop_map(Step::Wait),
    ]
}

/// The broker, the way to it, and our record of one order.
struct World {
    second: i64,
    /// What was in force at the broker, since when.
    truth: Vec<(i64, i64)>,
    lands: Vec<(i64, i64)>,
    replies: Vec<(i64, OrderFact)>,
    reading: Option<(i64, u64, i64)>,
    record: OrderRecord,
    hands: Hands,
    posted: Vec<OrderFact>,
    by_hand: Vec<String>,
    asked: i64,
    touched: Option<i64>,
}

fn terms(limit: i64) -> Terms {
    let order = working();
    Terms {
        side: order.ask.side.unwrap(),
        quantity: order.ask.quantity.unwrap(),
        product: order.ask.product.unwrap(),
        order_type: OrderType::Limit,
        validity: order.ask.validity,
        price: Price::new(limit.into()),
        trigger_price: None,
    }
}

impl World {
    fn new() -> Self {
        Self {
            second: 0,
            truth: vec![(-100, 800)],
            lands: Vec::new(),
            replies: Vec::new(),
            reading: None,
            record: working(),
            hands: Hands::default(),
            posted: Vec::new(),
            by_hand: Vec::new(),
            asked: 0,
            touched: None,
        }
    }

    fn apply(&mut self, fact: &OrderFact) {
        let Ok(done) = lifecycle::apply(&self.record, fact, at(self.second)) else { return };
        self.record = OrderRecord { seq: self.record.seq + 1, ..done.record };
        if let OrderFact::TermsShown { now, by_hand: true, .. } = fact {
            self.by_hand.push(now.price.unwrap().to_string());
        }
    }

    fn was(&self, second: i64) -> i64 {
        self.truth.iter().rev().find(|(since, _)| *since <= second).unwrap().1
    }

    fn row(limit: i64) -> BookRow {
        BookRow { tag: Some("OGA1B20000001".into()), ..shows(&limit.to_string()) }
    }

    fn take(&mut self, step: &Step) {
        match *step {
            // No two of our changes ask for the same, and nobody asks for what we do: ours are even, a hand's is odd.
            // One call at a time: the next goes when the one before has its answer.
            Step::Ask(lands, heard, after) if self.asked < 8 && !self.is_calling() => {
                self.asked += 1;
                let limit = 800 + 2 * self.asked;
                self.apply(&OrderFact::CallIntended { call: ChangeCall::Modify, request: "{}".into(), terms: Some(terms(limit)) });
                self.lands.extend(lands.map(|lands| (self.second + lands, limit)));
                let answer = heard.map(|heard| OrderFact::CallReplied {
                    call: ChangeCall::Modify,
                    answer: CallAnswer::read("x"),
                    change: Some(Answered { terms: terms(limit), heard }),
                });
                let least = if heard == Some(Heard::Taken) { lands.unwrap_or(0) } else { 0 };
                self.replies.extend(answer.map(|answer| (self.second + least.max(after), answer)));
            }
            Step::Ask(..) => {}
            Step::Hand => {
                if self.touched.is_none() {
                    self.touched = Some(851);
                    self.truth.push((self.second, 851));
                }
            }
            Step::Read(age, takes) => {
                if self.reading.is_none() {
                    self.reading = Some((self.second + takes, self.record.seq, self.was(self.second - age)));
                }
            }
            Step::Frame(back) => {
                let row = Self::row(self.truth[self.truth.len().saturating_sub(1 + back)].1);
                let book = book_of([self.record.clone()], &[]);
                let _asks = self.hands.hint(&book, &row, PREFIX, tick);
                // Only what is newest settles a change: the merge of the stream does not give out what is older.
                if back == 0
                    && let Some((_, fact)) = crate::watcher::read_row(&book, &row, PREFIX)
                {
                    self.apply(&fact);
                }
            }
            Step::Wait(seconds) => (0..seconds).for_each(|_| self.pass()),
        }
    }

    fn is_calling(&self) -> bool {
        let is_clear =
            |fact: &OrderFact| matches!(fact, OrderFact::CallReplied { change: Some(change), .. } if change.heard != Heard::Unclear);
        self.replies.iter().any(|(_, fact)| is_clear(fact))
    }

    fn pass(&mut self) {
        for fact in std::mem::take(&mut self.posted) {
            self.apply(&fact);
        }
        self.second += 1;
        let now = self.second;
        let (landed, on_the_way): (Vec<_>, Vec<_>) = std::mem::take(&mut self.lands).into_iter().partition(|(at, _)| *at <= now);
        self.lands = on_the_way;
        self.truth.extend(landed.into_iter().map(|(_, limit)| (now, limit)));
        let (heard, to_come): (Vec<_>, Vec<_>) = std::mem::take(&mut self.replies).into_iter().partition(|(at, _)| *at <= now);
        self.replies = to_come;
        heard.into_iter().for_each(|(_, answer)| self.apply(&answer));
        if let Some((_, began_seq, limit)) = self.reading.take_if(|(at, ..)| *at <= now) {
            self.book_came(began_seq, &Self::row(limit));
        }
    }

    fn book_came(&mut self, began_seq: u64, row: &BookRow) {
        let book = book_of([self.record.clone()], &[]);
        if let Some(fact) = news(&self.record, row) {
            self.posted.push(fact);
            return;
        }
        let rows = std::iter::once((self.record.command_id, row));
        let facts = self.hands.read(&book, rows, tick, (began_seq, at(self.second)), Duration::seconds(QUIET));
        self.posted.extend(facts.into_iter().map(|(_, fact)| fact));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    /// However our own changes, their answers, lagging books and messages come: none is taken for a hand. A hand's change that
    /// stands is noticed, once; and the record says in the end what the broker has.
    #[test]
    fn prop_only_a_hand_is_taken_for_one_and_what_stands_is_noticed_once(
        steps in proptest::collection::vec(step(), 1..40),
        ages in proptest::array::uniform6(0..=QUIET),
        hints in any::<bool>(),
    ) {
        let mut world = World::new();
        for step in &steps {
            world.take(step);
            prop_assert!(world.touched.is_some() || world.by_hand.is_empty(), "{steps:?}");
        }
        // Nothing more is asked for: everything lands, everybody is heard.
        world.take(&Step::Wait(60));
        for age in ages {
            if hints {
                world.take(&Step::Frame(0));
            }
            world.take(&Step::Read(age, 1));
            world.take(&Step::Wait(QUIET + 2));
        }
        let stands = world.truth.last().unwrap().1;
        prop_assert_eq!(world.record.ask.price.unwrap().value(), Decimal::from(stands), "{:?} {:?}", world.truth, world.record);
        prop_assert!(world.by_hand.len() <= 1 && (world.touched.is_some() || world.by_hand.is_empty()));
        if world.touched == Some(stands) {
            prop_assert_eq!(&world.by_hand, &["851".to_owned()]);
            prop_assert!(world.record.by_hand.is_some() && !world.hands.suspects(command(1)));
        }
    }
}
