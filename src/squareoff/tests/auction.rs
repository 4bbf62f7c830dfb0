//! In the closing auction, before it, and in a market that is shut.

use ordergate_actors::order::calendar::Enforce;

use super::*;
use crate::simulator::market::{Level, ScriptedMarket};

struct Hall {
    bench: Bench,
    market: Arc<ScriptedMarket>,
}

fn sbin() -> InstrumentKey {
    InstrumentKey::new(Exchange::Nse, "SBIN-EQ")
}

fn price(text: &str) -> Price {
    Price::parse(text).unwrap()
}

/// Friday 20 November 2026, Indian time.
fn at(clock: &str) -> DateTime<Utc> {
    format!("2026-11-20T{clock}+05:30").parse::<DateTime<chrono::FixedOffset>>().unwrap().to_utc()
}

impl Hall {
    /// It is that time. Somebody is long of 10 SBIN, since long ago; nobody bids.
    async fn open(clock: &str) -> Self {
        let market = Arc::new(ScriptedMarket::new());
        market.set(&sbin(), price("874"), price("874.50"), price("874"));
        let before = Duration::from_secs(120);
        let mut bench = Bench::at(at(clock) - before, Arc::clone(&market) as _);
        let files = crate::calendar::files(None).unwrap();
        bench.calendar = Arc::new(Calendar::parse(&files).unwrap().enforced(Enforce::Always));
        bench.place("SBIN-EQ", Side::Buy, 10, Product::Mis, false).await;
        tokio::time::sleep(before).await;
        let hall = Self { bench, market };
        hall.nobody_bids();
        hall
    }

    fn nobody_bids(&self) {
        self.market.set_depth(&sbin(), Vec::new(), Vec::new(), price("874"));
    }

    /// The auction matches at that time.
    async fn matches_at(&self, clock: &str) {
        self.until(clock).await;
        self.market.set_depth(&sbin(), vec![Level { price: price("873"), quantity: 1_000 }], Vec::new(), price("873"));
        self.bench.broker.inner().tick().unwrap();
        self.nobody_bids();
    }

    async fn until(&self, clock: &str) {
        tokio::time::sleep((at(clock) - self.bench.clock.now()).to_std().unwrap()).await;
    }

    /// Somebody sells 10, or what of it.
    async fn sells(&self, quantity: i64) {
        self.bench.place("SBIN-EQ", Side::Sell, quantity, Product::Mis, false).await;
    }

    /// Somebody's target for all of it.
    async fn rests_far_away(&self) {
        let terms = Terms {
            side: Side::Sell,
            quantity: Quantity::new(10).unwrap(),
            product: Product::Mis,
            order_type: OrderType::Limit,
            validity: Validity::Day,
            price: Some(price("900")),
            trigger_price: None,
        };
        let (paper, tag) = (self.bench.broker.inner(), BrokerTag::parse("OGTEST0000002").unwrap());
        let instrument = self.bench.table.find(&sbin()).unwrap();
        let order = BrokerOrder { command_id: CommandId(uuid::Uuid::nil()), instrument, terms, tag, is_exit: false };
        let prepared = paper.prepare(order, None).unwrap();
        assert!(matches!(paper.place(prepared).await, PlaceOutcome::Accepted(_)));
    }

    fn cancels(&self) -> u64 {
        self.bench.broker.calls(CallKind::Cancel)
    }

    fn sent_at(&self) -> DateTime<Utc> {
        let log = self.bench.log();
        log.iter().find(|line| line["event"] == "EXIT").unwrap()["at"].as_str().unwrap().parse().unwrap()
    }
}

/// The broker's own square-off lies there.
#[tokio::test(start_paused = true)]
async fn what_lies_in_the_auction_is_the_exit() {
    let hall = Hall::open("15:20:30").await;
    hall.sells(10).await;
    let (end, ()) = tokio::join!(hall.bench.run(), hall.matches_at("15:31:00"));
    assert_eq!((end, hall.cancels(), hall.bench.exits(), hall.bench.nets().await), (End::Flat, 0, 0, vec![]));
}

#[tokio::test(start_paused = true)]
async fn an_exit_of_its_own_lies_until_the_auction_ends() {
    let hall = Hall::open("15:20:30").await;
    let (end, ()) = tokio::join!(hall.bench.run(), hall.matches_at("15:31:00"));
    assert_eq!((end, hall.cancels(), hall.bench.exits(), hall.bench.nets().await), (End::Flat, 0, 1, vec![]));
}

