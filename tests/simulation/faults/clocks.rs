//! The machine's clock jumps: time synchronisation steps it, a virtual machine is resumed, somebody sets it. The broker's goes on.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use ordergate::brokers::faulty::{CallKind, Fault};
use ordergate_actors::order::calendar::{Calendar, Enforce};
use ordergate_actors::order::{LegDraft, OrderRecord, Source, Status, Tag};
use ordergate_actors::persistence::KillLevel;
use ordergate_actors::ports::Funds;

use super::exit_rules;
use crate::desk::{But, Desk, Setup, buy, entry, exit, nse, price, rupees, sbin, scenario};

fn machine() -> Setup {
    Setup { has_machine: true, ..Setup::polled() }
}

/// What was told of the jumps, oldest first.
fn told(desk: &Desk) -> Vec<String> {
    desk.texts("ALARM_CLOCK_JUMPED")
}

/// Nothing waits for an hour: a doubt is settled and a cancel goes as on any day. Entries are refused by name until the clock
/// is right; exits go.
#[test]
fn an_hour_back_refuses_entries_and_nothing_else_stands_still() {
    scenario(machine(), async |desk| {
        desk.ended(buy("a", 10)).await;
        let working = desk.order(entry("w", "INFY-EQ", "BUY", 1).at("1490")).await;
        desk.until_at_broker(working).await;
        desk.next(CallKind::Place, Fault::LoseRequest("reset".into()));
        let doubted = desk.order(entry("d", "RELIANCE-EQ", "BUY", 1)).await;
        desk.until_tag(doubted, Tag::SendUnconfirmed).await;
        desk.machine.jump(TimeDelta::hours(-1));
        desk.until_alarm("ALARM_CLOCK_JUMPED").await;
        assert!(told(desk)[0].contains("went 3600.0 s back") && told(desk)[0].contains("risk.clock"), "{:?}", told(desk));
        let refused = desk.order(buy("b", 1)).await;
        let row: OrderRecord = desk.row(refused);
        assert_eq!(row.tag, Some(Tag::RiskLimitsExceeded));
        assert!(desk.reason(refused).contains("risk.clock: the machine's clock was set back"), "{}", desk.reason(refused));
        let began = desk.clock_now();
        assert_eq!(desk.until_ended(doubted).await.tag, Some(Tag::NotAtBroker));
        assert!(desk.clock_now() - began < TimeDelta::seconds(30), "a doubt is settled as on any day");
        desk.engine.cancel(&crate::world::client(), working, "a test", "").await.unwrap();
        assert_eq!(desk.until_ended(working).await.tag, Some(Tag::CancelledByUser));
        assert_eq!(desk.ended(exit("a", "SBIN-EQ")).await.status, Status::Executed, "{}", desk.trace());
        desk.machine.jump(TimeDelta::hours(1));
        desk.pass_secs(2).await;
        assert_eq!(desk.ended(buy("b", 1)).await.status, Status::Executed, "the clock is right again");
        assert_eq!(told(desk).len(), 2, "each jump is told once: {:?}", told(desk));
        assert_eq!(desk.placed(), 5);
        desk.at_rest().await;
    });
}

/// A scenario whose machine's clock was hours ahead and was put right, while `a` holds what its leg bought: the engine's time has gone
/// on, past the close of the market that is open still.
fn past_the_close(setup: Setup, leg: LegDraft, live: impl AsyncFnOnce(&mut Desk)) {
    let calendar: fn() -> Arc<Calendar> =
        || Arc::new(Calendar::parse(&ordergate::calendar::files(None).unwrap()).unwrap().enforced(Enforce::Always));
    exit_rules::scenario(Setup { calendar, has_machine: true, ..setup }, async |desk| {
        desk.ended(leg).await;
        desk.ended(entry("b", "INFY-EQ", "BUY", 1)).await;
        desk.until("the rule stands", |desk| exit_rules::rule(desk).is_some()).await;
        desk.machine.jump(TimeDelta::hours(5));
        desk.pass_secs(2).await;
        desk.machine.jump(TimeDelta::hours(-5));
        desk.pass_secs(2).await;
        assert_eq!(told(desk).len(), 2, "{:?}", told(desk));
        // The engine's time passes the close; at the exchange it is before noon.
        desk.pass_secs(40 * 60).await;
        assert!(exit_rules::rule(desk).is_some() && desk.held("a", &sbin()) == 10, "{}", desk.trace());
        live(desk).await;
    });
}

