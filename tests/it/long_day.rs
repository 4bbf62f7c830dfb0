//! More orders than stay in memory: the older ones are read from the disk, by people and by the comparison with the broker.

use std::sync::Arc;

use ordergate_actors::order::{BookState, Exchange, InstrumentKey, OrderFact, OrderRecord, Side, Status, Tag};
use ordergate_actors::persistence::NEWEST_KEPT;
use ordergate_actors::ports::BookRow;
use ordergate_actors::testkit::book_row;

use crate::book::Book;
use crate::support::{House, Plan};

/// A directory with two orders that ended wrongly long ago, and so many after them that both have left the memory.
fn long_day() -> (tempfile::TempDir, [Arc<OrderRecord>; 2]) {
    let directory = tempfile::tempdir().unwrap();
    let mut book = Book::open(directory.path(), Vec::new());
    let absent = book.create("SBIN-EQ", Some(Side::Buy), None);
    book.send(absent, 10);
    book.fact(absent, OrderFact::Unconfirmed { cause: "no answer in 2 s".to_owned() });
    book.fact(absent, OrderFact::Absent { evidence: "three books without it".to_owned() });
    let rejected = book.create("INFY-EQ", Some(Side::Buy), None);
    book.send(rejected, 10);
    book.accept(rejected, "OLD2");
    book.book(rejected, "OLD2", BookState::Rejected, 0, None);
    book.refuse_hundreds(u16::try_from(NEWEST_KEPT / 100).unwrap() + 1);
    let rows = [absent, rejected].map(|id| book.records().into_iter().rfind(|record| record.command_id == id).unwrap());
    assert!(rows.iter().all(|row| row.status == Status::Failed) && rows[0].tag == Some(Tag::NotAtBroker), "{rows:#?}");
    book.close();
    (directory, rows)
}

fn row(order: &OrderRecord, id: &str, tag: Option<&str>, state: BookState, filled: i64) -> BookRow {
    BookRow {
        tag: tag.map(Arc::from),
        instrument: InstrumentKey::new(Exchange::Nse, &order.ask.symbol),
        filled,
        state,
        at: order.sent_at.unwrap(),
        ..book_row(id)
    }
}

#[actix_web::test]
async fn what_has_left_the_memory_is_paged_from_disk_and_re_opened_by_what_the_broker_shows() {
    let (directory, [absent, rejected]) = long_day();
    let house = House::with(Plan { after: Some(directory), ..Plan::default() }).await;
    let client = house.client();
    let in_memory = |number: u64| house.engine.read(&client, |book| book.order_by_number(number).cloned()).flatten();
    let last = house.engine.read(&client, |book| book.last_number()).unwrap();
    assert!(last > NEWEST_KEPT + 2 && in_memory(1).is_none() && in_memory(2).is_none(), "{last}");

    let mut numbers: Vec<u64> = Vec::new();
    let mut path = "/dashboard/orderbook?limit=1000".to_owned();
    loop {
        let page = house.get(&path).await;
        let rows = page.body["system_orders"].as_array().unwrap();
        numbers.extend(rows.iter().map(|row| row["number"].as_u64().unwrap()));
        let Some(next) = page.body["next"].as_u64() else { break };
        path = format!("/dashboard/orderbook?limit=1000&before={next}");
    }
    assert_eq!(numbers, (1..=last).rev().collect::<Vec<_>>(), "every order once, the newest first");
    let old = house.get(&format!("/dashboard/orders/{}", absent.command_id)).await;
    assert_eq!((old.status, &old.body["order"]["tag"]), (200, &serde_json::json!("NOT_AT_BROKER")), "{:#}", old.body);

    // Found by its tag: it works after all. And by its number, of a broker that gives no tag back: it was filled.
    let broker = &house.brokers[&client];
    broker.show_foreign(row(&absent, "OLD1", Some(absent.broker_tag.as_str()), BookState::Open, 0));
    broker.show_foreign(row(&rejected, "OLD2", None, BookState::Complete, 10));
    house.until("both are in memory again", || in_memory(1).is_some() && in_memory(2).is_some()).await;
    let (one, two) = (in_memory(1).unwrap(), in_memory(2).unwrap());
    assert_eq!((one.status, one.broker_order_id.as_ref().map(|id| id.as_str())), (Status::SentToBroker, Some("OLD1")));
    assert_eq!((two.status, two.filled_quantity, two.traded_quantity), (Status::Executed, 10, 0), "its trades are asked for");
    let alarms = || house.engine.read(&client, |book| book.alarms().filter(|alarm| &*alarm.event == "ALARM_LATE_TRUTH").count());
    house.until("a person is paged of each", || alarms() == Some(2)).await;
    house.close().await;
}
