//! Targets and reversals: as many units as were named, however often it is said and whatever fails in between.

use std::time::Duration;

use ordergate::brokers::faulty::{CallKind, Fault};
use ordergate_actors::order::{CommandId, Intent, LegDraft, Side, SignalDraft, Source, Status, Tag};
use ordergate_actors::persistence::KillLevel;

use crate::desk::{But, Desk, Setup, ago, buy, exit, future, price, rupees, sbin, scenario, sell, target};
use crate::world::client;

#[test]
fn a_target_enters_adds_takes_out_and_is_flat() {
    scenario(Setup::default(), async |desk| {
        for (position, intent, side, quantity) in [
            (10, Intent::Entry, Side::Buy, 10),
            (25, Intent::Adjust, Side::Buy, 15),
            (5, Intent::Exit, Side::Sell, 20),
            (0, Intent::Exit, Side::Sell, 5),
            (-4, Intent::Entry, Side::Sell, 4),
        ] {
            let row = desk.ended(target("a", position)).await;
            assert_eq!((row.status, row.ask.intent, row.ask.side), (Status::Executed, Some(intent), Some(side)), "{:?}", row.reason);
            assert_eq!((row.quantity(), row.ask.target_position), (quantity, Some(position)));
            desk.until("it is held", |desk| desk.held("a", &sbin()) == position).await;
            assert!(desk.events(row.command_id).contains(&"AIMED".to_owned()), "how it was worked out is on disk");
        }
        assert_eq!(desk.net_at_broker(&sbin()), -4);
        desk.at_rest().await;
    });
}

#[test]
fn a_strategy_that_is_there_sends_nothing_and_the_row_says_so() {
    scenario(Setup::default(), async |desk| {
        desk.ended(target("a", 10)).await;
        let placed = desk.placed();
        let again = desk.ended(target("a", 10)).await;
        assert_eq!((again.status, again.tag), (Status::Failed, Some(Tag::AtTarget)));
        assert!(desk.reason(again.command_id).contains("holds 10 NSE:SBIN-EQ MIS, and that is the target"));
        let flat = desk.ended(target("b", 0)).await;
        assert_eq!((flat.tag, desk.placed()), (Some(Tag::AtTarget), placed));
        assert!(!desk.has_alarm("ALARM_EXIT_FAILED"), "nothing failed");
        desk.at_rest().await;
    });
}

#[test]
fn two_targets_while_the_first_rests_never_overshoot() {
    scenario(Setup::default(), async |desk| {
        let first = desk.order(target("a", 10).at("790")).await;
        desk.until_at_broker(first).await;
        let again = desk.ended(target("a", 10)).await;
        assert!(again.tag == Some(Tag::AtTarget) && desk.reason(again.command_id).contains("works for the rest to 10"));
        // Two at once: the older one gives way to the newer one, or has gone before it.
        let (one, two) = (desk.send(&[target("a", 15).at("790")]), desk.send(&[target("a", 15).at("790")]));
        for answer in [one, two] {
            let command = answer.await.unwrap().unwrap().orders[0];
            desk.until("it is decided", |desk| desk.row(command).status != Status::Created).await;
        }
        desk.until_still().await;
        let open: i64 = desk.rows().iter().filter(|row| !row.status.is_terminal()).map(|row| row.unfilled()).sum();
        assert_eq!(open, 15, "{}", desk.trace());
        desk.market.set(&sbin(), price("789"), price("789.05"), price("789"));
        desk.until("all of it has filled", |desk| desk.held("a", &sbin()) == 15).await;
        desk.at_rest().await;
    });
}

