//! For how long the writer has been at one step. A disk that hangs answers nothing, and nobody who waits for it can say so: the
//! others measure its silence.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Set by the writer's thread around each step that may wait for the disk; read by anybody, without a lock.
#[derive(Debug)]
pub struct Writing {
    base: Instant,
    /// Milliseconds after `base` at which the step began, and one more; 0: the writer waits for work.
    began: AtomicU64,
    /// What it waits for is another program's lock.
    is_locked_out: AtomicBool,
}

impl Default for Writing {
    fn default() -> Self {
        Self { base: Instant::now(), began: AtomicU64::new(0), is_locked_out: AtomicBool::new(false) }
    }
}

impl Writing {
    /// A step begins now.
    pub(super) fn begins(&self) {
        self.began.store(self.millis().saturating_add(1), Ordering::Release);
    }

    /// The writer waits for work.
    pub(super) fn ends(&self) {
        self.began.store(0, Ordering::Release);
    }

    /// Whether what the step waits for is the lock of another program, which can be closed.
    #[must_use]
    pub fn waits_for_a_lock(&self) -> bool {
        self.is_locked_out.load(Ordering::Acquire)
    }

    pub(super) fn set_locked_out(&self, is_so: bool) {
        self.is_locked_out.store(is_so, Ordering::Release);
    }

    /// For how long the step that is under way has lasted; nothing between two.
    #[must_use]
    pub fn lasts(&self) -> Duration {
        match self.began.load(Ordering::Acquire) {
            0 => Duration::ZERO,
            began => Duration::from_millis(self.millis().saturating_add(1).saturating_sub(began)),
        }
    }

    fn millis(&self) -> u64 {
        u64::try_from(self.base.elapsed().as_millis()).unwrap_or(u64::MAX - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_lasts_until_it_ends() {
        let writing = Writing { base: Instant::now() - Duration::from_secs(60), ..Writing::default() };
        assert_eq!(writing.lasts(), Duration::ZERO);
        // It began 10 s after the base, and that is 50 s ago.
        writing.began.store(10_001, Ordering::Release);
        assert!(writing.lasts() >= Duration::from_secs(50), "{:?}", writing.lasts());
        writing.begins();
        assert!(writing.lasts() < Duration::from_secs(50), "another step began");
        writing.ends();
        assert_eq!(writing.lasts(), Duration::ZERO);
    }
}
