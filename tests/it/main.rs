//! The surfaces, from outside: real HTTP, real SQLite, the real paper broker.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test's helpers fail as tests do")]

mod access_cli;
mod alarms;
mod alert_routes;
mod api;
mod arming;
mod auth;
mod book;
mod calendar;
mod cli;
mod conformance;
mod crash;
mod exit_rules;
mod exits;
mod explain;
mod intent_log;
mod live;
mod long_day;
mod openalgo_api;
mod openapi;
mod paper_quotes;
mod pnl;
mod readiness;
mod reads;
mod risk;
mod schedule;
mod sessions;
mod simulator;
mod status_log;
mod strategy;
mod stream;
mod support;
mod symbols;
mod telemetry;
mod webhook;
