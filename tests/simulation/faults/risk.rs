//! The day's limits: a breach squares off whatever fails meanwhile, holds over a restart, and lifts itself with the day.

use std::time::Duration;

use ordergate::brokers::faulty::{CallKind, Fault, FaultPlan};
use ordergate_actors::order::{Amount, Status, Tag};
use ordergate_actors::persistence::{Keep, KillLevel, Level, Slot, Topic};
use ordergate_actors::ports::{BookRow, Clock, Funds};
use ordergate_actors::risk::{Halt, Known, Lifted, LimitName, Override, RiskDay, day_slot};
use ordergate_actors::testkit::book_row;

use crate::desk::{But, Desk, Setup, buy, entry, exit, nse, price, rupees, sbin, scenario};
use crate::world::client;

fn setup() -> Setup {
    let mut setup = Setup::polled();
    setup.account.limits.daily_loss = rupees(400);
    setup.account.limits.loss_step = Amount::ZERO;
    setup
}

/// The price of SBIN-EQ from now on.
fn falls(desk: &Desk, bid: &str, ask: &str) {
    desk.market.set(&sbin(), price(bid), price(ask), price(bid));
}

fn day(desk: &Desk) -> RiskDay {
    desk.engine.read(&client(), |book| book.kept(&day_slot()).unwrap().read().unwrap()).unwrap()
}

fn halt(desk: &Desk) -> Option<KillLevel> {
    desk.engine.read(&client(), |book| book.control().day.as_ref().map(|day| day.level)).flatten()
}

#[test]
fn a_breach_cancels_what_works_squares_off_what_is_held_and_refuses_with_the_numbers() {
    scenario(setup(), async |desk| {
        desk.ended(buy("a", 10)).await;
        desk.ended(entry("d", "INFY-EQ", "BUY", 5).product("CNC")).await;
        let working = desk.order(entry("w", "RELIANCE-EQ", "BUY", 1).at("1290")).await;
        desk.until_at_broker(working).await;
        falls(desk, "750", "750.05");
        desk.until_alarm("ALARM_RISK_BREACH").await;
        desk.until("flat", |desk| desk.held("a", &sbin()) == 0).await;
        assert_eq!(desk.until_ended(working).await.tag, Some(Tag::KillSwitch));
        assert_eq!((desk.net_at_broker(&sbin()), desk.net_at_broker(&nse("INFY-EQ"))), (0, 5), "delivery is left alone");
        let refused = desk.order(entry("c", "RELIANCE-EQ", "BUY", 1)).await;
        assert!(desk.reason(refused).contains("risk.daily_loss: the day stands at -"), "{}", desk.reason(refused));
        assert_eq!(desk.row(refused).tag, Some(Tag::RiskLimitsExceeded));
        desk.until("it is said that all is flat", |desk| !desk.texts("SQUARE_OFF_FLAT").is_empty()).await;
        assert!(desk.texts("SQUARE_OFF_FLAT")[0].starts_with("flat: "), "{:?}", desk.texts("SQUARE_OFF_FLAT"));
        let placed = desk.placed();
        desk.pass_secs(30).await;
        assert_eq!(desk.placed(), placed, "closed once");
        assert_eq!(desk.texts("ALARM_RISK_BREACH").len(), 1, "said once");
        desk.at_rest().await;
    });
}

