//! The rate budget at work: waits, lanes, breaches.

use std::time::Duration;

use ordergate::brokers::faulty::{CallKind, Fault};
use ordergate_actors::order::{Status, Tag};
use ordergate_actors::persistence::KillLevel;
use ordergate_actors::ports::{Budget, Capabilities, RateWindow};

use crate::desk::{But, Setup, buy, entry, exit, scenario};

/// 4 calls in a second, of which 1 for exits and 1 for reads.
fn small() -> Setup {
    Setup { can: |row| row.budget = Some(Budget { reads_per_second: 1, ..Budget::of(4, 600) }), ..Setup::polled() }
}

#[test]
fn entries_wait_for_the_budget_keep_their_order_and_go_all() {
    scenario(small(), async |desk| {
        let began = desk.clock_now();
        let answers: Vec<_> = (0..12).map(|n| desk.send(&[buy(&format!("s{n}"), 1)])).collect();
        let mut commands = Vec::new();
        for answer in answers {
            commands.push(answer.await.unwrap().unwrap().orders[0]);
        }
        let mut sent = Vec::new();
        for command in &commands {
            desk.until_at_broker(*command).await;
            sent.push(desk.row(*command).sent_at.unwrap());
        }
        assert!(sent.is_sorted(), "first registered goes first");
        assert!((desk.clock_now() - began).num_milliseconds() >= 3_000, "three in a second, less what reads took");
        let usage = desk.line().budget.lock().usage(desk.clock_now()).unwrap();
        assert!(usage.second_used <= 4 && usage.minute_used >= 12, "{usage:?}");
        assert_eq!(desk.placed(), 12);
        desk.at_rest().await;
    });
}

#[test]
fn an_exit_and_a_kill_pass_the_entries_that_wait() {
    scenario(small(), async |desk| {
        desk.ended(buy("held", 5)).await;
        let resting = desk.order(entry("rests", "INFY-EQ", "BUY", 1).at("1490")).await;
        desk.until_at_broker(resting).await;
        desk.pass_secs(5).await;
        let answers: Vec<_> = (0..20).map(|n| desk.send(&[entry(&format!("s{n}"), "RELIANCE-EQ", "BUY", 1)])).collect();
        desk.pass(Duration::from_millis(300)).await;
        let out = desk.order(exit("held", "SBIN-EQ")).await;
        let row = desk.until_ended(out).await;
        assert_eq!(row.status, Status::Executed);
        let waiting = desk.rows().iter().filter(|row| row.status == Status::Created).count();
        assert!(waiting >= 10, "{waiting} entries still wait for their turn");
        desk.kill(KillLevel::CancelEntries).await;
        assert_eq!(desk.until_ended(resting).await.tag, Some(Tag::KillSwitch));
        for answer in answers {
            let command = answer.await.unwrap().unwrap().orders[0];
            desk.until_ended(command).await;
        }
        assert!(desk.placed() < 20, "what waited was not sent after the kill");
        desk.at_rest().await;
    });
}

#[test]
fn an_entry_that_waits_for_longer_than_it_lives_ends_stale_and_takes_no_token() {
    let mut setup = small();
    setup.settings.entry_ttl = Duration::from_secs(2);
    scenario(setup, async |desk| {
        let answers: Vec<_> = (0..20).map(|n| desk.send(&[buy(&format!("s{n}"), 1)])).collect();
        let mut stale = 0;
        for answer in answers {
            let command = answer.await.unwrap().unwrap().orders[0];
            let row = desk.until_ended(command).await;
            if row.tag == Some(Tag::StaleSignal) {
                stale += 1;
                assert_eq!(row.sent_at, None, "no row was written for a call that could not come");
            }
        }
        assert!((5..20).contains(&stale), "{stale}");
        assert_eq!(desk.placed(), 20 - stale);
        desk.at_rest().await;
    });
}

#[test]
fn a_breach_ends_its_entry_closes_the_window_and_the_others_keep_their_place() {
    scenario(small(), async |desk| {
        desk.next(CallKind::Place, Fault::RateLimited(RateWindow::Second));
        let first = desk.send(&[buy("a", 1)]);
        let second = desk.send(&[entry("b", "INFY-EQ", "BUY", 1)]);
        let first = first.await.unwrap().unwrap().orders[0];
        let row = desk.until_ended(first).await;
        assert_eq!((row.status, row.tag), (Status::Failed, Some(Tag::RateLimited)));
        assert!(desk.reason(first).contains("exceeds Limit 10"), "{}", desk.reason(first));
        let second = second.await.unwrap().unwrap().orders[0];
        assert_eq!(desk.until_ended(second).await.status, Status::Executed);
        assert!(desk.row(second).updated_at - row.updated_at >= chrono::Duration::milliseconds(900), "the window was closed for all");
        assert_eq!(desk.placed(), 2, "nothing is sent twice");
        desk.at_rest().await;
    });
}

