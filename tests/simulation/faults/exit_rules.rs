//! Positions that leave by themselves: stops, targets, trails, the ladder; with a feed that is silent, a process that dies
//! and a broker that refuses in the middle.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use ordergate::brokers::faulty::{CallKind, Fault};
use ordergate::simulator::market::Level;
use ordergate_actors::exits::{Combined, ExitRule, Ladder, slot};
use ordergate_actors::order::calendar::{Calendar, Enforce};
use ordergate_actors::order::{
    CommandId, Exchange, HoldingKey, Instrument, InstrumentKey, Kind, LegDraft, OrderRecord, OrderType, Price, Product, Quantity, Side,
    Source, Status, Strategy, Tag,
};
use ordergate_actors::persistence::{Keep, Topic};
use ordergate_actors::watcher::ladder_slot;

use crate::desk::{But, Desk, Setup, buy, exit, price, rupees, sbin, sell};
use crate::world::client;

fn said(text: &str) -> Option<String> {
    Some(text.to_owned())
}

/// A buy of 10 at 860.05 with these exits.
pub(super) fn guarded(stop: &str, target: Option<&str>) -> LegDraft {
    LegDraft { stop_loss: said(stop), target: target.map(str::to_owned), ..buy("a", 10) }
}

fn trailing(leg: LegDraft, kind: &str, value: &str) -> LegDraft {
    LegDraft { trailing_type: said(kind), trailing_value: said(value), ..leg }
}

/// The market trades at the bid, the ask 5 paise above.
pub(super) fn trade(desk: &Desk, bid: &str) {
    let ask = Price::new(price(bid).value() + price("0.05").value()).unwrap();
    desk.market.set(&sbin(), price(bid), ask, price(bid));
}

/// A scenario in which it trades at 860, well inside the day's band.
pub(super) fn scenario(setup: Setup, live: impl AsyncFnOnce(&mut Desk)) {
    crate::desk::scenario(setup, async |desk| {
        trade(desk, "860");
        live(desk).await;
    });
}

/// The bid shows so many units only.
pub(super) fn thin(desk: &Desk, bid: &str, units: i64) {
    let ask = Price::new(price(bid).value() + price("0.05").value()).unwrap();
    let level = |price, quantity| vec![Level { price, quantity }];
    desk.market.set_depth(&sbin(), level(price(bid), units), level(ask, 1_000), price(bid));
}

pub(super) fn rule(desk: &Desk) -> Option<ExitRule> {
    let key = HoldingKey { instrument: sbin(), product: Product::Mis };
    let kept = desk.engine.read(&client(), |book| book.kept(&slot(&Strategy::parse("a").unwrap(), &key)).cloned()).unwrap();
    kept.map(|kept| kept.read().unwrap())
}

/// The orders that rules sent, first first.
pub(super) fn fired(desk: &Desk) -> Vec<OrderRecord> {
    desk.rows().into_iter().filter(|row| row.source == Source::System).collect()
}

pub(super) async fn until_flat(desk: &Desk) {
    desk.until("flat", |desk| desk.held("a", &sbin()) == 0 && desk.net_at_broker(&sbin()) == 0).await;
    desk.until("the rule ends with the position", |desk| rule(desk).is_none()).await;
}

#[test]
fn a_stop_fires_once_long_or_short_and_a_gap_through_it_fires_at_once() {
    for (leg, calm, beyond) in [
        (guarded("10 points", None), "850.10", "850.05"),
        (LegDraft { stop_loss: said("1%"), ..sell("a", 10) }, "868.50", "868.60"),
        (guarded("855", Some("880")), "855.05", "800"),
    ] {
        scenario(Setup::default(), async |desk| {
            let entry = desk.ended(leg.clone()).await;
            desk.until("the rule stands", |desk| rule(desk).is_some()).await;
            assert_eq!(rule(desk).unwrap().order, Some(entry.command_id));
            trade(desk, calm);
            desk.pass_secs(3).await;
            assert!(fired(desk).is_empty(), "{:?}", rule(desk));
            trade(desk, beyond);
            until_flat(desk).await;
            let exits = fired(desk);
            assert_eq!(exits.len(), 1);
            assert_eq!((exits[0].status, exits[0].filled_quantity, &*exits[0].user), (Status::Executed, 10, "stop of a"));
            let story = desk.events(entry.command_id);
            assert!(story.contains(&"EXIT_RULE_SET".to_owned()) && story.contains(&"EXIT_RULE_FIRED".to_owned()), "{story:?}");
            desk.at_rest().await;
        });
    }
}

/// The position is gone without a fill, and opened again on the same side before anybody has looked: the rule of the first
/// is not for the second, whose order asks for none.
#[test]
fn a_rule_does_not_act_on_the_next_position_on_its_side() {
    scenario(Setup::default(), async |desk| {
        let first = desk.ended(guarded("10 points", None)).await;
        desk.until("the rule stands", |desk| rule(desk).is_some()).await;
        desk.pass_secs(2).await;
        assert_eq!(desk.engine.force_clear(&client(), first.ask.strategy, None, "closed by hand".into()).await.unwrap(), 1);
        desk.ended(buy("a", 5)).await;
        trade(desk, "840");
        desk.pass_secs(5).await;
        assert_eq!((desk.held("a", &sbin()), fired(desk).len(), rule(desk)), (5, 0, None), "{}", desk.trace());
    });
}

