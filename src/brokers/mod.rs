//! Brokers behind the engine's port.

pub mod connection;
pub mod faulty;
pub mod noren;
pub mod paper;
mod updates;
