//! Where our books and the broker's differ: whose doing it was, and what a person says about it.

use std::sync::Arc;
use std::time::Duration;

use ordergate::brokers::faulty::{CallKind, Fault};
use ordergate::simulator::exchange::NewOrder;
use ordergate_actors::order::{
    Amount, BrokerOrderId, HoldingKey, LegDraft, OrderType, Price, Product, Quantity, Side, Source, Status, Strategy, Tag, Terms, Validity,
    trading_date,
};
use ordergate_actors::persistence::{Adopted, Keep, Level};
use ordergate_actors::pnl::differences::slot;
use ordergate_actors::pnl::{Cause, Day, Difference, Ignored, differences};
use ordergate_actors::risk::{Change, ChangeAnswer};

use crate::desk::{But, Desk, Setup, buy, exit, price, sbin, scenario};
use crate::world::client;

fn key() -> HoldingKey {
    HoldingKey { instrument: sbin(), product: Product::Mis }
}

/// A trade that does not come from us.
pub(super) fn elsewhere(desk: &Desk, side: Side, quantity: i64, tag: Option<&str>) {
    trade_elsewhere(desk, Product::Mis, (side, quantity), tag);
}

fn elsewhere_of(desk: &Desk, product: Product, side: Side, quantity: i64) {
    trade_elsewhere(desk, product, (side, quantity), None);
}

fn trade_elsewhere(desk: &Desk, product: Product, (side, quantity): (Side, i64), tag: Option<&str>) {
    let terms = Terms {
        side,
        quantity: Quantity::new(quantity).unwrap(),
        product,
        order_type: OrderType::Market,
        validity: Validity::Day,
        price: None,
        trigger_price: None,
    };
    let order = NewOrder { instrument: sbin(), terms, tag: tag.map(Arc::from) };
    desk.broker.broker.inner().place_foreign(&order).unwrap().unwrap();
}

/// While there is no session people close in the broker's app. What waited for the session must not close it once more.
#[test]
fn an_exit_that_waited_for_the_session_does_not_close_again_what_a_person_closed_meanwhile() {
    scenario(Setup::polled(), async |desk| {
        desk.ended(buy("a", 10)).await;
        desk.pass_secs(3).await;
        let reads = [CallKind::Session, CallKind::Orders, CallKind::Trades, CallKind::Positions];
        desk.always_all(&reads, &Fault::Refuse("logged out".into()));
        desk.until_alarm("ALARM_NO_SESSION").await;
        let out = desk.order(exit("a", "SBIN-EQ")).await;
        desk.until_alarm("ALARM_EXIT_WAITS").await;
        elsewhere(desk, Side::Sell, 10, Some("from my phone"));
        desk.heal();
        assert_eq!(desk.until_ended(out).await.tag, Some(Tag::NoPosition));
        assert_eq!((desk.placed(), desk.net_at_broker(&sbin())), (1, 0), "the entry, and nothing else of ours");
    });
}

fn now(desk: &Desk) -> Vec<Difference> {
    let findings = desk.line().findings.read().clone();
    desk.engine.read(&client(), |book| differences(book, &findings, desk.clock_now())).unwrap().unwrap_or_default()
}

fn causes(desk: &Desk) -> Vec<(Cause, i64)> {
    now(desk).iter().flat_map(|found| found.parts.iter().map(|part| (part.cause, part.units))).collect()
}

fn day(desk: &Desk) -> Day {
    desk.engine.read(&client(), |book| book.day(trading_date(desk.clock_now())).into_owned()).unwrap()
}

async fn adopt(desk: &Desk, strategy: &str, side: Side, quantity: i64, at: Price) -> bool {
    let strategy = Strategy::parse(strategy).unwrap();
    let net_before = desk.engine.read(&client(), |book| book.held(&strategy, &key()).net).unwrap();
    let adopted = Adopted {
        client_id: client(),
        strategy,
        key: key(),
        side,
        quantity: Quantity::new(quantity).unwrap(),
        price: at,
        net_before,
        who: Arc::from("asha"),
        reason: Arc::from("mine now"),
    };
    desk.engine.adopt(adopted).await.unwrap().is_applied()
}

