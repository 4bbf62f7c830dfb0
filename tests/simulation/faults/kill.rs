//! The kill control (INV-10): once it is answered no call that it forbids starts, while another call hangs too, and
//! after a restart; and what works or is held goes.

use std::time::Duration;

use ordergate::brokers::faulty::{CallKind, Fault};
use ordergate_actors::order::{Price, Quantity, Status, Tag};
use ordergate_actors::persistence::{ControlChange, KillLevel};
use ordergate_actors::risk::{Change, ChangeAnswer};

use crate::desk::{But, Desk, Setup, buy, entry, exit, nse, price, sbin, scenario};

/// A hung call, and three entries and an exit behind it in the lanes.
async fn hung(desk: &Desk, fault: Fault) -> (ordergate_actors::order::CommandId, Vec<ordergate_actors::order::CommandId>) {
    desk.next(CallKind::Place, fault);
    let hangs = desk.order(entry("hung", "INFY-EQ", "BUY", 5).at("1490")).await;
    let mut behind = Vec::new();
    for strategy in ["b", "c", "d"] {
        behind.push(desk.order(entry(strategy, "RELIANCE-EQ", "BUY", 1)).await);
    }
    (hangs, behind)
}

#[test]
fn kill_level_1_during_a_hung_call_lets_no_entry_start_and_exits_go() {
    for send_ahead in [1, 2, 64] {
        let mut setup = Setup::polled();
        setup.can = match send_ahead {
            1 => |row| row.send_ahead = 1,
            2 => |row| row.send_ahead = 2,
            _ => |row| row.send_ahead = 64,
        };
        scenario(setup, async |desk| {
            desk.ended(buy("x", 10)).await;
            desk.pass_secs(3).await;
            let (hangs, behind) = hung(desk, Fault::HangAfter).await;
            desk.kill(KillLevel::StopEntries).await;
            let placed = desk.placed();
            let out = desk.order(exit("x", "SBIN-EQ")).await;
            let refused = desk.order(buy("e", 1)).await;
            assert_eq!(desk.row(refused).tag, Some(Tag::KillSwitch));
            for command in behind {
                let row = desk.until_ended(command).await;
                assert_eq!((row.status, row.tag, row.broker_order_id), (Status::Failed, Some(Tag::KillSwitch), None));
            }
            assert_eq!(desk.until_ended(out).await.status, Status::Executed, "a kill never stops an exit");
            assert_eq!(desk.placed(), placed + 1, "of all that waited only the exit was called");
            desk.pass_secs(20).await;
            assert_eq!((desk.row(hangs).status, desk.row(hangs).cancel_wanted), (Status::SentToBroker, None), "level 1 cancels nothing");
            desk.kill(KillLevel::None).await;
            assert_eq!(desk.ended(buy("e", 1)).await.status, Status::Executed);
            desk.at_rest().await;
        });
    }
}

/// The hung order is cancelled as soon as its number is known, although its own call still runs.
#[test]
fn kill_level_2_cancels_the_hung_order_as_soon_as_its_number_is_known() {
    scenario(Setup::polled(), async |desk| {
        let (hangs, behind) = hung(desk, Fault::HangAfter).await;
        let working = desk.order(buy("w", 1).at("790")).await;
        desk.kill(KillLevel::CancelEntries).await;
        let killed_at = desk.clock_now();
        let placed = desk.placed();
        assert_eq!(desk.row(hangs).cancel_wanted, Some(Tag::KillSwitch), "durable before the number is known");
        let row = desk.until_ended(hangs).await;
        assert_eq!((row.status, row.tag, row.filled_quantity), (Status::Failed, Some(Tag::KillSwitch), 0));
        let took = (desk.clock_now() - killed_at).num_milliseconds();
        assert!(took <= 5_000, "the book told the number within two polls, the cancel took {took} ms");
        for command in behind.into_iter().chain([working]) {
            assert_eq!(desk.until_ended(command).await.tag, Some(Tag::KillSwitch));
        }
        assert_eq!(desk.placed(), placed);
        desk.at_rest().await;
    });
}

