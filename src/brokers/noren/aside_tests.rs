//! What the adapter does and hears beside the calls that it is asked for.

use std::sync::Arc;

use chrono::NaiveTime;
use ordergate_actors::order::{BrokerOrderId, Instrument, Kind, Right};
use ordergate_actors::persistence::Level;
use ordergate_actors::ports::{
    Broker, CallOutcome, Clock, NoQuote, PlaceOutcome, RateWindow, Session as SessionState, Snapshot, StreamEvent,
};
use ordergate_actors::testkit::until;

use super::fixtures::{price, share};
use super::scripted::{World, event, settings, start, well};
use super::server::{Act, Arrived, not_ok, ok};
use super::{AuthFlow, Io, NorenBroker, NorenSettings};
use crate::brokers::connection::Connection;
use crate::instruments::InstrumentTable;

const FULL: &str = "Invalid Input :  Order Recieved 11 in a current second exceeds Limit 10 for user";

/// Every call of these routes is refused for too many calls.
fn limited(routes: &'static [&'static str]) -> impl Fn(&Arrived, usize) -> Act {
    move |arrived, _| if routes.contains(&arrived.route.as_str()) { not_ok(400, FULL) } else { well(arrived) }
}

#[tokio::test]
async fn a_read_without_room_says_nothing_against_the_session_and_closes_the_window() {
    let world = World::new(AuthFlow::QuickAuth).await;
    world.ready().await;
    let _at_the_start = world.broker.aside();
    world.server.script(limited(&["UserDetails"]));
    assert_eq!(world.broker.session().await, SessionState::Ready);
    let aside = world.broker.aside();
    assert_eq!((aside.calls, aside.limited.map(|(window, _)| window)), (0, Some(RateWindow::Second)), "the read itself was asked for");
    assert_eq!(world.broker.aside().limited, None, "told once");
}

#[tokio::test]
async fn a_quote_without_room_is_told_as_such() {
    let world = World::new(AuthFlow::QuickAuth).await;
    world.ready().await;
    world.server.script(limited(&["GetQuotes"]));
    let answer = world.broker.quote(Arc::new(share())).await;
    assert!(matches!(answer, Err(NoQuote::RateLimited { window: RateWindow::Second, .. })), "{answer:?}");
}

/// A gateway's 429 says the same wherever it comes: too many, and not of which window. An order may be live all the same.
#[tokio::test]
async fn a_page_of_429_closes_the_window_whatever_was_called() {
    let world = World::new(AuthFlow::QuickAuth).await;
    world.ready().await;
    let (prepared, number) = (world.prepared("OG1"), BrokerOrderId::parse("26112000000001").unwrap());
    let page = "<html><head><title>429 Too Many Requests</title></head></html>";
    world.server.script(move |_, _| Act::Reply(429, page.to_owned()));
    let _at_the_start = world.broker.aside();
    let is_unsaid = |snapshot: &str| snapshot.contains("RateLimited { window: Unsaid");
    let told = |world: &World| world.broker.aside().limited.map(|(window, _)| window);
    let broker = &world.broker;
    let answers = [
        format!("{:?}", broker.orders().await),
        format!("{:?}", broker.trades().await),
        format!("{:?}", broker.positions().await),
        format!("{:?}", broker.holdings().await),
        format!("{:?}", broker.quote(Arc::new(share())).await),
        format!("{:?}", broker.funds().await),
    ];
    for answer in answers {
        assert!(is_unsaid(&answer), "{answer}");
    }
    assert_eq!(told(&world), None, "the answers themselves say it");
    assert_eq!(broker.session().await, SessionState::Ready);
    assert_eq!(told(&world), Some(RateWindow::Unsaid), "the session");
    assert!(matches!(broker.place(prepared).await, PlaceOutcome::Unconfirmed(_)));
    assert_eq!(told(&world), Some(RateWindow::Unsaid), "an order");
    assert!(matches!(broker.cancel(number).await, CallOutcome::Unconfirmed(_)));
    assert_eq!(told(&world), Some(RateWindow::Unsaid), "a cancel");
}

