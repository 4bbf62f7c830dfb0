//! The stream and the quote board over real sockets against a scripted broker.

use std::sync::Arc;

use ordergate_actors::persistence::Level;
use ordergate_actors::ports::{Broker, Clock, Quotes, StreamEvent};
use ordergate_actors::testkit::until;

use super::fixtures::share;
use super::scripted::{World, event, ms, settings};
use super::settings::AuthFlow;
use super::{Io, NorenBroker};
use crate::brokers::connection::Connection;
use crate::instruments::InstrumentTable;

#[tokio::test]
async fn the_stream_tells_fills_once_and_comes_back_by_itself() {
    let world = World::new(AuthFlow::QuickAuth).await;
    let mut stream = world.broker.stream().unwrap();
    assert!(world.broker.stream().is_none());
    assert_eq!(event(&mut stream).await, StreamEvent::Reconnected);
    let sparse = r#"{"t":"om","norenordno":"26112000000001","exch":"NSE","tsym":"RELIANCE-EQ","trantype":"B","status":"PENDING","reporttype":"NewAck","pcode":"I"}"#;
    let fill = r#"{"t":"om","norenordno":"26112000000001","exch":"NSE","tsym":"RELIANCE-EQ","qty":"10","prc":"101.50","pcode":"I","remarks":"OG1","status":"COMPLETE","reporttype":"Fill","trantype":"B","prctyp":"LMT","ret":"DAY","fillshares":"10","avgprc":"101.45","flid":"380225664","flqty":"10","flprc":"101.45","fltm":"20-11-2026 10:00:00"}"#;
    let late = fill.replace("COMPLETE", "OPEN").replace("\"Fill\"", "\"New\"").replace(r#""fillshares":"10","#, "");
    for frame in [sparse, fill, fill, &late, sparse] {
        world.server.push(frame);
    }
    assert!(matches!(event(&mut stream).await, StreamEvent::Trade(trade) if trade.fill.quantity.value() == 10));
    assert!(matches!(event(&mut stream).await, StreamEvent::Order(row) if row.filled == 10 && row.tag.as_deref() == Some("OG1")));
    until("the subscription", || world.server.heard(r#"{"t":"o""#) == 1).await;
    world.server.push("close");
    assert_eq!(event(&mut stream).await, StreamEvent::Reconnected, "nothing but the fill was told before");
    until("the subscription again", || world.server.heard(r#"{"t":"o""#) == 2).await;
    assert!(world.broker.report().await.stream_age.is_some());
}

#[tokio::test]
async fn asking_for_a_quote_subscribes_it_and_frames_fill_it_in() {
    let world = World::new(AuthFlow::QuickAuth).await;
    let mut stream = world.broker.stream().unwrap();
    event(&mut stream).await;
    let (board, key) = (world.broker.board(), share().key);
    assert_eq!(board.quote(&key), None);
    until("the subscription", || world.server.heard(r#"{"t":"d","k":"NSE|2885"}"#) == 1).await;
    world.server.push(r#"{"t":"tk","e":"NSE","tk":"2885","lp":"101.45","bp1":"101.40","sp1":"101.50"}"#);
    world.server.push(r#"{"t":"tf","e":"NSE","tk":"2885","bp1":"101.45"}"#);
    let bid = || board.quote(&key).and_then(|quote| quote.bid).map(|bid| bid.to_string());
    until("the frames", || bid().as_deref() == Some("101.45")).await;
    assert_eq!(board.quote(&key).unwrap().ask.unwrap().to_string(), "101.5");
    world.server.push("close");
    until("the subscription again", || world.server.heard(r#"{"t":"d","k":"NSE|2885"}"#) == 2).await;
    assert_eq!(world.broker.quote(Arc::new(share())).await.unwrap().bid.unwrap().to_string(), "101.4");
}

#[tokio::test]
async fn a_refused_socket_proves_the_session_by_a_read_and_backs_off() {
    let world = World::new(AuthFlow::QuickAuth).await;
    world.server.take_sockets(false);
    let mut stream = world.broker.stream().unwrap();
    until("refusals", || world.server.heard(r#"{"t":"c""#) >= 3).await;
    assert_eq!(world.server.arrived("QuickAuth").len(), 1, "the token works: no login follows");
    assert!(!world.server.arrived("UserDetails").is_empty());
    let report = world.broker.report().await;
    assert!(report.stream_age.is_none() && report.stream_down.is_some_and(|(_, why)| why.contains("refuses")));
    world.server.take_sockets(true);
    while event(&mut stream).await != StreamEvent::Reconnected {}
    until("it has lived", || world.broker.shared.health.down().is_none()).await;
}

#[tokio::test]
async fn a_socket_that_is_refused_for_long_is_said_to_a_person() {
    let world = World::new(AuthFlow::QuickAuth).await;
    let directory = tempfile::tempdir().unwrap();
    let (rest, socket) = world.addresses();
    let mut settings = settings((&rest, &socket), directory.path(), AuthFlow::QuickAuth);
    settings.stream.silence = ms(300);
    world.server.take_sockets(false);
    let table = Arc::new(InstrumentTable::new([share()]));
    let broker = NorenBroker::start(settings, table, world.clock() as Arc<dyn Clock>, Io::current()).unwrap();
    let mut stream = broker.stream().unwrap();
    // It is Friday at ten, and nobody has said that nothing is held.
    let said = loop {
        if let StreamEvent::Notice { level, event: "ALARM_STREAM_DOWN", text } = event(&mut stream).await {
            break (level, text);
        }
    };
    assert!(said.0 == Level::Page && said.1.contains("refuses its login"), "{said:?}");
}
