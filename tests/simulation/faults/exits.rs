//! Exits: never more than is held, never before the truth is known, never another product.

use std::time::Duration;

use ordergate::brokers::faulty::{CallKind, Fault};
use ordergate::simulator::exchange::NewOrder;
use ordergate_actors::order::{OrderType, Product, Quantity, Side, SignalDraft, Status, Tag, Terms, Validity};

use crate::desk::{But, Desk, Setup, buy, exit, future, price, sbin, scenario, sell};

#[test]
fn an_exit_right_after_the_fill_waits_for_positions_that_include_it() {
    scenario(Setup::default(), async |desk| {
        let entered = desk.order(buy("a", 10)).await;
        desk.until("the fill is held", |desk| desk.held("a", &sbin()) == 10).await;
        // Positions of before the fill are worth nothing: reads hang for a while.
        desk.next(CallKind::Positions, Fault::Slow(Duration::from_secs(4)));
        desk.next(CallKind::Positions, Fault::Slow(Duration::from_secs(4)));
        let added = desk.ended(buy("a", 5).kind("ADJUST")).await;
        assert_eq!(added.status, Status::Executed);
        let out = desk.order(exit("a", "SBIN-EQ")).await;
        assert_eq!(desk.row(out).status, Status::Created, "answered: on disk, and waits");
        let row = desk.until_ended(out).await;
        assert_eq!((row.status, row.filled_quantity, desk.net_at_broker(&sbin())), (Status::Executed, 15, 0));
        assert!(desk.row(entered).status.is_terminal());
        desk.at_rest().await;
    });
}

#[test]
fn an_exit_for_more_than_is_held_is_capped_and_says_so() {
    scenario(Setup::default(), async |desk| {
        desk.ended(buy("a", 10)).await;
        let row = desk.ended(exit("a", "SBIN-EQ").of(25)).await;
        assert_eq!((row.status, row.quantity(), desk.net_at_broker(&sbin())), (Status::Executed, 10, 0));
        let said = desk.store().order_journal(&row.client_id, row.command_id).unwrap();
        let sent = said.iter().find(|row| &*row.event == "SENT_TO_BROKER").unwrap();
        assert!(sent.reason.as_deref().unwrap_or("").contains("asked to close 25, holds 10: capped to 10"), "{sent:?}");
        desk.at_rest().await;
    });
}

#[test]
fn nothing_held_is_no_position() {
    scenario(Setup::default(), async |desk| {
        desk.ended(buy("a", 10)).await;
        desk.pass_secs(2).await;
        // Somebody else's, the wrong side, and the same again.
        for leg in [exit("b", "SBIN-EQ"), exit("a", "INFY-EQ"), LegSide::buy(exit("a", "SBIN-EQ"))] {
            let command = desk.order(leg).await;
            assert_eq!((desk.row(command).status, desk.row(command).tag), (Status::Failed, Some(Tag::NoPosition)));
        }
        assert_eq!(desk.ended(exit("a", "SBIN-EQ")).await.status, Status::Executed);
        assert_eq!(desk.row(desk.order(exit("a", "SBIN-EQ")).await).tag, Some(Tag::NoPosition));
        desk.at_rest().await;
    });
}

struct LegSide;

impl LegSide {
    fn buy(leg: ordergate_actors::order::LegDraft) -> ordergate_actors::order::LegDraft {
        ordergate_actors::order::LegDraft { side: Some("BUY".into()), ..leg }
    }
}

#[test]
fn two_exits_at_once_close_it_once() {
    scenario(Setup::default(), async |desk| {
        desk.ended(buy("a", 10)).await;
        desk.pass_secs(2).await;
        let answers = [desk.send(&[exit("a", "SBIN-EQ")]), desk.send(&[exit("a", "SBIN-EQ")]), desk.send(&[exit("a", "SBIN-EQ").of(4)])];
        let mut filled = 0;
        for answer in answers {
            filled += desk.until_ended(answer.await.unwrap().unwrap().orders[0]).await.filled_quantity;
        }
        assert_eq!((filled, desk.net_at_broker(&sbin())), (10, 0));
        desk.at_rest().await;
    });
}

