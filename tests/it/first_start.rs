//! What the first start shows: an alert to paste and a link, once, and not before a start has come so far.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use ordergate_actors::testkit::found_by_thread;

/// A start on a data directory that has no secrets of its settings: they are drawn.
fn serve(data: &Path, listen: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ordergate"));
    command.arg("serve").env_clear().env("ORDERGATE__STORAGE__DIRECTORY", data).env("ORDERGATE__SERVER__LISTEN", listen);
    command.stdout(Stdio::piped()).stderr(Stdio::null());
    command
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _gone = self.0.wait();
    }
}

/// What a start prints until it says what to do then, or where it serves if that is all.
fn prints(data: &Path, until: &str) -> String {
    let mut child = Running(serve(data, "127.0.0.1:0").spawn().unwrap());
    let lines = BufReader::new(child.0.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut said = String::new();
    for line in lines {
        let is_last = line.contains(until);
        said.push_str(&line);
        said.push('\n');
        if is_last {
            return said;
        }
    }
    panic!("it ended without {until:?}: {said}");
}

#[test]
fn a_start_that_fails_for_its_port_does_not_swallow_the_alert_to_paste() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut waits = serve(&data, &taken.local_addr().unwrap().to_string());
    let mut waits = Running(waits.stderr(Stdio::piped()).spawn().unwrap());
    let mut words = BufReader::new(waits.0.stderr.take().unwrap()).lines().map_while(Result::ok);
    assert!(words.any(|line| line.contains("is another program using the port?")), "it waits for its port, and says so");
    assert!(data.join("secrets.toml").exists(), "the secrets are drawn, and nothing was shown");
    drop(waits);
    let said = prints(&data, "login.html#token=");
    assert!(said.contains("An alert to try") && said.contains("/webhook"), "{said}");
}

#[test]
fn what_was_shown_is_not_shown_again() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let mut child = Running(serve(&data, "127.0.0.1:0").spawn().unwrap());
    let mut lines = BufReader::new(child.0.stdout.take().unwrap()).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.contains("login.html#token=")), "the first start shows a link");
    let mark = data.join("secrets.not-shown");
    found_by_thread("the mark of what was not shown goes", || if mark.exists() { Err("") } else { Ok(()) });
    drop(child);
    let said = prints(&data, "ordergate serves");
    assert!(!said.contains("An alert to try") && !said.contains("secret_key"), "{said}");
}
