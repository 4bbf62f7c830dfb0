//! Answers as a whole: a list, an object, a refusal, or nothing that can be read.

use ordergate_actors::ports::Snapshot;

use super::super::class::ErrorClass;
use super::super::kept::Kept;
use super::super::reply::{ListReply, ObjectReply, ROWS_MOST};
use super::super::scalar::{FieldError, Fields};
use super::super::{order_row, session};
use super::{read_at, utc};
use secrecy::ExposeSecret;

const NO_DATA: &str = r#"{"stat":"Not_Ok","request_time":"09:02:11 16-03-2026","emsg":"Error Occurred : 5 \"no data\""}"#;

#[test]
fn an_array_is_a_snapshot_and_no_data_is_an_empty_one() {
    let rows = ListReply::read(200, br#"[{"stat":"Ok","norenordno":"1"},{"norenordno":2}]"#);
    assert!(matches!(&rows, ListReply::Rows(rows, bad) if rows.len() == 2 && bad.is_empty()), "{rows:?}");
    assert!(matches!(ListReply::read(200, b"[]"), ListReply::Rows(rows, _) if rows.is_empty()));
    for status in [200, 400] {
        assert_eq!(ListReply::read(status, NO_DATA.as_bytes()), ListReply::Empty);
    }
    assert_eq!(ListReply::read(200, br#"{"stat":"Not_Ok","emsg":"No Data :  "}"#), ListReply::Empty);
}

#[test]
fn nothing_else_is_an_empty_book() {
    let others: [(u16, &str); 11] = [
        (200, r#"{"stat":"Not_Ok","emsg":"Session Expired :  Invalid Session Key"}"#),
        (200, r#"{"stat":"Not_Ok","emsg":"Server Timeout :  "}"#),
        (200, r#"{"stat":"Not_Ok"}"#),
        (200, r#"{"stat":"Ok"}"#),
        (200, r#"{"stat":"Ok","emsg":"no data"}"#),
        (200, ""),
        (200, "null"),
        (502, "<html></html>"),
        (502, "[]"),
        (502, NO_DATA),
        (200, r#"[{"stat":"Ok","norenordno":"1"},{"stat""#),
    ];
    for (status, body) in others {
        let reply = ListReply::read(status, body.as_bytes());
        assert!(matches!(reply, ListReply::NotOk(_) | ListReply::Garbled(_)), "{status} {body}: {reply:?}");
        let snapshot = reply.into_snapshot(|_| Ok::<_, FieldError>(()));
        assert!(matches!(snapshot, Snapshot::Unknown(_) | Snapshot::RateLimited { .. }), "{status} {body}");
    }
}

#[test]
fn a_full_window_is_no_answer_and_says_which() {
    let body = r#"{"stat":"Not_Ok","emsg":"Invalid Input :  Order Recieved 11 in a current second exceeds Limit 10 for user"}"#;
    let snapshot = ListReply::read(400, body.as_bytes()).into_snapshot(|_| Ok::<_, FieldError>(()));
    assert!(matches!(snapshot, Snapshot::RateLimited { window: ordergate_actors::ports::RateWindow::Second, .. }), "{snapshot:?}");
}

#[test]
fn a_row_that_is_not_ok_spoils_the_list() {
    let reply =
        ListReply::read(200, br#"[{"stat":"Ok","norenordno":"1"},{"stat":"Not_Ok","emsg":"Session Expired : Invalid Session Key"}]"#);
    assert_eq!(reply.class(), Some(ErrorClass::SessionExpired));
    let reply = ListReply::read(200, br#"[{"stat":"Not_Ok","emsg":"no data"}]"#);
    assert_eq!(reply.class(), Some(ErrorClass::Unknown), "an error in a row never proves an empty book");
}

#[test]
fn a_row_that_cannot_be_read_stands_beside_the_others() {
    let reply = ListReply::read(200, br#"[{"stat":"Ok","n":"1"},7,{"stat":"Ok","n":"x"}]"#);
    let Snapshot::Authoritative(rows, bad) = reply.into_snapshot(|row| row.integer("n")) else { panic!("no snapshot") };
    assert_eq!(rows, [Some(1)]);
    assert_eq!(bad.len(), 2);
    assert_eq!((bad[0].raw.as_str(), bad[0].cause.as_str()), ("7", "the row is no object"));
    assert!(bad[1].raw.contains("n=\"x\"") && bad[1].cause.contains("\"x\""), "{bad:?}");
}

#[test]
fn an_object_is_ok_refused_or_garbled() {
    assert!(matches!(ObjectReply::read(200, br#" {"stat":"OK","cash":1} "#), ObjectReply::Ok(_)));
    let ObjectReply::NotOk(refusal) = ObjectReply::read(200, NO_DATA.as_bytes()) else { panic!("taken") };
    assert_eq!(refusal.class, ErrorClass::NoData);
    assert_eq!(refusal.request_time, Some(utc("2026-03-16T03:32:11Z")));
    for body in ["", "x", "[]", "{}", r#"{"stat":"Ok""#] {
        assert!(matches!(ObjectReply::read(200, body.as_bytes()), ObjectReply::Garbled(_)), "{body}");
    }
    assert!(matches!(ObjectReply::read(200, b"\xff\xfe"), ObjectReply::Garbled(_)));
}

#[test]
fn a_login_gives_a_token_that_nobody_sees() {
    let body = r#"{"request_time":"09:01:12 14-08-2026","stat":"Ok","susertoken":"5fab0123456789abcdef0123456789ab","uid":"FA12345","actid":"FA12345",
 "uname":"TEST USER","email":"x@example.test","brkname":"FINV","brnchid":"HO","lastaccesstime":"1755142272",
 "access_type":["WEB","TT","MOB","API"],"totp_set":"1",
 "exarr":["NSE","NFO","BSE","BFO","MCX","CDS"],"orarr":["MKT","LMT","SL-LMT","SL-MKT"],
 "prarr":[{"prd":"C","s_prdt_ali":"CNC","exch":["NSE","BSE"]},{"prd":"M","s_prdt_ali":"NRML","exch":["NFO"]},{"prd":"I"}],
 "values":["1"],"mws":{},"spasswordreset":"Y"}"#;
    let ObjectReply::Ok(fields) = ObjectReply::read(200, body.as_bytes()) else { panic!("refused") };
    let login = session::quick_auth(&fields).unwrap();
    assert_eq!(login.token.expose_secret(), "5fab0123456789abcdef0123456789ab");
    assert_eq!((login.uid.as_str(), login.actid.as_str()), ("FA12345", "FA12345"));
    assert_eq!((login.exchanges.len(), login.products.len(), login.must_change_password), (6, 3, true));
    assert_eq!(login.request_time, Some(utc("2026-08-14T03:31:12Z")));
    for shown in [format!("{login:?}"), format!("{fields:?}")] {
        assert!(!shown.contains("5fab") && !shown.contains("x@example.test"), "{shown}");
    }
}

#[test]
fn an_access_token_needs_no_stat() {
    let body = r#"{"access_token":"5fab0123456789abcdef0123456789ab","refresh_token":"r","susertoken":"s","USERID":"FA12345","expires_in":"1786507445"}"#;
    let ObjectReply::Ok(fields) = session::access_token_reply(200, body.as_bytes()) else { panic!("refused") };
    let login = session::access_token(&fields).unwrap();
    assert_eq!((login.uid.as_str(), login.actid.as_str()), ("FA12345", "FA12345"));
    assert_eq!(login.expires_at.map(|at| at.timestamp()), Some(1_786_507_445));
    let refused = br#"{"stat":"Not_Ok","emsg":"Invalid Input : INVALID_VERIFIER","access_token":"x"}"#;
    assert_eq!(session::access_token_reply(200, refused).class(), Some(ErrorClass::BadCredentials));
    assert!(matches!(session::access_token_reply(200, br#"{"access_token":" "}"#), ObjectReply::Garbled(_)));
}

#[test]
fn deep_nesting_costs_no_stack() {
    let deep = 200_000;
    let nested = format!("{}{}", "[".repeat(deep), "]".repeat(deep));
    let inside = format!("{{\"stat\":\"Ok\",\"a\":{nested}}}");
    assert!(matches!(ObjectReply::read(200, inside.as_bytes()), ObjectReply::Ok(fields) if fields.text("a").is_none()));
    assert!(matches!(ListReply::read(200, nested.as_bytes()), ListReply::Rows(rows, bad) if rows.is_empty() && bad.len() == 1));
    assert!(matches!(ListReply::read(200, "[".repeat(deep).as_bytes()), ListReply::Garbled(_)));
}

#[test]
fn an_endless_list_proves_nothing() {
    let book = |rows: usize| format!("[{}]", vec!["{}"; rows].join(","));
    assert!(matches!(ListReply::read(200, book(ROWS_MOST).as_bytes()), ListReply::Rows(rows, _) if rows.len() == ROWS_MOST));
    assert!(matches!(ListReply::read(200, book(ROWS_MOST + 1).as_bytes()), ListReply::Garbled(_)));
    let mut kept = Kept::default();
    let read = |fields: &Fields| order_row::read(fields, read_at());
    let (snapshot, _) = kept.read(200, book(ROWS_MOST + 1).as_bytes(), read, |_| true, |_| {});
    assert!(matches!(snapshot, Snapshot::Unknown(_)));
}
