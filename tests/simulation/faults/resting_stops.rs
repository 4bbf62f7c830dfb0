//! Stops that rest at the broker: they act while the engine is down, follow the trail, become the exit of their rule, make way
//! for any other, and are found again after a crash at any commit.

use std::sync::Arc;
use std::time::Duration;

use chrono::DateTime;
use ordergate::brokers::faulty::{CallKind, Fault};
use ordergate::simulator::exchange::NewOrder;
use ordergate::simulator::market::Level;
use ordergate_actors::exits::{ExitRule, Lives, lives, slot};
use ordergate_actors::order::calendar::{Calendar, Enforce};
use ordergate_actors::order::{
    HoldingKey, LegDraft, OrderRecord, OrderType, Price, Product, Quantity, Side, Source, Status, StopAt, Strategy, Tag, Terms, Validity,
};
use ordergate_actors::persistence::{Keep, Level as Loud};

use crate::desk::{But, Desk, Setup, buy, entry, exit, price, sbin, sell};
use crate::world::client;

/// A call that takes so long holds the slot while everything else of a scenario happens.
const SLOW: Duration = Duration::from_secs(40);
/// The slot is not taken from it.
const LONG: Duration = Duration::from_secs(60);

fn said(text: &str) -> Option<String> {
    Some(text.to_owned())
}

/// A buy of 10 at 860.05, with its stop 10 points below at the broker.
fn rested() -> LegDraft {
    LegDraft { stop_loss: said("10 points"), stop_at: said("broker"), ..buy("a", 10) }
}

/// The market trades at the bid, the ask 5 paise above.
fn trade(desk: &Desk, bid: &str) {
    let ask = Price::new(price(bid).value() + price("0.05").value()).unwrap();
    desk.market.set(&sbin(), price(bid), ask, price(bid));
}

/// The bid shows so many units only.
fn thin(desk: &Desk, bid: &str, units: i64) {
    let ask = Price::new(price(bid).value() + price("0.05").value()).unwrap();
    let level = |price, quantity| vec![Level { price, quantity }];
    desk.market.set_depth(&sbin(), level(price(bid), units), level(ask, 1_000), price(bid));
}

fn scenario(setup: Setup, live: impl AsyncFnOnce(&mut Desk)) {
    crate::desk::scenario(setup, async |desk| {
        trade(desk, "860");
        live(desk).await;
    });
}

fn key() -> HoldingKey {
    HoldingKey { instrument: sbin(), product: Product::Mis }
}

fn rule(desk: &Desk) -> Option<(ExitRule, u64)> {
    let kept = desk.engine.read(&client(), |book| book.kept(&slot(&Strategy::parse("a").unwrap(), &key())).cloned()).unwrap();
    kept.map(|kept| (kept.read().unwrap(), kept.seq))
}

fn where_it_lives(desk: &Desk) -> Option<Lives> {
    let (rule, _) = rule(desk)?;
    desk.engine.read(&client(), |book| lives(&rule, rule.stop_at(StopAt::Engine), book)).flatten()
}

fn lives_at(desk: &Desk, at: StopAt) -> bool {
    where_it_lives(desk).is_some_and(|lives| lives.at == at)
}

fn of_source(desk: &Desk, source: Source) -> Vec<OrderRecord> {
    desk.rows().into_iter().filter(|row| row.source == source).collect()
}

fn stops(desk: &Desk) -> Vec<OrderRecord> {
    of_source(desk, Source::Stop)
}

/// What works at the exchange for us: units, type, trigger and limit.
fn at_exchange(desk: &Desk) -> Vec<(i64, OrderType, Option<Price>, Option<Price>)> {
    let exchange = desk.broker.broker.inner().exchange();
    let open = exchange.order_details().filter(|order| order.is_open());
    open.map(|order| {
        (order.terms.quantity.value() - order.row.filled, order.terms.order_type, order.terms.trigger_price, order.terms.price)
    })
    .collect()
}

/// The type that the newest order had there at its end.
fn last_type_at_exchange(desk: &Desk) -> OrderType {
    desk.broker.broker.inner().exchange().order_details().last().unwrap().terms.order_type
}

