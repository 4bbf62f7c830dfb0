//! Urgent exits on their ladders: in the book of an option, many at once, refused, and at the end of the day.

use std::sync::Arc;
use std::time::Duration;

use chrono::DateTime;
use ordergate::brokers::faulty::{CallKind, Fault};
use ordergate::simulator::market::Level;
use ordergate_actors::order::calendar::{Calendar, Enforce};
use ordergate_actors::order::{CommandId, Exchange, InstrumentKey, LegDraft, OrderType, Price, Status, Terms};
use ordergate_actors::persistence::KillLevel;
use ordergate_actors::ports::{Budget, Capabilities, Instruments as _};
use ordergate_actors::risk::ChangeAnswer;

use super::exit_rules::{fired, go_on, guarded, rule, scenario, thin, trade, until_flat};
use super::market_orders::change;
use crate::desk::{But, Desk, Setup, buy, exit, nse, price, sbin};

fn said(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn level(text: &str, quantity: i64) -> Vec<Level> {
    vec![Level { price: price(text), quantity }]
}

/// A liquid option, one tick wide: an ordinary fall is followed to its end, and nobody is rung for it.
#[test]
fn the_stop_of_an_option_follows_a_fall_in_a_book_of_one_tick_and_pages_nobody() {
    scenario(Setup::default(), async |desk| {
        let key = InstrumentKey::new(Exchange::Nfo, "NIFTY24NOV26C25700");
        let lot = desk.instruments.find(&key).unwrap().lot.value();
        let book = |desk: &Desk, bid: &str, units: i64| {
            let ask = Price::new(price(bid).value() + price("0.05").value()).unwrap();
            desk.market.set_depth(&key, level(bid, units), vec![Level { price: ask, quantity: 10_000 }], price(bid));
        };
        book(desk, "99.95", 10_000);
        let entry = LegDraft {
            exchange: said("NFO"),
            symbol: said(&key.symbol),
            stop_loss: said("2 points"),
            ..buy("a", 1).product("NRML").of(3 * lot)
        };
        let entry = desk.ended(entry).await;
        assert_eq!(entry.status, Status::Executed, "{:?}", entry.reason);
        desk.pass_secs(3).await;
        book(desk, "98", lot);
        desk.until("a lot is out", |desk| desk.held("a", &key) == 2 * lot).await;
        // Eight spreads below where it fired are 97.60.
        book(desk, "96", lot);
        desk.until("another is out", |desk| desk.held("a", &key) == lot).await;
        book(desk, "94.50", 10_000);
        desk.until("flat", |desk| desk.held("a", &key) == 0).await;
        assert!(!desk.has_alarm("ALARM_NOT_FLAT"), "{:?}", desk.texts("ALARM_NOT_FLAT"));
        desk.at_rest().await;
    });
}

/// Who sets the limit of an exit, and where.
#[derive(Clone, Copy, PartialEq)]
enum Hand {
    Nobody,
    /// Through the engine, back to where the exit stood before its last step.
    Here,
    AtTheBroker,
}

fn set_by_hand(desk: &Desk, order: CommandId, limit: Price) {
    let broker = desk.broker.broker.inner();
    let id = desk.row(order).broker_order_id.unwrap();
    let terms = broker.exchange().order(&id).unwrap().terms.clone();
    broker.modify_foreign(&id, &Terms { price: Some(limit), ..terms }).unwrap().unwrap();
}

/// An alert's market exit goes out as a limit, as at Noren, and is followed step by step however often its limit has moved. Who sets a
/// limit of his own for it has it stand there.
#[test]
fn an_alerts_market_exit_follows_the_market_until_somebody_sets_its_limit() {
    for hand in [Hand::Nobody, Hand::Here, Hand::AtTheBroker] {
        let can: fn(&mut Capabilities) = |row| row.takes_market_orders = false;
        scenario(Setup { can, ..Setup::default() }, async |desk| {
            desk.ended(buy("a", 10)).await;
            desk.pass_secs(3).await;
            thin(desk, "860", 1);
            let out = desk.order(exit("a", "SBIN-EQ")).await;
            desk.until("one is out", |desk| desk.held("a", &sbin()) == 9).await;
            let mut before = None;
            for bid in ["857.50", "857", "856.50"] {
                before = desk.row(out).ask.price;
                thin(desk, bid, 1);
                desk.until("it follows", |desk| desk.row(out).ask.price < before).await;
            }
            if hand != Hand::Nobody {
                let limit = before.unwrap();
                match hand {
                    Hand::Here => assert_eq!(change(desk, out, limit).await, ChangeAnswer::Asked),
                    _ => set_by_hand(desk, out, limit),
                }
                desk.until("it stands there", |desk| desk.row(out).ask.price == Some(limit)).await;
                thin(desk, "855", 1);
                desk.pass_secs(30).await;
                assert_eq!((desk.row(out).ask.price, desk.row(out).ask.order_type), (Some(limit), Some(OrderType::Limit)));
            }
            trade(desk, "862");
            desk.until("all of it is out", |desk| desk.held("a", &sbin()) == 0).await;
            assert_eq!(desk.rows().iter().filter(|row| row.is_exit()).count(), 1, "{}", desk.trace());
            desk.at_rest().await;
        });
    }
}

fn noren() -> Setup {
    Setup { can: |row| row.budget = Some(Budget::noren()), ..Setup::default() }
}

const OTHERS: [&str; 5] = ["b", "c", "d", "e", "f"];

/// Five positions in a share that nobody buys any more: each has its page in time.
async fn stuck(desk: &Desk) {
    let key = nse("RELIANCE-EQ");
    for strategy in OTHERS {
        let entry = LegDraft { symbol: said(&key.symbol), stop_loss: said("10 points"), ..buy(strategy, 10) };
        assert_eq!(desk.ended(entry).await.status, Status::Executed);
    }
    desk.pass_secs(5).await;
    desk.market.set_depth(&key, Vec::new(), level("1385", 1_000), price("1385"));
    desk.until("all are sent", |desk| fired(desk).iter().filter(|row| row.sent_at.is_some()).count() == OTHERS.len()).await;
    let sent_at = fired(desk).iter().filter_map(|row| row.sent_at).max().unwrap();
    desk.until("all are told", |desk| desk.texts("ALARM_NOT_FLAT").len() == OTHERS.len()).await;
    let after = desk.clock_now() - sent_at;
    assert!(after <= chrono::Duration::seconds(5), "{after} after the last was sent");
}

#[test]
fn many_exits_that_nobody_buys_page_in_time_and_slow_down_no_other() {
    scenario(noren(), async |desk| {
        desk.ended(guarded("10 points", None)).await;
        stuck(desk).await;
        thin(desk, "849.50", 3);
        desk.until("a part is out", |desk| desk.held("a", &sbin()) == 7).await;
        let since = desk.clock_now();
        for (bid, left) in [("848", 5), ("846", 3)] {
            thin(desk, bid, 2);
            desk.until("more is out", |desk| desk.held("a", &sbin()) == left).await;
        }
        trade(desk, "844");
        desk.until("flat", |desk| desk.held("a", &sbin()) == 0).await;
        let took = desk.clock_now() - since;
        assert!(took <= chrono::Duration::seconds(6), "three steps took {took}");
        desk.market.set(&nse("RELIANCE-EQ"), price("1384"), price("1384.10"), price("1384"));
        desk.until("the others are out", |desk| OTHERS.iter().all(|strategy| desk.held(strategy, &nse("RELIANCE-EQ")) == 0)).await;
        desk.at_rest().await;
    });
}

/// The broker takes no changes after its own square-off: once is enough to know, and a person hears what it said.
#[test]
fn a_step_that_is_refused_after_the_cut_off_pages_at_once_with_the_words() {
    scenario(Setup::default(), async |desk| {
        desk.ended(guarded("10 points", None)).await;
        desk.until("the rule stands", |desk| rule(desk).is_some()).await;
        thin(desk, "849.50", 3);
        desk.until("a part is out", |desk| desk.held("a", &sbin()) == 7).await;
        desk.always(CallKind::Modify, Fault::Refuse("MIS orders are not allowed after Square off time".into()));
        trade(desk, "845");
        desk.until("it is refused", |desk| desk.events(fired(desk)[0].command_id).contains(&"MODIFY_REPLIED".to_owned())).await;
        let refused_at = desk.clock_now();
        desk.until_alarm("ALARM_NOT_FLAT").await;
        assert!(desk.clock_now() - refused_at <= chrono::Duration::seconds(2));
        let text = desk.texts("ALARM_NOT_FLAT").remove(0);
        assert!(text.contains("not allowed after Square off time") && text.contains("then close it at the broker"), "{text}");
        let number = fired(desk)[0].broker_order_id.clone().unwrap();
        assert!(text.contains(&format!("cancel order {number} there first")), "who closes it beside that one closes it twice: {text}");
        let asked = desk.texts("EXIT_STEP").len();
        desk.pass_secs(60).await;
        let more = desk.texts("EXIT_STEP").len() - asked;
        assert!((3..=8).contains(&more), "{more} in a minute");
        assert_eq!(desk.texts("ALARM_NOT_FLAT").len(), 1);
        desk.heal();
        until_flat(desk).await;
        desk.at_rest().await;
    });
}

/// The first exit is rejected, and the price is far away when the next may go: what it may cost counts from where the rule fired.
#[test]
fn the_retry_of_a_rejected_exit_keeps_the_cost_cap_of_the_first() {
    scenario(Setup::default(), async |desk| {
        desk.ended(guarded("10 points", None)).await;
        desk.until("the rule stands", |desk| rule(desk).is_some()).await;
        desk.next(CallKind::Place, Fault::Refuse("the order price is out of the current execution range".into()));
        trade(desk, "849");
        desk.until("it is rejected", |desk| fired(desk).first().is_some_and(|row| row.status == Status::Failed)).await;
        trade(desk, "820");
        desk.until_alarm("ALARM_NOT_FLAT").await;
        let second = fired(desk).pop().unwrap();
        // Two percent of 849 are 16.98.
        assert_eq!((second.ask.price, desk.held("a", &sbin())), (Some(price("832.05")), 10), "{}", desk.trace());
        assert!(desk.texts("ALARM_NOT_FLAT")[0].contains("the touch is beyond the cost cap at 832.05"));
        trade(desk, "833");
        until_flat(desk).await;
        desk.at_rest().await;
    });
}

/// A share with a closing auction: from 15:15 to 15:20 nothing is taken. An exit that is on its ladder then stands where it is, a person
/// hears that, and it goes on when orders are taken again.
#[test]
fn an_exit_that_is_on_its_ladder_at_a_quarter_past_three_waits_for_the_auction_and_says_so() {
    let at = |text: &str| text.parse::<DateTime<chrono::FixedOffset>>().unwrap().to_utc();
    let calendar: fn() -> Arc<Calendar> =
        || Arc::new(Calendar::parse(&ordergate::calendar::files(None).unwrap()).unwrap().enforced(Enforce::Always));
    let mut setup = Setup { starts_at: at("2026-11-23T15:12:00+05:30"), calendar, ..Setup::default() };
    setup.account.limits.intraday_cutoff = Duration::ZERO;
    scenario(setup, async |desk| {
        let until = |text: &str, desk: &Desk| (at(text) - desk.clock_now()).to_std().unwrap();
        desk.ended(guarded("10 points", None)).await;
        desk.until("the rule stands", |desk| rule(desk).is_some()).await;
        desk.pass(until("2026-11-23T15:14:58.500+05:30", desk)).await;
        thin(desk, "849.50", 3);
        desk.until("a part is out", |desk| desk.held("a", &sbin()) == 7).await;
        desk.pass(until("2026-11-23T15:15:00.500+05:30", desk)).await;
        trade(desk, "840");
        let before = fired(desk)[0].modifications;
        desk.until_alarm("ALARM_NOT_FLAT").await;
        assert!(desk.clock_now() < at("2026-11-23T15:15:06+05:30"));
        assert!(
            desk.texts("ALARM_NOT_FLAT")[0].contains("the market takes no orders: closing auction"),
            "{:?}",
            desk.texts("ALARM_NOT_FLAT")
        );
        desk.pass(until("2026-11-23T15:19:59+05:30", desk)).await;
        let stands = fired(desk).remove(0);
        assert_eq!((stands.modifications, desk.held("a", &sbin()), desk.texts("ALARM_NOT_FLAT").len()), (before, 7, 1));
        until_flat(desk).await;
        assert!(fired(desk).iter().all(|row| row.created_at <= stands.created_at), "one order, changed");
        desk.at_rest().await;
    });
}

/// The broker acknowledges an exit and does not match it, while the quotes say that it should trade: nothing that its ladder does would
/// change that, and a person hears it in time, whether the market stands or rises.
#[test]
fn an_exit_that_reaches_the_touch_and_rests_is_told_of_in_time() {
    for rises in [false, true] {
        scenario(Setup::default(), async |desk| {
            desk.ended(guarded("10 points", None)).await;
            desk.until("the rule stands", |desk| rule(desk).is_some()).await;
            // What these three took of the bid is not there a second time.
            thin(desk, "849.50", 3);
            desk.until("a part is out", |desk| desk.held("a", &sbin()) == 7).await;
            let sent_at = fired(desk)[0].sent_at.unwrap();
            assert!(!desk.has_alarm("ALARM_NOT_FLAT"));
            if rises {
                thin(desk, "851", 0);
            }
            desk.until_alarm("ALARM_NOT_FLAT").await;
            let after = desk.clock_now() - sent_at;
            assert!(after <= chrono::Duration::seconds(5), "{after}");
            assert!(desk.texts("ALARM_NOT_FLAT")[0].contains("its limit reaches the touch and it still rests"));
            desk.pass_secs(60).await;
            assert_eq!((desk.texts("ALARM_NOT_FLAT").len(), fired(desk)[0].modifications), (1, 0));
            trade(desk, "848");
            until_flat(desk).await;
            desk.at_rest().await;
        });
    }
}

/// Nobody was there to buy for a while. The market comes back to where the exit stands: it is about to trade, and that is no news yet.
#[test]
fn an_exit_that_the_market_comes_back_to_is_not_said_to_rest() {
    scenario(Setup::default(), async |desk| {
        desk.ended(guarded("10 points", None)).await;
        desk.until("the rule stands", |desk| rule(desk).is_some()).await;
        let asks = level("849", 100);
        desk.market.set_depth(&sbin(), Vec::new(), asks, price("848"));
        desk.until("it is sent", |desk| fired(desk).first().is_some_and(|row| row.broker_order_id.is_some())).await;
        desk.pass_secs(2).await;
        thin(desk, "849.20", 3);
        desk.until("a part is out", |desk| desk.held("a", &sbin()) == 7).await;
        desk.pass_secs(2).await;
        assert!(!desk.has_alarm("ALARM_NOT_FLAT"), "{:?}", desk.texts("ALARM_NOT_FLAT"));
        trade(desk, "848.10");
        until_flat(desk).await;
        desk.at_rest().await;
    });
}

fn as_at_noren() -> Setup {
    Setup { can: |row| row.takes_market_orders = false, ..Setup::default() }
}

/// What a market exit may cost counts from the market when it went out, not from its own limit, which lies through that already.
#[test]
fn the_cost_of_a_market_exit_counts_from_the_touch() {
    scenario(as_at_noren(), async |desk| {
        desk.ended(buy("a", 10)).await;
        desk.pass_secs(3).await;
        thin(desk, "860", 1);
        desk.board("850", Duration::ZERO);
        let out = desk.order(exit("a", "SBIN-EQ")).await;
        desk.until("one is out", |desk| desk.held("a", &sbin()) == 9).await;
        assert_eq!(desk.row(out).ask.price, Some(price("850")));
        trade(desk, "830");
        desk.until_alarm("ALARM_NOT_FLAT").await;
        let text = desk.texts("ALARM_NOT_FLAT").remove(0);
        // Two percent of 860 are 17.20.
        assert!(text.contains("the touch is beyond the cost cap at 842.8") && text.contains("from the trigger at 860"), "{text}");
        assert_eq!(desk.held("a", &sbin()), 9);
        trade(desk, "843");
        desk.until("flat", |desk| desk.held("a", &sbin()) == 0).await;
        desk.at_rest().await;
    });
}

/// The broker rejects what a square-off sends, and the market falls away meanwhile: the next try costs no more than the first might have,
/// after a restart too, and a person is asked.
#[test]
fn the_next_try_of_a_square_off_stays_inside_the_cap_of_the_first() {
    for restarts in [false, true] {
        scenario(as_at_noren(), async |desk| {
            desk.ended(buy("a", 10)).await;
            desk.pass_secs(3).await;
            desk.next(CallKind::Place, Fault::Refuse("RMS: not now".into()));
            desk.kill(KillLevel::SquareOff).await;
            desk.until("it is rejected", |desk| fired(desk).first().is_some_and(|row| row.status == Status::Failed)).await;
            if restarts {
                desk.pass_secs(1).await;
                desk.kill_process();
                desk.start_again();
            }
            trade(desk, "820");
            if restarts {
                desk.until_open().await;
            }
            desk.until_alarm("ALARM_NOT_FLAT").await;
            let second = fired(desk).pop().unwrap();
            assert_eq!((second.ask.price, desk.held("a", &sbin())), (Some(price("842.80")), 10), "{}", desk.trace());
            assert!(desk.texts("ALARM_NOT_FLAT")[0].contains("from the trigger at 860"), "{:?}", desk.texts("ALARM_NOT_FLAT"));
            go_on(desk, second.command_id).await;
            desk.until("it goes as far again", |desk| desk.row(second.command_id).ask.price < Some(price("830"))).await;
            assert_eq!(desk.held("a", &sbin()), 10, "820 is beyond that too");
            trade(desk, "843");
            desk.until("flat", |desk| desk.held("a", &sbin()) == 0).await;
            desk.at_rest().await;
        });
    }
}

/// A broker that takes one change of an order: what follows the first is another, and another. What a person has let it cost stays.
#[test]
fn what_goes_again_as_a_new_order_goes_on_where_the_one_before_it_stood() {
    scenario(Setup { can: |row| row.max_modifications = Some(1), ..Setup::default() }, async |desk| {
        desk.ended(guarded("10 points", None)).await;
        desk.until("the rule stands", |desk| rule(desk).is_some()).await;
        let steps = [("849.50", 3, 7), ("845", 1, 6)];
        for (bid, units, left) in steps {
            thin(desk, bid, units);
            desk.until("more is out", |desk| desk.held("a", &sbin()) == left).await;
        }
        // Two percent of 849.50 are the cap.
        thin(desk, "830", 1);
        desk.until_alarm("ALARM_NOT_FLAT").await;
        let second = fired(desk).pop().unwrap();
        assert_eq!((fired(desk).len(), second.parent_command_id), (2, Some(fired(desk)[0].command_id)));
        go_on(desk, second.command_id).await;
        desk.until("more is out", |desk| desk.held("a", &sbin()) == 5).await;
        thin(desk, "814", 1);
        desk.until("it is told again", |desk| desk.texts("ALARM_NOT_FLAT").len() == 2).await;
        let third = fired(desk).pop().unwrap();
        assert_eq!(third.parent_command_id, Some(second.command_id));
        assert!(
            desk.texts("ALARM_NOT_FLAT")[1].contains("the touch is beyond the cost cap at 815.5"),
            "{:?}",
            desk.texts("ALARM_NOT_FLAT")
        );
        go_on(desk, third.command_id).await;
        desk.until("that counts beside the first", |desk| desk.held("a", &sbin()) == 4).await;
        assert_eq!(desk.texts("ALARM_NOT_FLAT").len(), 2, "{:?}", desk.texts("ALARM_NOT_FLAT"));
        trade(desk, "814");
        until_flat(desk).await;
        desk.at_rest().await;
    });
}

/// Somebody else uses the key too, and the account has been given a part of the broker's calls: the steps take half of that part.
#[test]
fn the_steps_of_all_exits_go_by_the_calls_of_the_account() {
    let mut setup = noren();
    setup.account.budget.per_minute = Some(40);
    scenario(setup, async |desk| {
        for strategy in OTHERS {
            let entry = LegDraft { stop_loss: said("10 points"), ..buy(strategy, 10) };
            assert_eq!(desk.ended(entry).await.status, Status::Executed);
        }
        desk.pass_secs(61).await;
        for fall in 0..8 {
            thin(desk, &format!("{}", 849 - fall), 1);
            desk.pass_secs(1).await;
        }
        let steps = desk.texts("EXIT_STEP").iter().filter(|text| text.starts_with("step ")).count();
        assert!((5..=13).contains(&steps), "{steps} of the ten that go at once, and one each six seconds");
        trade(desk, "849");
        desk.until("flat", |desk| OTHERS.iter().all(|strategy| desk.held(strategy, &sbin()) == 0)).await;
        desk.at_rest().await;
    });
}
