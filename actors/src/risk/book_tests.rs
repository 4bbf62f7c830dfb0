use chrono::{DateTime, Duration, NaiveDate, Utc};

use super::*;
use crate::arming::{Arming, Basis, Standing, standing};
use crate::order::calendar::{AuctionStep, Missing, SessionPhase, Why};
use crate::order::{Exchange, InstrumentKey, OrderType, Product, Side, Source, Status};
use crate::persistence::Book;
use crate::ports::{Quote, Session};
use crate::risk::{Market, Unquoted};
use crate::settings::{AccountSettings, QuantityUnit, Settings};
use crate::testkit::builders::{
    Build, SEQ, account, at, book_of, broker_shows, command, exit, order, position, price, rupees, sbin, sbin_in, settings,
};
use crate::watcher::Findings;

/// What a rule looks at, owned; nothing in it refuses the order.
struct Case {
    order: OrderRecord,
    book: Book,
    findings: Findings,
    account: AccountSettings,
    settings: Settings,
    latched: Option<&'static str>,
    standing: Standing,
    quote: Option<Quote>,
    unquoted: Unquoted<'static>,
    low_disk: Option<u64>,
    clock_behind: Option<DateTime<Utc>>,
    instrument: InstrumentKey,
    master: Option<NaiveDate>,
    is_live: bool,
    market: Market,
    now: DateTime<Utc>,
}

impl Case {
    fn of(order: OrderRecord) -> Self {
        Self::among(order, &[], &[])
    }

    fn among(order: OrderRecord, others: &[OrderRecord], holdings: &[(&str, crate::order::HoldingKey, i64)]) -> Self {
        Self {
            book: book_of(others.iter().cloned().chain([order.clone()]), holdings),
            findings: broker_shows(&holdings.iter().map(|(_, key, net)| (key.clone(), *net)).collect::<Vec<_>>()),
            order,
            account: account(),
            settings: settings(),
            latched: None,
            standing: standing(false, &Arming::default(), &Basis::default(), at(0)),
            quote: None,
            unquoted: Unquoted::Refuse,
            low_disk: None,
            clock_behind: None,
            instrument: sbin(),
            master: None,
            is_live: false,
            market: Market { phase: SessionPhase::Continuous { closes_at: at(3_600) }, is_held: true },
            now: at(0),
        }
    }

    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    fn judge(&self, phase: Phase) -> Judgement {
        judge(
            &Inputs {
                largest: None,
                order: &self.order,
                instrument: &self.instrument,
                book: &self.book,
                findings: &self.findings,
                account: &self.account,
                settings: &self.settings,
                latched: self.latched,
                standing: &self.standing,
                quote: self.quote.as_ref(),
                unquoted: self.unquoted,
                low_disk: self.low_disk,
                clock_behind: self.clock_behind,
                master: self.master,
                is_live: self.is_live,
                market: &self.market,
                now: self.now,
            },
            phase,
        )
    }

    #[track_caller]
    fn passes(&self) -> (Terms, Vec<GateVerdict>) {
        match self.judge(Phase::Open) {
            Judgement::Clear { terms, gates, .. } => (terms, gates),
            other => panic!("wanted it clear, got {other:?}"),
        }
    }

    /// Refused with this tag, in words that hold all of these.
    #[track_caller]
    fn refused(&self, tag: Tag, words: &[&str]) {
        match self.judge(Phase::Open) {
            Judgement::Refuse { tag: found, reason, gates } => {
                assert_eq!(found, tag, "{reason}");
                for word in words {
                    assert!(reason.contains(word), "{word:?} is not in {reason:?}");
                }
                assert!(gates.iter().any(|gate| !gate.passed), "the gate that refused is on the record");
            }
            other => panic!("wanted it refused, got {other:?}"),
        }
    }
}

fn seconds(count: i64) -> Duration {
    Duration::seconds(count)
}

fn market(number: u64) -> OrderRecord {
    order(number).market()
}

fn touch(bid: Option<&str>, ask: Option<&str>, last: &str) -> Quote {
    Quote { bid: bid.map(price), ask: ask.map(price), last: price(last), band: None, at: at(0) }
}

