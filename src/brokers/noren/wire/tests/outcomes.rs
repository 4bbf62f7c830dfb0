//! What became of an order call: accepted, refused, not sent, or not known.

use ordergate_actors::order::BrokerOrderId;
use ordergate_actors::ports::RateWindow;
use ordergate_actors::ports::{CallOutcome, PlaceOutcome};

use super::super::class::{ErrorClass, RejectPrefix};
use super::super::outcome::{Delivery, change, place};
use super::super::redact;
use super::utc;

const PAGE: &str = "<html><head><title>502 Bad Gateway</title></head></html>";

fn replied(status: u16, body: &str) -> Delivery {
    Delivery::Replied { status, body: body.as_bytes().to_vec() }
}

#[test]
fn an_order_with_a_number_is_accepted() {
    let body = r#"{"request_time":"15:14:05 23-10-2026","stat":"Ok","norenordno":"26102300677727"}"#;
    for body in [body.to_owned(), body.replace("\"26102300677727\"", "26102300677727"), body.replace("norenordno", "norenoordno")] {
        let answer = place(&replied(200, &body));
        assert_eq!(answer.outcome, PlaceOutcome::Accepted(BrokerOrderId::parse("26102300677727").unwrap()), "{body}");
        assert_eq!(answer.class, None);
        assert_eq!(answer.request_time, Some(utc("2026-10-23T09:44:05Z")));
    }
}

