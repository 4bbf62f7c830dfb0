//! The seeds' own tests under their own names: the four test cases of the order registration audit, the table of state
//! transitions of the flow diagrams, and the twelve recommendations of the system audit. Status, tag and broker id are
//! read back from the disk after every commit.

use std::sync::Arc;
use std::time::Duration;

use ordergate::brokers::faulty::{CallKind, Fault};
use ordergate_actors::order::{BookState, OrderRecord, Status, Tag};
use ordergate_actors::persistence::KillLevel;
use ordergate_actors::ports::{BookRow, Clock};

use super::desk::{But, Desk, Setup, buy, entry, exit, nse, price, rupees, sbin, scenario, sell};
use super::log::logged;

const CREATED: (Status, Option<Tag>, bool) = (Status::Created, None, false);
const SENT: (Status, Option<Tag>, bool) = (Status::SentToBroker, None, false);
const ACCEPTED: (Status, Option<Tag>, bool) = (Status::SentToBroker, None, true);
const EXECUTED: (Status, Option<Tag>, bool) = (Status::Executed, None, true);

fn failed(tag: Tag) -> (Status, Option<Tag>, bool) {
    (Status::Failed, Some(tag), false)
}

/// Whether the order's journal shows this gate, passed or not.
fn gate(desk: &Desk, row: &OrderRecord, name: &str) -> Option<bool> {
    let journal = desk.store().order_journal(&row.client_id, row.command_id).unwrap();
    journal.iter().find_map(|row| {
        let inputs: serde_json::Value = serde_json::from_str(&row.inputs).ok()?;
        let gates = inputs["gates"].as_array()?.clone();
        gates.iter().find(|gate| gate["gate"] == name).map(|gate| gate["passed"] == true)
    })
}

#[test]
fn test_case_1_webhook_registered_allowed_executed() {
    scenario(Setup::polled(), async |desk| {
        let row = desk.ended(buy("trend", 10)).await;
        assert_eq!(desk.states(row.command_id), [CREATED, SENT, ACCEPTED, EXECUTED]);
        assert_eq!(desk.events(row.command_id)[..3], ["INTENT_CREATED", "SENT_TO_BROKER", "BROKER_CONFIRMED"]);
        assert_eq!((gate(desk, &row, "risk.kill"), gate(desk, &row, "guard")), (Some(true), Some(true)), "both gates leave their word");
        assert_eq!((row.filled_quantity, desk.held("trend", &sbin())), (10, 10));
        assert_eq!(row.average_price, Some(price("800.05").value()));
        desk.at_rest().await;
    });
}

#[test]
fn test_case_2_webhook_registered_risk_blocked_failed() {
    scenario(Setup::polled(), async |desk| {
        let command = desk.order(buy("trend", 5_000)).await;
        desk.pass_secs(5).await;
        let row = desk.row(command);
        assert_eq!(desk.states(command), [CREATED, failed(Tag::RiskLimitsExceeded)], "and the watcher changes nothing about it");
        assert_eq!(desk.reason(command), "risk.max_quantity: 5000 (limit: 1000)");
        assert_eq!((gate(desk, &row, "risk.max_quantity"), gate(desk, &row, "guard")), (Some(false), None), "it never came to the guard");
        assert_eq!(desk.placed(), 0);
        desk.at_rest().await;
    });
}

#[test]
fn test_case_3_webhook_registered_guard_blocked_failed() {
    scenario(Setup::polled(), async |desk| {
        desk.ended(buy("trend", 10)).await;
        let command = desk.order(entry("trend", "INFY-EQ", "BUY", 1)).await;
        desk.pass_secs(5).await;
        let row = desk.row(command);
        assert_eq!(desk.states(command), [CREATED, failed(Tag::ExecutionGuardBlocked)]);
        assert_eq!((gate(desk, &row, "risk.max_quantity"), gate(desk, &row, "guard")), (Some(true), Some(false)));
        assert!(desk.reason(command).contains("trend holds 10 NSE:SBIN-EQ"), "{}", desk.reason(command));
        assert_eq!(desk.placed(), 1);
        desk.at_rest().await;
    });
}

