use proptest::prelude::{Strategy as _, TestCaseError, any, prop_assert, proptest};

use super::*;
use crate::order::{Exchange, HoldingKey, Kind, Product, Right, Status, Tag};
use crate::persistence::{Book, Kept, KeptChange};
use crate::pnl::ContractKept;
use crate::testkit::builders::{Build, at, book_of, broker_shows, order, price, rupees, sbin_in, units};

/// Shares of their own name, and NIFTY options in lots of 75.
#[derive(Debug)]
struct Master;

impl Instruments for Master {
    fn find(&self, key: &InstrumentKey) -> Option<Arc<Instrument>> {
        let share = crate::testkit::builders::share();
        Some(Arc::new(match key.symbol.strip_prefix("NIFTY") {
            Some(rest) => {
                let right = if rest.contains('C') { Right::Call } else { Right::Put };
                let expiry = chrono::NaiveDate::from_ymd_opt(2026, 12, 1).unwrap();
                let kind = Kind::Option { expiry, strike: price("24000"), right };
                Instrument { key: key.clone(), underlying: Arc::from("NIFTY"), kind, lot: units(75), ..share }
            }
            None => Instrument { key: key.clone(), underlying: key.symbol.trim_end_matches("-EQ").into(), ..share },
        }))
    }
    fn as_of(&self, _: Exchange) -> Option<chrono::NaiveDate> {
        None
    }
}

fn projected(order: &OrderRecord, book: &Book, findings: &Findings) -> Projected {
    let instrument = order.instrument().unwrap();
    let found = Master.find(&instrument);
    project(&Scene {
        order,
        instrument: &instrument,
        found: found.as_deref(),
        book,
        findings,
        instruments: &Master,
        touch: &|_, _| None,
        unknown_value: rupees(50_000),
        now: at(0),
    })
}

fn of(me: OrderRecord, others: Vec<OrderRecord>, holdings: &[(&str, HoldingKey, i64)]) -> Projected {
    let shown: Vec<_> = holdings.iter().map(|(_, key, net)| (key.clone(), *net)).collect();
    projected(&me, &book_of(others.into_iter().chain([me.clone()]), holdings), &broker_shows(&shown))
}

fn option(name: &str) -> HoldingKey {
    HoldingKey { instrument: InstrumentKey::new(Exchange::Nfo, name), product: Product::Nrml }
}

fn in_option(order: OrderRecord, name: &str) -> OrderRecord {
    let mut order = order.of(name);
    order.ask.exchange = Some(Exchange::Nfo);
    order
}

#[test]
fn what_stands_before_counts_as_filled_and_what_comes_after_does_not() {
    let me = || order(10).asks(10);
    assert_eq!(of(me(), vec![], &[]).position, 10);
    assert_eq!(of(me(), vec![order(1).asks(5), order(11).asks(7)], &[]).position, 15);
    assert_eq!(of(me(), vec![order(11).asks(7).sent()], &[]).position, 17, "it is out already");
    assert_eq!(of(me(), vec![order(1).asks(5).doubted()], &[]).position, 15);
    assert_eq!(of(me(), vec![order(1).asks(5).working("1").filled(3, 1)], &[("a", sbin_in(Product::Mis), 1)]).position, 15);
    assert_eq!(of(me(), vec![order(1).asks(5).side(Side::Sell)], &[]).position, 10, "a sale takes nothing off");
    assert_eq!(of(me(), vec![order(1).asks(5).test()], &[]).position, 10);
}

#[test]
fn a_position_counts_on_the_side_that_the_order_adds_to() {
    let held = [("a", sbin_in(Product::Mis), 30), ("b", sbin_in(Product::Cnc), 5)];
    assert_eq!(of(order(10).asks(10), vec![], &held).position, 45, "all strategies and products");
    assert_eq!(of(order(10).asks(10).side(Side::Sell), vec![], &held).position, 10);
    let adjust = |quantity| order(10).by("a").intent(Intent::Adjust).asks(quantity).side(Side::Sell);
    assert_eq!(of(adjust(30), vec![], &held).adds, 0, "it only takes away");
    assert_eq!(of(adjust(40), vec![], &held).position, 10);
}