async fn until_rests(desk: &Desk, units: i64) {
    desk.until(&format!("the stop rests for {units}"), |desk| {
        where_it_lives(desk).is_some_and(|lives| lives.at == StopAt::Broker && lives.covers == units)
            && at_exchange(desk).iter().map(|order| order.0).collect::<Vec<_>>() == [units]
    })
    .await;
}

async fn until_flat(desk: &Desk) {
    desk.until("flat", |desk| desk.held("a", &sbin()) == 0 && desk.net_at_broker(&sbin()) == 0).await;
    desk.until("the rule ends with the position", |desk| rule(desk).is_none()).await;
    desk.until("nothing of it works any more", |desk| at_exchange(desk).is_empty()).await;
}

/// A trade at the broker by hand.
fn by_hand(desk: &Desk, side: Side, units: i64) {
    let terms = Terms {
        side,
        quantity: Quantity::new(units).unwrap(),
        product: Product::Mis,
        order_type: OrderType::Market,
        validity: Validity::Day,
        price: None,
        trigger_price: None,
    };
    desk.broker.broker.inner().place_foreign(&NewOrder { instrument: sbin(), terms, tag: None }).unwrap().unwrap();
}

#[test]
fn it_falls_through_the_stop_while_the_engine_is_down() {
    for (leg, calm, beyond) in
        [(rested(), "851", "849"), (LegDraft { stop_loss: said("1%"), stop_at: said("broker"), ..sell("a", 10) }, "867", "869")]
    {
        scenario(Setup::default(), async |desk| {
            desk.ended(leg.clone()).await;
            until_rests(desk, 10).await;
            let stop = stops(desk).pop().unwrap();
            assert_eq!((stop.ask.order_type, &*stop.user), (Some(OrderType::StopLimit), "resting stop of a"));
            trade(desk, calm);
            desk.pass_secs(3).await;
            assert_eq!(stops(desk).len(), 1);
            desk.kill_process();
            trade(desk, beyond);
            desk.pass_secs(60).await;
            desk.start_again();
            desk.until_open().await;
            until_flat(desk).await;
            assert_eq!((stops(desk).len(), stops(desk)[0].filled_quantity, of_source(desk, Source::System).len()), (1, 10, 0));
            assert!(desk.texts("EXIT_RULE_ENDED")[0].contains("its stop at the broker has closed it"));
            desk.at_rest().await;
        });
    }
}

#[test]
fn it_grows_with_the_fills_of_its_entry_as_one_order() {
    scenario(Setup::default(), async |desk| {
        let level = |price, quantity| vec![Level { price, quantity }];
        desk.market.set_depth(&sbin(), level(price("859"), 1_000), level(price("860"), 4), price("860"));
        desk.order(rested().at("860")).await;
        until_rests_beside(desk, 4).await;
        desk.market.set_depth(&sbin(), level(price("859"), 1_000), level(price("860"), 6), price("860"));
        until_rests(desk, 10).await;
        assert_eq!((stops(desk).len(), stops(desk)[0].modifications), (1, 1));
        desk.at_rest().await;
    });
}

