//! Where the work of Noren accounts runs: a thread of its own, beside the engine's.

use std::fmt;
use std::sync::Arc;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::JoinHandle;

/// A runtime for I/O; it ends, without waiting for anything, with the last of its clones.
#[derive(Clone)]
pub struct Io {
    handle: Handle,
    _owned: Option<Arc<Owned>>,
}

struct Owned(Option<Runtime>);

impl Drop for Owned {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl fmt::Debug for Io {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Io")
    }
}

impl Io {
    /// A thread of its own for all accounts that share this.
    ///
    /// # Errors
    /// The system gave no thread.
    pub fn start() -> std::io::Result<Self> {
        let runtime = Builder::new_multi_thread().worker_threads(1).thread_name("ordergate-noren").enable_all().build()?;
        Ok(Self { handle: runtime.handle().clone(), _owned: Some(Arc::new(Owned(Some(runtime)))) })
    }

    /// The runtime that this is called in.
    #[must_use]
    pub fn current() -> Self {
        Self { handle: Handle::current(), _owned: None }
    }

    /// Runs the work there.
    pub fn spawn<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
        self.handle.spawn(work)
    }
}
