//! Exits of a square-off wait while the market takes no orders. When nobody wants the square-off any more they are withdrawn, and sell
//! nothing the next morning.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use ordergate::simulator::market::Level;
use ordergate_actors::Waits;
use ordergate_actors::order::calendar::{Calendar, Enforce};
use ordergate_actors::order::{Status, Strategy, Tag};
use ordergate_actors::persistence::{ControlChange, KillLevel};

use super::exit_rules::{fired, trade};
use crate::desk::{Desk, Setup, buy, entry, exit, nse, price, rupees, sbin, scenario};
use crate::world::client;

pub(super) fn at(text: &str) -> DateTime<Utc> {
    text.parse::<DateTime<chrono::FixedOffset>>().unwrap().to_utc()
}

/// A Monday of the calendar as it is, some minutes before the end; nothing looks often, because a night passes.
pub(super) fn monday() -> Setup {
    let calendar: fn() -> Arc<Calendar> =
        || Arc::new(Calendar::parse(&ordergate::calendar::files(None).unwrap()).unwrap().enforced(Enforce::Always));
    let mut setup = Setup { starts_at: at("2026-11-16T15:08:00+05:30"), calendar, ..Setup::polled() };
    setup.account.limits.intraday_cutoff = Duration::ZERO;
    setup.account.exits.look = Duration::from_secs(60);
    setup.account.waits = Waits { blind_after: Duration::from_secs(600), ..Waits::standard(Duration::from_secs(60)) };
    setup
}

pub(super) async fn until_it_is(desk: &Desk, text: &str) {
    desk.pass((at(text) - desk.clock_now()).to_std().unwrap()).await;
}

fn level_of(desk: &Desk) -> KillLevel {
    desk.engine.read(&client(), |book| book.control().account_level()).unwrap()
}

/// 17:00: the square-off was asked for when the market took no orders any more; its exits wait.
async fn squared_off_after_the_close(desk: &Desk) {
    desk.ended(buy("a", 10)).await;
    desk.ended(entry("b", "INFY-EQ", "BUY", 5)).await;
    until_it_is(desk, "2026-11-16T17:00:00+05:30").await;
    desk.kill(KillLevel::SquareOff).await;
    desk.until("its exits wait", |desk| fired(desk).len() == 2).await;
    desk.pass_secs(10).await;
    assert!(fired(desk).iter().all(|row| row.status == Status::Created), "the market takes no orders");
}

async fn nothing_is_sold_the_next_morning(desk: &Desk) {
    until_it_is(desk, "2026-11-17T09:20:00+05:30").await;
    desk.pass_secs(60).await;
    assert_eq!((desk.held("a", &sbin()), desk.held("b", &nse("INFY-EQ"))), (10, 5), "{}", desk.trace());
    assert_eq!(desk.broker.started("place SBIN-EQ SELL") + desk.broker.started("place INFY-EQ SELL"), 0);
}

#[test]
fn a_person_who_re_arms_withdraws_the_exits_that_were_not_sent() {
    scenario(monday(), async |desk| {
        squared_off_after_the_close(desk).await;
        desk.kill(KillLevel::None).await;
        desk.until("they are withdrawn", |desk| fired(desk).iter().all(|row| row.status == Status::Failed)).await;
        assert!(fired(desk).iter().all(|row| row.tag == Some(Tag::SquareOffOver)), "{:?}", fired(desk));
        assert!(!desk.has_alarm("ALARM_EXIT_FAILED"), "it was wanted so");
        nothing_is_sold_the_next_morning(desk).await;
        assert_eq!(fired(desk).len(), 2, "and none goes again");
        // What a person wants then goes.
        assert_eq!(desk.ended(exit("a", "SBIN-EQ")).await.status, Status::Executed);
        desk.at_rest().await;
    });
}

/// The process dies when the level is on disk and nothing else: the next one withdraws them, and does not drive them on.
#[test]
fn a_restart_between_the_lowering_and_the_withdrawal_changes_nothing() {
    for is_morning in [false, true] {
        scenario(monday(), async |desk| {
            squared_off_after_the_close(desk).await;
            *desk.disk_fault.fail_commit.lock() = Some((2, false));
            desk.kill(KillLevel::None).await;
            desk.until("the process is gone", |desk| desk.halt.halted().is_some()).await;
            assert!(fired(desk).iter().all(|row| row.status == Status::Created));
            if is_morning {
                until_it_is(desk, "2026-11-17T09:16:00+05:30").await;
            }
            desk.start_again();
            desk.until_open().await;
            desk.until("they are withdrawn", |desk| fired(desk).iter().all(|row| row.tag == Some(Tag::SquareOffOver))).await;
            nothing_is_sold_the_next_morning(desk).await;
            desk.at_rest().await;
        });
    }
}

