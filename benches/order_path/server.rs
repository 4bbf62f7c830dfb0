//! The release binary in a directory of its own.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use ordergate::store::ReadStore;

#[path = "../../tests/it/support/process.rs"]
mod process;

use process::Process;

const CONFIG: &str = r#"
[account]
permits = 4096
permits_for_exits = 64
[account.limits]
max_quantity = 1000000
max_order_value = 1000000000
max_open_orders = 10000000
daily_loss = 1000000000000
[engine]
mailbox = 32768
[log]
level = "error"
"#;

/// The engine; killed when dropped.
pub(crate) struct Server {
    process: Process,
    directory: tempfile::TempDir,
}

impl Server {
    pub(crate) fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let config = directory.path().join("bench.toml");
        std::fs::write(&config, CONFIG).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_ordergate"));
        command
            .arg("--config")
            .arg(&config)
            .env("ORDERGATE__STORAGE__DIRECTORY", directory.path().join("data"))
            .env("ORDERGATE__WEBHOOK__SECRET", "bench-secret-0123456789")
            .env("ORDERGATE__API__KEY", "bench-key-0123456789");
        let server = Self { process: Process::serve(command), directory };
        server.wait_for("/health/ready", "200");
        server
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.process.address
    }

    /// Waits until the path answers so.
    fn wait_for(&self, path: &str, status: &str) {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            if self.get(path).is_some_and(|answer| answer.starts_with(&format!("HTTP/1.1 {status}"))) {
                return;
            }
            assert!(Instant::now() < deadline, "{path} did not answer {status}");
            std::thread::yield_now();
        }
    }

    fn get(&self, path: &str) -> Option<String> {
        let mut stream = TcpStream::connect(self.process.address).ok()?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer bench-key-0123456789\r\nConnection: close\r\n\r\n")
            .ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        Some(text)
    }

    /// Waits until every order on disk has the broker's number or has ended; says how long that took.
    pub(crate) fn drain(&self) -> Duration {
        let start = Instant::now();
        let store = ReadStore::open(&self.directory.path().join("data")).unwrap();
        loop {
            let created = store.count_by_status().unwrap().iter().any(|(status, count)| status == "CREATED" && *count > 0);
            if !created && store.incomplete().unwrap().is_empty() {
                return start.elapsed();
            }
            assert!(start.elapsed() < Duration::from_secs(60), "the orders did not drain");
        }
    }

    /// Resident memory, MB.
    pub(crate) fn resident_mb(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap_or_default();
        let kb = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.split_whitespace().next()?.parse::<u32>().ok());
        kb.map_or(f64::NAN, |kb| f64::from(kb) / 1024.0)
    }
}
