//! Panics: in each actor, in a timer, in a core with orders at hand, in the writer.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ordergate::brokers::faulty::{CallKind, Fault};
use ordergate_actors::order::{ClientId, LegDraft, OrderRecord, SignalDraft, Status, Tag};
use ordergate_actors::persistence::{Book, KillLevel};
use ordergate_actors::{Phase, WriteOn};

use crate::desk::{But, Desk, Setup, buy, entry, exit, nse, price, sbin, scenario};
use crate::world::{client, neighbour};

const ACTORS: [&str; 6] = ["IngressActor", "RiskActor", "GuardActor", "BrokerActor", "WatcherActor", "PersistenceActor"];

/// Looks at the clock that an actor has between an alert and a few polls after it.
const LOOKS: u32 = 14;

fn tags(rows: &[OrderRecord]) -> Vec<(Status, Option<Tag>)> {
    rows.iter().map(|row| (row.status, row.tag)).collect()
}

/// The desk works as on the first day: an entry goes through, its exit too, and all books agree.
async fn is_well(desk: &Desk) {
    assert_eq!(desk.halt.halted(), None);
    desk.until_still().await;
    let entered = desk.ended(entry("well", "M&M-EQ", "BUY", 3)).await;
    assert_eq!(entered.status, Status::Executed, "{:?}\n{}", entered.reason, desk.trace());
    assert_eq!(desk.ended(exit("well", "M&M-EQ")).await.status, Status::Executed);
    assert_eq!(desk.engine.desk(&entered.client_id).unwrap().latch.forbids(&entered.ask.strategy, false), None);
}

/// Half of PersistenceActor's looks are the writer's own, which runs on the same thread here: a panic there is
/// fail-stop. Whoever started us starts us again; says whether that was so.
async fn is_up_again(desk: &mut Desk, actor: &str) -> bool {
    let Some((code, cause)) = desk.halt.halted() else { return false };
    assert_eq!((code, cause.as_str(), actor), (70, "a panic in the writer", "PersistenceActor"));
    desk.start_again();
    desk.until_open().await;
    desk.pass_secs(20).await;
    true
}

/// Whatever the actor was about to do when it panicked: it restarts, no order is lost, none is sent twice, and the desk
/// goes on. Three orders are on their way, one of them an exit, one resting; the panic comes at every look in turn.
#[test]
fn a_panic_at_any_moment_in_any_actor_restarts_it_and_every_order_is_resolved() {
    for actor in ACTORS {
        for look in 1..=LOOKS {
            scenario(Setup::default(), async |desk| {
                desk.ended(buy("a", 10)).await;
                desk.pass_secs(2).await;
                desk.clock.fail_at(actor, look);
                let answers = [
                    desk.send(&[exit("a", "SBIN-EQ")]),
                    desk.send(&[entry("b", "INFY-EQ", "BUY", 5), entry("b", "M&M-EQ", "BUY", 5)]),
                    desk.send(&[entry("c", "RELIANCE-EQ", "BUY", 5).at("1390")]),
                ];
                desk.pass_secs(20).await;
                let fired = !desk.clock.is_armed();
                desk.clock.disarm();
                assert!(desk.restarts() <= u64::from(fired), "{actor} look {look}");
                if !is_up_again(desk, actor).await && fired {
                    desk.until_alarm("ALARM_ACTOR_RESTARTED").await;
                }
                for answer in answers {
                    // Whoever was not answered reads the record; a signal that left no rows was never accepted.
                    if let Ok(Ok(answer)) = answer.await {
                        assert!(answer.orders.iter().all(|command| desk.find(*command).is_some()));
                    }
                }
                desk.until_still().await;
                for row in desk.rows() {
                    let is_resolved = row.status.is_terminal() || (row.broker_order_id.is_some() && row.ask.strategy.as_str() == "c");
                    assert!(is_resolved, "{actor} look {look}: {row:?}\n{}", desk.trace());
                    // Asking for a quote looks at the clock inside these two, with an order at hand; an exit is spared.
                    let may_be_suspect = ["RiskActor", "BrokerActor"].contains(&actor) && !row.is_exit();
                    assert!(may_be_suspect || row.tag != Some(Tag::EngineFault), "{actor} look {look}: {row:?}");
                }
                // The exit came through, unless its signal was never registered, or the panic came between its commit and
                // its call: then it ended as not sent, aloud.
                let exits: Vec<OrderRecord> = desk.rows().into_iter().filter(OrderRecord::is_exit).collect();
                if exits.iter().any(|exit| exit.status == Status::Failed) {
                    desk.until_alarm("ALARM_EXIT_FAILED").await;
                } else if !exits.is_empty() {
                    assert_eq!((desk.held("a", &sbin()), desk.net_at_broker(&sbin())), (0, 0), "{actor} look {look}\n{}", desk.trace());
                }
                // A kill still cancels what works, and being armed again lets entries go.
                desk.kill(KillLevel::CancelEntries).await;
                desk.until("what worked is cancelled", |desk| desk.rows().iter().all(|row| row.status.is_terminal())).await;
                desk.kill(KillLevel::None).await;
                desk.pass_secs(1).await;
                is_well(desk).await;
                desk.at_rest().await;
            });
        }
    }
}

