//! What becomes of a square-off: said when nothing was there to close, and when the broker shows that nothing is left; paged
//! when it is not flat after so many attempts, or so long. What is not known is not said.

use chrono::{DateTime, Utc};

use super::{Findings, WatcherActor};
use crate::order::{HoldingKey, Product};
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
pub(super) fn stand(book: &Book, findings: &Findings) -> Flat {
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
    let ours: Vec<&HoldingKey> = book.traded_keys().filter(|key| is_closed_here(key)).collect();
    let is_fresh = ours.iter().all(|key| positions.began_seq >= book.last_fill_seq(key));
    let is_flat = ours.iter().all(|key| positions.net(key) == 0);
    if is_fresh && is_flat { Flat::Proven } else { Flat::NotProven }
}

impl WatcherActor {
    /// Tells people once how a square-off ended, and pages when it does not end.
    pub(super) fn tell_flat(&mut self, now: DateTime<Utc>) {
        let stands = {
            let findings = self.desk.findings.read();
            self.line.view.read(&self.desk.client_id, |book| stand(book, &findings)).unwrap_or(Flat::NotWanted)
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
                let text = if self.core.squared_off_tries == 0 {
                    format!("no eligible positions to square off, by the broker's positions of {now}")
                } else {
                    format!("flat: the broker's positions of {now} show nothing of ours, delivery holdings aside")
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
    use crate::persistence::Control;
    use crate::testkit::builders::{Build, SEQ, book_of, broker_shows, order, sbin_in};

    fn squared(holdings: &[(&str, HoldingKey, i64)], orders: Vec<crate::order::OrderRecord>) -> Book {
        let mut book = book_of(orders, holdings);
        book.put_control(Control { level: KillLevel::SquareOff, ..Control::default() });
        book
    }

    #[test]
    fn flat_is_said_only_when_the_broker_has_shown_it() {
        let mis = || sbin_in(Product::Mis);
        let shows = |net| broker_shows(&[(mis(), net)]);
        assert_eq!(stand(&book_of([], &[]), &shows(0)), Flat::NotWanted);
        assert_eq!(stand(&squared(&[], vec![]), &Findings::default()), Flat::NotProven, "the positions call has failed so far");
        assert_eq!(stand(&squared(&[], vec![]), &shows(0)), Flat::Proven);
        assert_eq!(stand(&squared(&[("a", mis(), 5)], vec![]), &shows(0)), Flat::Held(1));
        assert_eq!(stand(&squared(&[("a", sbin_in(Product::Cnc), 5)], vec![]), &shows(0)), Flat::Proven, "delivery is left alone");
        // Closed by our fills: the broker must show it, and in a read that began after them.
        let closed = || squared(&[("a", mis(), 0)], vec![]);
        assert_eq!(stand(&closed(), &shows(5)), Flat::NotProven);
        let mut old = shows(0);
        old.positions.as_mut().unwrap().began_seq = SEQ - 1;
        assert_eq!(stand(&closed(), &old), Flat::NotProven);
        assert_eq!(stand(&closed(), &shows(0)), Flat::Proven);
        assert_eq!(stand(&squared(&[], vec![order(1).sent()]), &shows(0)), Flat::NotProven, "it may still fill");
    }
}
