//! The writer of everything durable.

pub mod chain;
