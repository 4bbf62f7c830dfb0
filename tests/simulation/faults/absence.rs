//! An order that never came to the broker, beside what others have there; and orders that the broker took and lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use ordergate::brokers::faulty::{CallKind, Fault, FaultPlan};
use ordergate::simulator::exchange::NewOrder;
use ordergate::simulator::market::Level;
use ordergate_actors::order::{
    BrokerOrderId, CommandId, LegDraft, OrderType, Product, Quantity, Resolution, Side, Status, Tag, Terms, Validity,
};
use ordergate_actors::persistence::Outcome;
use ordergate_actors::ports::{DeliveryRow, Snapshot};
use ordergate_actors::{EngineError, Phase};

use crate::desk::{But, Desk, Setup, buy, entry, exit, price, sbin, scenario};
use crate::witness::Rewritten;
use crate::world::client;

/// A trade of somebody's in the broker's app.
fn by_hand(desk: &Desk, side: Side, quantity: i64) -> BrokerOrderId {
    let terms = Terms {
        side,
        quantity: Quantity::new(quantity).unwrap(),
        product: Product::Mis,
        order_type: OrderType::Market,
        validity: Validity::Day,
        price: None,
        trigger_price: None,
    };
    let order = NewOrder { instrument: sbin(), terms, tag: None };
    desk.broker.broker.inner().place_foreign(&order).unwrap().unwrap()
}

/// The next order is lost on its way.
async fn lost(desk: &Desk, leg: LegDraft) -> CommandId {
    desk.next(CallKind::Place, Fault::LoseRequest("reset".into()));
    let command = desk.order(leg).await;
    desk.until_tag(command, Tag::SendUnconfirmed).await;
    command
}

async fn is_absent(desk: &Desk, command: CommandId) {
    assert_eq!(desk.until_ended(command).await.tag, Some(Tag::NotAtBroker), "{}", desk.trace());
}

fn lies(desk: &Desk) {
    desk.broker.broker.replan(FaultPlan::none().always(CallKind::Orders, Fault::Empty).always(CallKind::Trades, Fault::Empty));
}

/// The owner has 500 of the shares in his demat account.
#[test]
fn a_lost_order_is_absent_beside_shares_of_the_owner() {
    scenario(Setup::polled(), async |desk| {
        *desk.broker.delivered.lock() = vec![DeliveryRow { listings: vec![sbin()], quantity: 500, average_price: None }];
        desk.start_again();
        desk.until_open().await;
        desk.until("they are known", |desk| desk.line().findings.read().holdings.is_some()).await;
        let absent = lost(desk, buy("a", 10).product("CNC")).await;
        is_absent(desk, absent).await;
        // One that has filled is not, though order book and trade book lie.
        lies(desk);
        desk.next(CallKind::Place, Fault::LoseReply("reset".into()));
        let filled = desk.order(buy("a", 10).product("CNC")).await;
        desk.until_tag(filled, Tag::SendUnconfirmed).await;
        desk.pass_secs(60).await;
        assert_eq!(desk.row(filled).tag, Some(Tag::SendUnconfirmed), "{}", desk.trace());
        let said = desk.texts("ALARM_IN_DOUBT");
        assert!(said.iter().any(|text| text.contains("have 10 more on its side")), "{said:?}");
        desk.heal();
        assert_eq!(desk.until_ended(filled).await.status, Status::Executed);
        desk.at_rest().await;
    });
}

/// Nobody in the process that looks for the order has seen what there was before it.
#[test]
fn a_lost_order_is_absent_beside_a_position_of_somebody_after_a_restart() {
    scenario(Setup::polled(), async |desk| {
        by_hand(desk, Side::Buy, 10);
        desk.pass_secs(3).await;
        let absent = lost(desk, buy("a", 10)).await;
        desk.start_again();
        desk.until_open().await;
        is_absent(desk, absent).await;
        assert_eq!((desk.held("a", &sbin()), desk.net_at_broker(&sbin())), (0, 10));
    });
}

/// An order of ours rests there all day. Somebody buys the same before an order of ours is lost, and again while it is looked for.
#[test]
fn a_lost_order_is_absent_beside_what_somebody_buys_while_another_of_ours_works() {
    scenario(Setup::polled(), async |desk| {
        let rests = desk.order(buy("a", 10).at("790")).await;
        desk.until_at_broker(rests).await;
        by_hand(desk, Side::Buy, 65);
        desk.pass_secs(3).await;
        let absent = lost(desk, buy("b", 10)).await;
        by_hand(desk, Side::Buy, 7);
        is_absent(desk, absent).await;
    });
}

