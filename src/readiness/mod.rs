//! Is the account ready to trade? A pure judgement over what a shell has gathered; pushed every morning.

mod calendar;
mod gather;
mod judge;
mod logins;
mod schedule;
mod site;

pub use calendar::Calendar;
pub use gather::{Recorded, gather, recorded};
pub use judge::{Check, Inputs, Overall, Report, Verdict, judge};
pub use logins::Logins;
pub use schedule::{Due, Unattended, due, watch};
pub use site::Site;

/// Where `ordergate alerts test` writes that it worked, in the data directory.
pub const ALERT_TEST: &str = "alerts/test.json";
