//! A reply of a Noren broker: the first byte says the HTTP status.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ordergate::brokers::noren::wire::{
    Delivery, Fields, ListReply, ObjectReply, chain, holdings, limits, margin, order_row, outcome, position_row, search, security, session,
    trade_row,
};

fuzz_target!(|bytes: &[u8]| {
    let Some((status, body)) = bytes.split_first() else { return };
    let status = match status % 4 {
        0 => 200,
        1 => 401,
        2 => 502,
        _ => 400,
    };
    let at = chrono::DateTime::UNIX_EPOCH;
    let _ = ListReply::read(status, body).into_snapshot(|row| order_row::read(row, at));
    let _ = ListReply::read(status, body).into_snapshot(|row| trade_row::read(row, at));
    let _ = ListReply::read(status, body).into_snapshot(position_row::read);
    let _ = ObjectReply::read(status, body);
    let delivery = Delivery::Replied { status, body: body.to_vec() };
    let (_, _) = (outcome::place(&delivery), outcome::change(&delivery));
    let Some(fields) = std::str::from_utf8(body).ok().and_then(Fields::parse) else { return };
    let _ = (limits::read(&fields), margin::order(&fields), margin::basket(&fields), holdings::read(&fields));
    let _ = (search::read(&fields), security::read(&fields), chain::read(&fields));
    let _ = (session::quick_auth(&fields), session::access_token(&fields), fields.summary());
});
