//! `ordergate conformance` as a person runs it: the program itself against the simulated broker.

use std::path::Path;
use std::process::Output;

use ordergate::simulator::noren_server::{Fault, FaultRule, PriceSetting, Settings, Simulator};
use ordergate_actors::testkit::found_by_thread;
use serde_json::Value;

use crate::support::process::{self, by_its_settings};

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
reserved_per_second = 2
per_minute = 10000
[accounts.noren]
uid = "FA00001"
auth = "quickauth"
codes_once = false
host = "{}"
rest_prefix = "/NorenWClientTP/"
simulator = true
login_at = "00:00"
socket_url = "{}/NorenWSTP/"
password = "sim-password"
api_key = "sim-key"
totp_secret = "JBSWY3DPEHPK3PXP"
order_ms = 60000
book_ms = 60000
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
        by_its_settings(self.here.path(), args)
    }

    /// Runs it; the exit code and what it printed.
    fn run(&self, args: &[&str]) -> (i32, String) {
        let output = self.ordergate(&[&["conformance"], args].concat());
        let text = process::words(&output);
        assert!([Some(0), Some(1), Some(78)].contains(&output.status.code()), "{:?}: {text}", output.status);
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

/// What differs from run to run: numbers, and whether the stream or the reply was first. Where a cell goes on below hangs
/// on the width of numbers, so that blanks and line ends do not count.
fn words(text: &str) -> String {
    let mut masked = String::new();
    let mut is_number = false;
    for c in text.chars() {
        match (c.is_ascii_digit(), is_number) {
            (true, false) => masked.push('#'),
            (true, true) => {}
            (false, _) => masked.push(c),
        }
        is_number = c.is_ascii_digit();
    }
    let masked =
        masked.replace("#.#", "#").replace(" -#", " #").replace("# of # frames came before the reply", "every frame came after the reply");
    let words = masked.split_whitespace().collect::<Vec<_>>().join(" ");
    // A read that is answered so, or one before it, of which this one hears.
    words.replace("(not logged in: the broker ended the session)", "(the broker answered: Session Expired : Invalid Session Key)")
}

#[test]
fn everything_passes_against_the_simulator_and_nothing_is_left() {
    let bench = Bench::new();
    let (code, text) = bench.run(&[]);
    assert!([0, 1].contains(&code), "{text}");
    assert_eq!(bench.lines("failed"), [""; 0], "{text}");
    assert_eq!(bench.lines("not_tried"), ["quantity unit"], "{text}");
    assert_eq!(code, 0, "{text}");
    // Which build it was stands in it, and each build has another name.
    let build = bench.read("SIM-details.json")["version"].as_str().unwrap().to_owned();
    assert!(build.starts_with(concat!(env!("CARGO_PKG_VERSION"), "+")) && text.contains(&build), "{build}: {text}");
    let text = text.replace(&build, env!("CARGO_PKG_VERSION"));
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/conformance.golden");
    if std::env::var_os("WRITE_GOLDEN").is_some() {
        std::fs::write(&golden, &text).unwrap();
    }
    assert_eq!(words(&text), words(&std::fs::read_to_string(&golden).unwrap()), "{text}");
    let record = bench.read("SIM.json");
    assert_eq!(record["passed"], true);
    let recorded = ordergate::readiness::Recorded::read(&bench.here.path().join("data"), "conformance/SIM.json");
    assert!(recorded.is_some_and(|recorded| recorded.passed && recorded.version == Some(build)));
    bench.is_clean();
    // What is secret is in nothing that was printed or left behind.
    for word in ["sim-password", "sim-key", "JBSWY3DPEHPK3PXP"] {
        assert!(!text.contains(word) && !bench.read("SIM-details.json").to_string().contains(word));
    }
}

/// Runs against a broker with faults: exactly those lines fail.
fn fails_exactly(faults: &[FaultRule], lines: &[&str]) -> (Bench, String) {
    let bench = Bench::new();
    for fault in faults {
        bench.simulator.add_fault(fault.clone());
    }
    let (code, text) = bench.run(&[]);
    assert_eq!(bench.lines("failed"), lines, "{text}");
    assert_eq!((code, bench.read("SIM.json")["passed"].as_bool()), (1, Some(false)), "{text}");
    (bench, text)
}

const REMARKS: [&str; 5] = ["remarks in book", "remarks in history", "remarks in stream", "remarks length", "remarks after modify"];

#[test]
fn remarks_that_do_not_come_back_fail_where_they_are_looked_for() {
    let (bench, text) = fails_exactly(&[FaultRule::always("PlaceOrder", Fault::RemarksMissing)], &REMARKS);
    assert!(bench.seen("remarks in book").contains("did not come back"), "{text}");
    bench.is_clean();
}

#[test]
fn remarks_that_are_cut_fail_with_what_is_left_of_them() {
    let (bench, text) = fails_exactly(&[FaultRule::always("PlaceOrder", Fault::RemarksTruncated { length: 8 })], &REMARKS);
    assert!(bench.seen("remarks in book").starts_with("8 of 15 characters came back"), "{text}");
    assert!(bench.seen("remarks length").contains("the book shows 8, the stream 8"), "{text}");
    bench.is_clean();
}

#[test]
fn a_stream_that_tells_nothing_of_orders_fails_there_alone() {
    let (bench, _) = fails_exactly(&[FaultRule::always("om", Fault::StreamLost)], &["remarks in stream", "stream order"]);
    bench.is_clean();
}

#[test]
fn a_skewed_clock_fails_there_alone() {
    let (bench, text) = fails_exactly(&[FaultRule::always("*", Fault::ClockSkew { ms: 60_000 })], &["clock"]);
    assert!(bench.seen("clock").contains("limit: 2000 ms"), "{text}");
}

#[test]
fn a_cancel_that_is_not_done_is_asked_for_again_and_a_change_that_is_refused_is_seen() {
    let faults = [FaultRule::next("ModifyOrder", Fault::ReplaceRejected), FaultRule::next("CancelOrder", Fault::CancelRejected)];
    let (bench, _) = fails_exactly(&faults, &["modify"]);
    bench.is_clean();
}

/// The small order is changed twice before.
#[test]
fn a_stop_that_does_not_become_a_limit_fails_there_alone() {
    for change in [3, 4] {
        let (bench, text) = fails_exactly(&[FaultRule::nth("ModifyOrder", change, Fault::ReplaceRejected)], &["stop order"]);
        assert!(bench.seen("stop order").contains("the book does not show it"), "{text}");
        bench.is_clean();
    }
}

#[test]
fn an_order_that_is_never_seen_again_is_said_loudly() {
    let bench = Bench::new();
    bench.simulator.add_fault(FaultRule::next("PlaceOrder", Fault::SilentlyDropped));
    let (code, text) = bench.run(&[]);
    assert_eq!(code, 1);
    let failed = bench.lines("failed");
    for line in ["place", "visibility", "nothing left"] {
        assert!(failed.iter().any(|failed| failed == line), "{line}: {text}");
    }
    assert!(text.contains("!!! NOT PROVEN TO HAVE ENDED"), "{text}");
    // What was not safe once is not done again.
    assert_eq!(bench.simulator.orders().len(), 1);
}

#[test]
fn a_fill_is_said_loudly_with_its_place() {
    let bench = Bench::new();
    bench.simulator.add_fault(FaultRule::next("ModifyOrder", Fault::Slow { ms: 6_000 }));
    let (code, text) = std::thread::scope(|scope| {
        let run = scope.spawn(|| bench.run(&[]));
        let is_open = || bench.simulator.orders().iter().any(|order| order["status"] == "OPEN");
        found_by_thread("an order rests", || is_open().then_some(()).ok_or(""));
        let price = |text: &str| Some(text.parse().unwrap());
        let (exch, tsym) = ("NSE".to_owned(), "SBIN-EQ".to_owned());
        let setting = PriceSetting { exch, tsym, bid: price("700"), ask: price("700.05"), ..PriceSetting::default() };
        bench.simulator.set_price(&setting).unwrap();
        run.join().unwrap()
    });
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("!!! FILLED: ") && text.contains("NSE:SBIN-EQ"), "{text}");
    assert!(bench.lines("failed").contains(&"nothing left".to_owned()), "{text}");
}

