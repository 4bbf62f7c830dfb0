//! The adapter over real sockets against a scripted broker.

use std::sync::Arc;

use ordergate_actors::order::{BookState, BrokerOrderId, BrokerTag, OrderType};
use ordergate_actors::persistence::Level;
use ordergate_actors::ports::{
    Broker, BrokerOrder, CallOutcome, Clock, Modification, PlaceOutcome, Session as SessionState, Snapshot, StreamEvent,
};
use ordergate_actors::testkit::{until, until_found};

use super::fixtures::{order, share, terms};
use super::scripted::{PASSWORD, SEED, TOKEN, World, event, ms, settings, start, well};
use super::server::{Act, Server, not_ok, ok};
use super::session::machine::Step;
use super::settings::AuthFlow;
use super::{Io, NorenBroker};
use crate::brokers::connection::{Connection, LoginError};
use crate::instruments::InstrumentTable;

#[tokio::test]
async fn logs_in_places_changes_and_cancels() {
    let world = World::new(AuthFlow::QuickAuth).await;
    assert_eq!(world.broker.session().await, SessionState::Ready);
    let number = BrokerOrderId::parse("26112000000001").unwrap();
    assert_eq!(world.broker.place(world.prepared("OG00000000001")).await, PlaceOutcome::Accepted(number.clone()));
    // The tag is that of the record: a process that has started since has sent nothing.
    let tag = Some(BrokerTag::parse("OGBEFORE00001").unwrap());
    let change = Modification { broker_order_id: number.clone(), tag, instrument: Arc::new(share()), terms: terms(OrderType::Limit) };
    assert_eq!(world.broker.modify(world.broker.prepare_change(change, None).unwrap()).await, CallOutcome::Accepted);
    assert_eq!(world.broker.cancel(number).await, CallOutcome::Accepted);
    let placed = world.server.arrived("PlaceOrder");
    assert_eq!(placed.len(), 1);
    assert!(placed[0].body.contains(r#""remarks":"OG00000000001""#) && placed[0].body.ends_with(&format!("&jKey={TOKEN}")));
    assert!(world.server.arrived("ModifyOrder")[0].body.contains(r#""remarks":"OGBEFORE00001""#), "the tag is named again");
    assert_eq!(world.server.arrived("QuickAuth").len(), 1);
}

#[tokio::test]
async fn a_person_signs_in_with_oauth() {
    let world = World::new(AuthFlow::OAuth).await;
    assert!(matches!(world.broker.login().await, Err(LoginError::NeedsPerson(link)) if link.contains("client_id=FA00001_U")));
    assert!(matches!(world.broker.place(world.prepared("OG1")).await, PlaceOutcome::NotSent(_)));
    world.broker.take_code("one-time-code".into()).await.unwrap();
    let report = world.broker.report().await;
    assert!(report.session.is_ok(), "{report:?}");
    assert_eq!(report.funds.unwrap().available.to_string(), "1000.00");
    assert_eq!(report.token_ends_at.unwrap().to_rfc3339(), "2026-11-20T21:30:00+00:00");
    assert_eq!(report.clock_skew_ms, Some(500), "the broker's second is 10:00:00 Indian time, ours too");
    world.broker.place(world.prepared("OG2")).await;
    let placed = world.server.arrived("PlaceOrder");
    assert_eq!((placed.len(), placed[0].bearer.as_deref()), (1, Some(format!("Bearer {TOKEN}").as_str())));
}

#[tokio::test]
async fn a_code_of_another_user_is_refused_and_the_right_one_may_still_come() {
    let world = World::with(AuthFlow::OAuth, |arrived, _| match arrived.route.as_str() {
        "GenAcsTok" => ok(&format!(r#","access_token":"{TOKEN}","uid":"FA00002","actid":"FA00002""#)),
        _ => well(arrived),
    })
    .await;
    let answer = world.broker.take_code("of-another".into()).await;
    assert!(matches!(&answer, Err(LoginError::Refused(words)) if words.contains("FA00002 instead of FA00001")), "{answer:?}");
    assert!(matches!(world.broker.session().await, SessionState::NotReady(_)));
    world.server.script(|arrived, _| well(arrived));
    world.broker.take_code("one-time-code".into()).await.unwrap();
    assert_eq!(world.broker.session().await, SessionState::Ready);
}

/// A session that ends in the middle of the day: who is back in a moment says so, and who waits for a person asks for one, loudly while
/// exits wait for it.
#[tokio::test]
async fn an_evicted_session_asks_for_a_person_where_one_signs_in() {
    let cases = [(AuthFlow::OAuth, true, Level::Page), (AuthFlow::OAuth, false, Level::Warn), (AuthFlow::QuickAuth, true, Level::Warn)];
    for (auth, is_in_use, wanted) in cases {
        let world = World::new(auth).await;
        let mut stream = world.broker.stream().unwrap();
        if auth == AuthFlow::OAuth {
            world.broker.take_code("one-time-code".into()).await.unwrap();
        }
        assert_eq!(world.broker.session().await, SessionState::Ready);
        world.broker.in_use(is_in_use);
        world.server.script(|arrived, _| match arrived.route.as_str() {
            "OrderBook" => not_ok(200, "Session Expired :  Invalid Session Key"),
            _ => well(arrived),
        });
        assert!(matches!(world.broker.orders().await, Snapshot::Unknown(_)));
        let (level, text) = loop {
            if let StreamEvent::Notice { level, event: "ALARM_SESSION_EVICTED", text } = event(&mut stream).await {
                break (level, text);
            }
        };
        assert_eq!(level, wanted, "{auth:?}: {text}");
        let asks = text.contains("a person must sign in again") && text.contains("LOGIN NEEDED");
        assert_eq!(asks, auth == AuthFlow::OAuth, "{text}");
        assert_eq!(text.contains("exits wait"), wanted == Level::Page, "{text}");
    }
}

/// A kept token of which no read tells anything, all day, must not keep the person out.
#[tokio::test]
async fn a_kept_token_that_cannot_be_proven_leaves_the_person_the_link() {
    let world = World::new(AuthFlow::OAuth).await;
    world.broker.take_code("one-time-code".into()).await.unwrap();
    world.server.script(|arrived, _| match arrived.route.as_str() {
        "UserDetails" => Act::Reply(503, "<html>later</html>".into()),
        _ => well(arrived),
    });
    let (rest, socket) = world.addresses();
    let mut settings = settings((&rest, &socket), world.directory.path(), AuthFlow::OAuth);
    settings.timeouts.read = ms(300);
    let table = Arc::new(InstrumentTable::new([share()]));
    let second = NorenBroker::start(settings, table, world.clock() as Arc<dyn Clock>, Io::current()).unwrap();
    assert!(matches!(second.login().await, Err(LoginError::NeedsPerson(link)) if link.contains("client_id=FA00001_U")));
    // A proof may be under way at that moment.
    until_found("the code is taken", async || second.take_code("another-code".into()).await).await;
    assert!(second.shared.session.token().is_ok());
}

#[tokio::test]
async fn a_session_that_works_is_not_put_aside_for_a_code() {
    let world = World::new(AuthFlow::OAuth).await;
    world.broker.take_code("one-time-code".into()).await.unwrap();
    let answer = world.broker.take_code("junk".into()).await.unwrap();
    assert!(answer.contains("logged in already"), "{answer}");
    assert_eq!(world.server.arrived("GenAcsTok").len(), 1, "our secret goes nowhere for it");
    assert!(matches!(world.broker.place(world.prepared("OG1")).await, PlaceOutcome::Accepted(_)));
}

#[tokio::test]
async fn a_restart_uses_the_kept_token_and_logs_in_only_when_it_is_dead() {
    let world = World::new(AuthFlow::QuickAuth).await;
    world.ready().await;
    let second = start(&world.server, world.directory.path(), AuthFlow::QuickAuth, &world.clock);
    until("the kept token", || second.shared.session.token().is_ok()).await;
    assert_eq!(world.server.arrived("QuickAuth").len(), 1, "a read proved it");
    world.server.script(|arrived, _| match arrived.route.as_str() {
        "UserDetails" => not_ok(401, "Session Expired :  Invalid Session Key"),
        _ => well(arrived),
    });
    let third = start(&world.server, world.directory.path(), AuthFlow::QuickAuth, &world.clock);
    until("a login", || world.server.arrived("QuickAuth").len() == 2).await;
    until("the session", || third.shared.session.token().is_ok()).await;
}

#[tokio::test]
async fn a_refused_login_is_not_repeated_until_a_person_asks() {
    let world = World::with(AuthFlow::QuickAuth, |arrived, _| match arrived.route.as_str() {
        "QuickAuth" => not_ok(200, "Invalid Input : Invalid OTP"),
        _ => well(arrived),
    })
    .await;
    assert!(matches!(world.broker.session().await, SessionState::NotReady(words) if words.contains("Invalid OTP")));
    // A day lies far behind the back-off of a login that may be repeated.
    let session = &world.broker.shared.session;
    assert_eq!(session.would_do(world.clock.now() + chrono::TimeDelta::days(1)), Step::Wait);
    assert_eq!(world.server.arrived("QuickAuth").len(), 1);
    world.server.script(|arrived, _| well(arrived));
    assert!(world.broker.login().await.is_ok());
    assert_eq!(world.server.arrived("QuickAuth").len(), 2);
}

#[tokio::test]
async fn a_dead_token_leads_to_one_login_and_never_beside_an_order_call() {
    let world = World::new(AuthFlow::QuickAuth).await;
    world.ready().await;
    let (token, flight) = world.broker.shared.session.take_off().unwrap();
    let dead = super::wire::ErrorClass::SessionExpired;
    for _ in 0..5 {
        world.broker.shared.session.learn(token.number, Some(dead), None, world.clock.now());
    }
    // Far behind every back-off: what holds the login up is the order call that is under way.
    let later = world.clock.now() + chrono::TimeDelta::hours(1);
    assert_eq!(world.broker.shared.session.would_do(later), Step::Wait);
    assert_eq!(world.server.arrived("QuickAuth").len(), 1);
    drop(flight);
    world.ready().await;
    assert_eq!(world.server.arrived("QuickAuth").len(), 2);
    world.broker.shared.session.learn(token.number, Some(dead), None, world.clock.now());
    assert!(world.broker.shared.session.token().is_ok(), "what is said of an old token does not touch the new one");
}

#[tokio::test]
async fn what_became_of_an_order_call_is_never_guessed() {
    let world = World::new(AuthFlow::QuickAuth).await;
    world.ready().await;
    let acts = [
        (Act::Close, "unconfirmed"),
        (Act::Cut, "unconfirmed"),
        (Act::Hang, "unconfirmed"),
        (Act::Reply(502, "<html>Bad Gateway</html>".into()), "unconfirmed"),
        (Act::Reply(200, String::new()), "unconfirmed"),
        (ok(""), "unconfirmed"),
        (not_ok(200, "Rejected : ALGO_CHK: Invalid IP"), "rejected"),
        (Act::Reply(302, String::new()), "unconfirmed"),
    ];
    for (n, (act, expected)) in acts.into_iter().enumerate() {
        let scripted = act.clone();
        world.server.script(move |arrived, _| if arrived.route == "PlaceOrder" { scripted.clone() } else { well(arrived) });
        let tag = format!("OGFATE{n}");
        let outcome = match world.broker.place(world.prepared(&tag)).await {
            PlaceOutcome::Accepted(_) => "accepted",
            PlaceOutcome::Rejected(_) => "rejected",
            PlaceOutcome::RateLimited { .. } => "rate limited",
            PlaceOutcome::NoSession(_) => "no session",
            PlaceOutcome::NotSent(_) => "not sent",
            PlaceOutcome::Unconfirmed(_) => "unconfirmed",
        };
        assert_eq!(outcome, expected, "{act:?}");
        assert_eq!(world.server.arrived("PlaceOrder").iter().filter(|arrived| arrived.body.contains(&tag)).count(), 1, "{act:?}");
    }
}

#[tokio::test]
async fn what_goes_out_is_what_was_written_down_or_nothing() {
    let world = World::new(AuthFlow::QuickAuth).await;
    world.ready().await;
    let mut prepared = world.prepared("OGOTHER00001");
    prepared.request = world.prepared("OGOTHER00002").request;
    let outcome = world.broker.place(prepared).await;
    assert!(matches!(&outcome, PlaceOutcome::NotSent(words) if words.contains("not the one that was written down")), "{outcome:?}");
    let number = BrokerOrderId::parse("26112000000001").unwrap();
    let change = Modification { broker_order_id: number, tag: None, instrument: Arc::new(share()), terms: terms(OrderType::Limit) };
    let mut prepared = world.broker.prepare_change(change, None).unwrap();
    prepared.request.push(' ');
    assert!(matches!(world.broker.modify(prepared).await, CallOutcome::NotSent(_)));
    assert!(world.server.arrived("PlaceOrder").is_empty() && world.server.arrived("ModifyOrder").is_empty());
}

#[tokio::test]
async fn nothing_follows_an_answer_to_another_host_or_unpacks_it() {
    let world = World::new(AuthFlow::QuickAuth).await;
    world.ready().await;
    let other = Server::start(|arrived, _| well(arrived)).await;
    let elsewhere = |status: u16| {
        format!("HTTP/1.1 {status} X\r\nLocation: http://127.0.0.1:{}/PlaceOrder\r\nContent-Length: 2\r\n\r\n{{}}", other.rest)
    };
    let packed = "HTTP/1.1 200 X\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd".to_owned();
    for (n, answer) in [301, 302, 303, 307, 308].map(elsewhere).into_iter().chain([packed]).enumerate() {
        let scripted = answer.clone();
        world.server.script(move |arrived, _| if arrived.route == "QuickAuth" { well(arrived) } else { Act::Raw(scripted.clone()) });
        let outcome = world.broker.place(world.prepared(&format!("OGELSE{n}"))).await;
        assert!(matches!(outcome, PlaceOutcome::Unconfirmed(_)), "{answer}: {outcome:?}");
        assert!(matches!(world.broker.orders().await, Snapshot::Unknown(_)), "{answer}");
    }
    assert_eq!(world.server.arrived("PlaceOrder").len(), 6);
    assert!(other.everything().is_empty(), "the token goes to no other host");
}

#[tokio::test]
async fn a_failed_connection_is_not_sent() {
    let world = World::new(AuthFlow::QuickAuth).await;
    world.ready().await;
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let elsewhere = settings((&format!("http://127.0.0.1:{closed}"), "ws://127.0.0.1:1/"), world.directory.path(), AuthFlow::QuickAuth);
    let http = super::Http::new(&elsewhere).unwrap();
    let body = world.broker.shared.encoder.place(&order("OG1")).unwrap();
    assert!(matches!(http.post(&body, None, ms(2_000)).await, super::wire::Delivery::NotWritten(_)));
}

#[tokio::test]
async fn no_order_arrives_twice_however_sockets_are_closed() {
    let world = World::new(AuthFlow::QuickAuth).await;
    world.ready().await;
    // Kept-alive sockets end right after a reply, on a request, in the middle of a reply, or not at all.
    world.server.script(|arrived, count| match (arrived.route.as_str(), count % 4) {
        ("PlaceOrder", 0) => Act::Close,
        ("PlaceOrder", 1) => Act::ReplyAndClose(200, r#"{"stat":"Ok","norenordno":"26112000000001"}"#.into()),
        ("PlaceOrder", 2) => Act::Cut,
        _ => well(arrived),
    });
    let mut accepted = 0;
    for n in 0..200 {
        match world.broker.place(world.prepared(&format!("OGTWICE{n:04}"))).await {
            PlaceOutcome::Accepted(_) => accepted += 1,
            PlaceOutcome::NotSent(words) => panic!("a connection could be made: {words}"),
            PlaceOutcome::NoSession(words) => panic!("there is a session: {words}"),
            PlaceOutcome::Unconfirmed(_) | PlaceOutcome::Rejected(_) | PlaceOutcome::RateLimited { .. } => {}
        }
    }
    let arrived = world.server.arrived("PlaceOrder");
    for n in 0..200 {
        let tag = format!("OGTWICE{n:04}");
        let times = arrived.iter().filter(|arrived| arrived.body.contains(&tag)).count();
        assert!(times <= 1, "{tag} arrived {times} times");
    }
    assert!(accepted >= 50 && arrived.len() <= 200, "{accepted} accepted, {} arrived", arrived.len());
}

#[tokio::test]
async fn books_are_whole_or_unknown() {
    let world = World::new(AuthFlow::QuickAuth).await;
    world.ready().await;
    assert_eq!(world.broker.orders().await, Snapshot::Authoritative(Vec::new(), Vec::new()));
    let row = r#"{"stat":"Ok","norenordno":"26112000000009","exch":"NSE","tsym":"RELIANCE-EQ","qty":"10","trantype":"B","prctyp":"LMT","ret":"DAY","prd":"I","prc":"1.00","status":"OPEN","norentm":"10:00:00 20-11-2026","ordersource":"API","ipaddr":"203.0.113.9","remarks":"OGBOOK000001"}"#;
    // Large enough to be parsed beside the stream.
    let rows: Vec<String> = (0..500).map(|n| row.replace("26112000000009", &format!("261120000{n:05}"))).collect();
    let book = format!("[{}]", rows.join(","));
    let whole = book.clone();
    world.server.script(move |arrived, _| if arrived.route == "OrderBook" { Act::Reply(200, whole.clone()) } else { well(arrived) });
    let Snapshot::Authoritative(found, bad) = world.broker.orders().await else { panic!("an array is an answer") };
    assert_eq!((found.len(), bad.len()), (500, 0));
    assert_eq!(world.broker.report().await.address, Some("203.0.113.9".parse().unwrap()));
    // The next row of an order that another program placed through the API says nothing of us.
    for remarks in ["", r#","remarks":"theirs""#] {
        let other = row.replace(r#","remarks":"OGBOOK000001""#, remarks).replace("203.0.113.9", "203.0.113.77");
        let book = format!("[{other}]");
        world.server.script(move |arrived, _| if arrived.route == "OrderBook" { Act::Reply(200, book.clone()) } else { well(arrived) });
        assert!(matches!(world.broker.orders().await, Snapshot::Authoritative(rows, _) if rows.len() == 1));
        assert_eq!(world.broker.report().await.address, Some("203.0.113.9".parse().unwrap()));
    }
    for act in [
        Act::Reply(200, book[..book.len() / 2].into()),
        Act::Reply(502, book.clone()),
        Act::Close,
        Act::Reply(200, String::new()),
        not_ok(400, "Server Timeout :  "),
    ] {
        let scripted = act.clone();
        world.server.script(move |arrived, _| if arrived.route == "OrderBook" { scripted.clone() } else { well(arrived) });
        assert!(matches!(world.broker.orders().await, Snapshot::Unknown(_)));
    }
}

#[tokio::test]
async fn a_numbered_order_that_the_book_hides_is_looked_for_by_its_number() {
    let world = World::new(AuthFlow::QuickAuth).await;
    world.ready().await;
    world.server.script(|arrived, _| match arrived.route.as_str() {
        "SingleOrdHist" => Act::Reply(200, r#"[{"stat":"Ok","norenordno":"26112000000001","exch":"NSE","tsym":"RELIANCE-EQ","qty":"10","trantype":"B","prctyp":"LMT","ret":"DAY","prd":"I","prc":"101.50","status":"OPEN","rpt":"New","norentm":"10:00:00 20-11-2026","remarks":"OGHIDDEN00001"}]"#.into()),
        _ => well(arrived),
    });
    world.broker.place(world.prepared("OGHIDDEN00001")).await;
    let Snapshot::Authoritative(rows, _) = world.broker.orders().await else { panic!("no data is an answer") };
    assert_eq!((rows.len(), rows[0].tag.as_deref()), (1, Some("OGHIDDEN00001")));
}

/// Who asked for the book waits a while for it: a history that stalls would throw away a book that is here.
#[tokio::test]
async fn a_history_that_stalls_takes_no_book_away() {
    let world = World::new(AuthFlow::QuickAuth).await;
    world.ready().await;
    world.broker.place(world.prepared("OGHIDDEN00001")).await;
    world.broker.place(world.prepared("OGHIDDEN00002")).await;
    let row = r#"{"stat":"Ok","norenordno":"26112000000003","exch":"NSE","tsym":"RELIANCE-EQ","qty":"10","trantype":"B","prctyp":"LMT","ret":"DAY","prd":"I","prc":"101.50","norentm":"10:00:00 20-11-2026","remarks":"OGDOUBT000001","status":"REJECTED","rejreason":"SAF:order is not open to cancel"}"#;
    world.server.script(move |arrived, _| match arrived.route.as_str() {
        "OrderBook" => Act::Reply(200, format!("[{row}]")),
        "SingleOrdHist" => Act::Hang,
        _ => well(arrived),
    });
    // One is hidden and one is in doubt.
    let asked = world.broker.orders();
    let waits = settings(("", ""), world.directory.path(), AuthFlow::QuickAuth).timeouts;
    let answer = tokio::time::timeout(waits.book, asked).await.expect("before a book is given up");
    let Snapshot::Authoritative(rows, _) = answer else { panic!("the book was whole") };
    assert_eq!((rows.len(), rows[0].tag.as_deref()), (1, Some("OGDOUBT000001")));
    assert!(!world.server.arrived("SingleOrdHist").is_empty(), "and it was asked for");
}

/// A row that stays in doubt all day costs a few calls, and one of somebody else's none.
#[tokio::test]
async fn a_row_in_doubt_costs_ever_fewer_calls() {
    let world = World::new(AuthFlow::QuickAuth).await;
    world.ready().await;
    let row = |number: u32, remarks: &str| {
        format!(
            r#"{{"stat":"Ok","norenordno":"2611200000000{number}","exch":"NSE","tsym":"RELIANCE-EQ","qty":"10","trantype":"B","prctyp":"LMT","ret":"DAY","prd":"I","prc":"101.50","norentm":"10:00:00 20-11-2026"{remarks},"#
        )
    };
    let refused = r#""status":"REJECTED","rejreason":"SAF:order is not open to cancel"}"#;
    let (ours, theirs) = (row(1, r#","remarks":"OGDOUBT000001""#), row(2, ""));
    let book = format!("[{theirs}{refused},{ours}{refused}]");
    let history = format!(r#"[{ours}"status":"COMPLETE","rpt":"Fill","fillshares":"10","avgprc":"101.45"}}]"#);
    world.server.script(move |arrived, _| match arrived.route.as_str() {
        "OrderBook" => Act::Reply(200, book.clone()),
        "SingleOrdHist" => Act::Reply(200, history.clone()),
        _ => well(arrived),
    });
    for _ in 0..10 {
        let Snapshot::Authoritative(rows, _) = world.broker.orders().await else { panic!("an array is an answer") };
        let states: Vec<_> = rows.iter().map(|row| (row.state, row.filled)).collect();
        assert_eq!(states, [(BookState::Open, 0), (BookState::Complete, 10)], "the history's word stands");
    }
    assert_eq!(world.server.arrived("SingleOrdHist").len(), 4, "at the first, second, fourth and eighth book");
}

#[tokio::test]
async fn secrets_show_nowhere() {
    let world = World::new(AuthFlow::QuickAuth).await;
    world.ready().await;
    let broker = &world.broker;
    let sending: BrokerOrder = order("OGSECRET00001");
    let prepared = broker.prepare(sending, None).unwrap();
    let mut shown = vec![
        prepared.request.clone(),
        format!("{prepared:?} {broker:?} {:?} {:?} {:?}", broker.shared.settings, broker.shared.session, broker.shared.http),
        format!("{:?}", broker.report().await),
    ];
    for act in [Act::Close, not_ok(400, &format!("Invalid Input : {TOKEN}")), Act::Reply(502, format!("<html>jKey={TOKEN}</html>"))] {
        world.server.script(move |_, _| act.clone());
        shown.push(format!("{:?}", broker.place(prepared.clone()).await));
        shown.push(format!("{:?} {:?}", broker.orders().await, broker.session().await));
    }
    let code: Vec<String> = world.server.arrived("QuickAuth").iter().map(|arrived| arrived.body.clone()).collect();
    assert!(code[0].contains("\"factor2\":\""), "the login itself carries them");
    for text in shown {
        for secret in [PASSWORD, SEED, TOKEN, "hunter2"] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
    }
    assert!(!world.server.everything().iter().any(|arrived| arrived.body.contains(PASSWORD)), "the password itself never leaves");
    for file in std::fs::read_dir(world.directory.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!String::from_utf8_lossy(&bytes).contains(TOKEN));
    }
}
