//! A signal ages from when it was made. An entry that comes late is not sent at a price nobody wanted; an exit has no
//! age, unless it is older than the position that it would close.

use chrono::Duration;

use super::{Checked, Inputs};
use crate::arming::{Yes, asks_a_person, price_time, yes};
use crate::order::{Source, Tag};

/// `30.000 s`.
pub(in crate::risk) fn seconds(span: Duration) -> String {
    format!("{}.{:03} s", span.num_milliseconds() / 1000, (span.num_milliseconds() % 1000).abs())
}

pub(super) fn check(x: &Inputs<'_>) -> Checked {
    let age = x.now.signed_duration_since(x.order.signal_time);
    let future = Duration::from_std(x.settings.future_tolerance).unwrap_or(Duration::MAX);
    // An exit may be late, not early: its sender's clock says nothing against it.
    if age < -future && !x.order.is_exit() {
        return Checked::new(
            "risk.stale_signal",
            Tag::StaleSignal,
            false,
            format!("made {} in the future", seconds(-age)),
            format!("at most {} ahead of our clock", seconds(future)),
        );
    }
    if x.order.is_exit() && matches!(x.order.source, Source::System | Source::Stop) {
        return Checked::new("risk.stale_signal", Tag::StaleSignal, true, "made by ordergate itself", "no age");
    }
    if x.order.is_exit() {
        let opened = x
            .book
            .holdings_of(&x.order.ask.strategy)
            .filter(|(key, _)| key.instrument == *x.instrument)
            .filter_map(|(_, held)| held.opened_at)
            .max();
        let older = opened.is_some_and(|opened| x.order.signal_time < opened);
        let limit = opened.map_or_else(|| "nothing is held".to_owned(), |at| format!("not before the position was opened at {at}"));
        return Checked::new("risk.stale_signal", Tag::StaleSignal, !older, format!("made at {}", x.order.signal_time), limit);
    }
    let control = x.book.control();
    if asks_a_person(x.standing, x.order)
        && let Yes::Waiting(until) | Yes::TooLate(until) = yes(control, x.order.basket_id, x.now)
    {
        // While a person is asked the time to live is theirs; `risk.armed` ends it.
        return Checked::new("risk.stale_signal", Tag::StaleSignal, true, "waits for a person's yes", format!("until {until}"));
    }
    let age = x.now.signed_duration_since(price_time(control, x.order));
    let ttl = Duration::from_std(x.settings.entry_ttl).unwrap_or(Duration::MAX);
    Checked::new("risk.stale_signal", Tag::StaleSignal, age <= ttl, format!("{} old", seconds(age)), format!("at most {}", seconds(ttl)))
}
