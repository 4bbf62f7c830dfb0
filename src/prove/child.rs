//! Processes of this binary: what they say on their standard output, and their end.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, bail};
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::config::FILE_VARIABLE;
use crate::drill::STOPPED;

/// How long a process may take to say where it listens, or to come to its step.
const PATIENCE: Duration = Duration::from_secs(60);
/// Names that begin so are settings of the engine; a child has those of its file alone.
const SETTING: &str = "ORDERGATE__";

/// Every process that runs, so that an interrupt leaves none behind.
#[derive(Debug, Clone, Default)]
pub(super) struct Children(Arc<Running>);

#[derive(Debug, Default)]
struct Running {
    next: AtomicU64,
    processes: Mutex<BTreeMap<u64, std::process::Child>>,
}

/// Kills the children when this process is interrupted, while it is held.
pub(super) struct AtAnInterrupt(Option<tokio::runtime::Runtime>);

impl Drop for AtAnInterrupt {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl Children {
    /// From now on an interrupt ends them, and then this process.
    pub(super) fn kill_at_an_interrupt(&self) -> std::io::Result<AtAnInterrupt> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let children = self.clone();
        runtime.spawn(async move {
            if tokio::signal::ctrl_c().await.is_ok() {
                children.kill_all();
                std::process::exit(130);
            }
        });
        Ok(AtAnInterrupt(Some(runtime)))
    }

    fn kill_all(&self) {
        for (_, mut process) in std::mem::take(&mut *self.0.processes.lock()) {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// Starts the binary with these arguments. What it writes to its standard error goes to that file.
    pub(super) fn start(
        &self,
        binary: &Path,
        arguments: &[&std::ffi::OsStr],
        settings: &[(&str, &str)],
        errors: &Path,
    ) -> anyhow::Result<Child> {
        let mut command = Command::new(binary);
        let of_ours = std::env::vars_os().map(|(name, _)| name);
        for name in of_ours.filter(|name| name.to_string_lossy().to_ascii_uppercase().starts_with(SETTING) || *name == *FILE_VARIABLE) {
            command.env_remove(name);
        }
        let errors_file = File::options().create(true).append(true).open(errors).with_context(|| errors.display().to_string())?;
        let mut process = command
            .args(arguments)
            .envs(settings.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(errors_file)
            .spawn()
            .with_context(|| format!("starting {}", binary.display()))?;
        let out = process.stdout.take().ok_or_else(|| anyhow!("a process without an output"))?;
        let (tell, said) = watch::channel(Said::default());
        std::thread::Builder::new().name("prove-output".into()).spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                tell.send_modify(|said| said.take(&line));
            }
            tell.send_modify(|said| said.is_over = true);
        })?;
        let number = self.0.next.fetch_add(1, Ordering::Relaxed);
        let id = process.id();
        self.0.processes.lock().insert(number, process);
        Ok(Child { children: self.clone(), number, id, said, started: Instant::now(), errors: errors.to_owned() })
    }
}

/// What a process has said.
#[derive(Debug, Clone, Default)]
struct Said {
    address: Option<SocketAddr>,
    stopped: Option<String>,
    is_over: bool,
}

impl Said {
    fn take(&mut self, line: &str) {
        if line.starts_with(STOPPED) {
            self.stopped = Some(line.to_owned());
        }
        // The first address is the one that it listens at.
        let found = || line.split("http://").nth(1)?.split(['/', ' ']).next()?.trim_end_matches('.').parse().ok();
        self.address = self.address.or_else(found);
    }
}

/// A process that runs. It is killed when this goes.
#[derive(Debug)]
pub(super) struct Child {
    children: Children,
    number: u64,
    id: u32,
    said: watch::Receiver<Said>,
    /// When it was started.
    pub(super) started: Instant,
    errors: PathBuf,
}

impl Child {
    /// Where it listens, once it says so.
    pub(super) async fn address(&self) -> anyhow::Result<SocketAddr> {
        let said = self.until("says where it listens", |said| said.address.is_some()).await?;
        said.address.ok_or_else(|| anyhow!("no address"))
    }

    /// Waits until it stands at its step.
    pub(super) async fn stands(&self) -> anyhow::Result<()> {
        self.until("comes to its step", |said| said.stopped.is_some()).await.map(drop)
    }

    async fn until(&self, what: &str, is_so: impl Fn(&Said) -> bool) -> anyhow::Result<Said> {
        let mut said = self.said.clone();
        let waited = tokio::time::timeout(PATIENCE, said.wait_for(|said| is_so(said) || said.is_over)).await;
        match waited {
            Ok(Ok(said)) if is_so(&said) => Ok(said.clone()),
            Ok(_) => bail!("the process ended before it {what}: {}", self.last_words()),
            Err(_) => bail!("the process did not, within {} s: it {what}", PATIENCE.as_secs()),
        }
    }

    /// The end of what it wrote to its standard error.
    fn last_words(&self) -> String {
        let text = std::fs::read_to_string(&self.errors).unwrap_or_default();
        let last: Vec<&str> = text.lines().rev().take(5).collect();
        last.into_iter().rev().collect::<Vec<_>>().join(" / ")
    }

    /// Asks it to end (SIGTERM).
    #[cfg(unix)]
    pub(super) fn terminate(&self) -> anyhow::Result<()> {
        let id = i32::try_from(self.id).ok().and_then(rustix::process::Pid::from_raw).ok_or_else(|| anyhow!("no such process"))?;
        rustix::process::kill_process(id, rustix::process::Signal::TERM).context("SIGTERM")
    }

    /// Not there: on this system processes are only killed.
    #[cfg(not(unix))]
    pub(super) fn terminate(&self) -> anyhow::Result<()> {
        bail!("process {} cannot be asked to end on this system", self.id)
    }

    /// SIGKILL: nothing is flushed, nothing is closed.
    pub(super) fn kill(self) {}
}

impl Drop for Child {
    fn drop(&mut self) {
        let process = self.children.0.processes.lock().remove(&self.number);
        if let Some(mut process) = process {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_the_first_that_is_told_and_a_stop_is_heard() {
        let mut said = Said::default();
        said.take("The simulated broker listens on 127.0.0.1:4000. No money moves here.");
        assert_eq!(said.address, None, "without its scheme it is no address to call");
        said.take("REST     http://127.0.0.1:4000/NorenWClientAPI/ and http://127.0.0.1:4000/NorenWClientTP/");
        assert_eq!(said.address, Some("127.0.0.1:4000".parse().unwrap()));
        said.take("ordergate serves SIM1 on http://127.0.0.1:5000 (data: ./x)");
        assert_eq!(said.address, Some("127.0.0.1:4000".parse().unwrap()));
        assert!(said.stopped.is_none());
        said.take("drill: stopped at step 14 call.during; waiting for the signal");
        assert!(said.stopped.is_some());
    }
}
