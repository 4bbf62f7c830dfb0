//! Limits and overload: entries stop, exits go.

use std::time::Duration;

use ordergate::brokers::faulty::{CallKind, Fault};
use ordergate_actors::EngineError;
use ordergate_actors::order::{HoldingKey, Product, Quantity, Status, Tag};
use ordergate_actors::ports::Clock;

use crate::desk::{But, Setup, ago, buy, entry, exit, nse, price, rupees, sbin, scenario};

#[test]
fn a_daily_loss_in_the_brokers_positions_refuses_entries_only() {
    let mut setup = Setup::polled();
    setup.account.limits.daily_loss = rupees(400);
    scenario(setup, async |desk| {
        desk.ended(buy("a", 10)).await;
        desk.ended(entry("d", "INFY-EQ", "BUY", 5).product("CNC")).await;
        // A delivery holding may fall as it likes.
        desk.market.set(&nse("INFY-EQ"), price("1300"), price("1300.10"), price("1300"));
        desk.pass_secs(3).await;
        assert_eq!(desk.ended(entry("b", "RELIANCE-EQ", "BUY", 1)).await.status, Status::Executed);
        desk.market.set(&sbin(), price("750"), price("750.05"), price("750"));
        desk.until("what is held is squared off", |desk| desk.held("a", &sbin()) == 0).await;
        let refused = desk.order(entry("c", "RELIANCE-EQ", "BUY", 1)).await;
        assert!(desk.reason(refused).contains("risk.daily_loss: the day stands at -"), "{}", desk.reason(refused));
        assert_eq!(desk.row(refused).tag, Some(Tag::RiskLimitsExceeded));
        assert_eq!(desk.net_at_broker(&nse("INFY-EQ")), 5, "delivery is left alone");
        // Realised now, and still a loss of the day; after a restart too.
        desk.start_again();
        desk.until_open().await;
        assert_eq!(desk.row(desk.order(entry("c", "RELIANCE-EQ", "BUY", 1)).await).tag, Some(Tag::RiskLimitsExceeded));
        desk.at_rest().await;
    });
}

#[test]
fn without_fresh_positions_entries_stop_and_exits_wait_or_go() {
    scenario(Setup::polled(), async |desk| {
        desk.ended(buy("a", 10)).await;
        desk.pass_secs(3).await;
        desk.always(CallKind::Positions, Fault::Unknown("502".into()));
        desk.pass_secs(16).await;
        let blind = desk.order(entry("b", "RELIANCE-EQ", "BUY", 1)).await;
        assert!(desk.reason(blind).contains("risk.blind: the broker's positions are 1"), "{}", desk.reason(blind));
        // The last proof includes our last fill: the exit needs nothing newer.
        assert_eq!(desk.ended(exit("a", "SBIN-EQ")).await.status, Status::Executed);
        desk.heal();
        desk.pass_secs(2).await;
        assert_eq!(desk.ended(entry("b", "RELIANCE-EQ", "BUY", 1)).await.status, Status::Executed);
        desk.at_rest().await;
    });
}

#[test]
fn stale_signals_and_signals_from_the_future() {
    scenario(Setup::polled(), async |desk| {
        desk.ended(buy("a", 10)).await;
        desk.pass_secs(60).await;
        let tag = async |leg, age_s: i64| {
            let mut draft = desk.draft(&[leg]);
            draft.signal_time = Some(ago(desk.clock.now(), age_s));
            let command = desk.engine.submit(draft).await.unwrap().orders[0];
            desk.until_ended(command).await.tag
        };
        assert_eq!(tag(entry("b", "INFY-EQ", "BUY", 1), 31).await, Some(Tag::StaleSignal));
        assert_eq!(tag(entry("b", "INFY-EQ", "BUY", 1), 29).await, None);
        // An exit has no age, unless it is older than the position that it would close.
        assert_eq!(tag(exit("a", "SBIN-EQ").of(1), 50).await, None);
        assert_eq!(tag(exit("a", "SBIN-EQ"), 100).await, Some(Tag::StaleSignal));
        assert_eq!((desk.held("a", &sbin()), desk.held("b", &nse("INFY-EQ"))), (9, 1));
        desk.at_rest().await;
    });
}

/// An entry that waited for its turn too long is not sent at a price that nobody wanted.
#[test]
fn an_entry_whose_turn_comes_too_late_is_not_sent() {
    let mut setup = Setup::polled();
    setup.account.waits.slot_deadline = Duration::from_secs(40);
    setup.account.waits.call_deadline = Duration::from_secs(50);
    scenario(setup, async |desk| {
        desk.next(CallKind::Place, Fault::Late(Duration::from_secs(35)));
        desk.order(buy("a", 10).at("790")).await;
        let late = desk.order(entry("b", "INFY-EQ", "BUY", 1)).await;
        let row = desk.until_ended(late).await;
        assert_eq!((row.tag, row.broker_order_id, desk.placed()), (Some(Tag::StaleSignal), None, 1));
        desk.at_rest().await;
    });
}