#[test]
fn what_was_bought_elsewhere_counts_too() {
    let me = order(10).asks(10);
    let book = book_of([me.clone()], &[("a", sbin_in(Product::Mis), 5)]);
    assert_eq!(projected(&me, &book, &broker_shows(&[(sbin_in(Product::Mis), 25)])).position, 35);
    assert_eq!(projected(&me, &book, &broker_shows(&[(sbin_in(Product::Mis), 3)])).position, 15, "less is not trusted");
}

#[test]
fn an_underlying_is_all_of_its_instruments_and_short_options_count_in_lots() {
    let held = [("a", option("NIFTY24000C"), -150), ("b", option("NIFTY24000P"), -75), ("c", sbin_in(Product::Mis), 10)];
    let me = in_option(order(10).asks(75), "NIFTY24500C").side(Side::Sell);
    let seen = of(me.clone(), vec![], &held);
    assert_eq!((seen.underlying.as_deref(), seen.underlying_units, seen.short_option_lots), (Some("NIFTY"), 300, 4));
    let buys = of(me.side(Side::Buy), vec![], &held);
    assert_eq!((buys.underlying_units, buys.short_option_lots), (300, 3));
    let more = of(in_option(order(10).asks(75), "NIFTY24000C").side(Side::Sell), vec![], &held);
    assert_eq!((more.position, more.underlying_units, more.short_option_lots), (225, 300, 4));
    assert_eq!(of(order(10).asks(1), vec![], &held).underlying.as_deref(), Some("SBIN"));
}

/// A person is short in the app: 45 lots of another strike, or of the same.
#[test]
fn what_was_sold_elsewhere_counts_for_the_underlying_and_for_short_options() {
    let me = || in_option(order(10).asks(75 * 50), "NIFTY24500C").side(Side::Sell);
    let beside = |name: &str, net| projected(&me(), &book_of([me()], &[]), &broker_shows(&[(option(name), net)]));
    let seen = beside("NIFTY24000C", -75 * 45);
    assert_eq!((seen.underlying_units, seen.underlying_elsewhere), (75 * 95, 75 * 45));
    assert_eq!((seen.short_option_lots, seen.short_lots_elsewhere, seen.position), (95, 45, 75 * 50));
    let same = beside("NIFTY24500C", -75 * 45);
    assert_eq!((same.underlying_units, same.short_option_lots, same.position), (75 * 95, 95, 75 * 95));
    let bought = beside("NIFTY24000C", 75 * 45);
    assert_eq!((bought.underlying_units, bought.short_option_lots, bought.short_lots_elsewhere), (75 * 95, 50, 0));
    let others = beside("SBIN-EQ", 1_000);
    assert_eq!((others.underlying_units, others.short_option_lots), (75 * 50, 50));
    let ours = [("a", option("NIFTY24000C"), -75 * 40)];
    let both = projected(&me(), &book_of([me()], &ours), &broker_shows(&[(option("NIFTY24000C"), -75 * 45)]));
    assert_eq!((both.short_option_lots, both.short_lots_elsewhere, both.underlying_elsewhere), (95, 5, 75 * 5));
}

#[test]
fn open_value_counts_what_has_no_price_at_the_most_that_it_may_be() {
    let me = || order(10).asks(10);
    assert_eq!(of(me(), vec![], &[]).open_value, rupees(8_000));
    assert_eq!(of(me(), vec![order(1).asks(10), order(12).asks(10)], &[]).open_value, rupees(16_000));
    assert_eq!(of(me(), vec![order(1).market(), order(12).market()], &[]).open_value, rupees(58_000));
    assert_eq!(of(me().market(), vec![], &[]).open_value, Amount::ZERO, "its own value is another rule's");
}

/// A point of the contract was worth 100 rupees when it was traded last, and nothing of that is left: its own row, which comes off the
/// sum, is valued as the sum is.
#[test]
fn the_first_order_of_a_contract_whose_worth_has_changed_is_counted_once() {
    let mut me = order(10).of("GOLD26DECFUT").asks(10);
    me.ask.exchange = Some(Exchange::Mcx);
    let key = me.instrument().unwrap();
    let mut book = book_of([me.clone()], &[]);
    let before = ContractKept { instrument: key.clone(), rupees_per_point: Some(100.into()), broker_says: None };
    let now = Some(Kept { value: serde_json::to_string(&before).unwrap().into(), seq: 1, at: at(0) });
    book.put_kept(KeptChange { slot: ContractKept::slot(&key), now });
    assert_eq!(book.point(&key), Some(100.into()));
    assert_eq!(projected(&me, &book, &broker_shows(&[])).open_value, rupees(8_000));
}

