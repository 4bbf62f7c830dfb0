//! An exit that never left this machine goes again as a new order; an entry does not.

use std::time::Duration;

use ordergate::brokers::faulty::{CallKind, Fault};
use ordergate_actors::order::{OrderRecord, Status, Tag};
use ordergate_actors::persistence::ControlChange;
use ordergate_actors::ports::RateWindow;

use super::exit_rules::{fired, guarded, rule, trade, until_flat};
use crate::desk::{But, Desk, Setup, buy, exit, price, sbin, scenario};

fn refused() -> Fault {
    Fault::NotSent("connection refused".into())
}

fn exits(desk: &Desk) -> Vec<OrderRecord> {
    desk.rows().into_iter().filter(OrderRecord::is_exit).collect()
}

async fn holding(desk: &Desk) {
    desk.ended(buy("a", 10)).await;
    desk.until("the fill is held", |desk| desk.held("a", &sbin()) == 10).await;
    desk.pass_secs(2).await;
}

/// Ten are held at 860, with a stop at 850.
async fn stopped(desk: &mut Desk) {
    trade(desk, "860");
    desk.ended(guarded("10 points", None)).await;
    desk.until("the rule stands", |desk| rule(desk).is_some()).await;
}

#[test]
fn an_exit_that_never_left_goes_again_under_a_tag_of_its_own_and_closes_once() {
    scenario(Setup::default(), async |desk| {
        holding(desk).await;
        desk.next(CallKind::Place, refused());
        desk.order(exit("a", "SBIN-EQ")).await;
        desk.until("flat", |desk| desk.held("a", &sbin()) == 0).await;
        let rows = exits(desk);
        assert_eq!(rows.len(), 2, "{}", desk.trace());
        assert_eq!((rows[0].status, rows[0].tag), (Status::Failed, Some(Tag::NotSent)));
        assert_eq!((rows[1].status, rows[1].parent_command_id), (Status::Executed, Some(rows[0].command_id)));
        assert_ne!(rows[0].broker_tag, rows[1].broker_tag);
        assert_eq!(rows[1].signal_time, rows[0].signal_time, "as old as the first");
        desk.pass_secs(30).await;
        assert_eq!((exits(desk).len(), desk.net_at_broker(&sbin())), (2, 0));
        desk.at_rest().await;
    });
}

#[test]
fn after_a_few_times_a_person_is_asked() {
    scenario(Setup::default(), async |desk| {
        holding(desk).await;
        desk.always(CallKind::Place, refused());
        desk.order(exit("a", "SBIN-EQ")).await;
        desk.pass_secs(120).await;
        let rows = exits(desk);
        assert_eq!(rows.len(), 4, "the first and three more\n{}", desk.trace());
        let waits: Vec<i64> = rows.windows(2).map(|pair| (pair[1].created_at - pair[0].updated_at).num_seconds()).collect();
        assert!(waits[0] >= 1 && waits[1] >= 2 && waits[2] >= 4, "{waits:?}");
        let levels = desk.engine.read(&rows[0].client_id, |book| {
            let of_exits = book.alarms().filter(|alarm| &*alarm.event == "ALARM_EXIT_FAILED");
            of_exits.map(|alarm| alarm.level.as_str()).collect::<Vec<_>>()
        });
        assert_eq!(levels.unwrap(), ["WARN", "WARN", "WARN", "PAGE"]);
        let unclosed =
            desk.engine.read(&rows[0].client_id, |book| book.unclosed().iter().map(|(_, _, exit)| exit.command_id).collect::<Vec<_>>());
        assert_eq!(unclosed.unwrap(), [rows[3].command_id], "and it stands on the list");
        desk.heal();
        desk.pass_secs(30).await;
        assert_eq!(exits(desk).len(), 4);
        assert_eq!(desk.ended(exit("a", "SBIN-EQ")).await.status, Status::Executed);
        desk.at_rest().await;
    });
}

