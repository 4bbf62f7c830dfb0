use proptest::prelude::*;

use super::*;
use crate::testkit::morning;

const LANES: [Lane; 6] = [Lane::Kill, Lane::Cancel, Lane::Exit, Lane::Modify, Lane::Entry, Lane::Read];

fn at(ms: i64) -> DateTime<Utc> {
    morning() + TimeDelta::milliseconds(ms)
}

fn is_of_exits(lane: Lane) -> bool {
    lane <= Lane::Exit
}

/// One thing that a BrokerActor may do with its budget.
#[derive(Debug, Clone, Copy)]
enum Act {
    /// Time goes on, milliseconds.
    Pass(i64),
    /// A row is written: its token is held.
    Hold(Lane, Exchange),
    /// The call of the so-manieth held token starts.
    Call(usize),
    /// A call that needs no row.
    Spend(Lane),
    /// The actor is restarted.
    Lose,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let lane = prop::sample::select(&LANES[..5]);
    let exchange = prop::sample::select(&[Exchange::Nse, Exchange::Nfo, Exchange::Bse, Exchange::Mcx][..]);
    let act = prop_oneof![
        3 => (0i64..700).prop_map(Act::Pass),
        8 => (lane, exchange).prop_map(|(lane, exchange)| Act::Hold(lane, exchange)),
        6 => (0usize..8).prop_map(Act::Call),
        3 => Just(Act::Spend(Lane::Read)),
        1 => Just(Act::Lose),
    ];
    prop::collection::vec(act, 1..300)
}

fn windows() -> impl Strategy<Value = RateWindow> {
    prop_oneof![Just(RateWindow::Second), Just(RateWindow::Minute), Just(RateWindow::Unsaid)]
}

fn budgets() -> impl Strategy<Value = Budget> {
    prop_oneof![
        Just(Budget::noren()),
        Just(Budget::of(4, 10)),
        (2u32..12, 2u32..40, 1u32..10).prop_map(|(second, minute, venue)| Budget {
            per_exchange_second: Some(venue.max(second / 4 + 1)),
            ..Budget::of(second, minute)
        }),
    ]
    .prop_filter("a budget that is taken at a start", |budget| budget.check().is_ok())
}

/// What really went out, and the tokens that are held.
#[derive(Debug, Default)]
struct World {
    now: i64,
    held: Vec<(Lane, Exchange)>,
    called: Vec<(i64, Option<Exchange>, Lane)>,
    /// Taken at some time, by lane.
    taken: Vec<(i64, Lane)>,
}

