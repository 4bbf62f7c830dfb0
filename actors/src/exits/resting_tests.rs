use proptest::prelude::{Just, Strategy as Gen, prop_assert, prop_oneof, proptest};

use super::*;
use crate::exits::{Fired, Terms};
use crate::order::{Ask, ExitExtras, Holding, OrderType, Product, Status};
use crate::testkit::builders::{
    Build, at, book_of, broker_id, exit, frozen_control, points, price, sbin_in, share, strategy, terms_of, units,
};

const HOURS: Hours = Hours { takes_exits: true, is_trading: true, closes_at: None, takes_stops: true, stops_until: None, expiry: None };

fn rule_of(net: i64) -> ExitRule {
    let held = Holding { net, cost: points(800 * net.abs()), realised: points(0), opened_at: Some(at(-60)) };
    let stop_loss = Some(if net > 0 { "790" } else { "810" }.parse().unwrap());
    let exits = ExitExtras { stop_at: Some(StopAt::Broker), ..ExitExtras::default() };
    let terms = Terms { stop_loss, exits, ..Terms::default() };
    ExitRule::new(strategy("trend"), sbin_in(Product::Mis), &held, terms, share().tick.value(), "a test".into(), at(0)).unwrap()
}

fn rule() -> ExitRule {
    rule_of(10)
}

/// A stop of 10 that rests: sell at 790, at 782.10 at the worst.
fn stop(number: u64) -> OrderRecord {
    let mut order = exit(number).side(Side::Sell).asks(10).product(Product::Mis).working(&number.to_string());
    order.source = Source::Stop;
    (order.ask.order_type, order.ask.trigger_price, order.ask.price) =
        (Some(OrderType::StopLimit), Some(price("790")), Some(price("782.10")));
    OrderRecord { updated_at: at(0), ..order }
}

/// An exit of another hand that is registered and waits.
fn other(number: u64, quantity: i64) -> OrderRecord {
    exit(number).side(Side::Sell).asks(quantity).product(Product::Mis)
}

fn fired(rule: ExitRule, cause: Cause, by: u64) -> ExitRule {
    ExitRule { fired: Some(Fired { cause, at: at(0), price: None, signal: exit(by).signal_id }), ..rule }
}

struct Case {
    rule: ExitRule,
    stop_at: StopAt,
    orders: Vec<OrderRecord>,
    net: i64,
    hours: Hours,
    changes: Option<u32>,
    stopped_by_others: i64,
    is_suspected: bool,
    second: i64,
}

impl Case {
    fn new(orders: Vec<OrderRecord>) -> Self {
        Self {
            rule: rule(),
            stop_at: StopAt::Broker,
            orders,
            net: 10,
            hours: HOURS,
            changes: Some(20),
            stopped_by_others: 0,
            is_suspected: false,
            second: 60,
        }
    }

    fn book(&self) -> Book {
        let mut book = book_of(self.orders.clone(), &[("trend", sbin_in(Product::Mis), self.net)]);
        let held = book.held(&strategy("trend"), &sbin_in(Product::Mis));
        let held = Holding { opened_at: Some(self.rule.opened_at), ..held };
        book.put_holding(strategy("trend"), sbin_in(Product::Mis), held, crate::testkit::builders::SEQ);
        book
    }

    fn next(&self) -> Rest {
        self.next_in(&self.book())
    }

    fn next_in(&self, book: &Book) -> Rest {
        let (settings, instrument) = (RestSettings::default(), share());
        next_rest(&Ground {
            rule: &self.rule,
            stop_at: self.stop_at,
            book,
            instrument: Some(&instrument),
            band: None,
            hours: &self.hours,
            settings: &settings,
            changes: self.changes,
            stopped_by_others: self.stopped_by_others,
            is_suspected: self.is_suspected,
            now: at(self.second),
        })
    }
}

/// One word for each decision, with the units or the number.
fn told(rest: &Rest) -> String {
    match rest {
        Rest::Leave => "leave".to_owned(),
        Rest::Place(stop) => format!("place {} at {} to {}", stop.quantity, stop.trigger, stop.limit),
        Rest::Change(order, stop) => format!("change {} to {} at {} to {}", order.number, stop.quantity, stop.trigger, stop.limit),
        Rest::Target(order, units, price) => format!("target {}: {units} at {price}", order.number),
        Rest::Cancel(order, _) => format!("cancel {}", order.number),
        Rest::Reached => "reached".to_owned(),
    }
}