/// Several strategies hold the same instrument: an exit of one, still without a size, claims nothing of the others.
#[test]
fn exits_of_several_strategies_in_one_instrument_all_go() {
    for in_one_basket in [false, true] {
        scenario(Setup::polled(), async |desk| {
            let strategies = ["a", "b", "c"];
            for strategy in strategies {
                desk.ended(buy(strategy, 10)).await;
            }
            desk.pass_secs(3).await;
            let legs = strategies.map(|strategy| exit(strategy, "SBIN-EQ"));
            let mut orders = Vec::new();
            if in_one_basket {
                orders = desk.alert(&legs).await;
            } else {
                for answer in legs.map(|leg| desk.send(&[leg.of(50)])) {
                    orders.extend(answer.await.unwrap().unwrap().orders);
                }
            }
            for command in orders {
                let row = desk.until_ended(command).await;
                assert_eq!((row.status, row.filled_quantity), (Status::Executed, 10), "{:?}", row.reason);
            }
            assert_eq!(desk.net_at_broker(&sbin()), 0);
            desk.at_rest().await;
        });
    }
}

#[test]
fn an_exit_takes_the_product_of_its_position_and_never_touches_another() {
    scenario(Setup::default(), async |desk| {
        let lot = 65;
        let key = future();
        let net = |desk: &Desk, product| {
            let rows = desk.broker.broker.inner().exchange().positions(desk.clock_now(), &*desk.market);
            rows.iter().filter(|row| row.holding.instrument == key && row.holding.product == product).map(|row| row.net).sum::<i64>()
        };
        desk.ended(buy("carry", lot).in_future().product("NRML")).await;
        desk.ended(buy("day", lot).in_future().product("MIS")).await;
        desk.pass_secs(2).await;
        // Names the other product: nothing of that is held, and nothing is touched.
        assert_eq!(desk.row(desk.order(exit("carry", "").in_future().product("MIS")).await).tag, Some(Tag::NoPosition));
        let row = desk.ended(exit("day", "").in_future()).await;
        assert_eq!((row.status, row.ask.product), (Status::Executed, Some(Product::Mis)));
        assert_eq!((net(desk, Product::Mis), net(desk, Product::Nrml)), (0, lot));
        let row = desk.ended(exit("carry", "").in_future()).await;
        assert_eq!((row.status, row.ask.product), (Status::Executed, Some(Product::Nrml)));
        assert_eq!((net(desk, Product::Mis), net(desk, Product::Nrml)), (0, 0));
        desk.at_rest().await;
    });
}

/// Somebody sells at the broker what a strategy of ours holds.
fn sold_by_hand(desk: &Desk, units: i64) {
    let terms = Terms {
        side: Side::Sell,
        quantity: Quantity::new(units).unwrap(),
        product: Product::Mis,
        order_type: OrderType::Market,
        validity: Validity::Day,
        price: None,
        trigger_price: None,
    };
    desk.broker.broker.inner().place_foreign(&NewOrder { instrument: sbin(), terms, tag: None }).unwrap().unwrap();
}

