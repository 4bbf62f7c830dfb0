use std::sync::Arc;

use proptest::prelude::{ProptestConfig, Strategy as Gen, prop_assert, prop_assert_eq, prop_oneof, proptest};

use super::*;
use crate::guard::{reconcile_with_broker, reductions, shows_the_rest};
use crate::order::{OrderRecord, Product, Side};
use crate::ports::BookRow;
use crate::testkit::builders::{Build, SEQ, at, book_of, book_row, exit, position, sbin_in};
use crate::watcher::{Findings, Orders, Positions};

const MIS: Product = Product::Mis;
const LAG: TimeDelta = TimeDelta::seconds(3);

fn seen(reads: u32) -> Seen {
    let first = Seen::again(None, (10, 2), at(10));
    (1..reads).fold(first, |seen, _| Seen::again(Some(seen), (10, 2), at(11)))
}

#[test]
fn a_smaller_position_is_believed_after_two_reads_and_the_brokers_lag() {
    assert_eq!(seen(2).proof(at(12), LAG, false, true), Proof::NotYet, "twice within the lag");
    assert_eq!(seen(1).proof(at(20), LAG, false, true), Proof::NotYet, "once, however old");
    assert_eq!(seen(2).proof(at(13), LAG, false, true), Proof::Given);
    assert_eq!(seen(2).proof(at(10), TimeDelta::zero(), false, true), Proof::Given);
    assert_eq!(seen(2).proof(at(13), LAG, false, false), Proof::Untold);
    for figures in [(10, 3), (14, 2)] {
        let other = Seen::again(Some(seen(5)), figures, at(30));
        assert_eq!(other.proof(at(30), TimeDelta::zero(), false, true), Proof::NotYet, "another figure, of theirs or of ours, begins anew");
    }
}

#[test]
fn what_works_there_is_cleared_by_an_order_book_that_even_a_late_one_is_not_behind_of() {
    let proof = |books: &[(i64, bool)], lag| {
        let seen = books.iter().fold(seen(2), |seen, (second, shows)| seen.with_book(Some(at(*second)), *shows, lag));
        seen.proof(at(60), lag, true, true)
    };
    assert_eq!(proof(&[], LAG), Proof::NotYet);
    assert_eq!(proof(&[(9, true), (10, true), (12, true)], LAG), Proof::NotYet, "it may lag behind the fill");
    assert_eq!(proof(&[(13, true)], LAG), Proof::NotYet, "it may have been asked for before");
    assert_eq!(proof(&[(13, true), (13, true)], LAG), Proof::NotYet, "the same one");
    assert_eq!(proof(&[(13, true), (15, true)], LAG), Proof::Given);
    assert_eq!(proof(&[(13, false), (15, true)], LAG), Proof::Given, "the second counts");
    assert_eq!(proof(&[(13, true), (15, false)], LAG), Proof::NotYet, "it has filled, and its trades will come");
    assert_eq!(proof(&[(13, true), (15, true), (15, false)], LAG), Proof::NotYet, "an order that this book cannot have");
    assert_eq!(proof(&[(10, true)], TimeDelta::zero()), Proof::NotYet, "of the same moment");
    assert_eq!(proof(&[(11, true)], TimeDelta::zero()), Proof::Given);
}

/// What happens, in any order.
#[derive(Debug, Clone)]
enum Step {
    /// Our exit that rests fills so many more.
    Fills(i64),
    /// Somebody closes so many by hand.
    Closes(i64),
    /// A book is asked for that is so old and comes after so long: the orders, or the positions.
    Read(bool, i64, i64),
    /// Seconds pass.
    Wait(i64),
}

fn step(lag: i64) -> impl Gen<Value = Step> {
    prop_oneof![
        1 => (1..4i64).prop_map(Step::Fills),
        1 => (1..4i64).prop_map(Step::Closes),
        6 => (proptest::bool::ANY, 0..=lag, 0..3i64).prop_map(|(orders, age, takes)| Step::Read(orders, age, takes)),
        3 => (1..5i64).prop_map(Step::Wait),
    ]
}

/// The truth at the broker, and what we know of it.
struct World {
    lag: i64,
    second: i64,
    /// Filled and closed by hand so far, since when.
    truth: Vec<(i64, i64, i64)>,
    reading: Option<(bool, i64, i64, bool)>,
    exit: OrderRecord,
    /// What our holding has given up.
    reduced: i64,
    findings: Findings,
    seen: Option<Seen>,
}