/// A part of the entry fills, the stop is to grow, and its change waits for its turn: the window is full, and the slot is taken by
/// a slow call. Meanwhile an exit takes what the change was judged by, and goes first. The second look stops the change, also
/// where the positions that it would be measured against are older than the exit's fill.
#[test]
fn a_stop_that_was_to_grow_does_not_where_an_exit_went_before_its_call() {
    for are_positions_old in [false, true] {
        let mut setup = Setup { can: |can| can.send_ahead = 1, ..Setup::default() };
        (setup.account.waits.slot_deadline, setup.account.waits.call_deadline) = (LONG, LONG);
        setup.settings.entry_ttl = LONG;
        scenario(setup, async |desk| {
            let level = |price, quantity| vec![Level { price, quantity }];
            let offers = |units| desk.market.set_depth(&sbin(), level(price("859"), 1_000), level(price("860"), units), price("860"));
            offers(4);
            desk.order(rested().at("860")).await;
            until_rests_beside(desk, 4).await;
            desk.next(CallKind::Place, Fault::Slow(SLOW));
            let slow = desk.order(entry("b", "RELIANCE-EQ", "BUY", 1)).await;
            let ahead = desk.order(entry("c", "INFY-EQ", "BUY", 1)).await;
            desk.until("both rows are written", |desk| [slow, ahead].iter().all(|order| desk.row(*order).sent_at.is_some())).await;
            offers(6);
            desk.until("all is held", |desk| desk.held("a", &sbin()) == 10).await;
            // The positions are read, the change is asked for, and has no room in the window.
            desk.pass_secs(12).await;
            let stop = stops(desk).pop().unwrap();
            assert_eq!((stop.modifications, stop.reach), (0, None), "{}", desk.trace());
            if are_positions_old {
                desk.always(CallKind::Positions, Fault::Unknown("502".into()));
                // The exit at once, and the one that the change waits behind long enough for the fill to be recorded.
                desk.broker.broker.next(CallKind::Place, None);
                desk.next(CallKind::Place, Fault::Slow(Duration::from_secs(3)));
            }
            let part = desk.order(exit("a", "SBIN-EQ").of(6)).await;
            assert_eq!(desk.row(part).quantity(), 6, "nothing claims it yet: {}", desk.trace());
            let replies = |desk: &Desk| {
                let rows = desk.store().order_journal(&client(), stop.command_id).unwrap().into_iter();
                rows.filter(|row| &*row.event == "MODIFY_REPLIED").filter_map(|row| row.reason).collect::<Vec<_>>()
            };
            let is_stopped = |reply: &Arc<str>| reply.contains("10 are more than the 4 that other exits leave");
            desk.until("the second look stops the change", |desk| replies(desk).iter().any(is_stopped)).await;
            assert_eq!(at_exchange(desk).first().map(|order| order.0), Some(4), "{}", desk.trace());
            desk.heal();
            assert_eq!(desk.until_ended(part).await.filled_quantity, 6);
            until_rests(desk, 4).await;
            trade(desk, "849");
            until_flat(desk).await;
            assert_eq!((stops(desk).len(), stops(desk)[0].filled_quantity), (1, 4));
            desk.at_rest().await;
        });
    }
}

/// The same while the rest of the entry works.
async fn until_rests_beside(desk: &Desk, units: i64) {
    desk.until("the stop rests", |desk| where_it_lives(desk).is_some_and(|lives| lives.at == StopAt::Broker && lives.covers == units))
        .await;
}

#[test]
fn the_trail_moves_the_order_and_the_exchange_acts_on_it() {
    scenario(Setup::default(), async |desk| {
        let leg = LegDraft { trailing_type: said("ABSOLUTE"), trailing_value: said("5"), ..rested() };
        desk.ended(leg).await;
        until_rests(desk, 10).await;
        for bid in ["863", "868", "872.50"] {
            trade(desk, bid);
            desk.pass_secs(7).await;
        }
        let trigger = |desk: &Desk| at_exchange(desk).first().and_then(|order| order.2);
        desk.until("the exchange has the trailed stop", |desk| trigger(desk) == Some(price("867.50"))).await;
        assert_eq!((stops(desk).len(), stops(desk)[0].modifications), (1, 3));
        desk.start_again();
        desk.until_open().await;
        desk.pass_secs(7).await;
        assert_eq!((trigger(desk), stops(desk).len()), (Some(price("867.50")), 1), "found by its row");
        desk.kill_process();
        trade(desk, "867");
        desk.start_again();
        desk.until_open().await;
        until_flat(desk).await;
        assert_eq!(stops(desk)[0].filled_quantity, 10);
        desk.at_rest().await;
    });
}

#[test]
fn an_urgent_exit_changes_the_order_instead_of_adding_one() {
    scenario(Setup::default(), async |desk| {
        desk.ended(LegDraft { exit_at: said("1 minutes"), ..rested() }).await;
        until_rests(desk, 10).await;
        thin(desk, "860", 4);
        desk.until("its time is up", |desk| rule(desk).is_some_and(|(rule, _)| rule.fired.is_some())).await;
        desk.until("a part is out", |desk| desk.held("a", &sbin()) == 6).await;
        assert_eq!(at_exchange(desk).len(), 1);
        trade(desk, "858.50");
        until_flat(desk).await;
        assert_eq!((stops(desk).len(), of_source(desk, Source::System).len()), (1, 0));
        let out = stops(desk).pop().unwrap();
        assert_eq!((out.status, out.filled_quantity, out.ask.order_type), (Status::Executed, 10, Some(OrderType::Limit)));
        desk.at_rest().await;
    });
}