#[test]
fn a_manual_close_is_named_shrinks_the_holding_and_is_priced_as_the_broker_tells() {
    let setup = Setup { can: |row| row.visibility_bound = Duration::from_secs(3), ..Setup::polled() };
    scenario(setup, async |desk| {
        desk.ended(buy("a", 10)).await;
        desk.pass_secs(3).await;
        elsewhere(desk, Side::Sell, 10, None);
        desk.until("it is seen before anything follows", |desk| causes(desk) == [(Cause::ManualTrade, -10)]).await;
        assert!(now(desk)[0].parts[0].evidence[0].contains("SELL 10 at"), "{:?}", now(desk));
        desk.until("the holding follows the broker", |desk| desk.held("a", &sbin()) == 0).await;
        assert_eq!(causes(desk), [], "what was given up is no difference any more");
        desk.until_alarm("ALARM_HOLDING_REDUCED").await;
        let said = desk.texts("ALARM_HOLDING_REDUCED");
        assert!(said[0].contains("SELL 10 at") && said[0].contains("priced at 800"), "{said:?}");
        let before = day(desk);
        let line = before.line(&Strategy::parse("a").unwrap(), &key()).unwrap();
        // Bought at 800.05, sold at 800 by hand.
        let lost = Amount(rust_decimal::Decimal::new(-5, 1));
        assert_eq!((line.left, line.trips.unknown, line.trips.losses, line.curve.realised), (0, 0, 1, lost));
        desk.start_again();
        desk.until_open().await;
        desk.pass_secs(3).await;
        assert_eq!((causes(desk), day(desk)), (vec![], before), "nor after a restart");
        // A second trade by hand is only itself.
        elsewhere(desk, Side::Buy, 3, None);
        desk.until("it is seen", |desk| causes(desk) == [(Cause::ManualTrade, 3)]).await;
    });
}

/// The stream, or the order book, tells that somebody closed a part; the positions that are at hand are of before it. The stop closes
/// what is left, and not what was there.
#[test]
fn a_stop_takes_off_what_somebody_closed_after_the_positions_were_read() {
    for (pushes, by_hand, are_slow) in [(true, 4, true), (true, 4, false), (false, 4, true), (true, 10, true)] {
        let mut setup = if pushes { Setup::default() } else { Setup::polled() };
        let waits = &mut setup.account.waits;
        (waits.books_poll, waits.blind_after) = (Duration::from_secs(60), Duration::from_secs(120));
        scenario(setup, async |desk| {
            let market = |bid: &str, ask: &str| desk.market.set(&sbin(), price(bid), price(ask), price(bid));
            market("860", "860.05");
            desk.ended(LegDraft { stop_loss: Some("10 points".into()), ..buy("a", 10) }).await;
            desk.pass_secs(8).await;
            if are_slow {
                desk.next(CallKind::Positions, Fault::Slow(Duration::from_secs(4)));
            }
            elsewhere(desk, Side::Sell, by_hand, None);
            desk.until("somebody's trade is seen", |desk| !desk.line().findings.read().foreign.is_empty() || pushes).await;
            desk.pass(Duration::from_millis(100)).await;
            market("849", "849.05");
            desk.until("it is closed", |desk| desk.held("a", &sbin()) == 0).await;
            desk.pass_secs(10).await;
            assert_eq!(desk.net_at_broker(&sbin()), 0, "{pushes} {by_hand} {are_slow}");
        });
    }
}

/// Shares for delivery that somebody sells in the broker's app: what the order book tells is taken in, and the rule with it.
#[test]
fn delivery_that_was_sold_by_hand_is_given_up() {
    scenario(Setup::polled(), async |desk| {
        let cnc = HoldingKey { instrument: sbin(), product: Product::Cnc };
        let held = |desk: &Desk| {
            let of = |book: &ordergate_actors::persistence::Book| book.held(&Strategy::parse("a").unwrap(), &cnc).net;
            desk.engine.read(&client(), of).unwrap()
        };
        desk.ended(LegDraft { stop_loss: Some("700".into()), ..buy("a", 10).product("CNC") }).await;
        desk.until("it is held", |desk| held(desk) == 10).await;
        desk.pass_secs(3).await;
        elsewhere_of(desk, Product::Cnc, Side::Sell, 4);
        desk.until("a part is given up", |desk| held(desk) == 6).await;
        elsewhere_of(desk, Product::Cnc, Side::Sell, 6);
        desk.until("the rest is", |desk| held(desk) == 0).await;
        desk.until("the rule has ended", |desk| !desk.texts("EXIT_RULE_ENDED").is_empty()).await;
    });
}