#[test]
fn mcx_says_what_a_quantity_counts() {
    let bench = Bench::with(Settings::default(), "");
    let path = bench.here.path().join("mine.toml");
    let more = format!("[instruments]\nsource = \"noren\"\nurl = \"{}\"\nexchanges = [\"MCX\"]\n", bench.simulator.url());
    std::fs::write(&path, std::fs::read_to_string(&path).unwrap() + &more).unwrap();
    let fetched = bench.ordergate(&["instruments", "fetch"]);
    assert!(fetched.status.success(), "{}", String::from_utf8_lossy(&fetched.stderr));
    let listed = String::from_utf8(bench.ordergate(&["instruments", "CRUDEOILM"]).stdout).unwrap();
    let symbol = listed.split_whitespace().find(|word| word.starts_with("CRUDEOILM") && word.len() > 9).unwrap().to_owned();
    let (code, text) = bench.run(&["--symbol", &format!("MCX:{symbol}")]);
    assert_eq!((code, bench.lines("failed")), (0, Vec::new()), "{text}");
    assert!(bench.seen("quantity unit").contains("set quantity_unit.mcx = \"units\""), "{text}");
    assert_eq!(bench.lines("not_tried"), ["ampersand"], "{text}");
    // A run with a share takes it not back.
    let (code, text) = bench.run(&[]);
    assert_eq!(code, 0, "{text}");
    let units = Some(ordergate_actors::settings::QuantityUnit::Units);
    let said = ordergate_actors::settings::QuantityUnits { mcx: units, cds: units };
    let account = ordergate_actors::order::ClientId::parse("SIM").unwrap();
    let (settled, why) = ordergate::conformance::confirmed(&bench.here.path().join("data"), &account, said);
    assert_eq!((settled.mcx, settled.cds, why.len()), (units, None, 1), "{why:?}");
    bench.is_clean();
}

