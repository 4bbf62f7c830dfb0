//! What a stranger on the network can do to the port: raw bytes at the real binary.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use ordergate::web::ROUTES;

use crate::support::process::{self, Process};
use crate::support::{House, KEY, secret};

/// Where drawn secrets are kept, within the data directory.
#[cfg(unix)]
const SECRETS: &str = "secrets.toml";
const LONG: Duration = Duration::from_secs(30);

fn engine(directory: &std::path::Path) -> Process {
    let mut command = process::command(directory);
    command.env("ORDERGATE__SERVER__BODY_DEADLINE_MS", "1500");
    Process::serve(command)
}

/// Sends the bytes on a connection of their own; everything that comes back until it is closed.
fn raw(process: &Process, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(process.address()).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    // A server that has seen enough closes while we still write.
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn statuses(answer: &str) -> Vec<&str> {
    answer.lines().filter_map(|line| line.strip_prefix("HTTP/1.1 ")).map(|rest| &rest[..3]).collect()
}

#[test]
fn a_request_that_two_servers_would_cut_differently_is_refused_and_what_is_hidden_in_it_is_not_run() {
    let directory = tempfile::tempdir().unwrap();
    let process = engine(directory.path());
    let hidden = "GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let both = format!("POST /webhook HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{hidden}");
    let twice = format!("POST /webhook HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nContent-Length: {}\r\n\r\n{hidden}", hidden.len());
    let signed = format!("POST /webhook HTTP/1.1\r\nHost: x\r\nContent-Length: +4\r\n\r\n{hidden}");
    let folded = format!("POST /webhook HTTP/1.1\r\nHost: x\r\nX: a\r\n b\r\nTransfer-Encoding : chunked\r\n\r\n{hidden}");
    for request in [both, twice, signed, folded] {
        let answer = raw(&process, request.as_bytes());
        assert!(!answer.contains("\"LIVE\""), "the hidden request was run:\n{request}\n{answer}");
        assert!(statuses(&answer).iter().all(|status| status.starts_with('4')), "{request}\n{answer}");
    }
    let plain = raw(&process, b"GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert_eq!(statuses(&plain), ["200"], "{plain}");
}

#[test]
fn a_sender_that_dribbles_its_headers_is_let_go() {
    let directory = tempfile::tempdir().unwrap();
    let process = engine(directory.path());
    let mut stream = TcpStream::connect(process.address()).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    let begun = Instant::now();
    stream.write_all(b"POST /webhook HTTP/1.1\r\nHost: x\r\nX-Slow: ").unwrap();
    let mut answer = Vec::new();
    // It ends by the server: with an answer, or without one.
    stream.read_to_end(&mut answer).unwrap();
    assert!(begun.elapsed() < LONG, "it was held open");
    assert!(answer.is_empty() || statuses(&String::from_utf8_lossy(&answer)) == ["408"], "{}", String::from_utf8_lossy(&answer));
}

/// A body that is announced and does not come holds its worker for as long as the settings say, and no longer.
#[test]
fn a_sender_that_dribbles_its_body_is_let_go() {
    let directory = tempfile::tempdir().unwrap();
    let process = engine(directory.path());
    let mut stream = TcpStream::connect(process.address()).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    stream.write_all(b"POST /webhook HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 200\r\n\r\n{").unwrap();
    let mut answer = Vec::new();
    // Either the server ends it, or this read does, and then it was held open.
    stream.read_to_end(&mut answer).expect("it was held open");
    let answer = String::from_utf8_lossy(&answer);
    assert_eq!(statuses(&answer), ["408"], "{answer}");
    assert!(answer.contains("body_too_slow"), "{answer}");
}

#[test]
fn headers_without_an_end_are_refused_before_they_fill_the_memory() {
    let directory = tempfile::tempdir().unwrap();
    let process = engine(directory.path());
    let many: String = (0..5_000).map(|number| format!("X-{number}: {}\r\n", "y".repeat(100))).collect();
    let answer = raw(&process, format!("GET /health/live HTTP/1.1\r\nHost: x\r\n{many}\r\n").as_bytes());
    assert!(!answer.contains("\"LIVE\""), "{answer}");
    let long = raw(&process, format!("GET /health/live?{} HTTP/1.1\r\nHost: x\r\n\r\n", "z".repeat(2_000_000)).as_bytes());
    assert!(!long.contains("\"LIVE\""), "{}", &long[..long.len().min(300)]);
}

#[test]
fn no_path_leads_out_of_the_routes() {
    let directory = tempfile::tempdir().unwrap();
    let process = engine(directory.path());
    for path in [
        "/../../etc/passwd",
        "/dashboard/../../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/..%2f..%2fetc%2fpasswd",
        "//etc/passwd",
        "/dashboard/orders/..%2f..%2fsecrets.toml",
    ] {
        let answer = raw(&process, format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes());
        let found = statuses(&answer);
        assert!(
            !answer.contains("root:") && found.iter().all(|status| status.starts_with('4') || status.starts_with('3')),
            "{path}: {answer}"
        );
    }
}

/// A page of somebody else must not be able to read an answer, whatever it sends.
#[actix_web::test]
async fn no_route_lets_a_foreign_page_read_its_answer() {
    let house = House::open().await;
    for route in ROUTES {
        let path = route
            .path
            .replace("{client_id}", "PAPER1")
            .replace("{token}", "x")
            .replace("{command_id}", "00000000-0000-0000-0000-000000000001")
            .replace("{id}", "1");
        for method in [route.method, "OPTIONS"] {
            let request = house.request(method, &path).bearer_auth(KEY).header("Origin", "https://evil.example");
            // The head tells; the body of a live stream has no end.
            let reply = request.header("Access-Control-Request-Method", "POST").send().await.unwrap();
            let allowed = reply.headers().keys().find(|name| name.as_str().starts_with("access-control-"));
            assert!(allowed.is_none(), "{method} {path} answers {allowed:?}");
        }
    }
    house.close().await;
}

/// Texts of strangers end up in logs, terminals and spreadsheets: no control character of theirs gets there.
#[actix_web::test]
async fn a_line_break_in_an_alert_makes_no_line_of_its_own() {
    let house = House::open().await;
    let mut alert = secret(crate::support::entry("a"));
    alert["strategy_name"] = serde_json::json!("a\r\n2026-11-20 ERROR forged\u{1b}[2J");
    alert["legs"][0]["tradingsymbol"] = serde_json::json!("SBIN\n-EQ\u{0}");
    let reply = house.alert(alert).await;
    for (event, text) in house.events(Some(&house.client())).await {
        assert!(!text.chars().any(char::is_control), "{event}: {text:?}");
    }
    for order in house.orders() {
        assert!(!order.ask.strategy.as_str().chars().any(char::is_control) && !order.ask.symbol.chars().any(char::is_control), "{order:?}");
    }
    let words = reply.body["orders"][0]["reason"].as_str().unwrap_or_default().to_owned();
    assert!(!words.chars().any(char::is_control), "{words:?}");
    house.close().await;
}

#[actix_web::test]
async fn a_text_that_is_sql_is_a_text() {
    let house = House::open().await;
    let text = "'); DROP TABLE journal; DELETE FROM orders; --";
    let killed = house.post("/dashboard/kill", serde_json::json!({ "level": 1, "reason": text })).await;
    assert_eq!(killed.status, 200, "{:#}", killed.body);
    let mut alert = secret(crate::support::entry("a"));
    alert["legs"][0]["tradingsymbol"] = serde_json::json!(text);
    house.alert(alert).await;
    let found = house.get("/dashboard/symbols/search?q=x%27%20OR%20%271%27%3D%271").await;
    assert!(found.status < 500, "{:#}", found.body);
    let rows = house.events(Some(&house.client())).await;
    let control = rows.iter().find(|(event, _)| event == "CONTROL").unwrap();
    assert!(control.1.contains(text), "{control:?}");
    assert_eq!(house.orders().len(), 1, "the order that was refused stands");
    house.close().await;
}

#[cfg(unix)]
#[test]
fn what_the_engine_writes_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    // Without secrets in the environment they are drawn, and kept in a file.
    let mut command = process::ordergate();
    command.env("ORDERGATE__STORAGE__DIRECTORY", &data).env("ORDERGATE__LOG__LEVEL", "warn");
    let _process = Process::serve(command);
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&data), 0o700, "nobody else enters the data directory");
    assert_eq!(mode(&data.join(SECRETS)), 0o600, "the secrets");
    assert_eq!(open_to_others(&data), Vec::<String>::new(), "what is in it");
}

