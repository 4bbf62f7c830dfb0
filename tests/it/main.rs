//! The surfaces, from outside: real HTTP, real SQLite, the real paper broker.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test's helpers fail as tests do")]

mod alarms;
mod api;
mod arming;
mod auth;
mod book;
mod calendar;
mod cli;
mod conformance;
mod crash;
mod intent_log;
mod paper_quotes;
mod simulator;
mod status_log;
mod support;
mod telemetry;
mod webhook;
