//! Market orders at a broker that takes none, and how often an order may be changed.

use std::time::Duration;

use ordergate::brokers::faulty::{CallKind, Fault};
use ordergate_actors::order::{Exchange, LegDraft, OrderType, Price, Quantity, Status, Tag};
use ordergate_actors::persistence::KillLevel;
use ordergate_actors::ports::{Budget, RateWindow};
use ordergate_actors::risk::{Change, ChangeAnswer};

use crate::desk::{But, Desk, Setup, buy, entry, exit, price, sbin, scenario};

const OLD: Duration = Duration::from_secs(60);

fn setup() -> Setup {
    Setup { can: |row| row.takes_market_orders = false, ..Setup::default() }
}

fn quotes_asked(desk: &Desk) -> u64 {
    desk.broker.broker.calls(CallKind::Quote)
}

#[test]
fn a_fresh_quote_is_used_as_it_is_and_the_order_stays_a_market_order_on_paper() {
    scenario(setup(), async |desk| {
        let row = desk.ended(buy("a", 10)).await;
        assert_eq!((row.status, row.ask.order_type, row.ask.price), (Status::Executed, Some(OrderType::Market), Some(price("800.05"))));
        assert_eq!(quotes_asked(desk), 0);
        assert_eq!(desk.ended(exit("a", "SBIN-EQ")).await.status, Status::Executed);
        desk.at_rest().await;
    });
}

#[test]
fn a_basket_waits_for_a_quote_together_and_nobody_else_does() {
    scenario(setup(), async |desk| {
        desk.board("700", OLD);
        desk.next(CallKind::Quote, Fault::Slow(Duration::from_millis(300)));
        let waits = desk.send(&[buy("a", 10), entry("a", "INFY-EQ", "BUY", 1).at("1490")]);
        desk.pass(Duration::from_millis(100)).await;
        assert_eq!(desk.placed(), 0, "its legs wait together");
        let other = desk.order(entry("b", "RELIANCE-EQ", "BUY", 1).at("1300")).await;
        desk.until_at_broker(other).await;
        assert_eq!(desk.placed(), 1, "the line goes on");
        let orders = waits.await.unwrap().unwrap().orders;
        assert_eq!(desk.until_ended(orders[0]).await.ask.price, Some(price("800.05")), "the price that was asked for");
        desk.until_at_broker(orders[1]).await;
        assert_eq!(quotes_asked(desk), 1);
        desk.at_rest().await;
    });
}

#[test]
fn without_a_quote_an_entry_is_refused_and_an_exit_goes_at_the_last_known_price() {
    scenario(setup(), async |desk| {
        desk.ended(buy("a", 10)).await;
        desk.pass_secs(2).await;
        desk.board("799", OLD);
        for fault in [Fault::Hang, Fault::Refuse("no such symbol".into())] {
            desk.next(CallKind::Quote, fault);
            let row = desk.ended(entry("b", "INFY-EQ", "BUY", 1)).await;
            assert_eq!((row.status, row.tag, row.sent_at), (Status::Failed, Some(Tag::RiskLimitsExceeded), None));
            assert!(desk.reason(row.command_id).contains("no fresh quote"));
        }
        desk.next(CallKind::Quote, Fault::Hang);
        let row = desk.ended(exit("a", "SBIN-EQ")).await;
        assert_eq!((row.status, row.ask.price), (Status::Executed, Some(price("799"))));
        desk.at_rest().await;
    });
}

#[test]
fn a_restart_of_the_actor_while_an_order_waits_for_its_quote_loses_nothing() {
    scenario(setup(), async |desk| {
        desk.board("700", OLD);
        desk.next(CallKind::Quote, Fault::Slow(Duration::from_millis(700)));
        let waits = desk.send(&[buy("a", 10)]);
        desk.pass(Duration::from_millis(50)).await;
        desk.panic_in("BrokerActor").await;
        let command = waits.await.unwrap().unwrap().orders[0];
        assert_eq!(desk.until_ended(command).await.status, Status::Executed);
        assert_eq!(desk.placed(), 1);
        desk.at_rest().await;
    });
}