#[test]
fn an_entry_within_every_limit_goes_on_with_the_verdict_of_every_rule() {
    let (terms, gates) = Case::of(order(1)).passes();
    assert_eq!((terms.side, terms.quantity.value(), terms.product, terms.price), (Side::Buy, 10, Product::Mis, Some(price("800"))));
    let names: Vec<&str> = gates.iter().map(|gate| gate.gate.as_str()).collect();
    assert_eq!(
        names,
        [
            "risk.basket",
            "risk.kill",
            "risk.armed",
            "risk.stale_signal",
            "risk.clock",
            "risk.session",
            "risk.calendar",
            "risk.master",
            "risk.quantity_unit",
            "risk.blind",
            "risk.disk",
            "risk.max_quantity",
            "risk.max_order_value",
            "risk.max_open_orders",
            "risk.route_trades",
            "risk.daily_loss",
            "risk.in_doubt"
        ]
    );
    assert!(gates.iter().all(|gate| gate.passed && !gate.input.is_empty() && !gate.limit.is_empty()));
}

#[test]
fn max_quantity_takes_its_limit_and_refuses_one_more() {
    let case = |quantity| Case::of(order(1).asks(quantity)).with(|case| case.account.limits.max_order_value = rupees(1_000_000));
    case(99).passes();
    case(100).passes();
    case(101).refused(Tag::RiskLimitsExceeded, &["risk.max_quantity: 101 (limit: 100)"]);
}

#[test]
fn max_order_value_takes_its_limit_and_refuses_a_paisa_more() {
    let case = |text: &str| {
        let mut order = order(1);
        order.ask.price = Some(price(text));
        Case::of(order)
    };
    case("4999.95").passes();
    case("5000").passes();
    case("5000.05").refused(Tag::RiskLimitsExceeded, &["risk.max_order_value: 10 x 5000.05 = 50000.50 rupees (limit: 50000 rupees)"]);
}

#[test]
fn a_market_order_is_valued_at_the_touch_that_it_pays() {
    let case = |side, quote: Option<Quote>| Case::of(market(1).side(side)).with(|case| case.quote = quote);
    let wide = Some(touch(Some("4000"), Some("6000"), "4000"));
    case(Side::Sell, wide).passes();
    case(Side::Buy, wide).refused(Tag::RiskLimitsExceeded, &["10 x 6000 = 60000 rupees"]);
    case(Side::Buy, Some(touch(Some("4000"), None, "6000"))).refused(Tag::RiskLimitsExceeded, &["10 x 6000"]);
    case(Side::Buy, None).refused(Tag::RiskLimitsExceeded, &["no fresh quote for a market order"]);
    let mut stop = market(1);
    (stop.ask.order_type, stop.ask.trigger_price) = (Some(OrderType::StopMarket), Some(price("6000")));
    Case::of(stop).refused(Tag::RiskLimitsExceeded, &["10 x 6000"]);
}

/// A sale far below the market trades at the market, and a trigger that has passed fires at once.
#[test]
fn a_price_beyond_the_market_does_not_hide_what_the_order_is_worth() {
    let case = |side, kind: OrderType, quote: Option<Quote>| {
        let mut order = order(1).side(side);
        order.ask.order_type = Some(kind);
        order.ask.price = kind.has_price().then(|| price("1"));
        order.ask.trigger_price = kind.has_trigger().then(|| price("1"));
        Case::of(order).with(|case| case.quote = quote)
    };
    let quote = Some(touch(Some("6000"), Some("6001"), "6000"));
    case(Side::Sell, OrderType::Limit, quote).refused(Tag::RiskLimitsExceeded, &["10 x 6000 = 60000 rupees"]);
    case(Side::Buy, OrderType::StopMarket, quote).refused(Tag::RiskLimitsExceeded, &["10 x 6001"]);
    case(Side::Sell, OrderType::StopMarket, quote).refused(Tag::RiskLimitsExceeded, &["10 x 6000"]);
    case(Side::Buy, OrderType::Limit, quote).passes();
    case(Side::Sell, OrderType::Limit, None).passes();
}