/// What the broker's books do not explain at all keeps an order in doubt, and people hear that waiting does not help.
#[test]
fn a_position_that_no_book_explains_keeps_an_order_in_doubt_and_is_named() {
    scenario(Setup::polled(), async |desk| {
        let absent = lost(desk, buy("a", 10)).await;
        let number = by_hand(desk, Side::Buy, 12);
        let hides = move |rows: Vec<Arc<ordergate_actors::ports::BookRow>>| {
            Snapshot::Authoritative(rows.into_iter().filter(|row| row.broker_order_id != number).collect(), Vec::new())
        };
        *desk.broker.rewrite.lock() = Some(Rewritten(Box::new(hides)));
        desk.always(CallKind::Trades, Fault::Empty);
        desk.until("it is named", |desk| desk.texts("ALARM_IN_DOUBT").iter().any(|text| text.contains("12 more on its side"))).await;
        assert_eq!(desk.row(absent).tag, Some(Tag::SendUnconfirmed));
        *desk.broker.rewrite.lock() = None;
        desk.heal();
        is_absent(desk, absent).await;
    });
}

async fn resolve(desk: &Desk, command: CommandId, verdict: Resolution) -> Result<Outcome, EngineError> {
    desk.engine.resolve(&client(), command, verdict, "asha", "I looked").await
}

/// From here on the order book lacks what it has shown of it.
fn forget(desk: &Desk, command: CommandId) {
    let number = desk.row(command).broker_order_id.unwrap();
    *desk.broker.rewrite.lock() = Some(Rewritten(Box::new(move |rows| {
        Snapshot::Authoritative(rows.into_iter().filter(|row| row.broker_order_id != number).collect(), Vec::new())
    })));
}

/// The broker's book shows an exit that works, and then it does not any more. The page asks for a verdict, and the verdict is taken.
#[test]
fn an_order_that_the_book_has_shown_and_lost_is_ended_by_a_person() {
    scenario(Setup::polled(), async |desk| {
        desk.ended(buy("a", 10)).await;
        desk.pass_secs(3).await;
        let out = desk.order(exit("a", "SBIN-EQ").at("810")).await;
        desk.until_at_broker(out).await;
        desk.pass_secs(3).await;
        forget(desk, out);
        let too_early = resolve(desk, out, Resolution::Absent).await.unwrap();
        assert!(!too_early.is_applied(), "nobody was asked");
        desk.until_alarm("ALARM_IN_DOUBT").await;
        desk.until_tag(out, Tag::SendUnconfirmed).await;
        desk.pass_secs(30).await;
        assert_eq!(desk.row(out).status, Status::SentToBroker, "never by itself");
        assert!(resolve(desk, out, Resolution::Absent).await.unwrap().is_applied());
        assert_eq!((desk.row(out).status, desk.row(out).tag), (Status::Failed, Some(Tag::NotAtBroker)));
        // If it is there after all, it is followed again.
        *desk.broker.rewrite.lock() = None;
        desk.until("it is shown", |desk| desk.row(out).status == Status::SentToBroker).await;
        desk.engine.cancel(&client(), out, "asha", "").await.unwrap();
        assert_eq!(desk.until_ended(out).await.tag, Some(Tag::CancelledByUser));
        assert_eq!(desk.ended(exit("a", "SBIN-EQ")).await.status, Status::Executed);
        desk.at_rest().await;
    });
}

/// The same with an entry of which 4 have filled, over a restart: the account recovers, and what has filled stays.
#[test]
fn an_account_recovers_although_the_book_has_lost_an_order_that_filled_a_part() {
    scenario(Setup::polled(), async |desk| {
        let level = |at: &str, quantity| vec![Level { price: price(at), quantity }];
        desk.market.set_depth(&sbin(), level("799", 1_000), level("800", 4), price("800"));
        let command = desk.order(buy("a", 10).at("800")).await;
        desk.until("a part is held", |desk| desk.held("a", &sbin()) == 4).await;
        desk.pass_secs(3).await;
        forget(desk, command);
        desk.start_again();
        desk.until_open().await;
        desk.until_tag(command, Tag::SendUnconfirmed).await;
        desk.pass_secs(3).await;
        assert!(desk.has_alarm("ALARM_IN_DOUBT"));
        assert!(resolve(desk, command, Resolution::Absent).await.unwrap().is_applied());
        let row = desk.row(command);
        assert_eq!((row.status, row.tag, row.filled_quantity), (Status::Failed, Some(Tag::NotAtBroker), 4));
        assert_eq!(desk.held("a", &sbin()), 4);
    });
}

