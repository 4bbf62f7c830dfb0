//! `ordergate link` and `ordergate password`, as a person types them.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use ordergate::access::{Access, AccessSettings, Comer, Refused};
use ordergate::clock::SystemClock;
use ordergate_actors::ports::Clock as _;
use secrecy::SecretString;

use crate::book::Book;

fn run(directory: &Path, args: &[&str], typed: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_ordergate"))
        .args(args)
        .env("ORDERGATE__STORAGE__DIRECTORY", directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(typed.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn said(output: &Output) -> (Option<i32>, String) {
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn a_link_from_where_no_engine_ever_ran_is_refused_and_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let output = run(&data, &["link"], "");
    assert_eq!(said(&output), (Some(78), String::new()));
    assert!(String::from_utf8_lossy(&output.stderr).contains("no engine has run on"), "{output:?}");
    assert!(!data.exists(), "no stray directory");
}

/// A data directory as an engine leaves it.
fn ran(data: &Path) {
    std::fs::create_dir_all(data).unwrap();
    Book::open(data, Vec::new()).close();
}

#[actix_web::test]
async fn a_link_and_a_password_log_in_to_an_engine_of_that_directory() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    ran(&data);
    let (code, text) = said(&run(&data, &["link"], ""));
    assert!(text.contains("no engine runs on this directory now"), "{text}");
    let token = text.split("#token=").nth(1).and_then(|rest| rest.split_whitespace().next()).unwrap_or_else(|| panic!("{text}"));
    assert!(code == Some(0) && text.contains("http://127.0.0.1:8080/dashboard/web/login.html#token="), "{text}");
    let access = Arc::new(Access::open(data.clone(), AccessSettings::default()));
    let comer = || Comer { from: None, agent: String::new(), now: SystemClock.now() };
    assert!(access.by_link(SecretString::from(token), &comer()).await.is_ok());

    assert_eq!(said(&run(&data, &["password"], "short\n")).0, Some(1));
    assert!(matches!(access.by_password(SecretString::from("short"), None, &comer()).await, Err(Refused::Wrong)));
    assert_eq!(said(&run(&data, &["password"], "long enough it is\n")).0, Some(0));
    let opened = access.by_password(SecretString::from("long enough it is"), None, &comer()).await.unwrap();
    let (code, text) = said(&run(&data, &["password", "--totp"], "another long one\n000000\n"));
    assert!(code == Some(1) && text.contains("otpauth://totp/") && text.contains("nothing was changed"), "{text}");
    assert_eq!(said(&run(&data, &["password", "--remove"], "")).0, Some(0));
    assert!(!access.lasts(&opened.session.id, SystemClock.now()), "every session of the owner has ended");
}

#[test]
fn a_link_leads_to_where_the_dashboard_is_not_to_where_only_alerts_come_in() {
    let directory = tempfile::tempdir().unwrap();
    let settings = directory.path().join("own.toml");
    ran(&directory.path().join("data"));
    let link = |text: &str| {
        std::fs::write(&settings, text).unwrap();
        said(&run(&directory.path().join("data"), &["--config", settings.to_str().unwrap(), "link"], "")).1
    };
    let public = "[server]\npublic_url = \"https://trade.example.com\"\n";
    let text = link(public);
    assert!(text.contains("\nhttp://127.0.0.1:8080/dashboard/web/login.html#token="), "{text}");
    let text = link(&format!("{public}dashboard_url = \"https://10.8.0.1:8443\"\n"));
    assert!(text.contains("\nhttps://10.8.0.1:8443/dashboard/web/login.html#token="), "{text}");
}
