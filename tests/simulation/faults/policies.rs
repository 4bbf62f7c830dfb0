//! Baskets with a policy: what goes when, what is taken back, and what a restart in the middle makes of it.

use std::time::Duration;

use ordergate::brokers::faulty::{CallKind, Fault};
use ordergate::simulator::market::Level;
use ordergate_actors::order::{LegDraft, Status, Tag};

use crate::desk::{But, Desk, Setup, buy, entry, exit, nse, price, sbin, scenario};
use crate::world::client;

fn by(policy: &str, legs: &[LegDraft]) -> Vec<LegDraft> {
    legs.iter().map(|leg| LegDraft { policy: Some(policy.into()), ..leg.clone() }).collect()
}

fn hedge() -> LegDraft {
    entry("n", "INFY-EQ", "BUY", 10)
}

fn short() -> LegDraft {
    entry("n", "RELIANCE-EQ", "SELL", 5)
}

async fn over(desk: &Desk) {
    desk.until("the plan is over", |desk| desk.plans() == 0).await;
}

fn net(desk: &Desk, symbol: &str) -> i64 {
    desk.net_at_broker(&nse(symbol))
}

#[test]
fn best_effort_lets_the_good_legs_go() {
    scenario(Setup::default(), async |desk| {
        let bad = [entry("n", "NOSUCH-EQ", "BUY", 1), entry("n", "INFY-EQ", "BUY", 5_000)];
        for bad in bad {
            let orders = desk.alert(&by("BEST_EFFORT", &[bad, short()])).await;
            assert_eq!(desk.row(orders[0]).status, Status::Failed);
            assert_eq!(desk.until_ended(orders[1]).await.status, Status::Executed, "{}", desk.trace());
            over(desk).await;
            desk.ended(exit("n", "RELIANCE-EQ")).await;
            desk.pass_secs(3).await;
        }
        desk.at_rest().await;
    });
}

#[test]
fn a_policy_that_nobody_knows_refuses_every_leg() {
    scenario(Setup::default(), async |desk| {
        for command in desk.alert(&by("SOMEHOW", &[hedge(), short()])).await {
            assert_eq!(desk.row(command).tag, Some(Tag::ValidationFailed));
            assert!(desk.reason(command).contains("policy"), "{}", desk.reason(command));
        }
        let mixed = [by("HEDGE_FIRST", &[hedge()]), by("BEST_EFFORT", &[short()])].concat();
        for command in desk.alert(&mixed).await {
            assert!(desk.reason(command).contains("one policy"), "{}", desk.reason(command));
        }
        assert_eq!((desk.placed(), desk.plans()), (0, 0));
    });
}

/// The hedge rests: the short waits, goes with its fill, and not without it.
#[test]
fn hedge_first_sells_nothing_before_the_hedge_has_filled() {
    scenario(Setup::default(), async |desk| {
        let orders = desk.alert(&by("HEDGE_FIRST", &[short(), hedge().at("1490")])).await;
        desk.until_at_broker(orders[1]).await;
        desk.pass_secs(5).await;
        assert_eq!((desk.row(orders[0]).status, desk.placed()), (Status::Created, 1));
        desk.market.set(&nse("INFY-EQ"), price("1489"), price("1489.05"), price("1489"));
        let sold = desk.until_ended(orders[0]).await;
        assert_eq!((sold.status, net(desk, "INFY-EQ"), net(desk, "RELIANCE-EQ")), (Status::Executed, 10, -5), "{}", desk.trace());
        over(desk).await;
        desk.at_rest().await;
    });
}

