//! Entries that fill while nobody looks: what a rule counts from is the fill, not the moment at which it was heard of.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use ordergate_actors::order::calendar::{Calendar, Enforce};
use ordergate_actors::order::{LegDraft, Status};

use super::exit_rules::{fired, rule, scenario, trade, until_flat};
use crate::desk::{But, Desk, Setup, buy, sbin};

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
    scenario(from("14:50"), async |desk| {
        filled_while_down(desk, "EOD", "15:05", "17:00").await;
        desk.until("the rule stands", |desk| rule(desk).is_some_and(|rule| rule.held_since < time("15:06"))).await;
        desk.until_alarm("ALARM_EXIT_TIME_MISSED").await;
        assert_eq!(desk.held("a", &sbin()), 10);
    });
}