/// The broker's rows stand still while our own fills and the market go on: the worse book decides, and both are named.
#[test]
fn a_breach_that_only_our_fills_show_while_the_brokers_rows_lag_ends_the_day() {
    scenario(setup(), async |desk| {
        desk.ended(buy("a", 10)).await;
        desk.pass_secs(3).await;
        desk.always(CallKind::Positions, Fault::Stale);
        falls(desk, "750", "750.05");
        desk.until_alarm("ALARM_RISK_BREACH").await;
        let said = desk.texts("ALARM_RISK_BREACH").join("");
        assert!(said.contains("rupees by our own fills, the broker's positions say -0.50"), "{said}");
        desk.until("flat", |desk| desk.held("a", &sbin()) == 0).await;
        let refused = desk.order(entry("c", "RELIANCE-EQ", "BUY", 1)).await;
        let reason = desk.reason(refused);
        assert!(reason.contains("rupees by our own fills, the broker's positions say -0.50; it was over at"), "{reason}");
        desk.heal();
        desk.pass_secs(30).await;
        assert_eq!((desk.net_at_broker(&sbin()), desk.placed()), (0, 2), "closed once");
        assert_eq!(halt(desk), Some(KillLevel::SquareOff));
        desk.at_rest().await;
    });
}

/// What our fills are worth is not known without prices. That is said, and the broker's rows decide.
#[test]
fn a_breach_that_only_the_brokers_rows_show_ends_the_day_too() {
    scenario(setup(), async |desk| {
        desk.ended(buy("a", 10)).await;
        desk.pass_secs(3).await;
        desk.dark();
        falls(desk, "750", "750.05");
        desk.until_alarm("ALARM_RISK_BREACH").await;
        let said = desk.texts("ALARM_RISK_BREACH").join("");
        assert!(said.contains("rupees by the broker's positions, our own fills do not tell: no price of NSE:SBIN-EQ"), "{said}");
        desk.until("flat", |desk| desk.held("a", &sbin()) == 0).await;
        desk.at_rest().await;
    });
}

#[test]
fn a_breach_while_the_broker_is_down_pages_and_closes_when_it_is_back() {
    scenario(setup(), async |desk| {
        desk.ended(buy("a", 10)).await;
        desk.pass_secs(3).await;
        desk.always(CallKind::Place, Fault::NotSent("connection refused".into()));
        falls(desk, "750", "750.05");
        desk.until_alarm("ALARM_RISK_BREACH").await;
        let place_is_down = FaultPlan::none().always(CallKind::Place, Fault::NotSent("connection refused".into()));
        desk.plan(place_is_down.always(CallKind::Positions, Fault::Unknown("502".into())));
        for _ in 0..4 {
            if desk.has_alarm("ALARM_SQUARE_OFF_STUCK") {
                break;
            }
            desk.pass_secs(100).await;
        }
        assert!(desk.has_alarm("ALARM_SQUARE_OFF_STUCK"), "{:?}", desk.alarms());
        assert_eq!(desk.texts("SQUARE_OFF_FLAT"), Vec::<String>::new(), "what is not known is not said");
        desk.heal();
        desk.until("flat", |desk| desk.held("a", &sbin()) == 0).await;
        assert_eq!(desk.net_at_broker(&sbin()), 0);
        desk.at_rest().await;
    });
}

#[test]
fn a_breach_with_half_of_its_exits_rejected_ends_flat() {
    scenario(setup(), async |desk| {
        for (strategy, symbol) in [("a", "SBIN-EQ"), ("b", "INFY-EQ"), ("c", "RELIANCE-EQ"), ("d", "M&M-EQ")] {
            desk.ended(entry(strategy, symbol, "BUY", 10)).await;
        }
        desk.pass_secs(3).await;
        for _ in 0..2 {
            desk.next(CallKind::Place, Fault::Refuse("margin".into()));
        }
        falls(desk, "750", "750.05");
        desk.until("all is flat", |desk| desk.engine.read(&client(), |book| book.holdings().next().is_none()).unwrap()).await;
        let rejected = desk.rows().iter().filter(|row| row.tag == Some(Tag::BrokerRejected)).count();
        assert_eq!(rejected, 2);
        for symbol in ["SBIN-EQ", "INFY-EQ", "RELIANCE-EQ", "M&M-EQ"] {
            assert_eq!(desk.net_at_broker(&nse(symbol)), 0, "{symbol}");
        }
        desk.at_rest().await;
    });
}