#[test]
fn hedge_first_never_sells_when_the_hedge_is_refused_and_ends_when_it_is_too_late() {
    scenario(Setup::default(), async |desk| {
        desk.next(CallKind::Place, Fault::Refuse("RED:margin".into()));
        let orders = desk.alert(&by("HEDGE_FIRST", &[short(), hedge()])).await;
        let short_row = desk.until_ended(orders[0]).await;
        assert_eq!((short_row.tag, short_row.sent_at), (Some(Tag::PlanStopped), None), "{:?}", short_row.reason);
        over(desk).await;
        assert!(!desk.has_alarm("ALARM_PLAN_STOPPED"), "nothing is held");
        // The hedge rests beyond the short's time to live, and then fills: a person hears that it stands alone.
        let orders = desk.alert(&by("HEDGE_FIRST", &[short(), hedge().at("1490")])).await;
        assert_eq!(desk.until_ended(orders[0]).await.tag, Some(Tag::StaleSignal));
        desk.market.set(&nse("INFY-EQ"), price("1489"), price("1489.05"), price("1489"));
        desk.until_ended(orders[1]).await;
        desk.until_alarm("ALARM_PLAN_STOPPED").await;
        assert_eq!((net(desk, "INFY-EQ"), net(desk, "RELIANCE-EQ")), (10, 0));
        desk.at_rest().await;
    });
}

/// The reply to the hedge is lost: unknown is not failed, and not filled.
#[test]
fn a_hedge_in_doubt_is_waited_for() {
    scenario(Setup::polled(), async |desk| {
        desk.next(CallKind::Orders, Fault::Unknown("502".into()));
        desk.next(CallKind::Place, Fault::LoseReply("reset".into()));
        let orders = desk.alert(&by("HEDGE_FIRST", &[short(), hedge()])).await;
        let (sold, bought) = (desk.until_ended(orders[0]).await, desk.until_ended(orders[1]).await);
        assert_eq!((sold.status, bought.status), (Status::Executed, Status::Executed), "{}", desk.trace());
        assert!(sold.sent_at > bought.sent_at);
        over(desk).await;
        desk.at_rest().await;
    });
}

#[test]
fn wait_for_fill_sends_one_after_the_other() {
    scenario(Setup::default(), async |desk| {
        let legs = by("WAIT_FOR_FILL", &[hedge(), entry("n", "SBIN-EQ", "BUY", 3), short()]);
        let orders = desk.alert(&legs).await;
        let mut rows = Vec::new();
        for command in orders {
            rows.push(desk.until_ended(command).await);
        }
        assert!(rows.iter().all(|row| row.status == Status::Executed), "{}", desk.trace());
        over(desk).await;
        desk.at_rest().await;
    });
}

#[test]
fn exit_then_enter_waits_for_the_proof_that_the_exit_is_in_the_positions() {
    scenario(Setup::polled(), async |desk| {
        desk.ended(buy("n", 10)).await;
        desk.pass_secs(3).await;
        desk.always(CallKind::Positions, Fault::Unknown("502".into()));
        let orders = desk.alert(&by("EXIT_THEN_ENTER", &[short(), exit("n", "SBIN-EQ")])).await;
        assert_eq!(desk.until_ended(orders[1]).await.status, Status::Executed);
        desk.pass_secs(2).await;
        assert_eq!(desk.row(orders[0]).status, Status::Created, "the positions do not show it yet");
        desk.heal();
        let entered = desk.until_ended(orders[0]).await;
        assert_eq!((entered.status, net(desk, "SBIN-EQ"), net(desk, "RELIANCE-EQ")), (Status::Executed, 0, -5), "{}", desk.trace());
        over(desk).await;
        desk.at_rest().await;
    });
}

/// Exits go by themselves, whatever the policy: also one that is a mock, which would else wait for its own end.
#[test]
fn a_mock_exit_of_a_basket_ends_and_holds_nobody_up() {
    scenario(Setup::default(), async |desk| {
        desk.ended(entry("n", "SBIN-EQ", "BUY", 10)).await;
        let mock = LegDraft { test_mode: Some("SUCCESS".into()), ..exit("n", "SBIN-EQ") };
        let orders = desk.alert(&by("EXIT_THEN_ENTER", &[mock, short()])).await;
        assert_eq!(desk.until_ended(orders[0]).await.status, Status::Executed, "{}", desk.trace());
        // A mock moves nothing: the strategy still holds what its entry would come beside.
        assert_eq!(desk.until_ended(orders[1]).await.tag, Some(Tag::ExecutionGuardBlocked), "{}", desk.trace());
        over(desk).await;
        assert_eq!((net(desk, "SBIN-EQ"), net(desk, "RELIANCE-EQ")), (10, 0));
        desk.at_rest().await;
    });
}

