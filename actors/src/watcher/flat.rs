//! What becomes of a square-off: said when nothing was there to close, and when the broker shows that nothing is left; paged
//! when it is not flat after so many attempts, or so long. What is not known is not said.

use chrono::{DateTime, Utc};

use std::collections::BTreeSet;

use super::{Findings, WatcherActor, square_off};
use crate::order::{HoldingKey, Product, trading_date};
use crate::persistence::{Book, KillLevel, Level};

/// Where a square-off stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flat {
    /// Nothing wants it.
    NotWanted,
    /// Our fills say that something is held; so many positions.
    Held(usize),
    /// Our fills say flat, and the broker was not asked since, or shows something.
    NotProven,
    /// Nothing is held, by our fills and by positions of the broker that are newer than the last of them.
    Proven,
}

/// Where the square-off of a whole account stands. Delivery holdings are left alone, positions of others too.
pub(super) fn stand(book: &Book, findings: &Findings, now: DateTime<Utc>) -> Flat {
    if book.control().account_level() != KillLevel::SquareOff {
        return Flat::NotWanted;
    }
    let is_closed_here = |key: &HoldingKey| key.product != Product::Cnc;
    let held = book.holdings().filter(|(_, key, held)| held.net != 0 && is_closed_here(key)).count();
    if held > 0 {
        return Flat::Held(held);
    }
    let is_open = book.open_orders().any(|order| order.status.is_at_broker() && !order.is_test());
    let Some(positions) = findings.positions.as_ref().filter(|_| !is_open && !book.owes()) else { return Flat::NotProven };
    let ours: BTreeSet<HoldingKey> = traded_on_the_day(book, now).into_iter().filter(is_closed_here).collect();
    let is_fresh = ours.iter().all(|key| positions.began_seq >= book.last_fill_seq(key));
    let is_flat = ours.iter().all(|key| positions.net(key) == 0);
    if is_fresh && is_flat { Flat::Proven } else { Flat::NotProven }
}

/// What we have traded today, before the last start too: the broker has to show each of these.
fn traded_on_the_day(book: &Book, now: DateTime<Utc>) -> BTreeSet<HoldingKey> {
    let today = trading_date(now);
    let filled = book.newest().filter(|order| order.filled_quantity > 0 && trading_date(order.updated_at) == today);
    book.traded_keys().cloned().chain(filled.filter_map(|order| order.holding())).collect()
}

/// Whether the square-off that stands has sent an exit, before the last start too.
fn has_closed(book: &Book) -> bool {
    let control = book.control();
    let of_day = control.day.as_ref().filter(|day| day.level == KillLevel::SquareOff).map(|day| day.at);
    let of_person = control.at.filter(|_| control.level == KillLevel::SquareOff);
    let since = of_day.into_iter().chain(of_person).min();
    since.is_some_and(|since| book.newest().take_while(|order| order.created_at >= since).any(|order| square_off::has_sent(order)))
}