/// That it fired and its exit are one message to IngressActor: if that is lost, both go again.
#[test]
fn a_stop_whose_exit_is_lost_on_its_way_is_written_down_and_leaves_all_the_same() {
    for look in 1..=3 {
        scenario(Setup::default(), async |desk| {
            desk.ended(guarded("10 points", None)).await;
            desk.until("the rule stands", |desk| rule(desk).is_some()).await;
            desk.pass_secs(2).await;
            desk.clock.fail_at("IngressActor", look);
            trade(desk, "850");
            until_flat(desk).await;
            desk.clock.disarm();
            let exits = fired(desk);
            assert_eq!((exits.len(), exits[0].filled_quantity), (1, 10), "look {look}");
            assert_eq!(desk.texts("EXIT_RULE_FIRED").len(), 1, "look {look}");
            desk.at_rest().await;
        });
    }
}

#[test]
fn one_odd_print_fires_nothing() {
    scenario(Setup::default(), async |desk| {
        desk.ended(guarded("10 points", None)).await;
        desk.until("the rule stands", |desk| rule(desk).is_some()).await;
        // The look is four times a second: this print is there for one of them.
        desk.market.set(&sbin(), price("860"), price("860.05"), price("760"));
        desk.pass(Duration::from_millis(250)).await;
        trade(desk, "860");
        desk.pass_secs(3).await;
        assert!(fired(desk).is_empty());
        assert_eq!(desk.held("a", &sbin()), 10);
        desk.at_rest().await;
    });
}

#[test]
fn a_target_is_a_limit_at_its_target_and_is_never_chased_but_gives_way_to_the_stop() {
    scenario(Setup::default(), async |desk| {
        desk.ended(guarded("850", Some("880"))).await;
        desk.until("the rule stands", |desk| rule(desk).is_some()).await;
        thin(desk, "880", 4);
        desk.until("a part of the target traded", |desk| desk.held("a", &sbin()) == 6).await;
        trade(desk, "870");
        desk.pass_secs(15).await;
        let target = fired(desk).pop().unwrap();
        assert_eq!((target.ask.price, target.ask.order_type, target.modifications), (Some(price("880")), Some(OrderType::Limit), 0));
        assert_eq!(target.status, Status::Partial, "it rests");
        // The stop takes the resting order over: no second one goes out.
        trade(desk, "845");
        until_flat(desk).await;
        let exits = fired(desk);
        assert_eq!((exits.len(), exits[0].status, exits[0].filled_quantity), (1, Status::Executed, 10));
        assert!(exits[0].modifications > 0);
        desk.at_rest().await;
    });
}

/// More comes in while a target's exit rests: it is still a target at its limit, and nothing is sold below it.
#[test]
fn more_that_fills_while_a_targets_exit_rests_does_not_make_it_urgent() {
    scenario(Setup::default(), async |desk| {
        desk.ended(guarded("850", Some("880"))).await;
        desk.until("the rule stands", |desk| rule(desk).is_some()).await;
        let more = LegDraft { execution_type: said("ADJUST"), ..guarded("840", Some("890")).at("858") };
        let _rests = desk.order(more).await;
        thin(desk, "880", 4);
        desk.until("a part of the target traded", |desk| desk.held("a", &sbin()) == 6).await;
        trade(desk, "857");
        desk.until("more came in", |desk| desk.held("a", &sbin()) == 16).await;
        desk.pass_secs(15).await;
        let target = fired(desk).pop().unwrap();
        assert_eq!((target.ask.price, target.modifications, target.status), (Some(price("880")), 0, Status::Partial));
        assert!(rule(desk).unwrap().fired.is_some_and(|fired| fired.cause == ordergate_actors::exits::Cause::Target));
        // What came in has brought a stop that lies farther away: all of it leaves by the one that stood.
        assert_eq!(rule(desk).unwrap().stop, Some(price("850").value()));
        trade(desk, "849");
        until_flat(desk).await;
        desk.at_rest().await;
    });
}

/// The target's exit rests unfilled, the price comes back, and an order that was to add to the position fills: its stop stands, in the
/// next process too, and all of the position leaves by it.
#[test]
fn the_stop_of_what_fills_while_a_targets_exit_rests_is_armed() {
    for restarts in [false, true] {
        scenario(Setup::default(), async |desk| {
            desk.ended(guarded("800", Some("880"))).await;
            desk.until("the rule stands", |desk| rule(desk).is_some()).await;
            let more = LegDraft { stop_loss: said("850"), execution_type: said("ADJUST"), ..buy("a", 10).at("855") };
            let more = desk.order(more).await;
            thin(desk, "880", 1);
            desk.until("the target rests", |desk| desk.held("a", &sbin()) == 9).await;
            trade(desk, "854");
            assert_eq!(desk.until_ended(more).await.filled_quantity, 10);
            desk.until("the stop stands", |desk| rule(desk).is_some_and(|rule| rule.stop == Some(price("850").value()))).await;
            let target = fired(desk).pop().unwrap();
            assert_eq!(rule(desk).unwrap().fired.unwrap().signal, target.signal_id, "its exit is known as what it is");
            assert_eq!((target.ask.price, target.modifications), (Some(price("880")), 0), "and is not chased");
            if restarts {
                desk.start_again();
                desk.until_open().await;
            }
            trade(desk, "849");
            until_flat(desk).await;
            let closed: i64 = fired(desk).iter().map(|row| row.filled_quantity).sum();
            assert_eq!(closed, 20);
            desk.at_rest().await;
        });
    }
}

