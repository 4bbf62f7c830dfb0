//! Brokers behind the engine's port.