/// Messages that an actor sends between an alert and a few polls after it.
const MESSAGES: u32 = 10;

/// The same between two messages of what an actor has decided: some are out, the others never are. No order is lost, an exit that failed
/// is told, and a stop fires.
#[test]
fn a_panic_in_the_middle_of_any_core_loses_no_order_no_page_and_no_stop() {
    for actor in ACTORS {
        let mut sprung = 0;
        for message in 1..=MESSAGES {
            scenario(Setup::default(), async |desk| {
                desk.ended(buy("a", 10)).await;
                desk.pass_secs(2).await;
                desk.next(CallKind::Place, Fault::Refuse("RMS: blocked".into()));
                desk.trap_between(actor, message);
                let protected = LegDraft { stop_loss: Some("10 points".into()), ..entry("d", "RELIANCE-EQ", "BUY", 5) };
                let answers = [desk.send(&[exit("a", "SBIN-EQ")]), desk.send(&[entry("b", "INFY-EQ", "BUY", 5)]), desk.send(&[protected])];
                desk.pass_secs(20).await;
                sprung += u32::from(desk.has_sprung());
                assert_eq!(desk.halt.halted(), None, "{actor} message {message}");
                for answer in answers {
                    // Whoever was not answered reads the record.
                    if let Ok(Ok(answer)) = answer.await {
                        assert!(answer.orders.iter().all(|command| desk.find(*command).is_some()));
                    }
                }
                desk.until_still().await;
                for row in desk.rows() {
                    assert!(row.status.is_terminal(), "{actor} message {message}: {row:?}\n{}", desk.trace());
                    if row.is_exit() && row.tag == Some(Tag::BrokerRejected) {
                        desk.until_alarm("ALARM_EXIT_FAILED").await;
                    }
                }
                let reliance = nse("RELIANCE-EQ");
                desk.market.set(&reliance, price("1380"), price("1380.10"), price("1380"));
                desk.until("its stop has fired", |desk| desk.held("d", &reliance) == 0).await;
                desk.until_still().await;
                assert_eq!(desk.net_at_broker(&reliance), 0, "{actor} message {message}\n{}", desk.trace());
                is_well(desk).await;
                desk.at_rest().await;
            });
        }
        assert!(sprung > 0, "{actor} was never in the middle of anything");
    }
}