/// The guard's retry with updated state: what only a holding is in the way of is judged once more against positions younger
/// than two polls; against older ones, and against a book that is empty where there must be a row, it is not.
#[test]
fn an_entry_that_only_a_holding_blocks_is_judged_once_more_against_fresh_positions() {
    for (read_says, goes) in [("the truth", true), ("nothing any more", false), ("that there is nothing", false)] {
        scenario(Setup::polled(), async |desk| {
            desk.ended(buy("a", 10)).await;
            desk.pass_secs(3).await;
            if read_says != "that there is nothing" {
                // Where the order book shows it the positions are read twice at once.
                desk.always(CallKind::Orders, Fault::Unknown("502".into()));
                sold_by_hand(desk, 10);
            }
            let at = |desk: &Desk| desk.line().findings.read().positions.as_ref().map(|positions| positions.at);
            let before = at(desk);
            if read_says == "that there is nothing" {
                desk.next(CallKind::Positions, Fault::Empty);
            }
            desk.until("one more read of the positions", |desk| at(desk) > before).await;
            if read_says == "nothing any more" {
                desk.always(CallKind::Positions, Fault::Unknown("502".into()));
                desk.pass_secs(3).await;
            }
            assert_eq!(desk.held("a", &sbin()), 10, "one odd read erases nothing");
            let again = desk.order(buy("a", 5)).await;
            if goes {
                desk.heal();
            }
            let row = desk.until_ended(again).await;
            if goes {
                assert_eq!((row.status, row.tag), (Status::Executed, None), "{:?}", row.reason);
            } else {
                assert_eq!((row.status, row.tag), (Status::Failed, Some(Tag::ExecutionGuardBlocked)), "{read_says}");
                assert!(desk.reason(again).contains("a holds 10 NSE:SBIN-EQ MIS already"), "{}", desk.reason(again));
            }
        });
    }
}

/// The position was closed by hand at the broker: an exit that comes before the guard has noticed opens nothing.
#[test]
fn an_exit_after_a_manual_close_opens_nothing_and_the_holding_goes() {
    scenario(Setup::polled(), async |desk| {
        desk.ended(buy("a", 10)).await;
        desk.pass_secs(3).await;
        desk.always(CallKind::Orders, Fault::Unknown("502".into()));
        sold_by_hand(desk, 10);
        desk.pass(Duration::from_millis(1_100)).await;
        assert_eq!(desk.held("a", &sbin()), 10, "one odd read erases nothing");
        let out = desk.order(exit("a", "SBIN-EQ")).await;
        assert_eq!(desk.until_ended(out).await.tag, Some(Tag::NoPosition));
        desk.heal();
        desk.until("two reads do", |desk| desk.held("a", &sbin()) == 0).await;
        assert_eq!((desk.net_at_broker(&sbin()), desk.texts("HOLDING_REDUCED").len()), (0, 1));
        assert_eq!(desk.line().findings.read().foreign.len(), 1, "the foreign order is shown");
    });
}

/// An exit that waits can be cancelled; it is gone at once and does not page for a position that nobody exits.
#[test]
fn a_waiting_exit_that_is_cancelled_leaves_the_line() {
    scenario(Setup::polled(), async |desk| {
        desk.ended(buy("a", 10)).await;
        desk.pass_secs(2).await;
        desk.always(CallKind::Positions, Fault::Unknown("502".into()));
        desk.ended(buy("a", 5).kind("ADJUST")).await;
        let out = desk.order(exit("a", "SBIN-EQ")).await;
        assert_eq!(desk.row(out).status, Status::Created);
        let client = desk.row(out).client_id;
        assert!(desk.engine.cancel(&client, out, "me", "").await.unwrap().is_applied());
        assert_eq!((desk.row(out).status, desk.row(out).tag), (Status::Failed, Some(Tag::CancelledByUser)));
        desk.until_still().await;
        desk.pass_secs(10).await;
        assert!(!desk.has_alarm("ALARM_EXIT_WAITS"));
        desk.heal();
        desk.pass_secs(5).await;
        assert_eq!((desk.placed(), desk.held("a", &sbin())), (2, 15), "and nothing of it was sent");
        desk.at_rest().await;
    });
}

/// What an order in doubt may have filled may have to be closed: a signal's exit waits until it is settled.
#[test]
fn an_exit_waits_for_the_doubt_about_its_own_entry() {
    scenario(Setup::polled(), async |desk| {
        desk.next(CallKind::Orders, Fault::Unknown("502".into()));
        desk.next(CallKind::Place, Fault::LoseReply("reset".into()));
        desk.order(sell("a", 10)).await;
        let out = desk.order(exit("a", "SBIN-EQ")).await;
        assert_eq!(desk.row(out).status, Status::Created, "not NO_POSITION: nobody knows yet");
        assert_eq!(desk.until_ended(out).await.filled_quantity, 10);
        desk.at_rest().await;
    });
}