/// It was woken, and the market is below its limit at once: the engine takes it further down.
#[test]
fn a_gap_beyond_the_limit_is_followed_by_the_ladder() {
    scenario(Setup::default(), async |desk| {
        desk.ended(rested()).await;
        until_rests(desk, 10).await;
        // Its limit is 1 % below 850.05.
        trade(desk, "838");
        until_flat(desk).await;
        assert_eq!((stops(desk).len(), of_source(desk, Source::System).len()), (1, 0));
        let out = stops(desk).pop().unwrap();
        assert!(out.average_price == Some(price("838").value()) && out.modifications > 0, "{out:?}");
        desk.at_rest().await;
    });
}

#[test]
fn a_target_makes_the_resting_stop_its_limit_and_the_engine_stops_it_from_there() {
    scenario(Setup::default(), async |desk| {
        desk.ended(LegDraft { target: said("880"), ..rested() }).await;
        until_rests(desk, 10).await;
        thin(desk, "880", 4);
        desk.until("a part of the target traded", |desk| desk.held("a", &sbin()) == 6).await;
        assert_eq!(at_exchange(desk), [(6, OrderType::Limit, None, Some(price("880")))], "one order, and no stop beside it");
        assert!(lives_at(desk, StopAt::Engine), "{:?}", where_it_lives(desk));
        trade(desk, "881");
        until_flat(desk).await;
        assert_eq!((stops(desk).len(), stops(desk)[0].filled_quantity, of_source(desk, Source::System).len()), (1, 10, 0));
        desk.at_rest().await;
    });
}

/// Nobody hears of the change that makes the stop the exit, whether it was made or not: where the book goes on showing the stop, it
/// is made again.
#[test]
fn a_stop_whose_change_into_a_limit_is_not_answered_is_the_exit_all_the_same() {
    let in_time = || LegDraft { exit_at: said("1 minutes"), ..rested() };
    let at_target = || LegDraft { target: said("880"), ..rested() };
    for leg in [in_time as fn() -> LegDraft, at_target] {
        for fault in [Fault::LoseRequest("reset".into()), Fault::LoseReply("reset".into())] {
            scenario(Setup::default(), async |desk| {
                desk.ended(leg()).await;
                until_rests(desk, 10).await;
                desk.next(CallKind::Modify, fault);
                if leg().target.is_some() {
                    trade(desk, "881");
                }
                until_flat(desk).await;
                assert_eq!((stops(desk).len(), of_source(desk, Source::System).len()), (1, 0), "{}", desk.trace());
                let out = stops(desk).pop().unwrap();
                assert_eq!((out.status, out.filled_quantity), (Status::Executed, 10));
                assert_eq!(last_type_at_exchange(desk), OrderType::Limit);
                assert!(!desk.has_alarm("ALARM_NOT_FLAT"));
                desk.at_rest().await;
            });
        }
    }
}

#[test]
fn a_refused_stop_is_guarded_by_the_engine_and_an_alarm_says_so() {
    scenario(Setup::default(), async |desk| {
        desk.broker.broker.next(CallKind::Place, None);
        desk.next(CallKind::Place, Fault::Refuse("RED:Margin Shortfall".into()));
        desk.ended(rested()).await;
        desk.until_alarm("ALARM_STOP_IN_ENGINE").await;
        assert!(desk.texts("ALARM_STOP_IN_ENGINE")[0].contains("Margin Shortfall"));
        assert!(!desk.has_alarm("ALARM_EXIT_FAILED"));
        let lives = where_it_lives(desk).unwrap();
        assert!(lives.at == StopAt::Engine && lives.because.unwrap().contains("Margin Shortfall"));
        desk.pass_secs(30).await;
        assert_eq!(stops(desk).len(), 1, "not again at once");
        trade(desk, "845");
        until_flat(desk).await;
        assert_eq!(&*of_source(desk, Source::System)[0].user, "stop of a");
        desk.at_rest().await;
    });
}

