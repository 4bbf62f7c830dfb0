//! What commands and pages read, beside a store that goes on writing.

use chrono::Duration;
use ordergate_actors::order::{BrokerOrderId, Tag};
use ordergate_actors::ports::{Query, Rows, Store, Write};

use crate::store::fixtures::{client, command, day, executed, fill, insert, journal_after, now, order, round, sent, update};
use crate::store::{OrderRows, ReadStore, SqliteStore};

fn orders(store: &mut SqliteStore, query: &Query) -> Vec<u64> {
    match store.query(query).unwrap() {
        Rows::Orders(orders) => orders.iter().map(|order| order.number).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_page_is_answered_by_key_and_never_longer_than_two_hundred_rows() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = SqliteStore::in_directory(directory.path(), now()).unwrap();
    let rows = day(&mut store, 250);
    round(&mut store, &[fill(&executed(7, "B7"), "T1")]);
    assert_eq!(orders(&mut store, &Query::OrdersBefore(client(), u64::MAX, 3)), [250, 249, 248]);
    assert_eq!(orders(&mut store, &Query::OrdersBefore(client(), 3, 500)), [2, 1]);
    assert_eq!(orders(&mut store, &Query::OrdersBefore(client(), 251, 500)).len(), 200);
    assert_eq!(orders(&mut store, &Query::Order(client(), command(9))), [9]);
    assert_eq!(orders(&mut store, &Query::Signal(client(), order(9).signal_id)), [9]);
    let Rows::Journal(found) = store.query(&Query::OrderJournal(client(), command(3), 0)).unwrap() else { panic!() };
    assert_eq!(found, rows[6..9]);
    let Rows::Journal(found) = store.query(&Query::JournalAfter(Some(client()), 740, 500)).unwrap() else { panic!() };
    assert_eq!(found, rows[740..]);
    let Rows::Journal(found) = store.query(&Query::JournalBefore(Some(client()), 3, 500)).unwrap() else { panic!() };
    assert_eq!(found, [rows[1].clone(), rows[0].clone()]);
    let Rows::Journal(found) = store.query(&Query::JournalBefore(Some(client()), u64::MAX, 2)).unwrap() else { panic!() };
    assert_eq!((found.len(), found[0].seq, found[1].seq), (2, rows.len() as u64, rows.len() as u64 - 1));
    let Rows::Fills(found) = store.query(&Query::Fills(client(), command(7))).unwrap() else { panic!() };
    assert_eq!(found.len(), 1);
    let id = BrokerOrderId::parse("B8").unwrap();
    assert_eq!(store.order_by_broker_id(&client(), "2026-11-20".parse().unwrap(), &id).unwrap(), Some(executed(8, "B8")));
    assert_eq!(store.order_by_broker_id(&client(), "2026-11-21".parse().unwrap(), &id).unwrap(), None);
    assert_eq!(store.order_by_tag(&client(), &order(8).broker_tag).unwrap(), Some(executed(8, "B8")));
}

#[test]
fn no_read_of_the_writer_walks_a_table() {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::in_directory(directory.path(), now()).unwrap();
    for (sql, index) in [
        ("SELECT * FROM orders WHERE client_id = ?1 AND command_id = ?2", "command_id=?"),
        ("SELECT * FROM orders WHERE client_id = ?1 AND trading_date = ?2 AND broker_order_id = ?3", "orders_at_broker"),
        ("SELECT * FROM orders WHERE client_id = ?1 AND broker_tag = ?2", "broker_tag=?"),
        ("SELECT * FROM orders WHERE client_id = ?1 AND signal_id = ?2 ORDER BY leg LIMIT 200", "signal_id=?"),
        (
            "SELECT * FROM orders WHERE client_id = ?1 AND signal_id =
               (SELECT signal_id FROM signals WHERE client_id = ?1 AND idempotency_key = 'k:' || ?2) ORDER BY leg LIMIT 200",
            "idempotency_key=?",
        ),
        ("SELECT * FROM orders WHERE client_id = ?1 AND number < ?2 ORDER BY number DESC LIMIT ?3", "number<?"),
        ("SELECT * FROM journal WHERE client_id = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3", "seq>?"),
        ("SELECT * FROM journal WHERE client_id = ?1 AND seq < ?2 ORDER BY seq DESC LIMIT ?3", "seq<?"),
        (
            "SELECT * FROM journal INDEXED BY journal_of_order WHERE command_id = ?2 AND client_id = ?1 AND seq > ?3 ORDER BY seq LIMIT 200",
            "seq>?",
        ),
        (
            "SELECT * FROM signals WHERE client_id = ?1 AND idempotency_key >= ?2 AND idempotency_key < ?3 ORDER BY idempotency_key DESC",
            "idempotency_key>?",
        ),
    ] {
        let mut statement = store.connection().prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let unbound = vec![rusqlite::types::Null; statement.parameter_count()];
        let plan: Vec<String> =
            statement.query_map(rusqlite::params_from_iter(unbound), |row| row.get(3)).unwrap().map(Result::unwrap).collect();
        let plan = plan.join("; ");
        assert!(plan.contains(index) && !plan.contains("SCAN") && !plan.contains("TEMP B-TREE"), "{sql}: {plan}");
    }
}

#[test]
fn a_restart_loads_what_is_open_and_the_newest() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = SqliteStore::in_directory(directory.path(), now()).unwrap();
    for chunk in (1u64..=10_020).collect::<Vec<_>>().chunks(1_000) {
        let writes: Vec<Write> =
            chunk.iter().map(|&n| if n == 4 { insert(sent(n, "B4")) } else { insert(executed(n, &format!("B{n}"))) }).collect();
        round(&mut store, &writes);
    }
    let account = store.load().unwrap().accounts.remove(0);
    let numbers: Vec<u64> = account.orders.iter().map(|order| order.number).collect();
    assert_eq!((account.last_number, numbers.len(), numbers[0], numbers[1]), (10_020, 10_001, 4, 21));
    assert!(numbers.is_sorted());
}

