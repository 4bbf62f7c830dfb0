use super::*;
use crate::order::{Side, Status, Tag};
use crate::testkit::builders::{Build, SEQ, at, book_row, command, order};

const PREFIX: &str = "A1B2";

fn row(id: &str, tag: Option<&str>, state: BookState, filled: i64) -> BookRow {
    BookRow { tag: tag.map(Arc::from), filled, state, at: at(2), ..book_row(id) }
}

fn read(order: Option<&OrderRecord>, row: &BookRow) -> OldRow {
    read_old(order, row, PREFIX, SEQ)
}

fn event(read: OldRow) -> &'static str {
    match read {
        OldRow::Strange(concern) => concern.event,
        OldRow::News(..) => "news",
        OldRow::Nothing => "nothing",
    }
}

const OURS: Option<&str> = Some("OGA1B20000003");

#[test]
fn late_truth_of_an_old_order_is_a_fact() {
    let failed = order(3).working("B3").ended(Status::Failed, Some(Tag::NotAtBroker));
    for (state, filled) in [(BookState::Open, 0), (BookState::Complete, 10), (BookState::Cancelled, 4)] {
        let found = read(Some(&failed), &row("B3", OURS, state, filled));
        assert!(
            matches!(&found, OldRow::News(id, OrderFact::Book { state: told, .. }) if *id == command(3) && *told == state),
            "{found:?}"
        );
    }
    let nameless = order(3).sent().ended(Status::Failed, Some(Tag::NotAtBroker));
    assert_eq!(event(read(Some(&nameless), &row("B9", OURS, BookState::Open, 0))), "news", "found by its tag");
    let by_number = row("B3", None, BookState::Open, 0);
    assert_eq!(event(read(Some(&failed), &by_number)), "news", "a broker that gives no tag back");
}

#[test]
fn what_the_disk_knows_already_is_nothing() {
    let executed = order(3).working("B3").ended(Status::Executed, None).filled(10, 10);
    let executed = OrderRecord { status: Status::Executed, ..executed };
    assert_eq!(event(read(Some(&executed), &row("B3", OURS, BookState::Complete, 10))), "nothing");
    assert_eq!(event(read(Some(&executed), &row("B3", OURS, BookState::Open, 4))), "nothing", "a row that lags behind");
    let rejected = order(3).working("B3").ended(Status::Failed, Some(Tag::BrokerRejected));
    assert_eq!(event(read(Some(&rejected), &row("B3", OURS, BookState::Rejected, 0))), "nothing");
    let young = OrderRecord { seq: SEQ + 1, ..rejected };
    assert_eq!(event(read(Some(&young), &row("B3", OURS, BookState::Open, 0))), "nothing", "it ended after the book was asked for");
    assert_eq!(event(read(None, &row("X1", None, BookState::Open, 0))), "nothing", "foreign");
    assert_eq!(event(read(None, &row("X1", OURS, BookState::Complete, 10))), "nothing");
}

#[test]
fn what_cannot_be_followed_pages() {
    assert_eq!(event(read(None, &row("X1", OURS, BookState::Open, 0))), "ALARM_OLD_ORDER_LIVE");
    let refused = order(3).ended(Status::Failed, Some(Tag::RiskLimitsExceeded));
    assert_eq!(event(read(Some(&refused), &row("X1", OURS, BookState::Open, 0))), "ALARM_OLD_ORDER_LIVE");
    assert_eq!(event(read(Some(&refused), &row("X1", OURS, BookState::Complete, 10))), "nothing");
    let known = order(3).working("B3").ended(Status::Executed, None);
    assert_eq!(event(read(Some(&known), &row("X1", OURS, BookState::Open, 0))), "ALARM_DOUBLE_ORDER");
    let elsewhere = BookRow { side: Side::Sell, ..row("B3", OURS, BookState::Open, 0) };
    assert_eq!(event(read(Some(&known), &elsewhere)), "ALARM_TAG_MISMATCH");
}
