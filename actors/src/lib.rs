//! The engine of ordergate.

pub mod order;
pub mod ports;
