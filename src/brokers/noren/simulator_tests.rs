//! The adapter against the simulated broker: real HTTP, a real websocket, the same exchange as the paper broker.

use std::sync::Arc;

use ordergate_actors::order::{BookState, BrokerTag, CommandId, Exchange, InstrumentKey, OrderType, Price, Side, Terms, trading_date};
use ordergate_actors::ports::{
    Broker, BrokerOrder, CallOutcome, Clock, Instruments, Modification, PlaceOutcome, Quotes, Session as SessionState, Snapshot,
    StreamEvent,
};
use ordergate_actors::testkit::{until, until_found};
use secrecy::SecretString;

use super::fixtures::terms;
use super::scripted::{event, ms, settings};
use super::settings::{AuthFlow, Credentials, NorenSettings};
use super::{Io, NorenBroker};
use crate::brokers::connection::{Connection, LoginError};
use crate::clock::SystemClock;
use crate::instruments::{InstrumentTable, sample};
use crate::simulator::noren_server::{Fault, FaultRule, PriceSetting, Prices, Settings, Simulator};

struct World {
    simulator: Simulator,
    broker: NorenBroker,
    settings: NorenSettings,
    table: Arc<InstrumentTable>,
    key: InstrumentKey,
    _directory: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut NorenSettings)) -> Self {
        let simulator =
            Simulator::start(Settings { per_second: 0, per_minute: 0, prices: Prices::Scripted, ..Settings::default() }).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let socket = format!("ws://{}/NorenWSTP/", simulator.address);
        let secret = |text: &str| Some(SecretString::from(text));
        let base = settings((&simulator.url(), &socket), directory.path(), AuthFlow::QuickAuth);
        let credentials = Credentials {
            password: secret("sim-password"),
            api_key: secret("sim-key"),
            totp_secret: secret("JBSWY3DPEHPK3PXP"),
            client_secret: secret("sim-secret"),
            ..base.credentials.clone()
        };
        let mut settings = NorenSettings { credentials, ..base };
        settings.timeouts.order = ms(10_000);
        change(&mut settings);
        let table = Arc::new(InstrumentTable::new(sample(trading_date(SystemClock.now())).unwrap()));
        let broker = NorenBroker::start(settings.clone(), table.clone(), Arc::new(SystemClock), Io::current()).unwrap();
        let world =
            Self { simulator, broker, settings, table, key: InstrumentKey::new(Exchange::Nse, "RELIANCE-EQ"), _directory: directory };
        world.price("1400.00", "1400.10");
        world
    }

    /// The same account in a process that has sent nothing yet.
    fn anew(&self) -> NorenBroker {
        NorenBroker::start(self.settings.clone(), self.table.clone(), Arc::new(SystemClock), Io::current()).unwrap()
    }

    fn price(&self, bid: &str, ask: &str) {
        let (bid, ask) = (Some(bid.parse().unwrap()), Some(ask.parse().unwrap()));
        let (exch, tsym) = ("NSE".to_owned(), self.key.symbol.to_string());
        self.simulator.set_price(&PriceSetting { exch, tsym, bid, ask, ..PriceSetting::default() }).unwrap();
    }

    fn order(&self, tag: &str, order_type: OrderType, at: &str) -> BrokerOrder {
        BrokerOrder {
            command_id: CommandId(uuid::Uuid::nil()),
            instrument: self.table.find(&self.key).unwrap(),
            terms: Terms { side: Side::Buy, price: Price::parse(at).ok(), ..terms(order_type) },
            tag: BrokerTag::parse(tag).unwrap(),
            is_exit: false,
        }
    }

    async fn state_of(&self, tag: &str) -> Option<(BookState, i64)> {
        let Snapshot::Authoritative(rows, unreadable) = self.broker.orders().await else { return None };
        assert_eq!(unreadable, []);
        rows.iter().find(|row| row.tag.as_deref() == Some(tag)).map(|row| (row.state, row.filled))
    }
}

async fn becomes(world: &World, tag: &str, wanted: (BookState, i64)) {
    let ask = async || match world.state_of(tag).await {
        Some(state) if state == wanted => Ok(()),
        state => Err(format!("{tag} is {state:?} and not {wanted:?}")),
    };
    until_found("it becomes that", ask).await;
}