/// An order book that is never whole: the account stays RECOVERING, and that is not left to be found out.
#[test]
fn an_account_that_does_not_recover_pages_although_its_positions_are_read() {
    scenario(Setup::polled(), async |desk| {
        desk.ended(buy("a", 10)).await;
        desk.pass_secs(3).await;
        desk.always(CallKind::Orders, Fault::Unknown("502".into()));
        desk.start_again();
        desk.until_alarm("ALARM_BLIND").await;
        assert_eq!(desk.line().phase(), Phase::Recovering);
        let said = desk.texts("ALARM_BLIND");
        assert!(said[0].contains("still RECOVERING") && said[0].contains("orders"), "{said:?}");
        desk.heal();
        desk.until_open().await;
    });
}

/// A person types the number of another line of the book.
#[test]
fn a_number_of_another_order_is_not_taken_for_one_in_doubt() {
    scenario(Setup::polled(), async |desk| {
        let other = by_hand(desk, Side::Sell, 75);
        desk.pass_secs(3).await;
        let command = lost(desk, buy("a", 10)).await;
        let refused = resolve(desk, command, Resolution::AtBroker(other)).await;
        let Err(EngineError::NotThatOrder { shown, asked, .. }) = &refused else { panic!("{refused:?}") };
        assert!(shown.starts_with("SELL 75") && asked.starts_with("BUY 10"), "{shown} {asked}");
        assert_eq!((desk.row(command).tag, desk.row(command).broker_order_id), (Some(Tag::SendUnconfirmed), None));
        is_absent(desk, command).await;
        assert_eq!(desk.held("a", &sbin()), 0);
    });
}

/// A process that dies between the row of an exit that is taken back and the page of it: the next one says it, and so does the one after
/// that if the next one dies while it reads the books.
#[test]
fn the_page_of_an_exit_that_was_taken_back_is_not_lost_with_the_process() {
    for dies_again in [false, true] {
        let setup = Setup { can: |row| row.can_modify = false, ..Setup::polled() };
        scenario(setup, async |desk| {
            desk.ended(buy("a", 10)).await;
            desk.pass_secs(3).await;
            let rests = desk.order(exit("a", "SBIN-EQ").at("810")).await;
            desk.until_at_broker(rests).await;
            *desk.disk_fault.die_at.lock() = Some(|order| order.cancel_wanted == Some(Tag::ExitTakenBack));
            by_hand(desk, Side::Sell, 6);
            desk.until("it dies", |desk| desk.halt.halted().is_some()).await;
            assert!(!desk.has_alarm("ALARM_EXIT_FAILED"), "{}", desk.trace());
            if dies_again {
                desk.always(CallKind::Orders, Fault::Unknown("502".into()));
                desk.start_again();
                // Signals of its time are rows of its own.
                desk.pass_secs(20).await;
                desk.order(entry("b", "INFY-EQ", "BUY", 1)).await;
                desk.heal();
            }
            desk.start_again();
            desk.until_open().await;
            desk.until("it has ended", |desk| desk.row(rests).status == Status::Failed).await;
            desk.pass_secs(3).await;
            let said = desk.texts("ALARM_EXIT_FAILED");
            assert!(said.len() == 1 && said[0].contains("cannot be made smaller"), "{said:?}");
            assert_eq!(desk.held("a", &sbin()), 4);
        });
    }
}

/// The owner bought and sold the same this morning. The first positions of a process were asked for after the order book that tells it.
#[test]
fn a_stop_after_a_start_goes_beside_what_somebody_closed_before_it() {
    scenario(Setup::polled(), async |desk| {
        desk.ended(LegDraft { stop_loss: Some("795".into()), ..buy("a", 10) }).await;
        desk.until("it is held", |desk| desk.held("a", &sbin()) == 10).await;
        by_hand(desk, Side::Buy, 10);
        by_hand(desk, Side::Sell, 10);
        desk.pass_secs(3).await;
        let reads = AtomicU32::new(0);
        *desk.broker.rewrite_positions.lock() = Some(Rewritten(Box::new(move |rows| {
            if reads.fetch_add(1, Ordering::SeqCst) == 0 {
                Snapshot::Authoritative(rows, Vec::new())
            } else {
                Snapshot::Unknown("502".into())
            }
        })));
        desk.start_again();
        desk.until("exits go", |desk| desk.line().phase() != Phase::Recovering).await;
        desk.market.set(&sbin(), price("792"), price("792.05"), price("792"));
        desk.until("it is closed at the broker", |desk| desk.net_at_broker(&sbin()) == 0).await;
        *desk.broker.rewrite_positions.lock() = None;
        desk.until("it is held no more", |desk| desk.held("a", &sbin()) == 0).await;
    });
}