/// It takes no changes, and does not cancel either: nothing goes beside an exit that may fill, and a person hears it once.
#[test]
fn an_exit_that_is_not_proven_dead_is_not_replaced_and_pages_once() {
    let setup = Setup { can: |row| row.can_modify = false, ..Setup::default() };
    scenario(setup, async |desk| {
        desk.ended(guarded("10 points", None)).await;
        desk.until("the rule stands", |desk| rule(desk).is_some()).await;
        thin(desk, "849.50", 3);
        desk.until("a part is out", |desk| desk.held("a", &sbin()) == 7).await;
        desk.always(CallKind::Cancel, Fault::Refuse("16388: not now".into()));
        trade(desk, "846");
        desk.until_alarm("ALARM_NOT_FLAT").await;
        assert!(desk.texts("ALARM_NOT_FLAT")[0].contains("its cancel is not proven"), "{:?}", desk.texts("ALARM_NOT_FLAT"));
        desk.pass_secs(60).await;
        assert_eq!((desk.texts("ALARM_NOT_FLAT").len(), fired(desk).len(), desk.held("a", &sbin())), (1, 1, 7));
        desk.heal();
        until_flat(desk).await;
        assert_eq!(fired(desk)[1].filled_quantity, 7);
        desk.at_rest().await;
    });
}

/// The broker refuses every change of an urgent exit: a person hears it once, and it is asked for on, not every second.
#[test]
fn an_exit_that_the_broker_does_not_reprice_pages_once_and_goes_when_it_does() {
    scenario(Setup::default(), async |desk| {
        desk.ended(guarded("10 points", None)).await;
        desk.until("the rule stands", |desk| rule(desk).is_some()).await;
        thin(desk, "849.50", 3);
        desk.until("a part is out", |desk| desk.held("a", &sbin()) == 7).await;
        desk.always(CallKind::Modify, Fault::Refuse("16387: Trading Suspended".into()));
        trade(desk, "845");
        desk.until("it is refused", |desk| desk.events(fired(desk)[0].command_id).contains(&"MODIFY_REPLIED".to_owned())).await;
        let refused_at = desk.clock_now();
        desk.until_alarm("ALARM_NOT_FLAT").await;
        assert!(desk.clock_now() - refused_at <= chrono::Duration::seconds(5));
        assert!(desk.texts("ALARM_NOT_FLAT")[0].contains("(16387: Trading Suspended)"), "{:?}", desk.texts("ALARM_NOT_FLAT"));
        let asked = desk.texts("EXIT_STEP").len();
        desk.pass_secs(100).await;
        let more = desk.texts("EXIT_STEP").len() - asked;
        assert!((10..=18).contains(&more), "{more} rows in 100 s");
        assert_eq!((desk.texts("ALARM_NOT_FLAT").len(), desk.held("a", &sbin())), (1, 7));
        desk.heal();
        until_flat(desk).await;
        assert_eq!(fired(desk).len(), 1);
        desk.at_rest().await;
    });
}

/// Another strategy's entry is in the way of the next price, and the broker refuses its cancel again and again: the exit does not wait
/// for that for ever.
#[test]
fn an_urgent_exit_does_not_stand_behind_an_entry_whose_cancel_is_refused_for_ever() {
    scenario(Setup::default(), async |desk| {
        desk.ended(guarded("10 points", None)).await;
        desk.until("the rule stands", |desk| rule(desk).is_some()).await;
        let rests = desk.order(buy("b", 5).at("845")).await;
        desk.until_at_broker(rests).await;
        thin(desk, "849.50", 3);
        desk.until("a part is out", |desk| desk.held("a", &sbin()) == 7).await;
        desk.always(CallKind::Cancel, Fault::Refuse("16388: not now".into()));
        thin(desk, "845.30", 2);
        desk.until("the entry is to go", |desk| desk.row(rests).cancel_wanted == Some(Tag::SelfTrade)).await;
        let since = desk.clock_now();
        assert_eq!(desk.held("a", &sbin()), 7, "it waits for that");
        desk.until("it goes on", |desk| desk.held("a", &sbin()) < 7).await;
        let waited = (desk.clock_now() - since).num_seconds();
        assert!((4..=8).contains(&waited), "{waited} s");
        assert!(!desk.row(rests).status.is_terminal() && !desk.has_alarm("ALARM_NOT_FLAT"));
        trade(desk, "845.30");
        until_flat(desk).await;
        desk.heal();
        assert_eq!(desk.until_ended(rests).await.filled_quantity, 0);
        desk.at_rest().await;
    });
}

