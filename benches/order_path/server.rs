//! The release binary in a directory of its own.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ordergate::store::ReadStore;
use ordergate_actors::order::ClientId;
use tempfile::TempDir;

const CONFIG: &str = r#"
[account]
permits = 4096
permits_for_exits = 64
[account.limits]
max_quantity = 1000000
max_order_value = 1000000000
max_open_orders = 10000000
max_open_value = 1000000000000
max_position = 100000000
max_position_underlying = 100000000
max_short_option_lots = 100000000
trades_per_day = 10000000
messages_per_minute = 10000000
repeats = 100000
rejections = 100000
daily_loss = 1000000000000
[paper]
cash = 1000000000000
[engine]
mailbox = 32768
"#;

/// Kills the engine when dropped.
pub(crate) struct Server {
    child: Child,
    address: SocketAddr,
    directory: Arc<TempDir>,
    /// From the process's beginning until it was ready.
    started_in: Duration,
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::on(Arc::new(tempfile::tempdir().unwrap()), "")
    }

    /// On a directory that may have been used before, with more configuration.
    pub(crate) fn on(directory: Arc<TempDir>, more: &str) -> Self {
        Self::with(directory, more, &[])
    }

    /// As [`Server::on`], with settings of the environment that stand over the configuration.
    pub(crate) fn with(directory: Arc<TempDir>, more: &str, settings: &[(&str, String)]) -> Self {
        let config = directory.path().join("bench.toml");
        std::fs::write(&config, format!("{CONFIG}{more}")).unwrap();
        let began = Instant::now();
        let mut child = Command::new(env!("CARGO_BIN_EXE_ordergate"))
            .arg("--config")
            .arg(&config)
            .arg("serve")
            .env("ORDERGATE__SERVER__LISTEN", "127.0.0.1:0")
            .env("ORDERGATE__STORAGE__DIRECTORY", directory.path().join("data"))
            .env("ORDERGATE__WEBHOOK__SECRET", "bench-secret-0123456789")
            .env("ORDERGATE__API__KEY", "bench-key-0123456789")
            .envs(settings.iter().map(|(name, value)| (*name, value.as_str())))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| line.split("http://").nth(1)?.split_whitespace().next()?.parse().ok())
            .expect("the engine said where it listens");
        std::thread::spawn(move || lines.for_each(drop));
        let mut server = Self { child, address, directory, started_in: Duration::ZERO };
        server.wait_for("/health/ready", "200");
        server.started_in = began.elapsed();
        server
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process.
    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// Its data directory.
    pub(crate) fn data(&self) -> std::path::PathBuf {
        self.directory.path().join("data")
    }

    /// How long it took to become ready.
    pub(crate) fn started_in(&self) -> Duration {
        self.started_in
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

    /// What it answers, head and body.
    pub(crate) fn get(&self, path: &str) -> Option<String> {
        let mut stream = TcpStream::connect(self.address).ok()?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer bench-key-0123456789\r\nConnection: close\r\n\r\n")
            .ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        Some(text)
    }

    /// Waits until every order on disk has the broker's number or has ended; says how long that took.
    pub(crate) fn drain(&self) -> Duration {
        let start = Instant::now();
        let store = ReadStore::open(&self.data()).unwrap();
        loop {
            let created = store.count_by_status().unwrap().iter().any(|(status, count)| status == "CREATED" && *count > 0);
            if !created && store.incomplete().next().is_none() {
                return start.elapsed();
            }
            assert!(start.elapsed() < Duration::from_secs(60), "the orders did not drain");
        }
    }

    /// What the journal keeps beside the first row of that event, of the account's first orders.
    pub(crate) fn inputs_of(&self, event: &str) -> String {
        let store = ReadStore::open(&self.data()).unwrap();
        let rows = store.journal(Some(&ClientId::parse("PAPER1").unwrap()), 0, 100);
        rows.map(Result::unwrap).find(|row| &*row.event == event).unwrap().inputs.to_string()
    }

    /// Resident memory, MB.
    pub(crate) fn resident_mb(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process())).unwrap_or_default();
        let kb = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.split_whitespace().next()?.parse::<u32>().ok());
        kb.map_or(f64::NAN, |kb| f64::from(kb) / 1024.0)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}