/// With the answer late and the book silent, the late answer brings the number, and the cancel goes with it.
#[test]
fn kill_level_2_cancels_on_a_late_answer() {
    scenario(Setup::polled(), async |desk| {
        desk.broker.broker.set_lag(Duration::from_secs(30));
        let (hangs, _) = hung(desk, Fault::Late(Duration::from_secs(6))).await;
        desk.kill(KillLevel::CancelEntries).await;
        desk.until_at_broker(hangs).await;
        desk.pass(Duration::from_millis(500)).await;
        assert_eq!(desk.broker.started("cancel"), 1, "the moment an id is known");
        assert_eq!(desk.until_ended(hangs).await.tag, Some(Tag::KillSwitch));
        desk.at_rest().await;
    });
}

#[test]
fn kill_level_3_squares_off_and_stays_so() {
    for restarts in [false, true] {
        scenario(Setup::polled(), async |desk| {
            desk.ended(buy("long", 10)).await;
            desk.ended(entry("short", "M&M-EQ", "SELL", 4)).await;
            desk.ended(buy("deliver", 3).product("CNC")).await;
            desk.pass_secs(3).await;
            let (hangs, _) = hung(desk, Fault::HangAfter).await;
            desk.kill(KillLevel::SquareOff).await;
            if restarts {
                desk.start_again();
                desk.until_open().await;
            }
            desk.until("all is flat but the delivery", |desk| {
                desk.held("long", &sbin()) == 0 && desk.held("short", &nse("M&M-EQ")) == 0 && desk.row(hangs).status.is_terminal()
            })
            .await;
            assert_eq!((desk.net_at_broker(&nse("M&M-EQ")), desk.net_at_broker(&sbin())), (0, 3), "delivery is left alone");
            assert_eq!(desk.net_at_broker(&nse("RELIANCE-EQ")), 0);
            // Shorts are bought back before longs are sold, and nothing more is sent.
            let writes = desk.broker.writes();
            let at = |call: &str| writes.iter().rposition(|write| write == call).unwrap();
            assert!(at("place M&M-EQ BUY") < at("place SBIN-EQ SELL"), "{writes:?}");
            let placed = desk.placed();
            desk.pass_secs(30).await;
            assert_eq!(desk.placed(), placed);
            desk.at_rest().await;
        });
    }
}

/// A limit exit that rests far away covers the position on paper only: level 3 takes it out and closes at the market.
#[test]
fn kill_level_3_does_not_wait_for_an_exit_that_rests() {
    scenario(Setup::polled(), async |desk| {
        desk.ended(buy("long", 10)).await;
        let rests = desk.order(exit("long", "SBIN-EQ").at("900")).await;
        desk.until_at_broker(rests).await;
        desk.kill(KillLevel::SquareOff).await;
        desk.until("flat", |desk| desk.held("long", &sbin()) == 0).await;
        assert_eq!((desk.row(rests).tag, desk.net_at_broker(&sbin())), (Some(Tag::KillSwitch), 0));
        desk.at_rest().await;
    });
}

#[test]
fn a_kill_holds_after_a_restart_of_the_process() {
    scenario(Setup::polled(), async |desk| {
        let working = desk.order(buy("w", 1).at("790")).await;
        desk.until_at_broker(working).await;
        let (hangs, behind) = hung(desk, Fault::HangAfter).await;
        desk.kill(KillLevel::StopEntries).await;
        let placed = desk.placed();
        desk.start_again();
        let refused = desk.send(&[buy("e", 1)]);
        desk.until_open().await;
        assert_eq!(desk.row(refused.await.unwrap().unwrap().orders[0]).tag, Some(Tag::KillSwitch));
        for command in behind {
            // Written as sent and never called, or registered only: neither goes out now.
            let tag = desk.until_ended(command).await.tag;
            assert!(matches!(tag, Some(Tag::KillSwitch | Tag::NotAtBroker)), "{tag:?}");
        }
        assert_eq!(desk.placed(), placed);
        // Raised to level 2 in the new process: what still works there is cancelled.
        desk.kill(KillLevel::CancelEntries).await;
        for command in [working, hangs] {
            assert_eq!(desk.until_ended(command).await.tag, Some(Tag::KillSwitch));
        }
        desk.at_rest().await;
    });
}