fn decides(what: &str, case: &Case, expected: &str) {
    assert_eq!(told(&case.next()), expected, "{what}");
}

#[test]
fn one_stop_is_rested_for_what_is_held_and_only_where_it_may_be() {
    decides("a long", &Case::new(vec![]), "place 10 at 790 to 782.1");
    decides("a short", &Case { rule: rule_of(-10), net: -10, ..Case::new(vec![]) }, "place 10 at 810 to 818.1");
    decides("it rests", &Case::new(vec![stop(2)]), "leave");
    decides("it is on its way", &Case::new(vec![OrderRecord { status: Status::Created, broker_order_id: None, ..stop(2) }]), "leave");
    decides("the engine's", &Case { stop_at: StopAt::Engine, ..Case::new(vec![]) }, "leave");
    decides("switched off", &Case { rule: ExitRule { is_on: false, ..rule() }, ..Case::new(vec![]) }, "leave");
    decides("no stop", &Case { rule: ExitRule { stop: None, ..rule() }, ..Case::new(vec![]) }, "leave");
    decides("it has fired", &Case { rule: fired(rule(), Cause::Time, 9), ..Case::new(vec![]) }, "leave");
    decides("nothing is held", &Case { net: 0, ..Case::new(vec![]) }, "leave");
    decides("no hours for stops", &Case { hours: Hours { takes_stops: false, ..HOURS }, ..Case::new(vec![]) }, "leave");
    decides("another exit claims it", &Case::new(vec![other(3, 10)]), "leave");
    decides("another exit claims a part", &Case::new(vec![other(3, 4)]), "place 6 at 790 to 782.1");
    let frozen = Case::new(vec![]);
    let mut book = frozen.book();
    book.put_control(frozen_control());
    assert_eq!(frozen.next_in(&book), Rest::Leave);
}

#[test]
fn it_follows_the_position_and_the_trail() {
    decides("it grew", &Case { net: 25, ..Case::new(vec![stop(2)]) }, "change 2 to 25 at 790 to 782.1");
    decides("it grew a moment ago", &Case { net: 25, second: 4, ..Case::new(vec![stop(2)]) }, "leave");
    decides("it shrank a moment ago", &Case { net: 4, second: 1, ..Case::new(vec![stop(2)]) }, "change 2 to 4 at 790 to 782.1");
    let trailed = || ExitRule { stop: Some(795.into()), ..rule() };
    decides("it trailed", &Case { rule: trailed(), ..Case::new(vec![stop(2)]) }, "change 2 to 10 at 795 to 787.05");
    decides("both", &Case { rule: trailed(), net: 12, ..Case::new(vec![stop(2)]) }, "change 2 to 12 at 795 to 787.05");
    decides("a broker that changes nothing", &Case { rule: trailed(), changes: Some(0), ..Case::new(vec![stop(2)]) }, "cancel 2");
    let worn = OrderRecord { modifications: 12, ..stop(2) };
    decides("changed too often", &Case { rule: trailed(), ..Case::new(vec![worn]) }, "cancel 2");
    let changing = OrderRecord { reach: Some(units(12)), ..stop(2) };
    decides("a change is under way", &Case { net: 12, second: 4, ..Case::new(vec![changing.clone()]) }, "leave");
    decides("its answer was lost", &Case { second: 6, ..Case::new(vec![changing]) }, "change 2 to 10 at 790 to 782.1");
}

#[test]
fn what_somebody_changed_at_the_broker_stays_as_it_is() {
    let put = |trigger: &str, limit: &str| {
        let mut order = stop(2);
        (order.ask.trigger_price, order.ask.price) = (Some(price(trigger)), Some(price(limit)));
        OrderRecord { by_hand: Some(at(9)), ..order }
    };
    let trailed = || ExitRule { stop: Some(795.into()), ..rule() };
    decides("the trail went on", &Case { rule: trailed(), ..Case::new(vec![put("780", "778")]) }, "leave");
    let set_again = || ExitRule { set_at: at(10), ..trailed() };
    decides("the rule was set again", &Case { rule: set_again(), ..Case::new(vec![put("780", "778")]) }, "change 2 to 10 at 795 to 787.05");
    // Its units follow the position, its prices do not.
    decides("it grew", &Case { rule: trailed(), net: 25, ..Case::new(vec![put("780", "778")]) }, "change 2 to 25 at 780 to 778");
    decides("it shrank", &Case { rule: trailed(), net: 4, ..Case::new(vec![put("780", "778")]) }, "change 2 to 4 at 780 to 778");
    let mut limit = put("780", "830");
    (limit.ask.order_type, limit.ask.trigger_price) = (Some(OrderType::Limit), None);
    decides("a limit", &Case { rule: trailed(), net: 25, ..Case::new(vec![limit.clone()]) }, "leave");
    decides("a limit for too much", &Case { rule: trailed(), net: 4, ..Case::new(vec![limit]) }, "change 2 to 4 at 830 to 830");
    // What else ends it ends it.
    decides("another exit", &Case::new(vec![put("780", "778"), other(3, 10)]), "cancel 2");
    decides("off", &Case { rule: ExitRule { is_on: false, ..rule() }, ..Case::new(vec![put("780", "778")]) }, "cancel 2");
    let target = fired(ExitRule { target: Some(820.into()), ..rule() }, Cause::Target, 2);
    decides("its target is reached", &Case { rule: target, ..Case::new(vec![put("780", "778")]) }, "target 2: 10 at 820");
}

