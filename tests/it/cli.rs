//! The command line, as a person uses it: the real binary.

use std::path::Path;
use std::process::{Command, Output};

use ordergate::store::ReadStore;
use ordergate_actors::order::{BookState, ClientId, Side};

use crate::book::{Book, a_day};
use crate::support::process::{self, Process};

/// Runs the binary on a directory, with nothing of this process's environment.
fn run_with(directory: &Path, env: &[(&str, &str)], args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ordergate"))
        .args(args)
        .env_clear()
        .env("ORDERGATE__STORAGE__DIRECTORY", directory)
        // A port that nothing answers on.
        .env("ORDERGATE__SERVER__LISTEN", "127.0.0.1:1")
        .envs(env.iter().copied())
        .current_dir(directory)
        .output()
        .unwrap()
}

fn run(directory: &Path, args: &[&str]) -> Output {
    run_with(directory, &[], args)
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn directory() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn help_names_every_command_and_the_exit_codes() {
    let here = directory();
    let help = run(here.path(), &["--help"]);
    assert_eq!(code(&help), 0);
    let words = out(&help);
    for word in
        ["serve", "status", "verify-orders", "journal", "instruments", "calendar", "config", "backup", "--config", "78 wrong command"]
    {
        assert!(words.contains(word), "{word}: {words}");
    }
    let words = out(&run(here.path(), &["journal", "--help"]));
    for word in ["verify", "export", "tail", "accept", "rebuild-intent-log"] {
        assert!(words.contains(word), "{word}: {words}");
    }
    assert_eq!(out(&run(here.path(), &["--version"])).trim(), concat!("ordergate ", env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_wrong_command_is_78() {
    let here = directory();
    for args in [&["trade"][..], &["verify-orders", "--ordr=1"], &["journal", "export", "--from=yesterday"], &["backup"]] {
        let output = run(here.path(), args);
        assert_eq!(code(&output), 78, "{args:?}: {}", err(&output));
    }
}

#[test]
fn every_config_error_is_named_at_once_and_is_78() {
    let here = directory();
    std::fs::write(here.path().join("mine.toml"), "[server]\nwokers = 4\n[log]\nlevel = \"loud=\"\n").unwrap();
    let env = [("ORDERGATE__WATCHER__POLL_MS", "never"), ("ORDERGATE__WEBHOOK__SECRET", "hunter2 hunter2")];
    for args in [&["--config", "mine.toml", "config", "check"][..], &["--config", "mine.toml"], &["verify-orders", "--config=mine.toml"]] {
        let output = run_with(here.path(), &env, args);
        let words = err(&output);
        assert_eq!(code(&output), 78, "{words}");
        for key in ["server.wokers", "log.level", "watcher.poll_ms = \"never\" (env ORDERGATE__WATCHER__POLL_MS)", "webhook.secret"] {
            assert!(words.contains(key), "{key}: {words}");
        }
        assert!(words.contains("file mine.toml") && !words.contains("hunter2"), "{words}");
    }
}

#[test]
fn config_check_says_where_each_value_comes_from_and_shows_no_secret() {
    let here = directory();
    std::fs::write(here.path().join("mine.toml"), "[server]\nworkers = 4\n").unwrap();
    let env = [("ORDERGATE_CONFIG", "mine.toml"), ("ORDERGATE__API__KEY", "hunter2hunter2"), ("ORDERGATE__PAPER__SEED", "42")];
    let output = run_with(here.path(), &env, &["config", "check"]);
    let words = out(&output);
    assert_eq!(code(&output), 0, "{words}{}", err(&output));
    let line =
        |key: &str| words.lines().find(|line| line.trim_start().starts_with(key)).unwrap_or_else(|| panic!("{key}: {words}")).to_owned();
    assert!(line("server.workers").contains('4') && line("server.workers").contains("file mine.toml"));
    assert!(line("paper.seed").contains("42") && line("paper.seed").contains("env ORDERGATE__PAPER__SEED"));
    assert!(line("api.key").contains("[set]") && line("watcher.poll_ms").contains("default"));
    assert!(words.contains("orders.db") && words.contains("risk_state.PAPER1.json") && words.contains("intent_tracking.log"));
    assert!(words.contains("shorter than 16 characters"), "{words}");
    assert!(!words.contains("hunter2"), "{words}");
}

/// What a new program is asked before it takes the old one's place.
#[test]
fn config_check_says_whether_this_program_can_use_the_database() {
    let here = directory();
    let check = || run(here.path(), &["config", "check"]);
    let fresh = check();
    assert!(code(&fresh) == 0 && out(&fresh).contains("there is no database yet"), "{}{}", out(&fresh), err(&fresh));
    assert!(!here.path().join("orders.db").exists(), "a look leaves nothing behind");
    let mut book = Book::open(here.path(), Vec::new());
    a_day(&mut book);
    // Beside the ledger, which still runs.
    let known = check();
    assert!(code(&known) == 0 && out(&known).contains("has this version's schema, and can be read"), "{}{}", out(&known), err(&known));
    book.close();
    let change = |sql: &str| rusqlite::Connection::open(here.path().join("orders.db")).unwrap().execute_batch(sql).unwrap();
    change("INSERT INTO refinery_schema_history VALUES (99, 'later', '2027-01-01T00:00:00Z', '1')");
    let newer = check();
    assert!(code(&newer) == 78 && err(&newer).contains("newer ordergate: V99__later"), "{}", err(&newer));
    assert!(out(&newer).contains("the configuration is sound"), "the two are told apart: {}", out(&newer));
    change("DELETE FROM refinery_schema_history WHERE version = 99; UPDATE refinery_schema_history SET checksum = '1'");
    let other = check();
    assert!(code(&other) == 78 && err(&other).contains("made by a build whose V1__initial"), "{}", err(&other));
    assert_eq!(code(&run(here.path(), &["journal", "verify"])), 78, "nobody reads it by guess");
}

#[test]
fn verify_orders_without_a_database_says_so() {
    let here = directory();
    let output = run(here.path(), &["verify-orders"]);
    assert_eq!(code(&output), 1);
    assert!(out(&output).contains("there is no database"), "{}", out(&output));
    assert_eq!(std::fs::read_dir(here.path()).unwrap().count(), 0, "a look leaves nothing behind");
}

#[test]
fn verify_orders_is_content_with_a_whole_day() {
    let here = directory();
    let mut book = Book::open(here.path(), Vec::new());
    let orders = a_day(&mut book);
    // Read-only beside the ledger, which still runs.
    let output = run(here.path(), &["verify-orders"]);
    let words = out(&output);
    assert!(!words.contains("SEE TO IT"), "no order needs anybody: {words}{}", err(&output));
    for word in ["orders: 5", "EXECUTED", "WEBHOOK", "Last 10 orders", "Last 5 failed", "refused by ordergate: a risk limit", "what to do:"]
    {
        assert!(words.contains(word), "{word}: {words}");
    }
    assert!(words.contains(&orders[0].to_string()), "{words}");
    assert!(code(&output) == 1 && words.contains("alarm(s) that page stand unacknowledged"), "the day's alarms do: {words}");
    book.close();

    let here = directory();
    let mut book = Book::open(here.path(), Vec::new());
    let done = book.create("RELIANCE-EQ", Some(Side::Buy), None);
    book.send(done, 10);
    book.accept(done, "B1");
    book.fill(done, "B1", "T1", 10, "100");
    book.book(done, "B1", BookState::Complete, 10, Some("100"));
    let output = run(here.path(), &["verify-orders"]);
    assert!(code(&output) == 0 && out(&output).contains("No order needs a person, and no page stands."), "{}", out(&output));
    book.close();
    let output = run(here.path(), &["verify-orders"]);
    assert_eq!(code(&output), 0, "and without an engine");
    assert!(out(&output).contains("NO ENGINE RUNS") && out(&output).contains("no stop is watched"), "{}", out(&output));
}

#[test]
fn verify_orders_wants_a_person_for_what_is_stuck_or_in_doubt() {
    let here = directory();
    let mut book = Book::open(here.path(), Vec::new());
    let stuck = book.create("RELIANCE-EQ", Some(Side::Buy), None);
    let output = run(here.path(), &["verify-orders"]);
    let words = out(&output);
    assert_eq!(code(&output), 1, "{words}");
    assert!(words.contains("CREATED for more than 30 s") && words.contains("SEE TO IT") && words.contains(&stuck.to_string()), "{words}");
    book.send(stuck, 10);
    let output = run(here.path(), &["verify-orders"]);
    assert_eq!(code(&output), 1, "sent long ago, and no number: {}", out(&output));
    book.book(stuck, "B1", BookState::Open, 0, None);
    let output = run(here.path(), &["verify-orders"]);
    assert_eq!(code(&output), 0, "a resting order is nobody's worry: {}", out(&output));
    book.close();
    let output = run(here.path(), &["verify-orders"]);
    let words = out(&output);
    assert!(code(&output) == 1 && words.contains("nobody follows 1 open order(s), 0 of them in doubt"), "{words}");
    assert!(words.contains("its fills are not seen until an engine runs") && !words.contains("No order needs a person"), "{words}");
    let output = run(here.path(), &["verify-orders", &format!("--order={stuck}")]);
    assert!(code(&output) == 1 && out(&output).contains("nobody follows this order"), "{}", out(&output));
    let status = out(&run(here.path(), &["status"]));
    assert!(status.contains("nobody follows 1 open order(s)"), "one judge for both: {status}");
}

#[test]
fn what_was_in_flight_when_the_engine_died_is_in_doubt_at_once() {
    let here = directory();
    let mut book = Book::open(here.path(), Vec::new());
    let flying = book.create("RELIANCE-EQ", Some(Side::Buy), None);
    book.send(flying, 10);
    book.close();
    let output = run(here.path(), &["verify-orders"]);
    let words = out(&output);
    assert!(code(&output) == 1 && words.contains("nobody follows 1 open order(s), 1 of them in doubt: start it"), "{words}");
    assert!(words.contains(&flying.to_string()) && words.contains("nobody knows whether it is there"), "{words}");
}

#[test]
fn an_alarm_that_pages_needs_a_person_for_verify_orders_too() {
    let here = directory();
    let mut book = Book::open(here.path(), Vec::new());
    book.alarm(None);
    let output = run(here.path(), &["verify-orders"]);
    let words = out(&output);
    assert!(code(&output) == 1 && words.contains("1 alarm(s) that page stand unacknowledged"), "{words}");
    assert!(words.contains("ALARM_IN_DOUBT") && words.contains("somebody must look") && !words.contains("Nothing needs"), "{words}");
}

#[test]
fn an_order_is_traced_by_any_of_its_names() {
    let here = directory();
    let mut book = Book::open(here.path(), Vec::new());
    let orders = a_day(&mut book);
    let record = book.records().iter().rev().find(|record| record.command_id == orders[0]).unwrap().clone();
    for id in [
        record.command_id.to_string(),
        record.basket_id.to_string(),
        record.signal_id.to_string(),
        "B1".to_owned(),
        record.broker_tag.to_string(),
    ] {
        let output = run(here.path(), &["verify-orders", &format!("--order={id}")]);
        let words = out(&output);
        assert_eq!(code(&output), 0, "{id}: {words}");
        for word in
            ["INTENT_CREATED", "SENT_TO_BROKER", "BROKER_CONFIRMED", "risk.max_quantity", "passed", "request PLACE BUY 10", "T2", "100.9"]
        {
            assert!(words.contains(word), "{id} {word}: {words}");
        }
    }
    let words = out(&run(here.path(), &["verify-orders", &format!("--order={}", orders[1])]));
    assert!(words.contains("REFUSED risk.daily_loss") && words.contains("entries go again on the next trading day"), "{words}");
    let output = run(here.path(), &["verify-orders", "--order=nobody"]);
    assert_eq!(code(&output), 1);
    assert!(out(&output).contains("no order goes by"), "{}", out(&output));
}

#[test]
fn the_journal_is_verified_exported_and_shown() {
    let here = directory();
    let mut book = Book::open(here.path(), Vec::new());
    a_day(&mut book);
    book.close();
    let output = run(here.path(), &["journal", "verify"]);
    assert_eq!(code(&output), 0, "{}", out(&output));
    assert!(out(&output).contains("every chain is whole"), "{}", out(&output));

    let output = run(here.path(), &["journal", "export"]);
    let all = out(&output).lines().count();
    let first: serde_json::Value = serde_json::from_str(out(&output).lines().next().unwrap()).unwrap();
    assert_eq!((&first["event"], &first["seq"]), (&"INTENT_CREATED".into(), &1.into()));
    assert!(err(&output).contains("PAPER1") && err(&output).contains("head"), "{}", err(&output));
    let csv = out(&run(here.path(), &["journal", "export", "--format=csv"]));
    assert!(csv.starts_with("client_id,seq,prev_hash,at,event"), "{csv}");
    assert_eq!(csv.lines().count(), all + 1);
    let day = first["at"].as_str().unwrap()[..10].to_owned();
    assert_eq!(out(&run(here.path(), &["journal", "export", "--from", &day, "--to", &day])).lines().count(), all);
    assert_eq!(out(&run(here.path(), &["journal", "export", "--from=2099-01-01"])), "");

    assert_eq!(out(&run(here.path(), &["journal", "tail", "-n", "3"])).lines().count(), 3);
    let output = run(here.path(), &["journal", "rebuild-intent-log"]);
    assert_eq!(code(&output), 0, "{}", err(&output));
    assert!(here.path().join("logs/intent_tracking.log").exists());
}

#[test]
fn the_intent_log_is_not_rebuilt_under_a_running_engine() {
    let here = directory();
    let book = Book::open(here.path(), Vec::new());
    let output = run(here.path(), &["journal", "rebuild-intent-log"]);
    assert_eq!(code(&output), 1);
    assert!(out(&output).contains("an engine is running"), "{}", out(&output));
    book.close();
}

#[test]
fn a_backup_is_a_whole_database_and_is_never_written_over() {
    let here = directory();
    let mut book = Book::open(here.path(), Vec::new());
    a_day(&mut book);
    let to = here.path().join("copy/orders.db");
    std::fs::create_dir(here.path().join("copy")).unwrap();
    let path = to.to_str().unwrap();
    assert_eq!(code(&run(here.path(), &["backup", path])), 0);
    let before = std::fs::read(&to).unwrap();
    let again = run(here.path(), &["backup", path]);
    assert_eq!(code(&again), 78, "{}", err(&again));
    assert!(err(&again).contains(path) && err(&again).contains("name a new file"), "{}", err(&again));
    assert!(std::fs::read(&to).unwrap() == before, "it is as it was");
    let nowhere = here.path().join("none/orders.db");
    let nowhere = run(here.path(), &["backup", nowhere.to_str().unwrap()]);
    assert_eq!(code(&nowhere), 78, "{}", err(&nowhere));
    assert!(err(&nowhere).contains("none/orders.db") && err(&nowhere).contains("its directory must be there"), "{}", err(&nowhere));
    let restored = out(&run(&here.path().join("copy"), &["verify-orders"]));
    assert!(restored.contains("orders: 5"), "{restored}");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(&to).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn instruments_are_listed_and_searched() {
    let here = directory();
    let output = run(here.path(), &["instruments"]);
    assert_eq!(code(&output), 0, "{}", err(&output));
    for symbol in ["RELIANCE-EQ", "SBIN-EQ", "INFY-EQ", "M&M-EQ", "NIFTY"] {
        assert!(out(&output).contains(symbol), "{symbol}");
    }
    assert!(!out(&run(here.path(), &["instruments", "reliance"])).contains("SBIN-EQ"));
    assert_eq!(code(&run(here.path(), &["instruments", "zzz"])), 1);
}

#[test]
fn status_falls_back_to_the_disk_and_says_so() {
    let here = directory();
    let output = run(here.path(), &["status"]);
    assert_eq!(code(&output), 1);
    assert!(out(&output).contains("no engine answers at 127.0.0.1:1"), "{}", out(&output));
    let mut book = Book::open(here.path(), Vec::new());
    a_day(&mut book);
    let words = out(&run(here.path(), &["status"]));
    assert!(words.contains("read from the disk instead") && words.contains("EXECUTED"), "{words}");
}

/// Answers like an engine; the requests come back.
fn engine_that_answers(bodies: &'static [(&'static str, &'static str)]) -> (std::net::SocketAddr, std::thread::JoinHandle<Vec<String>>) {
    use std::io::{Read, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let thread = std::thread::spawn(move || {
        let mut requests = Vec::new();
        while requests.len() < bodies.len() {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            let mut chunk = [0; 1024];
            while !request.windows(4).any(|window| window == b"\r\n\r\n") {
                let read = stream.read(&mut chunk).unwrap();
                request.extend_from_slice(&chunk[..read]);
            }
            let request = String::from_utf8(request).unwrap();
            let (_, body) = bodies.iter().find(|(path, _)| request.starts_with(&format!("GET {path} "))).unwrap();
            let length = body.len();
            write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            )
            .unwrap();
            requests.push(request);
        }
        requests
    });
    (address, thread)
}

#[test]
fn status_asks_the_running_engine_with_the_key() {
    let here = directory();
    let (address, thread) = engine_that_answers(&[
        ("/health/ready", r#"{"ready":true,"accounts":[{"client_id":"PAPER1","phase":"OPEN"}]}"#),
        (
            "/dashboard/attention",
            r#"{"items":[{"kind":"alarm","client_id":null,"text":"BUY 1 SBIN-EQ is in doubt","age_ms":12000,"actions":[],"more":{"event":"ALARM_IN_DOUBT","level":"PAGE"}}]}"#,
        ),
        (
            "/dashboard/orderbook?limit=10",
            r#"{"system_orders":[{"command_id":"c-1","symbol":"SBIN-EQ","status":"EXECUTED"}],"broker_orders":[]}"#,
        ),
    ]);
    let listen = address.to_string();
    let env = [("ORDERGATE__SERVER__LISTEN", listen.as_str()), ("ORDERGATE__API__KEY", "the-key"), ("ORDERGATE__WEBHOOK__SECRET", "w")];
    let output = run_with(here.path(), &env, &["status"]);
    let words = out(&output);
    assert_eq!(code(&output), 1, "something waits: {words}");
    for word in ["up and ready", "OPEN", "(process): alarm ALARM_IN_DOUBT PAGE, 12 s ago", "BUY 1 SBIN-EQ is in doubt", "SBIN-EQ"] {
        assert!(words.contains(word), "{word}: {words}");
    }
    assert!(!words.contains("the-key"));
    let requests = thread.join().unwrap();
    assert!(requests[1].to_lowercase().contains("authorization: bearer the-key"), "{}", requests[1]);
}

#[test]
fn calendar_prints_the_sessions_of_a_day() {
    let here = directory();
    let output = run(here.path(), &["calendar", "--date", "2026-11-24"]);
    let words = out(&output);
    assert_eq!(code(&output), 0, "{words}");
    for word in
        ["Tuesday, 24 November 2026", "closed: Prakash Gurpurb Sri Guru Nanak Dev", "morning closed", "17:00-23:55 continuous", "CDS"]
    {
        assert!(words.contains(word), "{word}: {words}");
    }
    let output = run(here.path(), &["calendar", "--date=2026-11-20", "--symbol=NSE:SBIN-EQ"]);
    let words = out(&output);
    for word in ["NSE:SBIN-EQ on Fri 20 Nov 2026", "AUCTION_SHARE", "15:15-15:20 closing auction", "ends Fri 20 Nov 2026 15:15 IST"] {
        assert!(words.contains(word), "{word}: {words}");
    }
    assert_eq!(code(&run(here.path(), &["calendar", "--date=2028-02-29"])), 1, "no calendar for that day");
    assert!(err(&run(here.path(), &["calendar", "--symbol=NOBODY"])).contains("NOBODY is not in the sample"));
}

#[test]
fn calendar_check_tells_from_december_that_the_next_year_is_missing() {
    let here = directory();
    let check = |date: &str| run(here.path(), &["calendar", "check", "--date", date]);
    let quiet = check("2026-11-20");
    assert_eq!(code(&quiet), 0, "{}", out(&quiet));
    assert!(out(&quiet).contains("read: built-in 2026.toml") && out(&quiet).contains("(calendar.enforce): none"), "{}", out(&quiet));
    let loud = check("2026-12-01");
    assert_eq!(code(&loud), 1);
    assert!(out(&loud).contains("the list of 2027 is missing"), "{}", out(&loud));
}

#[test]
fn a_calendar_that_is_wrong_is_refused_with_its_line() {
    let here = directory();
    std::fs::write(here.path().join("own.toml"), "[[holiday]]\non = \"Mon 2026-12-02\"\nname = \"n\"\nclosed = [\"NSE\"]\n").unwrap();
    let env = [("ORDERGATE__CALENDAR__DIRECTORY", here.path().to_str().unwrap())];
    for args in [&["calendar", "check"][..], &["serve"]] {
        let output = run_with(here.path(), &env, args);
        assert_eq!(code(&output), 78, "{}", err(&output));
        for word in ["own.toml:2: on: 2026-12-02 is a Wed, not a Mon", "own.toml:1: source is missing"] {
            assert!(err(&output).contains(word), "{word}: {}", err(&output));
        }
    }
}

#[test]
fn a_relative_wish_is_resolved_and_what_cannot_be_is_said() {
    let here = tempfile::tempdir().unwrap();
    let output = run(here.path(), &["instruments", "resolve", "NIFTY near ATM+1 CE", "--spot", "25712.35"]);
    assert_eq!(code(&output), 0, "{}", out(&output));
    assert!(out(&output).contains("C25750") && out(&output).contains("read by the wish NIFTY near ATM+1 CE, last day"), "{}", out(&output));
    let output = run(here.path(), &["instruments", "resolve", "NIFTY", "near", "ATM", "CE"]);
    assert_eq!(code(&output), 1);
    assert!(out(&output).contains("ATM needs the price of NIFTY"), "{}", out(&output));
    let output = run(here.path(), &["instruments", "nifty", "ce", "--exchange", "NFO", "--limit", "2"]);
    assert!(out(&output).contains("the first 2 of 42 found among 91 instruments"), "{}", out(&output));
    assert_eq!(code(&run(here.path(), &["instruments", "fetch", "--from", "nowhere"])), 78);
}

#[test]
fn a_route_is_written_by_command_and_its_version_is_called_the_row_that_it_is() {
    let here = directory();
    let engine = Process::serve(process::command(here.path()));
    let write = |unit: &str| {
        let mut command = process::command(here.path());
        command.env("ORDERGATE__SERVER__LISTEN", engine.address().to_string());
        process::succeeds(command, &["connect", "route", "trend", "--direction", "both", "--product", "MIS", "--qty-unit", unit])
    };
    let said = [write("units"), write("lots")];
    assert!(said[0].contains("route trend is written: it is new"), "{}", said[0]);
    assert!(said[1].contains("route trend is written: qty_unit: units -> lots"), "{}", said[1]);
    let store = ReadStore::open(here.path()).unwrap();
    let rows = store.journal(ClientId::parse("PAPER1").ok().as_ref(), 0, u64::MAX).map(Result::unwrap);
    let rows: Vec<u64> = rows.filter(|row| &*row.event == "ROUTE_CHANGED").map(|row| row.seq).collect();
    assert_eq!(rows.len(), 2, "each was posted once");
    for (row, said) in rows.iter().zip(&said) {
        assert!(said.contains(&format!("its version is {row}, the number of its row in the account's journal")), "{row}: {said}");
    }
}
