use std::sync::Arc;

use chrono::NaiveTime;
use proptest::prelude::{Just, any, prop_assert, prop_oneof, proptest};
use proptest::strategy::Strategy as _;

use super::*;
use crate::order::{Exchange, InstrumentKey, Kind, Quantity, Strategy};
use crate::routes::size::QtyUnit;
use crate::testkit::morning;

/// A share with a lot of one.
pub(crate) fn share() -> Instrument {
    Instrument {
        rupees_per_point: Decimal::ONE,
        key: InstrumentKey::new(Exchange::Nse, "SBIN-EQ"),
        token: 1,
        underlying: Arc::from("SBIN"),
        kind: Kind::Equity,
        lot: Quantity::new(1).unwrap(),
        tick: Price::parse("0.05").unwrap(),
        freeze: None,
        band: None,
    }
}

/// A future with a lot of 65.
pub(crate) fn future() -> Instrument {
    Instrument {
        key: InstrumentKey::new(Exchange::Nfo, "NIFTY24NOV26F"),
        underlying: Arc::from("NIFTY"),
        kind: Kind::Future { expiry: "2026-11-24".parse().unwrap() },
        lot: Quantity::new(65).unwrap(),
        ..share()
    }
}

/// A route that says what an order needs, and takes the alert's instrument and size.
pub(crate) fn route(direction: Direction) -> Route {
    Route {
        product: Some(Product::Mis),
        order_type: Some(OrderType::Market),
        ..Route::plain("tv", Strategy::parse("trend").unwrap(), direction)
    }
}

fn says(side: Side, size: &str) -> Reading {
    Reading {
        exchange: Some("NSE".into()),
        ticker: Some("SBIN".into()),
        action: Some(side),
        size: Decimal::from_str_exact(size).ok(),
        ..Reading::default()
    }
}

fn stands(position: i64) -> Reading {
    Reading { position: Some(position.into()), ..says(Side::Buy, "1") }
}

fn facts(instrument: &Instrument, held: i64) -> Facts<'_> {
    Facts { instrument: Some(instrument), price: Price::parse("100").ok(), held, stopped: None, now: morning() }
}

fn planned(reading: &Reading, route: &Route, facts: &Facts<'_>) -> Planned {
    settle(draft(reading, route, 7), reading, route, facts)
}

fn legs(reading: &Reading, route: &Route, held: i64) -> LegDraft {
    planned(reading, route, &facts(&share(), held)).leg
}

fn words(leg: &LegDraft) -> (Option<&str>, Option<&str>, Option<&str>) {
    (leg.execution_type.as_deref(), leg.side.as_deref(), leg.quantity.as_deref().or(leg.target_position.as_deref()))
}

#[test]
fn an_action_means_what_its_routes_direction_says() {
    let cases = [
        (Direction::Long, Side::Buy, "ENTRY", "BUY"),
        (Direction::Long, Side::Sell, "EXIT", "SELL"),
        (Direction::Short, Side::Sell, "ENTRY", "SELL"),
        (Direction::Short, Side::Buy, "EXIT", "BUY"),
    ];
    for (direction, side, intent, word) in cases {
        assert_eq!(words(&legs(&says(side, "5"), &route(direction), 0)), (Some(intent), Some(word), Some("5")));
    }
    let open = legs(&says(Side::Buy, "5"), &route(Direction::Both), 0);
    assert!(open.execution_type.is_none() && open.unreadable.first().unwrap().contains("market_position is missing"), "{open:?}");
}

#[test]
fn the_owner_is_the_routes_whatever_the_alert_calls_itself() {
    let mut alert = says(Side::Sell, "5");
    alert.strategy = Some("Close entry(s) order Long".into());
    let leg = legs(&alert, &route(Direction::Long), 5);
    assert_eq!((leg.strategy.as_deref(), leg.route.as_ref().map(|route| route.version)), (Some("trend"), Some(7)));
}

#[test]
fn what_neither_says_is_named() {
    let bare = Route { product: None, order_type: None, ..route(Direction::Long) };
    let mut alert = says(Side::Buy, "5");
    (alert.size, alert.ticker) = (None, None);
    let leg = legs(&alert, &bare, 0);
    assert!(leg.unreadable.iter().any(|words| words.contains("qty is missing")));
    assert!(leg.product.is_none() && leg.order_type.is_none() && leg.symbol.is_none(), "and the line names these");
    alert.action = None;
    assert!(legs(&alert, &bare, 0).unreadable.iter().any(|words| words.contains("action is missing")));
    let sells = Route { action: Some(Side::Buy), size: Some(Size::Units(3)), ..bare };
    assert_eq!(words(&legs(&alert, &sells, 0)), (Some("ENTRY"), Some("BUY"), Some("3")));
}

