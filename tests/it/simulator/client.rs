//! A client that knows nothing but the wire.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use ordergate::simulator::noren_server::{FaultRule, PriceSetting, Prices, Settings, Simulator, TimeSettings};
use ordergate_actors::testkit::until_found;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

pub(super) fn sha256(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(super) fn otp(sim: &Simulator) -> String {
    let secret = totp_rs::Secret::try_from_base32("JBSWY3DPEHPK3PXP").unwrap();
    totp_rs::Builder::new().with_secret(secret).build_noncompliant().generate(sim.now().timestamp().unsigned_abs()).to_string()
}

/// What came back.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) text: String,
    pub(super) body: Value,
}

impl Answer {
    pub(super) fn emsg(&self) -> &str {
        self.body["emsg"].as_str().unwrap_or_default()
    }

    pub(super) fn number(&self) -> String {
        self.body["norenordno"].as_str().unwrap_or_else(|| panic!("no number in {}", self.text)).to_owned()
    }

    pub(super) fn rows(&self) -> &[Value] {
        self.body.as_array().unwrap_or_else(|| panic!("no list in {}", self.text))
    }
}

/// A broker, somebody logged in at it, and a steady market.
pub(super) struct Bench {
    pub(super) sim: Simulator,
    pub(super) token: String,
    http: reqwest::Client,
}

/// No limits of rate, prices only where they were set, and a day that has just begun: no one-time code ends soon, and no session.
pub(super) fn settings() -> Settings {
    let time = TimeSettings { start: Some("2026-11-20T05:00:00Z".parse().unwrap()), ..TimeSettings::default() };
    Settings { per_second: 0, per_minute: 0, prices: Prices::Scripted, time, ..Settings::default() }
}

impl Bench {
    pub(super) async fn open() -> Self {
        Self::with(settings()).await
    }

    pub(super) async fn with(settings: Settings) -> Self {
        let sim = Simulator::start(settings).unwrap();
        let http = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).timeout(Duration::from_secs(60)).build().unwrap();
        let mut bench = Self { sim, token: String::new(), http };
        bench.price("NSE", "SBIN-EQ", "850.00", "850.10");
        bench.log_in().await;
        bench
    }

    pub(super) fn price(&self, exch: &str, tsym: &str, bid: &str, ask: &str) {
        let (bid, ask) = (Some(bid.parse().unwrap()), Some(ask.parse().unwrap()));
        self.sim.set_price(&PriceSetting { exch: exch.to_owned(), tsym: tsym.to_owned(), bid, ask, ..PriceSetting::default() }).unwrap();
    }

    pub(super) async fn log_in(&mut self) {
        let answer = self.raw("NorenWClientTP/QuickAuth", format!("jData={}", self.login()), None).await;
        self.token = answer.body["susertoken"].as_str().unwrap_or_else(|| panic!("{}", answer.text)).to_owned();
    }

    pub(super) fn login(&self) -> Value {
        json!({"source":"API","apkversion":"1.0.0","uid":"FA00001","pwd":sha256("sim-password"),"factor2":otp(&self.sim),
            "vc":"FA00001_U","appkey":sha256("FA00001|sim-key"),"imei":"abc1234"})
    }

    /// A POST as it is; `Err` when no whole answer came.
    pub(super) async fn try_raw(&self, path: &str, body: String, bearer: Option<&str>) -> Result<Answer, reqwest::Error> {
        let mut request = self.http.post(format!("{}/{path}", self.sim.url())).body(body);
        if let Some(token) = bearer {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        let response = request.send().await?;
        let status = response.status().as_u16();
        let text = response.text().await?;
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        Ok(Answer { status, text, body })
    }

    pub(super) async fn raw(&self, path: &str, body: String, bearer: Option<&str>) -> Answer {
        self.try_raw(path, body, bearer).await.unwrap()
    }

    pub(super) async fn get(&self, path: &str) -> reqwest::Response {
        self.http.get(format!("{}/{path}", self.sim.url())).send().await.unwrap()
    }

    pub(super) async fn post_json(&self, path: &str, body: Value) -> Answer {
        let response = self.http.post(format!("{}/{path}", self.sim.url())).json(&body).send().await.unwrap();
        let status = response.status().as_u16();
        let text = response.text().await.unwrap();
        Answer { status, body: serde_json::from_str(&text).unwrap_or(Value::Null), text }
    }

    pub(super) async fn try_call(&self, route: &str, mut fields: Value) -> Result<Answer, reqwest::Error> {
        for (name, value) in [("uid", "FA00001"), ("actid", "FA00001")] {
            if fields.get(name).is_none() {
                fields[name] = value.into();
            }
        }
        let text = fields.to_string().replace('&', "\\u0026");
        self.try_raw(&format!("NorenWClientAPI/{route}"), format!("jData={text}"), Some(&self.token)).await
    }

    pub(super) async fn call(&self, route: &str, fields: Value) -> Answer {
        self.try_call(route, fields).await.unwrap()
    }

    pub(super) async fn place(&self, tag: &str) -> Answer {
        self.call("PlaceOrder", order(tag)).await
    }

    pub(super) async fn history(&self, number: &str) -> Answer {
        self.call("SingleOrdHist", json!({ "norenordno": number })).await
    }

    /// The row of an order in the order book.
    pub(super) async fn row(&self, number: &str) -> Option<Value> {
        let book = self.call("OrderBook", json!({})).await;
        book.body.as_array()?.iter().find(|row| row["norenordno"] == number).cloned()
    }

    /// Waits until the order book shows that state.
    pub(super) async fn until(&self, number: &str, status: &str) -> Value {
        self.until_row(number, status, |row| row["status"] == status).await
    }

    /// Waits until its row in the order book is like that; the row.
    pub(super) async fn until_row(&self, number: &str, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let ask = async || {
            let row = self.row(number).await;
            row.clone().filter(&is_so).ok_or_else(|| format!("{number}: {row:?}"))
        };
        until_found(what, ask).await
    }

    pub(super) fn fault(&self, rule: Value) {
        self.sim.add_fault(FaultRule::from_json(&rule).unwrap());
    }

    pub(super) async fn socket(&self, path: &str) -> Socket {
        let (stream, _) = tokio_tungstenite::connect_async(format!("{}/{path}", self.sim.socket_url())).await.unwrap();
        Socket { stream }
    }

    /// A socket that is logged in and hears of orders.
    pub(super) async fn listening(&self) -> Socket {
        let mut socket = self.socket("NorenWSAPI/").await;
        socket.send(json!({"t":"a","uid":"FA00001","actid":"FA00001","accesstoken":self.token,"source":"API"})).await;
        assert_eq!(socket.next().await.unwrap(), json!({"t":"ak","s":"OK","uid":"FA00001"}));
        socket.send(json!({"t":"o","actid":"FA00001"})).await;
        assert_eq!(socket.next().await.unwrap(), json!({"t":"ok"}));
        socket
    }
}

