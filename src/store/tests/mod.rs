//! The store as the engine depends on it: what is committed is there, what is refused is not, and damage is noticed.

mod backup;
mod constraints;
mod crash;
mod directory;
mod projections;
mod range;
mod reading;
mod round_trip;
mod scale;
mod schema;
mod told;
mod verification;