#[test]
fn test_case_4_webhook_registered_sent_broker_rejects_failed() {
    scenario(Setup::polled(), async |desk| {
        desk.next(CallKind::Place, Fault::Refuse("RMS: margin exceeds".into()));
        let command = desk.order(buy("trend", 10)).await;
        desk.until_ended(command).await;
        desk.pass_secs(5).await;
        assert_eq!(desk.states(command), [CREATED, SENT, failed(Tag::BrokerRejected)]);
        assert_eq!(desk.reason(command), "RMS: margin exceeds");
        desk.at_rest().await;
    });
}

/// Every blocker alone, with everything else in order: its own code, its own words, nothing at the broker.
#[test]
fn unit_each_blocker_individually() {
    let mut setup = Setup::polled();
    setup.account.limits.max_order_value = rupees(500_000);
    setup.account.limits.max_open_orders = 2;
    scenario(setup, async |desk| {
        let refused = async |leg, tag: Tag, words: &str| {
            let before = desk.placed();
            let command = desk.order(leg).await;
            let row = desk.row(command);
            assert_eq!((row.status, row.tag, row.broker_order_id.clone()), (Status::Failed, Some(tag), None), "{words}: {row:?}");
            assert!(desk.reason(command).contains(words), "{words} is not in {}", desk.reason(command));
            assert_eq!(desk.placed(), before, "{words}");
        };
        refused(buy("a", 0), Tag::ValidationFailed, "qty").await;
        refused(entry("a", "NOSUCH-EQ", "BUY", 1), Tag::ValidationFailed, "tradingsymbol").await;
        refused(buy("a", 1_001), Tag::RiskLimitsExceeded, "risk.max_quantity: 1001").await;
        refused(buy("a", 900), Tag::RiskLimitsExceeded, "risk.max_order_value: 900 x 800.05 = 720045").await;
        refused(exit("a", "SBIN-EQ"), Tag::NoPosition, "a holds nothing").await;
        refused(buy("a", 10).kind("ADJUST"), Tag::ExecutionGuardBlocked, "holds nothing that could be adjusted").await;

        desk.market.hide(&sbin());
        refused(buy("a", 1), Tag::RiskLimitsExceeded, "no fresh quote").await;
        desk.market.set(&sbin(), price("800"), price("800.05"), price("800"));

        desk.kill(KillLevel::StopEntries).await;
        refused(buy("a", 1), Tag::KillSwitch, "kill level 1").await;
        desk.kill(KillLevel::None).await;

        let mut stale = desk.draft(&[buy("a", 1)]);
        stale.signal_time = Some(desk.clock.now() - chrono::Duration::seconds(31));
        let command = desk.engine.submit(stale).await.unwrap().orders[0];
        assert_eq!(desk.row(command).tag, Some(Tag::StaleSignal));

        let working = desk.order(buy("a", 1).at("790")).await;
        desk.until_at_broker(working).await;
        refused(buy("a", 1), Tag::DuplicateOrderBlocked, "a has order").await;
        refused(entry("a", "INFY-EQ", "BUY", 1), Tag::ExecutionGuardBlocked, "a is entering SBIN-EQ already").await;
        refused(sell("b", 1), Tag::ExecutionGuardBlocked, "strategy a has a BUY open").await;
        desk.until_at_broker(desk.order(entry("c", "INFY-EQ", "BUY", 1).at("1490")).await).await;
        refused(entry("d", "RELIANCE-EQ", "BUY", 1), Tag::RiskLimitsExceeded, "risk.max_open_orders: 3").await;
        desk.at_rest().await;
    });
}

