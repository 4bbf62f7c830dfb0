//! An account that real money moves in takes entries only while a person has armed it; in APPROVE each basket needs a yes.

use super::{Checked, Inputs};
use crate::arming::{Mode, Yes, asks_a_person, yes};
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
        Mode::Paper | Mode::Live if !asks_a_person(standing, x.order) => says(true, input),
        Mode::Paper | Mode::Live | Mode::LiveApprove => match yes(x.book.control(), x.order.basket_id, x.now) {
            Yes::TooLate(until) => says(false, format!("{}: nobody said yes until {until}", approves(standing.mode))),
            Yes::Given(at) => says(true, format!("{}: a person said yes at {at}", approves(standing.mode))),
            Yes::NotAsked | Yes::Waiting(_) => says(true, input),
        },
    }
}

/// Who wants the yes.
fn approves(mode: Mode) -> &'static str {
    if mode == Mode::LiveApprove { "LIVE-APPROVE" } else { "the route" }
}