/// More than the exchange takes in one order: what closes goes out as several, what opens is refused.
#[test]
fn a_flat_above_the_freeze_quantity_leaves_all_of_it() {
    let mut setup = Setup::default();
    setup.account.limits.max_quantity = 100_000;
    setup.account.limits.max_order_value = rupees(1_000_000_000);
    scenario(setup, async |desk| {
        let future = future();
        let found = ordergate_actors::ports::Instruments::find(&*desk.instruments, &future).unwrap();
        let (lot, largest) = (found.lot.value(), found.max_quantity().unwrap());
        let to = |position: i64| target("a", position).in_future().product("NRML");
        let beyond = desk.ended(to(2 * largest)).await;
        assert_eq!((beyond.tag, desk.placed()), (Some(Tag::ValidationFailed), 0), "{:?}", beyond.reason);
        for position in [largest, 2 * largest, 2 * largest + lot] {
            assert_eq!(desk.ended(to(position)).await.status, Status::Executed);
            desk.until("it is held", |desk| desk.held("a", &future) == position).await;
        }
        desk.pass_secs(2).await;
        let orders = desk.alert(&[to(0)]).await;
        assert_eq!(orders.len(), 3, "{}", desk.trace());
        let mut sold = Vec::new();
        for command in &orders {
            sold.push(desk.until_ended(*command).await.filled_quantity);
        }
        assert_eq!((sold, desk.held("a", &future), desk.net_at_broker(&future)), (vec![largest, largest, lot], 0, 0), "{}", desk.trace());
        assert!(!desk.has_alarm("ALARM_EXIT_CUT"));
        // A target that only takes out is one order: what it leaves is told.
        desk.pass_secs(2).await;
        for position in [largest, 2 * largest] {
            assert_eq!(desk.ended(to(position)).await.status, Status::Executed);
            desk.until("it is held", |desk| desk.held("a", &future) == position).await;
        }
        desk.pass_secs(2).await;
        assert_eq!(desk.ended(to(lot)).await.filled_quantity, largest);
        let left = largest - lot;
        assert!(desk.texts("ALARM_EXIT_CUT")[0].starts_with(&format!("{left} ")), "{:?}", desk.texts("ALARM_EXIT_CUT"));
        assert_eq!(desk.ended(to(lot)).await.filled_quantity, left);
        desk.at_rest().await;
    });
}

/// What works away from the target is cancelled, and only what filled of it is closed.
#[test]
fn a_flat_target_cancels_what_works_and_opens_nothing() {
    scenario(Setup::default(), async |desk| {
        let resting = desk.order(target("a", 10).at("790")).await;
        desk.until_at_broker(resting).await;
        let flat = desk.ended(target("a", 0)).await;
        assert_eq!(flat.tag, Some(Tag::AtTarget));
        let row = desk.until_ended(resting).await;
        assert_eq!((row.tag, desk.net_at_broker(&sbin())), (Some(Tag::Superseded), 0));
        desk.at_rest().await;
    });
}

/// Hands a signal over as a person at the dashboard does.
async fn by_hand(desk: &Desk, leg: LegDraft) -> CommandId {
    let draft = SignalDraft { source: Source::Dashboard, user: "asha".into(), ..desk.draft(&[leg]) };
    desk.engine.submit(draft).await.unwrap().orders[0]
}

/// Nobody's own order is taken down by an alert: its target waits and says for what, and goes when the person has cancelled.
#[test]
fn a_target_takes_no_exit_down_that_a_person_placed_by_hand() {
    scenario(Setup::default(), async |desk| {
        desk.ended(target("a", 10)).await;
        desk.pass_secs(2).await;
        let hand = by_hand(desk, exit("a", "SBIN-EQ").at("820")).await;
        desk.until_at_broker(hand).await;
        let stays = |desk: &Desk| (desk.row(hand).status, desk.row(hand).cancel_wanted) == (Status::SentToBroker, None);
        // One that would open again what the exit closes: too old in the end, and told before.
        let more = desk.order(target("a", 15)).await;
        desk.until_alarm("ALARM_TARGET_WAITS").await;
        let told = desk.texts("ALARM_TARGET_WAITS").remove(0);
        assert!(
            told.contains("the target of 15 of a in SBIN-EQ waits")
                && told.contains(&format!("order {hand}, an exit that asha placed by hand")),
            "{told}"
        );
        let ended = desk.until_ended(more).await;
        assert!(ended.tag == Some(Tag::StaleSignal) && stays(desk));
        let reason = ended.reason.as_deref().unwrap();
        assert!(
            reason.contains("old (limit: at most")
                && reason.contains(&format!("not aimed, because order {hand}, an exit that asha placed by hand")),
            "{reason}"
        );
        // What it may fill is counted: there is nothing more to leave.
        assert!(desk.ended(target("a", 0)).await.tag == Some(Tag::AtTarget) && stays(desk));
        // One that only takes out waits as long as it takes.
        let less = desk.order(target("a", 4)).await;
        desk.until_alarm("ALARM_EXIT_WAITS").await;
        assert!(desk.texts("ALARM_EXIT_WAITS")[0].contains(&format!("order {hand}, an exit that asha placed by hand")));
        desk.pass_secs(60).await;
        assert!(desk.row(less).status == Status::Created && stays(desk));
        desk.engine.cancel(&client(), hand, "asha", "the alert is right").await.unwrap();
        let row = desk.until_ended(less).await;
        assert_eq!(
            (row.status, row.filled_quantity, desk.row(hand).tag),
            (Status::Executed, 6, Some(Tag::CancelledByUser)),
            "{}",
            desk.trace()
        );
        assert_eq!((desk.texts("ALARM_TARGET_WAITS").len(), desk.texts("ALARM_EXIT_WAITS").len()), (1, 1), "each is said once");
        // The engine's own exits wait for nobody's hand.
        let hand = by_hand(desk, exit("a", "SBIN-EQ").at("820")).await;
        desk.until_at_broker(hand).await;
        desk.kill(KillLevel::SquareOff).await;
        desk.until("it is squared off", |desk| (desk.held("a", &sbin()), desk.net_at_broker(&sbin())) == (0, 0)).await;
        assert_eq!(desk.until_ended(hand).await.filled_quantity, 0, "{}", desk.trace());
        desk.at_rest().await;
    });
}