impl WatcherActor {
    /// Tells people once how a square-off ended, and pages when it does not end.
    pub(super) fn tell_flat(&mut self, now: DateTime<Utc>) {
        let stands = {
            let findings = self.desk.findings.read();
            self.line.view.read(&self.desk.client_id, |book| stand(book, &findings, now)).unwrap_or(Flat::NotWanted)
        };
        let limits = &self.desk.settings.limits;
        let (most, page_after) =
            (limits.square_off_tries, chrono::Duration::from_std(limits.square_off_page).unwrap_or(chrono::Duration::MAX));
        self.core.held_since = self.core.held_since.or(Some(now)).filter(|_| matches!(stands, Flat::Held(_)));
        let is_late = self.core.held_since.is_some_and(|since| now.signed_duration_since(since) >= page_after);
        match stands {
            Flat::NotWanted => self.core.flat_told = false,
            Flat::Proven if !self.core.flat_told => {
                self.core.flat_told = true;
                let has_closed = self.line.view.read(&self.desk.client_id, has_closed).unwrap_or(false);
                let text = if has_closed {
                    format!("flat: the broker's positions of {now} show nothing of ours, delivery holdings aside")
                } else {
                    format!("no eligible positions to square off, by the broker's positions of {now}")
                };
                self.line.alarm(Some(&self.desk.client_id), "SQUARE_OFF_FLAT", Level::Info, None, text);
                (self.core.squared_off_tries, self.core.not_flat_paged) = (0, false);
            }
            Flat::Held(count) if (self.core.squared_off_tries >= most || is_late) && !self.core.not_flat_paged => {
                self.core.not_flat_paged = true;
                let text = format!(
                    "NOT FLAT after {} attempts: {count} positions are still open; close them at the broker, ordergate goes on trying ever more slowly",
                    self.core.squared_off_tries
                );
                self.line.alarm(Some(&self.desk.client_id), "ALARM_SQUARE_OFF_STUCK", Level::Page, None, text);
            }
            Flat::Held(_) => self.core.flat_told = false,
            Flat::Proven | Flat::NotProven => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::{OrderRecord, Source};
    use crate::persistence::Control;
    use crate::testkit::builders::{Build, SEQ, at, book_of, broker_shows, exit, order, sbin_in, squared_off};

    #[test]
    fn flat_is_said_only_when_the_broker_has_shown_it() {
        let mis = || sbin_in(Product::Mis);
        let shows = |net| broker_shows(&[(mis(), net)]);
        assert_eq!(stand(&book_of([], &[]), &shows(0), at(0)), Flat::NotWanted);
        assert_eq!(stand(&squared_off([], &[]), &Findings::default(), at(0)), Flat::NotProven, "the positions call has failed so far");
        assert_eq!(stand(&squared_off([], &[]), &shows(0), at(0)), Flat::Proven);
        assert_eq!(stand(&squared_off([], &[("a", mis(), 5)]), &shows(0), at(0)), Flat::Held(1));
        assert_eq!(stand(&squared_off([], &[("a", sbin_in(Product::Cnc), 5)]), &shows(0), at(0)), Flat::Proven, "delivery is left alone");
        // Closed by our fills: the broker must show it, and in a read that began after them.
        let closed = || squared_off([], &[("a", mis(), 0)]);
        assert_eq!(stand(&closed(), &shows(5), at(0)), Flat::NotProven);
        let mut old = shows(0);
        old.positions.as_mut().unwrap().began_seq = SEQ - 1;
        assert_eq!(stand(&closed(), &old, at(0)), Flat::NotProven);
        assert_eq!(stand(&closed(), &shows(0), at(0)), Flat::Proven);
        assert_eq!(stand(&squared_off([order(1).sent()], &[]), &shows(0), at(0)), Flat::NotProven, "it may still fill");
    }

    /// The book of a process that has just begun: what was traded before it is in its orders alone.
    #[test]
    fn what_was_traded_before_the_start_must_be_shown_as_flat_too() {
        let mis = || sbin_in(Product::Mis);
        let filled = |second| {
            let order = order(1).asks(5).product(Product::Mis).working("1").filled(5, 5);
            OrderRecord { updated_at: at(second), ..order }
        };
        let shows = |net| broker_shows(&[(mis(), net)]);
        assert_eq!(stand(&squared_off([filled(0)], &[]), &shows(5), at(0)), Flat::NotProven);
        assert_eq!(stand(&squared_off([filled(0)], &[]), &shows(0), at(0)), Flat::Proven);
        let day = 24 * 3600;
        assert_eq!(stand(&squared_off([filled(-day)], &[]), &shows(5), at(0)), Flat::Proven, "that of yesterday is somebody else's by now");
    }

    #[test]
    fn what_a_square_off_has_closed_is_told_after_a_restart_as_before() {
        let sent = |second| {
            let order = exit(1).ended(crate::order::Status::Executed, None);
            OrderRecord { source: Source::System, user: square_off::SENDER.into(), created_at: at(second), ..order }
        };
        let killed = |at_second, orders| {
            let mut book = book_of(orders, &[]);
            book.put_control(Control { level: KillLevel::SquareOff, at: Some(at(at_second)), ..Control::default() });
            book
        };
        assert!(has_closed(&killed(0, vec![sent(0)])));
        assert!(!has_closed(&killed(1, vec![sent(0)])), "that was another one");
        let mut again = killed(0, vec![sent(1)]);
        let lower = crate::persistence::ControlChange::level(None, None, KillLevel::StopEntries);
        let control = again.control().after(&lower, "ben", "by hand", at(2));
        again.put_control(control);
        assert!(has_closed(&again), "one that is asked for over it does not begin another");
        assert!(!has_closed(&killed(0, vec![])) && !has_closed(&book_of([sent(0)], &[])));
        let mut halted = book_of([sent(0)], &[]);
        let day =
            crate::persistence::ControlChange::HaltDay(trading_date(at(0)), KillLevel::SquareOff, crate::persistence::HaltCause::Loss);
        halted.put_control(Control::default().after(&day, "RiskActor", "the day's loss", at(0)));
        assert!(has_closed(&halted));
    }
}
