//! One fault at a time, on a real engine with real SQL: what a trader would see, read from the disk.

mod answers;
mod baskets;
mod books;
mod budget;
mod clocks;
mod combined;
mod differences;
mod exit_alarms;
mod exit_rules;
mod exits;
mod kill;
mod limits;
mod lost_messages;
mod market_orders;
mod nights;
mod outstanding;
mod panics;
mod policies;
mod rebuilt;
mod recovery;
mod resend;
mod resting_stops;
mod risk;
mod rule_ends;
mod square_off_over;
mod targets;