/// The broker names the prices that it takes when it refuses the exit. They are not those that the quotes tell.
#[test]
fn the_next_exit_goes_at_a_price_that_the_broker_has_named() {
    scenario(Setup::default(), async |desk| {
        desk.ended(guarded("10 points", None)).await;
        desk.until("the rule stands", |desk| rule(desk).is_some()).await;
        let words =
            "RED:RULE:{Check circuit limit including square off order}Current:INR 848.70 LowerCircuit:INR 849.50 UpperCircuit:INR 940";
        desk.next(CallKind::Place, Fault::Refuse(words.into()));
        trade(desk, "849.55");
        until_flat(desk).await;
        let exits = fired(desk);
        assert_eq!(exits[0].tag, Some(Tag::BrokerRejected));
        assert!(exits[0].ask.price.unwrap() < price("849.50"));
        assert_eq!((exits.len(), exits[1].ask.price), (2, Some(price("849.50"))));
        desk.at_rest().await;
    });
}

/// The stop that rests at the broker is for the first ten. Ten more come in, and the market jumps before it is changed: they do not wait
/// for its end.
#[test]
fn what_the_stop_at_the_broker_is_not_for_leaves_by_an_exit_of_its_own() {
    scenario(Setup::default(), async |desk| {
        desk.ended(LegDraft { stop_at: said("broker"), ..guarded("10 points", None) }).await;
        let at_broker = |desk: &Desk, source| {
            let rows = desk.rows().into_iter().filter(move |row| row.source == source && row.status.is_at_broker());
            rows.filter(|row| row.broker_order_id.is_some()).map(|row| row.quantity()).collect::<Vec<_>>()
        };
        desk.until("the stop rests", |desk| at_broker(desk, Source::Stop) == [10]).await;
        desk.ended(LegDraft { execution_type: said("ADJUST"), ..buy("a", 10) }).await;
        desk.until("twenty are held", |desk| desk.held("a", &sbin()) == 20).await;
        desk.market.set_depth(&sbin(), Vec::new(), vec![Level { price: price("845.05"), quantity: 100 }], price("845"));
        desk.until("each ten have an order", |desk| at_broker(desk, Source::System) == [10] && at_broker(desk, Source::Stop) == [10]).await;
        desk.until_alarm("ALARM_NOT_FLAT").await;
        assert!(desk.texts("ALARM_NOT_FLAT")[0].contains("20 are held in all"), "{:?}", desk.texts("ALARM_NOT_FLAT"));
        desk.pass_secs(30).await;
        assert_eq!(fired(desk).len(), 1, "and one is enough");
        trade(desk, "845");
        until_flat(desk).await;
        desk.at_rest().await;
    });
}

/// One of the orders that a large exit became is refused, and nobody trades with the other: what the refused one was for is not left to
/// that.
#[test]
fn a_part_that_is_refused_goes_again_while_the_other_rests() {
    let mut setup = Setup::default();
    setup.account.limits.max_quantity = 100_000;
    setup.account.limits.max_order_value = rupees(1_000_000_000);
    scenario(setup, async |desk| {
        let future = crate::desk::future();
        let most = ordergate_actors::ports::Instruments::find(&*desk.instruments, &future).unwrap().max_quantity().unwrap();
        let leg = |kind: &str| LegDraft { stop_loss: said("25600"), ..buy("a", most).in_future().product("NRML").kind(kind) };
        for (kind, held) in [("ENTRY", most), ("ADJUST", 2 * most)] {
            desk.ended(leg(kind)).await;
            desk.until("it is held", |desk| desk.held("a", &future) == held).await;
        }
        desk.pass_secs(3).await;
        desk.next(CallKind::Place, Fault::Refuse("RED:Margin Shortfall:INR 1200".into()));
        desk.market.set_depth(&future, Vec::new(), vec![Level { price: price("25590"), quantity: 100 }], price("25590"));
        let open = |desk: &Desk| -> i64 { fired(desk).iter().filter(|row| row.status.is_at_broker()).map(OrderRecord::unfilled).sum() };
        desk.until("a part is refused", |desk| fired(desk).iter().any(|row| row.tag == Some(Tag::BrokerRejected))).await;
        desk.pass_secs(5).await;
        assert_eq!(open(desk), most);
        desk.until("all of it has an exit", |desk| open(desk) == 2 * most).await;
        desk.market.set(&future, price("25590"), price("25590.05"), price("25590"));
        desk.until("flat", |desk| desk.held("a", &future) == 0 && desk.net_at_broker(&future) == 0).await;
        assert_eq!(fired(desk).len(), 3);
        desk.at_rest().await;
    });
}