/// Nobody heard whether it arrived, and no book shows it: whoever sent it is paged, unless the account's policy is to send another.
#[test]
fn an_exit_that_was_absent_goes_again_by_policy_alone() {
    for is_policy in [false, true] {
        let mut setup = Setup::polled();
        setup.account.waits.resend_absent_exit = is_policy;
        scenario(setup, async |desk| {
            holding(desk).await;
            desk.next(CallKind::Place, Fault::LoseRequest("reset by peer".into()));
            let first = desk.ended(exit("a", "SBIN-EQ")).await;
            assert_eq!(first.tag, Some(Tag::NotAtBroker));
            if is_policy {
                desk.until("flat", |desk| desk.held("a", &sbin()) == 0).await;
                assert_eq!(exits(desk)[1].parent_command_id, Some(first.command_id), "{}", desk.trace());
            } else {
                desk.pass_secs(60).await;
                assert_eq!((exits(desk).len(), desk.held("a", &sbin())), (1, 10), "{}", desk.trace());
                assert!(desk.has_alarm("ALARM_EXIT_FAILED"));
                assert_eq!(desk.ended(exit("a", "SBIN-EQ")).await.status, Status::Executed);
            }
            desk.pass_secs(30).await;
            assert_eq!((exits(desk).len(), desk.net_at_broker(&sbin())), (2, 0));
            desk.at_rest().await;
        });
    }
}

/// The broker took it, and its order book hides it for longer than promised; its positions do not.
#[test]
fn what_the_positions_show_as_closed_does_not_go_again() {
    let mut setup = Setup::polled();
    setup.account.waits.resend_absent_exit = true;
    scenario(setup, async |desk| {
        holding(desk).await;
        desk.pass_secs(61).await;
        desk.broker.broker.set_lag(Duration::from_secs(60));
        desk.next(CallKind::Place, Fault::LoseReply("reset by peer".into()));
        let first = desk.order(exit("a", "SBIN-EQ")).await;
        desk.pass_secs(45).await;
        assert_eq!((exits(desk).len(), desk.net_at_broker(&sbin())), (1, 0), "{}", desk.trace());
        desk.broker.broker.set_lag(Duration::ZERO);
        desk.until_status(first, Status::Executed).await;
        desk.until("flat", |desk| desk.held("a", &sbin()) == 0).await;
        assert_eq!(exits(desk).len(), 1);
        desk.at_rest().await;
    });
}

#[test]
fn a_fired_stop_whose_first_exit_never_arrived_closes_once() {
    scenario(Setup::polled(), async |desk| {
        stopped(desk).await;
        desk.next(CallKind::Place, Fault::LoseRequest("reset by peer".into()));
        trade(desk, "845");
        until_flat(desk).await;
        let exits = fired(desk);
        assert_eq!(exits.iter().map(|row| (row.tag, row.filled_quantity)).collect::<Vec<_>>(), [(Some(Tag::NotAtBroker), 0), (None, 10)]);
        desk.at_rest().await;
    });
}

/// What a stop risks that goes again: order book and positions both lied, and the first exit turns up beside the second. It is said
/// loudly, what is held is what the broker has, and one more exit makes it flat.
#[test]
fn the_first_exit_of_a_fired_stop_turns_up_beside_the_second() {
    scenario(Setup::polled(), async |desk| {
        stopped(desk).await;
        desk.pass_secs(61).await;
        desk.broker.broker.set_lag(Duration::from_secs(60));
        desk.always(CallKind::Positions, Fault::Stale);
        desk.next(CallKind::Place, Fault::LoseReply("reset by peer".into()));
        trade(desk, "845");
        desk.until("the first counts as absent", |desk| fired(desk).first().is_some_and(|row| row.tag == Some(Tag::NotAtBroker))).await;
        desk.until("the second is there too", |desk| desk.net_at_broker(&sbin()) == -10).await;
        desk.broker.broker.set_lag(Duration::ZERO);
        desk.heal();
        desk.until_alarm("ALARM_LATE_TRUTH").await;
        desk.until("both are held", |desk| desk.held("a", &sbin()) == -10).await;
        desk.pass_secs(60).await;
        let filled: Vec<_> = fired(desk).iter().map(|row| (row.status, row.filled_quantity)).collect();
        assert_eq!(filled, [(Status::Executed, 10), (Status::Executed, 10)], "and no third\n{}", desk.trace());
        assert_eq!(desk.ended(exit("a", "SBIN-EQ")).await.filled_quantity, 10);
        desk.until("flat", |desk| (desk.held("a", &sbin()), desk.net_at_broker(&sbin())) == (0, 0)).await;
        desk.at_rest().await;
    });
}

#[test]
fn an_entry_that_never_left_does_not_go_again() {
    scenario(Setup::default(), async |desk| {
        desk.next(CallKind::Place, refused());
        let entered = desk.ended(buy("a", 10)).await;
        assert_eq!(entered.tag, Some(Tag::NotSent));
        desk.pass_secs(60).await;
        assert_eq!(desk.rows().len(), 1);
        desk.at_rest().await;
    });
}

