//! Start, time, memory and what is seen from behind.

use ordergate::simulator::noren_server::{Settings, Simulator, StartError, TimeSettings};
use serde_json::json;

use super::client::{Bench, order, settings, with};

#[test]
fn it_runs_from_a_plain_thread_and_only_on_loopback() {
    let sim = Simulator::start(settings()).unwrap();
    let address = sim.address;
    assert!(address.port() != 0 && std::net::TcpStream::connect(address).is_ok());
    let taken = Simulator::start(Settings { listen: address, ..settings() });
    assert!(matches!(taken, Err(StartError::Listen { .. })));
    sim.stop();
    assert!(std::net::TcpStream::connect(address).is_err());
    let open = Simulator::start(Settings { listen: "0.0.0.0:0".parse().unwrap(), ..settings() });
    assert!(matches!(open, Err(StartError::NotLoopback(_))));
}

#[actix_web::test]
async fn a_session_ends_at_three_in_the_morning_and_shares_become_holdings() {
    let start = Some("2026-11-20T05:00:00Z".parse().unwrap());
    let mut bench = Bench::with(Settings { time: TimeSettings { start, speed: 0 }, ..settings() }).await;
    let number = bench.call("PlaceOrder", with(order("C"), &[("prc", "851"), ("prd", "C")])).await.number();
    bench.sim.advance_time(chrono::TimeDelta::seconds(1));
    assert_eq!(bench.row(&number).await.unwrap()["status"], "COMPLETE");
    let moved = bench.post_json("sim/time", json!({"set":"2026-11-20T21:29:59Z"})).await;
    assert_eq!(moved.body["time"], "2026-11-20T21:29:59Z");
    assert_eq!(bench.call("Limits", json!({})).await.body["stat"], "Ok");
    bench.post_json("sim/time", json!({"advance_ms":1000})).await;
    assert_eq!(bench.call("Limits", json!({})).await.status, 401);
    bench.log_in().await;
    assert_eq!(bench.history(&number).await.emsg(), "Error Occurred : 5 \"no data\"", "yesterday's number");
    let holdings = bench.call("Holdings", json!({"prd":"C"})).await;
    let row = &holdings.rows()[0];
    assert_eq!((&row["holdqty"], &row["exch_tsym"][0]["tsym"], &row["upldprc"]), (&json!("10"), &json!("SBIN-EQ"), &json!("850.10")));
    let next = bench.place("N").await.number();
    assert!(next.starts_with("261121"), "{next}");
}

#[actix_web::test]
async fn after_a_restart_it_knows_what_it_had() {
    let directory = tempfile::tempdir().unwrap();
    let settings = Settings { state: Some(directory.path().join("state.jsonl")), ..settings() };
    let bench = Bench::with(settings.clone()).await;
    let done = bench.call("PlaceOrder", with(order("A"), &[("prc", "851")])).await.number();
    bench.until(&done, "COMPLETE").await;
    let open = bench.place("B").await.number();
    bench.until(&open, "OPEN").await;
    let token = bench.token.clone();
    bench.sim.stop();
    // A kill in the middle of a line.
    let path = directory.path().join("state.jsonl");
    let kept = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{kept}[{{\"order\":")).unwrap();

    // A later process has a later clock.
    let time = TimeSettings { start: Some("2026-11-20T06:00:00Z".parse().unwrap()), ..settings.time };
    let mut bench = Bench::with(Settings { time, ..settings.clone() }).await;
    bench.token = token;
    let gone = bench.call("Limits", json!({})).await;
    assert_eq!(gone.status, 401, "the login of the new bench ended the old session");
    bench.log_in().await;
    assert_eq!(bench.row(&done).await.unwrap()["status"], "COMPLETE");
    assert_eq!(bench.call("PositionBook", json!({})).await.rows()[0]["netqty"], "10");
    bench.price("NSE", "SBIN-EQ", "830", "831");
    bench.until(&open, "COMPLETE").await;
    // Far below the market: it rests, and makes no trade.
    let next = bench.call("PlaceOrder", with(order("C"), &[("prc", "800")])).await.number();
    assert!(next > open, "numbers go on: {next}");
    assert_eq!(bench.call("TradeBook", json!({})).await.rows().len(), 2);
    bench.sim.stop();
    std::fs::write(&path, "nonsense\n").unwrap();
    let refused = Simulator::start(settings);
    assert!(matches!(&refused, Err(StartError::State { .. })), "{refused:?}");
}

#[actix_web::test]
async fn the_log_tells_what_was_asked_and_done_and_no_secret() {
    let bench = Bench::open().await;
    bench.place("T-1").await;
    let log = bench.get("sim/log").await.text().await.unwrap();
    assert!(log.contains("\"tag\":\"T-1\"") && log.contains("accepted 2"), "{log}");
    let state = bench.get("sim/state").await.text().await.unwrap();
    assert!(state.contains("\"accepted\":{\"T-1\":1}"), "{state}");
    for secret in [&bench.token, &super::client::sha256("sim-password"), &super::client::sha256("FA00001|sim-key")] {
        assert!(!log.contains(secret.as_str()) && !state.contains(secret.as_str()));
    }
    assert_eq!(bench.post_json("sim/reset", json!({})).await.status, 200);
    assert!(bench.sim.orders().is_empty() && bench.sim.log().is_empty());
    assert_eq!(bench.call("Limits", json!({})).await.status, 401);
}

/// The running binary, ended when the test ends.
struct Running(std::process::Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[actix_web::test]
async fn the_command_prints_where_it_listens_and_what_opens_it() {
    use std::io::BufRead as _;
    let here = tempfile::tempdir().unwrap();
    let faults = here.path().join("faults.toml");
    std::fs::write(&faults, "[[fault]]\nroute = \"UserDetails\"\nfault = \"refuse_then_502\"\n").unwrap();
    let run = |arguments: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_ordergate"));
        command.arg("simulate-broker").args(arguments).current_dir(here.path()).stdout(std::process::Stdio::piped());
        command.stderr(std::process::Stdio::piped());
        command
    };
    let mut child = Running(run(&["--listen", "127.0.0.1:0", "--faults", faults.to_str().unwrap()]).spawn().unwrap());
    let out = std::io::BufReader::new(child.0.stdout.take().unwrap());
    let mut lines = out.lines().map(Result::unwrap);
    let first = lines.next().unwrap();
    let address = first.split_once("listens on ").unwrap().1.split(". ").next().unwrap().to_owned();
    let said: String = lines.take_while(|line| !line.contains("Ctrl-C")).collect::<Vec<_>>().join("\n");
    for word in ["FA00001", "sim-password", "sim-key", "FA00001_U", "sim-secret", "JBSWY3DPEHPK3PXP"] {
        assert!(said.contains(word), "{word}: {said}");
    }
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = client.post(format!("http://{address}/NorenWClientTP/UserDetails")).body("jData={}").send().await.unwrap();
    assert_eq!(answer.status(), 502);
    let open = run(&["--listen", "0.0.0.0:0"]).output().unwrap();
    assert_eq!(open.status.code(), Some(78));
    assert!(String::from_utf8_lossy(&open.stderr).contains("loopback"));
}
