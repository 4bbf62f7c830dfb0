use ordergate_actors::order::BookState;
use ordergate_actors::ports::StreamEvent;
use proptest::prelude::{Just, Strategy, prop_assert, prop_oneof, proptest};

use super::merge::Merge;
use crate::brokers::noren::wire::frames::{Frame, read};

fn frame(fields: &str) -> String {
    format!(
        r#"{{"t":"om","norenordno":"26112000000001","exch":"NSE","tsym":"RELIANCE-EQ","qty":"10","prc":"101.50","pcode":"I","trantype":"B","prctyp":"LMT","ret":"DAY"{fields}}}"#
    )
}

fn take(merge: &mut Merge, text: &str) -> (Vec<StreamEvent>, bool) {
    let Frame::Order(update) = read(text, "2026-11-20T04:30:00Z".parse().unwrap()) else { panic!("{text}") };
    let merged = merge.take(*update);
    (merged.events, merged.doubt.is_some())
}

fn open(filled: u32) -> String {
    let filled = if filled == 0 { String::new() } else { format!(r#","fillshares":"{filled}","avgprc":"101.45""#) };
    frame(&format!(r#","status":"OPEN","reporttype":"New"{filled}"#))
}

fn states(events: &[StreamEvent]) -> Vec<(BookState, i64)> {
    let row = |event: &StreamEvent| match event {
        StreamEvent::Order(row) => Some((row.state, row.filled)),
        StreamEvent::Trade(_) | StreamEvent::Reconnected | StreamEvent::Notice { .. } => None,
    };
    events.iter().filter_map(row).collect()
}

#[test]
fn a_sparse_frame_waits_for_a_fuller_one() {
    let mut merge = Merge::default();
    let sparse = r#"{"t":"om","norenordno":"26112000000001","exch":"NSE","tsym":"RELIANCE-EQ","status":"PENDING","reporttype":"NewAck","trantype":"B","pcode":"I"}"#;
    assert_eq!(take(&mut merge, sparse), (Vec::new(), false));
    assert_eq!(states(&take(&mut merge, &open(0)).0), [(BookState::Open, 0)]);
}

#[test]
fn the_same_news_is_told_once() {
    let mut merge = Merge::default();
    assert_eq!(take(&mut merge, &open(4)).0.len(), 1);
    assert_eq!(take(&mut merge, &open(4)).0.len(), 0);
    let fill = frame(
        r#","status":"OPEN","reporttype":"Fill","fillshares":"6","flid":"7","flqty":"2","flprc":"101.45","fltm":"20-11-2026 10:00:00""#,
    );
    let first = take(&mut merge, &fill).0;
    assert!(
        matches!(&first[..], [StreamEvent::Trade(trade), StreamEvent::Order(row)] if trade.fill.quantity.value() == 2 && row.filled == 6)
    );
    assert_eq!(take(&mut merge, &fill).0, []);
}

#[test]
fn a_cancel_that_forgets_its_fills_keeps_them() {
    let mut merge = Merge::default();
    take(&mut merge, &open(4));
    let cancelled = frame(r#","status":"CANCELED","reporttype":"Canceled""#);
    assert_eq!(states(&take(&mut merge, &cancelled).0), [(BookState::Cancelled, 4)]);
}

#[test]
fn a_refused_cancel_does_not_end_the_order() {
    let mut merge = Merge::default();
    take(&mut merge, &open(0));
    let refused = frame(r#","status":"REJECTED","reporttype":"CancelRejected","rejreason":"SAF:order is not open to cancel""#);
    let (events, doubt) = take(&mut merge, &refused);
    assert!(doubt && states(&events).iter().all(|(state, _)| *state == BookState::Open), "{events:?}");
}

#[test]
fn a_flood_of_orders_is_forgotten_and_the_books_are_read() {
    let mut merge = Merge::default();
    let of = |number: usize| open(0).replace("26112000000001", &format!("261120{number:08}"));
    assert!((0..50_000).all(|number| !take(&mut merge, &of(number)).1));
    let (events, doubt) = take(&mut merge, &of(50_000));
    assert!(doubt && events.len() == 1);
    assert!(!take(&mut merge, &of(50_001)).1, "and it begins anew");
}

proptest! {
    #[test]
    fn prop_fills_never_shrink_and_nothing_works_after_an_end(frames in proptest::collection::vec(prop_oneof![
        (0_u32..10).prop_map(open),
        Just(frame(r#","status":"COMPLETE","reporttype":"Fill","fillshares":"10","avgprc":"101.45","flid":"9","flqty":"1","flprc":"1","fltm":"20-11-2026 10:00:00""#)),
        (0_u32..10).prop_map(|n| frame(&format!(r#","status":"CANCELED","reporttype":"Canceled","fillshares":"{n}""#))),
    ], 0..12)) {
        let mut merge = Merge::default();
        let all: Vec<StreamEvent> = frames.iter().flat_map(|text| take(&mut merge, text).0).collect();
        let states = states(&all);
        for pair in states.windows(2) {
            prop_assert!(pair[0].1 <= pair[1].1, "{:?}", states);
            prop_assert!(pair[0].0 == BookState::Open || pair[1].0 != BookState::Open, "{:?}", states);
        }
        prop_assert!(all.iter().filter(|event| matches!(event, StreamEvent::Trade(_))).count() <= 1);
    }
}
