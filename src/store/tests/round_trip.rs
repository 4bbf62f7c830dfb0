//! Every field of an order comes back as it went in.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use ordergate_actors::order::{
    Ask, Asked, BasketId, BrokerOrderId, BrokerTag, CommandId, Exchange, ExitAt, ExitExtras, ExitTimes, Holding, HoldingKey, InstrumentKey,
    Intent, OrderRecord, OrderType, Points, Price, Product, Quantity, Routed, Side, SignalId, Source, Status, StopAt, Strategy, Tag, Terms,
    TestMode, Trailing, TrailingType, Validity,
};
use ordergate_actors::ports::{Store, Verdict, Write};
use proptest::option::of;
use proptest::prelude::{Strategy as Gen, any, prop_assert_eq, proptest};
use proptest::sample::select;
use rust_decimal::Decimal;
use uuid::Uuid;

use crate::store::fixtures::{client, insert, now, order, round, update};
use crate::store::{SimulatedDisk, SqliteStore};

fn decimal() -> impl Gen<Value = Decimal> {
    (-1_000_000_000_000i64..1_000_000_000_000, 0u32..10).prop_map(|(digits, scale)| Decimal::new(digits, scale))
}

fn price() -> impl Gen<Value = Price> {
    (1i64..10_000_000_000).prop_map(|digits| Price::new(Decimal::new(digits, 4)).unwrap())
}

fn time() -> impl Gen<Value = DateTime<Utc>> {
    (0i64..4_000_000_000_000_000).prop_map(|micros| DateTime::from_timestamp_micros(micros).unwrap())
}

fn text() -> impl Gen<Value = Arc<str>> {
    "\\PC{0,40}".prop_map(Arc::from)
}

fn id() -> impl Gen<Value = Uuid> {
    any::<u128>().prop_map(Uuid::from_u128)
}

fn exit_at() -> impl Gen<Value = ExitAt> {
    (1i64..990_000, 0u8..3).prop_map(|(value, kind)| match kind {
        0 => ExitAt::Price(Price::new(Decimal::new(value, 2)).unwrap()),
        1 => ExitAt::Points(Decimal::new(value, 2).normalize()),
        _ => ExitAt::Percent(Decimal::new(value, 4).normalize()),
    })
}

fn ask() -> impl Gen<Value = Ask> {
    let trailing = (select(TrailingType::ALL), decimal()).prop_map(|(kind, value)| Trailing { kind, value });
    let names = (
        "\\PC{1,16}".prop_filter_map("a name as it may come", |name| Strategy::parse(&name).ok()),
        of(select(Intent::ALL)),
        of(select(Exchange::ALL)),
        text(),
    );
    let size =
        (of(select(Side::ALL)), of((1i64..=Quantity::MAX).prop_map(|units| Quantity::new(units).unwrap())), of(select(Product::ALL)));
    let kind = (
        of(select(OrderType::ALL)),
        select(Validity::ALL),
        of(select(TestMode::ALL)),
        of(-Quantity::MAX..=Quantity::MAX),
        of(any::<u32>()),
        of(routed()),
    );
    let exits = (of(exit_at()), of(exit_at()), of(0u32..1_440), of(select(StopAt::ALL)));
    let exits = exits.prop_map(|(trailing_step, break_even, minutes, stop_at)| ExitExtras {
        trailing_step,
        break_even,
        times: ExitTimes { minutes: minutes.filter(|minutes| *minutes > 0), ..ExitTimes::default() },
        stop_at,
        ..ExitExtras::default()
    });
    let prices = (of(price()), of(price()), of(exit_at()), of(exit_at()), of(price()), of(trailing), exits);
    (names, size, kind, prices).prop_map(|((strategy, intent, exchange, symbol), (side, quantity, product), kind, prices)| Ask {
        strategy,
        intent,
        exchange,
        symbol,
        side,
        quantity,
        product,
        order_type: kind.0,
        validity: kind.1,
        price: prices.0,
        trigger_price: prices.1,
        stop_loss: prices.2,
        target: prices.3,
        seen_price: prices.4,
        trailing: prices.5,
        exits: prices.6,
        test_mode: kind.2,
        target_position: kind.3,
        cancel_after_s: kind.4,
        route: kind.5.map(Arc::new),
    })
}

fn routed() -> impl Gen<Value = Routed> {
    (text(), 0u64..1_000_000, any::<u32>(), of(any::<u32>()), any::<bool>())
        .prop_map(|(route, version, adds, trades_per_day, approval)| Routed { route, version, adds, trades_per_day, approval })
}

fn asked() -> impl Gen<Value = Vec<Asked>> {
    let one = (select(Side::ALL), 1i64..=Quantity::MAX, of(price()), any::<bool>()).prop_map(|(side, units, price, is_taken)| Asked {
        terms: Terms {
            side,
            quantity: Quantity::new(units).unwrap(),
            product: Product::Mis,
            order_type: OrderType::StopLimit,
            validity: Validity::Day,
            price,
            trigger_price: price,
        },
        is_taken,
    });
    proptest::collection::vec(one, 0..3)
}