#[test]
fn what_somebody_may_have_changed_is_not_moved_until_that_is_known() {
    let suspected = |net| Case { rule: ExitRule { stop: Some(795.into()), ..rule() }, net, is_suspected: true, ..Case::new(vec![stop(2)]) };
    decides("the trail", &suspected(10), "leave");
    decides("it grew", &suspected(25), "leave");
    decides("it never claims too much", &suspected(4), "change 2 to 4 at 790 to 782.1");
}

#[test]
fn it_makes_way_for_every_other_exit() {
    decides("for all", &Case::new(vec![stop(2), other(3, 10)]), "cancel 2");
    decides("for an exit without a size", &Case::new(vec![stop(2), exit(3)]), "cancel 2");
    decides("for a part", &Case::new(vec![stop(2), other(3, 4)]), "change 2 to 6 at 790 to 782.1");
    decides(
        "for a part, at a broker that changes nothing",
        &Case { changes: Some(0), ..Case::new(vec![stop(2), other(3, 4)]) },
        "cancel 2",
    );
    let cancelled = OrderRecord { cancel_wanted: Some(Tag::Replaced), ..stop(2) };
    decides("it is on its way out", &Case::new(vec![cancelled, other(3, 10)]), "leave");
    decides("of another strategy", &Case::new(vec![stop(2), other(3, 10).by("scalp")]), "leave");
}

#[test]
fn exits_of_its_own_rule_take_it_over() {
    let with_target = || ExitRule { target: Some(820.into()), ..rule() };
    decides("the target", &Case { rule: fired(with_target(), Cause::Target, 2), ..Case::new(vec![stop(2)]) }, "target 2: 10 at 820");
    // Nobody heard whether it was changed: the book goes on showing the stop, and it is changed once more.
    let limit = OrderRecord { ask: Ask { order_type: Some(OrderType::Limit), ..stop(2).ask }, ..stop(2) };
    let unheard = |second| {
        let terms = terms_of(&limit);
        let order = OrderRecord { pending: Some(terms), ..stop(2) };
        Case { rule: fired(with_target(), Cause::Target, 2), second, ..Case::new(vec![order]) }
    };
    decides("a change that may yet show", &unheard(4), "leave");
    decides("a change that was lost", &unheard(5), "target 2: 10 at 820");
    decides("one that was made", &Case { rule: fired(with_target(), Cause::Target, 2), ..Case::new(vec![limit.clone()]) }, "leave");
    decides("an urgent exit: the ladder has it", &Case { rule: fired(rule(), Cause::Time, 2), ..Case::new(vec![stop(2)]) }, "leave");
    decides("an exit of its own", &Case { rule: fired(rule(), Cause::Time, 9), ..Case::new(vec![stop(2)]) }, "cancel 2");
    decides("it fills", &Case::new(vec![OrderRecord { status: Status::Partial, ..stop(2).filled(4, 4) }]), "reached");
    let takes = |order: OrderRecord, changes| to_take_over(&rule(), &Case::new(vec![order]).book(), changes).is_some();
    assert!(takes(stop(2), None) && takes(stop(2), Some(1)) && !takes(stop(2), Some(0)));
    assert!(!takes(OrderRecord { cancel_wanted: Some(Tag::Replaced), ..stop(2) }, None));
    assert!(!takes(OrderRecord { broker_order_id: None, ..stop(2) }, None), "without a number nothing can be changed");
    let beside = Case::new(vec![stop(2), crate::testkit::builders::order(3).working("3")]).book();
    assert_eq!(to_take_over(&rule(), &beside, None), None, "the rest of its entry could trade with it");
}

