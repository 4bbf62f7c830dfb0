//! The positions of one strategy are left together: whatever dies between the firing and the exits, and whatever still fills after it.

use std::sync::Arc;

use ordergate::brokers::faulty::{CallKind, Fault, FaultPlan};
use ordergate_actors::exits::Combined;
use ordergate_actors::order::{Status, Strategy, Tag};
use ordergate_actors::persistence::{ControlChange, Keep, Level};

use super::exit_rules::{scenario, trade};
use crate::desk::{But, Desk, Setup, buy, entry, nse, price, rupees, sbin};
use crate::world::client;

fn of_a() -> Strategy {
    Strategy::parse("a").unwrap()
}

/// All positions of "a" are left at a common loss of 100 rupees.
async fn leaves_at_100(desk: &Desk) {
    let combined = Combined { strategy: of_a(), stop: Some(rupees(100)), target: None, fired_at: None, who: "a test".into() };
    let keep = Keep {
        client_id: Some(client()),
        slot: Combined::slot(&combined.strategy),
        value: None,
        basis: Some(0),
        event: "EXIT_RULE_SET",
        level: Level::Info,
        reason: Arc::from("a drill"),
        who: Arc::from("a test"),
        command_id: None,
    };
    assert!(desk.engine.keep(keep.with(&combined).unwrap()).await.unwrap().is_applied());
}

/// Whether it has fired, and the strategy is not left yet.
fn is_leaving(desk: &Desk) -> bool {
    let kept = desk.engine.read(&client(), |book| book.kept(&Combined::slot(&of_a())).cloned()).unwrap().unwrap();
    kept.read::<Combined>().unwrap().fired_at.is_some()
}

fn mm() -> ordergate_actors::order::InstrumentKey {
    nse("M&M-EQ")
}

fn is_flat(desk: &Desk) -> bool {
    desk.held("a", &sbin()) == 0 && desk.held("a", &mm()) == 0 && !is_leaving(desk)
}

/// A long and a short position that fall together, with the process killed at one of the commits: both are left, once.
fn crashed_at(commit: u32, is_made: bool) -> bool {
    let mut was_reached = false;
    scenario(Setup::default(), async |desk| {
        desk.ended(buy("a", 10)).await;
        desk.ended(entry("a", "M&M-EQ", "SELL", 4).kind("ADJUST")).await;
        desk.pass_secs(2).await;
        leaves_at_100(desk).await;
        *desk.disk_fault.fail_commit.lock() = Some((commit, is_made));
        trade(desk, "849");
        loop {
            desk.until("flat", |desk| desk.halt.halted().is_some() || is_flat(desk)).await;
            if desk.halt.halted().is_none() {
                break;
            }
            desk.start_again();
            desk.until_open().await;
        }
        was_reached = desk.disk_fault.fail_commit.lock().is_none();
        *desk.disk_fault.fail_commit.lock() = None;
        let left = |symbol: &str| -> i64 {
            desk.rows().iter().filter(|row| row.is_exit() && &*row.ask.symbol == symbol).map(|row| row.filled_quantity).sum()
        };
        assert_eq!((left("SBIN-EQ"), left("M&M-EQ")), (10, 4), "commit {commit}, made: {is_made}");
        assert_eq!((desk.net_at_broker(&sbin()), desk.net_at_broker(&mm())), (0, 0));
        desk.at_rest().await;
    });
    was_reached
}

#[test]
fn a_crash_at_any_commit_of_a_combined_exit_leaves_every_position_once() {
    for is_made in [true, false] {
        let mut commit = 1;
        while commit <= 60 && crashed_at(commit, is_made) {
            commit += 1;
        }
        assert!(commit > 5 && commit <= 60, "the story has {commit} commits");
    }
}

/// WatcherActor is made anew with every look at the clock that follows the fall of the price.
#[test]
fn a_watcher_that_is_made_anew_in_the_middle_leaves_every_position_once() {
    for look in 1..=8 {
        scenario(Setup::default(), async |desk| {
            desk.ended(buy("a", 10)).await;
            desk.ended(entry("a", "M&M-EQ", "SELL", 4).kind("ADJUST")).await;
            desk.pass_secs(2).await;
            leaves_at_100(desk).await;
            trade(desk, "849");
            desk.clock.fail_at("WatcherActor", look);
            desk.until("flat", is_flat).await;
            desk.clock.disarm();
            let filled: i64 = desk.rows().iter().filter(|row| row.is_exit()).map(|row| row.filled_quantity).sum();
            assert_eq!((filled, desk.net_at_broker(&sbin()), desk.net_at_broker(&mm())), (14, 0, 0), "look {look}");
            desk.at_rest().await;
        });
    }
}

#[test]
fn the_entries_of_the_strategy_that_still_work_are_cancelled_and_those_of_others_stay() {
    scenario(Setup::default(), async |desk| {
        desk.ended(buy("a", 10)).await;
        let working = desk.order(entry("a", "INFY-EQ", "BUY", 5).kind("ADJUST").at("1490")).await;
        let others = desk.order(entry("b", "INFY-EQ", "BUY", 5).at("1490")).await;
        desk.until_at_broker(working).await;
        desk.until_at_broker(others).await;
        desk.pass_secs(2).await;
        leaves_at_100(desk).await;
        trade(desk, "849");
        let row = desk.until_ended(working).await;
        assert_eq!((row.status, row.tag), (Status::Failed, Some(Tag::CombinedExit)));
        desk.until("flat, and armed anew", |desk| desk.held("a", &sbin()) == 0 && !is_leaving(desk)).await;
        assert_eq!((desk.row(others).status, desk.row(others).cancel_wanted), (Status::SentToBroker, None));
        desk.at_rest().await;
    });
}

