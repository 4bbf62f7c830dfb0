//! A position over its limit whose exit fails: it is tried again soon.

use ordergate::brokers::faulty::{CallKind, Fault, FaultPlan};
use ordergate_actors::order::Source;
use ordergate_actors::persistence::{Keep, Level, Slot, Topic};
use ordergate_actors::ports::Clock;
use ordergate_actors::risk::{LimitName, Override};

use crate::desk::{Desk, Setup, buy, sbin, scenario};
use crate::world::client;

/// The largest position is set otherwise for an hour.
async fn tighten(desk: &Desk, most: i64) {
    let now = desk.clock.now();
    let set = Override {
        limit: LimitName::MaxPosition,
        value: most.into(),
        who: "asha".into(),
        reason: "smaller".into(),
        from: now,
        until: now + chrono::Duration::hours(1),
    };
    let keep = Keep {
        client_id: Some(client()),
        slot: Slot::new(Topic::Override, "max_position"),
        value: None,
        basis: None,
        event: "OVERRIDE_SET",
        level: Level::Warn,
        reason: "smaller".into(),
        who: "asha".into(),
        command_id: None,
    };
    assert!(desk.engine.keep(keep.with(&set).unwrap()).await.unwrap().is_applied());
}

#[test]
fn an_exit_of_the_excess_that_is_refused_is_tried_again_within_seconds() {
    scenario(Setup::polled(), async |desk| {
        desk.ended(buy("a", 100)).await;
        desk.pass_secs(3).await;
        desk.plan(FaultPlan::none().always(CallKind::Place, Fault::Refuse("no".into())));
        tighten(desk, 60).await;
        let tries = |desk: &Desk| desk.rows().iter().filter(|row| row.source == Source::System).count();
        desk.until("it was tried", |desk| tries(desk) >= 1).await;
        desk.until_alarm("ALARM_POSITION_OVER_LIMIT").await;
        desk.pass_secs(5).await;
        desk.heal();
        desk.until("the excess is closed", |desk| desk.held("a", &sbin()) == 60).await;
        desk.pass_secs(30).await;
        assert_eq!((desk.held("a", &sbin()), desk.net_at_broker(&sbin())), (60, 60), "and no more");
        desk.at_rest().await;
    });
}