/// Two accounts: what one of them is in the middle of when an actor panics is nobody else's, and both hear what they must.
#[test]
fn a_panic_at_one_of_two_desks_is_borne_by_both() {
    for actor in ACTORS {
        for message in 1..=6 {
            let setup = Setup { has_neighbour: true, write_on: WriteOn::Late(Duration::from_millis(2)), ..Setup::polled() };
            scenario(setup, async |desk| {
                let next_door = Arc::clone(desk.next_door.as_ref().unwrap());
                desk.until("both are open", |desk| desk.engine.line().desks().all(|desk| desk.phase() == Phase::Open)).await;
                let clients = [client(), neighbour()];
                let to = |desk: &Desk, client_id: &ClientId, leg| {
                    let draft = SignalDraft { client_id: client_id.clone(), ..desk.draft(&[leg]) };
                    desk.engine.submit_now(draft).unwrap()
                };
                let rows = |desk: &Desk, client_id: &ClientId| -> Vec<OrderRecord> {
                    desk.rows().into_iter().filter(|row| row.client_id == *client_id).collect()
                };
                for client_id in &clients {
                    to(desk, client_id, buy("a", 10)).await.unwrap().unwrap();
                }
                let are_in = |desk: &Desk| desk.rows().iter().filter(|row| row.status == Status::Executed).count() == 2;
                desk.until("both hold", are_in).await;
                desk.pass_secs(3).await;
                for broker in [&desk.broker, &next_door] {
                    broker.broker.next(CallKind::Place, Some(Fault::Refuse("RMS: blocked".into())));
                }
                desk.trap_between(actor, message);
                let answers = clients.each_ref().map(|client_id| to(desk, client_id, exit("a", "SBIN-EQ")));
                desk.pass_secs(20).await;
                desk.has_sprung();
                assert!(desk.restarts() <= 1, "{actor} message {message}");
                for answer in answers {
                    let _lost_or_not = answer.await;
                }
                for client_id in &clients {
                    let exits: Vec<OrderRecord> = rows(desk, client_id).into_iter().filter(OrderRecord::is_exit).collect();
                    let words = format!("{actor} message {message}, {client_id}: {exits:?}\n{}", desk.trace());
                    assert!(exits.iter().all(|row| row.status == Status::Failed), "{words}");
                    let told = |event: &str| {
                        let is_told = |book: &Book| book.alarms().any(|alarm| &*alarm.event == event);
                        desk.engine.read(client_id, is_told).unwrap_or(false)
                    };
                    assert!(exits.is_empty() || told("ALARM_EXIT_FAILED"), "{words}");
                }
                assert!([&desk.broker, &next_door].iter().all(|broker| broker.broker.inner().exchange().orders().len() == 1));
            });
        }
    }
}

/// The same while calls hang, so that answers, slots and cancels are what the actor handles.
#[test]
fn a_panic_while_calls_hang_loses_no_answer_and_no_slot() {
    for actor in ["BrokerActor", "PersistenceActor", "WatcherActor"] {
        for look in 1..=LOOKS {
            scenario(Setup::polled(), async |desk| {
                desk.next(CallKind::Place, Fault::Late(Duration::from_secs(3)));
                desk.next(CallKind::Place, Fault::Hang);
                let first = desk.order(buy("a", 10).at("790")).await;
                let second = desk.order(entry("b", "INFY-EQ", "BUY", 5)).await;
                let third = desk.order(entry("c", "RELIANCE-EQ", "BUY", 5)).await;
                desk.clock.fail_at(actor, look);
                let client = desk.row(first).client_id;
                let _asked = tokio::time::timeout(Duration::from_secs(2), desk.engine.cancel(&client, first, "a test", "")).await;
                desk.pass_secs(40).await;
                desk.clock.disarm();
                is_up_again(desk, actor).await;
                desk.until_still().await;
                let rows: Vec<OrderRecord> = [first, second, third].iter().map(|command| desk.row(*command)).collect();
                let words = format!("{actor} look {look}: {:?}\n{}", tags(&rows), desk.trace());
                assert!(rows[0].status == Status::Failed || rows[0].cancel_wanted.is_none(), "{words}");
                assert_eq!((rows[1].status, rows[1].tag), (Status::Failed, Some(Tag::NotAtBroker)), "{words}");
                assert!(rows[2].status.is_terminal(), "{words}");
                desk.heal();
                is_well(desk).await;
                desk.at_rest().await;
            });
        }
    }
}

#[test]
fn a_restart_budget_that_is_used_up_ends_the_process_with_70() {
    scenario(Setup::default(), async |desk| {
        for _ in 0..5 {
            desk.panic_in("WatcherActor").await;
        }
        assert_eq!(desk.halt.halted(), None, "five within the window are borne");
        desk.panic_in("RiskActor").await;
        let (code, cause) = desk.halt.halted().expect("the sixth is not");
        assert_eq!(code, 70);
        assert!(cause.contains("restart budget"), "{cause}");
        let (code_of_the_next, before) = (desk.engine.submit_now(desk.draft(&[buy("a", 1)])).is_ok(), desk.placed());
        desk.pass_secs(5).await;
        assert_eq!((desk.placed(), desk.rows().len()), (before, 0), "nothing moves any more ({code_of_the_next})");
        // Whoever started us starts us again.
        desk.start_again();
        desk.until_open().await;
        is_well(desk).await;
    });
}