#[test]
fn a_checker_is_handed_every_order_a_page_at_a_time() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = SqliteStore::in_directory(directory.path(), now()).unwrap();
    for chunk in (1u64..=10_050).collect::<Vec<_>>().chunks(1_000) {
        let writes: Vec<Write> = chunk.iter().map(|&number| insert(order(number))).collect();
        round(&mut store, &writes);
    }
    store.connection().execute_batch("UPDATE orders SET execution_type = NULL").unwrap();
    let read = ReadStore::open(directory.path()).unwrap();
    let soon = now() + Duration::seconds(1);
    assert_eq!((read.open_orders().count(), read.created_before(soon).count(), read.incomplete().count()), (10_050, 10_050, 10_050));
    assert_eq!(read.last(20_000).unwrap().len(), 10_050);

    let mut every = read.every().map(|order| order.unwrap().number);
    assert_eq!(every.by_ref().take(150).collect::<Vec<_>>(), (1..=150).collect::<Vec<_>>());
    // In the middle of it the log can be folded in whole, and what is written meanwhile comes at the end.
    let is_held_back: i64 = store.connection().query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0)).unwrap();
    assert_eq!(is_held_back, 0);
    round(&mut store, &[insert(order(10_051))]);
    assert_eq!(every.collect::<Vec<_>>(), (151..=10_051).collect::<Vec<_>>());
}

#[test]
fn an_orders_journal_is_turned_page_by_page_and_its_trades_are_all_told() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = SqliteStore::in_directory(directory.path(), now()).unwrap();
    let mut rows = day(&mut store, 2);
    for _ in 0..257 {
        let row = journal_after(rows.last(), &executed(2, "B2"), None);
        round(&mut store, &[Write::Journal(std::sync::Arc::new(row.clone()))]);
        rows.push(row);
    }
    let trades: Vec<Write> = (0..260).map(|trade| fill(&executed(2, "B2"), &format!("T{trade:03}"))).collect();
    round(&mut store, &trades);
    let (mut seen, mut sizes) = (Vec::new(), Vec::new());
    loop {
        let after = seen.last().map_or(0, |row: &ordergate_actors::ports::JournalRow| row.seq);
        let Rows::Journal(page) = store.query(&Query::OrderJournal(client(), command(2), after)).unwrap() else { panic!() };
        sizes.push(page.len());
        if page.is_empty() {
            break;
        }
        seen.extend(page);
    }
    assert_eq!((sizes, &seen[..]), (vec![200, 60, 0], &rows[3..]));
    let Rows::Fills(found) = store.query(&Query::Fills(client(), command(2))).unwrap() else { panic!() };
    let read = ReadStore::open(directory.path()).unwrap();
    assert_eq!((found.len(), read.order_journal(&client(), command(2)).unwrap()), (260, seen));
    assert_eq!(read.fills(&client(), command(2)).unwrap(), found);
}