#[test]
fn a_position_is_a_target_in_the_declared_unit() {
    let lots = Route { qty_unit: Some(QtyUnit::Lots), ..route(Direction::Both) };
    let target = |position: i64, held: i64| {
        let nifty = future();
        planned(&stands(position), &lots, &facts(&nifty, held)).leg.target_position
    };
    assert_eq!(target(2, 0).as_deref(), Some("130"));
    assert_eq!(target(-2, 130).as_deref(), Some("-130"));
    assert_eq!(target(0, 130).as_deref(), Some("0"));
    assert_eq!(target(0, 0).as_deref(), Some("0"), "what is flat already is for the line to say");
    let odd = planned(&stands(75), &Route { qty_unit: Some(QtyUnit::Units), ..lots }, &facts(&future(), 0)).leg;
    assert!(odd.unreadable.first().unwrap().ends_with("lot 65; 65 or 130") && odd.target_position.is_none());
}

#[test]
fn a_side_that_the_route_does_not_take_is_flat() {
    let plan = planned(&stands(-5), &route(Direction::Long), &facts(&share(), 5));
    assert_eq!(plan.leg.target_position.as_deref(), Some("0"));
    assert!(plan.notes.first().unwrap().contains("does not take that side"));
    assert_eq!(legs(&stands(5), &route(Direction::Short), 0).target_position.as_deref(), Some("0"));
}

#[test]
fn a_fixed_size_takes_the_place_of_the_alerts_number() {
    let two = Route { size: Some(Size::Lots(2)), ..route(Direction::Both) };
    let nifty = future();
    let leg = |reading: &Reading, held| planned(reading, &two, &facts(&nifty, held)).leg;
    assert_eq!(leg(&stands(-7), 0).target_position.as_deref(), Some("-130"));
    let long = Route { direction: Direction::Long, ..two.clone() };
    let exit = planned(&says(Side::Sell, "1"), &long, &facts(&nifty, 130)).leg;
    assert_eq!((exit.execution_type.as_deref(), exit.quantity), (Some("EXIT"), None), "it closes all");
    let rupees = Route { size: Some(Size::Rupees(20_000.into())), ..two };
    let target = |held| planned(&stands(1), &rupees, &facts(&nifty, held)).leg.target_position;
    assert_eq!(target(0).as_deref(), Some("195"));
    assert_eq!(target(65).as_deref(), Some("65"), "what it bought is kept");
}

#[test]
fn entries_have_a_window_and_exits_have_none() {
    let late = Route { entries_until: NaiveTime::from_hms_opt(9, 20, 0), ..route(Direction::Both) };
    assert!(morning().with_timezone(&ist()).time() >= NaiveTime::from_hms_opt(9, 20, 0).unwrap());
    let blocked = legs(&stands(5), &late, 0).blocked.unwrap();
    assert!(blocked.reason.contains("takes entries from the open to 09:20"), "{}", blocked.reason);
    assert!(legs(&stands(5), &late, 3).blocked.is_some(), "adding is entering");
    assert!(legs(&stands(3), &late, 5).blocked.is_none(), "less is leaving");
    assert!(legs(&stands(0), &late, 5).blocked.is_none());
    let turned = legs(&stands(-5), &late, 5);
    assert_eq!((turned.blocked, turned.target_position.as_deref()), (None, Some("0")), "a reversal closes and opens nothing");
    let long = Route { direction: Direction::Long, ..late };
    assert!(legs(&says(Side::Sell, "5"), &long, 5).blocked.is_none() && legs(&says(Side::Buy, "5"), &long, 0).blocked.is_some());
    let early = Route { entries_from: NaiveTime::from_hms_opt(23, 0, 0), ..route(Direction::Long) };
    assert!(legs(&says(Side::Buy, "5"), &early, 0).blocked.is_some());
}

#[test]
fn a_stop_of_the_source_stops_entries_only() {
    let share = share();
    let stopped = |reading: &Reading, held| {
        let facts = Facts { stopped: Some("numbers 4 to 5 of tv are missing"), ..facts(&share, held) };
        planned(reading, &route(Direction::Both), &facts).leg.blocked
    };
    assert!(stopped(&stands(5), 0).unwrap().reason.contains("4 to 5"));
    assert_eq!(stopped(&stands(0), 5), None);
}