/// One leg fails: what the others have filled is taken back, and what a neighbour holds in the same share stays.
#[test]
fn all_or_unwind_takes_back_what_filled_and_touches_nothing_else() {
    scenario(Setup::default(), async |desk| {
        desk.ended(entry("other", "INFY-EQ", "BUY", 7)).await;
        desk.pass_secs(2).await;
        let orders = desk.alert(&by("ALL_OR_UNWIND", &[hedge(), entry("n", "M&M-EQ", "BUY", 2).at("3200"), short()])).await;
        let [bought, resting, sold] = [orders[0], orders[1], orders[2]];
        assert_eq!((desk.until_ended(bought).await.filled_quantity, desk.until_ended(sold).await.filled_quantity), (10, 5));
        desk.until_at_broker(resting).await;
        desk.pass_secs(5).await;
        assert!(desk.children_of(bought).is_empty() && desk.plans() == 1, "a leg that rests has not failed");
        assert!(desk.engine.cancel(&client(), resting, "me", "").await.unwrap().is_applied());
        over(desk).await;
        for (leg, quantity) in [(bought, 10), (sold, 5)] {
            let out: Vec<_> = desk.children_of(leg).iter().map(|exit| (exit.status, exit.filled_quantity)).collect();
            assert_eq!(out, [(Status::Executed, quantity)], "{}", desk.trace());
        }
        assert_eq!((net(desk, "INFY-EQ"), net(desk, "RELIANCE-EQ"), net(desk, "M&M-EQ")), (7, 0, 0), "the neighbour keeps its 7");
        assert_eq!(desk.texts("PLAN_STEP").len(), 2, "each compensation says why");
        let placed: Vec<String> = desk.broker.writes().into_iter().filter(|call| call.starts_with("place")).collect();
        assert_eq!(placed[placed.len() - 2..], ["place RELIANCE-EQ BUY", "place INFY-EQ SELL"], "no short stands alone");
        desk.at_rest().await;
    });
}

/// Nobody sells the short back: its hedge waits for it, and goes with a page.
#[test]
fn a_hedge_that_is_taken_back_waits_for_its_short_and_goes_with_a_page() {
    scenario(Setup::default(), async |desk| {
        let orders = desk.alert(&by("ALL_OR_UNWIND", &[hedge(), entry("n", "M&M-EQ", "BUY", 2).at("3200"), short()])).await;
        assert_eq!((desk.until_ended(orders[0]).await.filled_quantity, desk.until_ended(orders[2]).await.filled_quantity), (10, 5));
        desk.until_at_broker(orders[1]).await;
        let level = |text: &str| vec![Level { price: price(text), quantity: 10_000 }];
        desk.market.set_depth(&nse("RELIANCE-EQ"), level("1400"), Vec::new(), price("1400"));
        assert!(desk.engine.cancel(&client(), orders[1], "me", "").await.unwrap().is_applied());
        desk.until("the short is to be bought back", |desk| !desk.children_of(orders[2]).is_empty()).await;
        desk.pass_secs(15).await;
        assert!(desk.children_of(orders[0]).is_empty() && !desk.has_alarm("ALARM_EXIT_UNCOVERS"), "{}", desk.trace());
        desk.until_alarm("ALARM_EXIT_UNCOVERS").await;
        assert!(desk.texts("ALARM_EXIT_UNCOVERS")[0].contains("RELIANCE-EQ, sold in the same basket, is not bought back yet"));
        desk.until("the hedge goes all the same", |desk| net(desk, "INFY-EQ") == 0).await;
        assert_eq!(net(desk, "RELIANCE-EQ"), -5);
        desk.market.set(&nse("RELIANCE-EQ"), price("1400"), price("1400.05"), price("1400"));
        over(desk).await;
        assert_eq!(net(desk, "RELIANCE-EQ"), 0);
        desk.at_rest().await;
    });
}

/// The first leg is rejected while the second one rests: that one is cancelled, with the reason on its row.
#[test]
fn all_or_unwind_cancels_what_rests() {
    scenario(Setup::default(), async |desk| {
        desk.next(CallKind::Place, Fault::Refuse("RED:margin".into()));
        let orders = desk.alert(&by("ALL_OR_UNWIND", &[hedge(), short().at("1500")])).await;
        assert_eq!(desk.until_ended(orders[0]).await.tag, Some(Tag::BrokerRejected));
        let other = desk.until_ended(orders[1]).await;
        assert!(matches!(other.tag, Some(Tag::BasketUnwound | Tag::PlanStopped)), "{:?} {:?}", other.tag, other.reason);
        over(desk).await;
        assert_eq!((other.filled_quantity, net(desk, "RELIANCE-EQ")), (0, 0));
        desk.at_rest().await;
    });
}

