//! Integration tests: real HTTP, real SQLite, the real paper broker.

mod api;
mod auth;
mod support;
mod webhook;
