//! The application around the engine: everything that touches the world.
//!
//! `app` composes; `config` is every setting; `store` is SQLite behind the engine's Store port; `brokers` stand behind
//! its Broker port; `instruments` is what can be traded today; `simulator` is the market that the paper broker trades; `web` is the webhook and the dashboard API;
//! `cli` is what people type; `telemetry` is what the engine leaves behind for people.

pub mod app;
pub mod brokers;
pub mod cli;
pub mod clock;
pub mod config;
mod files;
pub mod halt;
pub mod instruments;
pub mod intent_log;
pub mod risk_state;
pub mod secrets;
pub mod simulator;
pub mod starts;
pub mod status_log;
pub mod store;
pub mod telemetry;
pub mod web;