/// An exit of ours rests at its limit, the position is closed by hand: it is concluded all the same, and the exit, which would open
/// a position, goes.
#[test]
fn a_manual_close_beside_an_order_that_rests_is_concluded_and_the_exit_with_nothing_to_close_goes() {
    scenario(Setup::polled(), async |desk| {
        desk.ended(buy("a", 10)).await;
        desk.pass_secs(3).await;
        let rests = desk.order(exit("a", "SBIN-EQ").at("810")).await;
        desk.until("it rests", |desk| desk.row(rests).broker_order_id.is_some()).await;
        elsewhere(desk, Side::Sell, 4, None);
        desk.until("a part is given up", |desk| desk.held("a", &sbin()) == 6).await;
        desk.until("the exit is for what is left", |desk| desk.row(rests).quantity() == 6).await;
        assert_eq!(desk.row(rests).status, Status::SentToBroker, "there is something to close");
        elsewhere(desk, Side::Sell, 6, None);
        desk.until("the rest is", |desk| desk.held("a", &sbin()) == 0).await;
        let out = desk.until_ended(rests).await;
        assert_eq!((out.status, out.tag, out.filled_quantity), (Status::Failed, Some(Tag::NoPosition), 0), "{:?}", out.reason);
        let said = desk.texts("ALARM_HOLDING_REDUCED");
        assert!(said[0].contains("of ours there worked SELL 10") && said[1].contains("of ours there worked SELL 6"), "{said:?}");
        assert_eq!(desk.net_at_broker(&sbin()), 0);
    });
}

/// An exit rests for all of a position, and a person sells a part of it: the exit closes the rest and never turns the position, whether
/// the broker takes a change of it, refuses it, or knows none.
#[test]
fn an_exit_that_rests_never_turns_a_position_of_which_a_part_was_closed_by_hand() {
    for broker in ["changes it", "refuses changes", "has no changes"] {
        let setup = Setup { can: if broker == "has no changes" { |row| row.can_modify = false } else { |_| {} }, ..Setup::polled() };
        scenario(setup, async |desk| {
            desk.ended(buy("a", 10)).await;
            desk.pass_secs(3).await;
            let rests = desk.order(exit("a", "SBIN-EQ").at("810")).await;
            desk.until_at_broker(rests).await;
            if broker == "refuses changes" {
                desk.always(CallKind::Modify, Fault::Refuse("16387: not now".into()));
            }
            elsewhere(desk, Side::Sell, 6, None);
            desk.until("a part is given up", |desk| desk.held("a", &sbin()) == 4).await;
            desk.until("it is for no more than is held", |desk| {
                let row = desk.row(rests);
                row.quantity() == 4 || row.status.is_terminal()
            })
            .await;
            desk.market.set(&sbin(), price("811"), price("811.05"), price("811"));
            let row = desk.until_ended(rests).await;
            if broker == "changes it" {
                assert_eq!((row.status, row.filled_quantity), (Status::Executed, 4));
                assert!(!desk.has_alarm("ALARM_EXIT_FAILED"));
            } else {
                assert_eq!((row.status, row.tag, row.filled_quantity), (Status::Failed, Some(Tag::ExitTakenBack), 0), "{broker}");
                assert!(desk.texts("ALARM_EXIT_FAILED")[0].contains("cannot be made smaller"), "{:?}", desk.texts("ALARM_EXIT_FAILED"));
                assert_eq!(desk.texts("ALARM_EXIT_FAILED").len(), 1);
                assert_eq!(desk.ended(exit("a", "SBIN-EQ")).await.filled_quantity, 4, "the next one is sized anew");
            }
            assert_eq!((desk.held("a", &sbin()), desk.net_at_broker(&sbin())), (0, 0), "{broker}");
        });
    }
}