/// What the same hand says later is newer, as with any signal.
#[test]
fn a_target_by_hand_overtakes_an_exit_by_hand() {
    scenario(Setup::default(), async |desk| {
        desk.ended(target("a", 10)).await;
        desk.pass_secs(2).await;
        let hand = by_hand(desk, exit("a", "SBIN-EQ").at("820")).await;
        desk.until_at_broker(hand).await;
        let stay = by_hand(desk, target("a", 10)).await;
        assert_eq!(desk.until_ended(hand).await.tag, Some(Tag::Superseded));
        assert_eq!((desk.until_ended(stay).await.tag, desk.held("a", &sbin())), (Some(Tag::AtTarget), 10));
        desk.at_rest().await;
    });
}

/// The reply to the entry is lost: nothing is sold for it until the book has told what became of it.
#[test]
fn a_flat_target_waits_for_an_entry_in_doubt() {
    scenario(Setup::polled(), async |desk| {
        desk.next(CallKind::Orders, Fault::Unknown("502".into()));
        desk.next(CallKind::Place, Fault::LoseReply("reset".into()));
        desk.order(target("a", 10)).await;
        let flat = desk.order(target("a", 0)).await;
        let row = desk.until_ended(flat).await;
        assert_eq!((row.ask.intent, row.filled_quantity, desk.net_at_broker(&sbin())), (Some(Intent::Exit), 10, 0));
        desk.at_rest().await;
    });
}

#[test]
fn through_zero_leaves_first_and_enters_on_the_proof_that_it_is_flat() {
    for from in [10, -10] {
        scenario(Setup::default(), async |desk| {
            desk.ended(target("a", from)).await;
            desk.pass_secs(2).await;
            let turned = desk.ended(target("a", -from / 2)).await;
            assert_eq!(
                (turned.status, turned.ask.intent, turned.quantity()),
                (Status::Executed, Some(Intent::Entry), 5),
                "{}",
                desk.trace()
            );
            let exits = desk.children_of(turned.command_id);
            assert_eq!(exits.iter().map(|exit| (exit.status, exit.filled_quantity)).collect::<Vec<_>>(), [(Status::Executed, 10)]);
            assert!(exits[0].updated_at <= turned.sent_at.unwrap(), "the exit had filled before the entry went");
            desk.until("the plan is over", |desk| desk.plans() == 0).await;
            assert_eq!((desk.net_at_broker(&sbin()), desk.texts("PLAN_BEGUN").len(), desk.texts("PLAN_ENDED").len()), (-from / 2, 1, 1));
            desk.at_rest().await;
        });
    }
}

/// The broker refuses the exit: the other side is not entered, and a person hears of it.
#[test]
fn a_reversal_whose_exit_is_refused_enters_nothing_and_pages() {
    scenario(Setup::default(), async |desk| {
        desk.ended(target("a", 10)).await;
        desk.pass_secs(2).await;
        desk.next(CallKind::Place, Fault::Refuse("RED:margin".into()));
        let turned = desk.ended(target("a", -10)).await;
        assert_eq!((turned.status, turned.tag, turned.sent_at), (Status::Failed, Some(Tag::PlanStopped), None));
        desk.until_alarm("ALARM_PLAN_STOPPED").await;
        desk.until("the plan is over", |desk| desk.plans() == 0).await;
        assert_eq!((desk.held("a", &sbin()), desk.net_at_broker(&sbin())), (10, 10));
        desk.at_rest().await;
    });
}

