use super::*;
use crate::order::OrderRecord;
use crate::testkit::ListedInstruments;
use crate::testkit::builders::{Build, SEQ, at, book_of, future, order, position, sbin_in, share};
use crate::watcher::Positions;

const NRML: Product = Product::Nrml;

fn in_future() -> HoldingKey {
    HoldingKey { instrument: future().key, product: NRML }
}

fn listed<const N: usize>(rows: [Instrument; N]) -> ListedInstruments {
    ListedInstruments(rows.map(|row| (row.key.clone(), Arc::new(row))).into())
}

fn time(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// What is settled of 75 in the future, which ends on the 24th, when the positions were read and it is looked at those times.
fn found(rows: &[(HoldingKey, i64)], orders: &[OrderRecord], read_at: &str, now: &str) -> Vec<HoldingKey> {
    let book = book_of(orders.iter().cloned(), &[("carry", in_future(), 75), ("trend", sbin_in(Product::Mis), 10)]);
    let rows = rows.iter().map(|(key, net)| position(key.clone(), *net)).collect();
    let findings = Findings { positions: Some(Positions::new(rows, time(read_at), SEQ)), ..Findings::default() };
    let instruments = listed([future(), share()]);
    expired(&book, &findings, &instruments, time(now)).into_iter().map(|found| found.key).collect()
}

#[test]
fn a_contract_is_settled_when_its_day_is_over_in_india_and_the_broker_shows_it_no_more() {
    let of_the_day_after = |now: &str| found(&[], &[], now, now);
    assert!(of_the_day_after("2026-11-24T18:29:59Z").is_empty(), "a second before midnight in India");
    assert_eq!(of_the_day_after("2026-11-24T18:30:00Z"), [in_future()]);
    let next_morning = "2026-11-25T03:00:00Z";
    assert_eq!(found(&[(in_future(), 0)], &[], next_morning, next_morning), [in_future()]);
    assert!(found(&[(in_future(), 75)], &[], next_morning, next_morning).is_empty(), "the broker shows it");
    assert!(found(&[], &[], "2026-11-24T18:29:59Z", next_morning).is_empty(), "a read of its last day tells of that day");
}

#[test]
fn nothing_is_settled_whose_expiry_is_not_known() {
    let book = book_of([], &[("carry", in_future(), 75)]);
    let now = time("2026-11-25T04:00:00Z");
    let findings = Findings { positions: Some(Positions::new(Vec::new(), now, SEQ)), ..Findings::default() };
    assert!(expired(&book, &findings, &listed([share()]), now).is_empty(), "not in the master");
    assert!(expired(&book, &Findings::default(), &listed([future()]), now).is_empty(), "never read");
    assert_eq!(expired(&book, &findings, &listed([future()]), now).len(), 1);
}

#[test]
fn trades_of_the_last_day_that_are_not_told_yet_are_waited_for_until_the_exchanges_open() {
    let mut owing = order(1).product(NRML).working("B1").filled(75, 0);
    (owing.ask.exchange, owing.ask.symbol) = (Some(Exchange::Nfo), future().key.symbol);
    let settled = |now: &str| found(&[], std::slice::from_ref(&owing), now, now).len();
    assert_eq!((settled("2026-11-25T03:29:59Z"), settled("2026-11-25T03:30:00Z")), (0, 1));
}

#[test]
fn the_words_tell_of_delivery_where_the_underlying_is_a_share() {
    let instruments = listed([future(), share()]);
    assert!(!is_on_a_share(&instruments, &future()));
    assert!(is_on_a_share(&instruments, &Instrument { underlying: Arc::from("SBIN"), ..future() }));
    let words = |is_on_a_share| {
        let ended = Expired { key: in_future(), expiry: trading_date(at(0)), is_on_a_share };
        ended.words(&Strategy::parse("carry").unwrap(), 75)
    };
    assert!(words(true).contains("demat account") && !words(false).contains("demat account"));
    assert!(words(false).starts_with("carry 75 NFO:NIFTY26NOVFUT NRML ended with its contract on 2026-11-20"), "{}", words(false));
}
