//! A target whose limit rests, and signals that leave or make smaller what it is for.

use ordergate::brokers::faulty::{CallKind, Fault};
use ordergate_actors::exits::Cause;
use ordergate_actors::order::{LegDraft, Status, Tag};

use super::exit_rules::{fired, guarded, rule, scenario, thin, trade, until_flat};
use crate::desk::{But, Desk, Setup, exit, sbin, target};
use crate::world::client;

/// 4 of 10 have traded at the target, the other 6 rest there, ten rupees away from the market.
async fn rests_at_its_target(desk: &Desk) {
    rests_at_the_target_of(desk, guarded("850", Some("880"))).await;
}

async fn rests_at_the_target_of(desk: &Desk, entry: LegDraft) {
    desk.ended(entry).await;
    desk.until("the rule stands", |desk| rule(desk).is_some()).await;
    thin(desk, "880", 4);
    desk.until("a part of the target traded", |desk| desk.held("a", &sbin()) == 6).await;
    trade(desk, "870");
    desk.pass_secs(5).await;
    assert_eq!(fired(desk).pop().unwrap().status, Status::Partial, "it rests");
}

#[test]
fn whoever_leaves_does_not_wait_for_a_profit() {
    scenario(Setup::default(), async |desk| {
        rests_at_its_target(desk).await;
        let left = desk.ended(exit("a", "SBIN-EQ")).await;
        assert_eq!((left.status, left.filled_quantity), (Status::Executed, 6), "{:?}", left.reason);
        assert_eq!(fired(desk).pop().unwrap().tag, Some(Tag::Superseded));
        assert!(!desk.has_alarm("ALARM_EXIT_FAILED"));
        desk.until("the rule ends", |desk| rule(desk).is_none()).await;
        desk.at_rest().await;
    });
}

/// What is left keeps its rule, and its target is there again.
#[test]
fn whoever_leaves_in_part_or_wants_less_finds_the_target_armed_again_for_the_rest() {
    for part in [exit("a", "SBIN-EQ").of(4), target("a", 2)] {
        scenario(Setup::default(), async |desk| {
            rests_at_its_target(desk).await;
            let left = desk.order(part.clone()).await;
            desk.until("four are left", |desk| desk.held("a", &sbin()) == 2).await;
            assert_eq!(desk.until_ended(left).await.status, Status::Executed);
            desk.until("it stands as before", |desk| rule(desk).is_some_and(|rule| rule.fired.is_none())).await;
            trade(desk, "885");
            desk.until("the rest is sold at its target", |desk| desk.held("a", &sbin()) == 0).await;
            desk.at_rest().await;
        });
    }
}

/// Who takes a profit's limit back has not said that the position shall have no stop: what fires before that is proven goes by an exit
/// of its own.
#[test]
fn what_fires_while_a_targets_limit_is_taken_back_leaves_all_the_same() {
    for (cause, restarts) in [(Cause::Stop, false), (Cause::Stop, true), (Cause::Time, false)] {
        scenario(Setup::default(), async |desk| {
            let exit_at = (cause == Cause::Time).then(|| "1 minute".to_owned());
            rests_at_the_target_of(desk, LegDraft { exit_at, ..guarded("850", Some("880")) }).await;
            let limit = fired(desk).pop().unwrap().command_id;
            desk.always(CallKind::Cancel, Fault::Refuse("16388: not now".into()));
            assert!(desk.engine.cancel(&client(), limit, "asha", "not at this price").await.unwrap().is_applied());
            if cause == Cause::Stop {
                trade(desk, "849");
            }
            desk.until("it has fired", |desk| rule(desk).is_some_and(|rule| rule.fired.is_some_and(|fired| fired.cause == cause))).await;
            desk.pass_secs(3).await;
            assert_eq!(
                (desk.held("a", &sbin()), desk.row(limit).status),
                (6, Status::Partial),
                "it may fill still, and nothing goes beside it"
            );
            if restarts {
                desk.start_again();
                desk.until_open().await;
            }
            desk.heal();
            assert_eq!(desk.until_ended(limit).await.tag, Some(Tag::CancelledByUser));
            until_flat(desk).await;
            assert!(!desk.has_alarm("ALARM_EXIT_STUCK"), "{:?}", desk.texts("ALARM_EXIT_STUCK"));
            desk.at_rest().await;
        });
    }
}
