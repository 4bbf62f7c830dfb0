//! The paper broker against the live quotes of an account: the price is set at the simulated broker, and paper orders fill
//! there. Nothing but quotes is asked of it.

use std::sync::Arc;

use chrono::TimeDelta;
use ordergate::brokers::noren::{Io, NorenBroker, NorenSettings};
use ordergate::brokers::paper::{LiveMarket, PaperBroker, PaperSettings};
use ordergate::config::Config;
use ordergate::instruments::{InstrumentTable, sample};
use ordergate::simulator::noren_server::{PriceSetting, Prices, Settings, Simulator, TimeSettings};
use ordergate_actors::order::calendar::Calendar;
use ordergate_actors::order::{
    BookState, BrokerTag, CommandId, Exchange, InstrumentKey, OrderType, Price, Product, Quantity, Side, Terms, Validity, trading_date,
};
use ordergate_actors::ports::{Broker, BrokerOrder, Clock, Instruments, PlaceOutcome, Quotes, Snapshot};
use ordergate_actors::testkit::{TokioClock, morning, until, until_found};

const KEY: &str = "RELIANCE-EQ";

struct World {
    simulator: Simulator,
    account: NorenBroker,
    /// The paper broker's own.
    clock: Arc<TokioClock>,
    paper: PaperBroker,
    table: Arc<InstrumentTable>,
    _directory: tempfile::TempDir,
}

fn settings(text: &str) -> Config {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("mine.toml");
    std::fs::write(&path, text).unwrap();
    Config::load(Some(&path), []).unwrap()
}

impl World {
    fn new() -> Self {
        let today = TokioClock::from(morning());
        let time = TimeSettings { start: Some(today.now()), ..TimeSettings::default() };
        let simulator =
            Simulator::start(Settings { per_second: 0, per_minute: 0, prices: Prices::Scripted, time, ..Settings::default() }).unwrap();
        let config = settings(&format!(
            r#"
[paper]
quotes = "noren"
stale_after_ms = 60000
[paper.noren]
uid = "FA00001"
auth = "quickauth"
host = "{}"
rest_prefix = "/NorenWClientTP/"
simulator = true
login_at = "00:00"
socket_url = "{}/NorenWSTP/"
password = "sim-password"
api_key = "sim-key"
totp_secret = "JBSWY3DPEHPK3PXP"
"#,
            simulator.url(),
            simulator.socket_url()
        ));
        assert!(!config.accounts[0].broker.is_live(), "the account itself stays paper");
        let directory = tempfile::tempdir().unwrap();
        let quotes = NorenSettings { directory: directory.path().join("quotes"), ..*config.paper.quotes.clone().unwrap() };
        std::fs::create_dir_all(&quotes.directory).unwrap();
        let table = Arc::new(InstrumentTable::new(sample(trading_date(today.now())).unwrap()));
        let account = NorenBroker::start(quotes, table.clone(), today, Io::current()).unwrap();
        let clock = TokioClock::from(morning());
        let market = LiveMarket::new(account.clone(), clock.clone(), config.paper.stale_after, Calendar::always_open(), table.clone());
        let paper = PaperBroker::open(&PaperSettings::new(directory.path()), table.clone(), Arc::new(market), clock.clone()).unwrap();
        Self { simulator, account, clock, paper, table, _directory: directory }
    }

    fn price(&self, bid: &str, ask: &str) {
        let (bid, ask) = (Some(bid.parse().unwrap()), Some(ask.parse().unwrap()));
        let (exch, tsym) = ("NSE".to_owned(), KEY.to_owned());
        self.simulator.set_price(&PriceSetting { exch, tsym, bid, ask, ..PriceSetting::default() }).unwrap();
    }

