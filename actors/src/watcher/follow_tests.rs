use super::*;
use crate::order::{Product, Side};
use crate::persistence::Alarm;
use crate::testkit::builders::{Build, at, book_of, exit, sbin_in};

const MIS: Product = Product::Mis;

fn sent(number: u64) -> OrderRecord {
    OrderRecord { updated_at: at(0), ..exit(number).side(Side::Sell).asks(10).product(MIS).working(&format!("B{number}")) }
}

fn taken_back(number: u64) -> OrderRecord {
    OrderRecord { cancel_wanted: Some(Tag::ExitTakenBack), ..sent(number) }
}

fn failed(number: u64, tag: Tag) -> OrderRecord {
    sent(number).ended(Status::Failed, Some(tag))
}

fn found(orders: impl IntoIterator<Item = OrderRecord>, held: i64, newest: i64) -> Vec<(u64, Unsaid)> {
    let book = book_of(orders, &[("trend", sbin_in(MIS), held)]);
    unsaid(&book, at(newest)).into_iter().map(|(order, end)| (order.number, end)).collect()
}

/// A process that dies between the row of the order and the page of it.
#[test]
fn the_next_process_finds_what_the_last_one_had_to_say_of_an_exit() {
    let failed_exit = || failed(1, Tag::BrokerRejected);
    assert_eq!(found([failed_exit()], 4, 10), [(1, Unsaid::Failed)]);
    assert_eq!(found([failed_exit()], 4, 11), [], "that was said, or it was said on the start before");
    assert_eq!(found([failed_exit()], 0, 10), [], "nothing is held");
    assert_eq!(found([taken_back(1)], 4, 10), [(1, Unsaid::TakenBack)], "its cancel is under way");
    assert_eq!(found([failed(1, Tag::ExitTakenBack)], 4, 10), [(1, Unsaid::TakenBack)]);
    assert_eq!(found([sent(1), failed(2, Tag::CancelledByUser)], 4, 10), [], "a wish");
}

#[test]
fn what_stands_among_the_open_alarms_was_said() {
    let mut book = book_of([taken_back(1), failed(2, Tag::BrokerRejected)], &[("trend", sbin_in(MIS), 4)]);
    let said = |command_id| Alarm {
        seq: 1,
        event: Arc::from(EXIT_FAILED),
        level: Level::Page,
        text: Arc::from("it failed"),
        command_id: Some(command_id),
        at: at(0),
        last_at: at(0),
        count: 1,
    };
    book.put_alarms(crate::persistence::Alarms::load(vec![said(crate::testkit::builders::command(1))]));
    assert_eq!(unsaid(&book, at(1)).into_iter().map(|(order, _)| order.number).collect::<Vec<_>>(), [2]);
}