#[test]
fn commands_read_beside_the_engine() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = SqliteStore::in_directory(directory.path(), now()).unwrap();
    day(&mut store, 5);
    let mut failed = order(6);
    (failed.status, failed.tag) = (ordergate_actors::order::Status::Failed, Some(Tag::MarketClosed));
    let mut untagged = failed.clone();
    (untagged.number, untagged.command_id, untagged.signal_id) = (7, command(7), order(7).signal_id);
    (untagged.tag, untagged.broker_tag, untagged.basket_id) = (None, order(7).broker_tag, order(7).basket_id);
    round(&mut store, &[insert(failed), insert(untagged), insert(order(8)), insert(sent(9, "B9"))]);
    let read = ReadStore::open(directory.path()).unwrap();
    store.begin().unwrap();
    store.unit(&[update(sent(8, "B8"))]).unwrap();
    let numbers = |found: Vec<ordergate_actors::order::OrderRecord>| found.iter().map(|order| order.number).collect::<Vec<_>>();
    let named = |id: &str| numbers(read.find(id).unwrap());
    assert_eq!(named(&command(3).to_string().to_uppercase()), [3]);
    assert_eq!(named(&order(3).basket_id.to_string()), [3]);
    assert_eq!(named(&order(3).signal_id.to_string()), [3]);
    assert_eq!((named("B3"), named(order(3).broker_tag.as_str()), named("nothing")), (vec![3], vec![3], vec![]));
    assert_eq!(numbers(read.last(2).unwrap()), [9, 8]);
    assert_eq!(numbers(read.last_failed(1).unwrap()), [7]);
    let each = |found: OrderRows<'_>| found.map(|order| order.unwrap().number).collect::<Vec<_>>();
    assert_eq!(each(read.created_before(now() + Duration::seconds(1))), [8]);
    assert_eq!(each(read.created_before(now())), Vec::<u64>::new());
    assert_eq!(each(read.sent_not_updated_since(now() + Duration::seconds(1))), [9]);
    assert_eq!((each(read.open_orders()), each(read.every())), (vec![8, 9], (1..=9).collect()));
    let counts = read.count_by_status().unwrap();
    assert_eq!(counts, [("CREATED", 1), ("EXECUTED", 5), ("FAILED", 2), ("SENT_TO_BROKER", 1)].map(|(word, n)| (word.to_owned(), n)));
    assert_eq!(read.count_by_source().unwrap(), [("WEBHOOK".to_owned(), 9)]);
    assert_eq!(read.span().unwrap().oldest.as_deref(), Some("2026-11-20T04:00:00.000001Z"));
    let incomplete: Vec<_> = read.incomplete().map(Result::unwrap).collect();
    assert_eq!((incomplete.len(), incomplete[0].order.number, incomplete[0].missing.as_slice()), (1, 7, &["tag"][..]));
    let exported: Vec<u64> = read.journal(Some(&client()), 3, 9).map(|row| row.unwrap().seq).collect();
    assert_eq!(exported, [4, 5, 6, 7, 8, 9]);
    assert_eq!(read.journal(None, 0, u64::MAX).count(), 0);
    assert_eq!(read.order_journal(&client(), command(2)).unwrap().len(), 3);
    store.commit().unwrap();
    assert_eq!(each(read.created_before(now() + Duration::seconds(1))), Vec::<u64>::new());
}

#[test]
fn a_database_can_be_read_when_no_engine_runs() {
    let directory = tempfile::tempdir().unwrap();
    assert!(ReadStore::open(directory.path()).is_err());
    let mut store = SqliteStore::in_directory(directory.path(), now()).unwrap();
    day(&mut store, 2);
    store.close().unwrap();
    drop(store);
    let read = ReadStore::open(directory.path()).unwrap();
    assert_eq!(read.span().unwrap().orders, 2);
    assert_eq!(read.damage().unwrap(), Vec::<String>::new());
}

#[test]
fn a_backup_is_whole_and_its_tags_are_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = SqliteStore::in_directory(directory.path(), now()).unwrap();
    day(&mut store, 20);
    let copy = tempfile::tempdir().unwrap();
    let to = copy.path().join("orders.db");
    ReadStore::open(directory.path()).unwrap().backup(&to, 0).unwrap();
    assert!(ReadStore::open(directory.path()).unwrap().backup(&to, 0).is_err());
    assert_eq!(std::fs::read_dir(copy.path()).unwrap().count(), 1);
    let loaded = store.load().unwrap();
    let restored = SqliteStore::in_directory(copy.path(), now()).unwrap().load().unwrap();
    assert_ne!(restored.tag_prefix, loaded.tag_prefix);
    assert_eq!((&restored.heads, &restored.accounts[0].orders), (&loaded.heads, &loaded.accounts[0].orders));
}