/// A change of the exit is on its way when a part of its position is given up. The next one goes when the first has its answer: of two in
/// flight nobody knows which lands last, and the larger one would turn the position.
#[test]
fn an_exit_is_made_smaller_when_the_change_that_is_under_way_has_its_answer() {
    scenario(Setup::polled(), async |desk| {
        desk.ended(buy("a", 10)).await;
        desk.pass_secs(3).await;
        let rests = desk.order(exit("a", "SBIN-EQ").at("810")).await;
        let client_id = desk.until_at_broker(rests).await.client_id.clone();
        let slow = Duration::from_secs(9);
        desk.next(CallKind::Modify, Fault::Slow(slow));
        let (price_to, who) = (Some(price("811")), "me".into());
        let change = Change { client_id, command_id: rests, quantity: None, price: price_to, trigger_price: None, order_type: None, who };
        elsewhere(desk, Side::Sell, 6, None);
        assert_eq!(desk.engine.modify(change).await.unwrap(), ChangeAnswer::Asked);
        desk.until("it is called", |desk| desk.broker.started("modify") == 1).await;
        let called = desk.clock_now();
        desk.until("a part is given up", |desk| desk.held("a", &sbin()) == 4).await;
        assert!((desk.clock_now() - called).to_std().unwrap() < slow, "while it is under way");
        desk.until("the next one is called", |desk| desk.broker.started("modify") == 2).await;
        assert!((desk.clock_now() - called).to_std().unwrap() >= slow, "after the answer");
        desk.until("it is for what is left", |desk| desk.row(rests).quantity() == 4).await;
        desk.market.set(&sbin(), price("812"), price("812.05"), price("812"));
        assert_eq!(desk.until_ended(rests).await.filled_quantity, 4);
        assert_eq!((desk.held("a", &sbin()), desk.net_at_broker(&sbin())), (0, 0));
    });
}

/// The same with the target of a rule, over a restart of the process in the moment at which the part is given up.
#[test]
fn a_target_that_rests_closes_what_a_person_left_of_its_position() {
    for restarts in [false, true] {
        scenario(Setup::polled(), async |desk| {
            let leg = LegDraft { stop_loss: Some("780".to_owned()), target: Some("810".to_owned()), ..buy("a", 10) };
            desk.ended(leg).await;
            desk.pass_secs(3).await;
            let level = |at: &str, quantity| vec![ordergate::simulator::market::Level { price: price(at), quantity }];
            desk.market.set_depth(&sbin(), level("810", 1), level("810.05", 1_000), price("810"));
            desk.until("the target has begun to fill", |desk| desk.held("a", &sbin()) == 9).await;
            desk.market.set(&sbin(), price("805"), price("805.05"), price("805"));
            elsewhere(desk, Side::Sell, 6, None);
            desk.until("a part is given up", |desk| desk.held("a", &sbin()) == 3).await;
            if restarts {
                desk.start_again();
                desk.until_open().await;
            }
            let target = desk.rows().into_iter().find(|row| row.is_exit()).unwrap().command_id;
            desk.until("it is for what filled and what is held", |desk| desk.row(target).quantity() == 4).await;
            desk.market.set(&sbin(), price("812"), price("812.05"), price("812"));
            assert_eq!(desk.until_ended(target).await.filled_quantity, 4);
            desk.pass_secs(5).await;
            assert_eq!((desk.held("a", &sbin()), desk.net_at_broker(&sbin())), (0, 0));
        });
    }
}

