//! The application around the engine: everything that touches the world.
//!
//! - `app` composes; `cli` is what people type; `config` is every setting, `secrets` what is drawn at the first start.
//! - Behind the engine's ports: `store` (SQLite), `brokers`, `clock` (and the names), `halt`, `instruments` (what can be traded today).
//! - Facts of the market: `calendar` says when, `charges` what trading costs; `built_in` reads those files and the user's in their place.
//! - `simulator` is the market that the paper broker trades, and the simulated Noren broker.
//! - `web` is the webhook, the dashboard and its API, `access` who a person there is; `schedule` says when a stored alert is due.
//! - `alerts` is what goes to a phone; `readiness` judges every morning whether an account is ready to trade.
//! - `telemetry`, `status_log`, `intent_log` and `risk_state` are what the engine leaves behind for people; `sheet` writes rows for a
//!   spreadsheet; `starts` remembers how often it began, `marks` what the next start must know; `version` is which build this is.
//! - Without the engine: `conformance` tries a broker's adapter, `squareoff` closes what a broker shows open.
//! - `drill` stops the process at a numbered step, so that `prove` can kill it there and look at what comes after.
//! - `files` writes a file whole or not at all, `hex` spells bytes.

pub mod access;
pub mod alerts;
pub mod app;
pub mod brokers;
mod built_in;
pub mod calendar;
pub mod charges;
pub mod cli;
pub mod clock;
pub mod config;
pub mod conformance;
pub mod drill;
mod files;
pub mod halt;
mod hex;
pub mod instruments;
pub mod intent_log;
mod marks;
pub mod prove;
pub mod readiness;
pub mod risk_state;
pub mod schedule;
pub mod secrets;
pub mod sheet;
pub mod simulator;
pub mod squareoff;
pub mod starts;
pub mod status_log;
pub mod store;
pub mod telemetry;
pub mod version;
pub mod web;