#[test]
fn max_open_orders_counts_the_order_itself_and_those_before_it() {
    let others = |count: u64| (1..=count).map(|number| order(number).by("other").of("INFY-EQ")).collect::<Vec<_>>();
    Case::among(order(10), &others(1), &[]).passes();
    Case::among(order(10), &others(2), &[]).passes();
    Case::among(order(10), &others(3), &[]).refused(Tag::RiskLimitsExceeded, &["risk.max_open_orders: 4 (limit: 3)"]);
    Case::among(order(10), &others(9), &[]).refused(Tag::RiskLimitsExceeded, &["risk.max_open_orders"]);
    let later: Vec<_> = (11..=13).map(order).collect();
    Case::among(order(10), &later, &[]).passes();
    let later_but_sent: Vec<_> = (11..=13).map(|number| order(number).sent()).collect();
    Case::among(order(10), &later_but_sent, &[]).refused(Tag::RiskLimitsExceeded, &["risk.max_open_orders: 4"]);
    let mocks: Vec<_> = others(9).into_iter().map(Build::test).collect();
    Case::among(order(10), &mocks, &[]).passes();
    let ended: Vec<_> = others(9).into_iter().map(|order| order.ended(Status::Executed, None)).collect();
    Case::among(order(10), &ended, &[]).passes();
}

#[test]
fn of_many_concurrent_orders_exactly_the_limit_passes() {
    let all: Vec<_> = (1..=8).map(|number| order(number).by(&format!("s{number}"))).collect();
    let passed: Vec<u64> = all
        .iter()
        .filter(|order| matches!(Case::among((*order).clone(), &all, &[]).judge(Phase::Open), Judgement::Clear { .. }))
        .map(|order| order.number)
        .collect();
    assert_eq!(passed, [1, 2, 3]);
}

#[test]
fn the_daily_loss_stops_entries_at_its_limit() {
    let case = |realised: i64, unrealised: i64, product| {
        Case::of(order(1)).with(|case| {
            let row =
                crate::ports::PositionRow { realised: rupees(realised), unrealised: rupees(unrealised), ..position(sbin_in(product), 0) };
            case.findings.positions.as_mut().unwrap().rows.push(row);
        })
    };
    case(-500, -499, Product::Mis).passes();
    case(-500, -500, Product::Mis)
        .refused(Tag::RiskLimitsExceeded, &["risk.daily_loss: the day stands at -1000 rupees (limit: above -1000 rupees)"]);
    case(-2_000, 999, Product::Nrml).refused(Tag::RiskLimitsExceeded, &["-1001"]);
    case(-2_000, 1_001, Product::Nrml).passes();
    case(0, -9_000, Product::Cnc).passes();
}

#[test]
fn positions_older_than_the_limit_stop_entries() {
    let case = |milliseconds| {
        Case::of(order(1)).with(|case| case.findings.positions.as_mut().unwrap().at = at(0) - Duration::milliseconds(milliseconds))
    };
    case(9_999).passes();
    case(10_000).passes();
    case(10_001).refused(Tag::RiskLimitsExceeded, &["risk.blind: the broker's positions are 10001 ms old (limit: at most 10000 ms old)"]);
    Case::of(order(1)).with(|case| case.findings.positions = None).refused(Tag::RiskLimitsExceeded, &["were never read", "10000 ms"]);
}

#[test]
fn an_entry_lives_by_its_time_to_live() {
    let case = |age: Duration| Case::of(order(1)).with(|case| case.order.signal_time = case.now - age);
    case(seconds(29)).passes();
    case(seconds(30)).passes();
    case(Duration::milliseconds(30_001)).refused(Tag::StaleSignal, &["risk.stale_signal: 30.001 s old (limit: at most 30.000 s)"]);
    case(seconds(-5)).passes();
    case(Duration::milliseconds(-5_001)).refused(Tag::StaleSignal, &["made 5.001 s in the future", "at most 5.000 s ahead"]);
}