#[tokio::test]
async fn an_order_is_placed_filled_over_the_stream_and_another_cancelled() {
    let world = World::new();
    let mut stream = world.broker.stream().unwrap();
    assert_eq!(world.broker.session().await, SessionState::Ready);
    assert_eq!(event(&mut stream).await, StreamEvent::Reconnected);
    // The board gets its quote from the stream, and a market order its price from the board.
    let board = world.broker.board();
    until("a quote", || board.quote(&world.key).is_some_and(|quote| quote.ask.is_some())).await;
    let quote = board.quote(&world.key);
    let market = world.order("OGSIM000000001", OrderType::Market, "");
    assert!(world.broker.prepare(market.clone(), None).is_err());
    let prepared = world.broker.prepare(market, quote.as_ref()).unwrap();
    assert_eq!(prepared.order.terms.price.unwrap().to_string(), "1407.2", "half a percent through 1400.10, to the tick of 0.10");
    let outcome = world.broker.place(prepared).await;
    let PlaceOutcome::Accepted(number) = outcome else { panic!("{outcome:?}") };
    loop {
        if let StreamEvent::Trade(trade) = event(&mut stream).await {
            assert_eq!((trade.fill.broker_order_id, trade.fill.quantity.value()), (number, 10));
            break;
        }
    }
    becomes(&world, "OGSIM000000001", (BookState::Complete, 10)).await;
    let Snapshot::Authoritative(trades, _) = world.broker.trades().await else { panic!("the trade book") };
    assert_eq!(trades.iter().map(|trade| trade.fill.quantity.value()).sum::<i64>(), 10);
    let Snapshot::Authoritative(positions, _) = world.broker.positions().await else { panic!("the positions") };
    assert_eq!(positions.iter().map(|position| position.net).sum::<i64>(), 10);
    let nothing = Snapshot::Authoritative(Vec::new(), Vec::new());
    assert_eq!(world.broker.holdings().await, nothing, "shares of today are positions; of earlier days there are none");

    let resting = world.broker.prepare(world.order("OGSIM000000002", OrderType::Limit, "1390"), None).unwrap();
    let PlaceOutcome::Accepted(number) = world.broker.place(resting).await else { panic!("it rests") };
    becomes(&world, "OGSIM000000002", (BookState::Open, 0)).await;
    assert_eq!(world.broker.cancel(number).await, CallOutcome::Accepted);
    becomes(&world, "OGSIM000000002", (BookState::Cancelled, 0)).await;
    assert_eq!(world.simulator.accepted("OGSIM000000001"), 1);
}

#[tokio::test]
async fn an_ended_session_and_a_broken_or_silent_socket_come_back_by_themselves() {
    let world = World::with(|settings| settings.stream.silence = ms(500));
    let mut stream = world.broker.stream().unwrap();
    assert_eq!(event(&mut stream).await, StreamEvent::Reconnected);
    world.simulator.kill_sockets();
    assert_eq!(event(&mut stream).await, StreamEvent::Reconnected);
    until("an answer to a heartbeat", || world.broker.shared.health.answers_heartbeats()).await;
    world.simulator.silence_sockets();
    while event(&mut stream).await != StreamEvent::Reconnected {}
    world.simulator.expire_sessions();
    // The first read hears of it; the login that follows makes the next one work.
    let _first = world.broker.orders().await;
    let ask = async || match world.broker.orders().await {
        Snapshot::Authoritative(..) => Ok(()),
        unknown => Err(format!("{unknown:?}")),
    };
    until_found("a session comes back", ask).await;
    while event(&mut stream).await != StreamEvent::Reconnected {}
    let quote = world.broker.quote(world.table.find(&world.key).unwrap()).await.unwrap();
    assert_eq!(quote.bid.unwrap().to_string(), "1400");
}

/// The simulator reckons what an order takes from its own prices: nothing is sent, and the account is as it was.
#[tokio::test]
async fn what_an_order_would_take_is_the_brokers_own_figure() {
    let world = World::new();
    assert_eq!(world.broker.session().await, SessionState::Ready);
    assert!(world.broker.tells_margin());
    let order = world.order("OGSIM000000001", OrderType::Limit, "1400.00");
    let quantity = rust_decimal::Decimal::from(order.terms.quantity.value());
    let told = world.broker.order_margin(order.clone()).await.unwrap();
    assert!(told.order.0 > rust_decimal::Decimal::ZERO && told.order.0 <= quantity * rust_decimal::Decimal::from(1_400), "{told:?}");
    assert_eq!((told.used, told.words.as_deref()), (told.order, Some("Order Success")), "nothing else is in use");
    let mut twice = order;
    twice.terms.quantity = ordergate_actors::order::Quantity::new(twice.terms.quantity.value() * 2).unwrap();
    assert_eq!(world.broker.order_margin(twice).await.unwrap().order.0, told.order.0 * rust_decimal::Decimal::TWO);
    assert_eq!(world.broker.orders().await, Snapshot::Authoritative(Vec::new(), Vec::new()));
}