/// The reply to the exit is lost. It is found in the book; until then nothing is entered, and the exit is not sent twice.
#[test]
fn a_reversal_whose_exit_is_in_doubt_waits_for_the_truth() {
    scenario(Setup::polled(), async |desk| {
        desk.ended(target("a", 10)).await;
        desk.pass_secs(3).await;
        desk.next(CallKind::Place, Fault::LoseReply("reset".into()));
        let turned = desk.ended(target("a", -10)).await;
        assert_eq!((turned.status, desk.children_of(turned.command_id).len()), (Status::Executed, 1), "{}", desk.trace());
        assert_eq!(desk.net_at_broker(&sbin()), -10);
        desk.at_rest().await;
    });
}

/// Killed between the exit and the entry. Within its time to live the entry goes; beyond it, it ends with a tag and a page.
#[test]
fn a_crash_between_the_two_ends_in_one_of_two_honest_states() {
    for (pause, is_late) in [(1, false), (300, true)] {
        scenario(Setup::polled(), async |desk| {
            desk.ended(target("a", 10)).await;
            desk.pass_secs(3).await;
            // The proof of flatness cannot come: the process ends with the exit filled and the entry waiting.
            desk.always(CallKind::Positions, Fault::Unknown("502".into()));
            let turned = desk.order(target("a", -10)).await;
            desk.until("the position is left", |desk| desk.held("a", &sbin()) == 0).await;
            assert_eq!(desk.row(turned).status, Status::Created);
            desk.kill_process();
            desk.heal();
            desk.pass(Duration::from_secs(pause)).await;
            desk.start_again();
            desk.until_open().await;
            let row = desk.until_ended(turned).await;
            desk.until("the plan is over", |desk| desk.plans() == 0).await;
            assert_eq!(desk.children_of(turned).len(), 1, "the exit went once");
            if is_late {
                assert_eq!((row.tag, row.sent_at, desk.net_at_broker(&sbin())), (Some(Tag::StaleSignal), None, 0));
                assert!(desk.has_alarm("ALARM_PLAN_STOPPED"));
            } else {
                assert_eq!((row.status, desk.net_at_broker(&sbin())), (Status::Executed, -10), "{}", desk.trace());
                assert!(!desk.has_alarm("ALARM_PLAN_STOPPED"));
            }
            desk.at_rest().await;
        });
    }
}

/// Killed at each of the commits of a reversal: the exit goes once, and the entry after it.
#[test]
fn a_crash_at_any_commit_of_a_reversal_sends_each_of_the_two_once() {
    // Its row, the plan, the word about the step, the exit's row.
    for commit in 1..=4 {
        scenario(Setup::polled(), async |desk| {
            desk.ended(target("a", 10)).await;
            desk.pass_secs(3).await;
            *desk.disk_fault.fail_commit.lock() = Some((commit, true));
            let _lost = desk.send(&[target("a", -10)]);
            desk.until("killed", |desk| desk.halt.halted().is_some()).await;
            desk.start_again();
            desk.until_open().await;
            let turned = desk.rows().into_iter().find(|row| row.ask.target_position == Some(-10)).unwrap().command_id;
            let row = desk.until_ended(turned).await;
            let exits = desk.children_of(turned);
            assert_eq!((row.status, exits.len(), desk.net_at_broker(&sbin())), (Status::Executed, 1, -10), "{commit} {}", desk.trace());
            desk.until("the plan is over", |desk| desk.plans() == 0).await;
            desk.at_rest().await;
        });
    }
}

/// Killed while the exit's call is under way, which then never reaches the broker: proven absent it is not sent again, the
/// other side is not entered, and a person hears of it.
#[test]
fn an_exit_that_is_lost_with_the_process_stops_the_reversal_and_pages() {
    scenario(Setup::polled(), async |desk| {
        desk.ended(target("a", 10)).await;
        desk.pass_secs(3).await;
        desk.next(CallKind::Place, Fault::Slow(Duration::from_secs(60)));
        let turned = desk.order(target("a", -10)).await;
        desk.until("the exit is on its way", |desk| desk.children_of(turned).iter().any(|exit| exit.sent_at.is_some())).await;
        desk.kill_process();
        desk.heal();
        desk.start_again();
        desk.until_open().await;
        let row = desk.until_ended(turned).await;
        desk.until_alarm("ALARM_PLAN_STOPPED").await;
        let exits: Vec<_> = desk.children_of(turned).iter().map(|exit| exit.tag).collect();
        assert_eq!((row.sent_at, row.tag, exits), (None, Some(Tag::PlanStopped), vec![Some(Tag::NotAtBroker)]), "{}", desk.trace());
        assert_eq!((desk.held("a", &sbin()), desk.net_at_broker(&sbin())), (10, 10));
        desk.at_rest().await;
    });
}

