//! Brokers that speak the Noren protocol (Shoonya, Flattrade).

pub mod wire;
