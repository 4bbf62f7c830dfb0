//! Entries that fill while nobody looks: what a rule counts from is the fill, not the moment at which it was heard of.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use ordergate::simulator::market::Level;
use ordergate_actors::order::calendar::{Calendar, Enforce};
use ordergate_actors::order::{LegDraft, Status, Tag};

use super::exit_rules::{fired, guarded, rule, scenario, thin, trade, until_flat};
use crate::desk::{But, Desk, Setup, buy, price, sbin};

fn time(text: &str) -> DateTime<Utc> {
    format!("2026-11-23T{text}:00+05:30").parse::<DateTime<chrono::FixedOffset>>().unwrap().to_utc()
}

fn from(text: &str) -> Setup {
    let calendar: fn() -> Arc<Calendar> =
        || Arc::new(Calendar::parse(&ordergate::calendar::files(None).unwrap()).unwrap().enforced(Enforce::Always));
    let mut setup = Setup { starts_at: time(text), calendar, ..Setup::polled() };
    setup.account.limits.intraday_cutoff = Duration::ZERO;
    setup
}

async fn until_time(desk: &Desk, text: &str) {
    let left = time(text).signed_duration_since(desk.clock_now()).to_std().unwrap();
    tokio::time::advance(left).await;
}

/// A buy that rests at 855 fills at `fills` while the process is down, from a minute before until `wakes`.
async fn filled_while_down(desk: &mut Desk, exit_at: &str, fills: &str, wakes: &str) {
    let leg = LegDraft { exit_at: Some(exit_at.to_owned()), ..buy("a", 10).at("855") };
    let entry = desk.order(leg).await;
    desk.until_at_broker(entry).await;
    desk.pass_secs(5).await;
    desk.kill_process();
    until_time(desk, fills).await;
    trade(desk, "854");
    desk.broker.broker.inner().tick().unwrap();
    until_time(desk, wakes).await;
    desk.start_again();
    desk.until_open().await;
    assert_eq!(desk.until_ended(entry).await.status, Status::Executed);
}

#[test]
fn a_time_exit_counts_from_a_fill_that_was_heard_of_after_its_hour() {
    for exit_at in ["15:10", "30 minutes", "EOD"] {
        scenario(from("13:50"), async |desk| {
            filled_while_down(desk, exit_at, "14:30", "15:12").await;
            until_flat(desk).await;
            let out = fired(desk).pop().unwrap();
            assert_eq!(&*out.user, "time exit of a", "{exit_at}");
            assert!(out.created_at < time("15:14"), "{exit_at}: {}", out.created_at);
        });
    }
}

/// Too late to leave it: a person hears that it stays.
#[test]
fn what_filled_before_the_close_and_was_heard_of_after_it_is_said_to_stay() {
    for exit_at in ["EOD", "15:10", "15:30"] {
        scenario(from("14:50"), async |desk| {
            filled_while_down(desk, exit_at, "15:05", "17:00").await;
            desk.until("the rule stands", |desk| rule(desk).is_some_and(|rule| rule.held_since < time("15:06"))).await;
            desk.until_alarm("ALARM_EXIT_TIME_MISSED").await;
            assert_eq!(desk.held("a", &sbin()), 10);
        });
    }
    // Bought after its hour: it is meant for tomorrow's.
    scenario(from("14:50"), async |desk| {
        filled_while_down(desk, "15:10", "15:12", "17:00").await;
        desk.until("the rule stands", |desk| rule(desk).is_some()).await;
        desk.pass_secs(60).await;
        assert!(!desk.has_alarm("ALARM_EXIT_TIME_MISSED"));
    });
}

/// 15:30, as scripts have it, in a share whose book closes at 15:15: it is out before that, and a person hears why.
#[test]
fn an_hour_at_which_trading_is_over_is_left_before_its_end() {
    scenario(from("14:59"), async |desk| {
        desk.ended(LegDraft { exit_at: Some("15:30".to_owned()), ..buy("a", 10) }).await;
        desk.until_alarm("ALARM_EXIT_HOUR_LATE").await;
        assert!(desk.texts("ALARM_EXIT_HOUR_LATE")[0].contains("is to be left at 15:30, and its continuous trading ends at 15:15"));
        assert_eq!(desk.held("a", &sbin()), 10);
        let left = time("15:00").signed_duration_since(desk.clock_now()).to_std().unwrap();
        desk.pass(left).await;
        until_flat(desk).await;
        assert!(desk.clock_now() < time("15:02"), "{}", desk.clock_now());
        assert_eq!(desk.texts("ALARM_EXIT_HOUR_LATE").len(), 1);
    });
}

/// More comes in after a stop has fired, and has an exit of its own beside the first. A person takes the first back: what he keeps is not
/// sold once the other one has filled.
#[test]
fn what_a_person_takes_back_of_a_stop_is_kept_when_the_exit_of_what_came_late_has_filled() {
    scenario(Setup::default(), async |desk| {
        let nobody_buys = |last: &str| {
            let asks = vec![Level { price: price(last), quantity: 1_000 }];
            desk.market.set_depth(&sbin(), Vec::new(), asks, price(last));
        };
        desk.ended(guarded("10 points", None)).await;
        desk.until("the rule stands", |desk| rule(desk).is_some()).await;
        let more = desk.order(buy("a", 4).kind("ADJUST").at("845")).await;
        desk.until_at_broker(more).await;
        desk.pass_secs(3).await;
        nobody_buys("849");
        desk.until("its exit rests", |desk| fired(desk).first().is_some_and(|row| row.broker_order_id.is_some())).await;
        nobody_buys("845");
        assert_eq!(desk.until_ended(more).await.filled_quantity, 4);
        desk.until("what came late has one", |desk| fired(desk).get(1).is_some_and(|row| row.broker_order_id.is_some())).await;
        let [first, late] = fired(desk).try_into().unwrap();
        assert_eq!((first.quantity(), late.quantity()), (10, 4));
        assert!(desk.engine.cancel(&first.client_id, first.command_id, "asha", "I keep these").await.unwrap().is_applied());
        assert_eq!(desk.until_ended(first.command_id).await.tag, Some(Tag::CancelledByUser));
        thin(desk, "845", 4);
        assert_eq!(desk.until_ended(late.command_id).await.filled_quantity, 4);
        trade(desk, "845");
        desk.until_alarm("ALARM_EXIT_STUCK").await;
        desk.pass_secs(20).await;
        assert_eq!((desk.held("a", &sbin()), fired(desk).len()), (10, 2), "{}", desk.trace());
        assert!(desk.texts("ALARM_EXIT_STUCK")[0].contains("was cancelled by a person"), "{:?}", desk.texts("ALARM_EXIT_STUCK"));
    });
}