#[test]
fn a_breach_holds_over_a_restart_and_lifts_itself_with_the_day() {
    let mut setup = setup();
    // Fourteen hours pass: the books are read once a minute.
    setup.account.waits =
        ordergate_actors::Waits { blind_after: Duration::from_secs(600), ..ordergate_actors::Waits::standard(Duration::from_secs(60)) };
    scenario(setup, async |desk| {
        desk.ended(buy("a", 10)).await;
        falls(desk, "750", "750.05");
        desk.until_alarm("ALARM_RISK_BREACH").await;
        desk.until("flat", |desk| desk.held("a", &sbin()) == 0).await;
        desk.start_again();
        desk.until_open().await;
        assert_eq!(halt(desk), Some(KillLevel::SquareOff), "over a restart");
        let refused = desk.order(entry("c", "RELIANCE-EQ", "BUY", 1)).await;
        assert_eq!(desk.row(refused).tag, Some(Tag::RiskLimitsExceeded));
        let today = day(desk);
        assert!(today.is_hit() && today.traded);

        // From ten in the morning, India time, to one minute after midnight.
        desk.pass_secs(14 * 3_600 + 60).await;
        assert_eq!(halt(desk), None, "the halt has lifted itself");
        let tomorrow = day(desk);
        assert_eq!((tomorrow.is_hit(), tomorrow.loss_days), (false, 1));
        desk.start_again();
        desk.until_open().await;
        assert_eq!(day(desk).loss_days, 1, "the day before counts over a restart");
        assert_eq!(desk.ended(entry("c", "RELIANCE-EQ", "BUY", 1)).await.status, Status::Executed);
        desk.at_rest().await;
    });
}

#[test]
fn a_persons_kill_stays_when_the_day_lifts_and_a_named_override_lifts_the_day_for_its_time() {
    scenario(setup(), async |desk| {
        desk.ended(buy("a", 10)).await;
        falls(desk, "750", "750.05");
        desk.until_alarm("ALARM_RISK_BREACH").await;
        desk.until("flat", |desk| desk.held("a", &sbin()) == 0).await;
        let now = desk.clock.now();
        let set = Override {
            limit: LimitName::DailyLoss,
            value: 5_000.into(),
            who: "asha".into(),
            reason: "one more".into(),
            from: now,
            until: now + chrono::Duration::seconds(60),
        };
        let keep = Keep {
            client_id: Some(client()),
            slot: Slot::new(Topic::Override, "daily_loss"),
            value: None,
            basis: None,
            event: "OVERRIDE_SET",
            level: Level::Warn,
            reason: "one more".into(),
            who: "asha".into(),
            command_id: None,
        };
        assert!(desk.engine.keep(keep.with(&set).unwrap()).await.unwrap().is_applied());
        desk.until("the halt is lifted", |desk| halt(desk).is_none()).await;
        assert_eq!(desk.ended(entry("c", "RELIANCE-EQ", "BUY", 1)).await.status, Status::Executed);
        desk.kill(KillLevel::StopEntries).await;
        desk.pass_secs(70).await;
        assert_eq!(halt(desk), Some(KillLevel::SquareOff), "the override has ended, and the loss stands");
        assert!(desk.engine.read(&client(), |book| book.kept_of(Topic::Override).next().is_none()).unwrap(), "it ended by itself");
        desk.until("flat again", |desk| desk.held("c", &nse("RELIANCE-EQ")) == 0).await;
        desk.kill(KillLevel::None).await;
        let refused = desk.order(entry("e", "RELIANCE-EQ", "BUY", 1)).await;
        assert_eq!(desk.row(refused).tag, Some(Tag::RiskLimitsExceeded), "a person re-arms the kill, not the day");
        desk.at_rest().await;
    });
}

/// What a person keeps there.
fn says(slot: Slot) -> Keep {
    Keep {
        client_id: Some(client()),
        slot,
        value: None,
        basis: None,
        event: "OVERRIDE_SET",
        level: Level::Warn,
        reason: "smaller".into(),
        who: "asha".into(),
        command_id: None,
    }
}

