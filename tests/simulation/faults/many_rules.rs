//! More rules than one look takes.

use ordergate_actors::order::LegDraft;
use ordergate_actors::persistence::Topic;

use super::exit_rules::{fired, scenario, trade};
use crate::desk::{Setup, buy, sbin};
use crate::world::client;

/// Each strategy has a rule of its own in the same instrument. Those whose turn comes between two ticks fire like the first.
#[test]
fn every_stop_fires_however_many_are_looked_at() {
    const RULES: usize = 300;
    let mut setup = Setup::default();
    let limits = &mut setup.account.limits;
    (limits.trades_per_day, limits.max_open_orders, limits.messages_per_minute) = (1_000, 1_000, 10_000);
    setup.account.permits = 1_000;
    scenario(setup, async |desk| {
        for name in 0..RULES {
            let stop_loss = Some("10 points".to_owned());
            desk.ended(LegDraft { stop_loss, ..buy(&format!("s{name}"), 1) }).await;
        }
        let rules = |desk: &crate::desk::Desk| desk.engine.read(&client(), |book| book.kept_of(Topic::ExitRule).count()).unwrap();
        desk.until("every rule stands", |desk| rules(desk) == RULES).await;
        trade(desk, "845");
        desk.until("flat", |desk| desk.net_at_broker(&sbin()) == 0 && rules(desk) == 0).await;
        assert_eq!(fired(desk).len(), RULES);
        desk.at_rest().await;
    });
}