#[test]
fn a_restart_in_between_forgets_it_not() {
    scenario(Setup::default(), async |desk| {
        holding(desk).await;
        desk.next(CallKind::Place, refused());
        desk.ended(exit("a", "SBIN-EQ")).await;
        desk.start_again();
        desk.until_open().await;
        desk.until("flat", |desk| desk.held("a", &sbin()) == 0).await;
        assert_eq!(exits(desk).len(), 2, "{}", desk.trace());
        desk.at_rest().await;
    });
}

/// The message with the new order is lost: it is asked for again, and is one order.
#[test]
fn what_is_lost_on_its_way_again_is_asked_for_again() {
    scenario(Setup::default(), async |desk| {
        holding(desk).await;
        desk.next(CallKind::Place, refused());
        desk.ended(exit("a", "SBIN-EQ")).await;
        *desk.engine.line().lose_next.lock() = Some("::Submit");
        desk.until("it is lost", |desk| desk.engine.line().lose_next.lock().is_none()).await;
        assert_eq!(exits(desk).len(), 1);
        desk.until("flat", |desk| desk.held("a", &sbin()) == 0).await;
        assert_eq!((exits(desk).len(), desk.net_at_broker(&sbin())), (2, 0));
        desk.at_rest().await;
    });
}

/// A broker that takes no changes: the exit is taken back, proven dead, and goes again as a new one. The message with that is lost.
#[test]
fn an_exit_that_is_replaced_is_not_lost_with_a_message() {
    let setup = Setup {
        can: |row| {
            row.can_modify = false;
            row.takes_market_orders = false;
        },
        ..Setup::default()
    };
    scenario(setup, async |desk| {
        holding(desk).await;
        let level = |at: &str, quantity| vec![ordergate::simulator::market::Level { price: price(at), quantity }];
        desk.market.set_depth(&sbin(), level("800", 3), level("800.05", 1_000), price("800"));
        desk.order(exit("a", "SBIN-EQ")).await;
        desk.until("a part is out", |desk| desk.held("a", &sbin()) == 7).await;
        desk.market.set(&sbin(), price("797"), price("797.05"), price("797"));
        *desk.engine.line().lose_next.lock() = Some("::Submit");
        desk.until("it is lost", |desk| desk.engine.line().lose_next.lock().is_none()).await;
        desk.until("flat", |desk| desk.held("a", &sbin()) == 0).await;
        let rows = exits(desk);
        assert_eq!((rows.len(), rows[0].tag, rows[1].parent_command_id), (2, Some(Tag::Replaced), Some(rows[0].command_id)));
        desk.until("its ladder ends", |desk| desk.texts("EXIT_STEPS_ENDED").len() == 1).await;
        desk.at_rest().await;
    });
}

#[test]
fn a_freeze_holds_it_back_until_it_is_lifted() {
    scenario(Setup::default(), async |desk| {
        holding(desk).await;
        desk.next(CallKind::Place, refused());
        let row = desk.ended(exit("a", "SBIN-EQ")).await;
        desk.engine.control(&row.client_id, ControlChange::Freeze(true), "asha", "drill").await.unwrap();
        desk.pass_secs(30).await;
        assert_eq!(exits(desk).len(), 1);
        desk.engine.control(&row.client_id, ControlChange::Freeze(false), "asha", "over").await.unwrap();
        desk.until("flat", |desk| desk.held("a", &sbin()) == 0).await;
        assert_eq!(exits(desk).len(), 2);
        desk.at_rest().await;
    });
}

/// Two orders of one signal never left, or one of them did: each goes again, and all of it is left.
#[test]
fn every_order_of_one_exit_that_never_left_goes_again() {
    for lost in [1, 2] {
        let mut setup = Setup::default();
        setup.account.limits.max_quantity = 100_000;
        setup.account.limits.max_order_value = crate::desk::rupees(1_000_000_000);
        scenario(setup, async |desk| {
            let future = crate::desk::future();
            let largest = ordergate_actors::ports::Instruments::find(&*desk.instruments, &future).unwrap().max_quantity().unwrap();
            for (kind, held) in [("ENTRY", largest), ("ADJUST", 2 * largest)] {
                desk.ended(buy("a", largest).in_future().product("NRML").kind(kind)).await;
                desk.until("it is held", |desk| desk.held("a", &future) == held).await;
            }
            desk.pass_secs(3).await;
            (0..lost).for_each(|_| desk.next(CallKind::Place, refused()));
            let orders = desk.alert(&[exit("a", &future.symbol).in_future()]).await;
            assert_eq!(orders.len(), 2);
            desk.until("flat", |desk| desk.held("a", &future) == 0).await;
            desk.pass_secs(30).await;
            let rows = exits(desk);
            let never_left = rows.iter().filter(|row| row.tag == Some(Tag::NotSent)).count();
            assert_eq!((rows.len(), never_left), (2 + lost, lost), "{}", desk.trace());
            assert_eq!(desk.net_at_broker(&future), 0);
            desk.at_rest().await;
        });
    }
}

