use std::sync::Arc;

use chrono::DateTime;
use ordergate_actors::ports::BookRow;
use proptest::collection::vec;
use proptest::prelude::{ProptestConfig, Strategy, any, prop_assert, prop_assert_eq, proptest};

use super::*;
use crate::brokers::noren::wire::order_row;

type Row = Arc<BookRow>;

fn read(fields: &Fields) -> Result<Row, FieldError> {
    order_row::read(fields, DateTime::UNIX_EPOCH).map(|order| Arc::new(order.row))
}

fn parse(kept: &mut Kept<Row>, status: u16, body: &str) -> Snapshot<Row> {
    kept.read(status, body.as_bytes(), read, |_| true, |_| {}).0
}

/// One order of a small book; what can change in it, and now and then a row that cannot be read.
fn row() -> impl Strategy<Value = String> {
    (0..6_u8, 0..4_u8, any::<bool>(), 0..12_u8).prop_map(|(number, filled, blank, odd)| match odd {
        0 => "17".to_owned(),
        1 => format!(r#"{{"stat":"Ok","norenordno":"2611200000000{number}"}}"#),
        _ => {
            let space = if blank { " " } else { "" };
            format!(
                r#"{{"stat":"Ok",{space}"norenordno":"2611200000000{number}","exch":"NSE","tsym":"BHEL-EQ","trantype":"B","qty":"10","prd":"I","status":"OPEN","prc":"47.50","fillshares":"{filled}","avgprc":"47.50"}}"#
            )
        }
    })
}

/// The rows, and what could not be read in an order of its own.
fn sorted(snapshot: &Snapshot<Row>) -> (Vec<Row>, Vec<String>) {
    let Snapshot::Authoritative(rows, unreadable) = snapshot else { panic!("a whole array") };
    let mut causes: Vec<String> = unreadable.iter().map(|row| format!("{} {}", row.cause, row.raw)).collect();
    causes.sort();
    (rows.clone(), causes)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn a_book_after_another_reads_as_it_reads_alone(books in vec(vec(row(), 0..8), 1..6)) {
        let mut kept = Kept::default();
        for rows in books {
            let body = format!(" [{}]\n", rows.join(","));
            let (before, after) = (parse(&mut Kept::default(), 200, &body), parse(&mut kept, 200, &body));
            prop_assert_eq!(&before, &after);
            prop_assert_eq!(sorted(&after), sorted(&ListReply::read(200, body.as_bytes()).into_snapshot(read)));
            let again = parse(&mut kept, 200, &body);
            let (Snapshot::Authoritative(one, _), Snapshot::Authoritative(other, _)) = (&after, &again) else { panic!("a whole array") };
            let is_alone = |row: &Row| one.iter().filter(|other| other.broker_order_id == row.broker_order_id).count() == 1;
            let mut alone = one.iter().zip(other).filter(|(row, _)| is_alone(row));
            prop_assert!(alone.all(|(one, other)| Arc::ptr_eq(one, other)), "unchanged rows are the same values");
            let places: std::collections::HashSet<_> = other.iter().map(Arc::as_ptr).collect();
            prop_assert_eq!(places.len(), other.len(), "no value stands for two rows");
        }
    }
}

#[test]
fn what_is_no_whole_array_proves_what_it_did() {
    let mut kept = Kept::default();
    let row = r#"{"stat":"Ok","norenordno":"1","exch":"NSE","tsym":"BHEL-EQ","trantype":"B","qty":"10","prd":"I","status":"OPEN"}"#;
    assert!(matches!(parse(&mut kept, 200, &format!("[{row}]")), Snapshot::Authoritative(rows, _) if rows.len() == 1));
    for (status, body) in [
        (502, format!("[{row}]")),
        (200, format!("[{row}")),
        (200, format!(r#"[{row},{{"stat":"Not_Ok","emsg":"Server Timeout"}}]"#)),
        (200, String::new()),
        (200, r#"{"stat":"Not_Ok","emsg":"Session Expired :  Invalid Session Key"}"#.to_owned()),
    ] {
        let snapshot = parse(&mut kept, status, &body);
        assert!(matches!(snapshot, Snapshot::Unknown(_)), "{body}: {snapshot:?}");
        assert_eq!(snapshot, ListReply::read(status, body.as_bytes()).into_snapshot(read));
    }
    assert_eq!(
        parse(&mut kept, 200, r#"{"stat":"Not_Ok","emsg":"Error Occurred : 5 \"no data\""}"#),
        Snapshot::Authoritative(vec![], vec![])
    );
}
