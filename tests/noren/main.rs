//! The whole engine against the simulated Noren broker, over real sockets, at a fiftieth of real time: what must stay true
//! whatever goes wrong between them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test's helpers fail as tests do")]

mod checks;
mod driven;
mod hostile;
mod house;
mod kill;
mod matrix;
mod menu;
mod moment;
mod named;
mod network;
mod parts;
mod quotes;
mod relay;
mod secrets;
