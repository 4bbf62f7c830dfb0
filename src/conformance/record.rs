//! What a run leaves behind: the record that an arming shows, and the details beside it.

use std::io;
use std::path::Path;

use super::{Report, Verdict};
use crate::files::{Mode, private_directory, write_whole};
use crate::readiness::Recorded;

/// Why the record of the arming stays as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotRecorded {
    /// Nothing failed, but no order was tried: that proves too little, and takes no failure back.
    WithoutOrders,
}

/// Where the record of an account is, in the data directory.
#[must_use]
pub fn file(account: &ordergate_actors::order::ClientId) -> String {
    format!("conformance/{account}.json")
}

/// Writes the details, and the record unless the run proves too little for one; says which.
///
/// # Errors
/// The disk.
pub fn write(data: &Path, report: &Report) -> io::Result<Result<(), NotRecorded>> {
    private_directory(&data.join("conformance"))?;
    let details = data.join("conformance").join(format!("{}-details.json", report.account));
    write_whole(&details, serde_json::to_string_pretty(report)?.as_bytes(), Mode::Shared)?;
    if let Some(unit) = report.unit {
        super::units::note(data, &report.account, unit, &report.symbol.to_string(), report.at)?;
    }
    if report.passed() && !report.with_orders {
        return Ok(Err(NotRecorded::WithoutOrders));
    }
    let record = Recorded { passed: report.passed(), at: Some(report.at), text: summary(report), version: Some(report.version.to_owned()) };
    write_whole(&data.join(file(&report.account)), serde_json::to_string(&record)?.as_bytes(), Mode::Shared)?;
    Ok(Ok(()))
}

fn summary(report: &Report) -> String {
    let failed: Vec<&str> = report.lines.iter().filter(|line| line.verdict == Verdict::Failed).map(|line| line.name).collect();
    let counts =
        format!("{} passed, {} failed, {} not tried", report.count(Verdict::Passed), failed.len(), report.count(Verdict::NotTried));
    let failed = if failed.is_empty() { String::new() } else { format!("; failed: {}", failed.join(", ")) };
    format!("ordergate {} with {}: {counts}{failed}", report.version, report.symbol)
}