/// A cancel that was sent twice: the refusal of the second stands on top of the order in every book, and the order has ended.
#[tokio::test]
async fn an_order_under_the_refusal_of_a_second_cancel_has_ended() {
    let world = World::new();
    assert_eq!(world.broker.session().await, SessionState::Ready);
    let resting = world.broker.prepare(world.order("OGSIM000000003", OrderType::Limit, "1390"), None).unwrap();
    let PlaceOutcome::Accepted(number) = world.broker.place(resting).await else { panic!("it rests") };
    becomes(&world, "OGSIM000000003", (BookState::Open, 0)).await;
    world.simulator.add_fault(FaultRule::next("CancelOrder", Fault::SafInBook));
    assert_eq!(world.broker.cancel(number).await, CallOutcome::Accepted);
    becomes(&world, "OGSIM000000003", (BookState::Cancelled, 0)).await;
    assert!(world.simulator.log().iter().any(|row| row.route == "SingleOrdHist"), "its row alone looks rejected");
}

/// Where a change takes the remarks away unless it brings them, a process that did not send the order brings them too.
#[tokio::test]
async fn a_change_after_a_restart_keeps_the_orders_tag() {
    let world = World::new();
    assert_eq!(world.broker.session().await, SessionState::Ready);
    let sent = world.order("OGSIM000000004", OrderType::Limit, "1390");
    let PlaceOutcome::Accepted(number) = world.broker.place(world.broker.prepare(sent.clone(), None).unwrap()).await else {
        panic!("it rests")
    };
    becomes(&world, "OGSIM000000004", (BookState::Open, 0)).await;
    let after = world.anew();
    assert_eq!(after.session().await, SessionState::Ready);
    world.simulator.add_fault(FaultRule::next("ModifyOrder", Fault::RemarksByChange));
    let terms = Terms { price: Price::parse("1391").ok(), ..sent.terms };
    let change = Modification { broker_order_id: number, tag: Some(sent.tag), instrument: sent.instrument, terms };
    assert_eq!(after.modify(after.prepare_change(change, None).unwrap()).await, CallOutcome::Accepted);
    becomes(&world, "OGSIM000000004", (BookState::Open, 0)).await;
    let shows = |row: &serde_json::Value| row["prc"] == "1391.00";
    until("the change is there", || world.simulator.orders().iter().any(shows)).await;
    becomes(&world, "OGSIM000000004", (BookState::Open, 0)).await;
}

#[tokio::test]
async fn a_person_ends_the_session_and_nothing_logs_in_again_until_one_asks() {
    let world = World::new();
    assert_eq!(world.broker.session().await, SessionState::Ready);
    let logins = || world.simulator.state()["logins"].as_u64().unwrap();
    let before = logins();
    assert_eq!(world.broker.logout().await.unwrap(), "FA00001 is logged out");
    assert!(world.simulator.log().iter().any(|row| row.route == "Logout"), "the broker was told");
    assert!(matches!(world.broker.session().await, SessionState::NotReady(words) if words.contains("a person logged out")));
    let resting = world.broker.prepare(world.order("OGSIM000000005", OrderType::Limit, "1390"), None).unwrap();
    assert!(matches!(world.broker.place(resting).await, PlaceOutcome::NotSent(_)));
    assert_eq!(logins(), before);
    assert_eq!(world.broker.logout().await.unwrap(), "FA00001 was not logged in");
    // Nor does a process log in that starts on the same files: the login would end whatever the person has logged in meanwhile.
    let restarted = world.anew();
    assert!(matches!(restarted.session().await, SessionState::NotReady(words) if words.contains("a person logged out")));
    assert_eq!(logins(), before);
    restarted.login().await.unwrap();
    assert_eq!((logins(), restarted.session().await), (before + 1, SessionState::Ready));
    let after = world.anew();
    assert_eq!(after.session().await, SessionState::Ready, "the mark is gone with the login");
}

/// A book that a gateway does not hand out speaks of the token: it is proven by a read, and where that meets the same page, by another.
/// A gateway's own trouble costs no token: with a person's login there would be no other.
#[tokio::test]
async fn a_gateways_page_before_a_book_makes_the_session_prove_itself() {
    for status in [401, 403] {
        let world = World::new();
        assert_eq!(world.broker.session().await, SessionState::Ready);
        let logins = || world.simulator.state()["logins"].as_u64().unwrap();
        let proofs = || world.simulator.log().iter().filter(|row| row.route == "UserDetails").count();
        let before = (logins(), proofs());
        for route in ["OrderBook", "UserDetails"] {
            world.simulator.add_fault(FaultRule::next(route, Fault::GatewayPage { status }));
        }
        assert!(matches!(world.broker.orders().await, Snapshot::Unknown(words) if words.contains(&status.to_string())));
        until("it is proven after all", || proofs() >= before.1 + 2).await;
        assert_eq!(world.broker.session().await, SessionState::Ready);
        assert!(matches!(world.broker.orders().await, Snapshot::Authoritative(..)));
        assert_eq!(logins(), before.0, "with the same token");
    }
}