/// A signal to leave waits for the truth about an entry, and nobody tells it. The stop does not wait with it.
#[test]
fn a_stop_does_not_wait_behind_a_signal_that_waits_for_a_proof() {
    scenario(Setup::polled(), async |desk| {
        desk.ended(guarded("10 points", None)).await;
        desk.until("the rule stands", |desk| rule(desk).is_some()).await;
        desk.pass_secs(3).await;
        desk.always_all(&[CallKind::Orders, CallKind::Trades], &Fault::Unknown("502".into()));
        desk.next(CallKind::Place, Fault::LoseReply("reset".into()));
        let entry = desk.order(buy("a", 5).kind("ADJUST")).await;
        let out = desk.order(exit("a", "SBIN-EQ")).await;
        desk.pass_secs(2).await;
        assert!(desk.row(entry).is_in_doubt() && desk.row(out).status == Status::Created);
        trade(desk, "849");
        desk.until("what is certain is sold", |desk| desk.net_at_broker(&sbin()) == 5).await;
        assert!(desk.row(entry).is_in_doubt());
        assert_eq!(desk.row(out).tag, Some(Tag::Replaced));
        desk.until_alarm("ALARM_EXIT_FAILED").await;
        assert!(desk.texts("ALARM_EXIT_FAILED")[0].contains("exit it"), "{:?}", desk.texts("ALARM_EXIT_FAILED"));
        desk.heal();
        assert_eq!(desk.until_ended(entry).await.filled_quantity, 5);
        desk.until("it is held", |desk| desk.held("a", &sbin()) == 5).await;
        assert_eq!(desk.ended(exit("a", "SBIN-EQ")).await.filled_quantity, 5);
        until_flat(desk).await;
        desk.at_rest().await;
    });
}

#[test]
fn a_trailed_stop_survives_a_restart_and_fires_there() {
    scenario(Setup::default(), async |desk| {
        desk.ended(trailing(guarded("10 points", None), "ABSOLUTE", "5")).await;
        desk.until("the rule stands", |desk| rule(desk).is_some()).await;
        for bid in ["863", "866", "872.50", "869"] {
            trade(desk, bid);
            desk.pass_secs(2).await;
        }
        desk.until("the trail is on disk", |desk| rule(desk).is_some_and(|rule| rule.stop == Some(price("867.50").value()))).await;
        assert_eq!(desk.texts("EXIT_RULE_MOVED").len(), 3, "one row a step");
        desk.start_again();
        desk.until_open().await;
        trade(desk, "867.55");
        desk.pass_secs(2).await;
        assert!(fired(desk).is_empty());
        trade(desk, "867.45");
        until_flat(desk).await;
        assert_eq!(&*fired(desk)[0].user, "trailing stop of a");
        desk.at_rest().await;
    });
}

#[test]
fn an_entry_cancelled_after_a_part_filled_is_protected_and_trails_for_what_it_holds() {
    scenario(Setup::default(), async |desk| {
        let level = |price, quantity| vec![Level { price, quantity }];
        desk.market.set_depth(&sbin(), level(price("859"), 1_000), level(price("860"), 4), price("860"));
        let leg = trailing(guarded("10 points", None), "POINTS", "5").at("860");
        let entry = desk.order(leg).await;
        desk.until("a part is held", |desk| desk.held("a", &sbin()) == 4).await;
        desk.engine.cancel(&client(), entry, "a test", "").await.unwrap();
        let entry = desk.until_ended(entry).await;
        assert_eq!((entry.status, entry.filled_quantity), (Status::Failed, 4));
        trade(desk, "866");
        desk.until("the stop has trailed", |desk| rule(desk).is_some_and(|rule| rule.stop == Some(price("855").value()))).await;
        trade(desk, "854");
        until_flat(desk).await;
        assert_eq!(fired(desk)[0].filled_quantity, 4);
        desk.at_rest().await;
    });
}

#[test]
fn a_muted_feed_at_the_stop_pages_and_the_positions_tell_the_price() {
    scenario(Setup::default(), async |desk| {
        desk.ended(guarded("10 points", None)).await;
        desk.until("the rule stands", |desk| rule(desk).is_some()).await;
        desk.dark();
        desk.until_alarm("ALARM_EXIT_FEED_MUTED").await;
        assert!(fired(desk).is_empty());
        trade(desk, "845");
        until_flat(desk).await;
        desk.at_rest().await;
    });
}

/// No quotes and no positions: the page says that nothing watches the stop, another that what is held is not seen, and nobody says
/// that the day's result is known. What the books told of the orders does not take the positions' trouble away.
#[test]
fn a_muted_feed_beside_positions_that_cannot_be_read_is_said_to_be_watched_by_nothing() {
    scenario(Setup::default(), async |desk| {
        desk.ended(guarded("10 points", None)).await;
        desk.until("the rule stands", |desk| rule(desk).is_some()).await;
        desk.pass_secs(3).await;
        desk.always(CallKind::Positions, Fault::Unknown("502".into()));
        desk.dark();
        desk.until("it is said", |desk| desk.texts("ALARM_EXIT_FEED_MUTED").iter().any(|said| said.contains("NOTHING watches"))).await;
        desk.until_alarm("ALARM_BLIND").await;
        assert!(desk.texts("ALARM_BLIND")[0].contains("the market of 1 positions is open"), "{:?}", desk.texts("ALARM_BLIND"));
        assert!(desk.line().findings.read().trouble.contains_key(&ordergate_actors::broker::Reading::Positions));
        let refused = desk.order(buy("b", 1)).await;
        assert!(desk.reason(refused).contains("risk.daily_loss: the day's result is not known"), "{}", desk.reason(refused));
        desk.kill_process();
        desk.start_again();
        desk.until("a desk that stays there is named", |desk| {
            desk.texts("ALARM_BLIND").iter().any(|said| said.contains("still RECOVERING") && said.ends_with("positions"))
        })
        .await;
        desk.heal();
        desk.until_open().await;
    });
}