/// The feed of one of two positions is silent: the sum is known by the broker's positions.
#[test]
fn a_sum_goes_by_the_brokers_positions_where_the_feed_is_silent() {
    scenario(Setup::default(), async |desk| {
        desk.ended(buy("a", 10)).await;
        desk.ended(entry("a", "M&M-EQ", "SELL", 4).kind("ADJUST")).await;
        desk.pass_secs(2).await;
        leaves_at_100(desk).await;
        desk.dark();
        desk.always(CallKind::Quote, Fault::Refuse("no quote".into()));
        desk.pass_secs(40).await;
        assert!(!is_leaving(desk));
        trade(desk, "849");
        desk.until("flat", |desk| is_flat(desk) && desk.net_at_broker(&sbin()) == 0).await;
        assert!(!desk.has_alarm("ALARM_EXIT_FEED_MUTED"), "{:?}", desk.texts("ALARM_EXIT_FEED_MUTED"));
        desk.heal();
        desk.at_rest().await;
    });
}

/// Nothing tells a price: people hear that nothing watches, once.
#[test]
fn a_sum_that_is_not_known_for_long_pages_and_goes_on_when_it_is() {
    scenario(Setup::default(), async |desk| {
        desk.ended(buy("a", 10)).await;
        desk.pass_secs(2).await;
        leaves_at_100(desk).await;
        desk.dark();
        desk.always_all(&[CallKind::Quote, CallKind::Positions], &Fault::Refuse("not now".into()));
        desk.until_alarm("ALARM_EXIT_FEED_MUTED").await;
        let text = desk.texts("ALARM_EXIT_FEED_MUTED").remove(0);
        assert!(text.contains("the combined exit of a") && text.contains("SBIN-EQ"), "{text}");
        trade(desk, "849");
        desk.pass_secs(60).await;
        assert_eq!((desk.texts("ALARM_EXIT_FEED_MUTED").len(), is_leaving(desk)), (1, false));
        desk.heal();
        desk.until("flat", |desk| desk.held("a", &sbin()) == 0 && !is_leaving(desk)).await;
        desk.at_rest().await;
    });
}

/// The cancel of the entry loses against its fill: what it brings is left too, also in the next process.
#[test]
fn an_entry_that_fills_after_the_firing_is_left_too() {
    for restarts in [false, true] {
        scenario(Setup::polled(), async |desk| {
            desk.ended(buy("a", 10)).await;
            let working = desk.order(entry("a", "INFY-EQ", "BUY", 5).kind("ADJUST").at("1490")).await;
            desk.until_at_broker(working).await;
            desk.pass_secs(3).await;
            leaves_at_100(desk).await;
            desk.plan(FaultPlan::none().always(CallKind::Cancel, Fault::Refuse("16388: not now".into())));
            trade(desk, "849");
            desk.until("what is held is left", |desk| desk.held("a", &sbin()) == 0).await;
            assert!(is_leaving(desk), "an entry of it may still fill");
            if restarts {
                desk.start_again();
                desk.until_open().await;
            }
            desk.market.set(&nse("INFY-EQ"), price("1480"), price("1480.10"), price("1480"));
            assert_eq!(desk.until_ended(working).await.filled_quantity, 5, "the cancel did not reach it");
            desk.until("and so is what it brought", |desk| desk.held("a", &nse("INFY-EQ")) == 0 && !is_leaving(desk)).await;
            assert_eq!((desk.net_at_broker(&sbin()), desk.net_at_broker(&nse("INFY-EQ"))), (0, 0));
            desk.at_rest().await;
        });
    }
}

/// It has fired, and exits are frozen: its entries are cancelled all the same, and what is held leaves after the thaw.
#[test]
fn a_freeze_of_exits_lets_the_strategy_enter_nothing_more() {
    for restarts in [false, true] {
        scenario(Setup::polled(), async |desk| {
            desk.ended(buy("a", 10)).await;
            let working = desk.order(entry("a", "INFY-EQ", "BUY", 5).kind("ADJUST").at("1490")).await;
            desk.until_at_broker(working).await;
            desk.pass_secs(3).await;
            leaves_at_100(desk).await;
            // The exit stays in its lane, and the cancel is refused.
            desk.plan(FaultPlan::none().always(CallKind::Cancel, Fault::Refuse("16388: not now".into())));
            desk.next(CallKind::Place, Fault::NotSent("connection refused".into()));
            trade(desk, "849");
            desk.until("it has fired", is_leaving).await;
            desk.control(ControlChange::Freeze(true)).await;
            if restarts {
                desk.start_again();
                desk.until_open().await;
            }
            desk.heal();
            let row = desk.until_ended(working).await;
            assert_eq!((row.tag, row.filled_quantity), (Some(Tag::CombinedExit), 0));
            let more = desk.order(entry("a", "INFY-EQ", "BUY", 5).kind("ADJUST").at("1490")).await;
            assert_eq!(desk.until_ended(more).await.tag, Some(Tag::CombinedExit), "nor anything that comes now");
            desk.pass_secs(10).await;
            assert_eq!((desk.held("a", &sbin()), desk.net_at_broker(&sbin())), (10, 10), "no exit goes while they are frozen");
            desk.control(ControlChange::Freeze(false)).await;
            desk.until("flat", is_flat).await;
            assert_eq!(desk.net_at_broker(&sbin()), 0);
            desk.at_rest().await;
        });
    }
}