fn record() -> impl Gen<Value = OrderRecord> {
    let ids = (id(), 1u64..1_000_000, id(), any::<u16>(), id(), of(id()));
    let origin = (select(Source::ALL), text(), ask());
    let place = (select(Status::ALL), of(select(Tag::ALL)), of(text()), of("[!-~]{1,64}"), of(select(Tag::ALL)));
    let numbers = (0i64..1_000_000_000, of(decimal()), 0i64..1_000_000_000, decimal(), 0u64..1_000_000_000, any::<u32>());
    let change = (of((select(Side::ALL), 1i64..=Quantity::MAX, select(Product::ALL), of(price()))), of("[!-~]{1,64}"), asked());
    let times = (time(), time(), time(), of(time()));
    (ids, origin, place, numbers, times, change).prop_map(|(ids, (source, user, ask), place, numbers, times, change)| OrderRecord {
        client_id: client(),
        command_id: CommandId(ids.0),
        number: ids.1,
        signal_id: SignalId(ids.2),
        leg: ids.3,
        basket_id: BasketId(ids.4),
        parent_command_id: ids.5.map(CommandId),
        source,
        user,
        ask,
        status: place.0,
        tag: place.1,
        reason: place.2,
        broker_tag: BrokerTag::parse("AB1200000000001").unwrap(),
        broker_order_id: place.3.map(|id| BrokerOrderId::parse(&id).unwrap()),
        filled_quantity: numbers.0,
        average_price: numbers.1,
        traded_quantity: numbers.2,
        traded_value: Points(numbers.3),
        cancel_wanted: place.4,
        modifications: numbers.5,
        reach: Quantity::new(numbers.0),
        high_water: change.1.map(|id| BrokerOrderId::parse(&id).unwrap()),
        pending: change.0.map(|(side, units, product, price)| Terms {
            side,
            quantity: Quantity::new(units).unwrap(),
            product,
            order_type: OrderType::Limit,
            validity: Validity::Day,
            price,
            trigger_price: price,
        }),
        asked: change.2,
        by_hand: times.3,
        signal_time: times.0,
        created_at: times.1,
        updated_at: times.2,
        sent_at: times.3,
        seq: numbers.4,
    })
}

proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(200))]
    #[test]
    fn prop_an_order_reads_back_as_written(first in record(), then in record()) {
        let disk = SimulatedDisk::new("SIM1").unwrap();
        let mut store = SqliteStore::simulated(&disk, now()).unwrap();
        prop_assert_eq!(round(&mut store, &[insert(first.clone())]), Verdict::Done);
        prop_assert_eq!(store.order(&client(), first.command_id).unwrap(), Some(first.clone()));
        // Everything changes but what an order is called and where it came from.
        let ask = Ask {
            strategy: first.ask.strategy.clone(),
            exchange: first.ask.exchange,
            symbol: first.ask.symbol.clone(),
            test_mode: first.ask.test_mode,
            target_position: first.ask.target_position,
            cancel_after_s: first.ask.cancel_after_s,
            seen_price: first.ask.seen_price,
            route: first.ask.route.clone(),
            ..then.ask
        };
        let moved = OrderRecord {
            command_id: first.command_id,
            number: first.number,
            signal_id: first.signal_id,
            leg: first.leg,
            basket_id: first.basket_id,
            parent_command_id: first.parent_command_id,
            source: first.source,
            user: first.user.clone(),
            signal_time: first.signal_time,
            created_at: first.created_at,
            ask,
            ..then
        };
        prop_assert_eq!(round(&mut store, &[update(moved.clone())]), Verdict::Done);
        drop(store);
        let mut store = SqliteStore::simulated(&disk, now()).unwrap();
        let loaded = store.load().unwrap();
        prop_assert_eq!(loaded.accounts[0].last_number, first.number);
        prop_assert_eq!(&loaded.accounts[0].orders, &vec![moved]);
    }

    #[test]
    fn prop_a_holding_reads_back(net in any::<i64>(), opened in proptest::option::of(time()), cost in decimal(), realised in decimal(), symbol in text()) {
        let disk = SimulatedDisk::new("SIM1").unwrap();
        let mut store = SqliteStore::simulated(&disk, now()).unwrap();
        let key = HoldingKey { instrument: InstrumentKey { exchange: Exchange::Nfo, symbol }, product: Product::Nrml };
        let strategy = Strategy::parse("trend").unwrap();
        let holding = Holding { net, cost: Points(cost), realised: Points(realised), opened_at: opened };
        for held in [Holding { net: 1, ..Holding::default() }, holding] {
            let write = Write::Holding { client_id: client(), strategy: strategy.clone(), key: key.clone(), holding: held, at: now() };
            prop_assert_eq!(round(&mut store, &[write]), Verdict::Done);
        }
        let expected = if net == 0 { vec![] } else { vec![(strategy, key, holding)] };
        prop_assert_eq!(&store.load().unwrap().accounts[0].holdings, &expected);
    }
}

#[test]
fn any_script_is_kept_as_it_came() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = SqliteStore::in_directory(directory.path(), now()).unwrap();
    let mut order = order(1);
    order.ask.strategy = Strategy::parse("निफ्टी 📈 O'Brien \"quoted\"; DROP TABLE orders").unwrap();
    order.reason = Some(Arc::from("नकार: ₹५०,००० से अधिक\u{200d}"));
    order.ask.symbol = Arc::from("M&M-EQ");
    round(&mut store, &[insert(order.clone())]);
    let control = Write::Control { client_id: client(), value: Arc::from("{\"level\":2,\"by\":\"रवि\"}"), at: now() };
    round(&mut store, &[control]);
    store.close().unwrap();
    drop(store);
    let loaded = SqliteStore::in_directory(directory.path(), now()).unwrap().load().unwrap();
    assert_eq!(loaded.accounts[0].orders, [order]);
    assert_eq!(loaded.accounts[0].control.as_deref(), Some("{\"level\":2,\"by\":\"रवि\"}"));
}