/// A gateway's 429 to a quote or a book names no window: what closes something goes a second later, not a minute.
#[test]
fn a_breach_that_names_no_window_holds_no_exit_and_no_kill_for_a_minute() {
    let can = |row: &mut Capabilities| (row.takes_market_orders, row.budget) = (false, Some(Budget::noren()));
    for kind in [CallKind::Quote, CallKind::Orders] {
        scenario(Setup { can, ..Setup::polled() }, async |desk| {
            desk.ended(buy("held", 5)).await;
            let resting = desk.order(entry("rests", "INFY-EQ", "BUY", 1).at("1490")).await;
            desk.until_at_broker(resting).await;
            desk.next(kind, Fault::RateLimited(RateWindow::Unsaid));
            if kind == CallKind::Quote {
                desk.dark();
            }
            let waits = desk.send(&[entry("b", "RELIANCE-EQ", "BUY", 1)]);
            desk.pass_secs(3).await;
            let began = desk.clock_now();
            let out = desk.order(exit("held", "SBIN-EQ").at("790")).await;
            assert_eq!(desk.until_ended(out).await.status, Status::Executed, "{kind:?}");
            desk.kill(KillLevel::CancelEntries).await;
            desk.until("the cancel went out", |desk| desk.broker.started("cancel") == 1).await;
            assert!((desk.clock_now() - began).num_seconds() < 15, "{kind:?}");
            desk.heal();
            drop(waits);
            desk.at_rest().await;
        });
    }
}

#[test]
fn a_cancel_that_the_broker_has_no_room_for_goes_again_by_itself() {
    let setup = Setup { can: |row| row.budget = Some(Budget::noren()), ..Setup::polled() };
    scenario(setup, async |desk| {
        let command = desk.order(buy("a", 1).at("790")).await;
        let client = desk.until_at_broker(command).await.client_id;
        desk.next(CallKind::Cancel, Fault::RateLimited(RateWindow::Second));
        let asked = desk.clock_now();
        assert!(desk.engine.cancel(&client, command, "me", "").await.unwrap().is_applied());
        // The end itself is told by a book, which has its turn among the reads.
        desk.until("it was asked for again", |desk| desk.broker.started("cancel") == 2).await;
        assert!((desk.clock_now() - asked).num_milliseconds() < 4_500, "before the watcher asks again");
        assert_eq!(desk.until_ended(command).await.tag, Some(Tag::CancelledByUser));
        assert_eq!(desk.broker.started("cancel"), 2);
        desk.at_rest().await;
    });
}

#[test]
fn a_read_that_the_broker_has_no_room_for_proves_nothing_and_comes_again() {
    let setup = Setup { can: |row| row.budget = Some(Budget::noren()), ..Setup::polled() };
    scenario(setup, async |desk| {
        desk.next(CallKind::Place, Fault::LoseReply("reset".into()));
        let command = desk.order(buy("a", 10)).await;
        for _ in 0..3 {
            desk.next(CallKind::Orders, Fault::RateLimited(RateWindow::Second));
        }
        assert_eq!(desk.until_ended(command).await.status, Status::Executed, "found in the book as soon as it can be read");
        desk.at_rest().await;
    });
}

/// Reads are the lowest lane and are not starved: an order in doubt is found while entries come faster than they may go.
#[test]
fn an_order_in_doubt_is_found_under_a_flood_of_entries() {
    scenario(small(), async |desk| {
        desk.next(CallKind::Place, Fault::LoseReply("reset".into()));
        let command = desk.order(entry("doubt", "INFY-EQ", "BUY", 1)).await;
        let _answers: Vec<_> = (0..40).map(|n| desk.send(&[buy(&format!("s{n}"), 1)])).collect();
        desk.until_tag(command, Tag::SendUnconfirmed).await;
        let row = desk.until_ended(command).await;
        assert_eq!(row.status, Status::Executed);
        assert!(desk.rows().iter().any(|row| row.status == Status::Created), "entries still wait");
        desk.at_rest().await;
    });
}

#[test]
fn a_restart_of_the_actor_loses_neither_orders_nor_the_count() {
    scenario(small(), async |desk| {
        let answers: Vec<_> = (0..10).map(|n| desk.send(&[buy(&format!("s{n}"), 1)])).collect();
        desk.pass(Duration::from_millis(200)).await;
        desk.panic_in("BrokerActor").await;
        let usage = desk.line().budget.lock().usage(desk.clock_now()).unwrap();
        assert!(usage.minute_used > 0, "{usage:?}");
        for answer in answers {
            let command = answer.await.unwrap().unwrap().orders[0];
            desk.until_ended(command).await;
        }
        desk.at_rest().await;
    });
}