/// The exit's end is on disk, and the process dies before anybody was told: the next one tells.
#[test]
fn an_exit_that_failed_as_the_process_died_is_told_by_the_next() {
    let mut was_untold = false;
    for commit in 2..6 {
        scenario(Setup::default(), async |desk| {
            holding(desk).await;
            desk.always(CallKind::Place, Fault::Refuse("RED: margin".into()));
            *desk.disk_fault.fail_commit.lock() = Some((commit, false));
            drop(desk.send(&[exit("a", "SBIN-EQ")]));
            desk.pass_secs(1).await;
            *desk.disk_fault.fail_commit.lock() = None;
            let has_failed = |desk: &Desk| exits(desk).first().is_some_and(|row| row.tag == Some(Tag::BrokerRejected));
            was_untold |= has_failed(desk) && !desk.has_alarm("ALARM_EXIT_FAILED");
            desk.start_again();
            desk.until_open().await;
            desk.pass_secs(3).await;
            let has_failed = has_failed(desk);
            assert_eq!(desk.texts("ALARM_EXIT_FAILED").len(), usize::from(has_failed), "{commit}: {}", desk.trace());
            desk.start_again();
            desk.until_open().await;
            desk.pass_secs(3).await;
            assert_eq!(desk.texts("ALARM_EXIT_FAILED").len(), usize::from(has_failed), "and once");
        });
    }
    assert!(was_untold, "no commit was the one between the two");
}

/// Whoever reads that an exit has failed may close by hand: what follows by itself is said, or both would close it.
#[test]
fn the_page_of_a_failed_exit_says_what_sends_another() {
    scenario(Setup::default(), async |desk| {
        desk.ended(ordergate_actors::order::LegDraft { stop_loss: Some("795".to_owned()), ..buy("a", 10) }).await;
        desk.until("the fill is held", |desk| desk.held("a", &sbin()) == 10).await;
        desk.pass_secs(2).await;
        desk.next(CallKind::Place, Fault::Refuse("16387: no".into()));
        desk.ended(exit("a", "SBIN-EQ")).await;
        desk.always(CallKind::Place, Fault::Refuse("RED: margin shortfall".into()));
        desk.market.set(&sbin(), price("794"), price("794.05"), price("794"));
        desk.until("both have failed", |desk| desk.texts("ALARM_EXIT_FAILED").len() >= 2).await;
        let said = desk.texts("ALARM_EXIT_FAILED");
        assert!(said[0].contains("nothing sends another"), "{said:?}");
        assert!(said[1].contains("its rule sends another exit in 30 s") && said[1].contains("switch the rule off"), "{said:?}");
        desk.heal();
        desk.until("flat", |desk| desk.held("a", &sbin()) == 0).await;
        desk.at_rest().await;
    });
}

/// The exit of a target goes again under a signal of its own: it is a limit at the target still, and the stop takes it over.
#[test]
fn the_exit_of_a_target_that_goes_again_is_not_chased_and_gives_way_to_the_stop() {
    for restarts in [false, true] {
        super::exit_rules::scenario(Setup::default(), async |desk| {
            desk.ended(guarded("850", Some("880"))).await;
            desk.until("the rule stands", |desk| rule(desk).is_some()).await;
            desk.next(CallKind::Place, Fault::RateLimited(RateWindow::Second));
            trade(desk, "880");
            desk.until("the call was refused", |desk| fired(desk).first().is_some_and(|row| row.status == Status::Failed)).await;
            trade(desk, "871");
            desk.until("it goes again", |desk| fired(desk).len() == 2 && fired(desk)[1].status.is_at_broker()).await;
            if restarts {
                desk.start_again();
                desk.until_open().await;
            }
            desk.pass_secs(20).await;
            let again = fired(desk).pop().unwrap();
            assert_eq!((again.ask.price, again.modifications, again.filled_quantity), (Some(price("880")), 0, 0), "{}", desk.trace());
            trade(desk, "849");
            until_flat(desk).await;
            let rows = fired(desk);
            assert_eq!((rows.len(), rows[1].filled_quantity), (2, 10), "no second one beside it\n{}", desk.trace());
            desk.at_rest().await;
        });
    }
}
