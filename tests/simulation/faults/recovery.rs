//! The next process: what it finds on disk and at the broker, and what it makes of it.

use std::time::Duration;

use ordergate::brokers::faulty::{CallKind, Fault, FaultPlan};
use ordergate_actors::Phase;
use ordergate_actors::order::{Status, Tag};
use ordergate_actors::persistence::NotRegistered;

use crate::desk::{But, Desk, Setup, buy, entry, exit, sbin, scenario};

/// A process that dies right after CREATED is on disk; the next one starts so much later.
async fn created_and_killed(desk: &mut Desk, legs: &[ordergate_actors::order::LegDraft], later: Duration) {
    *desk.disk_fault.fail_commit.lock() = Some((1, true));
    let _lost = desk.send(legs);
    desk.until("killed", |desk| desk.halt.halted().is_some()).await;
    desk.pass(later).await;
    desk.start_again();
}

/// The commit of SENT_TO_BROKER fails: nobody acts on what is not on disk, and the next process sends it once.
#[test]
fn what_is_not_committed_as_sent_is_not_called() {
    scenario(Setup::polled(), async |desk| {
        *desk.disk_fault.fail_commit.lock() = Some((2, false));
        let _lost = desk.send(&[buy("a", 10)]);
        desk.until("fail-stop", |desk| desk.halt.halted().is_some()).await;
        assert_eq!((desk.rows()[0].status, desk.placed()), (Status::Created, 0));
        desk.start_again();
        desk.until_open().await;
        let row = desk.until_ended(desk.rows()[0].command_id).await;
        assert_eq!((row.status, desk.placed()), (Status::Executed, 1));
        desk.at_rest().await;
    });
}

#[test]
fn a_created_entry_within_its_time_to_live_is_driven() {
    scenario(Setup::polled(), async |desk| {
        created_and_killed(desk, &[buy("a", 10), entry("a", "INFY-EQ", "BUY", 1)], Duration::from_secs(20)).await;
        desk.until_open().await;
        for row in desk.rows() {
            assert_eq!(desk.until_ended(row.command_id).await.status, Status::Executed);
        }
        desk.at_rest().await;
    });
}

#[test]
fn an_older_created_entry_is_abandoned_and_an_exit_is_driven() {
    scenario(Setup::polled(), async |desk| {
        desk.ended(buy("a", 10)).await;
        desk.pass_secs(3).await;
        created_and_killed(desk, &[entry("b", "INFY-EQ", "BUY", 1), exit("a", "SBIN-EQ")], Duration::from_secs(60)).await;
        desk.until_open().await;
        let rows = desk.rows();
        let entered = rows.iter().find(|row| row.ask.strategy.as_str() == "b").unwrap().command_id;
        let exited = rows.iter().find(|row| row.is_exit()).unwrap().command_id;
        assert_eq!(desk.until_ended(entered).await.tag, Some(Tag::AbandonedAtRecovery));
        assert_eq!((desk.until_ended(exited).await.status, desk.held("a", &sbin())), (Status::Executed, 0));
        assert!(desk.has_alarm("ALARM_FOUND_AT_START"), "a person is told");
        desk.at_rest().await;
    });
}

#[test]
fn sent_without_a_number_is_found_or_proven_absent() {
    for (fault, status, tag) in [(Fault::HangAfter, Status::Executed, None), (Fault::Hang, Status::Failed, Some(Tag::NotAtBroker))] {
        scenario(Setup::polled(), async |desk| {
            desk.next(CallKind::Place, fault.clone());
            let command = desk.order(buy("a", 10)).await;
            desk.start_again();
            // Until it is settled, entries of that symbol wait for it.
            desk.until_open().await;
            let row = desk.until_ended(command).await;
            assert_eq!((row.status, row.tag), (status, tag));
            assert_eq!(desk.placed(), 1, "never sent twice");
            desk.at_rest().await;
        });
    }
}

/// What filled while no process ran, and what was cancelled by hand.
#[test]
fn what_happened_at_the_broker_meanwhile_is_caught_up() {
    use crate::desk::{nse, price};
    scenario(Setup::polled(), async |desk| {
        let fills = desk.order(buy("a", 10).at("790")).await;
        let cancelled = desk.order(entry("b", "INFY-EQ", "BUY", 1).at("1490")).await;
        desk.until_at_broker(fills).await;
        let id = desk.until_at_broker(cancelled).await.broker_order_id.unwrap();
        desk.kill_process();
        desk.market.set(&sbin(), price("789"), price("789.05"), price("789"));
        desk.broker.broker.inner().cancel_foreign(&id, "by hand").unwrap().unwrap();
        desk.broker.broker.inner().tick().unwrap();
        desk.pass_secs(300).await;
        desk.start_again();
        desk.until_open().await;
        assert_eq!(desk.until_ended(fills).await.status, Status::Executed);
        assert_eq!(desk.until_ended(cancelled).await.tag, Some(Tag::BrokerCancelled));
        assert_eq!((desk.held("a", &sbin()), desk.net_at_broker(&nse("INFY-EQ"))), (10, 0));
        desk.at_rest().await;
    });
}

