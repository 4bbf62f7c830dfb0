//! A market to practise on.

pub mod exchange;
pub(crate) mod margin;
pub mod market;
pub(crate) mod noise;
pub mod noren_server;