/// What stops a day ends with it, whether a process ran at midnight or not.
#[test]
fn the_end_of_the_day_withdraws_them() {
    for dies in [false, true] {
        let mut setup = monday();
        setup.account.limits.daily_loss = rupees(400);
        scenario(setup, async |desk| {
            desk.ended(buy("a", 10)).await;
            desk.ended(entry("b", "INFY-EQ", "BUY", 5)).await;
            until_it_is(desk, "2026-11-16T17:00:00+05:30").await;
            trade(desk, "750");
            desk.pass_secs(1_800).await;
            assert_eq!((level_of(desk), fired(desk).len()), (KillLevel::SquareOff, 2), "{}", desk.trace());
            trade(desk, "800");
            desk.pass_secs(1_800).await;
            if dies {
                desk.kill_process();
                until_it_is(desk, "2026-11-17T09:16:00+05:30").await;
                desk.start_again();
                desk.until_open().await;
            }
            nothing_is_sold_the_next_morning(desk).await;
            assert_eq!(level_of(desk), KillLevel::None);
            assert!(fired(desk).iter().all(|row| row.tag == Some(Tag::SquareOffOver)) && fired(desk).len() == 2, "{:?}", fired(desk));
            desk.at_rest().await;
        });
    }
}

/// Lowered for one strategy, its exits alone are withdrawn; what a person sent stays, whatever is lowered.
#[test]
fn lowered_for_one_strategy_the_exits_of_the_others_stay() {
    scenario(monday(), async |desk| {
        desk.ended(buy("a", 10)).await;
        desk.ended(entry("b", "INFY-EQ", "BUY", 5)).await;
        desk.ended(entry("c", "RELIANCE-EQ", "BUY", 2)).await;
        until_it_is(desk, "2026-11-16T17:00:00+05:30").await;
        let own = desk.send(&[exit("c", "RELIANCE-EQ")]);
        for strategy in ["a", "b"] {
            desk.control(ControlChange::Strategy(Strategy::parse(strategy).unwrap(), KillLevel::SquareOff)).await;
        }
        desk.until("the exits of both wait", |desk| fired(desk).len() == 2).await;
        desk.control(ControlChange::Strategy(Strategy::parse("a").unwrap(), KillLevel::None)).await;
        let of = |desk: &Desk, strategy: &str| fired(desk).into_iter().find(|row| row.ask.strategy.as_str() == strategy).unwrap();
        desk.until("a's is withdrawn", |desk| of(desk, "a").tag == Some(Tag::SquareOffOver)).await;
        desk.pass_secs(30).await;
        assert_eq!(of(desk, "b").status, Status::Created, "its strategy is to be squared off still");
        // The account's level does not stand, and re-arming it changes nothing for b.
        desk.kill(KillLevel::None).await;
        desk.pass_secs(30).await;
        assert_eq!(of(desk, "b").status, Status::Created);
        until_it_is(desk, "2026-11-17T09:20:00+05:30").await;
        desk.until("b is flat", |desk| desk.held("b", &nse("INFY-EQ")) == 0).await;
        let own = own.await.unwrap().unwrap().orders[0];
        assert_eq!((desk.until_ended(own).await.status, desk.held("a", &sbin())), (Status::Executed, 10), "a person's exit goes");
        desk.at_rest().await;
    });
}

/// What the broker has already stays there, and is named.
#[test]
fn an_exit_that_is_at_the_broker_stays_and_is_named() {
    let setup = Setup { can: |row| row.takes_market_orders = false, ..Setup::default() };
    scenario(setup, async |desk| {
        desk.ended(buy("a", 10)).await;
        desk.pass_secs(3).await;
        let level = |text: &str, quantity| vec![Level { price: price(text), quantity }];
        desk.market.set_depth(&sbin(), level("800", 4), level("800.05", 1_000), price("800"));
        desk.kill(KillLevel::SquareOff).await;
        desk.until("a part is sold", |desk| desk.held("a", &sbin()) == 6).await;
        desk.kill(KillLevel::None).await;
        desk.until_alarm("ALARM_SQUARE_OFF_OVER").await;
        desk.pass_secs(10).await;
        let said = desk.texts("ALARM_SQUARE_OFF_OVER");
        let number = fired(desk)[0].broker_order_id.clone().unwrap();
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].contains("SELL 6 SBIN-EQ of a") && said[0].contains(number.as_str()), "{said:?}");
        assert_eq!((fired(desk).len(), fired(desk)[0].cancel_wanted), (1, None));
        desk.market.set(&sbin(), price("799"), price("799.05"), price("799"));
        desk.until("it is worked on", |desk| desk.held("a", &sbin()) == 0).await;
        desk.at_rest().await;
    });
}
