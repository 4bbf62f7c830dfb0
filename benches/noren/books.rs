//! A large order book that has not changed: what it costs beside parsing its JSON, and how long the engine's thread is
//! held for it.
//!
//! The baseline takes from each row, with serde_json alone, the fields that the adapter reads, as texts.

use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use ordergate::brokers::noren::wire::{Fields, Kept, order_row, trade_row};
use ordergate_actors::order::{BrokerOrderId, ClientId, OrderRecord, Status};
use ordergate_actors::persistence::{Book, Control};
use ordergate_actors::ports::{AccountHead, BookRow, Snapshot, TradeRow};
use ordergate_actors::testkit::{morning, order};
use ordergate_actors::watcher::{Last, LastTrades};
use serde::Deserialize;

use super::stats::{at, verdict};

const ROWS: usize = 10_000;
/// The newest orders that still work.
const OPEN: usize = 20;

/// What the adapter reads of an order's row.
#[derive(Deserialize)]
#[expect(dead_code, reason = "parsing is what is measured")]
struct WireRow {
    stat: Option<String>,
    norenordno: String,
    exch: String,
    tsym: String,
    trantype: String,
    prd: String,
    qty: String,
    fillshares: Option<String>,
    avgprc: Option<String>,
    prc: Option<String>,
    status: String,
    rejreason: Option<String>,
    remarks: Option<String>,
    norentm: Option<String>,
    ordersource: Option<String>,
    ipaddr: Option<String>,
}

/// Whether the order of that number works: the newest do.
fn is_open(number: usize) -> bool {
    number > ROWS - OPEN
}

fn id(number: usize) -> String {
    format!("261120{number:08}")
}

