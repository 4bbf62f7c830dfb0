//! Market orders at a broker that takes none, and how often an order may be changed.

use std::time::Duration;

use ordergate::brokers::faulty::{CallKind, Fault};
use ordergate_actors::order::{OrderType, Price, Status, Tag};
use ordergate_actors::risk::{Change, ChangeAnswer};

use crate::desk::{But, Desk, Setup, buy, entry, exit, price, sbin, scenario};

const OLD: Duration = Duration::from_secs(60);

fn setup() -> Setup {
    Setup { can: |row| row.takes_market_orders = false, ..Setup::default() }
}

fn quotes_asked(desk: &Desk) -> u64 {
    desk.broker.broker.calls(CallKind::Quote)
}

#[test]
fn a_fresh_quote_is_used_as_it_is_and_the_order_stays_a_market_order_on_paper() {
    scenario(setup(), async |desk| {
        let row = desk.ended(buy("a", 10)).await;
        assert_eq!((row.status, row.ask.order_type, row.ask.price), (Status::Executed, Some(OrderType::Market), Some(price("800.05"))));
        assert_eq!(quotes_asked(desk), 0);
        assert_eq!(desk.ended(exit("a", "SBIN-EQ")).await.status, Status::Executed);
        desk.at_rest().await;
    });
}

#[test]
fn a_basket_waits_for_a_quote_together_and_nobody_else_does() {
    scenario(setup(), async |desk| {
        desk.board("700", OLD);
        desk.next(CallKind::Quote, Fault::Slow(Duration::from_millis(300)));
        let waits = desk.send(&[buy("a", 10), entry("a", "INFY-EQ", "BUY", 1).at("1490")]);
        desk.pass(Duration::from_millis(100)).await;
        assert_eq!(desk.placed(), 0, "its legs wait together");
        let other = desk.order(entry("b", "RELIANCE-EQ", "BUY", 1).at("1300")).await;
        desk.until_at_broker(other).await;
        assert_eq!(desk.placed(), 1, "the line goes on");
        let orders = waits.await.unwrap().unwrap().orders;
        assert_eq!(desk.until_ended(orders[0]).await.ask.price, Some(price("800.05")), "the price that was asked for");
        desk.until_at_broker(orders[1]).await;
        assert_eq!(quotes_asked(desk), 1);
        desk.at_rest().await;
    });
}

#[test]
fn without_a_quote_an_entry_is_refused_and_an_exit_goes_at_the_last_known_price() {
    scenario(setup(), async |desk| {
        desk.ended(buy("a", 10)).await;
        desk.pass_secs(2).await;
        desk.board("799", OLD);
        for fault in [Fault::Hang, Fault::Refuse("no such symbol".into())] {
            desk.next(CallKind::Quote, fault);
            let row = desk.ended(entry("b", "INFY-EQ", "BUY", 1)).await;
            assert_eq!((row.status, row.tag, row.sent_at), (Status::Failed, Some(Tag::RiskLimitsExceeded), None));
            assert!(desk.reason(row.command_id).contains("no fresh quote"));
        }
        desk.next(CallKind::Quote, Fault::Hang);
        let row = desk.ended(exit("a", "SBIN-EQ")).await;
        assert_eq!((row.status, row.ask.price), (Status::Executed, Some(price("799"))));
        desk.at_rest().await;
    });
}

#[test]
fn a_restart_of_the_actor_while_an_order_waits_for_its_quote_loses_nothing() {
    scenario(setup(), async |desk| {
        desk.board("700", OLD);
        desk.next(CallKind::Quote, Fault::Slow(Duration::from_millis(700)));
        let waits = desk.send(&[buy("a", 10)]);
        desk.pass(Duration::from_millis(50)).await;
        desk.panic_in("BrokerActor").await;
        let command = waits.await.unwrap().unwrap().orders[0];
        assert_eq!(desk.until_ended(command).await.status, Status::Executed);
        assert_eq!(desk.placed(), 1);
        desk.at_rest().await;
    });
}