#[test]
fn a_changed_order_counts_as_it_is_to_be() {
    let row = order(1).asks(10).working("1");
    let book = book_of([row.clone(), order(2).asks(5).sent()], &[]);
    let changed = row.asks(30);
    let seen = projected(&changed, &book, &broker_shows(&[]));
    assert_eq!((seen.position, seen.open_value), (35, rupees(28_000)));
}

#[test]
fn entries_of_the_day_are_counted_with_those_on_their_way() {
    let yesterday = OrderRecord { sent_at: Some(at(-86_400)), ..order(1).sent() };
    let others =
        vec![yesterday, order(2).sent(), order(3).sent().ended(Status::Executed, None), order(4), order(11), order(5).test().sent()];
    assert_eq!(of(order(10), others, &[]).trades_today, 4);
}

/// One step of the world: which order, and what becomes of it.
#[derive(Debug, Clone)]
enum Step {
    Register {
        buys: bool,
        quantity: i64,
        which: usize,
    },
    Judge(usize),
    Doubt(usize),
    Fill(usize, i64),
    Record(usize),
    Cancel(usize),
    Grow(usize, i64),
    /// What that entry brought leaves, or a part of it.
    Exit(usize, i64),
    /// The broker shows such a net: of others too, or of another time.
    Shows(usize, i64),
}

fn steps() -> impl proptest::strategy::Strategy<Value = Vec<Step>> {
    let index = 0usize..16;
    let which = 0usize..SYMBOLS.len();
    let step = proptest::prop_oneof![
        4 => (any::<bool>(), 1i64..180, which.clone()).prop_map(|(buys, quantity, which)| Step::Register { buys, quantity, which }),
        6 => index.clone().prop_map(Step::Judge),
        1 => index.clone().prop_map(Step::Doubt),
        4 => (index.clone(), 1i64..180).prop_map(|(at, units)| Step::Fill(at, units)),
        3 => index.clone().prop_map(Step::Record),
        1 => index.clone().prop_map(Step::Cancel),
        1 => (index.clone(), 1i64..180).prop_map(|(at, quantity)| Step::Grow(at, quantity)),
        2 => (index, 1i64..180).prop_map(|(at, quantity)| Step::Exit(at, quantity)),
        1 => (which, -400i64..400).prop_map(|(which, net)| Step::Shows(which, net)),
    ];
    proptest::collection::vec(step, 1..100)
}

/// Two shares, and two options of one underlying.
const SYMBOLS: [&str; 4] = ["SBIN-EQ", "INFY-EQ", "NIFTY24000C", "NIFTY24500P"];
const LIMIT: i64 = 300;
const UNDERLYING: i64 = 400;
const SHORT_LOTS: i64 = 4;
const VALUE: i64 = 400_000;
const TRADES: usize = 8;

/// What is known of the account: its orders, each entry of a strategy of its own, and what the broker shows.
#[derive(Debug, Default)]
struct World {
    orders: Vec<OrderRecord>,
    shown: std::collections::BTreeMap<usize, i64>,
}

fn placed_for(order: OrderRecord, which: usize) -> OrderRecord {
    if which < 2 { order.of(SYMBOLS[which]) } else { in_option(order, SYMBOLS[which]) }
}

fn is_at_broker(order: &OrderRecord) -> bool {
    order.status.is_at_broker()
}

impl World {
    fn entries(&self) -> impl Iterator<Item = &OrderRecord> {
        self.orders.iter().filter(|order| !order.is_exit())
    }

    fn exits_of<'a>(&'a self, entry: &'a OrderRecord) -> impl Iterator<Item = &'a OrderRecord> {
        self.orders.iter().filter(|order| order.is_exit() && order.ask.strategy == entry.ask.strategy)
    }

    /// Units of the entry that are held by the record.
    fn held(&self, entry: &OrderRecord) -> i64 {
        entry.traded_quantity - self.exits_of(entry).map(|exit| exit.traded_quantity).sum::<i64>()
    }

    /// Units of the entry that are held if it fills: exits may never.
    fn held_at_the_worst(&self, entry: &OrderRecord) -> i64 {
        let most = if is_at_broker(entry) { entry.quantity_most() } else { entry.filled_quantity };
        most - self.exits_of(entry).map(|exit| exit.filled_quantity).sum::<i64>()
    }

