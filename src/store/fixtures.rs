//! Rows for tests.

pub(super) mod desk;

use std::sync::Arc;

use chrono::{DateTime, Duration, Utc};
use ordergate_actors::order::{
    Ask, BasketId, BrokerOrderId, BrokerTag, ClientId, CommandId, Exchange, Fill, Holding, OrderRecord, Points, Price, Quantity, SignalId,
    Source, Status, TradeId,
};
use ordergate_actors::persistence::chain::row_hash;
use ordergate_actors::ports::{JournalRow, SignalRow, Store, Verdict, Write};
use rust_decimal::Decimal;
use uuid::Uuid;

use super::SqliteStore;

pub(super) fn now() -> DateTime<Utc> {
    "2026-11-20T04:00:00Z".parse().unwrap()
}

pub(super) fn client() -> ClientId {
    ClientId::parse("PAPER1").unwrap()
}

pub(super) fn command(number: u64) -> CommandId {
    CommandId(Uuid::from_u128(0x1000_0000_0000 + u128::from(number)))
}

/// The order of tests, as this store's tests know it.
pub(super) fn order(number: u64) -> OrderRecord {
    let standard = ordergate_actors::testkit::order(number);
    let ask = Ask {
        symbol: Arc::from("RELIANCE-EQ"),
        price: Price::parse("1402.55").ok(),
        stop_loss: "1390".parse().ok(),
        ..standard.ask.clone()
    };
    OrderRecord {
        client_id: client(),
        command_id: command(number),
        signal_id: SignalId(Uuid::from_u128(0x2000_0000_0000 + u128::from(number))),
        basket_id: BasketId(Uuid::from_u128(0x3000_0000_0000 + u128::from(number))),
        user: Arc::from("tv"),
        ask,
        broker_tag: BrokerTag::parse(&format!("AB12{number:011}")).unwrap(),
        signal_time: now(),
        created_at: now() + Duration::microseconds(i64::try_from(number).unwrap()),
        updated_at: now(),
        seq: number,
        ..standard
    }
}

pub(super) fn sent(number: u64, broker_order_id: &str) -> OrderRecord {
    let broker_order_id = BrokerOrderId::parse(broker_order_id).ok();
    OrderRecord { status: Status::SentToBroker, sent_at: Some(now()), broker_order_id, ..order(number) }
}

pub(super) fn executed(number: u64, broker_order_id: &str) -> OrderRecord {
    OrderRecord {
        status: Status::Executed,
        filled_quantity: 10,
        average_price: Some(Decimal::new(14_025_500, 4)),
        traded_quantity: 10,
        traded_value: Points(Decimal::new(140_255, 1)),
        ..sent(number, broker_order_id)
    }
}

pub(super) fn signal(number: u64, key: &str) -> SignalRow {
    SignalRow {
        client_id: client(),
        signal_id: order(number).signal_id,
        idempotency_key: key.to_owned(),
        body_hash: [7; 32],
        source: Source::Webhook,
        user: Arc::from("tv"),
        received_at: now(),
        legs: 1,
    }
}

pub(super) fn fill(order: &OrderRecord, trade: &str) -> Write {
    Write::Fill {
        client_id: order.client_id.clone(),
        command_id: order.command_id,
        trading_date: "2026-11-20".parse().unwrap(),
        exchange: Exchange::Nse,
        fill: Fill {
            trade_id: TradeId::parse(trade).unwrap(),
            broker_order_id: BrokerOrderId::parse("B1").unwrap(),
            quantity: Quantity::new(10).unwrap(),
            price: Price::parse("1402.5").unwrap(),
            at: now(),
        },
        seq: order.seq,
        before: Holding::default(),
    }
}

/// The row after `before`, about an order.
pub(super) fn journal_after(before: Option<&JournalRow>, of: &OrderRecord, from: Option<Status>) -> JournalRow {
    JournalRow {
        client_id: Some(of.client_id.clone()),
        seq: before.map_or(1, |row| row.seq + 1),
        prev_hash: before.map_or([0; 32], row_hash),
        at: now(),
        event: Arc::from("order.moved"),
        command_id: Some(of.command_id),
        signal_id: Some(of.signal_id),
        from,
        to: Some(of.status),
        tag: of.tag,
        reason: of.reason.clone(),
        who: Arc::from("broker"),
        inputs: Arc::from(r#"{"price":"1402.55","gates":[{"gate":"risk.max_quantity","passed":true,"input":"10","limit":"500"}]}"#),
    }
}

pub(super) fn insert(order: OrderRecord) -> Write {
    Write::InsertOrder(Arc::new(order))
}

pub(super) fn update(order: OrderRecord) -> Write {
    Write::UpdateOrder(Arc::new(order))
}

/// One round of one unit.
pub(super) fn round(store: &mut SqliteStore, writes: &[Write]) -> Verdict {
    store.begin().unwrap();
    let verdict = store.unit(writes).unwrap();
    store.commit().unwrap();
    verdict
}

/// A journaled day: `orders` orders, each created, sent and executed. Answers the chain's rows.
pub(super) fn day(store: &mut SqliteStore, orders: u64) -> Vec<JournalRow> {
    let mut rows: Vec<JournalRow> = Vec::new();
    for number in 1..=orders {
        let broker_id = format!("B{number}");
        let steps = [order(number), sent(number, &broker_id), executed(number, &broker_id)];
        for (i, step) in steps.iter().enumerate() {
            let row = journal_after(rows.last(), step, i.checked_sub(1).map(|before| steps[before].status));
            let write = if i == 0 { insert(step.clone()) } else { update(step.clone()) };
            assert_eq!(round(store, &[write, Write::Journal(Arc::new(row.clone()))]), Verdict::Done);
            rows.push(row);
        }
    }
    rows
}
