//! Exits that a person must hear of: a broker that takes no more orders of the day, a hedge that goes before what it covers, a
//! contract that is about to be delivered.

use std::sync::Arc;

use chrono::{DateTime, NaiveDate};
use ordergate::brokers::faulty::{CallKind, Fault};
use ordergate::simulator::exchange::NewOrder;
use ordergate::simulator::market::Level;
use ordergate_actors::exits::{Combined, slot};
use ordergate_actors::order::{
    Exchange, HoldingKey, Instrument, InstrumentKey, Kind, LegDraft, OrderType, Product, Quantity, Side, Source, Status, Strategy, Terms,
    Validity,
};
use ordergate_actors::persistence::{Keep, Level as Loud, Slot};
use ordergate_actors::ports::Instruments as _;

use crate::desk::{But, Desk, Setup, buy, price, rupees, sbin, scenario, sell};
use crate::world::client;

fn said(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn keep(slot: Slot) -> Keep {
    Keep {
        client_id: Some(client()),
        slot,
        value: None,
        basis: Some(0),
        event: "EXIT_RULE_SET",
        level: Loud::Info,
        reason: Arc::from("a drill"),
        who: Arc::from("a test"),
        command_id: None,
    }
}

#[test]
fn an_exit_after_the_brokers_cut_off_is_not_sent_again_and_pages_until_somebody_closes_it() {
    scenario(Setup::polled(), async |desk| {
        desk.trades_at(&sbin(), "860");
        desk.ended(LegDraft { stop_loss: said("10 points"), ..buy("a", 10) }).await;
        desk.pass_secs(3).await;
        desk.always(CallKind::Place, Fault::Refuse("MIS orders are not allowed after Square off time".into()));
        desk.trades_at(&sbin(), "845");
        desk.until_alarm("ALARM_EXIT_STUCK").await;
        assert!(desk.texts("ALARM_EXIT_STUCK")[0].contains("close it at the broker"));
        desk.pass_secs(90).await;
        let tries = |desk: &Desk| desk.rows().iter().filter(|row| row.source == Source::System).count();
        assert_eq!((tries(desk), desk.texts("ALARM_EXIT_STUCK").len()), (1, 1), "once is enough");
        // Somebody does it by hand.
        let terms = Terms {
            side: Side::Sell,
            quantity: Quantity::new(10).unwrap(),
            product: Product::Mis,
            order_type: OrderType::Market,
            validity: Validity::Day,
            price: None,
            trigger_price: None,
        };
        desk.broker.broker.inner().place_foreign(&NewOrder { instrument: sbin(), terms, tag: None }).unwrap().unwrap();
        desk.until("the position and its rule are gone", |desk| {
            let key = HoldingKey { instrument: sbin(), product: Product::Mis };
            let is_ruled = desk.engine.read(&client(), |book| book.kept(&slot(&Strategy::parse("a").unwrap(), &key)).is_some());
            desk.held("a", &sbin()) == 0 && is_ruled == Some(false)
        })
        .await;
    });
}

fn option(symbol: &str) -> InstrumentKey {
    InstrumentKey::new(Exchange::Nfo, symbol)
}

/// A strategy has sold a call and bought a higher one against it. Both are left together; nobody sells the short one back.
#[test]
fn a_hedge_waits_for_what_it_covers_and_goes_with_a_page_when_that_does_not_come() {
    scenario(Setup::default(), async |desk| {
        let calls: Vec<InstrumentKey> = ["25700", "25800"].iter().map(|strike| option(&format!("NIFTY24NOV26C{strike}"))).collect();
        for (key, bid) in calls.iter().zip(["120", "80"]) {
            assert!(desk.instruments.find(key).is_some(), "{key} is in the sample");
            desk.trades_at(key, bid);
        }
        let lot = desk.instruments.find(&calls[0]).unwrap().lot.value();
        let leg = |leg: LegDraft, key: &InstrumentKey| LegDraft {
            exchange: said("NFO"),
            symbol: said(&key.symbol),
            ..leg.product("NRML").of(lot)
        };
        // The hedge first, so that the short is never alone.
        assert_eq!(desk.ended(leg(buy("a", 1), &calls[1])).await.status, Status::Executed);
        let short = desk.ended(leg(sell("a", 1).kind("ADJUST"), &calls[0])).await;
        assert_eq!(short.status, Status::Executed, "{:?}", short.reason);
        desk.pass_secs(3).await;
        let combined = Combined {
            strategy: Strategy::parse("a").unwrap(),
            stop: Some(rupees(100)),
            target: None,
            fired_at: None,
            who: "a test".into(),
        };
        assert!(desk.engine.keep(keep(Combined::slot(&combined.strategy)).with(&combined).unwrap()).await.unwrap().is_applied());
        let level = |text: &str| vec![Level { price: price(text), quantity: 10_000 }];
        desk.market.set_depth(&calls[0], level("140"), Vec::new(), price("140"));
        desk.until("both are to be left", |desk| desk.texts("EXIT_RULE_FIRED").len() >= 3).await;
        desk.pass_secs(15).await;
        assert_eq!((desk.held("a", &calls[1]), desk.has_alarm("ALARM_EXIT_UNCOVERS")), (lot, false), "it waits for the short");
        desk.until_alarm("ALARM_EXIT_UNCOVERS").await;
        assert!(desk.texts("ALARM_EXIT_UNCOVERS")[0].contains("which it covers, is not bought back yet"));
        desk.until("the long one goes all the same", |desk| desk.held("a", &calls[1]) == 0).await;
        desk.trades_at(&calls[0], "130");
        desk.until("and the short one when somebody sells it", |desk| desk.held("a", &calls[0]) == 0).await;
        desk.at_rest().await;
    });
}

/// Both shall be out at the same minute, and the hedge has the name that comes first: the short is bought back first all the same.
#[test]
fn a_hedge_whose_time_is_up_with_its_shorts_goes_after_it() {
    let at = "2026-11-23T14:50:00+05:30".parse::<chrono::DateTime<chrono::FixedOffset>>().unwrap().to_utc();
    let mut setup = Setup { starts_at: at, ..Setup::default() };
    // The entries come late on purpose.
    setup.account.limits.intraday_cutoff = std::time::Duration::ZERO;
    scenario(setup, async |desk| {
        let puts: Vec<InstrumentKey> = ["25600", "25700"].iter().map(|strike| option(&format!("NIFTY24NOV26P{strike}"))).collect();
        for (key, bid) in puts.iter().zip(["80", "120"]) {
            desk.trades_at(key, bid);
        }
        let lot = desk.instruments.find(&puts[0]).unwrap().lot.value();
        let leg = |leg: LegDraft, key: &InstrumentKey| LegDraft {
            exchange: said("NFO"),
            symbol: said(&key.symbol),
            exit_at: said("14:52"),
            ..leg.product("NRML").of(lot)
        };
        assert_eq!(desk.ended(leg(buy("a", 1), &puts[0])).await.status, Status::Executed);
        assert_eq!(desk.ended(leg(sell("a", 1).kind("ADJUST"), &puts[1])).await.status, Status::Executed);
        let level = |text: &str| vec![Level { price: price(text), quantity: 10_000 }];
        // Nobody sells the short back for a while.
        desk.market.set_depth(&puts[1], level("119"), Vec::new(), price("120"));
        desk.until("both are to be left", |desk| desk.texts("EXIT_RULE_FIRED").len() >= 2).await;
        desk.pass_secs(10).await;
        assert_eq!((desk.held("a", &puts[0]), desk.has_alarm("ALARM_EXIT_UNCOVERS")), (lot, false), "{}", desk.trace());
        desk.trades_at(&puts[1], "120");
        desk.until("both are left", |desk| puts.iter().all(|key| desk.held("a", key) == 0)).await;
        desk.at_rest().await;
    });
}

/// The hedge has a stop of its own, and its short stays: a stop of it at the broker, or a limit far away, buys nothing back now. The hedge
/// goes at once, and a person hears that the short stands alone.
#[test]
fn a_hedge_whose_short_stays_leaves_at_once_and_says_what_it_leaves_alone() {
    for stop_at in [None, said("broker")] {
        scenario(Setup::default(), async |desk| {
            let calls: Vec<InstrumentKey> = ["25700", "25800"].iter().map(|strike| option(&format!("NIFTY24NOV26C{strike}"))).collect();
            for (key, bid) in calls.iter().zip(["120", "80"]) {
                desk.trades_at(key, bid);
            }
            let lot = desk.instruments.find(&calls[0]).unwrap().lot.value();
            let leg = |leg: LegDraft, key: &InstrumentKey, stop: &str| LegDraft {
                exchange: said("NFO"),
                symbol: said(&key.symbol),
                stop_loss: said(stop),
                ..leg.product("NRML").of(lot)
            };
            assert_eq!(desk.ended(leg(buy("a", 1), &calls[1], "10 points")).await.status, Status::Executed);
            let short = LegDraft { stop_at: stop_at.clone(), ..leg(sell("a", 1).kind("ADJUST"), &calls[0], "50 points") };
            assert_eq!(desk.ended(short).await.status, Status::Executed);
            desk.pass_secs(10).await;
            assert_eq!(desk.rows().iter().any(|row| row.source == Source::Stop), stop_at.is_some());
            desk.trades_at(&calls[1], "69");
            let since = desk.clock_now();
            desk.until("the hedge is gone", |desk| desk.held("a", &calls[1]) == 0).await;
            assert!(desk.clock_now() - since <= chrono::Duration::seconds(3), "{}", desk.trace());
            let told = desk.texts("ALARM_EXIT_UNCOVERS");
            assert!(told.len() == 1 && told[0].contains("25700 NRML stays: it is not covered any more"), "{told:?}");
            assert_eq!(desk.held("a", &calls[0]), -lot);
        });
    }
}

/// A future on SBIN, which ends on the day of the sample's nearest.
fn share_future() -> Vec<Instrument> {
    let expiry = NaiveDate::from_ymd_opt(2026, 11, 24).unwrap();
    vec![Instrument {
        rupees_per_point: rust_decimal::Decimal::ONE,
        key: option("SBIN24NOV26F"),
        token: 990_001,
        underlying: "SBIN".into(),
        kind: Kind::Future { expiry },
        lot: Quantity::new(750).unwrap(),
        tick: price("0.05"),
        freeze: None,
        band: None,
    }]
}

#[test]
fn a_contract_on_a_share_is_named_before_it_is_delivered_once_a_day_and_one_on_an_index_never() {
    let starts_at = "2026-11-22T10:00:00+05:30".parse::<DateTime<chrono::FixedOffset>>().unwrap().to_utc();
    scenario(Setup { contracts: share_future, starts_at, ..Setup::default() }, async |desk| {
        let key = option("SBIN24NOV26F");
        desk.trades_at(&key, "860");
        let of = |leg: LegDraft, key: &InstrumentKey| LegDraft { stop_loss: said("10%"), symbol: said(&key.symbol), ..leg };
        let entry = desk.ended(of(buy("a", 750).in_future().product("NRML"), &key)).await;
        assert_eq!(entry.status, Status::Executed, "{:?}", entry.reason);
        desk.ended(of(buy("b", 75).in_future().product("NRML"), &crate::desk::future())).await;
        desk.until_alarm("ALARM_DELIVERY_NEAR").await;
        desk.pass_secs(30).await;
        let said = desk.texts("ALARM_DELIVERY_NEAR");
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].contains("SBIN24NOV26F") && said[0].contains("2026-11-24"), "{said:?}");
        // Nobody watches what has no rule.
        let bare = desk.ended(LegDraft { stop_loss: None, ..of(buy("c", 750).in_future().product("NRML"), &key) }).await;
        assert_eq!(bare.status, Status::Executed, "{:?}", bare.reason);
        desk.until("it is named too", |desk| desk.texts("ALARM_DELIVERY_NEAR").len() == 2).await;
        desk.at_rest().await;
    });
}
