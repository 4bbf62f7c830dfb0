//! The window between "the broker's book says filled" and "its trade is recorded": in it the strategy is not flat, and
//! nothing may be opened, turned or closed a second time. Here the trade book is silent and the stream mute, so that the
//! window stays open for as long as a scenario likes.

use ordergate::brokers::faulty::{CallKind, Fault};
use ordergate::simulator::exchange::NewOrder;
use ordergate_actors::order::{OrderType, Product, Quantity, Side, SignalDraft, Status, Tag, Terms, Validity};
use ordergate_actors::persistence::KillLevel;

use crate::desk::{But, Desk, Setup, buy, entry, exit, sbin, scenario, sell};

/// Filled by the order book, with no trade to show for it.
async fn filled_without_trades(desk: &Desk, leg: ordergate_actors::order::LegDraft) -> ordergate_actors::order::CommandId {
    desk.always(CallKind::Trades, Fault::Unknown("502".into()));
    let command = desk.order(leg).await;
    let row = desk.until_status(command, Status::Executed).await;
    assert_eq!((row.status, row.traded_quantity), (Status::Executed, 0));
    command
}

#[test]
fn a_strategy_whose_fill_is_outstanding_is_not_flat() {
    scenario(Setup::polled(), async |desk| {
        filled_without_trades(desk, buy("a", 10)).await;
        let again = desk.order(buy("a", 10)).await;
        assert_eq!(desk.row(again).tag, Some(Tag::ExecutionGuardBlocked), "{}", desk.reason(again));
        let elsewhere = desk.order(entry("a", "INFY-EQ", "BUY", 5)).await;
        assert_eq!(desk.row(elsewhere).tag, Some(Tag::ExecutionGuardBlocked));
        let against = desk.order(sell("b", 10)).await;
        assert_eq!(desk.row(against).tag, Some(Tag::ExecutionGuardBlocked), "another strategy on the other side");
        desk.heal();
        desk.until("the fill is held", |desk| desk.held("a", &sbin()) == 10).await;
        desk.at_rest().await;
    });
}

#[test]
fn an_adjustment_whose_fill_is_outstanding_is_not_made_twice() {
    scenario(Setup::polled(), async |desk| {
        desk.ended(buy("a", 3)).await;
        desk.until("the fill is held", |desk| desk.held("a", &sbin()) == 3).await;
        filled_without_trades(desk, sell("a", 3).kind("ADJUST")).await;
        let again = desk.order(sell("a", 3).kind("ADJUST")).await;
        assert_eq!(desk.row(again).status, Status::Failed, "{}", desk.trace());
        desk.heal();
        desk.until("flat", |desk| desk.held("a", &sbin()) == 0).await;
        assert_eq!(desk.net_at_broker(&sbin()), 0);
        desk.at_rest().await;
    });
}

/// A person who is afraid presses the button more than once.
#[test]
fn a_square_off_asked_for_many_times_sells_once() {
    scenario(Setup::polled(), async |desk| {
        desk.ended(buy("a", 11)).await;
        desk.until("the fill is held", |desk| desk.held("a", &sbin()) == 11).await;
        desk.pass_secs(2).await;
        // The positions are silent too: a kill goes on the last ones, which show what the first exit has sold.
        desk.always_all(&[CallKind::Trades, CallKind::Positions], &Fault::Unknown("502".into()));
        for _ in 0..7 {
            desk.kill(KillLevel::SquareOff).await;
            desk.pass_secs(2).await;
        }
        assert_eq!(desk.net_at_broker(&sbin()), 0, "{}", desk.trace());
        desk.heal();
        desk.until("flat", |desk| desk.held("a", &sbin()) == 0).await;
        desk.pass_secs(30).await;
        assert_eq!(desk.net_at_broker(&sbin()), 0);
        desk.at_rest().await;
    });
}