#[test]
fn an_exit_of_a_person_is_given_way_whole_or_in_part() {
    scenario(Setup::default(), async |desk| {
        desk.ended(rested()).await;
        until_rests(desk, 10).await;
        let part = desk.ended(exit("a", "SBIN-EQ").of(4)).await;
        assert_eq!((part.status, part.filled_quantity), (Status::Executed, 4), "{:?}", part.reason);
        until_rests(desk, 6).await;
        assert_eq!((stops(desk).len(), stops(desk)[0].modifications), (1, 1), "made smaller first");
        let all = desk.ended(exit("a", "SBIN-EQ")).await;
        assert_eq!((all.status, all.filled_quantity), (Status::Executed, 6), "{:?}", all.reason);
        until_flat(desk).await;
        let stop = stops(desk).pop().unwrap();
        assert_eq!((stops(desk).len(), stop.status, stop.tag), (1, Status::Failed, Some(Tag::Replaced)), "proven dead first");
        desk.at_rest().await;
    });
}

#[test]
fn a_close_by_hand_at_the_broker_shrinks_it_and_ends_it() {
    scenario(Setup::polled(), async |desk| {
        desk.ended(rested()).await;
        until_rests(desk, 10).await;
        desk.pass_secs(3).await;
        by_hand(desk, Side::Sell, 4);
        until_rests(desk, 6).await;
        by_hand(desk, Side::Sell, 6);
        until_flat(desk).await;
        assert_eq!((stops(desk).len(), stops(desk)[0].filled_quantity), (1, 0));
    });
}

/// Somebody moves it away from the market in the broker's own terminal: that is the stop of its rule, for the trail, for the
/// engine and after a restart; and it still protects.
#[test]
fn changed_by_hand_at_the_broker_it_stays_there_and_protects_there() {
    for dies in [false, true] {
        scenario(Setup::default(), async |desk| {
            let leg = LegDraft { trailing_type: said("ABSOLUTE"), trailing_value: said("10"), ..rested() };
            desk.ended(leg).await;
            until_rests(desk, 10).await;
            desk.pass_secs(10).await;
            let stop = stops(desk).pop().unwrap();
            let exchange = desk.broker.broker.inner().exchange();
            let terms = exchange.order(stop.broker_order_id.as_ref().unwrap()).unwrap().terms.clone();
            let terms = Terms { trigger_price: Some(price("840")), price: Some(price("838")), ..terms };
            desk.broker.broker.inner().modify_foreign(stop.broker_order_id.as_ref().unwrap(), &terms).unwrap().unwrap();
            desk.until("the rule heeds it", |desk| rule(desk).is_some_and(|(rule, _)| rule.stop == Some(price("840").value()))).await;
            assert_eq!(desk.events(stop.command_id).iter().filter(|event| *event == "TERMS_CHANGED_BY_HAND").count(), 1);
            if dies {
                desk.kill_process();
                desk.start_again();
                desk.until_open().await;
            }
            // The price that earned the trail, and the one at which the rule's own stop was.
            for bid in ["880", "845"] {
                trade(desk, bid);
                desk.pass_secs(10).await;
                assert_eq!(at_exchange(desk), [(10, OrderType::StopLimit, Some(price("840")), Some(price("838")))], "{}", desk.trace());
            }
            assert_eq!((desk.held("a", &sbin()), stops(desk).len(), stops(desk)[0].modifications), (10, 1, 0));
            assert_eq!(desk.texts("ALARM_TERMS_CHANGED").len(), 1, "{:?}", desk.texts("ALARM_TERMS_CHANGED"));
            trade(desk, "839");
            until_flat(desk).await;
            assert_eq!(stops(desk)[0].filled_quantity, 10);
            desk.at_rest().await;
        });
    }
}