impl World {
    fn new(lag: i64) -> Self {
        let exit = exit(2).side(Side::Sell).asks(10).product(MIS).working("B2");
        let truth = vec![(-100, 0, 0)];
        Self { lag, second: 0, truth, reading: None, exit, reduced: 0, findings: Findings::default(), seen: None }
    }

    fn was(&self, second: i64) -> (i64, i64) {
        let (_, filled, closed) = self.truth.iter().rev().find(|(since, ..)| *since <= second).unwrap();
        (*filled, *closed)
    }

    fn now(&self) -> (i64, i64) {
        self.was(i64::MAX)
    }

    fn take(&mut self, step: &Step) {
        let (filled, closed) = self.now();
        match *step {
            Step::Fills(units) if filled + closed + units < 10 => self.truth.push((self.second, filled + units, closed)),
            Step::Closes(units) if filled + closed + units < 10 => self.truth.push((self.second, filled, closed + units)),
            Step::Read(is_orders, age, takes) if self.reading.is_none() => {
                self.reading = Some((is_orders, self.second + takes, self.second - age, true));
            }
            Step::Wait(seconds) => (0..seconds).for_each(|_| self.pass()),
            Step::Fills(_) | Step::Closes(_) | Step::Read(..) => {}
        }
    }

    fn pass(&mut self) {
        self.second += 1;
        let Some((is_orders, _, of, is_newest)) = self.reading.take_if(|(_, comes, ..)| *comes <= self.second) else { return };
        let (filled, closed) = self.was(of);
        if is_orders {
            // Its trades come with it.
            if filled > self.exit.filled_quantity {
                self.exit = self.exit.clone().filled(filled, filled);
            }
            let row = BookRow { side: Side::Sell, filled, ..book_row("B2") };
            self.findings.orders = Some(Orders { rows: Arc::from([Arc::new(row)]), at: at(self.second) });
        } else {
            let rows = vec![position(sbin_in(MIS), 10 - filled - closed)];
            self.findings.positions = Some(Positions::new(rows, at(self.second), if is_newest { SEQ } else { SEQ - 1 }));
            self.reconcile();
        }
    }

    fn reconcile(&mut self) {
        let held = 10 - self.exit.filled_quantity - self.reduced;
        let book = book_of([self.exit.clone()], &[("trend", sbin_in(MIS), held)]);
        let Some(shrunk) = reconcile_with_broker(&book, &self.findings).pop() else {
            self.seen = None;
            return;
        };
        let (lag, now) = (TimeDelta::seconds(self.lag), at(self.second));
        let shows = shows_the_rest(&shrunk, &self.findings);
        let seen = Seen::again(self.seen, (shrunk.ours, shrunk.at_broker), now).with_book(
            self.findings.orders.as_ref().map(|book| book.at),
            shows,
            lag,
        );
        self.seen = Some(seen);
        if seen.proof(now, lag, !shrunk.rest.is_empty(), shrunk.told == crate::watcher::Told::Yes) == Proof::Given {
            self.reduced += reductions(&book, &shrunk).iter().map(|(_, units)| units).sum::<i64>();
            self.seen = None;
        }
    }
}

fn run(lag: i64, steps: &[Step]) -> Result<(), proptest::test_runner::TestCaseError> {
    let mut world = World::new(lag);
    let mut fills_told = 0;
    for step in steps {
        world.take(step);
        // A fill that is recorded while positions are read makes that read too old.
        if world.exit.filled_quantity > fills_told {
            fills_told = world.exit.filled_quantity;
            if let Some((false, _, _, is_newest)) = &mut world.reading {
                *is_newest = false;
            }
        }
        prop_assert!(world.reduced <= world.now().1, "{} units were closed by hand, {} given up: {steps:?}", world.now().1, world.reduced);
    }
    // The exit rests on, and the difference is concluded all the same.
    for _ in 0..12 {
        for is_orders in [true, false] {
            world.take(&Step::Wait(1));
            world.take(&Step::Read(is_orders, 0, 0));
            world.take(&Step::Wait(1));
        }
    }
    prop_assert_eq!(world.reduced, world.now().1);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    /// Whatever fills and whoever closes, whenever which book shows it: never is more given up than was closed elsewhere, and in the
    /// end all of that is, while an order of ours rests in the instrument.
    #[test]
    fn prop_a_close_elsewhere_is_concluded_beside_an_order_that_rests_and_a_fill_never_is(steps in proptest::collection::vec(step(3), 1..40)) {
        run(3, &steps)?;
    }

    #[test]
    fn prop_the_same_at_a_broker_that_does_not_lag(steps in proptest::collection::vec(step(0), 1..40)) {
        run(0, &steps)?;
    }
}
