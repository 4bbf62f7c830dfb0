//! The application around the engine: everything that touches the world.
//!
//! `app` composes; `cli` is what people type. `config` is every setting, `secrets` what is drawn at the first start.
//! `store` is SQLite behind the engine's Store port; `brokers` stand behind its Broker port, `clock` behind Clock and Ids,
//! `halt` behind Halt; `instruments` is what can be traded today, `calendar` when, `charges` what trading costs; `simulator` is the market that the paper broker trades.
//! `conformance` tries a broker's adapter without the engine, `squareoff` closes without it what a broker shows open.
//! `drill` stops the process at a numbered step, so that `prove` can kill it there and look at what comes after.
//! `web` is the webhook and the dashboard API, `access` who a person there is; `schedule` says when a stored alert is due. `telemetry`, `status_log`, `intent_log` and `risk_state` are what the
//! engine leaves behind for people; `sheet` writes rows for a spreadsheet; `starts` remembers how often it began, `marks` what the next
//! start must know; `version` is which build this is.

pub mod access;
pub mod alerts;
pub mod app;
pub mod brokers;
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