#[test]
fn it_is_refused_beside_an_engine_and_for_paper() {
    let bench = Bench::new();
    let data = bench.here.path().join("data");
    std::fs::create_dir_all(&data).unwrap();
    let lock = ordergate::store::DirectoryLock::acquire(&data, ordergate::store::Holder::Engine, chrono::DateTime::UNIX_EPOCH).unwrap();
    let (code, text) = bench.run(&[]);
    assert!(code == 78 && text.contains(&format!("pid {}", std::process::id())), "{code} {text}");
    drop(lock);
    let (code, text) = bench.run(&["--account", "NOBODY"]);
    assert!(code == 78 && text.contains("there are SIM"), "{code} {text}");
    std::fs::write(bench.here.path().join("mine.toml"), "[[accounts]]\nname = \"P\"\n").unwrap();
    let (code, text) = bench.run(&["--account", "P"]);
    assert!(code == 78 && text.contains("paper account"), "{code} {text}");
    assert_eq!(bench.simulator.log().len(), 0, "nothing was asked");
}

#[test]
fn real_money_needs_the_flag_and_the_typed_name() {
    let bench = Bench::new();
    let path = bench.here.path().join("mine.toml");
    let live = std::fs::read_to_string(&path)
        .unwrap()
        .replace("http://127.0.0.1", "https://127.0.0.1")
        .replace("ws://127.0.0.1", "wss://127.0.0.1")
        .replace("simulator = true\n", "");
    let live = live.replace(
        "[accounts.budget]",
        "limits = { daily_loss = 100, max_order_value = 1000, max_quantity = 1, max_position = 1 }\n[accounts.budget]",
    );
    let live = live + "login_ms = 500\nread_ms = 500\n[instruments]\nsource = \"noren\"\nurl = \"https://127.0.0.1:9\"\n";
    std::fs::write(&path, live).unwrap();
    let (code, text) = bench.run(&["--live-small-order"]);
    assert!(code == 78 && text.contains("the name was not typed") && text.contains("Type the account's name (SIM)"), "{code} {text}");
    let (code, text) = bench.run(&[]);
    assert_eq!((code, bench.lines("failed")), (1, vec!["session".to_owned(), "masters".to_owned()]), "{text}");
    assert!(bench.lines("not_tried").contains(&"place".to_owned()));
}
