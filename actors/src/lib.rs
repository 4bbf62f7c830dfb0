//! The engine of ordergate.

pub mod order;
pub mod persistence;
pub mod ports;