/// The table of the flow diagrams: status, tag and broker id after each step, on every way through it.
#[test]
fn unit_db_state_transitions() {
    scenario(Setup::polled(), async |desk| {
        // T0, T0+1: the risk blocker.
        let risk = desk.order(buy("r", 5_000)).await;
        assert_eq!(desk.states(risk), [CREATED, failed(Tag::RiskLimitsExceeded)]);
        // T0+4, T0+5: all blockers passed, the broker accepted; T0+6b: the poll finds it complete.
        let done = desk.ended(buy("g", 1)).await.command_id;
        assert_eq!(desk.states(done), [CREATED, SENT, ACCEPTED, EXECUTED]);
        let id = desk.row(done).broker_order_id.map(|id| id.to_string());
        assert!(desk.steps(done).iter().skip(2).all(|step| step.broker_order_id == id), "the number stays what it was");
        // T0+2: the guard blocker.
        let guard = desk.order(entry("g", "INFY-EQ", "BUY", 1)).await;
        assert_eq!(desk.states(guard), [CREATED, failed(Tag::ExecutionGuardBlocked)]);
        // T0+3: the duplicate blocker.
        let working = desk.order(entry("d", "RELIANCE-EQ", "BUY", 1).at("1390")).await;
        desk.until_at_broker(working).await;
        let duplicate = desk.order(entry("d", "RELIANCE-EQ", "BUY", 1).at("1390")).await;
        assert_eq!(desk.states(duplicate), [CREATED, failed(Tag::DuplicateOrderBlocked)]);
        // T0+6, step 5b: the broker rejects the call.
        desk.next(CallKind::Place, Fault::Refuse("no".into()));
        let rejected = desk.ended(entry("x", "INFY-EQ", "BUY", 1)).await.command_id;
        assert_eq!(desk.states(rejected), [CREATED, SENT, failed(Tag::BrokerRejected)]);
        // T0+6, step 6a: accepted, and the poll finds it rejected.
        rewrite_state(desk, "RELIANCE-EQ", BookState::Rejected);
        desk.until_ended(working).await;
        assert_eq!(desk.states(working), [CREATED, SENT, ACCEPTED, (Status::Failed, Some(Tag::BrokerRejected), true)]);
    });
}

/// From now on the broker's book shows the orders of this symbol in this state.
fn rewrite_state(desk: &Desk, symbol: &'static str, state: BookState) {
    use ordergate_actors::ports::Snapshot;
    let change = move |rows: Vec<Arc<BookRow>>| {
        let changed = rows.iter().map(|row| {
            let is_it = &*row.instrument.symbol == symbol;
            Arc::new(BookRow {
                state: if is_it { state } else { row.state },
                reason: if is_it { Some("a drill".into()) } else { row.reason.clone() },
                ..(**row).clone()
            })
        });
        Snapshot::Authoritative(changed.collect(), Vec::new())
    };
    *desk.broker.rewrite.lock() = Some(super::witness::Rewritten(Box::new(change)));
}

/// A blocked order is a row with its code and its reason, and still is after a restart.
#[test]
fn unit_blocker_with_tag_persistence() {
    scenario(Setup::polled(), async |desk| {
        desk.ended(buy("g", 1)).await;
        let blocked = [
            desk.order(buy("r", 5_000)).await,
            desk.order(entry("g", "INFY-EQ", "BUY", 1)).await,
            desk.order(exit("nobody", "SBIN-EQ")).await,
            desk.order(buy("v", 0)).await,
        ];
        let before: Vec<OrderRecord> = blocked.iter().map(|command| desk.row(*command)).collect();
        let tags: Vec<_> = before.iter().map(|row| row.tag.unwrap()).collect();
        assert_eq!(tags, [Tag::RiskLimitsExceeded, Tag::ExecutionGuardBlocked, Tag::NoPosition, Tag::ValidationFailed]);
        assert!(before.iter().all(|row| row.status == Status::Failed && row.reason.is_some()));
        desk.start_again();
        desk.until_open().await;
        desk.pass_secs(40).await;
        let after: Vec<OrderRecord> = blocked.iter().map(|command| desk.row(*command)).collect();
        assert_eq!(before, after);
        desk.at_rest().await;
    });
}