#[test]
fn a_panic_in_a_timer_restarts_the_actor_and_its_timer() {
    for actor in ["RiskActor", "WatcherActor"] {
        scenario(Setup::polled(), async |desk| {
            desk.pass(Duration::from_millis(500)).await;
            desk.panic_in(actor).await;
            assert_eq!(desk.restarts(), 1);
            // Both timers run again: the poll finds a fill, an exit that waits is looked at and paged.
            is_well(desk).await;
            desk.ended(buy("a", 10)).await;
            desk.always(CallKind::Positions, Fault::Unknown("502".into()));
            let added = desk.ended(buy("a", 5).kind("ADJUST")).await;
            assert_eq!(added.status, Status::Executed);
            let waits = desk.order(exit("a", "SBIN-EQ")).await;
            desk.until_alarm("ALARM_EXIT_WAITS").await;
            assert_eq!(desk.row(waits).status, Status::Created);
            desk.heal();
            assert_eq!(desk.until_ended(waits).await.filled_quantity, 15);
            desk.at_rest().await;
        });
    }
}

/// The order at hand is the suspect: an entry ends ENGINE_FAULT, and the other entries of its basket with it.
#[test]
fn a_panic_with_a_basket_at_hand_ends_its_entries_and_sends_none() {
    scenario(Setup::default(), async |desk| {
        desk.ended(buy("x", 10)).await;
        desk.pass_secs(2).await;
        desk.trap("RiskActor", "INFY-EQ");
        let legs =
            [entry("b", "RELIANCE-EQ", "BUY", 5), entry("b", "INFY-EQ", "BUY", 5), entry("b", "M&M-EQ", "BUY", 5), exit("x", "SBIN-EQ")];
        let answer = desk.send(&legs);
        let _lost_or_late = tokio::time::timeout(Duration::from_secs(20), answer).await;
        desk.until_still().await;
        let rows = desk.rows();
        let of = |symbol: &str| rows.iter().rev().find(|row| &*row.ask.symbol == symbol).unwrap();
        assert_eq!(of("INFY-EQ").tag, Some(Tag::EngineFault));
        for symbol in ["RELIANCE-EQ", "M&M-EQ"] {
            assert_eq!((of(symbol).status, of(symbol).tag), (Status::Failed, Some(Tag::EngineFault)), "entries stand and fall together");
            assert!(desk.reason(of(symbol).command_id).contains("of this basket was refused"), "{:?}", of(symbol).reason);
        }
        assert_eq!((of("SBIN-EQ").status, desk.held("x", &sbin())), (Status::Executed, 0), "the exit is driven again");
        assert_eq!(desk.net_at_broker(&nse("RELIANCE-EQ")), 0);
        is_well(desk).await;
        desk.at_rest().await;
    });
}

/// An exit that is the suspect itself is driven once more: the position is open. A second panic on it ends it, loudly.
#[test]
fn a_suspect_exit_gets_a_second_drive_and_no_third() {
    scenario(Setup::default(), async |desk| {
        desk.ended(buy("x", 10)).await;
        desk.pass_secs(2).await;
        desk.trap("RiskActor", "SBIN-EQ");
        let _lost = desk.send(&[exit("x", "SBIN-EQ")]).await;
        desk.until_still().await;
        assert_eq!((desk.restarts(), desk.held("x", &sbin())), (1, 0), "{}", desk.trace());

        desk.ended(buy("x", 10)).await;
        desk.pass_secs(2).await;
        desk.trap("RiskActor", "SBIN-EQ");
        let _lost = desk.send(&[exit("x", "SBIN-EQ")]).await;
        desk.trap("RiskActor", "SBIN-EQ");
        desk.until_still().await;
        let last = desk.rows().pop().unwrap();
        assert_eq!((last.status, last.tag, desk.held("x", &sbin())), (Status::Failed, Some(Tag::EngineFault), 10));
        assert_eq!(desk.restarts(), 3);
        is_well(desk).await;
    });
}