fn live(budget: Budget, acts: &[Act], mut look: impl FnMut(&Meter, &World)) -> World {
    let (mut meter, mut world) = (Meter::new(Some(budget)), World::default());
    for act in acts {
        let now = at(world.now);
        match *act {
            Act::Pass(ms) => world.now += ms,
            Act::Hold(lane, exchange) => {
                if meter.hold(lane, Some(exchange), now) == Decision::Go {
                    world.held.push((lane, exchange));
                    world.taken.push((world.now, lane));
                }
            }
            Act::Call(which) if !world.held.is_empty() => {
                let (lane, exchange) = world.held.remove(which % world.held.len());
                meter.called(Some(exchange), now);
                world.called.push((world.now, Some(exchange), lane));
            }
            Act::Call(_) => {}
            Act::Spend(lane) => {
                if meter.spend(lane, None, now) == Decision::Go {
                    world.called.push((world.now, None, lane));
                    world.taken.push((world.now, lane));
                }
            }
            Act::Lose => {
                meter.lose_held();
                world.held.clear();
            }
        }
        look(&meter, &world);
    }
    world
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever is asked for, in whatever order, and however late a call starts: no window of the account or of an
    /// exchange holds more than its limit, neither one of any calendar nor a rolling one.
    #[test]
    fn no_window_is_ever_exceeded(budget in budgets(), acts in acts(), phase in 0i64..60_000) {
        let world = live(budget, &acts, |_, _| ());
        for (length, limit) in [(1_000, budget.per_second), (60_000, budget.per_minute)] {
            for (from, ..) in &world.called {
                let rolling = world.called.iter().filter(|(at, ..)| (*from..from + length).contains(at)).count();
                prop_assert!(rolling <= limit as usize, "{rolling} within {length} ms");
                // The broker's clock is of some phase against ours.
                let slot = |at: i64| (at + phase) / length;
                let calendar = world.called.iter().filter(|(at, ..)| slot(*at) == slot(*from)).count();
                prop_assert!(calendar <= limit as usize, "{calendar} in one calendar window of {length} ms");
            }
        }
        let limit = budget.per_exchange_second.unwrap() as usize;
        for (from, exchange, _) in world.called.iter().filter(|(_, exchange, _)| exchange.is_some()) {
            let venue = Venue::of(exchange.unwrap());
            let there = |other: &Option<Exchange>| other.map(Venue::of) == Some(venue);
            let calls = world.called.iter().filter(|(at, other, _)| there(other) && (*from..from + 1_000).contains(at)).count();
            prop_assert!(calls <= limit, "{calls} at one exchange within a second");
        }
    }

    /// As long as exits have not used their share up themselves, one more may go at once.
    #[test]
    fn the_share_of_exits_is_always_theirs(budget in budgets(), acts in acts()) {
        // Lost and held tokens count as long as nobody calls them, so this looks at what was taken and called.
        let acts: Vec<Act> = acts.into_iter().filter(|act| !matches!(act, Act::Lose)).collect();
        live(budget, &acts, |meter, world| {
            let used = |length: i64| {
                let called = world.called.iter().filter(|(at, _, lane)| is_of_exits(*lane) && *at > world.now - length).count();
                called + world.held.iter().filter(|(lane, _)| is_of_exits(*lane)).count()
            };
            let is_free = used(1_000) < budget.reserved_per_second as usize && used(60_000) < budget.reserved_per_minute as usize;
            if is_free {
                for exchange in [Exchange::Nse, Exchange::Bse, Exchange::Mcx] {
                    assert_eq!(meter.decide(Lane::Exit, Some(exchange), at(world.now)), Decision::Go);
                }
            }
        });
    }

    /// Whatever a lane of orders may do, a higher one may do too.
    #[test]
    fn a_higher_lane_never_waits_where_a_lower_one_may_go(budget in budgets(), acts in acts()) {
        live(budget, &acts, |meter, world| {
            let until = |lane| match meter.decide(lane, Some(Exchange::Nse), at(world.now)) {
                Decision::Go => at(world.now),
                Decision::WaitUntil(until) => until,
            };
            for pair in LANES[..5].windows(2) {
                assert!(until(pair[0]) <= until(pair[1]), "{:?} waits longer than {:?}", pair[0], pair[1]);
            }
        });
    }

    /// A wait lies ahead, and waiting as often as one is told to ends in a call, also of the lowest lane.
    #[test]
    fn every_wait_ends(budget in budgets(), acts in acts(), breach in prop::option::of(windows())) {
        let (mut meter, mut world) = (Meter::new(Some(budget)), World::default());
        live(budget, &acts, |lived, after| {
            meter.spent.clone_from(&lived.spent);
            world.now = after.now;
        });
        if let Some(window) = breach {
            meter.breach(window, at(world.now));
        }
        for lane in LANES {
            let mut now = at(world.now);
            let mut waits = 0;
            while let Decision::WaitUntil(until) = meter.spend(lane, None, now) {
                assert!(until > now, "a wait that does not move");
                now = until;
                waits += 1;
                assert!(waits <= 200, "{lane:?} starves");
            }
            assert!((now - at(world.now)).num_seconds() <= 62, "{lane:?} waits longer than a minute and the margin");
        }
    }

    /// Entries that come as fast as they may leave reads their share.
    #[test]
    fn a_flood_of_entries_does_not_starve_reads(budget in budgets(), step in 60i64..400) {
        prop_assume!(budget.reads_per_second > 0 && budget.reads_per_minute > 0);
        let mut meter = Meter::new(Some(budget));
        let mut reads = 0u32;
        for tick in 0..(180_000 / step) {
            let now = at(tick * step);
            while meter.spend(Lane::Entry, Some(Exchange::Nse), now) == Decision::Go {}
            reads += u32::from(meter.spend(Lane::Read, None, now) == Decision::Go);
        }
        prop_assert!(reads >= 2 * budget.reads_per_minute, "{reads} reads in three minutes");
    }
}

#[test]
fn without_a_budget_everything_goes() {
    let mut meter = Meter::new(None);
    for _ in 0..10_000 {
        assert_eq!(meter.hold(Lane::Entry, Some(Exchange::Nse), morning()), Decision::Go);
    }
    assert_eq!(meter.usage(morning()), None);
}

#[test]
fn entries_stop_before_the_share_of_exits_and_go_on_when_the_window_has_moved() {
    let mut meter = Meter::new(Some(Budget::noren()));
    let go = |meter: &mut Meter, lane, ms| meter.spend(lane, Some(Exchange::Nse), at(ms)) == Decision::Go;
    let entries = (0..10).filter(|n| go(&mut meter, Lane::Entry, *n)).count();
    assert_eq!(entries, 5, "8, less 2 for exits, less 1 for reads");
    assert_eq!(meter.decide(Lane::Entry, Some(Exchange::Nse), at(9)), Decision::WaitUntil(at(1_000)));
    assert_eq!((0..10).filter(|n| go(&mut meter, Lane::Exit, *n)).count(), 3);
    assert!(go(&mut meter, Lane::Entry, 1_000));
}