/// From the moment the journal is open signals are registered; entries and exits wait for the broker's books.
#[test]
fn signals_are_registered_while_the_broker_is_away_and_go_when_it_is_back() {
    scenario(Setup::polled(), async |desk| {
        desk.ended(buy("a", 10)).await;
        desk.pass_secs(2).await;
        desk.always(CallKind::Positions, Fault::Unknown("502".into()));
        desk.start_again();
        let (entered, out) = (desk.order(entry("b", "INFY-EQ", "BUY", 1)).await, desk.order(exit("a", "SBIN-EQ")).await);
        let old = desk.order(entry("c", "RELIANCE-EQ", "BUY", 1)).await;
        desk.pass_secs(20).await;
        assert_eq!((desk.row(entered).status, desk.row(out).status), (Status::Created, Status::Created));
        assert!(desk.has_alarm("ALARM_EXIT_WAITS") && desk.line().phase() == Phase::Recovering);
        desk.heal();
        assert_eq!(desk.until_ended(entered).await.status, Status::Executed);
        assert_eq!(desk.until_ended(out).await.status, Status::Executed);
        assert_eq!(desk.until_ended(old).await.status, Status::Executed);
        // Once more, and too long for an entry.
        desk.always(CallKind::Session, Fault::Refuse("logged out".into()));
        desk.start_again();
        let late = desk.order(entry("d", "M&M-EQ", "BUY", 1)).await;
        assert_eq!(desk.until_ended(late).await.tag, Some(Tag::StaleSignal));
        assert!(desk.has_alarm("ALARM_NO_SESSION"));
        desk.heal();
        desk.until_open().await;
        desk.at_rest().await;
    });
}

/// Doubts that a process left are still doubts in the next, and are settled there.
#[test]
fn a_doubt_survives_restarts_until_it_is_settled() {
    scenario(Setup::polled(), async |desk| {
        desk.next(CallKind::Place, Fault::LoseRequest("reset".into()));
        let command = desk.order(buy("a", 10)).await;
        for _ in 0..3 {
            desk.until_tag(command, Tag::SendUnconfirmed).await;
            desk.start_again();
            desk.until_open().await;
            let refused = desk.order(buy("b", 1)).await;
            assert!(desk.reason(refused).contains("risk.in_doubt"), "{}", desk.reason(refused));
        }
        assert_eq!(desk.until_ended(command).await.tag, Some(Tag::NotAtBroker));
        assert_eq!(desk.ended(buy("b", 1)).await.status, Status::Executed);
        desk.at_rest().await;
    });
}

#[test]
fn a_clock_that_jumps_back_after_a_restart_refuses_entries_and_lets_exits_go() {
    scenario(Setup::polled(), async |desk| {
        desk.ended(buy("a", 10)).await;
        desk.pass_secs(30).await;
        desk.clock.jump(chrono::Duration::seconds(-20));
        // The running process judges by ages only; the next one sees that it stands behind its own journal.
        desk.start_again();
        desk.until_open().await;
        let behind = desk.engine.line().newest_at_start.unwrap();
        if desk.clock_now() < behind {
            let refused = desk.order(entry("b", "INFY-EQ", "BUY", 1)).await;
            assert!(desk.reason(refused).contains("risk.clock"), "{}", desk.reason(refused));
        }
        desk.clock.jump(chrono::Duration::seconds(-600));
        let refused = desk.order(entry("b", "INFY-EQ", "BUY", 1)).await;
        assert!(desk.reason(refused).contains("risk.clock"), "{}", desk.reason(refused));
        desk.clock.jump(chrono::Duration::seconds(620));
        let out = desk.ended(exit("a", "SBIN-EQ")).await;
        assert_eq!(out.status, Status::Executed);
        assert_eq!(desk.ended(entry("b", "INFY-EQ", "BUY", 1)).await.status, Status::Executed, "the clock is right again");
        desk.at_rest().await;
    });
}

#[test]
fn stop_drains_the_line_and_leaves_a_sound_end() {
    scenario(Setup::polled(), async |desk| {
        desk.next(CallKind::Place, Fault::Late(Duration::from_millis(1_500)));
        let answers: Vec<_> = (0..10).map(|number| desk.send(&[entry(&format!("s{number}"), "INFY-EQ", "BUY", 1)])).collect();
        desk.pass(Duration::from_millis(100)).await;
        assert_eq!(desk.placed(), 1);
        assert_eq!(desk.engine.stop().await.unwrap(), 0, "nothing was left in the line");
        for answer in answers {
            assert!(answer.await.unwrap().is_ok());
        }
        assert!(desk.rows().iter().all(|row| row.broker_order_id.is_some()));
        let refused = desk.send(&[buy("late", 1)]).await.unwrap();
        assert!(matches!(refused, Err(NotRegistered::Closed(_))), "{refused:?}");
        desk.start_again();
        desk.until_open().await;
        desk.pass_secs(3).await;
        assert!(desk.rows().iter().all(|row| row.status == Status::Executed));
        desk.at_rest().await;
    });
}

#[test]
fn what_misses_the_deadline_of_a_stop_is_recovered() {
    scenario(Setup::polled(), async |desk| {
        desk.broker.broker.replan(FaultPlan::none().on(CallKind::Place, 1, Fault::HangAfter).on(CallKind::Place, 2, Fault::HangAfter));
        let (one, two) = (desk.order(buy("a", 10)).await, desk.order(entry("b", "INFY-EQ", "BUY", 1)).await);
        *desk.broker.rewrite.lock() =
            Some(crate::witness::Rewritten(Box::new(|_| ordergate_actors::ports::Snapshot::Unknown("502".into()))));
        assert_eq!(desk.engine.stop().await.unwrap(), 4, "two orders with a call each");
        assert!([one, two].iter().all(|command| desk.row(*command).broker_order_id.is_none()));
        *desk.broker.rewrite.lock() = None;
        desk.start_again();
        desk.until_open().await;
        for command in [one, two] {
            assert_eq!(desk.until_ended(command).await.status, Status::Executed);
        }
        assert_eq!(desk.placed(), 2);
        desk.at_rest().await;
    });
}