/// A limit is another for an hour.
async fn tighten(desk: &Desk, limit: LimitName, value: i64) {
    let now = desk.clock.now();
    let until = now + chrono::Duration::hours(1);
    let set = Override { limit, value: value.into(), who: "asha".into(), reason: "smaller".into(), from: now, until };
    let keep = says(Slot::new(Topic::Override, limit.as_str())).with(&set).unwrap();
    assert!(desk.engine.keep(keep).await.unwrap().is_applied());
}

#[test]
fn a_position_over_a_limit_that_was_made_tighter_is_made_smaller_by_the_excess() {
    scenario(Setup::polled(), async |desk| {
        desk.ended(buy("a", 100)).await;
        desk.pass_secs(3).await;
        tighten(desk, LimitName::MaxPosition, 60).await;
        desk.until("the excess is closed", |desk| desk.held("a", &sbin()) == 60).await;
        desk.pass_secs(30).await;
        assert_eq!((desk.held("a", &sbin()), desk.net_at_broker(&sbin())), (60, 60), "and no more");
        desk.at_rest().await;
    });
}

/// Each commit takes longer than the time between two looks: the row of the breach comes after another row of the day, and the result
/// is better by the time that the halt is on disk.
#[test]
fn a_breach_whose_row_comes_late_stays_a_breach_when_the_result_is_better_by_then() {
    let mut setup = setup();
    setup.write_on = ordergate_actors::WriteOn::Late(Duration::from_millis(1_200));
    scenario(setup, async |desk| {
        desk.ended(buy("a", 10)).await;
        desk.pass_secs(10).await;
        // Warned at -330, over at -400, and one tick later at -385.
        falls(desk, "767", "767.05");
        desk.pass(Duration::from_secs(1)).await;
        falls(desk, "760", "760.05");
        desk.pass(Duration::from_secs(1)).await;
        falls(desk, "761.5", "761.55");
        desk.pass_secs(30).await;
        assert!(day(desk).is_hit(), "{:?}", day(desk));
        assert_eq!(halt(desk), Some(KillLevel::SquareOff));
        assert_eq!(desk.texts("ALARM_RISK_BREACH").len(), 1, "{:?}", desk.texts("ALARM_RISK_BREACH"));
        assert_eq!((desk.held("a", &sbin()), desk.net_at_broker(&sbin())), (0, 0));
        desk.at_rest().await;
    });
}

/// The broker takes its time to say no, so each exit is open at the next look.
#[test]
fn a_position_over_its_limit_whose_exits_are_rejected_is_tried_ever_more_slowly() {
    let mut setup = Setup::polled();
    setup.write_on = ordergate_actors::WriteOn::Late(Duration::from_millis(600));
    scenario(setup, async |desk| {
        desk.ended(buy("a", 100)).await;
        desk.pass_secs(10).await;
        let before = desk.rows().len();
        desk.always(CallKind::Place, Fault::Refuse("margin".into()));
        tighten(desk, LimitName::MaxPosition, 60).await;
        desk.pass_secs(60).await;
        let tried = desk.rows().len() - before;
        assert!((3..=5).contains(&tried), "{tried} exits in a minute: {:?}", desk.texts("ALARM_POSITION_OVER_LIMIT"));
        assert_eq!(desk.texts("ALARM_POSITION_OVER_LIMIT").iter().filter(|text| text.contains("(attempt 1)")).count(), 1);
        desk.heal();
        desk.until("the excess is closed", |desk| desk.held("a", &sbin()) == 60).await;
        desk.at_rest().await;
    });
}

fn funds(available: i64) -> Funds {
    Funds { cash: rupees(1_000), margin_used: rupees(1_001), available: rupees(available) }
}

