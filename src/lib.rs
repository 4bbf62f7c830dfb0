//! The application around the engine: everything that touches the world.

pub mod brokers;
pub mod instruments;
pub mod simulator;
pub mod store;