#[test]
fn no_entry_without_a_session_a_true_clock_room_on_the_disk_or_with_a_latch() {
    Case::of(order(1))
        .with(|case| case.findings.session = Some(Session::NotReady("token expired".into())))
        .refused(Tag::BrokerNotLoggedIn, &["risk.session: token expired (limit: proven by a read)"]);
    Case::of(order(1)).with(|case| case.findings.session = None).refused(Tag::BrokerNotLoggedIn, &["not proven yet"]);
    Case::of(order(1))
        .with(|case| case.clock_behind = Some(at(7)))
        .refused(Tag::RiskLimitsExceeded, &["risk.clock", "not behind the newest journal row of"]);
    Case::of(order(1))
        .with(|case| case.low_disk = Some(999))
        .refused(Tag::RiskLimitsExceeded, &["risk.disk: 999 bytes free (limit: at least 1000 bytes free)"]);
    Case::of(order(1)).with(|case| case.latched = Some("level 1")).refused(Tag::KillSwitch, &["risk.kill: level 1 (limit: armed)"]);
}

/// Two in the morning in India is still the day before in UTC: the day is India's.
#[test]
fn a_master_that_is_not_of_today_stops_entries() {
    let case = |as_of: &str, now: &str| {
        Case::of(order(1)).with(|case| {
            case.now = now.parse().unwrap();
            case.order.signal_time = case.now;
            case.findings.positions.as_mut().unwrap().at = case.now;
            case.master = Some(as_of.parse().unwrap());
        })
    };
    case("2026-11-20", "2026-11-20T04:00:00Z").passes();
    case("2026-11-20", "2026-11-20T18:29:59Z").passes();
    case("2026-11-21", "2026-11-20T04:00:00Z").passes();
    case("2026-11-20", "2026-11-20T18:30:00Z")
        .refused(Tag::RiskLimitsExceeded, &["risk.master: the instruments of NSE are of 2026-11-20 (limit: of 2026-11-21)"]);
    case("2026-11-19", "2026-11-20T04:00:00Z").refused(Tag::RiskLimitsExceeded, &["are of 2026-11-19 (limit: of 2026-11-20)"]);
    // Rows without a day are a sample: for practice, not for real money.
    let undated = |is_live| case("2026-11-20", "2026-11-20T04:00:00Z").with(|case| (case.master, case.is_live) = (None, is_live));
    undated(false).passes();
    undated(true).refused(Tag::RiskLimitsExceeded, &["risk.master: undated (limit: of 2026-11-20)"]);
}

#[test]
fn real_money_needs_a_settled_quantity_unit_on_mcx_and_cds() {
    let case = |exchange| {
        Case::of(order(1)).with(|case| {
            case.instrument = InstrumentKey::new(exchange, "CRUDEOILM19AUG26");
            case.is_live = true;
            case.master = Some(crate::order::trading_date(case.now));
        })
    };
    for exchange in [Exchange::Nse, Exchange::Bse, Exchange::Nfo, Exchange::Bfo] {
        case(exchange).passes();
    }
    case(Exchange::Mcx).with(|case| case.is_live = false).passes();
    case(Exchange::Mcx)
        .refused(Tag::RiskLimitsExceeded, &["risk.quantity_unit", "MCX is not settled", "`ordergate conformance`", "quantity_unit.mcx"]);
    case(Exchange::Cds).refused(Tag::RiskLimitsExceeded, &["CDS is not settled", "quantity_unit.cds"]);
    let settled = |unit| {
        move |case: &mut Case| {
            case.account.quantity_units.mcx = Some(unit);
        }
    };
    case(Exchange::Mcx).with(settled(QuantityUnit::Lots)).passes();
    case(Exchange::Mcx).with(settled(QuantityUnit::Units)).passes();
    case(Exchange::Cds).with(settled(QuantityUnit::Units)).refused(Tag::RiskLimitsExceeded, &["CDS is not settled"]);
}

#[test]
fn an_entry_waits_for_nothing_but_is_refused_while_the_symbol_is_in_doubt() {
    let words = ["risk.in_doubt", "is being looked for at the broker", "no order of NSE:SBIN-EQ in doubt"];
    Case::among(order(2), &[order(1).by("other").doubted()], &[]).refused(Tag::RiskLimitsExceeded, &words);
    Case::among(order(2), &[order(1).by("other").of("INFY-EQ").doubted()], &[]).passes();
}

