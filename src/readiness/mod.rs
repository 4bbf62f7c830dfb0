//! Is the account ready to trade? A pure judgement over what a shell has gathered; pushed every morning.

mod gather;
mod judge;
mod logins;
mod record;
mod reports;
mod schedule;
mod site;
mod today;

pub use gather::{Recorded, gather};
pub use judge::{Check, Inputs, Overall, Report, Verdict, judge};
pub use logins::Logins;
pub use record::{Told, note_dismissal};
pub use reports::{Fresh, Reports};
pub use schedule::{Due, Unattended, brings_link, due, watch};
pub use site::Site;
pub use today::Today;

/// Where `ordergate alerts test` writes that it worked, in the data directory.
pub const ALERT_TEST: &str = "alerts/test.json";
