//! Baskets: judged together, refused together, sent in the order that never leaves a short alone.

use ordergate_actors::order::{Status, Tag};

use crate::desk::{But, Setup, buy, entry, exit, nse, sbin, scenario, sell};

#[test]
fn one_bad_entry_leg_refuses_every_entry_and_lets_the_exits_go() {
    // Refused as it is read, by risk, and by the guard.
    let bad_legs = [
        (entry("b", "INFY-EQ", "BUY", 0), Tag::ValidationFailed),
        (entry("b", "INFY-EQ", "BUY", 5_000), Tag::RiskLimitsExceeded),
        (entry("y", "INFY-EQ", "BUY", 5), Tag::ExecutionGuardBlocked),
    ];
    for (bad, tag) in bad_legs {
        scenario(Setup::default(), async |desk| {
            desk.ended(buy("x", 10)).await;
            desk.ended(entry("y", "M&M-EQ", "BUY", 1)).await;
            desk.pass_secs(2).await;
            let orders = desk.alert(&[entry("b", "RELIANCE-EQ", "BUY", 5), bad.clone(), exit("x", "SBIN-EQ")]).await;
            let (good, bad, out) = (desk.row(orders[0]), desk.row(orders[1]), desk.until_ended(orders[2]).await);
            assert_eq!((bad.status, bad.tag), (Status::Failed, Some(tag)));
            assert_eq!((good.status, good.tag), (Status::Failed, Some(tag)), "{:?}", good.reason);
            assert!(desk.reason(orders[0]).contains("leg 2"), "{:?}", good.reason);
            assert_eq!((out.status, desk.held("x", &sbin())), (Status::Executed, 0));
            assert_eq!(desk.net_at_broker(&nse("RELIANCE-EQ")), 0);
            desk.at_rest().await;
        });
    }
}

#[test]
fn opposite_legs_of_one_basket_contradict_each_other() {
    scenario(Setup::default(), async |desk| {
        let orders = desk.alert(&[buy("a", 10), sell("a", 10)]).await;
        for command in orders {
            assert_eq!(desk.row(command).tag, Some(Tag::ExecutionGuardBlocked));
            assert!(desk.reason(command).contains("conflicting quantities"), "{}", desk.reason(command));
        }
        assert_eq!(desk.placed(), 0);
        desk.at_rest().await;
    });
}

/// Exits first, shorts covered before longs are sold, hedges bought before shorts are sold.
#[test]
fn a_basket_goes_out_in_the_safe_order() {
    scenario(Setup::default(), async |desk| {
        desk.ended(buy("long", 10)).await;
        desk.ended(entry("short", "INFY-EQ", "SELL", 10)).await;
        desk.pass_secs(2).await;
        let legs =
            [entry("n", "RELIANCE-EQ", "SELL", 5), exit("long", "SBIN-EQ"), entry("n", "M&M-EQ", "BUY", 5), exit("short", "INFY-EQ")];
        let orders = desk.alert(&legs).await;
        for command in orders {
            assert_eq!(desk.until_ended(command).await.status, Status::Executed);
        }
        assert_eq!(desk.broker.writes()[2..], ["place INFY-EQ BUY", "place SBIN-EQ SELL", "place M&M-EQ BUY", "place RELIANCE-EQ SELL"]);
        desk.at_rest().await;
    });
}

/// The orders of one basket, spread over two processes: the first leg filled before the crash, the second was still
/// waiting. The fill of its own sibling is no reason to refuse it.
#[test]
fn the_second_leg_goes_on_after_a_crash_although_the_first_has_filled() {
    let mut setup = Setup::polled();
    setup.can = |row| row.send_ahead = 1;
    scenario(setup, async |desk| {
        // Killed with the first leg called and the second about to be written as sent.
        *desk.disk_fault.fail_commit.lock() = Some((3, false));
        let _lost = desk.send(&[entry("a", "M&M-EQ", "BUY", 5), entry("a", "RELIANCE-EQ", "SELL", 5)]);
        desk.until("killed", |desk| desk.halt.halted().is_some()).await;
        let orders: Vec<_> = desk.rows().iter().map(|row| row.command_id).collect();
        assert_eq!((desk.row(orders[0]).status, desk.row(orders[1]).status), (Status::SentToBroker, Status::Created));
        assert_eq!(desk.net_at_broker(&nse("M&M-EQ")), 5, "the hedge is bought");
        desk.start_again();
        desk.until_open().await;
        let second = desk.until_ended(orders[1]).await;
        assert_eq!(second.status, Status::Executed, "{:?}", second.reason);
        assert_eq!((desk.held("a", &nse("M&M-EQ")), desk.held("a", &nse("RELIANCE-EQ"))), (5, -5));
        // Another basket of the strategy is refused as before.
        let next = desk.order(buy("a", 1)).await;
        assert_eq!(desk.row(next).tag, Some(Tag::ExecutionGuardBlocked));
        desk.at_rest().await;
    });
}

/// One leg refused before the crash: the other, found after it, is refused too.
#[test]
fn a_leg_refused_before_a_crash_refuses_its_siblings_after_it() {
    scenario(Setup::default(), async |desk| {
        // The commit of the refusals fails after it was made for none: both CREATED are on disk, nothing more.
        *desk.disk_fault.fail_commit.lock() = Some((2, false));
        let _lost = desk.send(&[buy("a", 5), entry("a", "INFY-EQ", "BUY", 5_000)]);
        desk.until("fail-stop", |desk| desk.halt.halted().is_some()).await;
        let orders: Vec<_> = desk.rows().iter().map(|row| row.command_id).collect();
        desk.start_again();
        desk.until_open().await;
        for command in orders {
            assert_eq!(desk.until_ended(command).await.tag, Some(Tag::RiskLimitsExceeded));
        }
        assert_eq!(desk.placed(), 0);
        desk.at_rest().await;
    });
}

#[test]
fn two_entries_of_one_strategy_in_the_same_instant_have_one_winner() {
    for symbols in [["SBIN-EQ", "SBIN-EQ"], ["SBIN-EQ", "INFY-EQ"]] {
        scenario(Setup::default(), async |desk| {
            let answers = symbols.map(|symbol| desk.send(&[entry("a", symbol, "BUY", 10)]));
            let mut rows = Vec::new();
            for answer in answers {
                let command = answer.await.unwrap().unwrap().orders[0];
                rows.push(desk.until_ended(command).await);
            }
            assert_eq!((rows[0].status, rows[1].status), (Status::Executed, Status::Failed), "the first registered wins");
            let tag = if symbols[0] == symbols[1] { Tag::DuplicateOrderBlocked } else { Tag::ExecutionGuardBlocked };
            assert_eq!(rows[1].tag, Some(tag));
            desk.at_rest().await;
        });
    }
    // One while the other is working, and one after it.
    scenario(Setup::default(), async |desk| {
        let working = desk.order(buy("a", 10).at("790")).await;
        desk.until_at_broker(working).await;
        let second = desk.order(buy("a", 10)).await;
        assert_eq!(desk.row(second).tag, Some(Tag::DuplicateOrderBlocked));
        let client = desk.row(working).client_id;
        desk.engine.cancel(&client, working, "me", "").await.unwrap();
        desk.until_ended(working).await;
        assert_eq!(desk.ended(buy("a", 10)).await.status, Status::Executed);
        desk.at_rest().await;
    });
}