/// A stop fires and an exit goes for as long as the market takes orders by either of the two.
#[test]
fn hours_back_leave_no_position_without_its_stop_for_the_rest_of_the_session() {
    past_the_close(machine(), exit_rules::guarded("10 points", None), async |desk| {
        exit_rules::trade(desk, "849");
        desk.until("the stop fired and it is flat", |desk| desk.held("a", &sbin()) == 0 && desk.net_at_broker(&sbin()) == 0).await;
        assert_eq!(desk.ended(exit("b", "INFY-EQ")).await.status, Status::Executed, "{}", desk.trace());
        let refused = desk.order(buy("c", 1)).await;
        assert!(desk.reason(refused).contains("risk.clock"), "{}", desk.reason(refused));
        desk.at_rest().await;
    });
}

/// What rests of the exit of a stop is priced anew until it is flat.
#[test]
fn hours_back_keep_no_exit_of_a_stop_from_its_ladder() {
    let setup = Setup { can: |row| row.takes_market_orders = false, ..machine() };
    past_the_close(setup, exit_rules::guarded("10 points", None), async |desk| {
        exit_rules::thin(desk, "849", 4);
        desk.until("a part of it filled", |desk| desk.held("a", &sbin()) == 6).await;
        exit_rules::trade(desk, "848");
        desk.until("the rest followed the market", |desk| desk.held("a", &sbin()) == 0 && desk.net_at_broker(&sbin()) == 0).await;
        desk.at_rest().await;
    });
}

/// A stop that somebody takes from the exchange while it trades is paged.
#[test]
fn hours_back_make_no_lapse_of_a_stop_that_was_taken_away() {
    let leg = LegDraft { stop_at: Some("broker".to_owned()), ..exit_rules::guarded("10 points", None) };
    past_the_close(machine(), leg, async |desk| {
        let stop = desk.rows().into_iter().find(|row| row.source == Source::Stop && row.broker_order_id.is_some()).unwrap();
        let paper = desk.broker.broker.inner();
        paper.cancel_foreign(stop.broker_order_id.as_ref().unwrap(), "cancelled by hand").unwrap().unwrap();
        desk.until_alarm("ALARM_STOP_IN_ENGINE").await;
        desk.at_rest().await;
    });
}

/// What the broker says of the margin counts while something could still be closed.
#[test]
fn hours_back_make_no_shortfall_of_margin_one_of_the_night() {
    past_the_close(machine(), exit_rules::guarded("10 points", None), async |desk| {
        let funds = |available| Funds { cash: rupees(1_000), margin_used: rupees(1_001), available: rupees(available) };
        desk.broker.broker.show_funds(funds(500));
        desk.until("the funds are read", |desk| desk.line().findings.read().was_covered).await;
        desk.broker.broker.show_funds(funds(-1));
        desk.until("flat", |desk| desk.held("a", &sbin()) == 0 && desk.net_at_broker(&sbin()) == 0).await;
        desk.at_rest().await;
    });
}

/// What waited in its lane while a virtual machine stood still is not sent as if it were fresh.
#[test]
fn ten_minutes_forward_make_what_waits_stale_and_nothing_is_sent_twice() {
    scenario(machine(), async |desk| {
        desk.ended(buy("a", 10)).await;
        desk.next(CallKind::Place, Fault::HangAfter);
        let hung = desk.order(entry("h", "INFY-EQ", "BUY", 1)).await;
        let waits = desk.order(entry("w", "RELIANCE-EQ", "BUY", 1)).await;
        assert_eq!(desk.placed(), 2, "the slot is taken");
        desk.machine.jump(TimeDelta::minutes(10));
        assert_eq!(desk.until_ended(waits).await.tag, Some(Tag::StaleSignal));
        desk.until_alarm("ALARM_CLOCK_JUMPED").await;
        assert!(told(desk)[0].contains("forward") && !told(desk)[0].contains("trading day"), "{:?}", told(desk));
        assert_eq!(desk.until_ended(hung).await.status, Status::Executed, "found by its tag");
        desk.pass_secs(3).await;
        assert_eq!(desk.ended(exit("a", "SBIN-EQ")).await.status, Status::Executed, "{}", desk.trace());
        assert_eq!(desk.ended(entry("w", "RELIANCE-EQ", "BUY", 1)).await.status, Status::Executed, "a fresh one goes");
        assert_eq!(desk.placed(), 4);
        desk.at_rest().await;
    });
}