/// One unit of an entry has filled when the signal to leave comes: the rest of the entry is taken back as it is when nothing has, and is
/// not waited for for ever.
#[test]
fn a_signal_to_leave_all_takes_back_what_still_fills() {
    for refuses in [false, true] {
        scenario(Setup::polled(), async |desk| {
            let level = |at: &str, quantity| vec![ordergate::simulator::market::Level { price: price(at), quantity }];
            desk.market.set_depth(&sbin(), level("799", 1_000), level("800", 1), price("800"));
            let entry = desk.order(buy("a", 10).at("800")).await;
            desk.until("one unit is held", |desk| desk.held("a", &sbin()) == 1).await;
            desk.pass_secs(3).await;
            if refuses {
                desk.always(CallKind::Cancel, Fault::Refuse("16388: not now".into()));
            }
            let out = desk.order(exit("a", "SBIN-EQ").at("810")).await;
            if refuses {
                let sent = desk.until_at_broker(out).await;
                assert_eq!((sent.quantity(), desk.row(entry).status), (1, Status::Partial), "it went all the same");
                assert!((sent.sent_at.unwrap() - sent.created_at).num_seconds() >= 5);
                desk.heal();
            }
            let row = desk.until_ended(entry).await;
            assert_eq!((row.status, row.tag, row.filled_quantity), (Status::Failed, Some(Tag::Superseded), 1));
            assert_eq!(desk.until_at_broker(out).await.quantity(), 1);
            desk.market.set(&sbin(), price("790"), price("790.05"), price("790"));
            desk.pass_secs(5).await;
            assert_eq!(desk.held("a", &sbin()), 1, "nothing more fills");
            desk.market.set(&sbin(), price("811"), price("811.05"), price("811"));
            assert_eq!((desk.until_ended(out).await.filled_quantity, desk.net_at_broker(&sbin())), (1, 0));
            desk.at_rest().await;
        });
    }
}

/// The orders that an exit beyond the freeze quantity becomes are no legs: a hundred of those leave room for them.
#[test]
fn a_hundred_legs_leave_room_for_the_orders_that_one_of_them_becomes() {
    let mut setup = Setup::default();
    setup.account.limits.max_quantity = 100_000;
    setup.account.limits.max_order_value = crate::desk::rupees(1_000_000_000);
    setup.account.permits = 200;
    scenario(setup, async |desk| {
        let future = future();
        let largest = ordergate_actors::ports::Instruments::find(&*desk.instruments, &future).unwrap().max_quantity().unwrap();
        for kind in ["ENTRY", "ADJUST"] {
            assert_eq!(desk.ended(buy("a", largest).in_future().product("NRML").kind(kind)).await.status, Status::Executed);
        }
        desk.pass_secs(2).await;
        let mut legs: Vec<_> = (0..99).map(|number| exit(&format!("s{number}"), "SBIN-EQ")).collect();
        legs.push(exit("a", &future.symbol).in_future());
        let orders = desk.alert(&legs).await;
        assert_eq!(orders.len(), 101);
        desk.until("flat", |desk| desk.held("a", &future) == 0 && desk.net_at_broker(&future) == 0).await;
        assert!(!desk.has_alarm("ALARM_EXIT_CUT"));
        desk.at_rest().await;
    });
}

