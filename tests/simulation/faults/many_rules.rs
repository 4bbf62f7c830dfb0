//! More rules than one look takes.

use ordergate::brokers::faulty::{CallKind, Fault};
use ordergate_actors::order::LegDraft;
use ordergate_actors::persistence::Topic;

use super::exit_rules::{fired, scenario, trade};
use crate::desk::{But, Setup, buy, exit, sbin};
use crate::world::client;

/// Room for as many strategies as a test wants.
fn roomy(mut setup: Setup) -> Setup {
    let limits = &mut setup.account.limits;
    (limits.trades_per_day, limits.max_open_orders, limits.messages_per_minute) = (1_000, 1_000, 10_000);
    setup.account.permits = 1_000;
    setup
}

/// Each strategy has a rule of its own in the same instrument. Those whose turn comes between two ticks fire like the first.
#[test]
fn every_stop_fires_however_many_are_looked_at() {
    const RULES: usize = 300;
    scenario(roomy(Setup::default()), async |desk| {
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

/// Before the process died its position was closed and another opened, which has no rule, and nobody has heard of either. The rule of the first comes last of more than one
/// look takes, and its time is up: it leaves nothing that is not its own.
#[test]
fn the_rule_of_a_position_that_is_gone_does_not_leave_the_next_however_many_are_looked_at() {
    scenario(roomy(Setup::polled()), async |desk| {
        for name in 0..130 {
            let stop_loss = Some("100 points".to_owned());
            desk.ended(LegDraft { stop_loss, ..buy(&format!("s{name}"), 1) }).await;
        }
        desk.ended(LegDraft { exit_at: Some("2 minutes".to_owned()), ..buy("z", 10) }).await;
        let out = desk.order(exit("z", "SBIN-EQ").at("870")).await;
        let next = desk.order(buy("z", 10).kind("ADJUST").at("850")).await;
        desk.until_at_broker(out).await;
        desk.until_at_broker(next).await;
        desk.pass_secs(5).await;
        // The broker looks at its market with each call; nothing of the answers comes back.
        desk.always_all(&[CallKind::Orders, CallKind::Trades, CallKind::Positions], &Fault::LoseReply("reset".into()));
        trade(desk, "871");
        desk.until("it is closed at the broker", |desk| desk.net_at_broker(&sbin()) == 130).await;
        trade(desk, "849");
        desk.until("and opened again", |desk| desk.net_at_broker(&sbin()) == 140).await;
        desk.kill_process();
        desk.pass_secs(150).await;
        desk.heal();
        desk.start_again();
        desk.until_open().await;
        desk.pass_secs(5).await;
        assert_eq!((desk.held("z", &sbin()), fired(desk).len()), (10, 0), "{}", desk.trace());
        desk.at_rest().await;
    });
}