#[test]
fn the_entries_of_a_basket_fall_together() {
    let mut refused = order(1).basket(50, 0).ended(Status::Failed, Some(Tag::KillSwitch));
    refused.reason = Some("level 1".into());
    let second = order(2).of("INFY-EQ").basket(50, 1);
    Case::among(second.clone(), std::slice::from_ref(&refused), &[])
        .refused(Tag::KillSwitch, &["leg 1 of this basket was refused: level 1"]);
    let mut rejected = refused.clone();
    rejected.sent_at = Some(at(1));
    Case::among(second.clone(), &[rejected], &[]).passes();
    Case::among(second, &[order(1).ended(Status::Failed, Some(Tag::KillSwitch))], &[]).passes();
}

#[test]
fn every_refusal_is_named_and_the_first_gives_the_tag() {
    Case::of(order(1).asks(500))
        .with(|case| case.latched = Some("level 2"))
        .refused(Tag::KillSwitch, &["risk.kill: level 2", "; risk.max_quantity: 500 (limit: 100)", "; risk.max_order_value: 500 x 800"]);
}

#[test]
fn an_exit_is_never_refused_for_a_limit() {
    let mut large = exit(9).asks(1_000);
    large.signal_time = at(-50);
    let others: Vec<_> = (1..=8).map(|number| order(number).by("other").doubted()).collect();
    let case = Case::among(large, &others, &[("trend", sbin_in(Product::Mis), 1_000)]).with(|case| {
        let positions = case.findings.positions.as_mut().unwrap();
        positions.at = at(-3_600);
        positions.rows[0].unrealised = rupees(-1_000_000);
        (case.low_disk, case.clock_behind) = (Some(0), Some(at(900)));
        (case.master, case.is_live) = (NaiveDate::from_ymd_opt(2020, 1, 1), true);
        case.instrument = sbin();
    });
    let (terms, gates) = case.passes();
    assert_eq!((terms.side, terms.quantity.value(), terms.product), (Side::Sell, 1_000, Product::Mis));
    let names: Vec<&str> = gates.iter().map(|gate| gate.gate.as_str()).collect();
    assert_eq!(names, ["risk.kill", "risk.stale_signal", "risk.exit_size"]);
}

#[test]
fn an_exit_waits_for_a_session_instead_of_being_refused() {
    let held = [("trend", sbin_in(Product::Mis), 10)];
    let case = Case::among(exit(1), &[], &held).with(|case| case.findings.session = Some(Session::NotReady("logged out".into())));
    let Judgement::Wait { reason } = case.judge(Phase::Open) else { panic!("an exit must wait") };
    assert_eq!(reason, "no broker session: logged out");
}

#[test]
fn an_exit_is_refused_when_frozen_or_older_than_its_position() {
    let held = [("trend", sbin_in(Product::Mis), 10)];
    Case::among(exit(1), &[], &held).with(|case| case.latched = Some("exits are frozen")).refused(Tag::KillSwitch, &["exits are frozen"]);
    let made = |second| Case::among(exit(1), &[], &held).with(|case| case.order.signal_time = at(second));
    made(-60).passes();
    made(-61).refused(Tag::StaleSignal, &["made at", "not before the position was opened at"]);
    made(6).refused(Tag::StaleSignal, &["made 6.000 s in the future"]);
    made(5).passes();
}

#[test]
fn while_the_books_are_read_everything_waits_but_a_stale_entry_ends_at_once() {
    assert!(matches!(Case::of(order(1)).judge(Phase::Recovering), Judgement::Wait { .. }));
    let stale = Case::of(order(1)).with(|case| case.now = at(31));
    match stale.judge(Phase::Recovering) {
        Judgement::Refuse { tag, reason, gates } => {
            assert_eq!((tag, gates.len()), (Tag::StaleSignal, 1));
            assert!(reason.contains("31.000 s old"), "{reason}");
        }
        other => panic!("{other:?}"),
    }
    let held = [("trend", sbin_in(Product::Mis), 10)];
    let old_exit = Case::among(exit(1), &[], &held).with(|case| case.order.signal_time = at(-600));
    assert!(matches!(old_exit.judge(Phase::Recovering), Judgement::Wait { .. }), "an exit waits, whatever its age");
    let latched = Case::of(order(1)).with(|case| case.latched = Some("level 1"));
    assert!(matches!(latched.judge(Phase::Recovering), Judgement::Wait { .. }));
}