/// Absence is proven by time that was lived through: an order that the broker shows late is not given up for a jump.
#[test]
fn a_jump_proves_no_absence() {
    let can = |can: &mut ordergate_actors::ports::Capabilities| can.visibility_bound = Duration::from_secs(30);
    scenario(Setup { can, ..machine() }, async |desk| {
        desk.broker.broker.set_lag(Duration::from_secs(25));
        desk.next(CallKind::Place, Fault::LoseReply("reset".into()));
        let hidden = desk.order(buy("a", 10)).await;
        desk.until_tag(hidden, Tag::SendUnconfirmed).await;
        desk.machine.jump(TimeDelta::minutes(2));
        desk.pass_secs(15).await;
        assert_eq!(desk.row(hidden).tag, Some(Tag::SendUnconfirmed), "{}", desk.trace());
        assert_eq!(desk.until_ended(hidden).await.status, Status::Executed);
        assert!(!desk.has_alarm("ALARM_LATE_TRUTH"));
        desk.at_rest().await;
    });
}

/// Another trading day means other limits: entries stop until a person has looked. Orders of the true day are followed on, and an
/// alert of the day before is none of today.
#[test]
fn a_day_forward_stops_entries_until_a_person_has_looked_and_forgets_no_order() {
    scenario(machine(), async |desk| {
        desk.ended(buy("a", 10)).await;
        let working = desk.order(entry("b", "INFY-EQ", "BUY", 5).at("1490")).await;
        desk.until_at_broker(working).await;
        desk.pass_secs(2).await;
        let before = desk.machine_now();
        desk.machine.jump(TimeDelta::days(3));
        desk.until_alarm("ALARM_CLOCK_JUMPED").await;
        assert!(told(desk)[0].contains("the trading day is another now"), "{:?}", told(desk));
        desk.pass_secs(2).await;
        let refused = desk.order(entry("c", "RELIANCE-EQ", "BUY", 1)).await;
        assert_eq!(desk.row(refused).tag, Some(Tag::KillSwitch), "{}", desk.reason(refused));
        desk.pass_secs(20).await;
        assert!(!desk.row(working).status.is_terminal(), "the broker shows it, so it has not lapsed: {}", desk.trace());
        let infy = nse("INFY-EQ");
        desk.market.set(&infy, price("1489"), price("1489.05"), price("1489"));
        assert_eq!(desk.until_ended(working).await.status, Status::Executed);
        for (strategy, key) in [("a", sbin()), ("b", infy)] {
            assert_eq!(desk.held(strategy, &key), desk.net_at_broker(&key), "{}", desk.trace());
        }
        desk.kill(KillLevel::None).await;
        let mut old = desk.draft(&[entry("c", "RELIANCE-EQ", "BUY", 1)]);
        old.signal_time = Some(before);
        let stale = desk.engine.submit(old).await.unwrap().orders[0];
        assert_eq!(desk.row(stale).tag, Some(Tag::StaleSignal), "{}", desk.reason(stale));
        // Put right: that is a step back, and refused by name until ordergate is started again.
        desk.machine.jump(TimeDelta::days(-3));
        desk.pass_secs(2).await;
        let refused = desk.order(entry("c", "RELIANCE-EQ", "BUY", 1)).await;
        assert!(desk.reason(refused).contains("risk.clock"), "{}", desk.reason(refused));
        assert_eq!((desk.placed(), told(desk).len()), (2, 2));
    });
}
