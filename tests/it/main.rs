//! The surfaces, from outside.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test's helpers fail as tests do")]

mod book;
mod cli;
mod crash;
mod intent_log;
mod status_log;
mod telemetry;