    fn book(&self) -> Book {
        let held: Vec<(String, HoldingKey, i64)> = self
            .entries()
            .filter(|entry| self.held(entry) > 0)
            .map(|entry| (entry.ask.strategy.to_string(), entry.holding().unwrap(), entry.ask.side.unwrap().sign() * self.held(entry)))
            .collect();
        let named: Vec<(&str, HoldingKey, i64)> = held.iter().map(|(name, key, net)| (name.as_str(), key.clone(), *net)).collect();
        book_of(self.orders.iter().cloned(), &named)
    }

    fn findings(&self) -> Findings {
        let shown: Vec<(HoldingKey, i64)> =
            self.shown.iter().map(|(which, net)| (placed_for(order(1), *which).holding().unwrap(), *net)).collect();
        broker_shows(&shown)
    }

    fn passes(&self, order: &OrderRecord) -> bool {
        let seen = projected(order, &self.book(), &self.findings());
        seen.position <= LIMIT
            && seen.underlying_units <= UNDERLYING
            && seen.short_option_lots <= SHORT_LOTS
            && seen.open_value <= rupees(VALUE)
            && seen.trades_today <= TRADES
    }

    fn step(&mut self, step: Step) {
        let number = self.orders.len() as u64 + 1;
        match step {
            Step::Register { buys, quantity, which } => {
                let side = if buys { Side::Buy } else { Side::Sell };
                // Options are bought and sold in lots.
                let quantity = if which < 2 { quantity } else { 75 * (1 + quantity % 3) };
                self.orders.push(placed_for(order(number).by(&format!("s{number}")), which).side(side).asks(quantity));
            }
            Step::Judge(at) => {
                let Some(order) = self.orders.get(at).filter(|order| order.status == Status::Created).cloned() else { return };
                let goes = self.passes(&order);
                self.orders[at] = if goes { order.sent() } else { order.ended(Status::Failed, Some(Tag::RiskLimitsExceeded)) };
            }
            Step::Grow(at, quantity) => {
                let is_entry = |order: &&OrderRecord| is_at_broker(order) && !order.is_exit();
                let Some(order) = self.orders.get(at).filter(is_entry).cloned() else { return };
                let would_be = order.asks(quantity.max(self.orders[at].filled_quantity + 1));
                if self.passes(&would_be) {
                    self.orders[at] = would_be;
                }
            }
            Step::Exit(at, quantity) => {
                let Some(entry) = self.orders.get(at).filter(|order| !order.is_exit()) else { return };
                let claims =
                    |exit: &OrderRecord| if is_at_broker(exit) { exit.quantity() } else { exit.filled_quantity } - exit.traded_quantity;
                let free = self.held(entry) - self.exits_of(entry).map(claims).sum::<i64>();
                if free <= 0 {
                    return;
                }
                let mut exit = OrderRecord { number, ..order(number) }.by(entry.ask.strategy.as_str()).intent(Intent::Exit).sent();
                (exit.ask.exchange, exit.ask.symbol) = (entry.ask.exchange, Arc::clone(&entry.ask.symbol));
                self.orders.push(exit.side(entry.ask.side.unwrap().opposite()).asks(quantity.min(free)).market());
            }
            Step::Shows(which, net) => {
                self.shown.insert(which, net);
            }
            Step::Doubt(at) => {
                if let Some(order) = self.orders.get_mut(at).filter(|order| order.status == Status::SentToBroker) {
                    order.tag = Some(Tag::SendUnconfirmed);
                }
            }
            Step::Fill(at, units) => {
                if let Some(order) = self.orders.get_mut(at).filter(|order| is_at_broker(order)) {
                    order.filled_quantity = (order.filled_quantity + units).min(order.quantity());
                    order.status = if order.filled_quantity == order.quantity() { Status::Executed } else { Status::Partial };
                }
            }
            Step::Record(at) => {
                if let Some(order) = self.orders.get_mut(at) {
                    order.traded_quantity = order.filled_quantity;
                }
            }
            Step::Cancel(at) => {
                if let Some(order) = self.orders.get_mut(at).filter(|order| is_at_broker(order)) {
                    (order.status, order.tag) = (Status::Failed, Some(Tag::BrokerCancelled));
                }
            }
        }
    }

