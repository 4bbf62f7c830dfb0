//! What a square-off sends, and when: a hedge after the short that it covers, and parts of what the exchange takes.

use ordergate::brokers::faulty::{CallKind, Fault};
use ordergate::simulator::market::Level;
use ordergate_actors::order::{Exchange, InstrumentKey, LegDraft, OrderRecord, Source, Status, Tag};
use ordergate_actors::persistence::KillLevel;
use ordergate_actors::ports::Instruments as _;

use crate::desk::{But, Desk, Setup, buy, exit, price, sbin, scenario, sell};

fn call(strike: &str) -> InstrumentKey {
    InstrumentKey::new(Exchange::Nfo, &format!("NIFTY24NOV26C{strike}"))
}

/// A sold call, and the higher one that covers it; the broker takes no market orders, as none does for an algo.
async fn spread(desk: &Desk) -> i64 {
    for (strike, bid) in [("25700", "120"), ("25800", "80")] {
        desk.trades_at(&call(strike), bid);
    }
    let lot = desk.instruments.find(&call("25700")).unwrap().lot.value();
    let leg = |leg: LegDraft, key: &InstrumentKey| LegDraft {
        exchange: Some("NFO".to_owned()),
        symbol: Some(key.symbol.to_string()),
        ..leg.product("NRML").of(lot)
    };
    assert_eq!(desk.ended(leg(buy("a", 1), &call("25800"))).await.status, Status::Executed);
    assert_eq!(desk.ended(leg(sell("a", 1).kind("ADJUST"), &call("25700"))).await.status, Status::Executed);
    desk.pass_secs(3).await;
    lot
}

fn setup() -> Setup {
    Setup { can: |row| row.takes_market_orders = false, ..Setup::default() }
}

/// Nobody sells the short back: the long one is all that limits what it can lose.
#[test]
fn a_square_off_keeps_the_hedge_while_its_short_is_open_and_lets_it_go_with_a_page() {
    scenario(setup(), async |desk| {
        let lot = spread(desk).await;
        let bids = vec![Level { price: price("140"), quantity: 10_000 }];
        desk.market.set_depth(&call("25700"), bids, Vec::new(), price("140"));
        desk.kill(KillLevel::SquareOff).await;
        desk.pass_secs(15).await;
        assert_eq!((desk.held("a", &call("25800")), desk.has_alarm("ALARM_EXIT_UNCOVERS")), (lot, false), "{}", desk.trace());
        desk.until_alarm("ALARM_EXIT_UNCOVERS").await;
        assert!(desk.texts("ALARM_EXIT_UNCOVERS")[0].contains("25700 NRML, which it covers, is not bought back yet"));
        desk.until("the long one goes all the same", |desk| desk.held("a", &call("25800")) == 0).await;
        desk.trades_at(&call("25700"), "130");
        desk.until("and the short one when somebody sells it", |desk| desk.held("a", &call("25700")) == 0).await;
        assert_eq!(desk.texts("ALARM_EXIT_UNCOVERS").len(), 1);
        desk.at_rest().await;
    });
}

/// Exits of both legs in one signal, the hedge first: at the market, as exit-all, FORCE_EXIT and an EXIT without orders send them, or with a
/// limit for the short.
fn leave_both(limit: Option<&str>) -> [LegDraft; 2] {
    let leg = |strike: &str| LegDraft {
        exchange: Some("NFO".to_owned()),
        symbol: Some(call(strike).symbol.to_string()),
        ..exit("a", "").product("NRML")
    };
    let short = limit.map_or_else(|| leg("25700"), |limit| leg("25700").at(limit));
    [leg("25800"), short]
}

/// The short is not bought back, because nobody sells at that limit or because the broker refuses it: the hedge is not sold at once.
#[test]
fn exits_of_both_legs_keep_the_hedge_while_the_short_is_open_and_let_it_go_with_a_page() {
    for is_rejected in [false, true] {
        scenario(setup(), async |desk| {
            let lot = spread(desk).await;
            desk.trades_at(&call("25700"), "140");
            if is_rejected {
                desk.next(CallKind::Place, Fault::Refuse("16387: Trading Suspended".into()));
            }
            desk.alert(&leave_both(Some("125").filter(|_| !is_rejected))).await;
            desk.pass_secs(15).await;
            assert_eq!((desk.held("a", &call("25800")), desk.has_alarm("ALARM_EXIT_UNCOVERS")), (lot, false), "{}", desk.trace());
            desk.until_alarm("ALARM_EXIT_UNCOVERS").await;
            assert!(desk.texts("ALARM_EXIT_UNCOVERS")[0].contains("25700 NRML, which it covers, is not bought back yet"));
            desk.until("the long one goes all the same", |desk| desk.held("a", &call("25800")) == 0).await;
            assert_eq!((desk.texts("ALARM_EXIT_UNCOVERS").len(), desk.held("a", &call("25700"))), (1, -lot));
            desk.trades_at(&call("25700"), "124");
            if is_rejected {
                desk.alert(&leave_both(None)[1..]).await;
            }
            desk.until("and the short one in its time", |desk| desk.held("a", &call("25700")) == 0).await;
            desk.at_rest().await;
        });
    }
}