/// More than the exchange takes in one order is held when the signal to leave all comes, and more is on its way: filled and not told yet,
/// or resting where no exit would meet it. Nothing of it stays, nobody is paged for a rest, and the entry is taken back.
#[test]
fn a_signal_to_leave_all_above_the_freeze_quantity_leaves_what_is_added_meanwhile() {
    for is_told_late in [true, false] {
        let mut setup = Setup::polled();
        setup.account.limits.max_quantity = 100_000;
        setup.account.limits.max_order_value = crate::desk::rupees(1_000_000_000);
        scenario(setup, async |desk| {
            let future = future();
            let largest = ordergate_actors::ports::Instruments::find(&*desk.instruments, &future).unwrap().max_quantity().unwrap();
            let lot = |kind: &str| buy("a", largest).in_future().product("NRML").kind(kind);
            for (kind, held) in [("ENTRY", largest), ("ADJUST", 2 * largest)] {
                desk.ended(lot(kind)).await;
                desk.until("it is held", |desk| desk.held("a", &future) == held).await;
            }
            desk.pass_secs(3).await;
            let added = if is_told_late {
                desk.always_all(&[CallKind::Trades, CallKind::Positions], &Fault::Unknown("502".into()));
                let added = desk.order(lot("ADJUST")).await;
                assert_eq!(desk.until_status(added, Status::Executed).await.traded_quantity, 0);
                added
            } else {
                let added = desk.order(lot("ADJUST").at("25600")).await;
                desk.until_at_broker(added).await;
                added
            };
            let orders = desk.alert(&[exit("a", &future.symbol).in_future().at("25690")]).await;
            assert_eq!(orders.len(), 3, "{}", desk.trace());
            desk.heal();
            let mut closed = Vec::new();
            for order in &orders {
                closed.push(desk.until_ended(*order).await.filled_quantity);
            }
            let added = desk.until_ended(added).await;
            if is_told_late {
                assert_eq!(closed, [largest, largest, largest], "{}", desk.trace());
            } else {
                assert_eq!((closed, added.tag), (vec![largest, largest, 0], Some(Tag::Superseded)), "{}", desk.trace());
                assert_eq!(desk.row(orders[2]).tag, Some(Tag::NoPosition), "there is nothing left for it");
            }
            desk.market.set(&future, price("25500"), price("25500.05"), price("25500"));
            desk.pass_secs(5).await;
            assert_eq!((desk.held("a", &future), desk.net_at_broker(&future)), (0, 0), "{}", desk.trace());
            assert!(!desk.has_alarm("ALARM_EXIT_CUT") && !desk.has_alarm("ALARM_EXIT_FAILED"), "{:?}", desk.alarms());
            desk.at_rest().await;
        });
    }
}

/// What its sender sends twice is one exit; after an entry that rested has filled, the same bytes are another.
#[test]
fn the_same_exit_goes_again_after_an_entry_that_was_there_before_has_filled() {
    scenario(Setup::default(), async |desk| {
        desk.ended(buy("a", 10)).await;
        desk.until("the fill is held", |desk| desk.held("a", &sbin()) == 10).await;
        desk.pass_secs(2).await;
        let resting = desk.order(buy("a", 5).kind("ADJUST").at("790")).await;
        desk.until_at_broker(resting).await;
        let send = async |desk: &Desk| {
            // One with a quantity leaves what is entered alone.
            let draft = desk.draft(&[exit("a", "SBIN-EQ").of(10).at("795")]);
            let draft = SignalDraft { idempotency_key: None, replay_window_ms: 600_000, body_hash: [9; 32], ..draft };
            desk.engine.submit(draft).await.unwrap()
        };
        let first = send(desk).await;
        assert_eq!(desk.until_ended(first.orders[0]).await.filled_quantity, 10, "{}", desk.trace());
        let retry = send(desk).await;
        assert_eq!((retry.replayed, &retry.orders), (true, &first.orders));
        desk.market.set(&sbin(), price("789"), price("789.05"), price("789"));
        desk.until("the rest has filled", |desk| desk.held("a", &sbin()) == 5).await;
        desk.until_ended(resting).await;
        desk.market.set(&sbin(), price("800"), price("800.05"), price("800"));
        let second = send(desk).await;
        assert!(!second.replayed, "{}", desk.trace());
        assert_eq!(desk.until_ended(second.orders[0]).await.filled_quantity, 5, "{}", desk.trace());
        assert!(send(desk).await.replayed);
        assert_eq!((desk.held("a", &sbin()), desk.net_at_broker(&sbin())), (0, 0));
        desk.at_rest().await;
    });
}