#[test]
fn what_shall_not_rest_is_cancelled() {
    decides("off", &Case { rule: ExitRule { is_on: false, ..rule() }, ..Case::new(vec![stop(2)]) }, "cancel 2");
    decides("the engine's now", &Case { stop_at: StopAt::Engine, ..Case::new(vec![stop(2)]) }, "cancel 2");
    decides("the position is gone", &Case { net: 0, ..Case::new(vec![stop(2)]) }, "cancel 2");
    decides("of the position before", &Case::new(vec![stop(2).side(Side::Buy)]), "cancel 2");
    decides("a second one", &Case { net: 30, ..Case::new(vec![stop(2), stop(3)]) }, "cancel 3");
    let squared = crate::persistence::Control { level: crate::persistence::KillLevel::SquareOff, ..Default::default() };
    let case = Case::new(vec![stop(2)]);
    let mut book = case.book();
    book.put_control(squared);
    assert_eq!(told(&case.next_in(&book)), "cancel 2");
}

#[test]
fn what_ended_is_placed_again_by_why_it_ended() {
    let ended = |tag| OrderRecord { updated_at: at(0), ..stop(2).ended(Status::Failed, Some(tag)) };
    let again = |tag: Tag, second: i64| told(&Case { second, ..Case::new(vec![ended(tag)]) }.next()) != "leave";
    for (tag, wait) in
        [(Tag::Replaced, 0), (Tag::NotSent, 5), (Tag::RateLimited, 30), (Tag::BrokerRejected, 900), (Tag::BrokerCancelled, 900)]
    {
        assert!(again(tag, wait) && (wait == 0 || !again(tag, wait - 1)), "{tag} after {wait} s");
    }
    let day = 86_400;
    assert!(!again(Tag::CancelledByUser, 6 * 3_600) && again(Tag::CancelledByUser, day), "a person wanted it gone today");
    assert!(again(Tag::BrokerExpired, day) && !again(Tag::BrokerExpired, 60), "the day is over");
    let of_yesterday = |tag| OrderRecord { sent_at: Some(at(-day)), ..ended(tag) };
    let at_once = |tag| told(&Case { second: 1, ..Case::new(vec![of_yesterday(tag)]) }.next()) != "leave";
    assert!(at_once(Tag::BrokerExpired), "that yesterday's has lapsed is found out in the morning");
    assert!(!at_once(Tag::BrokerRejected), "any other end is of the time at which it came");
    let before = ExitRule { opened_at: at(30), ..rule() };
    let case = Case { rule: before, ..Case::new(vec![ended(Tag::BrokerRejected)]) };
    decides("that was the position before", &case, "place 10 at 790 to 782.1");
}

#[test]
fn where_it_lives_is_what_the_book_shows() {
    let look = |case: &Case| {
        let lives = lives(&case.rule, case.stop_at, &case.book()).unwrap();
        (lives.at, lives.covers, lives.because.unwrap_or_default())
    };
    assert_eq!(look(&Case::new(vec![stop(2)])), (StopAt::Broker, 10, String::new()));
    assert_eq!(look(&Case { stop_at: StopAt::Engine, ..Case::new(vec![]) }), (StopAt::Engine, 0, String::new()));
    let says = |case: &Case, part: &str| {
        let (at, _, because) = look(case);
        assert!(at == StopAt::Engine && because.contains(part), "{because}");
    };
    says(&Case::new(vec![]), "no order rests");
    says(&Case { net: 25, ..Case::new(vec![stop(2)]) }, "covers 10 of 25");
    says(&Case::new(vec![OrderRecord { cancel_wanted: Some(Tag::Replaced), ..stop(2) }]), "is being cancelled");
    says(&Case::new(vec![stop(2).doubted()]), "not known whether");
    says(&Case::new(vec![OrderRecord { broker_order_id: None, ..stop(2) }]), "on the way");
    let refused = OrderRecord { reason: Some(Arc::from("margin")), ..stop(2).ended(Status::Failed, Some(Tag::BrokerRejected)) };
    says(&Case::new(vec![refused]), "margin");
    says(&Case::new(vec![stop(2).ended(Status::Failed, Some(Tag::CancelledByUser))]), "by a person");
    says(&Case { rule: fired(rule(), Cause::Time, 9), ..Case::new(vec![]) }, "has fired");
    let off = Case { rule: ExitRule { is_on: false, ..rule() }, ..Case::new(vec![stop(2)]) };
    assert_eq!(look(&off).0, StopAt::Broker, "it acts until its end is proven");
    let moving = Case { rule: ExitRule { stop: Some(795.into()), ..rule() }, ..Case::new(vec![stop(2)]) };
    assert!(look(&moving).2.contains("rests at 790"));
    assert_eq!(lives(&ExitRule { stop: None, ..rule() }, StopAt::Broker, &Case::new(vec![]).book()), None);
}