#[test]
fn switched_off_it_is_cancelled_with_proof() {
    scenario(Setup::default(), async |desk| {
        desk.ended(rested()).await;
        until_rests(desk, 10).await;
        let (off, seq) = rule(desk).map(|(rule, seq)| (ExitRule { is_on: false, ..rule }, seq)).unwrap();
        let keep = Keep {
            client_id: Some(client()),
            slot: off.slot(),
            value: None,
            basis: Some(seq),
            event: "EXIT_RULE_OFF",
            level: Loud::Warn,
            reason: Arc::from("a drill"),
            who: Arc::from("a test"),
            command_id: None,
        };
        assert!(desk.engine.keep(keep.with(&off).unwrap()).await.unwrap().is_applied());
        desk.until("it is dead", |desk| stops(desk)[0].status == Status::Failed && at_exchange(desk).is_empty()).await;
        assert!(lives_at(desk, StopAt::Engine) && stops(desk)[0].tag == Some(Tag::Replaced));
        trade(desk, "700");
        desk.pass_secs(5).await;
        assert_eq!(desk.held("a", &sbin()), 10, "off is off");
        desk.at_rest().await;
    });
}

#[test]
fn the_stops_of_two_strategies_do_not_stand_in_each_others_way_and_a_target_is_aimed_past_them() {
    scenario(Setup::default(), async |desk| {
        desk.ended(rested()).await;
        until_rests(desk, 10).await;
        desk.ended(LegDraft { strategy: said("b"), ..rested() }).await;
        desk.until("both rest", |desk| at_exchange(desk).len() == 2).await;
        let more = desk.ended(crate::desk::target("a", 15)).await;
        assert_eq!((more.status, more.filled_quantity), (Status::Executed, 5), "the stop does not count as sold: {:?}", more.reason);
        desk.until("it covers all", |desk| where_it_lives(desk).is_some_and(|lives| lives.covers == 15)).await;
        let less = desk.ended(crate::desk::target("a", 3)).await;
        assert_eq!((less.status, less.filled_quantity), (Status::Executed, 12), "{:?}", less.reason);
        desk.until("it covers what is left", |desk| where_it_lives(desk).is_some_and(|lives| lives.covers == 3)).await;
        assert_eq!((desk.held("b", &sbin()), at_exchange(desk).len()), (10, 2));
        desk.at_rest().await;
    });
}

/// A day of the calendar as it is, some minutes before 15:15; the next morning it rests again.
#[test]
fn the_closing_auction_takes_it_away_and_the_next_morning_brings_it_back() {
    let at = |text: &str| text.parse::<DateTime<chrono::FixedOffset>>().unwrap().to_utc();
    let calendar: fn() -> Arc<Calendar> =
        || Arc::new(Calendar::parse(&ordergate::calendar::files(None).unwrap()).unwrap().enforced(Enforce::Always));
    let mut setup = Setup { starts_at: at("2026-11-16T15:08:00+05:30"), calendar, ..Setup::default() };
    setup.account.limits.intraday_cutoff = Duration::ZERO;
    scenario(setup, async |desk| {
        desk.ended(rested()).await;
        until_rests(desk, 10).await;
        desk.until_alarm("ALARM_STOP_IN_ENGINE").await;
        assert!(desk.texts("ALARM_STOP_IN_ENGINE")[0].contains("at 15:15 IST, before its closing auction"));
        let until = |text: &str, desk: &Desk| (at(text) - desk.clock_now()).to_std().unwrap();
        desk.pass(until("2026-11-16T15:15:01+05:30", desk)).await;
        let id = stops(desk)[0].broker_order_id.clone().unwrap();
        desk.broker.broker.inner().cancel_foreign(&id, "cancelled before the closing auction").unwrap().unwrap();
        desk.until("the engine has it", |desk| lives_at(desk, StopAt::Engine)).await;
        assert_eq!(desk.texts("ALARM_STOP_IN_ENGINE").len(), 1, "it was announced, and is no surprise");
        desk.kill_process();
        desk.pass(until("2026-11-17T09:00:30+05:30", desk)).await;
        desk.start_again();
        desk.pass(until("2026-11-17T09:14:30+05:30", desk)).await;
        assert_eq!(stops(desk).len(), 1, "nothing rests before trading begins");
        until_rests(desk, 10).await;
        assert!(stops(desk).len() == 2 && stops(desk)[1].created_at >= at("2026-11-17T09:15:00+05:30"));
        desk.at_rest().await;
    });
}