#[tokio::test(start_paused = true)]
async fn it_sends_for_what_the_orders_that_lie_there_leave() {
    let hall = Hall::open("15:20:30").await;
    hall.sells(6).await;
    let (end, ()) = tokio::join!(hall.bench.run(), hall.matches_at("15:31:00"));
    assert_eq!((end, hall.cancels(), hall.bench.nets().await), (End::Flat, 0, vec![]));
    assert!(requests(&hall.bench).len() == 1 && requests(&hall.bench)[0].contains("\\\"quantity\\\":4"), "{:?}", requests(&hall.bench));
}

/// The broker's own square-off comes while its exit lies there: together they would turn the position around.
#[tokio::test(start_paused = true)]
async fn no_more_lies_there_than_is_held() {
    let hall = Hall::open("15:20:30").await;
    let later = async {
        hall.until("15:21:30").await;
        hall.sells(10).await;
        hall.matches_at("15:31:00").await;
    };
    let (end, ()) = tokio::join!(hall.bench.run(), later);
    assert_eq!((end, hall.cancels(), hall.bench.exits(), hall.bench.nets().await), (End::Flat, 1, 1, vec![]));
}

/// Somebody's target far away trades in no auction.
#[tokio::test(start_paused = true)]
async fn a_limit_that_will_not_trade_there_gives_way_to_an_exit() {
    let hall = Hall::open("15:20:30").await;
    hall.rests_far_away().await;
    let (end, ()) = tokio::join!(hall.bench.run(), hall.matches_at("15:31:00"));
    assert_eq!((end, hall.cancels(), hall.bench.exits(), hall.bench.nets().await), (End::Flat, 1, 1, vec![]));
}

/// While the reference price is found nothing is taken: no try is made, and what lies on the closing side stays.
#[tokio::test(start_paused = true)]
async fn it_waits_until_the_auction_takes_orders() {
    let hall = Hall::open("15:16:00").await;
    hall.sells(4).await;
    let (end, ()) = tokio::join!(hall.bench.run(), hall.matches_at("15:31:00"));
    assert_eq!((end, hall.cancels(), hall.bench.exits(), hall.bench.nets().await), (End::Flat, 0, 1, vec![]));
    assert!(hall.sent_at() >= at("15:20:00"), "{}", hall.sent_at());
}

/// Nothing matches: it ends when the market has shut, and says so.
#[tokio::test(start_paused = true)]
async fn what_the_auction_leaves_is_named_when_it_is_over() {
    let hall = Hall::open("15:29:00").await;
    let end = hall.bench.run().await;
    let End::NotFlat(left) = end else { panic!("{end:?}") };
    assert!(left.iter().any(|line| line.contains("SELL 10") && line.contains("takes no orders")), "{left:?}");
    assert!(hall.bench.clock.now() >= at("15:35:00") && hall.bench.exits() == 1 && hall.cancels() == 0, "{}", hall.bench.clock.now());
}

#[tokio::test(start_paused = true)]
async fn in_a_market_that_is_shut_nothing_is_sent_or_cancelled() {
    let hall = Hall::open("18:00:00").await;
    hall.sells(10).await;
    let end = hall.bench.run().await;
    let End::NotFlat(left) = end else { panic!("{end:?}") };
    assert!(left[0].contains("opens Mon 23 Nov 2026 09:15 IST; run this again"), "{left:?}");
    assert_eq!((hall.bench.exits(), hall.cancels()), (0, 0));
}

/// Before the opening the stops stay until an exit can take their place.
#[tokio::test(start_paused = true)]
async fn before_the_opening_it_waits_for_it() {
    let hall = Hall::open("09:05:00").await;
    hall.rests_far_away().await;
    hall.market.set(&sbin(), price("874"), price("874.50"), price("874"));
    assert_eq!((hall.bench.run().await, hall.cancels(), hall.bench.exits()), (End::Flat, 1, 1));
    let cancelled = hall.bench.log().iter().find(|line| line["event"] == "CANCEL").unwrap()["at"].as_str().unwrap().to_owned();
    assert!(cancelled.parse::<DateTime<Utc>>().unwrap() >= at("09:15:00"), "{cancelled}");
}