#[test]
fn integration_full_six_step_flow() {
    scenario(Setup::default(), async |desk| {
        let entered = desk.ended(buy("trend", 10)).await;
        let states = desk.states(entered.command_id);
        assert_eq!((states[0], states[1], *states.last().unwrap()), (CREATED, SENT, EXECUTED));
        let exited = desk.ended(exit("trend", "SBIN-EQ")).await;
        assert_eq!((exited.status, exited.quantity(), exited.filled_quantity), (Status::Executed, 10, 10));
        assert_eq!((desk.held("trend", &sbin()), desk.net_at_broker(&sbin())), (0, 0));
        let fills = desk.store().fills(&entered.client_id, entered.command_id).unwrap();
        assert_eq!(fills.iter().map(|fill| fill.quantity.value()).sum::<i64>(), 10);
        // Flat again: the strategy may enter anew.
        assert_eq!(desk.ended(sell("trend", 5)).await.status, Status::Executed);
        desk.at_rest().await;
    });
}

/// Open, partly filled, filled, cancelled, cancelled after a partial fill, expired, rejected: what a poll makes of each.
#[test]
fn integration_broker_polling_with_various_statuses() {
    use ordergate::simulator::market::Level;
    scenario(Setup::polled(), async |desk| {
        let level = |at: &str, quantity| vec![Level { price: price(at), quantity }];
        let part = desk.order(buy("a", 10).at("790")).await;
        desk.until_at_broker(part).await;
        desk.pass_secs(3).await;
        assert_eq!(*desk.states(part).last().unwrap(), ACCEPTED, "working: nothing new");
        desk.market.set_depth(&sbin(), level("789", 100), level("789.50", 4), price("789.50"));
        let row = desk.until_status(part, Status::Partial).await;
        assert_eq!((row.filled_quantity, row.tag, desk.held("a", &sbin())), (4, None, 4));
        let cancel = |row: &OrderRecord| {
            let id = row.broker_order_id.clone().unwrap();
            desk.broker.broker.inner().cancel_foreign(&id, "the broker's own desk").unwrap().unwrap();
        };
        cancel(&row);
        let row = desk.until_ended(part).await;
        assert_eq!((row.status, row.tag, row.filled_quantity), (Status::Failed, Some(Tag::BrokerCancelled), 4));
        assert_eq!(desk.held("a", &sbin()), 4, "what filled is held");

        let infy = desk.order(entry("b", "INFY-EQ", "BUY", 3).at("1490")).await;
        cancel(&desk.until_at_broker(infy).await);
        assert_eq!(desk.until_ended(infy).await.tag, Some(Tag::BrokerCancelled));

        let later = desk.order(entry("c", "RELIANCE-EQ", "BUY", 2).at("1390")).await;
        desk.until_at_broker(later).await;
        desk.market.set(&nse("RELIANCE-EQ"), price("1389"), price("1389.10"), price("1389"));
        let row = desk.until_ended(later).await;
        assert_eq!((row.status, row.filled_quantity), (Status::Executed, 2));
        desk.at_rest().await;

        let expires = desk.order(entry("d", "M&M-EQ", "BUY", 1).at("3200")).await;
        desk.until_at_broker(expires).await;
        rewrite_state(desk, "M&M-EQ", BookState::Expired);
        assert_eq!(desk.until_ended(expires).await.tag, Some(Tag::BrokerExpired));
    });
}