/// More than as many orders as one leg may become: what they do not reach is a person's.
#[test]
fn an_exit_that_needs_more_orders_than_there_may_be_is_told() {
    let mut setup = Setup::default();
    setup.account.limits.max_quantity = 100_000;
    setup.account.limits.max_order_value = crate::desk::rupees(1_000_000_000);
    setup.account.permits = 300;
    scenario(setup, async |desk| {
        let future = future();
        let largest = ordergate_actors::ports::Instruments::find(&*desk.instruments, &future).unwrap().max_quantity().unwrap();
        desk.ended(buy("a", largest).in_future().product("NRML")).await;
        desk.pass_secs(2).await;
        let orders = desk.alert(&[exit("a", &future.symbol).in_future().of(100 * largest)]).await;
        assert_eq!((orders.len(), desk.has_alarm("ALARM_EXIT_CUT")), (100, false));
        desk.until("flat", |desk| desk.held("a", &future) == 0).await;
        assert_eq!(desk.alert(&[exit("a", &future.symbol).in_future().of(101 * largest)]).await.len(), 100);
        let said = desk.texts("ALARM_EXIT_CUT");
        assert!(said.len() == 1 && said[0].contains("needs more orders than one signal may have"), "{said:?}");
        desk.at_rest().await;
    });
}

/// The word of a commit is late, not lost: the order went on without it, and is called. It says nothing about that call.
#[test]
fn a_late_word_of_a_commit_ends_no_order_that_went_on() {
    scenario(Setup::polled(), async |desk| {
        *desk.engine.line().lose_next.lock() = Some("::SendCommitted");
        desk.next(CallKind::Place, Fault::Slow(Duration::from_secs(3)));
        let answer = desk.send(&[buy("a", 10)]);
        let called = |desk: &Desk| desk.broker.broker.calls(CallKind::Place) == 1;
        desk.until("it goes on, and is called", called).await;
        let command = desk.rows()[0].command_id;
        let outcome = ordergate_actors::persistence::Outcome::Applied(Some(std::sync::Arc::new(desk.row(command))));
        let client = desk.row(command).client_id;
        desk.engine.line().tell_broker(&client, ordergate_actors::broker::SendCommitted { command_id: command, outcome });
        desk.pass(Duration::from_millis(500)).await;
        assert_eq!((desk.row(command).status, desk.row(command).tag), (Status::SentToBroker, None), "{}", desk.trace());
        drop(answer);
        assert_eq!(desk.until_ended(command).await.status, Status::Executed);
        assert_eq!(desk.placed(), 1);
        desk.at_rest().await;
    });
}

/// A scan says the same share once a day. What a person cancelled before it left is not wanted again a minute later.
#[test]
fn an_entry_of_a_daily_scan_that_was_cancelled_before_it_left_does_not_come_again() {
    let setup = Setup { can: |row| row.takes_market_orders = false, ..Setup::default() };
    scenario(setup, async |desk| {
        desk.dark();
        desk.next(CallKind::Quote, Fault::Hang);
        let scan = |desk: &Desk| SignalDraft {
            idempotency_key: Some(ordergate_actors::order::IdempotencyKey::parse("once:scan:2026-11-27:SBIN").unwrap()),
            body_hash: [7; 32],
            ..desk.draft(&[buy("a", 10)])
        };
        let _waits = desk.engine.submit_now(scan(desk)).unwrap();
        desk.until("it waits for its quote", |desk| desk.rows().len() == 1).await;
        let row = desk.rows()[0].clone();
        assert!(desk.engine.cancel(&row.client_id, row.command_id, "me", "").await.unwrap().is_applied());
        assert_eq!((desk.row(row.command_id).tag, desk.row(row.command_id).sent_at), (Some(Tag::CancelledByUser), None));
        desk.heal();
        desk.pass_secs(60).await;
        let again = desk.engine.submit(scan(desk)).await.unwrap();
        assert_eq!((again.replayed, again.orders, desk.placed()), (true, vec![row.command_id], 0));
        desk.at_rest().await;
    });
}