    fn order(&self, tag: &str, order_type: OrderType, price: Option<&str>) -> BrokerOrder {
        let terms = Terms {
            side: Side::Buy,
            quantity: Quantity::new(1).unwrap(),
            product: Product::Mis,
            order_type,
            validity: Validity::Day,
            price: price.map(|text| Price::parse(text).unwrap()),
            trigger_price: None,
        };
        let instrument = self.table.find(&InstrumentKey::new(Exchange::Nse, KEY)).unwrap();
        BrokerOrder { command_id: CommandId(uuid::Uuid::nil()), instrument, terms, tag: BrokerTag::parse(tag).unwrap(), is_exit: false }
    }

    async fn place(&self, order: BrokerOrder) -> PlaceOutcome {
        let prepared = self.paper.prepare(order, None).unwrap();
        self.paper.place(prepared).await
    }

    /// State and average price of the order with that tag, once it has the state.
    async fn becomes(&self, tag: &str, state: BookState) -> Option<String> {
        let ask = async || {
            let Snapshot::Authoritative(rows, _) = self.paper.orders().await else { panic!("a paper book is always there") };
            let row = rows.iter().find(|row| row.tag.as_deref() == Some(tag)).unwrap();
            let average = row.average_price.map(|price| price.normalize().to_string());
            if row.state == state { Ok(average) } else { Err(format!("it is {:?}", row.state)) }
        };
        until_found(tag, ask).await
    }
}

/// Waits for the account's session: before there is one, there is no price and every order is refused.
async fn ready(world: &World) {
    let order = world.order("OGREADY000000", OrderType::Limit, Some("1300"));
    let ask = async || match world.place(order.clone()).await {
        PlaceOutcome::Accepted(_) => Ok(()),
        outcome => Err(format!("{outcome:?}")),
    };
    until_found("a quote comes", ask).await;
}

#[tokio::test]
async fn a_paper_order_fills_at_the_live_price_and_a_resting_one_when_it_comes() {
    let world = World::new();
    world.price("1400.00", "1400.10");
    ready(&world).await;
    assert!(matches!(world.place(world.order("OGLIVE0000001", OrderType::Market, None)).await, PlaceOutcome::Accepted(_)));
    assert_eq!(world.becomes("OGLIVE0000001", BookState::Complete).await.as_deref(), Some("1400.1"));
    assert!(matches!(world.place(world.order("OGLIVE0000002", OrderType::Limit, Some("1390"))).await, PlaceOutcome::Accepted(_)));
    assert_eq!(world.becomes("OGLIVE0000002", BookState::Open).await, None);
    world.price("1389.00", "1389.50");
    assert_eq!(world.becomes("OGLIVE0000002", BookState::Complete).await.as_deref(), Some("1390"), "what rests fills at its own limit");
    let routes: Vec<String> = world.simulator.log().iter().map(|row| row.route.to_string()).collect();
    assert!(!routes.iter().any(|route| route.contains("Order")), "only quotes are asked for: {routes:?}");
    assert!(world.simulator.orders().is_empty());
}

#[tokio::test]
async fn a_stale_quote_is_no_price_until_it_is_fresh_again() {
    let world = World::new();
    world.price("1400.00", "1400.10");
    ready(&world).await;
    let resting = world.order("OGLIVE0000003", OrderType::Limit, Some("1390"));
    assert!(matches!(world.place(resting).await, PlaceOutcome::Accepted(_)));
    // For the paper broker two minutes pass without a frame.
    world.clock.jump(TimeDelta::seconds(120));
    world.price("1380.00", "1380.05");
    let key = InstrumentKey::new(Exchange::Nse, KEY);
    let ask = || world.account.board().quote(&key).and_then(|quote| quote.ask);
    until("the new price comes", || ask() == Price::parse("1380.05").ok()).await;
    assert_eq!(world.becomes("OGLIVE0000003", BookState::Open).await, None);
    let outcome = world.place(world.order("OGLIVE0000004", OrderType::Market, None)).await;
    assert!(matches!(&outcome, PlaceOutcome::Rejected(words) if words.contains(KEY)), "{outcome:?}");
    world.clock.jump(TimeDelta::seconds(-120));
    assert_eq!(world.becomes("OGLIVE0000003", BookState::Complete).await.as_deref(), Some("1390"));
}
