//! For tests: the adapter over real sockets in front of a scripted broker, its settings, and a clock set by hand.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use ordergate_actors::ports::{Broker as _, Clock, Prepared, StreamEvent};
use ordergate_actors::testkit::until;
use parking_lot::Mutex;
use secrecy::SecretString;

use super::fixtures::{order, share};
use super::server::{Act, Arrived, Server, not_ok, ok};
use super::settings::{AuthFlow, Backoff, Credentials, NorenSettings, StreamWaits, Timeouts};
use super::wire::Ampersand;
use super::{Buffers, Io, NorenBroker, Protection, Slabs};
use crate::instruments::InstrumentTable;

pub(super) const PASSWORD: &str = "Passw0rd-hunter2";
pub(super) const SEED: &str = "JBSWY3DPEHPK3PXP";
pub(super) const TOKEN: &str = "aaaabbbbccccddddeeeeffff0000111122223333444455556666777788889999";

#[derive(Debug)]
pub(super) struct Hand(Mutex<DateTime<Utc>>);

impl Clock for Hand {
    fn now(&self) -> DateTime<Utc> {
        *self.0.lock()
    }
}

pub(super) fn ms(value: u64) -> Duration {
    Duration::from_millis(value)
}

pub(super) fn settings(server: (&str, &str), directory: &std::path::Path, auth: AuthFlow) -> NorenSettings {
    let secret = |text: &str| Some(SecretString::from(text));
    let width = Protection::parse("40 min 20").unwrap();
    NorenSettings {
        host: server.0.into(),
        rest_prefix: "/NorenWClientTP/".into(),
        socket_url: server.1.into(),
        login_page: "http://127.0.0.1/login?client_id={client_id}".into(),
        token_url: format!("{}/trade/apitoken", server.0),
        auth,
        content_type: "text/plain".into(),
        ampersand: Ampersand::Escape,
        credentials: Credentials {
            uid: "FA00001".into(),
            actid: "FA00001".into(),
            vendor_code: "FA00001_U".into(),
            client_id: "FA00001_U".into(),
            imei: "x".into(),
            password: secret(PASSWORD),
            totp_secret: secret(SEED),
            api_key: secret("api-key-hunter2"),
            client_secret: secret("client-secret-hunter2"),
        },
        is_live: false,
        timeouts: Timeouts { connect: ms(2_000), order: ms(6_000), read: ms(5_000), book: ms(5_000), login: ms(5_000), idle: ms(5_000) },
        stream: StreamWaits { heartbeat: ms(100), silence: ms(20_000), handshake: ms(2_000), chunk_gap: ms(1) },
        reconnect: Backoff { first: ms(10), last: ms(100) },
        login_backoff: Backoff { first: ms(10), last: ms(50) },
        login_at: chrono::NaiveTime::MIN,
        codes_once: false,
        quantity_units: ordergate_actors::settings::QuantityUnits::default(),
        calendar: Arc::default(),
        takes_ioc: Vec::new(),
        evictions_most: 3,
        eviction_window: Duration::from_secs(900),
        visibility_bound: ms(600),
        poll: ms(20),
        max_subscriptions: 2,
        stream_capacity: 64,
        buffers: Buffers {
            shares_and_futures: Slabs::parse("100: 2, 500: 1, above: 0.5").unwrap(),
            options: Slabs::parse("10: 5, 100: 3, 500: 2, above: 1").unwrap(),
            future_protection: width,
            option_protection: width,
        },
        directory: directory.to_owned(),
    }
}

pub(super) struct World {
    pub(super) server: Server,
    pub(super) directory: tempfile::TempDir,
    pub(super) clock: Arc<Hand>,
    pub(super) broker: NorenBroker,
}

/// Answers of a broker that is well: logins, proofs, and nothing in the books.
pub(super) fn well(arrived: &Arrived) -> Act {
    match arrived.route.as_str() {
        "QuickAuth" => ok(&format!(r#","susertoken":"{TOKEN}","uid":"FA00001","actid":"FA00001""#)),
        "GenAcsTok" => ok(&format!(r#","access_token":"{TOKEN}","uid":"FA00001","actid":"FA00001""#)),
        "UserDetails" => ok(""),
        "PlaceOrder" => ok(r#","norenordno":"26112000000001""#),
        "CancelOrder" | "ModifyOrder" => ok(r#","result":"26112000000001""#),
        "Limits" => ok(r#","cash":"1000.50","marginused":"0.50""#),
        "GetQuotes" => ok(r#","exch":"NSE","token":"2885","lp":"101.45","bp1":"101.40","bq1":"10","sp1":"101.50","sq1":"5""#),
        _ => not_ok(200, "Error Occurred : 5 \"no data\""),
    }
}

impl World {
    pub(super) async fn new(auth: AuthFlow) -> Self {
        Self::with(auth, |arrived, _| well(arrived)).await
    }

    pub(super) async fn with(auth: AuthFlow, script: impl Fn(&Arrived, usize) -> Act + Send + Sync + 'static) -> Self {
        let server = Server::start(script).await;
        let directory = tempfile::tempdir().unwrap();
        let clock = Arc::new(Hand(Mutex::new("2026-11-20T04:30:00Z".parse().unwrap())));
        let broker = start(&server, directory.path(), auth, &clock);
        Self { server, directory, clock, broker }
    }

    pub(super) async fn ready(&self) {
        until("the session", || self.broker.shared.session.token().is_ok()).await;
    }

    pub(super) fn addresses(&self) -> (String, String) {
        addresses(&self.server)
    }

    pub(super) fn clock(&self) -> Arc<Hand> {
        Arc::clone(&self.clock)
    }

    pub(super) fn set_clock(&self, text: &str) {
        *self.clock.0.lock() = text.parse().unwrap();
    }

    pub(super) fn prepared(&self, tag: &str) -> Prepared {
        self.broker.prepare(order(tag), None).unwrap()
    }
}

fn addresses(server: &Server) -> (String, String) {
    (format!("http://127.0.0.1:{}", server.rest), format!("ws://127.0.0.1:{}/NorenWSTP/", server.socket))
}

pub(super) fn start(server: &Server, directory: &std::path::Path, auth: AuthFlow, clock: &Arc<Hand>) -> NorenBroker {
    let table = Arc::new(InstrumentTable::new([share()]));
    let (rest, socket) = addresses(server);
    NorenBroker::start(settings((&rest, &socket), directory, auth), table, Arc::clone(clock) as Arc<dyn Clock>, Io::current()).unwrap()
}

pub(super) async fn event(stream: &mut tokio::sync::mpsc::Receiver<StreamEvent>) -> StreamEvent {
    tokio::time::timeout(Duration::from_secs(60), stream.recv()).await.expect("an event in time").expect("a stream")
}