/// Goes on until it is so, whatever dies meanwhile.
async fn survives(desk: &mut Desk, what: &str, is_so: impl Fn(&Desk) -> bool) {
    loop {
        desk.until(what, |desk| desk.halt.halted().is_some() || is_so(desk)).await;
        if desk.halt.halted().is_none() {
            return;
        }
        desk.start_again();
        desk.until_open().await;
    }
}

/// What a position with a resting stop goes through, with the process killed at one of its commits: it comes out with one stop at
/// the most, sold once.
fn crashed_at(commit: u32, is_made: bool, leg: LegDraft, then: &[&str]) -> bool {
    let mut was_reached = false;
    scenario(Setup::default(), async |desk| {
        desk.ended(leg).await;
        *desk.disk_fault.fail_commit.lock() = Some((commit, is_made));
        survives(desk, "it rests", |desk| lives_at(desk, StopAt::Broker)).await;
        for bid in then {
            trade(desk, bid);
            let moment = desk.clock_now() + chrono::Duration::seconds(7);
            survives(desk, "some seconds pass", |desk| desk.clock_now() >= moment || desk.held("a", &sbin()) == 0).await;
            assert!(at_exchange(desk).len() <= 1, "{:?}", at_exchange(desk));
        }
        survives(desk, "flat", |desk| desk.held("a", &sbin()) == 0 && rule(desk).is_none() && at_exchange(desk).is_empty()).await;
        was_reached = desk.disk_fault.fail_commit.lock().is_none();
        *desk.disk_fault.fail_commit.lock() = None;
        let sold: i64 = desk.rows().iter().filter(|row| row.is_exit()).map(|row| row.filled_quantity).sum();
        assert_eq!((sold, desk.net_at_broker(&sbin())), (10, 0), "commit {commit}, made: {is_made}");
        desk.at_rest().await;
    });
    was_reached
}

/// What is bought, and the prices that follow.
type Story = (fn() -> LegDraft, &'static [&'static str]);

#[test]
fn a_crash_at_any_commit_finds_the_stop_again_and_doubles_nothing() {
    let trailing = || LegDraft { trailing_type: said("ABSOLUTE"), trailing_value: said("5"), ..rested() };
    let stories: [Story; 3] = [(rested, &["849"]), (|| LegDraft { target: said("880"), ..rested() }, &["870", "881"]), (rested, &["838"])];
    for (leg, then) in stories {
        for is_made in [true, false] {
            let mut commit = 1;
            while commit <= 60 && crashed_at(commit, is_made, leg(), then) {
                commit += 1;
            }
            assert!(commit > 5 && commit <= 60, "the story has {commit} commits");
        }
    }
    let mut commit = 1;
    while commit <= 60 && crashed_at(commit, true, trailing(), &["868", "872.50", "867"]) {
        commit += 1;
    }
    assert!(commit > 8, "the story has {commit} commits");
}

/// Another version wrote the rule: its stop at the broker is all that protects the position, and stays as long as that is held.
#[test]
fn a_rule_that_cannot_be_read_leaves_its_stop_at_the_broker() {
    scenario(Setup::default(), async |desk| {
        desk.ended(rested()).await;
        desk.until("it rests", |desk| lives_at(desk, StopAt::Broker)).await;
        let stop = of_source(desk, Source::Stop).remove(0).command_id;
        let keep = Keep {
            client_id: Some(client()),
            slot: slot(&Strategy::parse("a").unwrap(), &key()),
            value: None,
            basis: None,
            event: "EXIT_RULE_SET",
            level: Loud::Info,
            reason: Arc::from("a drill"),
            who: Arc::from("a test"),
            command_id: None,
        };
        assert!(desk.engine.keep(keep.with(&"of another version").unwrap()).await.unwrap().is_applied());
        desk.start_again();
        desk.until_open().await;
        desk.until_alarm("ALARM_EXIT_RULE_UNREADABLE").await;
        desk.pass_secs(40).await;
        let row = desk.row(stop);
        assert_eq!((row.status, row.cancel_wanted), (Status::SentToBroker, None), "{}", desk.trace());
        trade(desk, "849");
        desk.until("it has acted", |desk| desk.held("a", &sbin()) == 0 && desk.net_at_broker(&sbin()) == 0).await;
        assert_eq!(desk.row(stop).status, Status::Executed);
    });
}