#[test]
fn a_restart_between_the_firing_and_the_fill_sends_no_second_exit() {
    for fault in [Fault::HangAfter, Fault::Hang, Fault::LoseReply("lost".into())] {
        scenario(Setup::default(), async |desk| {
            desk.ended(guarded("10 points", None)).await;
            desk.until("the rule stands", |desk| rule(desk).is_some()).await;
            desk.next(CallKind::Place, fault.clone());
            trade(desk, "845");
            desk.until("its exit is on disk", |desk| !fired(desk).is_empty()).await;
            desk.start_again();
            desk.until_open().await;
            until_flat(desk).await;
            let filled: i64 = fired(desk).iter().map(|row| row.filled_quantity).sum();
            assert_eq!(filled, 10, "{fault:?}");
            desk.at_rest().await;
        });
    }
}

#[test]
fn an_urgent_exit_is_repriced_down_a_falling_market_until_it_is_flat() {
    scenario(Setup::default(), async |desk| {
        desk.ended(guarded("10 points", None)).await;
        desk.until("the rule stands", |desk| rule(desk).is_some()).await;
        thin(desk, "849.50", 3);
        desk.until("a part is out", |desk| desk.held("a", &sbin()) == 7).await;
        thin(desk, "848", 2);
        desk.until("another part is out", |desk| desk.held("a", &sbin()) == 5).await;
        // A step that is refused in the middle changes nothing: the next one comes.
        desk.next(CallKind::Modify, Fault::Refuse("16387: Trading Suspended".into()));
        thin(desk, "846", 1);
        desk.pass_secs(3).await;
        // And a process that dies in the middle of the ladder goes on with it.
        desk.start_again();
        desk.until_open().await;
        trade(desk, "844.50");
        until_flat(desk).await;
        let exits = fired(desk);
        assert_eq!((exits.len(), exits[0].filled_quantity), (1, 10), "one order, changed: {:?}", exits[0].modifications);
        assert!(exits[0].modifications >= 3);
        desk.at_rest().await;
    });
}

#[test]
fn a_broker_that_takes_no_changes_gets_a_new_order_after_the_proof_that_the_old_one_is_dead() {
    let setup = Setup { can: |row| row.can_modify = false, ..Setup::default() };
    scenario(setup, async |desk| {
        desk.ended(guarded("10 points", None)).await;
        desk.until("the rule stands", |desk| rule(desk).is_some()).await;
        thin(desk, "849.50", 3);
        desk.until("a part is out", |desk| desk.held("a", &sbin()) == 7).await;
        trade(desk, "846");
        until_flat(desk).await;
        let exits = fired(desk);
        assert_eq!((exits[0].status, exits[0].tag, exits[0].filled_quantity), (Status::Failed, Some(Tag::Replaced), 3));
        assert_eq!(
            (exits[1].status, exits[1].filled_quantity, exits[1].parent_command_id),
            (Status::Executed, 7, Some(exits[0].command_id))
        );
        desk.at_rest().await;
    });
}

#[test]
fn beyond_the_cost_cap_a_person_is_paged_and_lets_it_go_on() {
    scenario(Setup::default(), async |desk| {
        desk.ended(guarded("10 points", None)).await;
        desk.until("the rule stands", |desk| rule(desk).is_some()).await;
        thin(desk, "849.50", 3);
        desk.until("a part is out", |desk| desk.held("a", &sbin()) == 7).await;
        // Two percent of 849.50 are the cap; this is beyond it.
        trade(desk, "830");
        desk.until_alarm("ALARM_NOT_FLAT").await;
        assert_eq!(desk.held("a", &sbin()), 7, "not beyond the cap by itself");
        let text = desk.texts("ALARM_NOT_FLAT").pop().unwrap();
        assert!(text.contains("NOT FLAT: 7 of 10") && text.contains("bid 830, ask 830.05, spread 0.05"), "{text}");
        go_on(desk, fired(desk)[0].command_id).await;
        until_flat(desk).await;
        assert_eq!(desk.texts("ALARM_NOT_FLAT").len(), 1);
        desk.at_rest().await;
    });
}

pub(super) async fn go_on(desk: &Desk, command: CommandId) {
    let slot = ladder_slot(command);
    let granted = || desk.engine.read(&client(), |book| book.kept(&slot).cloned()).unwrap().unwrap().read::<Ladder>().unwrap().granted;
    let before = granted();
    crate::world::go_on(&desk.engine, &client(), &slot).await;
    assert_eq!(granted(), before + 1);
}

