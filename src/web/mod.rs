//! HTTP: the webhook that signals come in by, and the JSON API of the dashboard.
//!
//! ```text
//! POST /webhook…  ─▶ body ─▶ auth ─▶ json ─▶ formats ─▶ routing ─▶ chain ─▶ submission ─▶ Engine::submit ─▶ answer
//! /api/v1/…       ─▶ openalgo ─▶ submission, or a read
//! /dashboard/…    ─▶ door (key or cookie) ─▶ api ─▶ the committed view, or an Engine call
//! ```
//!
//! *Invariant:* nothing here decides about an order. Once a row exists the answer is 2xx, and it tells what the row says.

mod answer;
mod api;
pub mod auth;
mod body;
mod brief;
mod chain;
mod chat;
pub mod connect;
mod door;
pub mod formats;
mod health;
pub mod json;
pub mod live;
mod openalgo;
pub mod openapi;
mod pages;
pub mod phone;
mod problem;
pub mod pulse;
mod routes;
mod routing;
mod said;
pub mod scheduled;
mod settings;
mod state;
mod submission;
pub mod summaries;
mod today;
pub mod trace;
mod turns;
mod unauthorized;
mod untaken;
pub mod visitors;
mod webhook;

pub use problem::Problem;
pub use routes::{Guard, ROUTES, Route, configure};
pub use settings::{Account, ApiKey, Holder, Rights, Scope, Source, WebSettings};
pub use state::{Paths, Render, Tables, WebState};
