//! Windows of which the broker said that they are full.

use chrono::{DateTime, DurationRound, TimeDelta, Utc};

use super::{CLOCKS_APART, PACE, Span, length};
use crate::broker::lanes::Lane;
use crate::ports::RateWindow;

/// Until when the broker takes no more calls.
#[derive(Debug, Default)]
pub(super) struct Closed {
    second: Option<DateTime<Utc>>,
    minute: Option<DateTime<Utc>>,
    /// For orders that close nothing, and for reads, after a breach that named no window.
    orders: Option<DateTime<Utc>>,
    reads: Option<DateTime<Utc>>,
}

impl Closed {
    /// The broker counted more than we did. Where it did not say which window is full it may be the second: what closes something
    /// waits no longer than that, and is refused once more at worst. New risk waits for the minute, and books for a part of it:
    /// without them nothing is known of what is held.
    pub(super) fn breach(&mut self, window: RateWindow, now: DateTime<Utc>) {
        let second = Some(now + length(Span::Second));
        let whole = length(Span::Minute);
        // The broker's minutes are of the calendar; the margin is for clocks that differ.
        let minute = Some(now.duration_trunc(whole).map_or(now + whole, |began| began + whole + CLOCKS_APART));
        match window {
            RateWindow::Second => self.second = second,
            RateWindow::Minute => self.minute = minute,
            RateWindow::Unsaid => {
                self.second = second;
                self.orders = minute;
                self.reads = minute.min(Some(now + PACE));
            }
        }
    }

    /// Until when nothing of the lane goes, for what was said of that window.
    pub(super) fn until(&self, span: Span, lane: Lane, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let until = match (span, lane) {
            (Span::Second, _) => self.second,
            (Span::Minute, Lane::Kill | Lane::Cancel | Lane::Exit) => self.minute,
            (Span::Minute, Lane::Modify | Lane::Entry) => self.minute.max(self.orders),
            (Span::Minute, Lane::Read) => self.minute.max(self.reads),
        };
        until.filter(|until| *until > now)
    }

    /// Forgets what is over; after a clock that was set back nothing lasts longer than its window.
    pub(super) fn settle(&mut self, now: DateTime<Utc>) {
        let settled = |until: Option<DateTime<Utc>>, most: TimeDelta| {
            until.filter(|until| *until > now).map(|until| until.min(now + most + CLOCKS_APART))
        };
        self.second = settled(self.second, length(Span::Second));
        self.minute = settled(self.minute, length(Span::Minute));
        self.orders = settled(self.orders, length(Span::Minute));
        self.reads = settled(self.reads, PACE);
    }
}
