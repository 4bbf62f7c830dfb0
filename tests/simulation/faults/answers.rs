//! Answers that come late, twice, or never; and what the books say meanwhile.

use std::time::Duration;

use ordergate::brokers::faulty::{CallKind, Fault, FaultPlan};
use ordergate_actors::order::{Resolution, Status, Tag};

use crate::desk::{But, Setup, buy, entry, exit, nse, sbin, scenario};

#[test]
fn a_fill_before_the_reply_is_taken_and_the_reply_says_nothing_new() {
    scenario(Setup::default(), async |desk| {
        desk.next(CallKind::Place, Fault::Late(Duration::from_millis(1_500)));
        let command = desk.order(buy("a", 10)).await;
        let row = desk.until_status(command, Status::Executed).await;
        assert!(desk.line().calls.lock().is_running(command), "the stream was faster than the reply");
        desk.until_still().await;
        let after = desk.row(command);
        assert_eq!((after.status, after.broker_order_id, after.tag), (Status::Executed, row.broker_order_id, None));
        assert!(!desk.events(command).contains(&"BROKER_CONFIRMED".to_owned()), "it said nothing new");
        assert_eq!(desk.held("a", &sbin()), 10);
        desk.at_rest().await;
    });
}

#[test]
fn a_reply_after_the_slots_deadline_leaves_doubt_and_settles_it() {
    scenario(Setup::polled(), async |desk| {
        // Nothing is to be learnt from the book: the late answer alone settles it.
        desk.broker.broker.replan(FaultPlan::none().always(CallKind::Orders, Fault::Unknown("502".into())));
        desk.next(CallKind::Place, Fault::Late(Duration::from_secs(6)));
        let command = desk.order(buy("a", 10).at("790")).await;
        let doubted = desk.until_tag(command, Tag::SendUnconfirmed).await;
        assert_eq!((doubted.status, doubted.broker_order_id), (Status::SentToBroker, None));
        // Entries of that symbol wait for the answer, others go: the slot is free.
        let other = desk.order(entry("c", "INFY-EQ", "BUY", 1)).await;
        let same = desk.order(buy("b", 1)).await;
        assert!(desk.reason(same).contains("risk.in_doubt"), "{}", desk.reason(same));
        desk.until_at_broker(other).await;
        let row = desk.until_at_broker(command).await;
        assert_eq!((row.status, row.tag), (Status::SentToBroker, None), "the late answer settles it");
        desk.heal();
        desk.at_rest().await;
    });
}

#[test]
fn a_reply_that_never_comes_is_found_in_the_book() {
    scenario(Setup::polled(), async |desk| {
        for (strategy, fault) in [("a", Fault::HangAfter), ("b", Fault::LoseReply("reset by peer".into()))] {
            desk.next(CallKind::Place, fault);
            let command = desk.order(buy(strategy, 10)).await;
            let row = desk.until_ended(command).await;
            assert_eq!((row.status, row.filled_quantity), (Status::Executed, 10));
        }
        assert_eq!((desk.placed(), desk.net_at_broker(&sbin())), (2, 20));
        desk.at_rest().await;
    });
}

#[test]
fn a_reply_that_never_comes_is_proven_absent_and_not_before() {
    scenario(Setup::polled(), async |desk| {
        for (strategy, fault, gives_up_s) in [("a", Fault::Hang, 10), ("b", Fault::LoseRequest("reset by peer".into()), 0)] {
            desk.next(CallKind::Place, fault);
            let command = desk.order(buy(strategy, 10)).await;
            desk.until_tag(command, Tag::SendUnconfirmed).await;
            let since = desk.clock_now();
            let row = desk.until_ended(command).await;
            assert_eq!((row.status, row.tag), (Status::Failed, Some(Tag::NotAtBroker)));
            let waited = (desk.clock_now() - since).num_seconds();
            // The quiet period begins when no call for it runs any more; then three books.
            assert!(waited >= gives_up_s - 2 + 5 + 2, "concluded after {waited} s");
        }
        assert_eq!(desk.placed(), 2, "and never sent again");
        assert_eq!(desk.ended(buy("a", 10)).await.status, Status::Executed, "the symbol is free again");
        desk.at_rest().await;
    });
}