#[test]
fn exits_go_before_entries_do() {
    let held = [("trend", sbin_in(Product::Mis), 10)];
    assert!(matches!(Case::among(exit(1), &[], &held).judge(Phase::ExitsOnly), Judgement::Clear { .. }));
    assert!(matches!(Case::of(order(1)).judge(Phase::ExitsOnly), Judgement::Wait { .. }));
}

#[test]
fn an_exit_waits_for_positions_that_were_never_read_or_lack_our_last_fill() {
    let held = [("trend", sbin_in(Product::Mis), 10)];
    let never = Case::among(exit(1), &[], &held).with(|case| case.findings.positions = None);
    assert!(matches!(never.judge(Phase::Open), Judgement::Wait { .. }));
    let old = Case::among(exit(1), &[], &held).with(|case| case.findings.positions.as_mut().unwrap().began_seq = SEQ - 1);
    assert!(matches!(old.judge(Phase::Open), Judgement::Wait { .. }));
    old.with(|case| case.order.source = Source::System).passes();
}

#[test]
fn a_mock_exit_needs_no_position() {
    let (terms, _) = Case::of(exit(1).test()).passes();
    assert_eq!((terms.side, terms.quantity.value(), terms.product), (Side::Sell, 1, Product::Mis));
}

#[test]
fn an_order_that_is_not_whole_is_refused_and_not_guessed() {
    let lacks: [fn(&mut OrderRecord); 3] =
        [|order| order.ask.side = None, |order| order.ask.product = None, |order| order.ask.order_type = None];
    for change in lacks {
        let mut order = order(1);
        change(&mut order);
        Case::of(order).refused(Tag::ValidationFailed, &["must be given"]);
    }
    let mut untyped = exit(1);
    untyped.ask.order_type = None;
    let judged = Case::among(untyped, &[], &[("trend", sbin_in(Product::Mis), 10)]).judge(Phase::Open);
    assert!(matches!(judged, Judgement::Refuse { tag: Tag::ValidationFailed, .. }), "{judged:?}");
}

#[test]
fn the_doubt_of_the_order_itself_is_not_in_its_way() {
    let me = order(1).doubted();
    assert_eq!(me.command_id, command(1));
    Case::of(me).passes();
}

fn closed() -> SessionPhase {
    SessionPhase::Closed { why: Why::Holiday("Holi".into()), next_open: Some("2026-03-04T03:45:00Z".parse().unwrap()) }
}

#[test]
fn an_entry_outside_the_session_of_its_instrument_is_refused() {
    let reference = SessionPhase::ClosingAuction { step: AuctionStep::Reference, until: at(60) };
    let auction = SessionPhase::ClosingAuction { step: AuctionStep::LimitAndMarket, until: at(60) };
    let in_phase = |phase: SessionPhase| Case::of(order(1)).with(|case| case.market = Market { phase, is_held: true });
    let words = ["risk.calendar: closed (Holi), opens Wed 4 Mar 2026 09:15 IST (limit: in continuous trading)"];
    in_phase(closed()).refused(Tag::MarketClosed, &words);
    in_phase(SessionPhase::Unknown(Missing::Day)).refused(Tag::MarketClosed, &["no calendar covers this day"]);
    in_phase(SessionPhase::PreOpen { step: AuctionStep::LimitAndMarket, until: at(60) }).refused(Tag::MarketClosed, &["pre-open"]);
    in_phase(reference).refused(Tag::MarketClosed, &["closing auction (reference price, no orders)"]);
    in_phase(auction).refused(Tag::MarketClosed, &["closing auction (limit and market orders)"]);
    in_phase(SessionPhase::PostClose { until: at(60) }).refused(Tag::MarketClosed, &["post-close"]);
    in_phase(SessionPhase::Continuous { closes_at: at(1) }).passes();
}