fn keep(slot: ordergate_actors::persistence::Slot, basis: Option<u64>) -> Keep {
    Keep {
        client_id: Some(client()),
        slot,
        value: None,
        basis,
        event: "EXIT_GO_ON",
        level: ordergate_actors::persistence::Level::Info,
        reason: Arc::from("a drill"),
        who: Arc::from("a test"),
        command_id: None,
    }
}

#[test]
fn a_book_with_nobody_in_it_is_not_chased_and_pages() {
    scenario(Setup::default(), async |desk| {
        desk.ended(guarded("10 points", None)).await;
        desk.until("the rule stands", |desk| rule(desk).is_some()).await;
        let asks = vec![Level { price: price("849"), quantity: 100 }];
        desk.market.set_depth(&sbin(), Vec::new(), asks, price("848"));
        desk.until_alarm("ALARM_NOT_FLAT").await;
        assert!(desk.texts("ALARM_NOT_FLAT")[0].contains("nobody stands on the other side"));
        assert_eq!(fired(desk)[0].modifications, 0);
        trade(desk, "847.80");
        until_flat(desk).await;
        desk.at_rest().await;
    });
}

#[test]
fn a_rejected_exit_goes_again_by_its_cause() {
    scenario(Setup::default(), async |desk| {
        desk.ended(guarded("10 points", None)).await;
        desk.until("the rule stands", |desk| rule(desk).is_some()).await;
        desk.next(CallKind::Place, Fault::Refuse("the order price is out of the current execution range".into()));
        desk.next(CallKind::Place, Fault::Refuse("quantity is above the freeze quantity".into()));
        trade(desk, "845");
        until_flat(desk).await;
        let exits = fired(desk);
        assert_eq!(exits.iter().filter(|row| row.tag == Some(Tag::BrokerRejected)).count(), 2);
        assert_eq!(exits.iter().map(|row| row.filled_quantity).collect::<Vec<_>>(), [0, 0, 5, 5], "in halves after the freeze");
        desk.at_rest().await;
    });
}

#[test]
fn a_resting_exit_of_a_person_makes_way_for_the_stop() {
    scenario(Setup::default(), async |desk| {
        desk.ended(guarded("10 points", None)).await;
        desk.pass_secs(2).await;
        let resting = desk.order(exit("a", "SBIN-EQ").at("890")).await;
        desk.until_at_broker(resting).await;
        trade(desk, "845");
        until_flat(desk).await;
        assert_eq!((desk.row(resting).status, desk.row(resting).tag), (Status::Failed, Some(Tag::Replaced)));
        desk.at_rest().await;
    });
}

#[test]
fn a_close_at_the_broker_by_hand_ends_the_rule_and_takes_its_resting_exit_away() {
    scenario(Setup::default(), async |desk| {
        desk.ended(guarded("850", Some("880"))).await;
        desk.until("the rule stands", |desk| rule(desk).is_some()).await;
        let ended = desk.ended(exit("a", "SBIN-EQ")).await;
        assert_eq!(ended.status, Status::Executed);
        until_flat(desk).await;
        trade(desk, "760");
        desk.pass_secs(3).await;
        assert!(fired(desk).is_empty(), "nothing is left to stop");
        // A new position brings its own.
        trade(desk, "860");
        desk.ended(buy("a", 5)).await;
        desk.pass_secs(32).await;
        assert!(rule(desk).is_none(), "the old order's rule was for the old position");
        desk.at_rest().await;
    });
}

#[test]
fn the_positions_of_a_strategy_leave_together_at_their_common_loss() {
    scenario(Setup::default(), async |desk| {
        desk.ended(buy("a", 10)).await;
        desk.pass_secs(2).await;
        let combined = Combined {
            strategy: Strategy::parse("a").unwrap(),
            stop: Some(rupees(100)),
            target: None,
            fired_at: None,
            who: "a test".into(),
        };
        let keep = keep(Combined::slot(&combined.strategy), Some(0)).with(&combined).unwrap();
        assert!(desk.engine.keep(keep).await.unwrap().is_applied());
        trade(desk, "852");
        desk.pass_secs(3).await;
        assert!(fired(desk).is_empty());
        trade(desk, "849");
        until_flat(desk).await;
        assert_eq!(&*fired(desk)[0].user, "combined exit of a");
        desk.until("armed anew", |desk| {
            let states =
                desk.engine.read(&client(), |book| book.kept_of(Topic::ExitRule).map(|(_, kept)| kept.clone()).collect::<Vec<_>>());
            states.unwrap()[0].read::<Combined>().unwrap().fired_at.is_none()
        })
        .await;
        desk.at_rest().await;
    });
}

fn held_to(enforce: Enforce) -> Arc<Calendar> {
    Arc::new(Calendar::parse(&ordergate::calendar::files(None).unwrap()).unwrap().enforced(enforce))
}

/// A day of the calendar as it is, a quarter of an hour and some seconds before 15:15; whether the account is held to it, or is one of
/// paper, or one that nobody holds to anything.
#[test]
fn what_shall_not_stay_overnight_is_out_before_a_book_that_closes_at_a_quarter_past_three() {
    for calendar in [|| held_to(Enforce::Always), || held_to(Enforce::Live), || held_to(Enforce::Never)] {
        out_by_the_end_of_the_day(calendar);
    }
}