/// Lanes go down with BrokerActor. What was only registered goes down the line again; what was written as sent and
/// never called ends as such; the call under way is followed, and nothing goes out twice.
#[test]
fn orders_in_the_lanes_survive_a_restart_of_the_broker_actor() {
    for send_ahead in [1, 64] {
        let mut setup = Setup::polled();
        setup.can = if send_ahead == 1 { |row| row.send_ahead = 1 } else { |row| row.send_ahead = 64 };
        scenario(setup, async |desk| {
            desk.next(CallKind::Place, Fault::Late(Duration::from_millis(1_500)));
            let called = desk.order(buy("a", 10)).await;
            let waiting = [
                desk.order(entry("b", "INFY-EQ", "BUY", 1)).await,
                desk.order(entry("c", "RELIANCE-EQ", "BUY", 1)).await,
                desk.order(entry("d", "M&M-EQ", "BUY", 1)).await,
            ];
            desk.pass(Duration::from_millis(100)).await;
            assert_eq!(desk.placed(), 1);
            desk.panic_in("BrokerActor").await;
            assert_eq!(desk.until_ended(called).await.status, Status::Executed, "the late answer is taken");
            desk.until_still().await;
            for command in waiting {
                let row = desk.until_ended(command).await;
                let was_written = send_ahead == 64;
                let expected = if was_written { (Status::Failed, Some(Tag::NotAtBroker)) } else { (Status::Executed, None) };
                // The first of the window of one was written ahead too.
                if send_ahead == 64 || command != waiting[0] {
                    assert_eq!((row.status, row.tag), expected, "send_ahead {send_ahead}\n{}", desk.trace());
                }
            }
            is_well(desk).await;
            desk.at_rest().await;
        });
    }
}

/// Forty alerts wait in the mailboxes when each of the actors panics in turn: all are resolved, each at most once.
#[test]
fn queued_messages_survive_a_panic() {
    for actor in ACTORS {
        scenario(Setup::default(), async |desk| {
            let symbols = ["SBIN-EQ", "INFY-EQ", "RELIANCE-EQ", "M&M-EQ"];
            let mut answers = Vec::new();
            for number in 0..40 {
                if number == 20 {
                    desk.clock.fail_in(actor);
                }
                answers.push(desk.send(&[entry(&format!("s{number}"), symbols[number % 4], "BUY", 1)]));
            }
            desk.pass_secs(30).await;
            desk.until_still().await;
            let mut answered = BTreeSet::new();
            for answer in answers {
                if let Ok(Ok(answer)) = answer.await {
                    answered.extend(answer.orders);
                }
            }
            let rows = desk.rows();
            assert!(rows.len() >= 39, "{actor}: only {} of 40 were registered", rows.len());
            assert!(answered.iter().all(|command| rows.iter().any(|row| row.command_id == *command)), "{actor}: answered and not on disk");
            let unsent: Vec<_> = rows.iter().filter(|row| row.status != Status::Executed).collect();
            assert!(unsent.iter().all(|row| row.status == Status::Failed && row.tag.is_some()), "{actor}: {unsent:?}");
            let executed = rows.iter().filter(|row| row.status == Status::Executed).count();
            assert_eq!(desk.broker.broker.inner().exchange().orders().len(), executed, "{actor}: sent once each");
            desk.at_rest().await;
        });
    }
}

/// A panic inside the writer is fail-stop: what it was writing is unknown until the next start reads it.
#[test]
fn a_panic_in_the_writer_ends_the_process_with_70() {
    scenario(Setup::default(), async |desk| {
        *desk.disk_fault.panic_at_commit.lock() = true;
        let _lost = desk.send(&[buy("a", 10)]).await;
        let (code, cause) = desk.halt.halted().expect("fail-stop");
        assert_eq!(code, 70);
        assert!(cause.contains("panic"), "{cause}");
        desk.pass_secs(5).await;
        assert_eq!((desk.placed(), desk.rows().len()), (0, 0), "nothing sent unrecorded");
        desk.start_again();
        desk.until_open().await;
        is_well(desk).await;
    });
}

#[test]
fn a_panic_on_the_writers_thread_ends_the_process_with_70() {
    let setup = Setup { write_on: WriteOn::Thread, ..Setup::default() };
    Desk::unopened(setup, async |desk| {
        *desk.disk_fault.panic_at_commit.lock() = true;
        let _lost = desk.send(&[buy("a", 10)]);
        // The thread runs in real time: let both run until it has.
        let patience = Instant::now() + Duration::from_secs(20);
        while desk.halt.halted().is_none() && Instant::now() < patience {
            tokio::task::yield_now().await;
            std::thread::yield_now();
        }
        let (code, cause) = desk.halt.halted().expect("fail-stop");
        assert_eq!((code, cause.as_str()), (70, "a panic on the writer's thread"));
        assert_eq!(desk.placed(), 0);
    });
}
