//! A reply of a Noren broker: the first byte says the HTTP status.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ordergate::brokers::noren::wire::{
    Delivery, Fields, Kept, ListReply, ObjectReply, chain, history, holding_row, holdings, limits, margin, order_row, outcome,
    position_row, quote, search, security, session, trade_row,
};
use ordergate_actors::order::{BrokerOrderId, Exchange};
use ordergate_actors::ports::{PlaceOutcome, Snapshot};

fuzz_target!(|bytes: &[u8]| {
    let Some((status, body)) = bytes.split_first() else { return };
    let status = match status % 4 {
        0 => 200,
        1 => 401,
        2 => 502,
        _ => 400,
    };
    let at = chrono::DateTime::UNIX_EPOCH;
    let orders = ListReply::read(status, body).into_snapshot(|row| order_row::read(row, at));
    assert!(status < 500 || !matches!(orders, Snapshot::Authoritative(..)), "a server in trouble proves no book");
    // A book that is read with the last one at hand says the same, whichever that was.
    let mut kept = Kept::default();
    for _ in 0..2 {
        let (again, _) = kept.read(status, body, |row| order_row::read(row, at), |_| true, |_| {});
        assert_eq!(again, orders);
    }
    let _ = ListReply::read(status, body).into_snapshot(|row| trade_row::read(row, at));
    let _ = ListReply::read(status, body).into_snapshot(position_row::read);
    let _ = ListReply::read(status, body).into_snapshot(holding_row::read);
    let _ = ObjectReply::read(status, body);
    let delivery = Delivery::Replied { status, body: body.to_vec() };
    let placed = outcome::place(&delivery).outcome;
    assert!(
        status < 500 || matches!(placed, PlaceOutcome::Accepted(_) | PlaceOutcome::Unconfirmed(_)),
        "a server in trouble refuses nothing"
    );
    let _ = (outcome::change(&delivery), session::access_token_reply(status, body));
    let Some(fields) = std::str::from_utf8(body).ok().and_then(Fields::parse) else { return };
    let _ = (limits::read(&fields), margin::order(&fields), margin::basket(&fields), holdings::read(&fields));
    let _ = (search::read(&fields), security::read(&fields), chain::read(&fields));
    let _ = (session::quick_auth(&fields), session::access_token(&fields), fields.summary());
    let _ = quote::read(&fields, Exchange::Nse, 3045, at);
    if let Ok(id) = BrokerOrderId::parse("1") {
        let _ = history::read(&fields.objects("values"), &id, at);
        let _ = history::read(&[fields], &id, at);
    }
});