/// The market ran away: the entry rests, is cancelled when its time is up, and the process is restarted meanwhile.
#[test]
fn an_entry_that_came_as_market_and_rests_is_cancelled_also_after_a_restart() {
    scenario(setup(), async |desk| {
        desk.board("790", Duration::ZERO);
        let rests = desk.order(buy("a", 10)).await;
        let limit = desk.order(entry("b", "INFY-EQ", "BUY", 1).at("1490")).await;
        desk.until_at_broker(rests).await;
        desk.until_at_broker(limit).await;
        desk.pass_secs(4).await;
        desk.start_again();
        desk.until_open().await;
        let row = desk.until_ended(rests).await;
        assert_eq!((row.status, row.tag, row.filled_quantity), (Status::Failed, Some(Tag::MarketTimeout), 0));
        let waited = (row.updated_at - row.sent_at.unwrap()).num_seconds();
        assert!((10..=14).contains(&waited), "{waited} s");
        desk.until_alarm("ALARM_MARKET_ENTRY_RESTS").await;
        assert!(desk.texts("ALARM_MARKET_ENTRY_RESTS")[0].contains("10 of 10 rest"), "{:?}", desk.texts("ALARM_MARKET_ENTRY_RESTS"));
        desk.pass_secs(20).await;
        assert_eq!(desk.row(limit).status, Status::SentToBroker, "a limit order rests as long as it likes");
        desk.at_rest().await;
    });
}

async fn change(desk: &Desk, command_id: ordergate_actors::order::CommandId, to: Price) -> ChangeAnswer {
    let client_id = desk.row(command_id).client_id;
    let change = Change { client_id, command_id, quantity: None, price: Some(to), trigger_price: None, who: "me".into() };
    desk.engine.modify(change).await.unwrap()
}

fn replies(desk: &Desk, command_id: ordergate_actors::order::CommandId) -> usize {
    desk.events(command_id).iter().filter(|event| *event == "MODIFY_REPLIED").count()
}

#[test]
fn an_order_is_changed_as_often_as_the_broker_takes_it_counted_over_restarts() {
    let setup = Setup { can: |row| row.max_modifications = Some(2), ..Setup::default() };
    scenario(setup, async |desk| {
        let command = desk.order(buy("a", 10).at("790")).await;
        desk.until_at_broker(command).await;
        for (n, to) in ["791", "792"].into_iter().enumerate() {
            assert_eq!(change(desk, command, price(to)).await, ChangeAnswer::Asked);
            desk.until("it is answered", |desk| replies(desk, command) == n + 1).await;
        }
        desk.start_again();
        desk.until_open().await;
        let ChangeAnswer::Refused(reason) = change(desk, command, price("793")).await else { panic!("a third change") };
        assert!(reason.contains("changed 2 times"), "{reason}");
        assert_eq!((desk.broker.started("modify"), desk.row(command).modifications), (2, 2));
        assert_eq!(desk.row(command).ask.price, Some(price("792")));
        desk.at_rest().await;
    });
}

/// Whoever asked for a change was told that it is asked for: its end is on disk, whatever happens to the actor.
#[test]
fn a_change_that_a_restart_loses_leaves_a_row() {
    for look in 1..=4 {
        scenario(Setup::polled(), async |desk| {
            let command = desk.order(buy("a", 10).at("790")).await;
            desk.until_at_broker(command).await;
            // The slot is taken: the change waits in its lane, its row on disk.
            desk.next(CallKind::Place, Fault::Late(Duration::from_millis(1_500)));
            let _other = desk.send(&[entry("b", "INFY-EQ", "BUY", 1)]);
            desk.pass(Duration::from_millis(20)).await;
            assert_eq!(change(desk, command, price("791")).await, ChangeAnswer::Asked);
            desk.clock.fail_at("BrokerActor", look);
            desk.pass_secs(10).await;
            desk.clock.disarm();
            desk.until("its end is on disk", |desk| replies(desk, command) == 1).await;
            let went_out = desk.broker.started("modify") == 1;
            assert_eq!(desk.row(command).ask.price == Some(price("791")), went_out, "look {look}");
            assert_eq!(desk.net_at_broker(&sbin()), 0);
            desk.at_rest().await;
        });
    }
}