#[test]
fn the_position_of_another_program_is_adopted_at_a_price_and_is_ours_after_a_restart() {
    scenario(Setup::polled(), async |desk| {
        desk.pass_secs(2).await;
        elsewhere(desk, Side::Buy, 5, Some("robo-7"));
        desk.until("it is seen", |desk| causes(desk) == [(Cause::ForeignOrder, 5)]).await;
        let at = now(desk)[0].price().unwrap();
        assert!(adopt(desk, "b", Side::Buy, 5, at).await);
        assert!(desk.texts("HOLDING_ADOPTED")[0].contains("mine now"), "{:?}", desk.texts("HOLDING_ADOPTED"));
        assert_eq!((desk.held("b", &sbin()), causes(desk)), (5, vec![]), "the two books agree");
        let before = day(desk);
        desk.start_again();
        desk.until_open().await;
        desk.pass_secs(3).await;
        assert_eq!((desk.held("b", &sbin()), causes(desk), day(desk)), (5, vec![], before));
        // It is closed as any other, and counts from the stated price.
        let out = desk.ended(exit("b", "SBIN-EQ")).await;
        assert_eq!((out.status, out.filled_quantity, desk.net_at_broker(&sbin())), (Status::Executed, 5, 0));
        let realised = day(desk).curve_of(&Strategy::parse("b").unwrap()).realised;
        let difference = out.average_price.unwrap() - at.value();
        assert_eq!(realised.0, difference * rust_decimal::Decimal::from(5));
        // Decided upon what no longer stands: nothing.
        let stale = Adopted {
            client_id: client(),
            strategy: Strategy::parse("b").unwrap(),
            key: key(),
            side: Side::Buy,
            quantity: Quantity::new(5).unwrap(),
            price: price("800"),
            net_before: 5,
            who: Arc::from("asha"),
            reason: Arc::from("a second click"),
        };
        assert!(!desk.engine.adopt(stale).await.unwrap().is_applied());
        assert_eq!(desk.held("b", &sbin()), 0);
    });
}

#[test]
fn a_difference_is_ignored_over_a_restart_until_it_changes() {
    scenario(Setup::polled(), async |desk| {
        desk.pass_secs(2).await;
        elsewhere(desk, Side::Buy, 7, None);
        desk.until("it is seen", |desk| causes(desk) == [(Cause::ManualTrade, 7)]).await;
        let said = Ignored { units: 7, who: Arc::from("asha"), reason: Arc::from("my own"), at: desk.clock_now() };
        let keep = Keep {
            client_id: Some(client()),
            slot: slot(&key()),
            value: None,
            basis: None,
            event: "DIFFERENCE_IGNORED",
            level: Level::Info,
            reason: Arc::from("my own"),
            who: Arc::from("asha"),
            command_id: None,
        };
        assert!(desk.engine.keep(keep.with(&said).unwrap()).await.unwrap().is_applied());
        assert_eq!(now(desk)[0].ignored, Some(said.clone()));
        desk.start_again();
        desk.until_open().await;
        desk.pass_secs(3).await;
        assert_eq!((causes(desk), now(desk)[0].ignored.clone()), (vec![(Cause::ManualTrade, 7)], Some(said)));
        elsewhere(desk, Side::Buy, 1, None);
        desk.until("it has changed", |desk| causes(desk) == [(Cause::ManualTrade, 8)]).await;
        assert_eq!(now(desk)[0].ignored, None, "a person is asked again");
    });
}

#[test]
fn a_fill_that_is_told_late_is_no_foreign_position() {
    scenario(Setup::polled(), async |desk| {
        desk.pass_secs(2).await;
        desk.always(CallKind::Trades, Fault::Unknown("502".into()));
        let command = desk.order(buy("a", 10)).await;
        desk.until("the book counts it", |desk| desk.row(command).filled_quantity == 10).await;
        desk.pass_secs(5).await;
        assert_eq!(desk.held("a", &sbin()), 0, "its trades were not told");
        assert_eq!(causes(desk), [(Cause::LateFill, 10)]);
        assert!(now(desk)[0].is_settling());
        desk.start_again();
        desk.heal();
        desk.until_open().await;
        desk.until_ended(command).await;
        desk.pass_secs(3).await;
        assert_eq!((desk.held("a", &sbin()), causes(desk)), (10, vec![]), "it went away by itself");
        desk.at_rest().await;
    });
}