/// The broker took none of it, so it goes again under a tag of its own, as soon as the window is open; the first tag stays
/// known.
#[test]
fn an_exit_that_the_broker_has_no_room_for_goes_again_as_a_new_order() {
    let setup = Setup { can: |row| row.budget = Some(Budget::noren()), ..Setup::polled() };
    scenario(setup, async |desk| {
        desk.ended(buy("a", 10)).await;
        desk.pass_secs(3).await;
        desk.next(CallKind::Place, Fault::RateLimited(RateWindow::Minute));
        let first = desk.ended(exit("a", "SBIN-EQ")).await;
        assert_eq!((first.status, first.tag), (Status::Failed, Some(Tag::RateLimited)));
        desk.until("it is flat", |desk| desk.held("a", &crate::desk::sbin()) == 0).await;
        let again = desk.rows().into_iter().rfind(|row| row.is_exit()).unwrap();
        assert_eq!((again.status, again.parent_command_id), (Status::Executed, Some(first.command_id)));
        assert_ne!(again.broker_tag, first.broker_tag);
        let next_minute = first.updated_at.timestamp() / 60 + 1;
        assert!(again.sent_at.unwrap().timestamp() / 60 >= next_minute, "not before the window had ended");
        assert!(desk.texts("ALARM_EXIT_FAILED")[0].contains("goes again by itself"), "{:?}", desk.texts("ALARM_EXIT_FAILED"));
        assert_eq!(desk.net_at_broker(&crate::desk::sbin()), 0);
        desk.at_rest().await;
    });
}

#[test]
fn an_exit_is_not_sent_again_for_ever_at_a_broker_without_room() {
    scenario(small(), async |desk| {
        desk.ended(buy("a", 10)).await;
        desk.pass_secs(3).await;
        desk.always(CallKind::Place, Fault::RateLimited(RateWindow::Second));
        desk.order(exit("a", "SBIN-EQ")).await;
        desk.pass_secs(60).await;
        let exits: Vec<_> = desk.rows().into_iter().filter(|row| row.is_exit()).collect();
        assert_eq!(exits.len(), 4, "the first and three more");
        assert!(exits.iter().all(|row| row.tag == Some(Tag::RateLimited)));
        desk.heal();
        assert_eq!(desk.ended(exit("a", "SBIN-EQ")).await.status, Status::Executed);
        desk.at_rest().await;
    });
}

/// One order that rests makes nobody blind: its book is read fast, and its positions stay young enough for entries.
#[test]
fn a_resting_order_blinds_nobody_for_minutes() {
    let mut setup = Setup { can: |row| row.budget = Some(Budget::noren()), ..Setup::polled() };
    setup.account.waits.idle_poll = Duration::from_secs(5);
    setup.account.waits.books_poll = Duration::from_secs(15);
    let blind_after = setup.account.waits.blind_after;
    scenario(setup, async |desk| {
        let resting = desk.order(buy("a", 1).at("790")).await;
        desk.until_at_broker(resting).await;
        let mut oldest = chrono::Duration::zero();
        for _ in 0..360 {
            desk.pass(Duration::from_millis(500)).await;
            let seen = desk.line().findings.read().positions.as_ref().map(|positions| positions.at);
            oldest = oldest.max(desk.clock_now() - seen.unwrap());
        }
        assert!(oldest.to_std().unwrap() < blind_after, "positions were {oldest} old");
        // At the end of it an entry goes, and so does the exit of what it brought.
        assert_eq!(desk.ended(entry("b", "INFY-EQ", "BUY", 10)).await.status, Status::Executed);
        assert_eq!(desk.ended(exit("b", "INFY-EQ")).await.status, Status::Executed);
        desk.at_rest().await;
    });
}

/// The broker counts an account's calls, whichever process makes them.
#[test]
fn a_restart_in_the_middle_of_a_burst_does_not_spend_the_minute_again() {
    let setup = Setup { can: |row| row.budget = Some(Budget::noren()), ..Setup::polled() };
    scenario(setup, async |desk| {
        let began = desk.clock_now();
        let flood = |desk: &crate::desk::Desk, from: usize| -> Vec<_> {
            (from..from + 40).map(|n| desk.send(&[buy(&format!("s{n}"), 1)])).collect()
        };
        let _first = flood(&*desk, 0);
        desk.pass_secs(15).await;
        let before = desk.placed();
        assert!(before >= 20, "{before}");
        desk.start_again();
        desk.until_open().await;
        let _second = flood(&*desk, 40);
        while (desk.clock_now() - began).num_seconds() < 55 {
            desk.pass_secs(1).await;
        }
        assert!(desk.placed() <= 75, "{} orders within a minute: the rest is for exits", desk.placed());
        desk.pass_secs(60).await;
        desk.at_rest().await;
    });
}