/// A cancel waits for the write slot only, not for room among the orders that are written ahead.
#[test]
fn a_cancel_goes_before_orders_that_fill_the_window() {
    let setup = Setup { can: |row| row.send_ahead = 2, ..Setup::polled() };
    scenario(setup, async |desk| {
        let working = desk.order(buy("w", 1).at("790")).await;
        let row = desk.until_at_broker(working).await;
        let (_, behind) = hung(desk, Fault::HangAfter).await;
        assert!(desk.engine.cancel(&row.client_id, working, "me", "").await.unwrap().is_applied());
        assert_eq!(desk.until_ended(working).await.tag, Some(Tag::CancelledByUser));
        for command in behind {
            assert_eq!(desk.until_ended(command).await.status, Status::Executed);
        }
        let cancel = format!("cancel {}", row.broker_order_id.unwrap());
        assert_eq!(desk.broker.writes()[..4], ["place SBIN-EQ BUY", "place INFY-EQ BUY", cancel.as_str(), "place RELIANCE-EQ BUY"]);
        desk.at_rest().await;
    });
}

/// A change that waits behind a hung call is forbidden by the kill as the order itself would be.
#[test]
fn a_modify_that_waits_for_its_turn_does_not_start_after_a_kill() {
    scenario(Setup::polled(), async |desk| {
        let working = desk.order(buy("w", 1).at("790")).await;
        desk.until_at_broker(working).await;
        let _hung = hung(desk, Fault::Hang).await;
        let change = Change {
            client_id: desk.row(working).client_id,
            command_id: working,
            quantity: Quantity::new(9),
            price: None,
            trigger_price: None,
            order_type: None,
            who: "me".into(),
        };
        assert_eq!(desk.engine.modify(change).await.unwrap(), ChangeAnswer::Asked);
        desk.kill(KillLevel::StopEntries).await;
        desk.pass_secs(15).await;
        assert_eq!(desk.broker.started("modify"), 0);
        assert!(desk.events(working).contains(&"MODIFY_REPLIED".to_owned()), "and the record says so");
        assert_eq!(desk.row(working).quantity(), 1);
        desk.heal();
        desk.at_rest().await;
    });
}

#[test]
fn a_freeze_stops_exits_and_a_thaw_lets_them_go() {
    scenario(Setup::polled(), async |desk| {
        desk.ended(buy("x", 10)).await;
        desk.pass_secs(3).await;
        let (_, _) = hung(desk, Fault::Hang).await;
        let queued = desk.order(exit("x", "SBIN-EQ")).await;
        desk.control(ControlChange::Freeze(true)).await;
        let frozen = desk.order(exit("x", "SBIN-EQ")).await;
        for command in [queued, frozen] {
            let row = desk.until_ended(command).await;
            assert_eq!((row.status, row.tag), (Status::Failed, Some(Tag::KillSwitch)));
        }
        desk.kill(KillLevel::SquareOff).await;
        desk.pass_secs(20).await;
        assert_eq!((desk.held("x", &sbin()), desk.broker.started("place SBIN-EQ SELL")), (10, 0), "not even a square-off");
        desk.control(ControlChange::Freeze(false)).await;
        desk.until("the square-off goes", |desk| desk.held("x", &sbin()) == 0).await;
        desk.at_rest().await;
    });
}

