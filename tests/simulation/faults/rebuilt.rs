//! The journal is the truth: replayed from its first row, it makes exactly what risk, guard, exits and plans judge by. Every
//! scenario ends with that check; here everything stands at once, and it is looked at in the middle of each.

use ordergate::brokers::faulty::{CallKind, Fault};
use ordergate_actors::order::{Amount, LegDraft, Tag};
use ordergate_actors::persistence::{Keep, KillLevel, Level, Slot, Topic};
use ordergate_actors::ports::Clock;
use ordergate_actors::risk::{LimitName, Override};

use crate::desk::{But, Desk, Setup, buy, entry, exit, nse, price, rupees, sbin, scenario};
use crate::world::client;

fn kept(desk: &Desk, topic: Topic) -> usize {
    desk.engine.read(&client(), |book| book.kept_of(topic).count()).unwrap()
}

/// Positions with rules, a basket that waits, working orders, one in doubt, a halted strategy, an override.
async fn everything(desk: &Desk) {
    let said = |text: &str| Some(text.to_owned());
    desk.ended(LegDraft { stop_loss: said("700"), target: said("900"), ..buy("a", 10) }).await;
    desk.ended(entry("b", "RELIANCE-EQ", "SELL", 5)).await;
    desk.until("the rule stands", |desk| kept(desk, Topic::ExitRule) > 0).await;
    desk.gates_agree();

    for _ in 0..2 {
        desk.ended(entry("scalp", "M&M-EQ", "BUY", 1)).await;
        desk.ended(exit("scalp", "M&M-EQ")).await;
    }
    desk.order(entry("scalp", "M&M-EQ", "BUY", 1)).await;
    desk.until("a strategy is halted", |desk| kept(desk, Topic::Halt) == 1).await;
    desk.gates_agree();

    let hedge = LegDraft { policy: said("HEDGE_FIRST"), ..entry("n", "INFY-EQ", "BUY", 10).at("1490") };
    let short = LegDraft { policy: said("HEDGE_FIRST"), ..entry("n", "M&M-EQ", "SELL", 5) };
    let basket = desk.alert(&[hedge, short]).await;
    desk.until_at_broker(basket[0]).await;
    let working = desk.order(entry("w", "RELIANCE-EQ", "SELL", 2).at("1500")).await;
    desk.until_at_broker(working).await;
    desk.gates_agree();

    let now = desk.clock.now();
    let set = Override {
        limit: LimitName::MaxPosition,
        value: 5_000.into(),
        who: "asha".into(),
        reason: "for a while".into(),
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
        reason: "for a while".into(),
        who: "asha".into(),
        command_id: None,
    };
    assert!(desk.engine.keep(keep.with(&set).unwrap()).await.unwrap().is_applied());
    desk.gates_agree();

    desk.plan(ordergate::brokers::faulty::FaultPlan::none().always(CallKind::Orders, Fault::Unknown("502".into())));
    desk.next(CallKind::Place, Fault::LoseReply("reset".into()));
    let doubted = desk.order(entry("d", "SBIN-EQ", "BUY", 1)).await;
    desk.until_tag(doubted, Tag::SendUnconfirmed).await;
    desk.gates_agree();
}

#[test]
fn a_replay_of_the_journal_makes_exactly_what_risk_guard_exits_and_plans_judge_by() {
    let mut setup = Setup::polled();
    setup.account.limits.daily_loss = rupees(400);
    setup.account.limits.loss_step = Amount::ZERO;
    setup.account.limits.repeats = 2;
    scenario(setup, async |desk| {
        everything(desk).await;
        desk.start_again();
        desk.gates_agree();
        desk.heal();
        desk.until_open().await;
        desk.gates_agree();

        // The breach, with its exits under way.
        desk.next(CallKind::Place, Fault::Late(std::time::Duration::from_millis(1_500)));
        desk.market.set(&sbin(), price("750"), price("750.05"), price("750"));
        desk.until_alarm("ALARM_RISK_BREACH").await;
        desk.gates_agree();
        desk.until("flat", |desk| desk.held("a", &sbin()) == 0 && desk.held("b", &nse("RELIANCE-EQ")) == 0).await;
        desk.gates_agree();
        desk.kill(KillLevel::StopEntries).await;
        desk.start_again();
        desk.until_open().await;
        desk.gates_agree();
        for topic in [Topic::RiskDay, Topic::Halt, Topic::Override] {
            assert!(kept(desk, topic) > 0, "{}", topic.as_str());
        }
        desk.at_rest().await;
    });
}