fn out_by_the_end_of_the_day(calendar: fn() -> Arc<Calendar>) {
    let at: DateTime<Utc> = "2026-11-23T14:59:30+05:30".parse::<DateTime<chrono::FixedOffset>>().unwrap().to_utc();
    let mut setup = Setup { starts_at: at, calendar, ..Setup::default() };
    // The entry comes late on purpose.
    setup.account.limits.intraday_cutoff = std::time::Duration::ZERO;
    scenario(setup, async |desk| {
        desk.ended(LegDraft { exit_at: said("EOD"), ..buy("a", 10) }).await;
        desk.until("the rule stands", |desk| rule(desk).is_some()).await;
        assert!(fired(desk).is_empty());
        until_flat(desk).await;
        let out = fired(desk).pop().unwrap();
        assert_eq!((&*out.user, out.ask.side), ("time exit of a", Some(Side::Sell)));
        assert!(out.created_at >= at + chrono::Duration::seconds(30) && out.created_at < at + chrono::Duration::seconds(60));
        desk.at_rest().await;
    });
}

/// A commodity, which brokers square off earlier before their close.
fn crude() -> Vec<Instrument> {
    let expiry = chrono::NaiveDate::from_ymd_opt(2026, 12, 18).unwrap();
    vec![Instrument {
        rupees_per_point: rust_decimal::Decimal::ONE,
        key: InstrumentKey::new(Exchange::Mcx, "CRUDEOIL18DEC26"),
        token: 990_002,
        underlying: "CRUDEOIL".into(),
        kind: Kind::Future { expiry },
        lot: Quantity::new(1).unwrap(),
        tick: price("1"),
        freeze: None,
        band: None,
    }]
}

/// It trades until 23:55 on that day.
#[test]
fn a_commodity_that_shall_not_stay_overnight_is_out_before_the_broker_squares_it_off() {
    let at: DateTime<Utc> = "2026-11-23T23:24:30+05:30".parse::<DateTime<chrono::FixedOffset>>().unwrap().to_utc();
    let setup = Setup { starts_at: at, calendar: || held_to(Enforce::Always), contracts: crude, ..Setup::default() };
    // The disk is checked by a master that lacks it.
    Desk::unopened(setup, async |desk| {
        desk.until_open().await;
        let key = crude().remove(0).key;
        desk.market.set(&key, price("6000"), price("6001"), price("6000"));
        let entry = LegDraft { exchange: said("MCX"), symbol: said(&key.symbol), exit_at: said("EOD"), ..buy("a", 1).product("NRML") };
        let entry = desk.ended(entry).await;
        assert_eq!(entry.status, Status::Executed, "{:?}", entry.reason);
        desk.pass_secs(5).await;
        assert!(fired(desk).is_empty());
        desk.until("it is out", |desk| desk.held("a", &key) == 0).await;
        let out = fired(desk).pop().unwrap();
        assert!(out.created_at >= at + chrono::Duration::seconds(30) && out.created_at < at + chrono::Duration::seconds(60));
    });
}

/// More than the exchange takes in one order, whoever asks for the exit.
#[test]
fn an_exit_above_the_freeze_quantity_goes_out_as_several() {
    let mut setup = Setup::default();
    setup.account.limits.max_quantity = 100_000;
    setup.account.limits.max_order_value = rupees(1_000_000_000);
    scenario(setup, async |desk| {
        let future = crate::desk::future();
        let largest = ordergate_actors::ports::Instruments::find(&*desk.instruments, &future).unwrap().max_quantity().unwrap();
        let lot = |strategy: &str| buy(strategy, largest).in_future().product("NRML");
        for strategy in ["a", "b"] {
            for _ in 0..2 {
                let kind = if desk.held(strategy, &future) == 0 { "ENTRY" } else { "ADJUST" };
                assert_eq!(desk.ended(lot(strategy).kind(kind)).await.status, Status::Executed);
            }
        }
        desk.pass_secs(2).await;
        let orders = desk.alert(&[LegDraft { quantity: None, ..exit("a", &future.symbol).in_future() }]).await;
        for command in &orders {
            assert_eq!(desk.until_ended(*command).await.filled_quantity, largest);
        }
        assert_eq!((orders.len(), desk.held("a", &future)), (2, 0));
        // And by a rule: no entry said anything, so a combined exit sends them.
        let combined =
            Combined { strategy: Strategy::parse("b").unwrap(), stop: Some(rupees(1)), target: None, fired_at: None, who: "a test".into() };
        desk.market.set(&future, price("25600"), price("25600.05"), price("25600"));
        assert!(desk.engine.keep(keep(Combined::slot(&combined.strategy), Some(0)).with(&combined).unwrap()).await.unwrap().is_applied());
        desk.until("flat", |desk| desk.held("b", &future) == 0 && desk.net_at_broker(&future) == 0).await;
        assert_eq!(fired(desk).iter().map(|row| row.filled_quantity).collect::<Vec<_>>(), [largest, largest]);
        desk.at_rest().await;
    });
}