/// Quotes of options were seen with the price of the underlying and an empty book, and none of them need tell the day's band.
#[tokio::test]
async fn the_price_of_the_underlying_is_no_quote_of_its_option() {
    let world = World::new(AuthFlow::QuickAuth).await;
    world.ready().await;
    let strike = price("24000");
    let kind = Kind::Option { expiry: "2026-11-24".parse().unwrap(), strike, right: Right::Call };
    let option = Arc::new(Instrument { kind, ..share() });
    let quoted = |fields: &'static str| {
        world.server.script(move |arrived, _| match arrived.route.as_str() {
            "GetQuotes" => ok(&format!(r#","exch":"NSE","token":"2885"{fields}"#)),
            _ => well(arrived),
        });
        world.broker.quote(Arc::clone(&option))
    };
    let answer = quoted(r#","lp":"24010.50""#).await;
    assert!(matches!(&answer, Err(NoQuote::None(words)) if words.contains("underlying")), "{answer:?}");
    assert_eq!(quoted(r#","lp":"101.45""#).await.unwrap().last, price("101.45"), "a premium");
    let deep = quoted(r#","lp":"13010.50","bp1":"13000","bq1":"65","sp1":"13020","sq1":"65""#).await;
    assert_eq!(deep.unwrap().last, price("13010.50"), "with a book it is believed");
}

#[tokio::test]
async fn calls_that_nobody_asked_for_are_counted() {
    let world = World::new(AuthFlow::QuickAuth).await;
    world.ready().await;
    assert_eq!(world.broker.aside().calls, 1, "the login");
    let report = world.broker.report().await;
    assert!(report.funds.is_ok(), "{report:?}");
    assert_eq!(world.broker.aside().calls, 2, "the proof and the funds");
    let _book = world.broker.orders().await;
    assert_eq!(world.broker.aside().calls, 0);
}

/// A new login would end the session that works, and the exits with it.
#[tokio::test]
async fn a_report_without_room_for_a_read_is_of_a_session_that_works() {
    let world = World::new(AuthFlow::OAuth).await;
    world.broker.take_code("one-time-code".into()).await.unwrap();
    world.server.script(limited(&["UserDetails"]));
    let report = world.broker.report().await;
    assert!(report.session.as_ref().is_ok_and(|words| words.contains("exceeds Limit 10")), "{report:?}");
    assert!(report.is_full && report.funds.is_err() && report.login_link.is_none(), "{report:?}");
    assert!(world.server.arrived("Limits").is_empty(), "one more would be one too many");
    assert_eq!(world.broker.aside().limited.map(|(window, _)| window), Some(RateWindow::Second));
    world.server.script(limited(&["Limits"]));
    let report = world.broker.report().await;
    assert!(report.session.is_ok() && report.is_full && report.funds.is_err() && report.login_link.is_none(), "{report:?}");
    world.server.script(|arrived, _| well(arrived));
    let report = world.broker.report().await;
    assert!(!report.is_full && report.funds.is_ok(), "{report:?}");
}

#[tokio::test]
async fn the_address_that_is_told_is_that_of_an_order_of_today() {
    let world = World::new(AuthFlow::QuickAuth).await;
    world.ready().await;
    let row = |number: &str, time: &str, address: &str, tag: &str| {
        format!(
            r#"{{"stat":"Ok","norenordno":"{number}","exch":"NSE","tsym":"RELIANCE-EQ","trantype":"B","prd":"I","qty":"1","status":"OPEN",
               "ordersource":"API","remarks":"{tag}","norentm":"{time} 20-11-2026","ipaddr":"{address}"}}"#
        )
    };
    let rows = [
        row("1", "09:59:00", "203.0.113.1", "OGA"),
        row("2", "09:59:59", "203.0.113.2", "OGB"),
        row("3", "10:00:00", "203.0.113.3", "somebody else's"),
    ];
    let book = format!("[{}]", rows.join(","));
    world.server.script(move |arrived, _| if arrived.route == "OrderBook" { Act::Reply(200, book.clone()) } else { well(arrived) });
    assert_eq!(world.broker.report().await.address, None, "no order has told it");
    assert!(matches!(world.broker.orders().await, Snapshot::Authoritative(rows, _) if rows.len() == 3));
    assert_eq!(world.broker.report().await.address, "203.0.113.2".parse().ok());
    world.set_clock("2026-11-20T18:31:00Z");
    let broker = start(&world.server, tempfile::tempdir().unwrap().path(), AuthFlow::QuickAuth, &world.clock);
    until("the session", || broker.shared.session.token().is_ok()).await;
    assert!(matches!(broker.orders().await, Snapshot::Authoritative(rows, _) if rows.len() == 3));
    assert_eq!(broker.report().await.address, None, "the book still shows the day before");
    assert_eq!(world.broker.shared.session.address(), None, "nor does it outlive the night in a process that goes on");
}

#[tokio::test]
async fn an_address_that_is_not_taken_is_told_once_until_an_order_passes() {
    const WRONG: &str = "Rejected : ALGO_CHK: Invalid IP";
    let world = World::new(AuthFlow::QuickAuth).await;
    world.ready().await;
    let mut stream = world.broker.stream().unwrap();
    let refuse = || {
        world.server.script(|arrived, _| if arrived.route == "PlaceOrder" { not_ok(200, WRONG) } else { well(arrived) });
    };
    refuse();
    assert_eq!(world.broker.report().await.address_refusal, None);
    for tag in ["OG1", "OG2"] {
        assert_eq!(world.broker.place(world.prepared(tag)).await, PlaceOutcome::Rejected(WRONG.to_owned()));
    }
    assert_eq!(world.broker.report().await.address_refusal.as_deref(), Some(WRONG));
    world.server.script(|arrived, _| well(arrived));
    assert_eq!(world.broker.cancel(BrokerOrderId::parse("1").unwrap()).await, CallOutcome::Accepted);
    assert!(world.broker.report().await.address_refusal.is_some(), "a cancel proves nothing");
    assert!(matches!(world.broker.place(world.prepared("OG3")).await, PlaceOutcome::Accepted(_)));
    assert_eq!(world.broker.report().await.address_refusal, None);
    refuse();
    world.broker.place(world.prepared("OG4")).await;
    world.broker.login().await.unwrap();
    assert_eq!(world.broker.report().await.address_refusal, None, "a person has seen to it");
    let mut pages = 0;
    while let Ok(event) = stream.try_recv() {
        if let StreamEvent::Notice { level: Level::Page, event: "ALARM_ADDRESS_REFUSED", text } = event {
            assert!(text.contains(WRONG), "{text}");
            pages += 1;
        }
    }
    assert_eq!(pages, 2, "once for each time that it began");
}

#[tokio::test]
async fn a_read_that_never_leaves_does_not_count() {
    let world = World::new(AuthFlow::OAuth).await;
    let _at_the_start = world.broker.aside();
    // Nobody is logged in: every question of the engine stays at home, and so does a report for people.
    assert!(matches!(world.broker.session().await, SessionState::NotReady(_)));
    assert!(matches!(world.broker.orders().await, Snapshot::Unknown(_)));
    assert!(matches!(world.broker.positions().await, Snapshot::Unknown(_)));
    assert!(world.broker.quote(Arc::new(share())).await.is_err());
    assert!(world.broker.report().await.session.is_err());
    let aside = world.broker.aside();
    assert_eq!((aside.calls, aside.unmade.len()), (0, 4), "{aside:?}");
    assert!(aside.unmade.iter().all(|at| *at == world.clock().now()));
    assert!(world.server.everything().is_empty(), "and nothing left");
    // From the login on they count.
    world.broker.take_code("one-time-code".into()).await.unwrap();
    assert_eq!(world.broker.session().await, SessionState::Ready);
    assert!(matches!(world.broker.orders().await, Snapshot::Authoritative(..)));
    let aside = world.broker.aside();
    assert_eq!((aside.calls, aside.unmade), (1, Vec::new()), "the login");
}

#[tokio::test]
async fn a_read_without_a_connection_does_not_count() {
    let world = World::new(AuthFlow::QuickAuth).await;
    world.ready().await;
    world.server.script(|_, _| Act::ReplyAndClose(200, r#"{"stat":"Not_Ok","emsg":"Error Occurred : 5 \"no data\""}"#.into()));
    assert!(matches!(world.broker.trades().await, Snapshot::Authoritative(..)), "and no connection is kept alive");
    let _at_the_start = world.broker.aside();
    world.server.close().await;
    assert!(matches!(world.broker.trades().await, Snapshot::Unknown(_)));
    assert_eq!(world.broker.aside().unmade.len(), 1);
}

#[tokio::test]
async fn an_order_that_finds_the_session_ended_is_refused_for_that() {
    let world = World::new(AuthFlow::QuickAuth).await;
    world.ready().await;
    world.server.script(|arrived, _| match arrived.route.as_str() {
        "PlaceOrder" => not_ok(401, "Session Expired :  Invalid Session Key"),
        _ => well(arrived),
    });
    assert!(matches!(world.broker.place(world.prepared("OG1")).await, PlaceOutcome::NoSession(_)));
}

#[tokio::test]
async fn a_person_hears_of_a_refused_login() {
    let world = World::with(AuthFlow::QuickAuth, |arrived, _| match arrived.route.as_str() {
        "QuickAuth" => not_ok(200, "Invalid Input : Invalid OTP"),
        _ => well(arrived),
    })
    .await;
    let mut stream = world.broker.stream().unwrap();
    let StreamEvent::Notice { event, text, .. } = event(&mut stream).await else { panic!("a notice comes first") };
    assert!(event == "ALARM_LOGIN_REFUSED" && text.contains("Invalid OTP"), "{event}: {text}");
}

#[tokio::test]
async fn at_night_it_rests_while_nothing_needs_a_session() {
    let world = World::new(AuthFlow::QuickAuth).await;
    let directory = tempfile::tempdir().unwrap();
    let (rest, socket) = world.addresses();
    let login_at = NaiveTime::from_hms_opt(8, 0, 0).unwrap();
    let settings = NorenSettings { login_at, ..settings((&rest, &socket), directory.path(), AuthFlow::QuickAuth) };
    let table = Arc::new(InstrumentTable::new([share()]));
    let broker = NorenBroker::start(settings, table, world.clock() as Arc<dyn Clock>, Io::current()).unwrap();
    until("the session", || broker.shared.session.token().is_ok()).await;
    let before = world.server.arrived("QuickAuth").len();
    world.set_clock("2026-11-20T21:35:00Z");
    broker.in_use(false);
    let SessionState::Resting(words) = broker.session().await else { panic!("it is 03:05 and nothing is held") };
    assert!(words.contains("2026-11-21 02:30:00 UTC"), "{words}");
    assert_eq!(world.server.arrived("QuickAuth").len(), before);
    broker.in_use(true);
    until("a login at once", || world.server.arrived("QuickAuth").len() > before).await;
    until("the session", || broker.shared.session.token().is_ok()).await;
    assert_eq!(broker.session().await, SessionState::Ready);
}