/// What may happen to one position with a resting stop.
#[derive(Debug, Clone)]
enum Act {
    /// The rule is looked at, and what it wants is done.
    Look,
    /// The position grows by a fill of its entry.
    Grow(i64),
    /// An exit of another hand for so many units is registered.
    Exit(i64),
    /// The exit that waits is sent, if the sizing lets it go.
    Send,
    /// What works at the broker fills by so many units: the stop, or the exit.
    FillStop(i64),
    FillExit(i64),
    /// What is being cancelled is proven dead.
    Dead,
    /// The rule is switched off or on.
    Switch(bool),
}

fn acts() -> impl Gen<Value = Vec<Act>> {
    let act = prop_oneof![
        4 => Just(Act::Look),
        1 => (1i64..8).prop_map(Act::Grow),
        1 => (1i64..20).prop_map(Act::Exit),
        2 => Just(Act::Send),
        1 => (1i64..8).prop_map(Act::FillStop),
        1 => (1i64..8).prop_map(Act::FillExit),
        2 => Just(Act::Dead),
        1 => (0u8..2).prop_map(|on| Act::Switch(on == 1)),
    ];
    proptest::collection::vec(act, 1..60)
}

/// A position at a broker that does at once what it is asked for.
struct World {
    rule: ExitRule,
    net: i64,
    orders: Vec<OrderRecord>,
    second: i64,
}

impl World {
    fn book(&self) -> Book {
        book_of(self.orders.clone(), &[("trend", sbin_in(Product::Mis), self.net)])
    }

    fn open(&mut self, is_it: impl Fn(&OrderRecord) -> bool) -> Option<&mut OrderRecord> {
        self.orders.iter_mut().find(|order| !order.status.is_terminal() && is_it(order))
    }

    fn fill(&mut self, units: i64, is_it: impl Fn(&OrderRecord) -> bool) {
        let filled = self.open(|order| order.status.is_at_broker() && is_it(order)).map_or(0, |order| {
            let filled = units.min(order.unfilled());
            order.filled_quantity += filled;
            order.traded_quantity += filled;
            order.status = if order.unfilled() == 0 { Status::Executed } else { Status::Partial };
            filled
        });
        self.net -= filled;
    }

    fn act(&mut self, act: &Act) {
        self.second += 10;
        let (number, book) = (self.orders.len() as u64 + 1, self.book());
        match act {
            Act::Grow(units) => self.net += units,
            Act::Switch(is_on) => self.rule.is_on = *is_on,
            Act::Exit(units) => self.orders.push(other(number, *units)),
            Act::FillStop(units) => self.fill(*units, |order| order.source == Source::Stop),
            Act::FillExit(units) => self.fill(*units, |order| order.source != Source::Stop),
            Act::Dead => {
                if let Some(order) = self.open(|order| order.cancel_wanted.is_some()) {
                    (order.status, order.tag) = (Status::Failed, order.cancel_wanted);
                }
            }
            Act::Send => {
                let Some(exit) = self.open(|order| order.source != Source::Stop && order.status == Status::Created) else { return };
                let findings = crate::testkit::builders::broker_shows(&[(sbin_in(Product::Mis), book.gross(&sbin_in(Product::Mis)).net())]);
                match crate::risk::size(&crate::risk::ExitCase::seen(
                    exit,
                    &sbin_in(Product::Mis).instrument,
                    &book,
                    &findings,
                    crate::risk::ReadAge::CLEAR,
                )) {
                    crate::risk::ExitSize::Close { quantity, .. } => {
                        (exit.ask.quantity, exit.status) = (Some(quantity), Status::SentToBroker);
                        exit.broker_order_id = Some(broker_id(&exit.number.to_string()));
                        exit.sent_at = Some(at(0));
                    }
                    crate::risk::ExitSize::Refuse(tag, _) => (exit.status, exit.tag) = (Status::Failed, Some(tag)),
                    crate::risk::ExitSize::Wait(_) | crate::risk::ExitSize::Overtakes(..) => {}
                }
            }
            Act::Look => self.look(&book, number),
        }
    }

