//! No secret is anywhere but where it must be. The real program runs with seeded secrets, meets faults, and everything that
//! it leaves behind is searched: its directory, its logs, what it prints, what it answers.

use std::io::{BufRead as _, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ordergate::simulator::noren_server::{Fault, FaultRule, PriceSetting, Prices, Settings, Simulator, Symptom};
use ordergate_actors::testkit::{until, until_found};
use parking_lot::Mutex;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::house::pass;

const PASSWORD: &str = "hunter2-of-the-password";
const SEED: &str = "KRSXG5CTMVRXEZLUKRSXG5CT";
const API_KEY: &str = "hunter2-of-the-api-key";
const CLIENT_SECRET: &str = "hunter2-of-the-client";
const WEBHOOK: &str = "hunter2-of-the-webhook";
const DASHBOARD: &str = "hunter2-of-the-dashboard";
const EMAIL: &str = "hunter2-of-the-person@example.test";
const PAN: &str = "QZXPK7731M";
const ADDRESS: &str = "203.0.113.77";

fn sha256(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The program, and all that it prints.
struct Program {
    child: Child,
    url: String,
    said: Arc<Mutex<Vec<u8>>>,
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How the account logs in, as its settings say it.
const QUICK: &str = "auth = \"quickauth\", rest_prefix = \"/NorenWClientTP/\"";
const OAUTH: &str = "auth = \"oauth\", rest_prefix = \"/NorenWClientAPI/\", client_id = \"FA00001_U\"";

fn command(directory: &Path, sim: &Simulator, login: &str) -> Command {
    let file = directory.join("mine.toml");
    let text = format!(
        "[[accounts]]\nname = \"SIM\"\nbroker = \"noren\"\nnoren = {{ uid = \"FA00001\", {login}, login_page = \"{}/NorenWClientAPI/authorize?client_id={{client_id}}\", \
         order_ms = 1000, visibility_bound_ms = 1000, login_at = \"00:00\", codes_once = false, simulator = true, host = \"{}\", socket_url = \"{}/NorenWSTP/\" }}\n",
        sim.url(),
        sim.url(),
        sim.socket_url()
    );
    std::fs::write(&file, text).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_ordergate"));
    command
        .arg("--config")
        .arg(file)
        .env("ORDERGATE__STORAGE__DIRECTORY", directory.join("data"))
        .env("ORDERGATE__SERVER__LISTEN", "127.0.0.1:0")
        .env("ORDERGATE__WEBHOOK__SECRET", WEBHOOK)
        .env("ORDERGATE__API__KEY", DASHBOARD)
        .env("ORDERGATE__LOG__LEVEL", "debug")
        .env("ORDERGATE__ACCOUNTS__0__NOREN__PASSWORD", PASSWORD)
        .env("ORDERGATE__ACCOUNTS__0__NOREN__TOTP_SECRET", SEED)
        .env("ORDERGATE__ACCOUNTS__0__NOREN__API_KEY", API_KEY)
        .env("ORDERGATE__ACCOUNTS__0__NOREN__CLIENT_SECRET", CLIENT_SECRET);
    command
}

fn keep(mut from: impl Read + Send + 'static, said: &Arc<Mutex<Vec<u8>>>) {
    let said = Arc::clone(said);
    std::thread::spawn(move || {
        let mut part = [0; 4_096];
        while let Ok(read) = from.read(&mut part) {
            if read == 0 {
                break;
            }
            said.lock().extend_from_slice(&part[..read]);
        }
    });
}

fn serve(directory: &Path, sim: &Simulator, login: &str) -> Program {
    let mut child = command(directory, sim, login).arg("serve").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let said = Arc::new(Mutex::new(Vec::new()));
    keep(child.stderr.take().unwrap(), &said);
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let mut url = None;
    while url.is_none() {
        let mut line = String::new();
        assert!(lines.read_line(&mut line).unwrap() > 0, "it ended: {}", String::from_utf8_lossy(&said.lock()));
        url = line.split("http://").nth(1).and_then(|rest| rest.split_whitespace().next()).map(|address| format!("http://{address}"));
        said.lock().extend_from_slice(line.as_bytes());
    }
    keep(lines, &said);
    Program { child, url: url.unwrap(), said }
}

/// What is searched: a name, and bytes.
type Found = Vec<(String, Vec<u8>)>;

fn files(directory: &Path, into: &mut Found) {
    for found in std::fs::read_dir(directory).unwrap().map(Result::unwrap) {
        if found.file_type().unwrap().is_dir() {
            files(&found.path(), into);
        } else if let Ok(bytes) = std::fs::read(found.path()) {
            into.push((found.path().display().to_string(), bytes));
        }
    }
}

/// The tokens that the broker has given out, from its own state file.
fn tokens(state: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(state).unwrap();
    let rows = text.lines().filter_map(|line| serde_json::from_str::<Vec<Value>>(line).ok()).flatten();
    let live = rows.filter_map(|row| row["sessions"][0].as_array().cloned()).flatten();
    live.filter_map(|token| token["text"].as_str().map(str::to_owned)).collect()
}

async fn alert(http: &reqwest::Client, program: &Program, strategy: &str, secret: &str) -> (u16, String) {
    let body = json!({
        "secret_key": secret, "execution_type": "ENTRY", "strategy_name": strategy, "exchange": "NSE", "product_type": "MIS",
        "legs": [{"tradingsymbol": "SBIN-EQ", "direction": "BUY", "qty": 1, "order_type": "LIMIT", "price": "850.50"}],
    });
    let answer = http.post(format!("{}/webhook", program.url)).json(&body).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

async fn get(http: &reqwest::Client, program: &Program, path: &str) -> (u16, String) {
    let answer = http.get(format!("{}{path}", program.url)).bearer_auth(DASHBOARD).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

fn seeded(state: &Path) -> Simulator {
    let mut settings = Settings { prices: Prices::Scripted, state: Some(state.to_owned()), ..Settings::default() };
    (settings.user.password, settings.user.totp_seed) = (PASSWORD.to_owned(), SEED.to_owned());
    (settings.user.api_key, settings.user.client_secret) = (API_KEY.to_owned(), CLIENT_SECRET.to_owned());
    (settings.user.email, settings.user.pan) = (EMAIL.to_owned(), PAN.to_owned());
    settings.user.address = ADDRESS.parse().ok();
    let sim = Simulator::start(settings).unwrap();
    let (bid, ask) = (Some("850.00".parse().unwrap()), Some("850.10".parse().unwrap()));
    sim.set_price(&PriceSetting { exch: "NSE".into(), tsym: "SBIN-EQ".into(), bid, ask, ..PriceSetting::default() }).unwrap();
    sim
}

async fn until_ready(http: &reqwest::Client, program: &Program) {
    let ask = async || match get(http, program, "/health/ready").await.0 {
        200 => Ok(()),
        _ => Err(String::from_utf8_lossy(&program.said.lock()).into_owned()),
    };
    until_found("it is ready", ask).await;
}

/// Orders that meet faults, and alerts of nobody.
async fn trade(http: &reqwest::Client, program: &Program, sim: &Simulator, found: &mut Found) {
    let faults = [
        None,
        Some(Fault::Accept { then: Symptom::BadGateway }),
        Some(Fault::Accept { then: Symptom::Drop }),
        Some(Fault::Reject { text: "Rejected : ORA:AMO is stopped".into(), status: 200 }),
        Some(Fault::RateSecond),
        Some(Fault::SessionExpired { status: 401, kill: true }),
    ];
    for (place, fault) in faults.into_iter().enumerate() {
        fault.into_iter().for_each(|fault| sim.add_fault(FaultRule::next("PlaceOrder", fault)));
        let calls = |sim: &Simulator| sim.log().iter().filter(|row| row.route == "PlaceOrder").count();
        let before = calls(sim);
        let (status, text) = alert(http, program, &format!("s{place}"), WEBHOOK).await;
        found.push((format!("answer {status} of alert {place}"), text.into_bytes()));
        let begun = Instant::now();
        // A symbol in doubt takes no entry: then there is no call.
        while calls(sim) == before && begun.elapsed() < Duration::from_secs(2) {
            pass(Duration::from_millis(50)).await;
        }
    }
    let (status, text) = alert(http, program, "wrong", "hunter2-of-somebody-else").await;
    assert!(matches!(status, 401 | 403), "{text}");
    found.push(("answer to a wrong secret".into(), text.into_bytes()));
}

/// Looks at everything that is left, for all that is secret and `more`.
async fn search(
    http: &reqwest::Client,
    program: &Program,
    (here, sim, login): (&Path, &Simulator, &str),
    mut found: Found,
    more: &[String],
) {
    for path in
        ["/metrics", "/health", "/health/ready", "/dashboard/orderbook", "/dashboard/alarms", "/dashboard/status", "/dashboard/readiness"]
    {
        let (status, text) = get(http, program, path).await;
        found.push((format!("answer {status} of {path}"), text.into_bytes()));
    }
    for arguments in [&["config", "check"][..], &["verify-orders"], &["journal", "verify"]] {
        let output = command(here, sim, login).args(arguments).output().unwrap();
        found.push((format!("{arguments:?}"), [output.stdout, output.stderr].concat()));
    }
    let answered = found.iter().filter(|(name, _)| name.starts_with("answer 200")).count();
    assert!(answered >= 4, "{:?}", found.iter().map(|(name, _)| name).collect::<Vec<_>>());
    found.push(("what it printed".into(), program.said.lock().clone()));
    files(here, &mut found);
    assert!(found.iter().any(|(name, bytes)| name.ends_with("orders.db") && !bytes.is_empty()));
    assert!(String::from_utf8_lossy(&program.said.lock()).contains("DEBUG"), "the log was searched at its most talkative");
    let secrets = [PASSWORD, SEED, API_KEY, CLIENT_SECRET, WEBHOOK, DASHBOARD, EMAIL, PAN, ADDRESS, "hunter2"].map(str::to_owned);
    let hashes = [sha256(PASSWORD), sha256(&format!("FA00001|{API_KEY}"))];
    let found: Vec<(String, String)> =
        found.into_iter().map(|(name, bytes)| (name, String::from_utf8_lossy(&bytes).into_owned())).collect();
    // What is searched is what was written.
    assert!(found.iter().any(|(name, text)| name.contains("orders.db") && text.contains("SBIN-EQ")));
    for (name, text) in &found {
        for secret in secrets.iter().chain(&hashes).chain(more) {
            // Who may see the readiness report sees the address there.
            if secret == ADDRESS && name.contains("/dashboard/readiness") {
                continue;
            }
            let around = text.split(secret.as_str()).next().filter(|before| before.len() < text.len());
            let around = around.map(|before| before.chars().rev().take(200).collect::<Vec<_>>().into_iter().rev().collect::<String>());
            assert_eq!(around, None, "{name} holds the secret {secret}");
        }
    }
}

#[tokio::test]
async fn seeded_secrets_are_found_nowhere() {
    let (here, broker) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let state = broker.path().join("state");
    let sim = seeded(&state);
    // The first login goes wrong too.
    sim.add_fault(FaultRule::next("QuickAuth", Fault::Refuse { then: Symptom::Truncated }));
    let program = serve(here.path(), &sim, QUICK);
    let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(30)).build().unwrap();
    let mut found: Found = Vec::new();
    until_ready(&http, &program).await;
    trade(&http, &program, &sim, &mut found).await;
    sim.add_fault(FaultRule::next("OrderBook", Fault::SessionExpired { status: 200, kill: true }));
    sim.second_login();
    until("there is a new login", || tokens(&state).len() >= 3).await;
    search(&http, &program, (here.path(), &sim, QUICK), found, &tokens(&state)).await;
}

/// A person signs in: the code of the redirect, the checksum made of it and the client's secret, and the token that every call bears.
#[tokio::test]
async fn the_secrets_of_a_sign_in_are_found_nowhere() {
    let (here, broker) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let state = broker.path().join("state");
    let sim = seeded(&state);
    let program = serve(here.path(), &sim, OAUTH);
    let quiet = reqwest::redirect::Policy::none();
    let http = reqwest::Client::builder().no_proxy().redirect(quiet).timeout(Duration::from_secs(30)).build().unwrap();
    let mut found: Found = Vec::new();
    let mut codes = Vec::new();
    // The first exchange goes wrong.
    sim.add_fault(FaultRule::next("GenAcsTok", Fault::Refuse { then: Symptom::Truncated }));
    for place in 0..2 {
        let asked = http.post(format!("{}/dashboard/broker/login", program.url)).bearer_auth(DASHBOARD).json(&json!({}));
        let begun: Value = asked.send().await.unwrap().json().await.unwrap();
        let link = begun["login_link"].as_str().unwrap_or_else(|| panic!("{begun}"));
        let back = format!("{}/broker/callback/SIM", program.url);
        let seconds = sim.now().timestamp().unsigned_abs();
        let secret = totp_rs::Secret::try_from_base32(SEED).unwrap();
        let otp = totp_rs::Builder::new().with_secret(secret).build_noncompliant().generate(seconds).to_string();
        let page = http.get(format!("{link}&password={PASSWORD}&totp={otp}&redirect_uri={back}")).send().await.unwrap();
        let location = page.headers().get("location").unwrap_or_else(|| panic!("{page:?}")).to_str().unwrap().to_owned();
        let code = location.split("code=").nth(1).and_then(|rest| rest.split('&').next()).unwrap().to_owned();
        codes.extend([sha256(&format!("FA00001_U{CLIENT_SECRET}{code}")), code]);
        let answer = http.get(&location).send().await.unwrap();
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        assert_eq!(status.is_success(), place == 1, "{text}");
        found.push((format!("answer {status} of the redirect"), text.into_bytes()));
    }
    until_ready(&http, &program).await;
    trade(&http, &program, &sim, &mut found).await;
    let secrets = [codes, tokens(&state)].concat();
    assert!(secrets.len() >= 5, "{secrets:?}");
    search(&http, &program, (here.path(), &sim, OAUTH), found, &secrets).await;
}