fn traded_by_hand(desk: &Desk, id: &str) {
    desk.broker.broker.show_foreign(BookRow {
        instrument: nse("INFY-EQ"),
        quantity: 3,
        filled: 3,
        state: ordergate_actors::order::BookState::Complete,
        at: desk.clock.now(),
        ..book_row(id)
    });
}

#[test]
fn a_shortfall_of_margin_squares_off_and_a_manual_trade_after_a_breach_pages() {
    scenario(Setup::polled(), async |desk| {
        desk.ended(buy("a", 10)).await;
        desk.broker.broker.show_funds(funds(500));
        desk.until("the funds are read", |desk| desk.line().findings.read().was_covered).await;
        desk.broker.broker.show_funds(funds(-1));
        desk.until_alarm("ALARM_MARGIN_SHORT").await;
        let said = desk.texts("ALARM_MARGIN_SHORT").join("");
        assert!(
            said.contains("it shows -1 rupees left of 1000 cash at the start of the day, with 1001 of margin in use: entries stop"),
            "{said}"
        );
        desk.until("flat", |desk| desk.held("a", &sbin()) == 0).await;
        assert_eq!(halt(desk), Some(KillLevel::SquareOff));
        let refused = desk.order(entry("c", "RELIANCE-EQ", "BUY", 1)).await;
        assert!(desk.reason(refused).contains("risk.daily_loss: since "), "{}", desk.reason(refused));
        // What somebody trades by hand now is told once, over a restart too, and so is what he trades later.
        desk.pass_secs(2).await;
        traded_by_hand(desk, "999999");
        desk.until_alarm("ALARM_MANUAL_TRADE").await;
        desk.pass_secs(3).await;
        desk.start_again();
        desk.until_open().await;
        desk.pass_secs(5).await;
        assert_eq!(desk.texts("ALARM_MANUAL_TRADE").len(), 1);
        traded_by_hand(desk, "999998");
        desk.until("the second is told", |desk| desk.texts("ALARM_MANUAL_TRADE").len() == 2).await;
        // There is enough again; only a person lets the day go on.
        desk.broker.broker.show_funds(funds(500));
        desk.pass_secs(120).await;
        assert_eq!((halt(desk), desk.texts("ALARM_MARGIN_SHORT").len()), (Some(KillLevel::SquareOff), 1));
        let mut lifted = day(desk);
        let short = lifted.short.as_mut().unwrap();
        short.lifted = Some(Lifted { at: desk.clock.now(), who: "asha".into(), reason: "paid in".into() });
        let basis = desk.engine.read(&client(), |book| book.kept(&day_slot()).unwrap().seq);
        let keep = Keep { basis, event: "RISK_MARGIN_REARMED", ..says(day_slot()) };
        assert!(desk.engine.keep(keep.with(&lifted).unwrap()).await.unwrap().is_applied());
        desk.until("the halt is lifted", |desk| halt(desk).is_none()).await;
        assert_eq!(desk.ended(entry("c", "RELIANCE-EQ", "BUY", 1)).await.status, Status::Executed);
        desk.at_rest().await;
    });
    scenario(setup(), async |desk| {
        desk.ended(buy("a", 10)).await;
        falls(desk, "750", "750.05");
        desk.until_alarm("ALARM_RISK_BREACH").await;
        desk.until("flat", |desk| desk.held("a", &sbin()) == 0).await;
        desk.pass_secs(2).await;
        traded_by_hand(desk, "999999");
        desk.until_alarm("ALARM_MANUAL_TRADE").await;
    });
}