/// A limit order to buy ten that rests.
pub(super) fn order(tag: &str) -> Value {
    json!({"ordersource":"API","exch":"NSE","tsym":"SBIN-EQ","qty":"10","prc":"840.00","trgprc":"0","dscqty":"0","prd":"I","trantype":"B",
        "prctyp":"LMT","ret":"DAY","remarks":tag})
}

/// The same order with other fields.
pub(super) fn with(mut fields: Value, changes: &[(&str, &str)]) -> Value {
    for (name, value) in changes {
        fields[*name] = (*value).into();
    }
    fields
}

/// One connection.
pub(super) struct Socket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl Socket {
    pub(super) async fn send(&mut self, frame: Value) {
        self.stream.send(Message::text(frame.to_string())).await.unwrap();
    }

    /// The next frame; `Err` is the code of the close.
    pub(super) async fn next(&mut self) -> Result<Value, u16> {
        loop {
            let message =
                tokio::time::timeout(Duration::from_secs(30), self.stream.next()).await.expect("no frame came").expect("the stream ended");
            match message.unwrap() {
                Message::Text(text) => return Ok(serde_json::from_str(&text).unwrap()),
                Message::Close(frame) => return Err(frame.map_or(0, |frame| frame.code.into())),
                _ => {}
            }
        }
    }

    /// The next frame that answers to the question.
    pub(super) async fn find(&mut self, mut wanted: impl FnMut(&Value) -> bool) -> Value {
        loop {
            let frame = self.next().await.unwrap();
            if wanted(&frame) {
                return frame;
            }
        }
    }

    /// The reports on an order, up to the one of that kind.
    pub(super) async fn reports(&mut self, number: &str, until: &str) -> Vec<Value> {
        let mut seen = Vec::new();
        loop {
            let frame = self.find(|frame| frame["t"] == "om" && frame["norenordno"] == number).await;
            let is_last = frame["reporttype"] == until;
            seen.push(frame);
            if is_last {
                return seen;
            }
        }
    }
}
