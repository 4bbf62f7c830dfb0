//! A change of an entry that waits for its turn: what would keep the order from going keeps the change from going.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use ordergate::brokers::faulty::{CallKind, Fault};
use ordergate_actors::arming::{ArmMode, Arming};
use ordergate_actors::order::calendar::{Calendar, Enforce};
use ordergate_actors::order::{CommandId, Quantity};
use ordergate_actors::persistence::ControlChange;
use ordergate_actors::ports::Clock;
use ordergate_actors::risk::{Change, ChangeAnswer};

use crate::desk::{But, Desk, Setup, buy, entry, scenario};

/// A call hangs in the slot, and behind it waits the change of this order.
async fn changed_behind_a_hung_call(desk: &Desk, working: CommandId) {
    desk.next(CallKind::Place, Fault::Hang);
    let _hangs = desk.send(&[entry("hung", "INFY-EQ", "BUY", 5).at("1490")]);
    desk.until("the call hangs", |desk| desk.placed() == 2).await;
    let change = Change {
        client_id: desk.row(working).client_id,
        command_id: working,
        quantity: Quantity::new(9),
        price: None,
        trigger_price: None,
        order_type: None,
        who: "me".into(),
    };
    assert_eq!(desk.engine.modify(change).await.unwrap(), ChangeAnswer::Asked);
    assert_eq!(desk.broker.started("modify"), 0, "it waits");
}

/// It was not called, its end is on disk, and the order is as it was.
fn is_taken_back(desk: &Desk, working: CommandId) {
    assert_eq!(desk.broker.started("modify"), 0, "{}", desk.trace());
    assert!(desk.events(working).contains(&"MODIFY_REPLIED".to_owned()), "the record says so");
    assert_eq!(desk.row(working).quantity(), 1);
}

/// Monday the 23rd; a book of this day closes at a quarter past three.
#[test]
fn a_change_that_waited_until_the_market_closed_does_not_go() {
    let calendar: fn() -> Arc<Calendar> =
        || Arc::new(Calendar::parse(&ordergate::calendar::files(None).unwrap()).unwrap().enforced(Enforce::Always));
    let closes: DateTime<Utc> = "2026-11-23T15:15:00+05:30".parse().unwrap();
    let mut setup = Setup { starts_at: closes - TimeDelta::seconds(30), calendar, ..Setup::polled() };
    setup.account.limits.intraday_cutoff = Duration::ZERO;
    scenario(setup, async |desk| {
        let working = desk.order(buy("w", 1).at("790")).await;
        desk.until_at_broker(working).await;
        desk.pass((closes - desk.clock.now()).to_std().unwrap() - Duration::from_secs(1)).await;
        changed_behind_a_hung_call(desk, working).await;
        assert!(desk.clock.now() < closes, "it was asked for while the market was open");
        desk.pass_secs(20).await;
        is_taken_back(desk, working);
    });
}

#[test]
fn a_change_that_waited_until_the_account_was_disarmed_does_not_go() {
    let mut setup = Setup::polled();
    setup.account.arming.is_required = true;
    scenario(setup, async |desk| {
        let now = desk.clock.now();
        let arming = |mode| {
            let (until, at) = (Some(now + TimeDelta::hours(1)), Some(now));
            let arming = Arming { mode, until, who: "asha".into(), reason: "open".into(), at, ..Arming::default() };
            ControlChange::Arm { arming: Box::new(arming), expected: None }
        };
        desk.control(arming(ArmMode::Live)).await;
        let working = desk.order(buy("w", 1).at("790")).await;
        desk.until_at_broker(working).await;
        changed_behind_a_hung_call(desk, working).await;
        desk.control(arming(ArmMode::Disarmed)).await;
        desk.pass_secs(20).await;
        is_taken_back(desk, working);
        desk.heal();
        desk.at_rest().await;
    });
}