#[test]
fn a_token_that_is_held_counts_until_a_window_after_its_call() {
    let mut meter = Meter::new(Some(Budget::of(4, 100)));
    for _ in 0..3 {
        assert_eq!(meter.hold(Lane::Entry, Some(Exchange::Nse), at(0)), Decision::Go);
    }
    // The calls hang in the slot's queue for five seconds: nothing was freed meanwhile.
    assert_eq!(meter.decide(Lane::Entry, Some(Exchange::Nse), at(5_000)), Decision::WaitUntil(at(6_000)));
    for _ in 0..3 {
        meter.called(Some(Exchange::Nse), at(5_000));
    }
    assert_ne!(meter.decide(Lane::Entry, Some(Exchange::Nse), at(5_999)), Decision::Go);
    assert_eq!(meter.decide(Lane::Entry, Some(Exchange::Nse), at(6_000)), Decision::Go);
}

#[test]
fn tokens_of_lost_lanes_are_spent_and_not_held_for_ever() {
    let mut meter = Meter::new(Some(Budget::of(4, 100)));
    for _ in 0..3 {
        assert_eq!(meter.hold(Lane::Entry, Some(Exchange::Nse), at(0)), Decision::Go);
    }
    meter.lose_held();
    assert_ne!(meter.hold(Lane::Entry, Some(Exchange::Nse), at(100)), Decision::Go, "they may have gone out");
    assert_eq!(meter.hold(Lane::Entry, Some(Exchange::Nse), at(1_100)), Decision::Go);
}

#[test]
fn a_breach_closes_its_window_for_everybody() {
    let mut meter = Meter::new(Some(Budget::noren()));
    meter.breach(RateWindow::Second, at(300));
    assert_eq!(meter.decide(Lane::Kill, Some(Exchange::Nse), at(300)), Decision::WaitUntil(at(1_300)));
    assert_eq!(meter.decide(Lane::Kill, Some(Exchange::Nse), at(1_300)), Decision::Go);
    meter.breach(RateWindow::Minute, at(40_000));
    assert_eq!(meter.usage(at(40_000)).unwrap().minute_left, 0);
    // The morning begins at a full minute; two seconds for clocks that differ.
    assert_eq!(meter.decide(Lane::Read, None, at(40_000)), Decision::WaitUntil(at(62_000)));
    assert_eq!(meter.decide(Lane::Read, None, at(62_000)), Decision::Go);
}

#[test]
fn a_breach_that_names_no_window_holds_exits_for_a_second_and_new_risk_for_the_minute() {
    let mut meter = Meter::new(Some(Budget::noren()));
    meter.breach(RateWindow::Unsaid, at(1_000));
    let opens = |meter: &Meter, lane| match meter.decide(lane, Some(Exchange::Nse), at(1_000)) {
        Decision::Go => 0,
        Decision::WaitUntil(until) => (until - at(0)).num_milliseconds(),
    };
    let opened = LANES.map(|lane| (lane, opens(&meter, lane)));
    let wanted = [
        (Lane::Kill, 2_000),
        (Lane::Cancel, 2_000),
        (Lane::Exit, 2_000),
        (Lane::Modify, 62_000),
        (Lane::Entry, 62_000),
        (Lane::Read, 11_000),
    ];
    assert_eq!(opened, wanted);
    let usage = meter.usage(at(2_000)).unwrap();
    assert!(usage.minute_left > 0, "exits may go");
    // One that names the minute holds everybody.
    meter.breach(RateWindow::Minute, at(1_000));
    assert_eq!(opens(&meter, Lane::Kill), 62_000);
}

#[test]
fn a_clock_that_is_set_back_blocks_nobody_for_longer_than_a_window() {
    let mut meter = Meter::new(Some(Budget::of(4, 100)));
    for _ in 0..3 {
        assert_eq!(meter.spend(Lane::Entry, Some(Exchange::Nse), at(3_600_000)), Decision::Go);
    }
    meter.breach(RateWindow::Minute, at(3_600_000));
    let Decision::WaitUntil(until) = meter.spend(Lane::Exit, Some(Exchange::Nse), at(0)) else { panic!("what went out still counts") };
    let Decision::WaitUntil(until) = meter.spend(Lane::Exit, Some(Exchange::Nse), until) else { return };
    assert!(until <= at(124_000), "{until}");
}

#[test]
fn used_and_left_are_told_per_window() {
    let mut meter = Meter::new(Some(Budget::noren()));
    assert_eq!(meter.hold(Lane::Exit, Some(Exchange::Nse), at(0)), Decision::Go);
    assert_eq!(meter.spend(Lane::Read, None, at(0)), Decision::Go);
    meter.called(Some(Exchange::Nse), at(10));
    let usage = meter.usage(at(500)).unwrap();
    assert_eq!((usage.second_used, usage.second_left, usage.minute_used, usage.minute_left), (2, 6, 2, 98));
    let usage = meter.usage(at(2_000)).unwrap();
    assert_eq!((usage.second_used, usage.minute_used), (0, 2));
}