/// Flattrade: a login of its own, the token in the body of each call and in the socket's frame of the new era, and no word to the
/// subscription of orders.
#[tokio::test]
async fn an_account_at_flattrade_signs_in_trades_and_loses_its_session() {
    let simulator = Simulator::start(Settings {
        per_second: 0,
        per_minute: 0,
        prices: Prices::Scripted,
        acknowledges_orders: false,
        ..Settings::default()
    })
    .unwrap();
    let directory = tempfile::tempdir().unwrap();
    let socket = format!("ws://{}/PiConnectWSAPI/", simulator.address);
    let mut settings = settings((&simulator.url(), &socket), directory.path(), AuthFlow::Flattrade);
    settings.rest_prefix = "/PiConnectAPI/".into();
    settings.login_page = format!("{}/login?app_key={{client_id}}", simulator.url());
    settings.timeouts.order = ms(10_000);
    settings.credentials.client_secret = Some(SecretString::from("sim-secret"));
    let table = Arc::new(InstrumentTable::new(sample(trading_date(SystemClock.now())).unwrap()));
    let broker = NorenBroker::start(settings.clone(), table.clone(), Arc::new(SystemClock), Io::current()).unwrap();
    let key = InstrumentKey::new(Exchange::Nse, "RELIANCE-EQ");
    let world = World { simulator, broker, settings, table, key, _directory: directory };
    world.price("1400.00", "1400.10");
    let mut stream = world.broker.stream().unwrap();

    let Err(LoginError::NeedsPerson(link)) = world.broker.login().await else { panic!("a person signs in") };
    assert!(link.ends_with("/login?app_key=FA00001_U"), "{link}");
    assert!(matches!(world.broker.take_code("not-a-code".into()).await, Err(LoginError::Refused(_))));
    world.broker.take_code(signed_in(&world, &link).await).await.unwrap();
    let is_bare = |row: &crate::simulator::noren_server::LogRow| row.route != "ApiToken" || row.fields.values().all(|value| value == "***");
    assert!(world.simulator.log().iter().all(is_bare), "{:?}", world.simulator.log());
    until("the session", || world.broker.shared.session.token().is_ok()).await;
    while event(&mut stream).await != StreamEvent::Reconnected {}
    assert!(world.broker.report().await.funds.is_ok());

    let prepared = world.broker.prepare(world.order("OGFLAT0000001", OrderType::Limit, "1401"), None).unwrap();
    assert!(matches!(world.broker.place(prepared).await, PlaceOutcome::Accepted(_)));
    let filled = loop {
        if let StreamEvent::Order(row) = event(&mut stream).await
            && row.state == BookState::Complete
        {
            break row;
        }
    };
    assert_eq!((filled.tag.as_deref(), filled.filled), (Some("OGFLAT0000001"), 10));
    becomes(&world, "OGFLAT0000001", (BookState::Complete, 10)).await;
    assert_eq!(world.broker.board().quote(&world.key), None, "asking subscribes");
    until("a quote", || world.broker.board().quote(&world.key).is_some()).await;

    // A dead token is answered with 401 there; a person has to sign in anew.
    world.simulator.expire_sessions();
    assert!(matches!(world.broker.orders().await, Snapshot::Unknown(_)));
    until("it is out", || world.broker.shared.session.token().is_err()).await;
    let Err(LoginError::NeedsPerson(link)) = world.broker.login().await else { panic!("a person signs in again") };
    world.broker.take_code(signed_in(&world, &link).await).await.unwrap();
    becomes(&world, "OGFLAT0000001", (BookState::Complete, 10)).await;
}

/// Signs in at the page; the code of the redirect.
async fn signed_in(world: &World, link: &str) -> String {
    let seed = SecretString::from("JBSWY3DPEHPK3PXP");
    let code = super::session::otp::code(&seed, SystemClock.now(), None).unwrap();
    let otp = secrecy::ExposeSecret::expose_secret(&code.text).to_owned();
    let quiet = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let page = quiet.get(format!("{link}&password=sim-password&totp={otp}")).send().await.unwrap();
    let location = page.headers().get("location").unwrap_or_else(|| panic!("{page:?} {}", world.simulator.now())).to_str().unwrap();
    location.split("code=").nth(1).unwrap().to_owned()
}