/// An order that was taken for absent turns up: re-opened, paged, and what it fills is held.
#[test]
fn late_truth_reopens_an_order_that_was_taken_for_absent() {
    scenario(Setup::polled(), async |desk| {
        // The broker shows it much later than it promised.
        desk.broker.broker.set_lag(Duration::from_secs(60));
        desk.always(CallKind::Positions, Fault::Empty);
        desk.next(CallKind::Place, Fault::LoseReply("reset".into()));
        let command = desk.order(buy("a", 10)).await;
        assert_eq!(desk.until_ended(command).await.tag, Some(Tag::NotAtBroker));
        desk.broker.broker.set_lag(Duration::ZERO);
        desk.heal();
        let row = desk.until_status(command, Status::Executed).await;
        assert_eq!((row.filled_quantity, row.tag), (10, None));
        desk.until_alarm("ALARM_LATE_TRUTH").await;
        desk.until("what it filled is held", |desk| desk.held("a", &sbin()) == 10).await;
        assert_eq!(desk.ended(exit("a", "SBIN-EQ")).await.filled_quantity, 10);
        desk.at_rest().await;
    });
}

#[test]
fn a_person_settles_a_doubt_either_way() {
    scenario(Setup::polled(), async |desk| {
        desk.broker.broker.replan(FaultPlan::none().always(CallKind::Orders, Fault::Unknown("502".into())));
        desk.next(CallKind::Place, Fault::LoseRequest("reset".into()));
        desk.next(CallKind::Place, Fault::LoseReply("reset".into()));
        let (absent, there) = (desk.order(buy("a", 10)).await, desk.order(entry("b", "INFY-EQ", "BUY", 1).at("1490")).await);
        desk.until_tag(absent, Tag::SendUnconfirmed).await;
        desk.until_tag(there, Tag::SendUnconfirmed).await;
        desk.until_alarm("ALARM_IN_DOUBT").await;
        let client = desk.row(absent).client_id;
        let id = desk.broker.broker.inner().exchange().orders()[0].broker_order_id.clone();
        for (command, verdict) in [(absent, Resolution::Absent), (there, Resolution::AtBroker(id.clone()))] {
            assert!(desk.engine.resolve(&client, command, verdict, "me", "looked it up").await.unwrap().is_applied());
        }
        assert_eq!(desk.row(absent).tag, Some(Tag::NotAtBroker));
        assert_eq!((desk.row(there).broker_order_id, desk.row(there).tag), (Some(id), None));
        // A verdict on an order that is not in doubt changes nothing.
        assert!(!desk.engine.resolve(&client, there, Resolution::Absent, "me", "").await.unwrap().is_applied());
        desk.heal();
        desk.at_rest().await;
    });
}

/// Mock orders walk the whole line and end in BrokerActor: outside of the port, of positions, of the guard.
#[test]
fn test_mode_ends_at_the_port_and_counts_nowhere() {
    let setup = Setup { can: |row| row.send_ahead = 1, ..Setup::default() };
    scenario(setup, async |desk| {
        let mut mocks = Vec::new();
        for _ in 0..5 {
            mocks.push(desk.send(&[buy("a", 10).mock("SUCCESS")]));
        }
        for mock in mocks {
            let command = mock.await.unwrap().unwrap().orders[0];
            let row = desk.until_ended(command).await;
            assert_eq!((row.status, row.tag, row.filled_quantity), (Status::Executed, Some(Tag::TestMode), 0));
        }
        let failure = desk.ended(buy("a", 10).mock("FAILURE")).await;
        assert_eq!((failure.status, failure.tag), (Status::Failed, Some(Tag::TestMode)));
        assert_eq!(desk.ended(exit("a", "SBIN-EQ").mock("SUCCESS")).await.status, Status::Executed);
        assert_eq!((desk.placed(), desk.held("a", &sbin())), (0, 0));
        assert_eq!(desk.ended(buy("a", 10)).await.status, Status::Executed, "no mock is in the way of a real order");
        assert_eq!(desk.row(desk.order(exit("b", "SBIN-EQ")).await).tag, Some(Tag::NoPosition));
        desk.at_rest().await;
        assert_eq!(desk.net_at_broker(&nse("INFY-EQ")), 0);
    });
}
