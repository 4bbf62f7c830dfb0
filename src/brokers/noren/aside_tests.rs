//! What the adapter does and hears beside the calls that it is asked for.

use std::sync::Arc;

use chrono::NaiveTime;
use ordergate_actors::order::{BrokerOrderId, Instrument, Kind, Right};
use ordergate_actors::ports::{
    Broker, CallOutcome, Clock, NoQuote, PlaceOutcome, RateWindow, Session as SessionState, Snapshot, StreamEvent,
};
use ordergate_actors::testkit::until;

use super::fixtures::{price, share};
use super::scripted::{World, event, settings, well};
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