#[test]
fn calls_that_the_adapter_made_by_itself_count_as_reads() {
    let mut meter = Meter::new(Some(Budget::of(8, 100)));
    meter.made(5, at(0));
    assert_eq!(meter.usage(at(0)).unwrap().second_used, 5);
    assert_eq!(meter.decide(Lane::Read, None, at(0)), Decision::WaitUntil(at(1_000)), "more than the reads' share");
    assert_eq!(meter.decide(Lane::Exit, Some(Exchange::Nse), at(0)), Decision::Go);
    meter.made(9, at(0));
    assert!(matches!(meter.decide(Lane::Exit, Some(Exchange::Nse), at(0)), Decision::WaitUntil(_)), "what went out went out");
    assert_eq!(meter.decide(Lane::Exit, Some(Exchange::Nse), at(1_000)), Decision::Go);
    let mut unlimited = Meter::new(None);
    unlimited.made(5, at(0));
    assert_eq!(unlimited.usage(at(0)), None);
}

#[test]
fn reads_that_never_left_leave_room_for_those_that_do() {
    let mut meter = Meter::new(Some(Budget::noren()));
    // A session is missing for a minute: every poll asks, and nothing leaves.
    for second in 0..60 {
        for ms in [0, 10, 20, 30] {
            let now = at(second * 1_000 + ms);
            assert_eq!(meter.spend(Lane::Read, None, now), Decision::Go, "second {second}");
            meter.unmade(now, now);
        }
    }
    assert_eq!(meter.usage(at(60_000)).unwrap().minute_used, 0);
}

#[test]
fn only_the_call_that_never_left_is_taken_back() {
    let mut meter = Meter::new(Some(Budget::of(8, 100)));
    assert_eq!(meter.spend(Lane::Read, None, at(0)), Decision::Go);
    assert_eq!(meter.spend(Lane::Exit, Some(Exchange::Nse), at(100)), Decision::Go);
    assert_eq!(meter.spend(Lane::Read, None, at(300)), Decision::Go);
    // Known only later, when the connection had failed.
    meter.unmade(at(200), at(900));
    let used = |meter: &Meter, ms| meter.usage(at(ms)).unwrap().second_used;
    assert_eq!(
        (used(&meter, 900), used(&meter, 1_050), used(&meter, 1_200)),
        (2, 2, 1),
        "the first read is gone, the order and the other count"
    );
    meter.unmade(at(200), at(900));
    assert_eq!(used(&meter, 900), 2, "an order's token is nobody's read");
    meter.unmade(at(400), at(61_000));
    assert_eq!(meter.usage(at(61_000)).unwrap().minute_used, 0);
}

#[test]
fn what_the_process_before_sent_counts_for_the_rest_of_its_minute() {
    let mut meter = Meter::new(Some(Budget::noren()));
    let sent = (0..30).map(|n| (at(n * 500), if n < 25 { Lane::Entry } else { Lane::Exit }, Some(Exchange::Nse)));
    // In no order of time.
    meter.remember(sent.rev(), at(40_000));
    let usage = meter.usage(at(40_000)).unwrap();
    assert_eq!((usage.minute_used, usage.second_used), (60, 0), "and what it may have read");
    // The set of books of the start goes at once, and the last calls of the minute are for exits.
    let mut now = 40_000;
    for _ in 0..4 {
        while meter.spend(Lane::Read, None, at(now)) != Decision::Go {
            now += 100;
        }
    }
    assert!(now <= 52_000, "{now}");
    let exits = (0..20).filter(|_| meter.spend(Lane::Exit, Some(Exchange::Nse), at(now)) == Decision::Go).count();
    assert!(exits >= 6, "{exits}");
    assert!(meter.usage(at(now)).unwrap().minute_used <= 100);
    assert_eq!(meter.decide(Lane::Entry, Some(Exchange::Nse), at(120_000)), Decision::Go, "a minute later nothing of it counts");
}

#[test]
fn a_start_after_a_quiet_minute_reads_every_book_at_once() {
    let mut meter = Meter::new(Some(Budget::noren()));
    meter.remember([], at(0));
    let reads = (0..30).filter(|n| meter.spend(Lane::Read, None, at(n * 100)) == Decision::Go).count();
    assert!(reads >= 6, "{reads} within three seconds");
    let mut unlimited = Meter::new(None);
    unlimited.remember([(at(0), Lane::Entry, None)], at(0));
    assert_eq!(unlimited.usage(at(0)), None);
}