#[test]
fn stops_go_with_what_opens() {
    let safe = Route {
        stop_loss: Some("1.5%".into()),
        target: Some("30 points".into()),
        trailing: Some("5 points".into()),
        stop_at: Some(crate::order::StopAt::Broker),
        ..route(Direction::Long)
    };
    let entry = legs(&says(Side::Buy, "5"), &safe, 0);
    assert_eq!((entry.stop_loss.as_deref(), entry.target.as_deref()), (Some("1.5%"), Some("30 points")));
    assert_eq!((entry.trailing_type.as_deref(), entry.trailing_value.as_deref()), (Some("POINTS"), Some("5")));
    assert_eq!(entry.stop_at.as_deref(), Some("broker"));
    assert!(legs(&says(Side::Sell, "5"), &safe, 5).stop_loss.is_none() && legs(&stands(0), &safe, 5).stop_loss.is_none());
}

#[test]
fn a_charts_price_is_no_price_of_another_instrument() {
    let mut alert = says(Side::Buy, "1");
    alert.price = Some("24000".into());
    let limit = Route { order_type: Some(OrderType::Limit), ..route(Direction::Long) };
    assert_eq!(legs(&alert, &limit, 0).price.as_deref(), Some("24000"));
    let option = Route { instrument: Some("NIFTY weekly ATM CE".into()), ..limit };
    let leg = legs(&alert, &option, 0);
    assert_eq!((leg.price, leg.exchange, leg.symbol.as_deref()), (None, None, Some("NIFTY weekly ATM CE")));
    let listed = Route { instrument: Some("BFO:SENSEX next ATM PE".into()), ..option };
    assert_eq!(legs(&alert, &listed, 0).exchange.as_deref(), Some("BFO"));
}

#[test]
fn where_the_strategy_was_is_compared_only_in_the_same_unit() {
    let mut alert = stands(3);
    alert.before = Some(2.into());
    let before = |route: &Route| planned(&alert, route, &facts(&share(), 0)).before;
    assert_eq!(before(&route(Direction::Both)), Some(2));
    assert_eq!(before(&Route { size: Some(Size::Units(9)), ..route(Direction::Both) }), None);
    alert.before = Some((-2).into());
    assert_eq!(planned(&alert, &route(Direction::Long), &facts(&share(), 0)).before, None);
}

fn any_reading() -> impl proptest::strategy::Strategy<Value = Reading> {
    let number =
        || proptest::option::of(prop_oneof![(-300i64..300).prop_map(Decimal::from), any::<i64>().prop_map(|n| Decimal::new(n, 6))]);
    let side = proptest::option::of(prop_oneof![Just(Side::Buy), Just(Side::Sell)]);
    (number(), number(), number(), side, proptest::option::of("\\PC{0,20}")).prop_map(|(size, position, before, action, ticker)| Reading {
        size,
        position,
        before,
        action,
        ticker,
        ..Reading::default()
    })
}

fn any_route() -> impl proptest::strategy::Strategy<Value = Route> {
    let direction = prop_oneof![Just(Direction::Long), Just(Direction::Short), Just(Direction::Both)];
    let size = prop_oneof![
        Just(None),
        (1u32..500).prop_map(|lots| Some(Size::Lots(lots))),
        any::<u32>().prop_map(|n| Some(Size::Rupees(n.into())))
    ];
    let unit = prop_oneof![Just(None), Just(Some(QtyUnit::Lots)), Just(Some(QtyUnit::Units))];
    (direction, size, unit).prop_map(|(direction, size, qty_unit)| Route { size, qty_unit, ..route(direction) })
}

proptest! {
    /// Whatever an alert says: no panic, never a size that is no whole lot, and never a side that the route does not take.
    #[test]
    fn prop_what_comes_out_is_whole_and_on_a_side_of_the_route(reading in any_reading(), route in any_route(), held in -500i64..500) {
        let nifty = future();
        let leg = planned(&reading, &route, &facts(&nifty, held)).leg;
        for units in [&leg.quantity, &leg.target_position].into_iter().flatten().map(|text| text.parse::<i64>().unwrap()) {
            let is_kept = leg.target_position.is_some() && units == held;
            prop_assert!(units % 65 == 0 || is_kept, "{}", units);
            if leg.target_position.is_some() && !is_kept {
                prop_assert!(Side::of_net(units).is_none_or(|side| route.direction.takes(side)));
            }
        }
        prop_assert!(leg.quantity.is_none() || leg.target_position.is_none());
        let is_whole = leg.quantity.is_some() || leg.target_position.is_some() || leg.execution_type.as_deref() == Some("EXIT");
        prop_assert!(is_whole || !leg.unreadable.is_empty(), "{:?}", leg);
    }
}
