//! A market to practise on.

pub mod market;
