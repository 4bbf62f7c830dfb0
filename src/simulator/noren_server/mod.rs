//! A broker on loopback that speaks the Noren protocol over real HTTP and real sockets, on the same exchange as the paper
//! broker: for practice, for tests, and for everything that must never be tried with money.
//!
//! `core` is the broker as a pure function of calls and time. `http`, `socket` and `control` put it on the wire, `shared`
//! holds the one lock, `clock` is its time, `listing` and `masters` are what is traded.

mod clock;
mod control;
mod core;
mod fault_file;
mod http;
mod listing;
mod market;
mod masters;
mod settings;
mod shared;
mod simulator;
mod socket;

pub use clock::SimClock;
pub use core::{BadControl, Fault, FaultRule, ForeignOrder, HandChange, LogRow, PriceSetting, Route, Symptom};
pub use fault_file::read_faults;
pub use settings::{Delays, Prices, Settings, TestUser, TimeSettings};
pub use simulator::{Simulator, StartError};