/// What group or others may read or enter, in a directory and below it.
#[cfg(unix)]
fn open_to_others(directory: &std::path::Path) -> Vec<String> {
    use std::os::unix::fs::PermissionsExt;
    let mut open = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap().flatten() {
        // A log of the database may be gone again.
        let Ok(found) = entry.metadata() else { continue };
        if found.permissions().mode() & 0o077 != 0 {
            open.push(format!("{} {:o}", entry.path().display(), found.permissions().mode()));
        }
        if found.is_dir() {
            open.extend(open_to_others(&entry.path()));
        }
    }
    open
}

/// An administrator makes it with `install -d`, and a copy brings the modes of where it came from.
#[cfg(unix)]
#[test]
fn a_data_directory_that_lets_others_in_is_closed_at_the_start() {
    use std::fs::{Permissions, set_permissions};
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    std::fs::create_dir(&data).unwrap();
    set_permissions(&data, Permissions::from_mode(0o755)).unwrap();
    let serve = || {
        // A shell's usual mask, whatever this one's is.
        let mut command = std::process::Command::new("/bin/sh");
        command.args(["-c", "umask 022; exec \"$0\" \"$@\""]).arg(process::ordergate().get_program());
        command.env("ORDERGATE__STORAGE__DIRECTORY", &data).env("ORDERGATE__LOG__LEVEL", "warn");
        Process::serve(command)
    };
    let mode = || std::fs::metadata(&data).unwrap().permissions().mode() & 0o777;
    drop(serve());
    assert_eq!((mode(), open_to_others(&data)), (0o700, Vec::new()));
    for name in ["orders.db", "engine.lock", "starts.json"] {
        set_permissions(data.join(name), Permissions::from_mode(0o644)).unwrap();
    }
    set_permissions(&data, Permissions::from_mode(0o750)).unwrap();
    drop(serve());
    assert_eq!((mode(), open_to_others(&data)), (0o700, Vec::new()));
}

#[cfg(unix)]
#[test]
fn a_directory_that_everybody_uses_is_refused_as_data_directory() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o1777)).unwrap();
    let output = process::command(directory.path()).arg("serve").output().unwrap();
    let words = process::words(&output);
    assert_eq!(output.status.code(), Some(78), "{words}");
    assert!(words.contains("others may enter the data directory") && words.contains("chmod 700"), "{words}");
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0, "nothing was written there");
}
