//! Messages to BrokerActor that a full mailbox dropped: each comes to its end without them.

use std::time::Duration;

use ordergate::brokers::faulty::{CallKind, Fault};
use ordergate_actors::order::{CommandId, Status, Tag};
use ordergate_actors::risk::{Change, ChangeAnswer};

use crate::desk::{But, Desk, Setup, buy, entry, price, scenario};

/// The next message of the name is lost.
fn lose(desk: &Desk, name: &'static str) {
    *desk.engine.line().lose_next.lock() = Some(name);
}

async fn until_lost(desk: &Desk) {
    desk.until("it is lost", |desk| desk.engine.line().lose_next.lock().is_none()).await;
}

#[test]
fn an_order_goes_on_whichever_message_about_it_is_lost() {
    for name in ["::Place", "::SendCommitted", "::CallDone", "::Read", "::ReadDone"] {
        scenario(Setup::polled(), async |desk| {
            lose(desk, name);
            let answer = desk.send(&[buy("a", 10)]);
            until_lost(desk).await;
            let command = answer.await.unwrap().unwrap().orders[0];
            let row = desk.until_ended(command).await;
            assert_eq!((row.status, row.tag, desk.placed()), (Status::Executed, None, 1), "{name}");
            desk.at_rest().await;
        });
    }
}

/// The ticket of an order is lost, and PersistenceActor has no room when it is to go down the line again.
#[test]
fn a_lost_order_is_driven_by_a_later_poll_when_there_is_no_room_for_it() {
    for name in ["::Assess", "::Admit", "::Place"] {
        scenario(Setup::polled(), async |desk| {
            lose(desk, name);
            let answer = desk.send(&[buy("a", 10), entry("a2", "INFY-EQ", "BUY", 5)]);
            until_lost(desk).await;
            lose(desk, "try_post");
            until_lost(desk).await;
            // The caller's answer may have been lost with the message; the record tells what there is.
            drop(answer.await);
            let client = desk.engine.line().desks().next().unwrap().client_id.clone();
            let newest = |book: &ordergate_actors::persistence::Book| book.newest().map(|order| order.command_id).collect::<Vec<_>>();
            let commands = desk.engine.read(&client, newest).unwrap();
            for command in &commands {
                let row = desk.until_ended(*command).await;
                assert_eq!((row.status, row.tag), (Status::Executed, None), "{name}: {:?}", row.reason);
            }
            assert_eq!((commands.len(), desk.placed()), (2, 2), "{name}");
            desk.at_rest().await;
        });
    }
}

#[test]
fn a_slot_is_free_again_when_its_deadline_is_lost() {
    scenario(Setup::polled(), async |desk| {
        lose(desk, "::SlotDeadline");
        desk.next(CallKind::Place, Fault::Hang);
        let hung = desk.send(&[buy("a", 10)]);
        until_lost(desk).await;
        let hung = hung.await.unwrap().unwrap().orders[0];
        assert_eq!(desk.until_ended(hung).await.tag, Some(Tag::NotAtBroker));
        assert_eq!(desk.ended(buy("b", 1)).await.status, Status::Executed);
        desk.at_rest().await;
    });
}

#[test]
fn a_cancel_comes_again_whichever_message_about_it_is_lost() {
    for name in ["::CancelOrder", "::CallCommitted"] {
        scenario(Setup::polled(), async |desk| {
            let command = desk.order(buy("a", 10).at("790")).await;
            let client = desk.until_at_broker(command).await.client_id;
            lose(desk, name);
            assert!(desk.engine.cancel(&client, command, "me", "").await.unwrap().is_applied());
            until_lost(desk).await;
            assert_eq!(desk.until_ended(command).await.tag, Some(Tag::CancelledByUser), "{name}");
            assert_eq!(desk.broker.started("cancel"), 1, "{name}");
            desk.at_rest().await;
        });
    }
}

async fn change(desk: &Desk, command_id: CommandId, to: &str) -> ChangeAnswer {
    let client_id = desk.row(command_id).client_id;
    let change =
        Change { client_id, command_id, quantity: None, price: Some(price(to)), trigger_price: None, order_type: None, who: "me".into() };
    desk.engine.modify(change).await.unwrap()
}

#[test]
fn a_change_says_that_it_was_lost_and_the_next_one_goes() {
    for name in ["::ModifyOrder", "::CallCommitted"] {
        scenario(Setup::polled(), async |desk| {
            let command = desk.order(buy("a", 10).at("790")).await;
            desk.until_at_broker(command).await;
            lose(desk, name);
            assert_eq!(change(desk, command, "791").await, ChangeAnswer::Asked);
            until_lost(desk).await;
            let replies = |desk: &Desk| desk.events(command).iter().filter(|event| *event == "MODIFY_REPLIED").count();
            desk.until("its end is on disk", |desk| replies(desk) == 1).await;
            assert_eq!(desk.broker.started("modify"), 0, "{name}");
            assert_eq!(change(desk, command, "792").await, ChangeAnswer::Asked);
            desk.until("the next one is answered", |desk| replies(desk) == 2).await;
            desk.until("the book shows it", |desk| desk.row(command).ask.price == Some(price("792"))).await;
            desk.at_rest().await;
        });
    }
}

#[test]
fn a_quote_that_is_lost_is_waited_for_no_longer_than_any() {
    let setup = Setup { can: |row| row.takes_market_orders = false, ..Setup::polled() };
    scenario(setup, async |desk| {
        desk.board("800.05", Duration::from_secs(60));
        lose(desk, "::Quoted");
        let answer = desk.send(&[buy("a", 10)]);
        until_lost(desk).await;
        let command = answer.await.unwrap().unwrap().orders[0];
        let row = desk.until_ended(command).await;
        assert_eq!((row.status, row.tag), (Status::Failed, Some(Tag::RiskLimitsExceeded)));
        desk.at_rest().await;
    });
}
