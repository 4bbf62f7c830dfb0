//! The simulated broker as a process of its own, and the least client that can place an order there.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use ordergate::brokers::noren::otp;
use ordergate_actors::ports::Clock;
use reqwest::Client;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Kills the simulator when dropped.
pub(crate) struct Simulator {
    child: Child,
    /// `127.0.0.1:port`.
    pub(crate) address: String,
}

impl Simulator {
    /// Without faults and without limits.
    pub(crate) fn start() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_ordergate"))
            .args(["simulate-broker", "--listen", "127.0.0.1:0", "--per-second", "0", "--per-minute", "0"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let named = |line: String| Some(line.split("listens on ").nth(1)?.split(". ").next()?.to_owned());
        let address = lines.by_ref().map_while(Result::ok).find_map(named).expect("the simulator said where it listens");
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, address }
    }

    /// The account of an engine that trades here; its stream is there, or somewhere else.
    pub(crate) fn account(&self, socket: Option<&str>) -> String {
        let here = format!("ws://{}/NorenWSTP/", self.address);
        let socket = socket.unwrap_or(&here);
        format!(
            r#"
[[accounts]]
name = "PAPER1"
broker = "noren"
budget = {{ per_second = 10000, per_minute = 10000, per_exchange_second = 10000 }}
[accounts.noren]
uid = "FA00001"
vendor_code = "FA00001_U"
auth = "quickauth"
password = "sim-password"
totp_secret = "JBSWY3DPEHPK3PXP"
api_key = "sim-key"
host = "http://{}"
rest_prefix = "/NorenWClientTP/"
simulator = true
login_at = "00:00"
socket_url = "{socket}"
"#,
            self.address
        )
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

/// A bare client of the broker's REST calls, with a session of its own.
pub(crate) struct Bare {
    client: Client,
    base: String,
    token: String,
}

impl Bare {
    pub(crate) async fn log_in(simulator: &Simulator) -> Self {
        ordergate::brokers::noren::install_tls();
        let client = Client::builder().http1_only().no_proxy().tcp_nodelay(true).build().unwrap();
        let mut bare = Self { client, base: format!("http://{}/NorenWClientTP/", simulator.address), token: String::new() };
        let code = otp::code(&SecretString::from("JBSWY3DPEHPK3PXP"), ordergate::clock::SystemClock.now(), None).unwrap();
        tokio::time::sleep(code.wait).await;
        let hash = |text: &str| Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let body = json!({
            "apkversion": "1.0.0", "uid": "FA00001", "pwd": hash("sim-password"), "factor2": code.text.expose_secret(), "vc": "FA00001_U",
            "appkey": hash("FA00001|sim-key"), "imei": "bench", "source": "API"
        });
        let answer = bare.post("QuickAuth", &body).await;
        bare.token = answer["susertoken"].as_str().unwrap_or_else(|| panic!("no login: {answer}")).to_owned();
        bare
    }

    async fn post(&self, route: &str, data: &Value) -> Value {
        let key = if self.token.is_empty() { String::new() } else { format!("&jKey={}", self.token) };
        let request = self.client.post(format!("{}{route}", self.base)).header("Content-Type", "text/plain");
        let reply = request.body(format!("jData={data}{key}")).send().await.unwrap();
        serde_json::from_slice(&reply.bytes().await.unwrap()).unwrap()
    }

    /// Orders like those that the engine will send, one after the other; how long each took.
    pub(crate) async fn place(&self, orders: usize) -> Vec<Duration> {
        let mut times = Vec::with_capacity(orders);
        for number in 0..orders {
            let order = json!({
                "uid": "FA00001", "actid": "FA00001", "exch": "NSE", "tsym": "RELIANCE-EQ", "qty": "1", "dscqty": "0", "prc": "1290",
                "prd": "I", "trantype": "B", "prctyp": "LMT", "ret": "DAY", "ordersource": "API", "remarks": format!("bench{number}")
            });
            let start = Instant::now();
            let answer = self.post("PlaceOrder", &order).await;
            times.push(start.elapsed());
            assert!(answer["norenordno"].is_string(), "{answer}");
        }
        times
    }
}