#[test]
fn a_kill_right_after_an_exit_does_not_sell_again() {
    scenario(Setup::polled(), async |desk| {
        desk.ended(buy("a", 1)).await;
        desk.until("the fill is held", |desk| desk.held("a", &sbin()) == 1).await;
        desk.pass_secs(2).await;
        desk.always_all(&[CallKind::Trades, CallKind::Positions], &Fault::Unknown("502".into()));
        let sold = desk.order(exit("a", "SBIN-EQ")).await;
        assert_eq!(desk.until_status(sold, Status::Executed).await.traded_quantity, 0);
        desk.kill(KillLevel::SquareOff).await;
        desk.pass_secs(20).await;
        assert_eq!(desk.net_at_broker(&sbin()), 0, "{}", desk.trace());
        desk.heal();
        desk.until("flat", |desk| desk.held("a", &sbin()) == 0).await;
        desk.at_rest().await;
    });
}

/// Without a key, an exit that came to nothing is not the same signal as the one that is needed now.
#[test]
fn an_exit_that_failed_before_is_not_a_replay_when_it_is_needed() {
    scenario(Setup::default(), async |desk| {
        let keyless = async |leg| {
            let draft = SignalDraft { idempotency_key: None, replay_window_ms: 60_000, ..desk.draft(&[leg]) };
            let answer = desk.engine.submit(draft).await.unwrap();
            (answer.replayed, *answer.orders.first().unwrap())
        };
        let (_, early) = keyless(exit("a", "SBIN-EQ")).await;
        assert_eq!(desk.row(early).tag, Some(Tag::NoPosition));
        desk.ended(buy("a", 10)).await;
        desk.until("the fill is held", |desk| desk.held("a", &sbin()) == 10).await;
        let (replayed, needed) = keyless(exit("a", "SBIN-EQ")).await;
        assert!(!replayed && needed != early);
        assert_eq!((desk.until_ended(needed).await.status, desk.net_at_broker(&sbin())), (Status::Executed, 0));
        let (replayed, same) = keyless(exit("a", "SBIN-EQ")).await;
        assert!(replayed && same == needed, "one that went is a replay");

        // Beside an entry that went, a failed exit does not make the body a new signal.
        let basket = [exit("b", "INFY-EQ"), entry("b", "RELIANCE-EQ", "BUY", 5)];
        let twice = [desk.draft(&basket), desk.draft(&basket)].map(|draft| SignalDraft {
            idempotency_key: None,
            replay_window_ms: 60_000,
            body_hash: [8; 32],
            ..draft
        });
        let mut answers = Vec::new();
        for draft in twice {
            answers.push(desk.engine.submit(draft).await.unwrap());
        }
        assert_eq!(desk.row(answers[0].orders[0]).tag, Some(Tag::NoPosition));
        assert!(answers[1].replayed && answers[0].orders == answers[1].orders, "{answers:?}");
        desk.at_rest().await;
    });
}

/// What the books settled while an order waited for its turn is not called: the call would make a second order.
#[test]
fn an_order_that_the_books_settled_while_it_waited_for_its_turn_is_not_called() {
    scenario(Setup::polled(), async |desk| {
        desk.next(CallKind::Place, Fault::Hang);
        let _hangs = desk.send(&[entry("h", "INFY-EQ", "BUY", 1)]);
        let _waits = desk.send(&[buy("a", 10)]);
        let sent = |desk: &Desk| desk.rows().into_iter().find(|row| row.ask.strategy.as_str() == "a" && row.status == Status::SentToBroker);
        desk.until("it is written ahead of its turn", |desk| sent(desk).is_some()).await;
        let row = sent(desk).unwrap();
        let terms = Terms {
            side: Side::Buy,
            quantity: Quantity::new(10).unwrap(),
            product: Product::Mis,
            order_type: OrderType::Market,
            validity: Validity::Day,
            price: None,
            trigger_price: None,
        };
        let twin = NewOrder { instrument: sbin(), terms, tag: Some(row.broker_tag.as_str().into()) };
        desk.broker.broker.inner().place_foreign(&twin).unwrap().unwrap();
        assert_eq!(desk.until_ended(row.command_id).await.status, Status::Executed);
        assert_eq!(desk.line().calls.lock().running(), 1, "the other call still holds the slot");
        desk.pass_secs(30).await;
        assert_eq!((desk.placed(), desk.net_at_broker(&sbin())), (1, 10));
        desk.at_rest().await;
    });
}