#[test]
fn one_strategy_is_stopped_alone() {
    scenario(Setup::polled(), async |desk| {
        let (a, b) = (desk.order(buy("a", 1).at("790")).await, desk.order(buy("b", 1).at("790")).await);
        desk.until_at_broker(a).await;
        desk.until_at_broker(b).await;
        let strategy = desk.row(a).ask.strategy;
        desk.control(ControlChange::Strategy(strategy, KillLevel::CancelEntries)).await;
        assert_eq!(desk.until_ended(a).await.tag, Some(Tag::KillSwitch));
        desk.pass_secs(5).await;
        assert_eq!(desk.row(b).status, Status::SentToBroker);
        assert_eq!(desk.row(desk.order(entry("a", "INFY-EQ", "BUY", 1)).await).tag, Some(Tag::KillSwitch));
        desk.at_rest().await;
    });
}

#[test]
fn a_created_order_is_cancelled_before_it_is_sent_and_a_working_one_at_the_broker() {
    scenario(Setup::polled(), async |desk| {
        let (_, behind) = hung(desk, Fault::Hang).await;
        let client = desk.row(behind[0]).client_id;
        let placed = desk.placed();
        for command in &behind {
            assert!(desk.engine.cancel(&client, *command, "me", "changed my mind").await.unwrap().is_applied());
        }
        for command in &behind {
            let row = desk.until_ended(*command).await;
            assert_eq!((row.tag, row.broker_order_id), (Some(Tag::CancelledByUser), None));
        }
        assert_eq!(desk.placed(), placed, "nothing was sent");
        let working = desk.order(buy("w", 1).at("790")).await;
        desk.until_at_broker(working).await;
        assert!(desk.engine.cancel(&client, working, "me", "").await.unwrap().is_applied());
        assert!(!desk.engine.cancel(&client, working, "me", "").await.unwrap().is_applied(), "asked for already");
        assert_eq!(desk.until_ended(working).await.tag, Some(Tag::CancelledByUser));
        assert!(!desk.engine.cancel(&client, working, "me", "").await.unwrap().is_applied(), "it has ended");
        desk.at_rest().await;
    });
}

#[test]
fn a_modify_is_taken_or_refused_with_its_reason() {
    scenario(Setup::polled(), async |desk| {
        let working = desk.order(buy("w", 10).at("790")).await;
        desk.until_at_broker(working).await;
        let ask = async |quantity: Option<i64>, at: Option<Price>| {
            let change = Change {
                client_id: desk.row(working).client_id,
                command_id: working,
                quantity: quantity.and_then(Quantity::new),
                price: at,
                trigger_price: None,
                order_type: None,
                who: "me".into(),
            };
            match desk.engine.modify(change).await.unwrap() {
                ChangeAnswer::Asked => "asked".to_owned(),
                ChangeAnswer::Refused(reason) => reason,
            }
        };
        assert_eq!(ask(Some(20), Some(price("795"))).await, "asked");
        desk.until("the book shows it", |desk| desk.row(working).quantity() == 20).await;
        let at_broker = desk.broker.broker.inner().exchange().orders()[0].clone();
        assert_eq!((at_broker.quantity, at_broker.price), (20, Some(price("795").value())));
        assert!(ask(Some(2_000), None).await.contains("risk.max_quantity"), "it walks the gates");
        assert!(ask(None, Some(price("795.01"))).await.contains("tick"));
        assert_eq!(desk.broker.started("modify"), 1);
        // A change whose answer is lost is not repeated; the book tells what became of it.
        desk.next(CallKind::Modify, Fault::LoseReply("reset".into()));
        assert_eq!(ask(Some(15), None).await, "asked");
        desk.until("the book shows it", |desk| desk.row(working).quantity() == 15).await;
        assert_eq!(desk.broker.started("modify"), 2);
        let client = desk.row(working).client_id;
        desk.engine.cancel(&client, working, "me", "").await.unwrap();
        assert!(ask(Some(16), None).await.contains("cancelled"));
        desk.until_ended(working).await;
        assert!(ask(Some(16), None).await.contains("FAILED"));
        desk.at_rest().await;
    });
}