#[test]
fn a_shortfall_of_margin_only_pages_where_that_is_wanted_or_the_figures_were_never_enough() {
    let mut setup = Setup::polled();
    setup.account.limits.margin_shortfall = ordergate_actors::OnShortfall::Page;
    scenario(setup, async |desk| {
        desk.ended(buy("a", 10)).await;
        desk.broker.broker.show_funds(funds(-1));
        desk.until_alarm("ALARM_MARGIN_SHORT").await;
        desk.pass_secs(120).await;
        assert_eq!((desk.held("a", &sbin()), halt(desk), desk.texts("ALARM_MARGIN_SHORT").len()), (10, None, 1));
    });
    scenario(Setup::polled(), async |desk| {
        desk.ended(buy("a", 10)).await;
        desk.broker.broker.show_funds(funds(-1));
        desk.start_again();
        desk.until_alarm("ALARM_MARGIN_SHORT").await;
        assert!(desk.texts("ALARM_MARGIN_SHORT")[0].contains("the figures themselves may be wrong"));
        desk.pass_secs(120).await;
        assert_eq!((desk.held("a", &sbin()), halt(desk), desk.texts("ALARM_MARGIN_SHORT").len()), (10, None, 1));
    });
}

#[test]
fn what_a_shortfall_of_margin_does_loosens_with_the_next_day_and_not_with_a_restart() {
    scenario(Setup::polled(), async |desk| {
        desk.ended(buy("a", 10)).await;
        desk.until("the day is on disk", |desk| desk.engine.read(&client(), |book| book.kept(&day_slot()).is_some()) == Some(true)).await;
        desk.setup.account.limits.margin_shortfall = ordergate_actors::OnShortfall::Page;
        desk.start_again();
        desk.until_open().await;
        desk.broker.broker.show_funds(funds(500));
        desk.pass_secs(120).await;
        desk.broker.broker.show_funds(funds(-1));
        desk.until_alarm("ALARM_MARGIN_SHORT").await;
        desk.until("flat", |desk| desk.held("a", &sbin()) == 0).await;
        assert_eq!(halt(desk), Some(KillLevel::SquareOff));
    });
}

#[test]
fn an_exit_takes_an_entry_of_our_own_out_of_its_way() {
    scenario(Setup::polled(), async |desk| {
        desk.ended(buy("a", 10)).await;
        let rests = desk.order(buy("b", 5).at("790")).await;
        desk.until_at_broker(rests).await;
        let out = desk.ended(exit("a", "SBIN-EQ")).await;
        assert_eq!(out.status, Status::Executed);
        assert_eq!(desk.row(rests).tag, Some(Tag::SelfTrade), "cancelled, and proven so, before the exit went");
        let writes = desk.broker.writes();
        let at = |call: &str| writes.iter().position(|write| write.starts_with(call)).unwrap();
        assert!(at("cancel") < at("place SBIN-EQ SELL"), "{writes:?}");
        desk.at_rest().await;
    });
}

#[test]
fn a_strategy_that_repeats_itself_is_halted_over_a_restart_until_a_person_re_arms_it() {
    let mut setup = Setup::polled();
    setup.account.limits.repeats = 3;
    scenario(setup, async |desk| {
        for _ in 0..3 {
            desk.ended(buy("scalp", 1)).await;
            desk.ended(exit("scalp", "SBIN-EQ")).await;
        }
        let refused = desk.order(buy("scalp", 1)).await;
        assert!(desk.reason(refused).contains("risk.repeats: scalp entered SBIN-EQ 4 times"), "{}", desk.reason(refused));
        desk.until_alarm("ALARM_STRATEGY_HALTED").await;
        assert_eq!(desk.ended(buy("other", 1)).await.status, Status::Executed, "the others trade on");
        desk.start_again();
        desk.until_open().await;
        desk.pass_secs(120).await;
        let still = desk.order(entry("scalp", "INFY-EQ", "BUY", 1)).await;
        assert!(desk.reason(still).contains("scalp is halted since"), "{}", desk.reason(still));
        let known = desk.engine.read(&client(), |book| Known::of(book, &desk.line().settings.limits, desk.clock.now())).unwrap();
        let halts: Vec<&Halt> = known.halts().map(|(_, halt)| halt).collect();
        assert!(halts.len() == 1 && halts[0].stands());
        desk.at_rest().await;
    });
}