/// The market ran away: the entry rests, is cancelled when its time is up, and the process is restarted meanwhile.
#[test]
fn an_entry_that_came_as_market_and_rests_is_cancelled_also_after_a_restart() {
    scenario(setup(), async |desk| {
        desk.board("790", Duration::ZERO);
        let rests = desk.order(buy("a", 10)).await;
        let limit = desk.order(entry("b", "INFY-EQ", "BUY", 1).at("1490")).await;
        desk.until_at_broker(rests).await;
        desk.until_at_broker(limit).await;
        desk.pass_secs(4).await;
        desk.start_again();
        desk.until_open().await;
        let row = desk.until_ended(rests).await;
        assert_eq!((row.status, row.tag, row.filled_quantity), (Status::Failed, Some(Tag::MarketTimeout), 0));
        let waited = (row.updated_at - row.sent_at.unwrap()).num_seconds();
        assert!((10..=14).contains(&waited), "{waited} s");
        desk.until_alarm("ALARM_MARKET_ENTRY_RESTS").await;
        assert!(desk.texts("ALARM_MARKET_ENTRY_RESTS")[0].contains("10 of 10 rest"), "{:?}", desk.texts("ALARM_MARKET_ENTRY_RESTS"));
        desk.pass_secs(20).await;
        assert_eq!(desk.row(limit).status, Status::SentToBroker, "a limit order rests as long as it likes");
        desk.at_rest().await;
    });
}

pub(super) async fn change(desk: &Desk, command_id: ordergate_actors::order::CommandId, to: Price) -> ChangeAnswer {
    let client_id = desk.row(command_id).client_id;
    let change = Change { client_id, command_id, quantity: None, price: Some(to), trigger_price: None, order_type: None, who: "me".into() };
    desk.engine.modify(change).await.unwrap()
}

fn replies(desk: &Desk, command_id: ordergate_actors::order::CommandId) -> usize {
    desk.events(command_id).iter().filter(|event| *event == "MODIFY_REPLIED").count()
}

#[test]
fn an_order_is_changed_as_often_as_the_broker_takes_it_counted_over_restarts() {
    let setup = Setup { can: |row| row.max_modifications = Some(2), ..Setup::default() };
    scenario(setup, async |desk| {
        let command = desk.order(buy("a", 10).at("790")).await;
        desk.until_at_broker(command).await;
        for (n, to) in ["791", "792"].into_iter().enumerate() {
            assert_eq!(change(desk, command, price(to)).await, ChangeAnswer::Asked);
            desk.until("it is answered", |desk| replies(desk, command) == n + 1).await;
        }
        desk.start_again();
        desk.until_open().await;
        let ChangeAnswer::Refused(reason) = change(desk, command, price("793")).await else { panic!("a third change") };
        assert!(reason.contains("changed 2 times"), "{reason}");
        assert_eq!((desk.broker.started("modify"), desk.row(command).modifications), (2, 2));
        assert_eq!(desk.row(command).ask.price, Some(price("792")));
        desk.at_rest().await;
    });
}

/// Whoever asked for a change was told that it is asked for: its end is on disk, whatever happens to the actor.
#[test]
fn a_change_that_a_restart_loses_leaves_a_row() {
    for look in 1..=4 {
        scenario(Setup::polled(), async |desk| {
            let command = desk.order(buy("a", 10).at("790")).await;
            desk.until_at_broker(command).await;
            // The slot is taken: the change waits in its lane, its row on disk.
            desk.next(CallKind::Place, Fault::Late(Duration::from_millis(1_500)));
            let _other = desk.send(&[entry("b", "INFY-EQ", "BUY", 1)]);
            desk.pass(Duration::from_millis(20)).await;
            assert_eq!(change(desk, command, price("791")).await, ChangeAnswer::Asked);
            desk.clock.fail_at("BrokerActor", look);
            desk.pass_secs(10).await;
            desk.clock.disarm();
            desk.until("its end is on disk", |desk| replies(desk, command) == 1).await;
            let went_out = desk.broker.started("modify") == 1;
            assert_eq!(desk.row(command).ask.price == Some(price("791")), went_out, "look {look}");
            assert_eq!(desk.net_at_broker(&sbin()), 0);
            desk.at_rest().await;
        });
    }
}