/// The order book as the broker sends it: the highest number first, every field that a row was seen to have.
fn order_book() -> String {
    let mut body = String::from("[");
    for number in (1..=ROWS).rev() {
        let (status, filled) =
            if is_open(number) { ("OPEN", String::new()) } else { ("COMPLETE", r#","fillshares":"10","avgprc":"799.95""#.to_owned()) };
        let _ = write!(
            body,
            r#"{{"stat":"Ok","norenordno":"{}","kidid":"1","uid":"FA00001","actid":"FA00001","exch":"NSE","tsym":"SBIN-EQ","qty":"10","rorgqty":"10","ordenttm":"1795149000","trantype":"B","prctyp":"LMT","ret":"DAY","token":"3045","mult":"1","prcftr":"1.000000","instname":"EQ","dname":"SBIN-EQ","pp":"2","ls":"1","ti":"0.05","prc":"800.00","trgprc":"0.00","rorgprc":"800.00","rprc":"800.00","rqty":"10","dscqty":"0","s_prdt_ali":"MIS","prd":"I","status":"{status}","st_intrn":"{status}","norentm":"10:00:00 20-11-2026","exch_tm":"20-11-2026 10:00:00","exchordid":"10000000{number:08}","remarks":"OGA1B2{number:07}","ordersource":"API","ipaddr":"203.0.113.7","brnchid":"HO","rejreason":" ","snonum":"0"{filled}}},"#,
            id(number)
        );
    }
    body.pop();
    body + "]"
}

fn trade_book() -> String {
    let rows = (1..=ROWS - OPEN).rev().map(|number| {
        format!(
            r#"{{"stat":"Ok","norenordno":"{}","uid":"FA00001","actid":"FA00001","exch":"NSE","prctyp":"LMT","ret":"DAY","prd":"I","flid":"{number}","fltm":"20-11-2026 10:00:00","trantype":"B","tsym":"SBIN-EQ","qty":"10","token":"3045","fillshares":"10","flqty":"10","pp":"2","ls":"1","ti":"0.05","prc":"800.00","flprc":"799.95","norentm":"10:00:00 20-11-2026","exch_tm":"20-11-2026 10:00:00","exchordid":"10000000{number:08}","remarks":"OGA1B2{number:07}"}}"#,
            id(number)
        )
    });
    format!("[{}]", rows.collect::<Vec<_>>().join(","))
}

/// Our side of the same orders.
fn ours() -> Book {
    let record = |number: usize| {
        let mut record: OrderRecord = order(u64::try_from(number).unwrap());
        record.broker_order_id = BrokerOrderId::parse(&id(number)).ok();
        record.sent_at = Some(morning());
        record.status = if is_open(number) { Status::SentToBroker } else { Status::Executed };
        if !is_open(number) {
            (record.filled_quantity, record.traded_quantity) = (10, 10);
        }
        record
    };
    let orders: Vec<OrderRecord> = (1..=ROWS).map(record).collect();
    let client_id = ClientId::parse("PAPER1").unwrap();
    Book::load(
        AccountHead { client_id, last_number: u64::try_from(ROWS).unwrap(), orders, holdings: Vec::new(), control: None },
        1,
        Control::default(),
    )
}

fn time<T>(times: &mut Vec<Duration>, run: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let made = run();
    times.push(start.elapsed());
    made
}

fn rows<T>(snapshot: Snapshot<T>) -> Vec<T> {
    match snapshot {
        Snapshot::Authoritative(rows, unreadable) if unreadable.is_empty() => rows,
        other => panic!("the book does not read: {:?}", matches!(other, Snapshot::Unknown(_))),
    }
}

/// As the adapter does it, on a thread for blocking work.
fn read_orders(kept: &mut Kept<Arc<BookRow>>, body: &str, now: DateTime<Utc>) -> Vec<Arc<BookRow>> {
    let read = |fields: &Fields| order_row::read(fields, now).map(|order| Arc::new(order.row));
    rows(kept.read(200, body.as_bytes(), read, |_| true, |_| {}).0)
}

fn read_trades(kept: &mut Kept<Arc<TradeRow>>, body: &str, now: DateTime<Utc>) -> Vec<Arc<TradeRow>> {
    rows(kept.read(200, body.as_bytes(), |fields| trade_row::read(fields, now).map(Arc::new), |_| true, |_| {}).0)
}

pub(crate) fn run(rounds: usize) {
    let (body, book, now) = (order_book(), ours(), morning());
    let (mut kept, mut last) = (Kept::default(), Last::<BookRow>::default());
    let (mut first_read, mut first_compare) = (Vec::new(), Vec::new());
    let mut found: Arc<[_]> = Arc::from(time(&mut first_read, || read_orders(&mut kept, &body, now)));
    let reading = time(&mut first_compare, || last.read(&book, &found, "A1B2", 1, now));
    assert!(reading.facts.is_empty() && reading.foreign.is_empty() && reading.concerns.is_empty() && reading.lacks.is_empty());
    assert_eq!((book.open_count(), reading.unsettled.len()), (OPEN, OPEN));
    let (mut plain, mut value, mut read, mut held) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        drop(time(&mut plain, || black_box(serde_json::from_str::<Vec<WireRow>>(&body).unwrap())));
        drop(time(&mut value, || black_box(serde_json::from_str::<serde_json::Value>(&body).unwrap())));
        let again = time(&mut read, || read_orders(&mut kept, &body, now));
        // On the engine's thread: the comparison, and letting go of the book before.
        let reading = time(&mut held, || {
            let rows: Arc<[_]> = Arc::from(again);
            let reading = last.read(&book, &rows, "A1B2", 1, now);
            found = rows;
            reading
        });
        assert!(reading.facts.is_empty() && reading.lacks.is_empty() && reading.unsettled.len() == OPEN);
    }
    let ms = |times: &[Duration], percentile: f64| at(times, percentile) / 1e3;
    println!(
        "{ROWS} orders, {:.1} MB: fields alone {:.1} ms, serde_json::Value {:.1} ms; first read {:.1} ms, compared in {:.2} ms; again {:.1} ms, compared in {:.3} ms (worst {:.3} ms)",
        f64::from(u32::try_from(body.len()).unwrap()) / 1e6,
        ms(&plain, 50.0),
        ms(&value, 50.0),
        ms(&first_read, 50.0),
        ms(&first_compare, 50.0),
        ms(&read, 50.0),
        ms(&held, 50.0),
        ms(&held, 100.0),
    );
    verdict("unchanged order book against parsing its fields alone", (at(&read, 50.0) + at(&held, 50.0)) / at(&plain, 50.0), "<=", 1.5);
    verdict("engine thread held by an unchanged order book, p90 (ms)", ms(&held, 90.0), "<=", 1.0);
    trades(&book, rounds, now);
    println!();
}

fn trades(book: &Book, rounds: usize, now: DateTime<Utc>) {
    let body = trade_book();
    let (mut kept, mut last) = (Kept::default(), LastTrades::default());
    let (mut read, mut held, mut plain) = (Vec::new(), Vec::new(), Vec::new());
    assert!(last.read(book, &Arc::from(read_trades(&mut kept, &body, now))).is_empty());
    for _ in 0..rounds {
        drop(time(&mut plain, || black_box(serde_json::from_str::<serde_json::Value>(&body).unwrap())));
        let again = time(&mut read, || read_trades(&mut kept, &body, now));
        time(&mut held, || {
            assert!(last.read(book, &Arc::from(again)).is_empty());
        });
    }
    verdict("engine thread held by an unchanged trade book, p90 (ms)", at(&held, 90.0) / 1e3, "<=", 1.0);
    println!("the trades' book: read in {:.1} ms, serde_json::Value {:.1} ms", at(&read, 50.0) / 1e3, at(&plain, 50.0) / 1e3);
}
