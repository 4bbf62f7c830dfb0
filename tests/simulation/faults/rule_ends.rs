//! The end of a rule, told by the fill that closes its position. The look that time brings would find it as well, a moment later: here
//! none comes.

use std::time::Duration;

use ordergate_actors::order::{LegDraft, Status};

use super::exit_rules::{guarded, rule, scenario, trade};
use crate::desk::{But, Desk, Setup, exit, price, sbin, sell};

/// Longer than anything here is waited for.
const NEVER: Duration = Duration::from_secs(86_400);

/// Polls, so that a trade comes with the trade book and nothing comes before it; and no look of time's.
fn without_looks() -> Setup {
    let mut setup = Setup::polled();
    setup.account.exits.look = NEVER;
    setup
}

/// Opens a position; its order's rule stands.
async fn opened(desk: &mut Desk, leg: LegDraft) {
    let entry = desk.ended(leg).await;
    desk.until("its rule stands", |desk| rule(desk).is_some_and(|rule| rule.order == Some(entry.command_id))).await;
}

/// Opens a position with a stop at 850 and closes it by a fill of which the watcher never hears: its rule stands on.
async fn closed_unheard(desk: &mut Desk) {
    opened(desk, guarded("850", None)).await;
    let resting = desk.order(exit("a", "SBIN-EQ").at("870")).await;
    desk.until_at_broker(resting).await;
    desk.pass_secs(3).await;
    *desk.engine.line().lose_next.lock() = Some("watcher::Committed");
    trade(desk, "870");
    desk.until_ended(resting).await;
    assert_eq!(*desk.engine.line().lose_next.lock(), None, "the commit of the closing fill was not told");
    desk.pass_secs(3).await;
    assert_eq!(desk.held("a", &sbin()), 0);
    assert_eq!(rule(desk).unwrap().stop, Some(price("850").value()), "nobody has heard that its position is gone");
}

#[test]
fn a_rule_ends_with_the_fill_that_closes_its_position_before_anybody_looks() {
    scenario(without_looks(), async |desk| {
        opened(desk, guarded("850", Some("880"))).await;
        let out = desk.ended(exit("a", "SBIN-EQ")).await;
        assert_eq!(out.status, Status::Executed);
        desk.until("the rule has ended", |desk| rule(desk).is_none()).await;
        assert_eq!(desk.texts("EXIT_RULE_ENDED").len(), 1);
        desk.at_rest().await;
    });
}

/// The closing fill is not told, so the old rule still stands when the next position's fill comes: the next one's rule takes its place,
/// and stays.
#[test]
fn the_end_of_a_rule_does_not_take_the_rule_of_the_next_position_away() {
    scenario(without_looks(), async |desk| {
        closed_unheard(desk).await;
        trade(desk, "860");
        opened(desk, guarded("845", None)).await;
        desk.pass_secs(3).await;
        assert_eq!(rule(desk).unwrap().stop, Some(price("845").value()));
        assert!(desk.texts("EXIT_RULE_ENDED").is_empty(), "no end is written");
        desk.at_rest().await;
    });
}

/// The same with a next position on the other side. Its fill ends the old rule, and its own rule is on disk before that end: the end was
/// built on what stands no more, and counts for nothing.
#[test]
fn nor_that_of_a_position_on_the_other_side() {
    scenario(without_looks(), async |desk| {
        closed_unheard(desk).await;
        trade(desk, "860");
        opened(desk, LegDraft { stop_loss: Some("875".to_owned()), ..sell("a", 10) }).await;
        desk.pass_secs(3).await;
        assert_eq!(rule(desk).unwrap().stop, Some(price("875").value()));
        assert!(desk.texts("EXIT_RULE_ENDED").is_empty(), "the end came too late, and is nothing");
        desk.at_rest().await;
    });
}