    fn look(&mut self, book: &Book, number: u64) {
        let case = Case { rule: self.rule.clone(), second: self.second, changes: None, ..Case::new(vec![]) };
        let find = |orders: &mut Vec<OrderRecord>, order: &OrderRecord| orders.iter().position(|one| one.number == order.number).unwrap();
        match case.next_in(book) {
            Rest::Leave | Rest::Reached | Rest::Target(..) => {}
            Rest::Place(wanted) => {
                self.orders.push(OrderRecord { updated_at: at(self.second), ..stop(number).asks(wanted.quantity.value()) })
            }
            Rest::Change(order, wanted) => {
                // The change walks the gates: a larger one is held against all that is registered.
                let findings = crate::testkit::builders::broker_shows(&[(sbin_in(Product::Mis), self.net)]);
                let grows = wanted.quantity.value() > order.quantity();
                if !grows || wanted.quantity.value() <= crate::risk::largest_total(&order, book, &findings) {
                    let at_hand = find(&mut self.orders, &order);
                    let order = &mut self.orders[at_hand];
                    order.ask.quantity = Some(wanted.quantity);
                    if order.unfilled() == 0 {
                        order.status = Status::Executed;
                    }
                }
            }
            Rest::Cancel(order, _) => {
                let at_hand = find(&mut self.orders, &order);
                self.orders[at_hand].cancel_wanted = Some(Tag::Replaced);
            }
        }
    }

    /// Units that everything which is live at the broker could still sell.
    fn live(&self) -> i64 {
        self.orders.iter().filter(|order| order.status.is_at_broker()).map(|order| order.unfilled()).sum()
    }
}

proptest! {
    #[test]
    fn prop_what_is_live_never_closes_more_than_is_held_and_one_stop_rests_at_the_most(acts in acts()) {
        let mut world = World { rule: rule(), net: 10, orders: Vec::new(), second: 0 };
        for act in &acts {
            world.act(act);
            prop_assert!(world.net >= 0 && world.live() <= world.net, "{act:?}: {} live of {}", world.live(), world.net);
            let stops = world.orders.iter().filter(|order| order.source == Source::Stop && !order.status.is_terminal()).count();
            prop_assert!(stops <= 1, "{act:?}: {stops} stops");
        }
    }

    /// Whatever has happened: left alone, the position ends with its stop at rest for all that is held.
    #[test]
    fn prop_left_alone_the_stop_comes_to_rest_for_what_is_held(acts in acts()) {
        let mut world = World { rule: rule(), net: 10, orders: Vec::new(), second: 0 };
        acts.iter().for_each(|act| world.act(act));
        world.act(&Act::Switch(true));
        // One exit goes out in each round, and the last rounds are for the stop.
        for _ in 0..acts.len() + 3 {
            for act in [Act::Send, Act::FillExit(i64::MAX), Act::Look, Act::Dead] {
                world.act(&act);
            }
        }
        let book = world.book();
        let is_partly_filled = world.orders.iter().any(|order| order.source == Source::Stop && order.status == Status::Partial);
        if world.net > 0 && !is_partly_filled {
            let lives = lives(&world.rule, StopAt::Broker, &book).unwrap();
            prop_assert!(lives.at == StopAt::Broker && lives.covers == world.net, "{lives:?}");
        }
    }
}

#[test]
fn beside_the_stop_of_somebody_else_none_is_rested_and_one_that_rests_stays() {
    let beside = |orders: Vec<OrderRecord>, theirs| Case { stopped_by_others: theirs, ..Case::new(orders) };
    decides("it is for all", &beside(Vec::new(), 10), "leave");
    decides("it is for a part", &beside(Vec::new(), 4), "place 6 at 790 to 782.1");
    decides("ours rests already", &beside(vec![stop(1)], 10), "leave");
    let small = OrderRecord { ask: stop(1).asks(6).ask, ..stop(1) };
    decides("it does not grow", &beside(vec![small.clone()], 4), "leave");
    decides("alone it does", &beside(vec![small], 0), "change 1 to 10 at 790 to 782.1");
    let trailed = |theirs| {
        let worn = OrderRecord { modifications: 12, ..stop(1) };
        Case { rule: ExitRule { stop: Some(795.into()), ..rule() }, ..beside(vec![worn], theirs) }
    };
    decides("it is not taken away to be placed anew", &trailed(10), "leave");
    decides("alone it is", &trailed(0), "cancel 1");
}