/// `reconcile_with_broker`: less at the broker than our fills, seen twice, reduces the holding; more is somebody else's.
#[test]
fn integration_guard_reconciliation() {
    use ordergate::simulator::exchange::NewOrder;
    use ordergate_actors::order::{OrderType, Product, Quantity, Side, Terms, Validity};
    scenario(Setup::default(), async |desk| {
        desk.ended(buy("trend", 10)).await;
        let trade = |side, quantity| NewOrder {
            instrument: sbin(),
            terms: Terms {
                side,
                quantity: Quantity::new(quantity).unwrap(),
                product: Product::Mis,
                order_type: OrderType::Market,
                validity: Validity::Day,
                price: None,
                trigger_price: None,
            },
            tag: None,
        };
        desk.pass_secs(3).await;
        desk.broker.broker.inner().place_foreign(&trade(Side::Buy, 7)).unwrap().unwrap();
        desk.pass_secs(10).await;
        assert_eq!(desk.held("trend", &sbin()), 10, "what somebody else bought is left alone");
        desk.broker.broker.inner().place_foreign(&trade(Side::Sell, 13)).unwrap().unwrap();
        desk.until("the holding follows the broker", |desk| desk.held("trend", &sbin()) == 4).await;
        assert!(desk.texts("HOLDING_REDUCED")[0].contains("our fills say 10"), "{:?}", desk.texts("HOLDING_REDUCED"));
        desk.until_alarm("ALARM_HOLDING_REDUCED").await;
        // The guard goes by it: still held, so no second entry; once all is gone, the strategy is free.
        assert_eq!(desk.row(desk.order(buy("trend", 1)).await).tag, Some(Tag::ExecutionGuardBlocked));
        desk.broker.broker.inner().place_foreign(&trade(Side::Sell, 4)).unwrap().unwrap();
        desk.until("the strategy is flat", |desk| desk.held("trend", &sbin()) == 0).await;
        assert_eq!(desk.ended(buy("trend", 1)).await.status, Status::Executed);
    });
}

/// No at each step: as it is prepared, by the call, without leaving the machine, in the book, and after a partial fill.
#[test]
fn failure_broker_rejection_at_each_step() {
    scenario(Setup::polled(), async |desk| {
        // The exchange's own check, as the answer to the call.
        desk.market.hide(&sbin());
        let no_market = desk.ended(buy("a", 1).at("790")).await;
        assert_eq!((no_market.tag, no_market.broker_order_id), (Some(Tag::BrokerRejected), None));
        desk.market.set(&sbin(), price("800"), price("800.05"), price("800"));
        desk.next(CallKind::Place, Fault::Refuse("blocked by RMS".into()));
        assert_eq!(desk.ended(buy("a", 1)).await.tag, Some(Tag::BrokerRejected));
        desk.next(CallKind::Place, Fault::NotSent("connection refused".into()));
        let not_sent = desk.ended(buy("a", 1)).await;
        assert_eq!((not_sent.tag, desk.reason(not_sent.command_id).as_str()), (Some(Tag::NotSent), "connection refused"));
        // Nothing of these is in the way of the next.
        let filled = desk.ended(buy("a", 1)).await;
        assert_eq!(filled.status, Status::Executed);
        // A refused cancel leaves the order where it is, and is asked for again.
        let working = desk.order(entry("b", "INFY-EQ", "BUY", 1).at("1490")).await;
        desk.until_at_broker(working).await;
        desk.next(CallKind::Cancel, Fault::Refuse("try later".into()));
        let client = desk.row(working).client_id;
        assert!(desk.engine.cancel(&client, working, "a test", "").await.unwrap().is_applied());
        desk.pass_secs(2).await;
        assert_eq!(desk.row(working).status, Status::SentToBroker);
        assert_eq!(desk.until_ended(working).await.tag, Some(Tag::CancelledByUser));
        desk.at_rest().await;
        // Rejected in the book after it was accepted.
        let late = desk.order(entry("c", "RELIANCE-EQ", "BUY", 1).at("1390")).await;
        desk.until_at_broker(late).await;
        rewrite_state(desk, "RELIANCE-EQ", BookState::Rejected);
        let row = desk.until_ended(late).await;
        assert_eq!((row.tag, desk.reason(late).as_str()), (Some(Tag::BrokerRejected), "a drill"));
    });
}