/// An entry with a stop rests, and a person hands units to its strategy meanwhile: the entry fills into a position that is younger than
/// the order, and its stop comes all the same.
#[test]
fn an_entry_that_rested_while_units_were_adopted_brings_its_stop() {
    scenario(Setup::polled(), async |desk| {
        super::exit_rules::trade(desk, "860");
        desk.pass_secs(2).await;
        let leg = LegDraft { stop_loss: Some("840".into()), ..buy("a", 10).at("855") };
        let rests = desk.order(leg).await;
        desk.until_at_broker(rests).await;
        desk.pass_secs(5).await;
        elsewhere(desk, Side::Buy, 5, Some("robo-7"));
        desk.until("it is seen", |desk| causes(desk) == [(Cause::ForeignOrder, 5)]).await;
        let at = now(desk)[0].price().unwrap();
        assert!(adopt(desk, "a", Side::Buy, 5, at).await);
        super::exit_rules::trade(desk, "854");
        assert_eq!(desk.until_ended(rests).await.filled_quantity, 10);
        desk.until("its stop stands", |desk| super::exit_rules::rule(desk).is_some_and(|rule| rule.stop == Some(price("840").value())))
            .await;
        super::exit_rules::trade(desk, "839");
        desk.until("all of it is out", |desk| desk.held("a", &sbin()) == 0 && desk.net_at_broker(&sbin()) == 0).await;
    });
}

/// Nobody buys what the stop of a position offers, and a person sells in the broker's app, lower. What the broker shows is believed after
/// half a minute; the exit is not driven after the market for what is gone in that time, and goes on for what is left.
#[test]
fn an_exit_on_its_ladder_is_not_driven_through_the_touch_for_what_somebody_closed() {
    for by_hand in [9, 4] {
        let setup = Setup { can: |row| row.visibility_bound = Duration::from_secs(30), ..Setup::default() };
        super::exit_rules::scenario(setup, async |desk| {
            desk.ended(super::exit_rules::guarded("10 points", None)).await;
            desk.until("the rule stands", |desk| super::exit_rules::rule(desk).is_some()).await;
            desk.pass_secs(3).await;
            super::exit_rules::thin(desk, "849.50", 1);
            desk.until("one is out", |desk| desk.held("a", &sbin()) == 9).await;
            super::exit_rules::trade(desk, "846");
            elsewhere(desk, Side::Sell, by_hand, Some("from my phone"));
            for bid in ["845", "844", "843", "842"] {
                desk.pass_secs(4).await;
                super::exit_rules::trade(desk, bid);
                assert!(desk.net_at_broker(&sbin()) >= 0, "{by_hand}: {}", desk.trace());
            }
            let is_believed = desk.has_alarm("ALARM_HOLDING_REDUCED");
            assert!(by_hand == 9 || (desk.net_at_broker(&sbin()) == 0 && !is_believed), "the rest is out before that: {}", desk.trace());
            desk.until("nothing is held", |desk| desk.held("a", &sbin()) == 0).await;
            desk.pass_secs(5).await;
            assert_eq!(desk.net_at_broker(&sbin()), 0, "{by_hand}");
        });
    }
}

/// An order of somebody else's to sell, as his terminal would send it.
pub(super) fn sale_by_hand(desk: &Desk, quantity: i64, (limit, trigger): (&str, Option<&str>), tag: Option<&str>) -> BrokerOrderId {
    let terms = Terms {
        side: Side::Sell,
        quantity: Quantity::new(quantity).unwrap(),
        product: Product::Mis,
        order_type: if trigger.is_some() { OrderType::StopLimit } else { OrderType::Limit },
        validity: Validity::Day,
        price: Some(price(limit)),
        trigger_price: trigger.map(price),
    };
    let order = NewOrder { instrument: sbin(), terms, tag: tag.map(Arc::from) };
    desk.broker.broker.inner().place_foreign(&order).unwrap().unwrap()
}