/// A leg is rejected while another is in doubt: it is waited for, and taken back once the book has told that it filled.
#[test]
fn a_leg_in_doubt_is_never_unwound_blindly() {
    scenario(Setup::polled(), async |desk| {
        desk.next(CallKind::Orders, Fault::Unknown("502".into()));
        desk.next(CallKind::Place, Fault::LoseReply("reset".into()));
        desk.next(CallKind::Place, Fault::Refuse("RED:margin".into()));
        let orders = desk.alert(&by("ALL_OR_UNWIND", &[hedge(), short()])).await;
        let bought = desk.until_ended(orders[0]).await;
        assert_eq!(desk.until_ended(orders[1]).await.tag, Some(Tag::BrokerRejected));
        over(desk).await;
        let out = desk.children_of(bought.command_id);
        assert_eq!((bought.filled_quantity, out.len(), out[0].filled_quantity), (10, 1, 10), "{}", desk.trace());
        let settled = desk.steps(bought.command_id).iter().any(|step| step.tag == Some(Tag::SendUnconfirmed));
        assert!(settled && out[0].created_at >= bought.updated_at, "the exit came after the truth");
        assert_eq!((net(desk, "INFY-EQ"), net(desk, "RELIANCE-EQ")), (0, 0));
        desk.at_rest().await;
    });
}

/// Killed between the failure and the exit: the next process takes back what filled, once.
#[test]
fn a_restart_in_the_middle_of_an_unwinding_goes_on_with_it() {
    for hangs in [false, true] {
        scenario(Setup::polled(), async |desk| {
            desk.next(CallKind::Place, Fault::Late(Duration::ZERO));
            desk.next(CallKind::Place, Fault::Refuse("RED:margin".into()));
            if hangs {
                // The exit reaches the broker, and the process dies without its answer.
                desk.next(CallKind::Place, Fault::HangAfter);
            }
            let orders = desk.alert(&by("ALL_OR_UNWIND", &[hedge(), short()])).await;
            desk.until("the exit is on disk", |desk| !desk.children_of(orders[0]).is_empty()).await;
            if hangs {
                desk.until("it has reached the broker", |desk| net(desk, "INFY-EQ") == 0 && desk.placed() == 3).await;
            }
            desk.kill_process();
            desk.heal();
            desk.start_again();
            desk.until_open().await;
            over(desk).await;
            let closed: i64 = desk.children_of(orders[0]).iter().map(|exit| exit.filled_quantity).sum();
            assert_eq!((closed, net(desk, "INFY-EQ"), net(desk, "RELIANCE-EQ")), (10, 0, 0), "{}", desk.trace());
            assert!(desk.held("n", &sbin()) == 0 && !desk.has_alarm("ALARM_PLAN_STOPPED"));
            desk.at_rest().await;
        });
    }
}

/// What cannot be taken back is said aloud.
#[test]
fn an_unwinding_that_is_rejected_pages_that_it_is_not_flat() {
    scenario(Setup::default(), async |desk| {
        desk.next(CallKind::Place, Fault::Late(Duration::ZERO));
        desk.next(CallKind::Place, Fault::Refuse("RED:margin".into()));
        desk.next(CallKind::Place, Fault::Refuse("RED:frozen".into()));
        let orders = desk.alert(&by("ALL_OR_UNWIND", &[hedge(), short()])).await;
        desk.until_alarm("ALARM_PLAN_STOPPED").await;
        over(desk).await;
        assert!(desk.texts("ALARM_PLAN_STOPPED")[0].contains("NOT FLAT: 10 of leg 1"), "{:?}", desk.texts("ALARM_PLAN_STOPPED"));
        assert_eq!((desk.children_of(orders[0]).len(), net(desk, "INFY-EQ")), (1, 10));
        desk.at_rest().await;
    });
}