#[test]
fn a_full_window_refuses_and_says_which() {
    for (period, window) in [("second", RateWindow::Second), ("minute", RateWindow::Minute)] {
        let words = format!("Invalid Input :  Order Recieved 11 in a current {period} exceeds Limit 10 for user");
        let reply = replied(400, &format!(r#"{{"stat":"Not_Ok","emsg":"{words}"}}"#));
        let answer = place(&reply);
        let text = redact::line(&words);
        assert_eq!(answer.outcome, PlaceOutcome::RateLimited { window, text: text.clone() });
        assert_eq!(answer.class, Some(ErrorClass::RateLimited { limit: Some(10), period: Some(window) }));
        assert_eq!(change(&reply).outcome, CallOutcome::RateLimited { window, text });
        // A server in trouble proves nothing with the same words.
        let body = format!(r#"{{"stat":"Not_Ok","emsg":"{words}"}}"#);
        assert!(matches!(place(&replied(502, &body)).outcome, PlaceOutcome::Unconfirmed(_)));
    }
}

#[test]
fn clear_refusals_reject_and_tell_their_class() {
    let table = [
        (200, "Rejected : ALGO_CHK: MKT Order type not allowed for API order", ErrorClass::Rejected(RejectPrefix::AlgoCheck)),
        (400, "Error Occurred : 2 \\\"invalid input\\\"", ErrorClass::InvalidInput),
        (200, "Session Expired :  Invalid Session Key", ErrorClass::SessionExpired),
        (401, "Session Expired :  Invalid Session Key", ErrorClass::SessionExpired),
        (403, "Session Expired : Invalid Session Key", ErrorClass::SessionExpired),
        (200, "Rejected : ALGO_CHK: Invalid IP", ErrorClass::InvalidIp),
    ];
    for (status, emsg, class) in table {
        let body = format!(r#"{{"stat":"Not_Ok","request_time":"20:40:01 19-05-2026","emsg":"{emsg}"}}"#);
        let answer = place(&replied(status, &body));
        let words = redact::line(&emsg.replace('\\', ""));
        let outcome = match class {
            ErrorClass::RateLimited { .. } => PlaceOutcome::RateLimited { window: RateWindow::Second, text: words },
            ErrorClass::SessionExpired => PlaceOutcome::NoSession(words),
            _ => PlaceOutcome::Rejected(words),
        };
        assert_eq!(answer.outcome, outcome, "{emsg}");
        assert_eq!(answer.class, Some(class), "{emsg}");
        assert_eq!(answer.request_time, Some(utc("2026-05-19T15:10:01Z")));
        let changed = change(&replied(status, &body)).outcome;
        let is_limited = matches!(class, ErrorClass::RateLimited { .. });
        assert_eq!(matches!(changed, CallOutcome::RateLimited { .. }), is_limited, "{emsg}");
        assert_eq!(matches!(changed, CallOutcome::Rejected(_)), !is_limited, "{emsg}");
    }
}

#[test]
fn a_gateways_page_of_refusal_is_a_refusal() {
    for status in [404, 405] {
        let answer = place(&replied(status, "<html>no</html>"));
        assert!(matches!(answer.outcome, PlaceOutcome::Rejected(_)) && answer.class.is_none(), "{status}: {answer:?}");
    }
    // A refused token is not a refused order: an exit goes again once there is a session.
    for status in [401, 403] {
        let page = replied(status, "<html>no</html>");
        let answer = place(&page);
        assert!(matches!(answer.outcome, PlaceOutcome::NoSession(_)), "{status}: {answer:?}");
        assert_eq!(answer.class, Some(ErrorClass::TokenNotTaken), "{status}");
        assert!(matches!(change(&page).outcome, CallOutcome::Rejected(_)), "{status}");
    }
    for status in [401, 403, 404, 405] {
        assert!(matches!(place(&replied(status, "")).outcome, PlaceOutcome::Unconfirmed(_)), "{status} without a page");
    }
}

#[test]
fn everything_else_may_be_live() {
    let rejected = r#"{"stat":"Not_Ok","emsg":"Rejected : ORA:x"}"#;
    let table = [
        (200, r#"{"stat":"Ok"}"#),
        (200, r#"{"stat":"Ok","norenordno":" "}"#),
        (200, r#"{"stat":"Ok","norenordno":"1 2"}"#),
        (200, r#"{"stat":"Not_Ok","emsg":"Server Timeout :  "}"#),
        (200, r#"{"stat":"Not_Ok","emsg":"Error Occurred : 5 \"no data\""}"#),
        (200, r#"{"stat":"Not_Ok","emsg":"something new"}"#),
        (200, r#"{"stat":"Not_Ok"}"#),
        (200, r#"{"norenordno":"26102300677727"}"#),
        (200, "[]"),
        (200, "null"),
        (200, ""),
        (200, r#"{"stat":"Ok","norenordno":"2610"#),
        (200, PAGE),
        (302, ""),
        (400, "bad request"),
        (400, PAGE),
        (408, ""),
        (429, "slow down"),
        (500, ""),
        (500, rejected),
        (502, PAGE),
        (503, PAGE),
        (504, PAGE),
    ];
    for (status, body) in table {
        let answer = place(&replied(status, body));
        assert!(matches!(answer.outcome, PlaceOutcome::Unconfirmed(_)), "{status} {body}: {answer:?}");
    }
    assert!(matches!(place(&Delivery::Lost("timed out after 8 s".into())).outcome, PlaceOutcome::Unconfirmed(_)));
    assert!(matches!(change(&Delivery::Lost("reset".into())).outcome, CallOutcome::Unconfirmed(_)));
    assert!(matches!(change(&replied(502, PAGE)).outcome, CallOutcome::Unconfirmed(_)));
    let slow = place(&replied(429, "slow down"));
    assert_eq!(slow.class, Some(ErrorClass::RateLimited { limit: None, period: None }));
    assert!(matches!(slow.limited, Some((RateWindow::Unsaid, words)) if words.contains("429")), "it holds for the others");
    assert_eq!(place(&replied(502, PAGE)).limited, None);
}

#[test]
fn only_a_request_that_was_never_written_is_not_sent() {
    let refused = Delivery::NotWritten("connection refused".into());
    assert_eq!(place(&refused).outcome, PlaceOutcome::NotSent("connection refused".into()));
    assert_eq!(change(&refused).outcome, CallOutcome::NotSent("connection refused".into()));
}

#[test]
fn a_change_is_acknowledged_or_refused() {
    let ok = r#"{"request_time":"14:14:08 26-05-2026","stat":"Ok","result":"26052600000103"}"#;
    assert_eq!(change(&replied(200, ok)).outcome, CallOutcome::Accepted);
    for emsg in ["Rejected : ORA:Order not found", "Rejected : ORA:Order not found to Cancel", "Rejected : SAF:order is not open to modify"]
    {
        let body = format!(r#"{{"request_time":"14:14:09 26-05-2026","stat":"Not_Ok","emsg":"{emsg}"}}"#);
        assert_eq!(change(&replied(200, &body)).outcome, CallOutcome::Rejected(emsg.to_owned()));
    }
}