#[test]
fn exits_of_both_legs_sell_the_hedge_as_soon_as_the_short_is_closed() {
    scenario(setup(), async |desk| {
        spread(desk).await;
        desk.trades_at(&call("25700"), "140");
        desk.alert(&leave_both(Some("125"))).await;
        desk.pass_secs(10).await;
        desk.trades_at(&call("25700"), "124");
        desk.until("the short is closed", |desk| desk.held("a", &call("25700")) == 0).await;
        let closed_at = desk.clock_now();
        desk.until("and its hedge", |desk| desk.held("a", &call("25800")) == 0).await;
        assert!(desk.clock_now() - closed_at <= chrono::Duration::seconds(5), "{}", desk.trace());
        assert!(!desk.has_alarm("ALARM_EXIT_UNCOVERS"));
        desk.at_rest().await;
    });
}

/// The short is bought back late: its cover goes at once then, not at the next try, and nobody is paged. A restart between changes nothing.
#[test]
fn a_square_off_sells_the_hedge_as_soon_as_its_short_is_closed() {
    for restarts in [false, true] {
        scenario(setup(), async |desk| {
            spread(desk).await;
            let bids = vec![Level { price: price("140"), quantity: 10_000 }];
            desk.market.set_depth(&call("25700"), bids, Vec::new(), price("140"));
            desk.kill(KillLevel::SquareOff).await;
            desk.pass_secs(10).await;
            if restarts {
                desk.start_again();
                desk.until_open().await;
            }
            desk.trades_at(&call("25700"), "130");
            desk.until("flat", |desk| desk.held("a", &call("25700")) == 0 && desk.held("a", &call("25800")) == 0).await;
            let is_exit = |row: &OrderRecord| row.source == Source::System && row.status == Status::Executed;
            let exits: Vec<_> = desk.rows().into_iter().filter(is_exit).collect();
            let of = |strike: &str| exits.iter().find(|row| *row.ask.symbol == *call(strike).symbol).unwrap();
            let (short, long) = (of("25700"), of("25800"));
            assert!(long.created_at >= short.updated_at, "{}", desk.trace());
            assert!((long.created_at - short.updated_at).num_seconds() <= 2, "{}", desk.trace());
            assert!(!desk.has_alarm("ALARM_EXIT_UNCOVERS"));
            desk.at_rest().await;
        });
    }
}

/// No master tells the freeze quantity of most contracts. What the broker refuses for its size is not sent again as it was.
#[test]
fn a_square_off_above_a_freeze_that_nobody_knew_goes_in_parts() {
    for (words, parts) in [
        ("RED:RULE:{Check Freeze qty including square off order}Current:10 Set:5", vec![4, 4, 2]),
        ("quantity is above the freeze quantity", vec![5, 5]),
    ] {
        scenario(Setup::default(), async |desk| {
            desk.ended(buy("a", 10)).await;
            desk.pass_secs(3).await;
            desk.next(CallKind::Place, Fault::Refuse(words.into()));
            desk.kill(KillLevel::SquareOff).await;
            desk.until("flat", |desk| desk.held("a", &sbin()) == 0).await;
            let exits: Vec<_> = desk.rows().into_iter().filter(|row| row.source == Source::System).collect();
            assert_eq!(exits[0].tag, Some(Tag::BrokerRejected));
            assert_eq!(exits[1..].iter().map(|row| row.filled_quantity).collect::<Vec<_>>(), parts, "{}", desk.trace());
            desk.at_rest().await;
        });
    }
}

/// The same of a person who sends the exit that was refused once more.
#[test]
fn an_exit_of_a_person_goes_in_parts_once_the_broker_has_named_its_freeze_quantity() {
    scenario(Setup::default(), async |desk| {
        desk.ended(buy("a", 10)).await;
        desk.pass_secs(3).await;
        desk.next(CallKind::Place, Fault::Refuse("RED:RULE:{Check Freeze qty including square off order}Current:10 Set:8".into()));
        assert_eq!(desk.ended(exit("a", "SBIN-EQ")).await.tag, Some(Tag::BrokerRejected));
        desk.alert(&[exit("a", "SBIN-EQ")]).await;
        desk.until("flat", |desk| desk.held("a", &sbin()) == 0).await;
        assert_eq!(desk.rows().iter().skip(2).map(|row| row.filled_quantity).collect::<Vec<_>>(), [7, 3], "{}", desk.trace());
        desk.at_rest().await;
    });
}
