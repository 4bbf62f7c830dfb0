use std::sync::Arc;

use chrono::NaiveDate;
use ordergate_actors::order::{
    Amount, BrokerOrderId, Exchange, Fill, HoldingKey, Instrument, InstrumentKey, Kind, OrderType, Product, Quantity, TradeId,
};
use ordergate_actors::ports::{BookRow, Instruments, PositionRow, TradeRow, Unlisted};
use ordergate_actors::settings::{QuantityUnit, QuantityUnits};
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::{prop_assert_eq, proptest};
use rust_decimal::Decimal;

use super::fixtures::{book_row, price, share, terms};
use super::lots::Lots;
use super::wire::FieldError;
use super::wire::frames::{OrderUpdate, Shape};

#[derive(Debug)]
struct One(Arc<Instrument>);

impl Instruments for One {
    fn find(&self, key: &InstrumentKey) -> Option<Arc<Instrument>> {
        (self.0.key == *key).then(|| Arc::clone(&self.0))
    }
    fn as_of(&self, _: Exchange) -> Option<NaiveDate> {
        None
    }
}

fn future(exchange: Exchange, lot: i64) -> Arc<Instrument> {
    let expiry = NaiveDate::from_ymd_opt(2026, 11, 30).unwrap();
    Arc::new(Instrument {
        key: InstrumentKey::new(exchange, "CRUDEOIL30NOV26"),
        lot: Quantity::new(lot).unwrap(),
        kind: Kind::Future { expiry },
        ..share()
    })
}

fn lots(instrument: &Arc<Instrument>, unit: Option<QuantityUnit>, is_live: bool) -> Lots {
    Lots::new(Arc::new(One(Arc::clone(instrument))), QuantityUnits { mcx: unit, cds: unit }, is_live)
}

fn asked(units: i64) -> ordergate_actors::order::Terms {
    ordergate_actors::order::Terms { quantity: Quantity::new(units).unwrap(), ..terms(OrderType::Limit) }
}

fn row(instrument: &Instrument, quantity: i64, filled: i64) -> BookRow {
    BookRow { instrument: instrument.key.clone(), quantity, filled, ..book_row("26112000000001", "OG1") }
}

fn trade(instrument: &Instrument, quantity: i64) -> TradeRow {
    let fill = Fill {
        trade_id: TradeId::parse("1").unwrap(),
        broker_order_id: BrokerOrderId::parse("26112000000001").unwrap(),
        quantity: Quantity::new(quantity).unwrap(),
        price: price("100"),
        at: chrono::DateTime::UNIX_EPOCH,
    };
    TradeRow { fill, exchange: instrument.key.exchange }
}

fn position(instrument: &Instrument, net: i64) -> PositionRow {
    let holding = HoldingKey { instrument: instrument.key.clone(), product: Product::Mis };
    PositionRow {
        holding,
        net,
        average_price: None,
        realised: Amount::default(),
        unrealised: Amount::default(),
        per_point: None,
        carried: None,
    }
}

fn unit() -> impl Strategy<Value = QuantityUnit> {
    prop_oneof![Just(QuantityUnit::Units), Just(QuantityUnit::Lots)]
}

proptest! {
    #[test]
    fn prop_what_goes_out_comes_back_as_the_same_units(
        count in 1_i64..1_000, lot in 1_i64..1_000, unit in unit(), is_mcx in any::<bool>(), is_short in any::<bool>(),
    ) {
        let instrument = future(if is_mcx { Exchange::Mcx } else { Exchange::Cds }, lot);
        let lots = lots(&instrument, Some(unit), true);
        let units = count * lot;
        let out = lots.outward(&instrument, &asked(units)).unwrap().quantity.value();
        prop_assert_eq!(out, if unit == QuantityUnit::Lots { count } else { units });
        let back = lots.order(row(&instrument, out, out)).unwrap();
        prop_assert_eq!((back.quantity, back.filled), (units, units));
        prop_assert_eq!(lots.trade(&instrument.key, trade(&instrument, out)).unwrap().fill.quantity.value(), units);
        let sign = if is_short { -1 } else { 1 };
        prop_assert_eq!(lots.position(position(&instrument, sign * out)).unwrap().net, sign * units);
    }

    #[test]
    fn prop_less_than_whole_lots_never_goes_out(units in 1_i64..1_000_000, lot in 2_i64..5_000) {
        let instrument = future(Exchange::Mcx, lot);
        let out = lots(&instrument, Some(QuantityUnit::Lots), true).outward(&instrument, &asked(units));
        prop_assert_eq!(out.is_ok(), units % lot == 0);
    }
}