/// Permits: entries are refused while exits still get theirs, nothing is written for what was refused, and what is in
/// the line is bounded.
#[test]
fn overload_refuses_entries_and_keeps_a_share_for_exits() {
    let mut setup = Setup::polled();
    (setup.account.permits, setup.account.permits_for_exits) = (10, 3);
    setup.account.limits.max_open_orders = 1_000;
    scenario(setup, async |desk| {
        desk.ended(buy("x", 10)).await;
        desk.pass_secs(3).await;
        desk.next(CallKind::Place, Fault::Late(Duration::from_millis(1_900)));
        let mut answers = Vec::new();
        let mut refused = 0;
        for number in 0..500 {
            match desk.engine.submit_now(desk.draft(&[entry(&format!("s{number}"), "INFY-EQ", "BUY", 1)])) {
                Ok(answer) => answers.push(answer),
                Err(EngineError::Overloaded { used, capacity, .. }) => {
                    assert_eq!((used, capacity), (7, 10));
                    refused += 1;
                }
                Err(other) => panic!("{other}"),
            }
        }
        assert_eq!((answers.len(), refused), (7, 493));
        // A basket takes all of its permits or none; an entry among its legs makes it an entry.
        assert!(desk.engine.submit_now(desk.draft(&[exit("x", "SBIN-EQ"), buy("y", 1)])).is_err());
        let out = desk.send(&[exit("x", "SBIN-EQ")]);
        assert_eq!(desk.line().admission.used(), 8);
        let out = out.await.unwrap().unwrap().orders[0];
        assert_eq!(desk.until_ended(out).await.status, Status::Executed);
        for answer in answers {
            assert!(answer.await.unwrap().is_ok());
        }
        desk.until_still().await;
        assert_eq!((desk.rows().len(), desk.line().admission.used()), (9, 0), "what was refused left no row, and all permits are back");
        assert_eq!(desk.ended(buy("late", 1)).await.status, Status::Executed);
        desk.at_rest().await;
    });
}

#[test]
fn a_full_disk_stops_entries_while_exits_stay_journaled() {
    let mut setup = Setup::polled();
    setup.settings.min_free_bytes = 1_000_000;
    scenario(setup, async |desk| {
        desk.ended(buy("a", 10)).await;
        desk.pass_secs(3).await;
        // Free space is measured as the journal is opened, and when it is idle.
        desk.start_again_with_free(1_000);
        desk.until_open().await;
        let refused = desk.order(entry("b", "INFY-EQ", "BUY", 1)).await;
        assert!(desk.reason(refused).contains("risk.disk: 1000 bytes free"), "{}", desk.reason(refused));
        assert_eq!(desk.ended(exit("a", "SBIN-EQ")).await.status, Status::Executed);
        desk.at_rest().await;
    });
}

/// `force_clear_symbol` and `force_close_strategy` of the seeds: our record only, nothing is sent.
#[test]
fn a_force_clear_changes_the_record_and_sends_nothing() {
    scenario(Setup::polled(), async |desk| {
        let row = desk.ended(buy("a", 10)).await;
        desk.ended(entry("b", "INFY-EQ", "BUY", 1)).await;
        desk.pass_secs(3).await;
        let (client, placed) = (row.client_id, desk.placed());
        let clear = async |strategy, part: Option<(&str, i64)>| {
            let part =
                part.map(|(symbol, units)| (HoldingKey { instrument: nse(symbol), product: Product::Mis }, Quantity::new(units).unwrap()));
            desk.engine.force_clear(&client, strategy, part, "closed by hand".into()).await.unwrap()
        };
        let (a, b) = (row.ask.strategy, desk.rows()[1].ask.strategy.clone());
        assert_eq!(clear(a.clone(), Some(("INFY-EQ", 1))).await, 0, "it holds nothing there");
        assert_eq!((clear(a.clone(), Some(("SBIN-EQ", 4))).await, desk.held("a", &sbin())), (1, 6));
        assert_eq!(clear(a.clone(), Some(("SBIN-EQ", 10))).await, 1, "what is left of it");
        assert_eq!(clear(b, None).await, 1);
        assert_eq!((desk.held("a", &sbin()), desk.held("b", &nse("INFY-EQ")), desk.placed()), (0, 0, placed));
        assert_eq!(desk.texts("HOLDING_REDUCED"), ["closed by hand", "closed by hand", "closed by hand"]);
        desk.start_again();
        desk.until_open().await;
        assert_eq!(desk.held("a", &sbin()), 0);
        assert_eq!(desk.ended(buy("a", 1)).await.status, Status::Executed, "the strategy is free");
    });
}
