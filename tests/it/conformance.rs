//! `ordergate conformance` as a person runs it: the program itself against the simulated broker.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use ordergate::simulator::noren_server::{Fault, FaultRule, Settings, Simulator};
use serde_json::Value;

/// One account at a simulated broker, in a directory of its own.
struct Bench {
    simulator: Simulator,
    here: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        Self::with(Settings::default(), "")
    }

    fn with(settings: Settings, more: &str) -> Self {
        let simulator = Simulator::start(Settings { per_second: 0, per_minute: 0, ..settings }).unwrap();
        let here = tempfile::tempdir().unwrap();
        let config = format!(
            r#"
[[accounts]]
name = "SIM"
broker = "noren"
[accounts.budget]
per_second = 1000
per_minute = 10000
[accounts.noren]
uid = "FA00001"
auth = "quickauth"
host = "{}"
rest_prefix = "/NorenWClientTP/"
socket_url = "{}/NorenWSTP/"
password = "sim-password"
api_key = "sim-key"
totp_secret = "JBSWY3DPEHPK3PXP"
heartbeat_ms = 200
reconnect_first_ms = 50
reconnect_last_ms = 200
visibility_bound_ms = 4000
{more}
"#,
            simulator.url(),
            simulator.socket_url(),
        );
        let here_path = here.path().join("mine.toml");
        std::fs::write(here_path, config).unwrap();
        Self { simulator, here }
    }

    fn ordergate(&self, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ordergate"));
        command.args(args).args(["--config", "mine.toml"]).current_dir(self.here.path()).stdin(Stdio::null());
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("ORDERGATE")) {
            command.env_remove(name);
        }
        command.output().unwrap()
    }

    /// Runs it; the exit code and what it printed.
    fn run(&self, args: &[&str]) -> (i32, String) {
        let output = self.ordergate(&[&["conformance"], args].concat());
        let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
        (output.status.code().unwrap(), text)
    }

    fn read(&self, name: &str) -> Value {
        let path = self.here.path().join("data").join("conformance").join(name);
        serde_json::from_slice(&std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))).unwrap()
    }

    /// The lines with that verdict.
    fn lines(&self, verdict: &str) -> Vec<String> {
        let details = self.read("SIM-details.json");
        let lines = details["lines"].as_array().unwrap().iter().filter(|line| line["verdict"] == verdict);
        lines.map(|line| line["name"].as_str().unwrap().to_owned()).collect()
    }

    fn seen(&self, name: &str) -> String {
        let details = self.read("SIM-details.json");
        let line = details["lines"].as_array().unwrap().iter().find(|line| line["name"] == name).unwrap().clone();
        line["seen"].as_str().unwrap().to_owned()
    }

    fn is_clean(&self) {
        for order in self.simulator.orders() {
            assert!(["CANCELED", "REJECTED"].contains(&order["status"].as_str().unwrap()), "{order}");
        }
    }
}

/// Waits, numbers, prices and times differ from run to run.
fn masked(text: &str) -> String {
    let mut masked = String::new();
    let mut digits = String::new();
    for c in text.chars().chain(['\n']) {
        if c.is_ascii_digit() || (c == '.' && !digits.is_empty()) {
            digits.push(c);
            continue;
        }
        if !digits.is_empty() {
            masked.push_str(if digits.ends_with('.') { "#." } else { "#" });
            digits.clear();
        }
        masked.push(c);
    }
    let lines = masked.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    lines.collect::<Vec<_>>().join("\n").trim().to_owned()
}

#[test]
fn everything_passes_against_the_simulator_and_nothing_is_left() {
    let bench = Bench::new();
    let (code, text) = bench.run(&[]);
    assert_eq!(bench.lines("failed"), [""; 0], "{text}");
    assert_eq!(bench.lines("not_tried"), ["quantity unit"], "{text}");
    assert_eq!(code, 0, "{text}");
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/conformance.golden");
    if std::env::var_os("WRITE_GOLDEN").is_some() {
        std::fs::write(&golden, masked(&text) + "\n").unwrap();
    }
    assert_eq!(masked(&text), std::fs::read_to_string(&golden).unwrap().trim(), "{text}");
    let record = bench.read("SIM.json");
    assert_eq!(record["passed"], true);
    assert!(record["at"].as_str().unwrap().parse::<chrono::DateTime<chrono::Utc>>().is_ok(), "{record}");
    assert!(ordergate::readiness::recorded(&bench.here.path().join("data"), "conformance/SIM.json").starts_with("passed at"));
    bench.is_clean();
    // What is secret is in nothing that was printed or left behind.
    for word in ["sim-password", "sim-key", "JBSWY3DPEHPK3PXP"] {
        assert!(!text.contains(word) && !bench.read("SIM-details.json").to_string().contains(word));
    }
}
