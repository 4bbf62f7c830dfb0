//! A stop holds before it is on disk, whoever asks for it: the disk may take its time, or fail.

use std::sync::Arc;

use ordergate_actors::order::{Amount, Strategy};
use ordergate_actors::persistence::{ControlChange, KillLevel};
use ordergate_actors::ports::BookRow;
use ordergate_actors::testkit::book_row;
use parking_lot::Mutex;

use crate::desk::{Desk, Setup, buy, price, rupees, sbin, scenario};

/// Whether an entry could have gone, at every change of the controls that was being written.
fn watched(desk: &Desk) -> Arc<Mutex<Vec<bool>>> {
    let seen: Arc<Mutex<Vec<bool>>> = Arc::default();
    let (told, latch) = (Arc::clone(&seen), Arc::clone(&desk.line().latch));
    let strategy = Strategy::parse("b").unwrap();
    *desk.disk_fault.at_control.lock() = Some(Box::new(move || told.lock().push(latch.forbids(&strategy, false).is_none())));
    seen
}

#[test]
fn a_kill_holds_while_it_is_being_written_and_arming_again_only_after() {
    scenario(Setup::polled(), async |desk| {
        let seen = watched(desk);
        desk.kill(KillLevel::StopEntries).await;
        desk.kill(KillLevel::None).await;
        desk.control(ControlChange::RaiseStrategy(Strategy::parse("b").unwrap(), KillLevel::StopEntries)).await;
        assert_eq!(*seen.lock(), [false; 3]);
    });
}

#[test]
fn a_freeze_holds_exits_while_it_is_being_written() {
    scenario(Setup::polled(), async |desk| {
        let seen: Arc<Mutex<Vec<bool>>> = Arc::default();
        let (told, latch) = (Arc::clone(&seen), Arc::clone(&desk.line().latch));
        let strategy = Strategy::parse("b").unwrap();
        *desk.disk_fault.at_control.lock() = Some(Box::new(move || told.lock().push(latch.forbids(&strategy, true).is_none())));
        desk.control(ControlChange::Freeze(true)).await;
        desk.control(ControlChange::Freeze(false)).await;
        assert_eq!(*seen.lock(), [false; 2]);
        assert!(desk.line().latch.forbids(&Strategy::parse("b").unwrap(), true).is_none());
    });
}

#[test]
fn a_breach_of_the_days_loss_holds_while_it_is_being_written() {
    let mut setup = Setup::polled();
    (setup.account.limits.daily_loss, setup.account.limits.loss_step) = (rupees(400), Amount::ZERO);
    scenario(setup, async |desk| {
        desk.ended(buy("a", 10)).await;
        desk.pass_secs(3).await;
        let seen = watched(desk);
        desk.market.set(&sbin(), price("750"), price("750.05"), price("750"));
        desk.until_alarm("ALARM_RISK_BREACH").await;
        desk.pass_secs(2).await;
        assert_eq!(*seen.lock(), [false]);
    });
}

#[test]
fn what_the_engine_stops_by_itself_holds_while_it_is_being_written() {
    scenario(Setup::polled(), async |desk| {
        let seen = watched(desk);
        let row = BookRow { tag: Some(Arc::from("OGZZZZ0000001")), ..book_row("26112099999901") };
        desk.broker.broker.show_foreign(row);
        desk.until_alarm("ALARM_STRANGE_TAG").await;
        desk.pass_secs(2).await;
        assert_eq!(*seen.lock(), [false]);
    });
}