/// An exit that waits for newer positions would wait through the kill; the square-off goes on what is known.
#[test]
fn kill_level_3_takes_the_place_of_an_exit_that_waits() {
    scenario(Setup::polled(), async |desk| {
        desk.ended(buy("a", 10)).await;
        desk.until("the fill is held", |desk| desk.held("a", &sbin()) == 10).await;
        desk.pass_secs(2).await;
        desk.always(CallKind::Positions, Fault::Unknown("502".into()));
        // Fills after the last positions. These are enough for what a exits; what they leave is not enough for b's exit, which waits.
        desk.ended(entry("b", "SBIN-EQ", "BUY", 5)).await;
        desk.until("the second fill is held", |desk| desk.held("b", &sbin()) == 5).await;
        assert_eq!(desk.ended(exit("a", "SBIN-EQ")).await.status, Status::Executed);
        desk.until("a is flat", |desk| desk.held("a", &sbin()) == 0).await;
        let waiting = desk.order(exit("b", "SBIN-EQ")).await;
        desk.pass_secs(8).await;
        assert_eq!(desk.row(waiting).status, Status::Created, "{}", desk.trace());
        desk.kill(KillLevel::SquareOff).await;
        desk.until("the waiting one is gone", |desk| desk.row(waiting).tag == Some(Tag::KillSwitch)).await;
        desk.until("another went in its place", |desk| desk.held("b", &sbin()) == 0).await;
        desk.heal();
        desk.pass_secs(10).await;
        assert_eq!(desk.net_at_broker(&sbin()), 0, "{}", desk.trace());
        desk.at_rest().await;
    });
}

/// The broker takes no changes: an exit that must go further is cancelled and goes again as a new order. Frozen between the two, it goes
/// once after the thaw, whether a rule stands behind it or not.
#[test]
fn an_exit_that_is_being_replaced_when_exits_are_frozen_goes_again_after_the_thaw() {
    for is_by_rule in [false, true] {
        let setup = Setup {
            can: |row| {
                row.can_modify = false;
                row.takes_market_orders = false;
            },
            ..Setup::default()
        };
        scenario(setup, async |desk| {
            let level = |at: &str, quantity| vec![ordergate::simulator::market::Level { price: price(at), quantity }];
            let stop_loss = is_by_rule.then(|| "795".to_owned());
            desk.ended(ordergate_actors::order::LegDraft { stop_loss, ..buy("x", 10) }).await;
            desk.pass_secs(3).await;
            let touch = if is_by_rule { "794.50" } else { "800" };
            desk.market.set_depth(&sbin(), level(touch, 3), level("800.05", 1_000), price(touch));
            if !is_by_rule {
                desk.order(exit("x", "SBIN-EQ")).await;
            }
            desk.until("a part is out", |desk| desk.held("x", &sbin()) == 7).await;
            desk.always(CallKind::Cancel, Fault::Refuse("16388: not now".into()));
            desk.market.set(&sbin(), price("792"), price("792.05"), price("792"));
            let exits = |desk: &Desk| desk.rows().into_iter().filter(|row| row.is_exit()).collect::<Vec<_>>();
            desk.until("it is to be replaced", |desk| exits(desk)[0].cancel_wanted == Some(Tag::Replaced)).await;
            desk.control(ControlChange::Freeze(true)).await;
            desk.heal();
            let first = desk.until_ended(exits(desk)[0].command_id).await;
            assert_eq!((first.tag, first.filled_quantity), (Some(Tag::Replaced), 3));
            desk.pass_secs(20).await;
            assert_eq!((exits(desk).len(), desk.held("x", &sbin())), (1, 7), "frozen");
            desk.control(ControlChange::Freeze(false)).await;
            desk.until("flat", |desk| desk.held("x", &sbin()) == 0).await;
            desk.pass_secs(20).await;
            let rows = exits(desk);
            assert_eq!((rows.len(), rows[1].filled_quantity, rows[1].parent_command_id), (2, 7, Some(first.command_id)));
            desk.at_rest().await;
        });
    }
}