    /// Units that could be held on a side if everything that is out filled.
    fn at_the_worst(&self, symbol: &str, side: Side) -> i64 {
        let mine = self.entries().filter(|entry| *entry.ask.symbol == *symbol && entry.ask.side == Some(side));
        mine.map(|entry| self.held_at_the_worst(entry)).sum()
    }

    fn is_within_the_limits(&self) -> Result<(), TestCaseError> {
        let both = SYMBOLS.map(|symbol| (self.at_the_worst(symbol, Side::Buy), self.at_the_worst(symbol, Side::Sell)));
        for (symbol, (long, short)) in SYMBOLS.into_iter().zip(both) {
            prop_assert!(long <= LIMIT && short <= LIMIT, "{} could be long {} and short {}", symbol, long, short);
        }
        let nifty: i64 = both[2..].iter().map(|(long, short)| long.max(short)).sum();
        prop_assert!(nifty <= UNDERLYING, "{} units of NIFTY could be held", nifty);
        let lots: i64 = both[2..].iter().map(|(_, short)| lots(*short, 75)).sum();
        prop_assert!(lots <= SHORT_LOTS, "{} lots of options could be short", lots);
        let out: i64 = self.entries().filter(|order| is_at_broker(order)).map(|order| order.unfilled() * 800).sum();
        prop_assert!(out <= VALUE, "{} rupees are out", out);
        let sent = self.entries().filter(|order| order.sent_at.is_some()).count();
        prop_assert!(sent <= TRADES, "{} entries were sent", sent);
        Ok(())
    }
}

proptest! {
    /// INV-5: whatever orders do and in whatever order they are judged, no entry goes out that could carry the account past a
    /// limit, those in doubt and those whose trades are not recorded counted as filled; what leaves makes room only once it has, and
    /// what the broker shows makes none.
    #[test]
    fn prop_no_interleaving_carries_the_account_past_a_limit(steps in steps()) {
        let mut world = World::default();
        for step in steps {
            world.step(step);
            world.is_within_the_limits()?;
        }
    }

    /// What others hold takes room: an entry that passes fits beside the larger of what the broker shows and what we hold, in its
    /// instrument, in its underlying and among the short options.
    #[test]
    fn prop_what_the_broker_shows_takes_room(steps in steps(), quantity in 1i64..300, which in 0usize..4, buys in any::<bool>()) {
        let mut world = World::default();
        steps.into_iter().for_each(|step| world.step(step));
        let side = if buys { Side::Buy } else { Side::Sell };
        let quantity = if which < 2 { quantity } else { 75 * (1 + quantity % 3) };
        let me = placed_for(order(world.orders.len() as u64 + 1), which).side(side).asks(quantity);
        if world.passes(&me) {
            let shown = |which: usize| world.shown.get(&which).copied().unwrap_or(0);
            let mine = side.sign() * shown(which);
            prop_assert!(mine + quantity <= LIMIT, "{} beside {}", quantity, mine);
            let after = |of: usize| if of == which { (mine.max(0) + quantity).max(-mine) } else { shown(of).abs() };
            if which >= 2 {
                prop_assert!(after(2) + after(3) <= UNDERLYING, "{} beside {:?}", quantity, world.shown);
            }
            let short = |of: usize| (-shown(of)).max(0) + if of == which && !buys { quantity } else { 0 };
            let all: i64 = (2..4).map(|of| lots(short(of), 75)).sum();
            prop_assert!(buys || which < 2 || all <= SHORT_LOTS, "{} beside {:?}", quantity, world.shown);
        }
    }
}

#[test]
fn one_quote_values_all_market_orders_of_a_side() {
    let asked = std::cell::Cell::new(0);
    let book = book_of((1..=40).map(|number| order(number).asks(1).market()), &[]);
    let me = book.order_by_number(40).unwrap();
    let touch = |_: &InstrumentKey, _: Side| {
        asked.set(asked.get() + 1);
        Some(price("100"))
    };
    let instrument = me.instrument().unwrap();
    let findings = broker_shows(&[]);
    let scene = Scene {
        order: me,
        instrument: &instrument,
        found: None,
        book: &book,
        findings: &findings,
        instruments: &Master,
        touch: &touch,
        unknown_value: rupees(50_000),
        now: at(0),
    };
    assert_eq!((project(&scene).open_value, asked.get()), (rupees(4_000), 1));
}
