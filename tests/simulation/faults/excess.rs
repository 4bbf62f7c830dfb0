//! A position over its limit whose exit fails is tried again soon; one that is within its limit again is not made smaller by an exit that
//! waited.

use ordergate::brokers::faulty::{CallKind, Fault, FaultPlan};
use ordergate_actors::order::{Source, Status};
use ordergate_actors::persistence::{Keep, Level, Slot, Topic};
use ordergate_actors::ports::Clock;
use ordergate_actors::risk::{LimitName, Override};

use super::exit_rules::fired;
use super::square_off_over::{monday, until_it_is};
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

/// The limit is tighter for an hour after the close. Its exit waits for the next opening, and is not wanted any more by then.
#[test]
fn an_exit_of_an_excess_that_has_ended_is_withdrawn_and_sells_nothing_the_next_morning() {
    for restarts in [false, true] {
        scenario(monday(), async |desk| {
            desk.ended(buy("a", 100)).await;
            until_it_is(desk, "2026-11-16T17:00:00+05:30").await;
            tighten(desk, 60).await;
            desk.until("its exit waits", |desk| fired(desk).len() == 1).await;
            desk.pass_secs(600).await;
            assert_eq!((fired(desk)[0].status, fired(desk)[0].quantity()), (Status::Created, 40), "it is wanted, and the market is shut");
            if restarts {
                desk.kill_process();
                until_it_is(desk, "2026-11-17T09:16:00+05:30").await;
                desk.start_again();
                desk.until_open().await;
            }
            if !restarts {
                until_it_is(desk, "2026-11-16T17:59:00+05:30").await;
            }
            desk.until("it is withdrawn", |desk| fired(desk)[0].status == Status::Failed).await;
            assert!(desk.texts("ALARM_POSITION_OVER_LIMIT").iter().any(|text| text.contains("is withdrawn")));
            assert!(!desk.has_alarm("ALARM_EXIT_FAILED"), "it was wanted so");
            until_it_is(desk, "2026-11-17T09:25:00+05:30").await;
            assert_eq!((desk.held("a", &sbin()), fired(desk).len(), desk.broker.started("place SBIN-EQ SELL")), (100, 1, 0));
            desk.at_rest().await;
        });
    }
}