#[test]
fn what_is_not_settled_is_refused_where_real_money_moves_and_counts_units_elsewhere() {
    let instrument = future(Exchange::Mcx, 100);
    let refusal = lots(&instrument, None, true).outward(&instrument, &asked(100)).unwrap_err();
    assert!(refusal.reason.contains("quantity_unit.mcx") && refusal.reason.contains("lot of 100"), "{}", refusal.reason);
    assert_eq!(lots(&instrument, None, false).outward(&instrument, &asked(150)).unwrap().quantity.value(), 150);
}

#[test]
fn other_exchanges_always_count_units() {
    let instrument = future(Exchange::Nfo, 75);
    let lots = lots(&instrument, Some(QuantityUnit::Lots), true);
    assert_eq!(lots.outward(&instrument, &asked(75)).unwrap().quantity.value(), 75);
    assert_eq!(lots.order(row(&instrument, 75, 0)).unwrap().quantity, 75);
}

#[test]
fn a_lot_that_is_not_known_makes_the_row_unreadable() {
    let (known, other) = (future(Exchange::Mcx, 100), InstrumentKey::new(Exchange::Mcx, "GOLD"));
    let lots = lots(&known, Some(QuantityUnit::Lots), true);
    assert!(lots.order(BookRow { instrument: other.clone(), ..row(&known, 1, 0) }).is_err());
    assert!(lots.trade(&other, trade(&known, 1)).is_err());
    let of_other = |net: i64| PositionRow {
        holding: HoldingKey { instrument: other.clone(), product: Product::Nrml },
        realised: Amount(Decimal::from(-30)),
        unrealised: Amount(Decimal::from(10)),
        ..position(&known, net)
    };
    // Nothing but the number of units is missing: what it came to is told, and none are none.
    let unlisted = FieldError::Unlisted(Unlisted { instrument: other.clone(), result: Amount(Decimal::from(-20)) });
    assert_eq!(lots.position(of_other(2)), Err(unlisted));
    assert_eq!(lots.position(of_other(0)).unwrap().net, 0);
    assert!(lots.order(row(&known, i64::MAX, 0)).is_err(), "more than can be counted");
}

/// What a point is worth is told for one of what the broker counts.
#[test]
fn the_worth_of_a_point_is_that_of_a_unit() {
    let instrument = future(Exchange::Mcx, 100);
    let told = |unit: QuantityUnit, told: &str| {
        let row = PositionRow { per_point: told.parse().ok(), ..position(&instrument, 2) };
        lots(&instrument, Some(unit), true).position(row).unwrap().per_point.map(|point| point.to_string())
    };
    assert_eq!(told(QuantityUnit::Units, "0.1").as_deref(), Some("0.1"));
    assert_eq!(told(QuantityUnit::Lots, "10").as_deref(), Some("0.1"));
    assert_eq!(told(QuantityUnit::Lots, "x"), None);
    let one = future(Exchange::Cds, 1);
    assert_eq!(lots(&one, None, true).outward(&one, &asked(7)).unwrap().quantity.value(), 7, "a lot of one unit is a unit");
}

#[test]
fn a_fill_of_the_stream_without_its_instrument_is_left_to_the_books() {
    let instrument = future(Exchange::Mcx, 100);
    let update = |told| OrderUpdate {
        broker_order_id: BrokerOrderId::parse("26112000000001").unwrap(),
        shape: Shape::Sparse { lacks: "qty" },
        trade: Some(Ok(told)),
    };
    let counts_lots = lots(&instrument, Some(QuantityUnit::Lots), true);
    assert!(counts_lots.update(update(trade(&instrument, 2))).unwrap().trade.unwrap().is_err());
    let counts_units = lots(&instrument, Some(QuantityUnit::Units), true);
    assert_eq!(counts_units.update(update(trade(&instrument, 2))).unwrap().trade, Some(Ok(trade(&instrument, 2))));
}
