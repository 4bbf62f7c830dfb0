//! Brokers behind the engine's port.

pub mod faulty;
pub mod paper;
