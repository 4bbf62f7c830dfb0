//! What the process holds.

use std::fmt;
use std::path::Path;

/// At one moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    pub(crate) resident_mb: f64,
    pub(crate) files: usize,
    /// The database and its write-ahead log.
    pub(crate) journal_mb: f64,
    pub(crate) log_mb: f64,
}

impl Usage {
    pub(crate) fn of(process: u32, data: &Path) -> Self {
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
        let kb = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.split_whitespace().next()?.parse::<u32>().ok());
        let mb = |name: &str| {
            let bytes = std::fs::metadata(data.join(name)).map_or(0, |found| found.len());
            f64::from(u32::try_from(bytes / 1024).unwrap_or(u32::MAX)) / 1024.0
        };
        Self {
            resident_mb: kb.map_or(f64::NAN, |kb| f64::from(kb) / 1024.0),
            files: std::fs::read_dir(format!("/proc/{process}/fd")).map_or(0, Iterator::count),
            journal_mb: mb("orders.db"),
            log_mb: mb("orders.db-wal"),
        }
    }
}

impl Usage {
    /// The database with its log.
    pub(crate) fn disk_mb(self) -> f64 {
        self.journal_mb + self.log_mb
    }
}

/// How many files a process of ours may have open.
pub(crate) fn files_most() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let soft = limits.lines().find_map(|line| line.strip_prefix("Max open files")?.split_whitespace().next()?.parse().ok());
    soft.unwrap_or(usize::MAX)
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { resident_mb, files, journal_mb, log_mb } = self;
        write!(f, "{resident_mb:.1} MB resident, {files} open files, journal {journal_mb:.1} MB, its log {log_mb:.1} MB")
    }
}