/// A commit that fails is fail-stop: nothing goes out unrecorded, and the next start reads the truth, whichever it was.
#[test]
fn failure_db_failure_scenarios() {
    // The three commits of an order: CREATED, SENT_TO_BROKER, the broker's answer; each fails before or after it is made.
    for (commit, is_made) in [(1, false), (1, true), (2, false), (2, true), (3, false), (3, true)] {
        scenario(Setup::polled(), async |desk| {
            *desk.disk_fault.fail_commit.lock() = Some((commit, is_made));
            let _answer = desk.send(&[buy("a", 10)]);
            desk.until("fail-stop", |desk| desk.halt.halted().is_some()).await;
            assert_eq!(desk.halt.halted().unwrap().0, 70);
            desk.pass_secs(3).await;
            assert_eq!(desk.placed(), usize::from(commit == 3), "nothing goes out before its row is on disk");
            desk.start_again();
            desk.until_open().await;
            if (commit, is_made) == (1, false) {
                assert!(desk.rows().is_empty(), "what was not committed was never accepted");
                return;
            }
            let row = desk.until_ended(desk.rows()[0].command_id).await;
            let (status, tag) = match (commit, is_made) {
                // Intended, never called: proven absent.
                (2, true) => (Status::Failed, Some(Tag::NotAtBroker)),
                _ => (Status::Executed, None),
            };
            assert_eq!((row.status, row.tag), (status, tag), "commit {commit}, made: {is_made}");
            assert_eq!(desk.placed(), usize::from(status == Status::Executed), "never sent twice");
            desk.at_rest().await;
        });
    }
}

/// Reads that fail, hang or lie; a lost session: nothing is concluded, entries stop, exits go on, and all of it heals.
#[test]
fn failure_api_failure_recovery() {
    scenario(Setup::polled(), async |desk| {
        desk.ended(buy("held", 10)).await;
        let working = desk.order(entry("w", "INFY-EQ", "BUY", 1).at("1490")).await;
        desk.until_at_broker(working).await;
        for fault in [Fault::Unknown("502 Bad Gateway".into()), Fault::Hang] {
            use ordergate::brokers::faulty::FaultPlan;
            let plan = [CallKind::Orders, CallKind::Trades, CallKind::Positions, CallKind::Session];
            desk.broker.broker.replan(plan.iter().fold(FaultPlan::none(), |plan, kind| plan.always(*kind, fault.clone())));
            desk.pass_secs(45).await;
            assert_eq!(desk.row(working).status, Status::SentToBroker, "unknown is not empty");
            let blind = desk.order(entry("b", "RELIANCE-EQ", "BUY", 1)).await;
            assert!(desk.reason(blind).contains("risk.blind"), "{}", desk.reason(blind));
            desk.heal();
            desk.pass_secs(45).await;
        }
        let back = desk.ended(entry("b", "RELIANCE-EQ", "BUY", 1)).await;
        assert_eq!(back.status, Status::Executed);
        desk.market.set(&nse("INFY-EQ"), price("1489"), price("1489.10"), price("1489"));
        assert_eq!(desk.until_ended(working).await.status, Status::Executed);
        assert_eq!(desk.ended(exit("held", "SBIN-EQ")).await.status, Status::Executed);
        desk.at_rest().await;
    });
}

