//! An account that real money moves in takes entries only while a person has armed it; in APPROVE each basket needs a yes.

use super::{Checked, Inputs};
use crate::arming::{Mode, Yes, yes};
use crate::order::Tag;

pub(super) fn check(x: &Inputs<'_>) -> Checked {
    let says = |passed, input: String| Checked::new("risk.armed", Tag::NotArmed, passed, input, "armed, or paper");
    if x.order.is_test() {
        return says(true, "a test: it never reaches the broker".to_owned());
    }
    let standing = x.standing;
    let input = format!("{}: {}", standing.mode, standing.why);
    match standing.mode {
        Mode::LiveDisarmed => says(false, input),
        Mode::Paper | Mode::Live => says(true, input),
        Mode::LiveApprove => match yes(x.book.control(), x.order.basket_id, x.now) {
            Yes::TooLate(until) => says(false, format!("LIVE-APPROVE: nobody said yes until {until}")),
            Yes::Given(at) => says(true, format!("LIVE-APPROVE: a person said yes at {at}")),
            Yes::NotAsked | Yes::Waiting(_) => says(true, input),
        },
    }
}
