//! Messages that a full mailbox dropped, to BrokerActor and to WatcherActor: each comes to its end without them.

use std::time::Duration;

use ordergate::brokers::faulty::{CallKind, Fault};
use ordergate_actors::WriteOn;
use ordergate_actors::order::{CommandId, LegDraft, Source, Status, Tag};
use ordergate_actors::persistence::KillLevel;
use ordergate_actors::risk::{Change, ChangeAnswer};

use crate::desk::{But, Desk, Setup, buy, entry, exit, price, sbin, scenario};

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

/// Each commit takes a while, so that a test can step in between.
fn slowly_written() -> Setup {
    Setup { write_on: WriteOn::Late(Duration::from_millis(50)), ..Setup::polled() }
}

/// What may become of the word that an exit has failed.
#[derive(Debug, Clone, Copy)]
enum Word {
    Lost,
    /// WatcherActor panics when it looks at the clock.
    Look(u32),
    /// It panics before it sends its so-manieth message.
    Message(u32),
}

#[test]
fn an_exit_that_failed_is_told_whatever_becomes_of_its_commits_message() {
    let words = [Word::Lost].into_iter().chain((1..=3).map(Word::Look)).chain((1..=4).map(Word::Message));
    for word in words {
        scenario(slowly_written(), async |desk| {
            desk.ended(buy("a", 10)).await;
            desk.pass_secs(3).await;
            desk.next(CallKind::Place, Fault::Refuse("RMS: blocked".into()));
            let _answer = desk.send(&[exit("a", "SBIN-EQ")]);
            let is_sent = |desk: &Desk| desk.rows().iter().any(|row| row.is_exit() && row.status == Status::SentToBroker);
            desk.until("its call is under way", is_sent).await;
            match word {
                Word::Lost => lose(desk, "::Committed"),
                Word::Look(look) => desk.clock.fail_at("WatcherActor", look),
                Word::Message(message) => desk.trap_between("WatcherActor", message),
            }
            let has_failed = |desk: &Desk| desk.rows().iter().any(|row| row.is_exit() && row.tag == Some(Tag::BrokerRejected));
            desk.until("it has failed", has_failed).await;
            desk.until_alarm("ALARM_EXIT_FAILED").await;
            desk.clock.disarm();
            desk.has_sprung();
            assert!(desk.texts("ALARM_EXIT_FAILED")[0].contains("nothing sends another"), "{word:?}");
            desk.at_rest().await;
        });
    }
}

/// A stop that the broker rejects is told, and watched by the engine, also when nobody heard of it.
#[test]
fn a_resting_stop_that_was_rejected_is_told_whatever_becomes_of_its_commits_message() {
    for is_panic in [false, true] {
        scenario(slowly_written(), async |desk| {
            let with_stop = LegDraft { stop_loss: Some("10 points".into()), stop_at: Some("broker".into()), ..buy("a", 10) };
            desk.ended(with_stop).await;
            let stop = |desk: &Desk| desk.rows().into_iter().find(|row| row.source == Source::Stop);
            desk.next(CallKind::Place, Fault::Refuse("RMS: trigger price".into()));
            desk.until("its call is under way", |desk| stop(desk).is_some_and(|row| row.status == Status::SentToBroker)).await;
            if is_panic {
                desk.trap_between("WatcherActor", 1)
            } else {
                lose(desk, "::Committed")
            }
            desk.until_alarm("ALARM_STOP_IN_ENGINE").await;
            desk.has_sprung();
            assert!(desk.texts("ALARM_STOP_IN_ENGINE")[0].contains("RMS: trigger price"));
            desk.market.set(&sbin(), price("789"), price("789.05"), price("789"));
            desk.until("the stop has fired", |desk| desk.held("a", &sbin()) == 0).await;
            desk.at_rest().await;
        });
    }
}

/// The latch goes up when a kill is asked for, and comes down by the word of a commit.
#[test]
fn a_kill_is_lifted_also_when_the_word_of_its_commits_was_lost() {
    scenario(slowly_written(), async |desk| {
        for level in [KillLevel::StopEntries, KillLevel::None] {
            lose(desk, "::Committed");
            desk.kill(level).await;
            desk.pass_secs(1).await;
            let entered = desk.ended(buy("a", 10)).await;
            assert_eq!(entered.status == Status::Executed, level == KillLevel::None, "{level:?}: {:?}", entered.reason);
        }
        desk.at_rest().await;
    });
}