/// The same of a change to a larger quantity: what was lost is not counted any more, as if the order were for that much.
#[test]
fn a_larger_quantity_that_a_restart_loses_is_not_counted() {
    let lost = std::cell::Cell::new(0);
    for look in 1..=4 {
        scenario(Setup::polled(), async |desk| {
            let command = desk.order(buy("a", 10).at("790")).await;
            let client_id = desk.until_at_broker(command).await.client_id;
            // The slot is taken: the change waits in its lane, its row on disk.
            desk.next(CallKind::Place, Fault::Late(Duration::from_millis(1_500)));
            let _other = desk.send(&[entry("b", "INFY-EQ", "BUY", 1)]);
            desk.pass(Duration::from_millis(20)).await;
            let larger = Change {
                client_id,
                command_id: command,
                quantity: Quantity::new(20),
                price: None,
                trigger_price: None,
                order_type: None,
                who: "me".into(),
            };
            assert_eq!(desk.engine.modify(larger).await.unwrap(), ChangeAnswer::Asked);
            desk.clock.fail_at("BrokerActor", look);
            desk.until("its end is on disk", |desk| replies(desk, command) == 1).await;
            desk.clock.disarm();
            if desk.broker.started("modify") == 0 {
                lost.set(lost.get() + usize::from(desk.events(command).iter().any(|event| event == "MODIFY_SENT")));
                let row = desk.row(command);
                assert_eq!((row.reach, row.asked.len(), row.quantity()), (None, 0, 10), "look {look}");
            }
            desk.at_rest().await;
        });
    }
    assert!(lost.get() > 0, "no intention was on disk, so nothing was shown");
}

fn stop_market(strategy: &str) -> LegDraft {
    LegDraft { order_type: Some("SLM".into()), trigger_price: Some("810".into()), ..buy(strategy, 1) }
}

#[test]
fn the_first_alert_of_the_day_asks_for_a_quote_and_goes() {
    scenario(setup(), async |desk| {
        desk.dark();
        desk.next(CallKind::Quote, Fault::Slow(Duration::from_millis(300)));
        let mut waits = desk.send(&[buy("a", 10)]);
        desk.pass(Duration::from_millis(200)).await;
        assert!(waits.try_recv().is_err(), "the caller hears the decision, not that it waits");
        let command = waits.await.unwrap().unwrap().orders[0];
        let row = desk.until_ended(command).await;
        assert_eq!((row.status, row.ask.order_type, row.ask.price), (Status::Executed, Some(OrderType::Market), Some(price("800.05"))));
        assert_eq!(quotes_asked(desk), 1, "BrokerActor needs no other");
        desk.at_rest().await;
    });
}

#[test]
fn each_instrument_is_asked_for_once_however_many_wait() {
    scenario(setup(), async |desk| {
        desk.dark();
        desk.next(CallKind::Quote, Fault::Slow(Duration::from_millis(400)));
        let mut answers: Vec<_> = (0..5).map(|n| desk.send(&[buy(&format!("s{n}"), 1)])).collect();
        answers.push(desk.send(&[buy("b", 1), entry("b", "INFY-EQ", "BUY", 1)]));
        desk.pass(Duration::from_millis(100)).await;
        assert_eq!((quotes_asked(desk), desk.placed()), (2, 0));
        for answer in answers {
            for command in answer.await.unwrap().unwrap().orders {
                assert_eq!(desk.until_ended(command).await.status, Status::Executed);
            }
        }
        assert_eq!(quotes_asked(desk), 2);
        desk.at_rest().await;
    });
}

#[test]
fn without_an_answer_in_time_the_entry_is_refused_with_the_numbers() {
    scenario(setup(), async |desk| {
        desk.dark();
        for (leg, fault, words) in [
            (buy("a", 1), Fault::Hang, "no answer within 800 ms"),
            (stop_market("a"), Fault::Hang, "no answer within 800 ms"),
            (buy("a", 1), Fault::Refuse("no such symbol".into()), "no such symbol"),
        ] {
            desk.next(CallKind::Quote, fault);
            let began = desk.clock_now();
            let row = desk.ended(leg).await;
            assert_eq!((row.status, row.tag, row.sent_at), (Status::Failed, Some(Tag::RiskLimitsExceeded), None));
            assert!(desk.reason(row.command_id).contains(words), "{}", desk.reason(row.command_id));
            assert!((desk.clock_now() - began).num_milliseconds() < 1_500);
        }
        assert_eq!(desk.ended(buy("a", 1)).await.status, Status::Executed, "the next alert asks anew");
        desk.at_rest().await;
    });
}

#[test]
fn a_restart_of_either_actor_while_risk_waits_for_a_quote_loses_nothing() {
    for actor in ["RiskActor", "BrokerActor"] {
        scenario(setup(), async |desk| {
            desk.dark();
            desk.next(CallKind::Quote, Fault::Slow(Duration::from_millis(700)));
            let waits = desk.send(&[buy("a", 10)]);
            desk.pass(Duration::from_millis(50)).await;
            desk.panic_in(actor).await;
            // With RiskActor its answer is lost: the caller looks the signal up. The order is not.
            drop(waits);
            let command = desk.rows()[0].command_id;
            assert_eq!(desk.until_ended(command).await.status, Status::Executed, "{actor}");
            assert_eq!(desk.placed(), 1);
            desk.at_rest().await;
        });
    }
}

