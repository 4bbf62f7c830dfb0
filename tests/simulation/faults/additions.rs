//! Orders that add to a position which has a rule: what their fills bring to it, whatever is lost or dies in between.

use ordergate::simulator::market::Level;
use ordergate_actors::order::{LegDraft, Price};

use super::exit_rules::{guarded, rule, scenario, trade, until_flat};
use crate::desk::{But, Desk, Setup, buy, price, sbin, sell};

fn said(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn stop(desk: &Desk) -> Option<Price> {
    rule(desk).and_then(|rule| rule.stop).and_then(Price::new)
}

/// Ten more, with a stop of their own.
fn more(stop: &str) -> LegDraft {
    guarded(stop, None).kind("ADJUST")
}

/// Held at 860.05 with a stop at 800, and ten more with one at 850: the process is killed at a commit in between.
fn crashed_at(commit: u32, is_made: bool) -> bool {
    let mut was_reached = false;
    scenario(Setup::default(), async |desk| {
        desk.ended(guarded("800", None)).await;
        desk.until("the rule stands", |desk| stop(desk) == Some(price("800"))).await;
        *desk.disk_fault.fail_commit.lock() = Some((commit, is_made));
        let _answer = desk.send(&[more("850")]).await;
        desk.until("it has filled, or died", |desk| desk.halt.halted().is_some() || desk.held("a", &sbin()) == 20).await;
        desk.pass_secs(1).await;
        if desk.halt.halted().is_some() {
            desk.start_again();
            desk.until_open().await;
        }
        was_reached = desk.disk_fault.fail_commit.lock().is_none();
        *desk.disk_fault.fail_commit.lock() = None;
        desk.pass_secs(5).await;
        if desk.held("a", &sbin()) == 20 {
            assert_eq!(stop(desk), Some(price("850")), "commit {commit}, made: {is_made}");
        }
        desk.at_rest().await;
    });
    was_reached
}

#[test]
fn a_crash_at_any_commit_of_an_addition_leaves_what_it_brings_to_the_stop() {
    for is_made in [true, false] {
        let mut commit = 1;
        while commit <= 40 && crashed_at(commit, is_made) {
            commit += 1;
        }
        assert!(commit > 3 && commit <= 40, "the story has {commit} commits");
    }
}

/// The message that an addition has filled, or the rest of an order that swept two levels, is lost.
#[test]
fn what_fills_bring_is_found_in_the_book_when_no_message_tells_it() {
    scenario(Setup::default(), async |desk| {
        desk.ended(guarded("800", None)).await;
        desk.until("the rule stands", |desk| stop(desk) == Some(price("800"))).await;
        let entry = desk.order(more("850").at("858")).await;
        desk.until_at_broker(entry).await;
        desk.pass_secs(2).await;
        *desk.engine.line().lose_next.lock() = Some("watcher::Committed");
        trade(desk, "857");
        desk.until("it has filled", |desk| desk.held("a", &sbin()) == 20).await;
        desk.until("and its stop is found", |desk| stop(desk) == Some(price("850"))).await;
        trade(desk, "849");
        until_flat(desk).await;
        desk.at_rest().await;
    });
}

/// An entry that rests fills in two parts; the second at another price moves what is measured from the fill.
#[test]
fn the_second_part_of_an_entry_moves_what_is_measured_from_the_fill() {
    scenario(Setup::default(), async |desk| {
        let level = |text: &str, quantity| vec![Level { price: price(text), quantity }];
        desk.market.set_depth(&sbin(), level("859", 1_000), [level("860", 4), level("862", 1_000)].concat(), price("860"));
        let leg = LegDraft { stop_loss: said("10 points"), ..buy("a", 10).at("862") };
        desk.ended(leg).await;
        desk.until("measured from the average", |desk| stop(desk) == Some(price("851.20"))).await;
        assert_eq!(rule(desk).unwrap().counted, Some(10));
        desk.at_rest().await;
    });
}

/// The stop has trailed, and an order adds with the same terms: the stop stays where it was, long or short.
#[test]
fn an_addition_leaves_a_trailed_stop_where_it_is() {
    for (first, adds, steps, trailed, beyond) in [
        (buy("a", 10), buy("a", 10), ["866", "872", "868"], "867", "866.95"),
        (sell("a", 10), sell("a", 10), ["854", "848", "851"], "853.05", "853.10"),
    ] {
        scenario(Setup::default(), async |desk| {
            let terms =
                |leg: LegDraft| LegDraft { stop_loss: said("2%"), trailing_type: said("ABSOLUTE"), trailing_value: said("5"), ..leg };
            desk.ended(terms(first.clone())).await;
            desk.until("the rule stands", |desk| rule(desk).is_some()).await;
            for bid in steps {
                trade(desk, bid);
                desk.pass_secs(2).await;
            }
            let before = stop(desk).unwrap();
            assert!((before.value() - price(trailed).value()).abs() <= price("0.10").value(), "{before}");
            desk.ended(terms(adds.clone()).kind("ADJUST")).await;
            desk.until("the rule is that of both", |desk| rule(desk).is_some_and(|rule| rule.stood.is_some())).await;
            assert_eq!(stop(desk), Some(before));
            desk.pass_secs(2).await;
            assert_eq!(stop(desk), Some(before), "and after a look");
            trade(desk, beyond);
            until_flat(desk).await;
            desk.at_rest().await;
        });
    }
}