/// One alert sent many times at once is one order; the same under a key of its own each is one winner.
#[test]
fn concurrent_duplicate_order_handling() {
    scenario(Setup::default(), async |desk| {
        let draft = desk.draft(&[buy("a", 10)]);
        let answers: Vec<_> = (0..50).map(|_| desk.engine.submit_now(draft.clone()).unwrap()).collect();
        let mut orders = std::collections::BTreeSet::new();
        let mut replays = 0;
        for answer in answers {
            let answer = answer.await.unwrap().unwrap();
            orders.extend(answer.orders);
            replays += usize::from(answer.replayed);
        }
        assert_eq!((orders.len(), replays, desk.rows().len()), (1, 49, 1));
        desk.until_ended(*orders.first().unwrap()).await;

        let mut rivals = Vec::new();
        for _ in 0..10 {
            rivals.push(desk.send(&[entry("b", "INFY-EQ", "BUY", 10)]));
        }
        for rival in rivals {
            rival.await.unwrap().unwrap();
        }
        desk.until_still().await;
        let rows: Vec<OrderRecord> = desk.rows().into_iter().filter(|row| row.ask.strategy.as_str() == "b").collect();
        assert_eq!(rows.iter().filter(|row| row.status == Status::Executed).count(), 1);
        assert_eq!(rows.iter().filter(|row| row.tag == Some(Tag::DuplicateOrderBlocked)).count(), 9);
        assert_eq!(desk.net_at_broker(&nse("INFY-EQ")), 10);
        desk.at_rest().await;
    });
}

/// Polls that come between the call and its answer: the book tells first, the answer says nothing new.
#[test]
fn concurrent_order_watcher_polling_during_execution() {
    let mut setup = Setup::polled();
    setup.account.waits.slot_deadline = Duration::from_secs(8);
    scenario(setup, async |desk| {
        desk.next(CallKind::Place, Fault::Late(Duration::from_secs(5)));
        let command = desk.order(buy("a", 10)).await;
        let row = desk.until_status(command, Status::Executed).await;
        assert!(row.broker_order_id.is_some() && desk.line().calls.lock().is_running(command), "the call still runs");
        desk.until_still().await;
        let after = desk.row(command);
        assert_eq!((after.status, &after.broker_order_id, after.filled_quantity), (Status::Executed, &row.broker_order_id, 10));
        assert_eq!(desk.events(command).iter().filter(|event| *event == "FILL").count(), 1);
        assert!(!desk.states(command).iter().any(|(_, tag, _)| *tag == Some(Tag::SendUnconfirmed)));
        desk.at_rest().await;
    });
}

/// Two strategies on opposite sides of one instrument would undo each other at the broker: the second is refused,
/// whether the first holds, works, or came in the same instant.
#[test]
fn concurrent_cross_strategy_conflict_detection() {
    scenario(Setup::default(), async |desk| {
        let (long, short) = (desk.send(&[buy("a", 10)]), desk.send(&[sell("b", 10)]));
        let (long, short) = (long.await.unwrap().unwrap().orders[0], short.await.unwrap().unwrap().orders[0]);
        assert_eq!(desk.until_ended(long).await.status, Status::Executed);
        assert_eq!(desk.row(short).tag, Some(Tag::ExecutionGuardBlocked));
        assert!(desk.reason(short).contains("strategy a has a BUY open"), "{}", desk.reason(short));
        let held = desk.order(sell("c", 10)).await;
        assert!(desk.reason(held).contains("another strategy holds 10"), "{}", desk.reason(held));
        let same_side = desk.ended(buy("d", 5)).await;
        assert_eq!(same_side.status, Status::Executed, "the same side is no conflict");
        assert_eq!(desk.ended(exit("a", "SBIN-EQ")).await.filled_quantity, 10, "nor is an exit");
        assert_eq!((desk.held("d", &sbin()), desk.net_at_broker(&sbin())), (5, 5));
        desk.at_rest().await;
    });
}

/// The seeds' line `OrderWatcherEngine started`: at the start, and whenever the watcher is made anew.
#[test]
fn the_log_says_when_the_watcher_starts() {
    let lines = logged("watcher_started", || {
        scenario(Setup::default(), async |desk| {
            desk.panic_in("WatcherActor").await;
            desk.until("it runs again", |desk| desk.restarts() == 1).await;
            desk.pass_secs(3).await;
        });
    });
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(
        lines.iter().all(|line| line["message"] == "watcher started" && line["client_id"] == "SIM1" && line["poll_ms"] == 1_000),
        "{lines:?}"
    );
}