#[test]
fn an_account_that_is_not_held_to_the_calendar_trades_at_any_time_and_its_record_says_so() {
    for phase in [closed(), SessionPhase::Unknown(Missing::Day)] {
        let (_, gates) = Case::of(order(1)).with(|case| case.market = Market { phase, is_held: false }).passes();
        let gate = gates.iter().find(|gate| gate.gate == "risk.calendar").unwrap();
        assert_eq!(gate.limit, "not held to the calendar (calendar.enforce)");
    }
}

#[test]
fn an_exit_out_of_session_waits_and_is_not_refused() {
    let holdings = [("trend", sbin_in(Product::Mis), 10)];
    let in_phase = |phase: SessionPhase, is_held| {
        let case = Case::among(exit(2), &[], &holdings).with(|case| case.market = Market { phase, is_held });
        case.judge(Phase::Open)
    };
    let waits = |phase| matches!(in_phase(phase, true), Judgement::Wait { reason } if reason.starts_with("the market takes no orders: "));
    assert!(waits(closed()));
    assert!(waits(SessionPhase::PreOpen { step: AuctionStep::LimitAndMarket, until: at(60) }));
    assert!(waits(SessionPhase::ClosingAuction { step: AuctionStep::Reference, until: at(60) }));
    for phase in [
        SessionPhase::Continuous { closes_at: at(60) },
        SessionPhase::ClosingAuction { step: AuctionStep::LimitOnly, until: at(60) },
        SessionPhase::PostClose { until: at(60) },
        // A position must be closed: what the calendar does not know is left to the broker's answer.
        SessionPhase::Unknown(Missing::Day),
    ] {
        assert!(matches!(in_phase(phase.clone(), true), Judgement::Clear { .. }), "{phase}");
    }
    assert!(matches!(in_phase(closed(), false), Judgement::Clear { .. }));
}

fn under(mode: crate::arming::ArmMode) -> Standing {
    let arming = Arming { mode, until: Some(at(0) + seconds(60)), at: Some(at(0)), ..Arming::default() };
    standing(true, &arming, &Basis::default(), at(0))
}

#[test]
fn a_disarmed_account_refuses_entries_and_lets_exits_and_tests_go() {
    use crate::arming::ArmMode;
    let disarmed = |case: &mut Case| case.standing = under(ArmMode::Disarmed);
    Case::of(order(1)).with(disarmed).refused(Tag::NotArmed, &["risk.armed", "LIVE-DISARMED"]);
    let mut adjust = order(1);
    adjust.ask.intent = Some(Intent::Adjust);
    Case::of(adjust).with(disarmed).refused(Tag::NotArmed, &["risk.armed"]);
    let mut test = order(1);
    test.ask.test_mode = Some(crate::order::TestMode::Success);
    Case::of(test).with(disarmed).passes();
    Case::of(order(1)).with(|case| case.standing = under(ArmMode::Live)).passes();
    let held = Case::among(exit(2), &[], &[("trend", sbin_in(Product::Mis), 10)]).with(disarmed);
    assert!(!matches!(held.judge(Phase::Open), Judgement::Refuse { tag: Tag::NotArmed, .. }), "an exit is never refused for it");
}

#[test]
fn in_approve_only_what_passes_everything_else_is_put_before_a_person() {
    use crate::arming::ArmMode;
    let approve = |case: &mut Case| case.standing = under(ArmMode::Approve);
    assert!(matches!(Case::of(order(1)).with(approve).judge(Phase::Open), Judgement::Ask { .. }));
    Case::of(order(1)).with(approve).with(|case| case.latched = Some("kill level 1")).refused(Tag::KillSwitch, &["kill level 1"]);
}

fn stop_market(number: u64) -> OrderRecord {
    let mut stop = market(number);
    (stop.ask.order_type, stop.ask.trigger_price) = (Some(OrderType::StopMarket), Some(price("800")));
    stop
}

