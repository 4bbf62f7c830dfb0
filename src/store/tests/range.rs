//! Reads of a range of days.

use chrono::Duration;
use ordergate_actors::ports::Store;

use crate::store::fixtures::{client, day, executed, fill, now, round};
use crate::store::{ReadStore, SqliteStore, Times};

#[test]
fn a_range_is_read_in_parts_and_has_each_row_once() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = SqliteStore::in_directory(directory.path(), now()).unwrap();
    let rows = day(&mut store, 250);
    round(&mut store, &[fill(&executed(7, "B7"), "T1")]);
    store.close().unwrap();
    let read = ReadStore::open(directory.path()).unwrap();
    let (first, last) = (rows[0].at, rows[rows.len() - 1].at);
    let all = Times { from: first.min(now()), to: last.max(now()) + Duration::days(1) };

    let (mut orders, mut journal, mut parts) = (Vec::new(), Vec::new(), 0);
    let mut after = 0;
    while after < read.last_number(&client()).unwrap() {
        let part = read.orders_within(&client(), after, all).unwrap();
        orders.extend(part.rows.iter().map(|order| order.number));
        (after, parts) = (part.up_to, parts + 1);
    }
    assert!(parts > 1 && orders == (1..=250).collect::<Vec<u64>>(), "{parts}: {orders:?}");
    after = 0;
    while after < read.last_seq(&client()).unwrap() {
        let part = read.journal_within(&client(), after, all).unwrap();
        journal.extend(part.rows);
        after = part.up_to;
    }
    assert_eq!(journal, rows);

    let before = Times { from: first - Duration::days(2), to: first };
    assert_eq!(read.orders_within(&client(), 0, Times { from: now() - Duration::days(2), to: now() }).unwrap().rows, []);
    assert_eq!(read.journal_within(&client(), 0, before).unwrap().rows, [], "the end does not belong to the range");
    let trades = read.trades_of(&client(), "2026-11-20".parse().unwrap()).unwrap();
    assert_eq!((trades.len(), trades[0].command_id, trades[0].fill.quantity.value()), (1, executed(7, "B7").command_id, 10));
    assert_eq!(read.trades_of(&client(), "2026-11-21".parse().unwrap()).unwrap(), []);
}