/// A newer signal speaks while the older one waits for the proof that the position is flat.
#[test]
fn a_newer_target_takes_the_place_of_a_reversal_that_waits() {
    scenario(Setup::polled(), async |desk| {
        desk.ended(target("a", 10)).await;
        desk.pass_secs(3).await;
        desk.always(CallKind::Positions, Fault::Unknown("502".into()));
        let turned = desk.order(target("a", -10)).await;
        desk.until("the position is left", |desk| desk.held("a", &sbin()) == 0).await;
        let flat = desk.ended(target("a", 0)).await;
        assert_eq!(flat.tag, Some(Tag::AtTarget));
        assert_eq!(desk.until_ended(turned).await.tag, Some(Tag::Superseded));
        desk.heal();
        desk.until("the plan is over", |desk| desk.plans() == 0).await;
        assert!(desk.net_at_broker(&sbin()) == 0 && !desk.has_alarm("ALARM_PLAN_STOPPED"));
        desk.at_rest().await;
    });
}

/// A target that would open goes stale like any entry; one that only takes out does not.
#[test]
fn a_target_lives_as_long_as_an_entry_unless_it_only_takes_out() {
    scenario(Setup::default(), async |desk| {
        desk.ended(target("a", 10)).await;
        desk.pass_secs(600).await;
        let old = |leg| {
            let draft = desk.draft(&[leg]);
            SignalDraft { signal_time: Some(ago(desk.clock_now(), 300)), ..draft }
        };
        let submit = async |leg| desk.engine.submit(old(leg)).await.unwrap().orders[0];
        let more = submit(target("a", 20)).await;
        assert_eq!(desk.until_ended(more).await.tag, Some(Tag::StaleSignal));
        let less = submit(target("a", 4)).await;
        assert_eq!(desk.until_ended(less).await.status, Status::Executed);
        assert_eq!(desk.held("a", &sbin()), 4);
        desk.at_rest().await;
    });
}

#[test]
fn an_adjustment_that_takes_out_is_a_bounded_exit_and_goes_through_a_kill() {
    scenario(Setup::default(), async |desk| {
        desk.ended(buy("a", 10)).await;
        desk.pass_secs(2).await;
        let turning = desk.ended(sell("a", 11).kind("ADJUST")).await;
        assert_eq!(turning.tag, Some(Tag::ExecutionGuardBlocked));
        assert!(desk.reason(turning.command_id).contains("would turn it around"));
        desk.kill(KillLevel::StopEntries).await;
        let more = desk.ended(buy("a", 5).kind("ADJUST")).await;
        assert_eq!(more.tag, Some(Tag::KillSwitch));
        let less = desk.ended(sell("a", 4).kind("ADJUST")).await;
        assert_eq!((less.status, less.ask.intent, less.filled_quantity), (Status::Executed, Some(Intent::Exit), 4), "{:?}", less.reason);
        assert_eq!((desk.held("a", &sbin()), desk.net_at_broker(&sbin())), (6, 6));
        assert_eq!(desk.ended(exit("a", "SBIN-EQ")).await.filled_quantity, 6);
        desk.at_rest().await;
    });
}

/// An entry that was given a time: the rest is cancelled, what filled is kept.
#[test]
fn an_entry_with_a_time_is_cancelled_when_it_is_up_and_keeps_what_filled() {
    scenario(Setup::default(), async |desk| {
        let leg = |seconds: &str| LegDraft { cancel_after_s: Some(seconds.into()), ..buy("a", 10).at("790") };
        let resting = desk.order(leg("5")).await;
        desk.until_at_broker(resting).await;
        let row = desk.until_ended(resting).await;
        let lived = row.updated_at.signed_duration_since(row.sent_at.unwrap()).num_seconds();
        assert!(row.tag == Some(Tag::FillTimeout) && (5..8).contains(&lived), "{:?} after {lived} s", row.tag);
        let patient = desk.order(buy("a", 10).at("790")).await;
        desk.pass_secs(60).await;
        assert_eq!(desk.row(patient).status, Status::SentToBroker, "without one it rests");
        desk.at_rest().await;
    });
}