/// Somebody's order is at the touch and waits for a buyer, as the broker's own square-off waits in the closing auction, when a stop fires:
/// what it is for is its. Where it goes away without a trade the stop goes.
#[test]
fn a_stop_waits_for_what_somebody_is_about_to_close() {
    for is_taken_back in [false, true] {
        super::exit_rules::scenario(Setup::polled(), async |desk| {
            desk.ended(super::exit_rules::guarded("10 points", None)).await;
            desk.until("the rule stands", |desk| super::exit_rules::rule(desk).is_some()).await;
            desk.pass_secs(3).await;
            let asks = vec![ordergate::simulator::market::Level { price: price("851.05"), quantity: 1_000 }];
            desk.market.set_depth(&sbin(), Vec::new(), asks, price("851"));
            let theirs = sale_by_hand(desk, 10, ("848", None), None);
            desk.until("it is seen", |desk| !desk.line().findings.read().foreign.is_empty()).await;
            let asks = vec![ordergate::simulator::market::Level { price: price("849.05"), quantity: 1_000 }];
            desk.market.set_depth(&sbin(), Vec::new(), asks, price("849"));
            desk.until_alarm("ALARM_EXIT_WAITS").await;
            let said = desk.texts("ALARM_EXIT_WAITS");
            assert!(said[0].contains(&format!("broker order {theirs} of somebody else")), "{said:?}");
            if is_taken_back {
                desk.broker.broker.inner().cancel_foreign(&theirs, "by hand").unwrap().unwrap();
                desk.pass_secs(3).await;
            }
            super::exit_rules::trade(desk, "848.50");
            desk.until("it is closed", |desk| desk.held("a", &sbin()) == 0).await;
            desk.pass_secs(10).await;
            let filled: i64 = super::exit_rules::fired(desk).iter().map(|row| row.filled_quantity).sum();
            assert_eq!((desk.net_at_broker(&sbin()), filled), (0, if is_taken_back { 10 } else { 0 }));
        });
    }
}

/// Somebody's target rests far away when a stop fires: the stop goes, and people hear what still works there.
#[test]
fn a_target_of_somebody_elses_far_away_holds_no_stop_back_and_is_named() {
    super::exit_rules::scenario(Setup::polled(), async |desk| {
        desk.ended(super::exit_rules::guarded("10 points", None)).await;
        desk.until("the rule stands", |desk| super::exit_rules::rule(desk).is_some()).await;
        let theirs = sale_by_hand(desk, 10, ("900", None), None);
        desk.until("it is seen", |desk| !desk.line().findings.read().foreign.is_empty()).await;
        desk.pass_secs(3).await;
        super::exit_rules::trade(desk, "849");
        super::exit_rules::until_flat(desk).await;
        let said = desk.texts("ALARM_CLOSED_TWICE");
        assert!(said.len() == 1 && said[0].contains(&format!("broker order {theirs} of somebody else (SELL 10, limit 900)")), "{said:?}");
        assert!(!desk.has_alarm("ALARM_EXIT_WAITS"));
    });
}

/// Somebody has a stop for the position: a person, or this engine before its directory was restored, under another prefix. None is rested
/// beside it, people hear that, and one fall closes the position once.
#[test]
fn no_stop_is_rested_beside_one_of_somebody_elses() {
    for tag in [None, Some("OGZZZZ0000001")] {
        super::exit_rules::scenario(Setup::polled(), async |desk| {
            let stops = |desk: &Desk| desk.rows().into_iter().filter(|row| row.source == Source::Stop).collect::<Vec<_>>();
            desk.ended(LegDraft { stop_at: Some("broker".into()), ..super::exit_rules::guarded("20 points", None) }).await;
            desk.until("its stop rests", |desk| stops(desk).iter().any(|row| row.broker_order_id.is_some())).await;
            desk.pass_secs(3).await;
            let ours = stops(desk)[0].broker_order_id.clone().unwrap();
            desk.broker.broker.inner().cancel_foreign(&ours, "RMS").unwrap().unwrap();
            sale_by_hand(desk, 10, ("835", Some("840.05")), tag);
            let is_said = |desk: &Desk| desk.texts("ALARM_STOP_IN_ENGINE").iter().any(|text| text.contains("somebody else has a stop"));
            for _ in 0..20 {
                desk.pass_secs(60).await;
            }
            assert!(is_said(desk), "{:?}", desk.texts("ALARM_STOP_IN_ENGINE"));
            assert_eq!(stops(desk).len(), 1, "it would be placed anew after a quarter of an hour");
            super::exit_rules::trade(desk, "839");
            desk.until("it is closed", |desk| desk.held("a", &sbin()) == 0).await;
            desk.pass_secs(10).await;
            assert_eq!(desk.net_at_broker(&sbin()), 0);
        });
    }
}