/// Where a quote can be asked for, a market entry that lacks nothing else waits for it.
#[test]
fn an_entry_that_lacks_only_a_quote_waits_for_one_where_one_can_be_asked_for() {
    let asks = |case: &mut Case| case.unquoted = Unquoted::Ask;
    for order in [market(1), stop_market(1)] {
        assert_eq!(Case::of(order.clone()).with(asks).judge(Phase::Open), Judgement::Quote);
        let quote = Some(touch(Some("800"), Some("801"), "800"));
        Case::of(order.clone()).with(asks).with(|case| case.quote = quote).passes();
        let gone = |case: &mut Case| case.unquoted = Unquoted::Missing("no answer within 800 ms");
        Case::of(order.clone())
            .with(gone)
            .refused(Tag::RiskLimitsExceeded, &["no fresh quote for a market order: no answer within 800 ms"]);
        Case::of(order.clone()).with(asks).with(|case| case.latched = Some("kill level 1")).refused(Tag::KillSwitch, &["kill level 1"]);
        Case::of(order).with(asks).with(|case| case.now = at(40)).refused(Tag::StaleSignal, &["old"]);
    }
    Case::of(stop_market(1)).passes();
    Case::of(order(1)).with(asks).passes();
    let held = Case::among(exit(2), &[], &[("trend", sbin_in(Product::Mis), 10)]).with(asks);
    assert!(matches!(held.judge(Phase::Open), Judgement::Clear { .. }), "an exit is not valued");
}

/// What a person sees was judged with a quote; while the person thinks none is asked for.
#[test]
fn a_basket_that_waits_for_a_yes_asks_for_no_quotes_meanwhile() {
    use crate::arming::ArmMode;
    let case = Case::of(market(1)).with(|case| (case.standing, case.unquoted) = (under(ArmMode::Approve), Unquoted::Ask));
    assert_eq!(case.judge(Phase::Open), Judgement::Quote, "before it is shown");
}

fn routed(mut order: OrderRecord, change: impl FnOnce(&mut crate::order::Routed)) -> OrderRecord {
    let mut terms = crate::order::Routed { route: "tv".into(), version: 1, adds: 0, trades_per_day: None, approval: false };
    change(&mut terms);
    order.ask.route = Some(std::sync::Arc::new(terms));
    order
}

#[test]
fn a_route_bounds_its_trades_of_one_day() {
    let two = |number| routed(order(number).by(&format!("s{number}")), |terms| terms.trades_per_day = Some(2));
    let mut yesterday = two(1).ended(Status::Executed, None);
    yesterday.created_at = at(0) - Duration::days(1);
    let refused = two(2).ended(Status::Failed, Some(Tag::KillSwitch));
    let mut cancelled = two(3).sent().ended(Status::Failed, Some(Tag::BrokerCancelled));
    cancelled.sent_at = Some(at(0));
    Case::among(two(5), &[yesterday.clone(), refused.clone(), cancelled.clone()], &[]).passes();
    let words = ["route tv has traded 2 times today", "2 trades of route tv"];
    Case::among(two(5), &[yesterday, refused, cancelled, two(4).working("B4")], &[]).refused(Tag::RiskLimitsExceeded, &words);
    Case::among(two(5), &[two(6).working("B6"), two(7).working("B7")], &[]).passes();
    Case::among(order(5), &[two(3).working("B3"), two(4).working("B4")], &[]).passes();
}

#[test]
fn a_route_may_want_a_persons_yes_where_the_account_wants_none() {
    let asks = routed(order(1), |terms| terms.approval = true);
    assert!(matches!(Case::of(asks.clone()).judge(Phase::Open), Judgement::Ask { .. }), "on paper");
    let live = |case: &mut Case| case.standing = under(crate::arming::ArmMode::Live);
    assert!(matches!(Case::of(asks.clone()).with(live).judge(Phase::Open), Judgement::Ask { .. }));
    let disarmed = |case: &mut Case| case.standing = under(crate::arming::ArmMode::Disarmed);
    Case::of(asks).with(disarmed).refused(Tag::NotArmed, &["LIVE-DISARMED"]);
    let mut leaves = routed(exit(2), |terms| terms.approval = true);
    leaves.number = 2;
    let held = Case::among(leaves, &[], &[("trend", sbin_in(Product::Mis), 10)]);
    assert!(matches!(held.judge(Phase::Open), Judgement::Clear { .. }), "an exit asks nobody");
}