#[test]
fn a_lost_question_or_a_lost_answer_is_asked_for_again() {
    for message in ["WantQuotes", "Quoted", "QuoteCame"] {
        scenario(setup(), async |desk| {
            desk.dark();
            *desk.engine.line().lose_next.lock() = Some(message);
            assert_eq!(desk.ended(buy("a", 10)).await.status, Status::Executed, "{message}");
            assert_eq!(*desk.engine.line().lose_next.lock(), None, "{message} was lost");
            desk.at_rest().await;
        });
    }
}

#[test]
fn a_kill_and_the_time_to_live_act_while_a_quote_is_awaited() {
    let mut setup = Setup { can: |row| (row.takes_market_orders, row.budget) = (false, Some(Budget::noren())), ..Setup::default() };
    setup.settings.entry_ttl = Duration::from_secs(4);
    scenario(setup, async |desk| {
        desk.dark();
        desk.always(CallKind::Quote, Fault::RateLimited(RateWindow::Minute));
        let killed = desk.send(&[buy("a", 1)]);
        desk.pass_secs(2).await;
        desk.kill(KillLevel::StopEntries).await;
        let command = killed.await.unwrap().unwrap().orders[0];
        assert_eq!(desk.until_ended(command).await.tag, Some(Tag::KillSwitch));
        desk.kill(KillLevel::None).await;
        let stale = desk.ended(buy("b", 1)).await;
        assert_eq!((stale.tag, stale.sent_at), (Some(Tag::StaleSignal), None));
        assert!(quotes_asked(desk) <= 3, "a full window is asked once in each minute: {}", quotes_asked(desk));
        desk.heal();
        desk.at_rest().await;
    });
}

#[test]
fn a_quote_that_the_broker_has_no_room_for_is_asked_for_again_when_the_window_opens() {
    let setup = Setup { can: |row| (row.takes_market_orders, row.budget) = (false, Some(Budget::noren())), ..Setup::default() };
    scenario(setup, async |desk| {
        desk.dark();
        desk.next(CallKind::Quote, Fault::RateLimited(RateWindow::Second));
        let row = desk.ended(buy("a", 10)).await;
        assert_eq!(row.status, Status::Executed);
        assert!((row.sent_at.unwrap() - row.created_at).num_milliseconds() >= 900);
        assert_eq!(quotes_asked(desk), 2);
        desk.at_rest().await;
    });
}

/// Exchanges forbid IOC orders to programs: where a broker takes none, nothing of that kind leaves, whoever asks for it.
#[test]
fn an_ioc_order_is_refused_where_programs_may_not_send_it() {
    let ioc = |leg: LegDraft| LegDraft { validity: Some("IOC".into()), ..leg };
    let setup = Setup { can: |row| row.takes_ioc = vec![Exchange::Nfo], ..Setup::default() };
    scenario(setup, async |desk| {
        desk.ended(buy("a", 10)).await;
        let before = desk.placed();
        for leg in [ioc(buy("b", 1).at("801")), ioc(exit("a", "SBIN-EQ").at("790"))] {
            let row = desk.ended(leg).await;
            assert_eq!((row.status, row.tag, row.sent_at), (Status::Failed, Some(Tag::ValidationFailed), None));
            let reason = desk.reason(row.command_id);
            assert!(reason.contains("takes no IOC order of a program at NSE; send DAY"), "{reason}");
        }
        assert_eq!(desk.placed(), before);
        desk.at_rest().await;
    });
    // Where it takes them, they go.
    scenario(Setup::default(), async |desk| {
        assert_eq!(desk.ended(ioc(buy("b", 1).at("801"))).await.status, Status::Executed);
        desk.at_rest().await;
    });
}

#[test]
fn where_market_orders_are_taken_nothing_is_asked_for() {
    scenario(Setup::default(), async |desk| {
        desk.dark();
        let row = desk.ended(buy("a", 10)).await;
        assert_eq!((row.tag, quotes_asked(desk)), (Some(Tag::RiskLimitsExceeded), 0));
        assert!(desk.reason(row.command_id).contains("no fresh quote for a market order"));
    });
}
