//! What becomes of a square-off: said when nothing was there to close, and when the broker shows that nothing is left; paged
//! when it is not flat after so many attempts, or so long. What is not known is not said.

use chrono::{DateTime, NaiveDate, Utc};

use std::collections::BTreeSet;
use std::fmt;

use super::stuck::Stuck;
use super::{Findings, WatcherActor, square_off};
use crate::order::{HoldingKey, InstrumentKey, OrderRecord, Product, Strategy, trading_date};
use crate::persistence::{Book, Control, KillLevel, Level};
use crate::risk::Market;

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

/// Who is to be squared off.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Whose<'a> {
    Nobody,
    Account,
    Strategies(Vec<&'a Strategy>),
}

impl<'a> Whose<'a> {
    fn of(control: &'a Control, today: NaiveDate) -> Self {
        let by_day = control.day.as_ref().is_some_and(|day| day.date >= today && day.level == KillLevel::SquareOff);
        if control.level == KillLevel::SquareOff || by_day {
            return Self::Account;
        }
        let stopped = control.strategies.iter().filter(|(_, stop)| stop.level == KillLevel::SquareOff);
        let names: Vec<_> = stopped.map(|(strategy, _)| strategy).collect();
        if names.is_empty() { Self::Nobody } else { Self::Strategies(names) }
    }
}

/// What stands before words of it: nothing where it is the whole account.
impl fmt::Display for Whose<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Strategies(names) = self else { return Ok(()) };
        write!(f, "{}: ", names.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", "))
    }
}

/// Where a square-off stands, of a whole account or of single strategies. Delivery holdings are left alone, positions of others too.
pub(super) fn stand(book: &Book, findings: &Findings, now: DateTime<Utc>) -> Flat {
    let (control, today) = (book.control(), trading_date(now));
    let whose = Whose::of(control, today);
    if whose == Whose::Nobody {
        return Flat::NotWanted;
    }
    let is_wanted = |strategy: &Strategy| control.level_on(strategy, today) == KillLevel::SquareOff;
    let is_closed_here = |key: &HoldingKey| key.product != Product::Cnc;
    let held = book.holdings().filter(|(strategy, key, held)| held.net != 0 && is_closed_here(key) && is_wanted(strategy)).count();
    if held > 0 {
        return Flat::Held(held);
    }
    let works = |order: &OrderRecord| order.status.is_at_broker() && !order.is_test() && is_wanted(&order.ask.strategy);
    let is_open = book.open_orders().any(|order| works(order));
    let Some(positions) = findings.positions.as_ref().filter(|_| !is_open && !book.owes()) else { return Flat::NotProven };
    let ours: BTreeSet<HoldingKey> = traded_on_the_day(book, &is_wanted, now).into_iter().filter(is_closed_here).collect();
    let is_fresh = ours.iter().all(|key| positions.began_seq >= book.last_fill_seq(key));
    // What the broker shows beside is held by strategies that are not squared off, if it is ours at all.
    let is_flat = ours.iter().all(|key| positions.net(key) == book.gross(key).net());
    if is_fresh && is_flat { Flat::Proven } else { Flat::NotProven }
}

/// What those who are squared off have traded today, before the last start too: the broker has to show each of these.
fn traded_on_the_day(book: &Book, is_wanted: &dyn Fn(&Strategy) -> bool, now: DateTime<Utc>) -> BTreeSet<HoldingKey> {
    let today = trading_date(now);
    let is_of_the_day = |order: &OrderRecord| order.filled_quantity > 0 && trading_date(order.updated_at) == today;
    let filled = book.newest().filter(|order| is_of_the_day(order) && is_wanted(&order.ask.strategy));
    // Whose these are is not kept. Of a whole account all are meant.
    let whole = Whose::of(book.control(), today) == Whose::Account;
    book.traded_keys().filter(|_| whole).cloned().chain(filled.filter_map(|order| order.holding())).collect()
}

/// Whether the square-off that stands has sent an exit, before the last start too.
fn has_closed(book: &Book) -> bool {
    let control = book.control();
    let of_day = control.day.as_ref().filter(|day| day.level == KillLevel::SquareOff).map(|day| day.at);
    let of_person = control.at.filter(|_| control.level == KillLevel::SquareOff);
    if let Some(since) = of_day.into_iter().chain(of_person).min() {
        return book.newest().take_while(|order| order.created_at >= since).any(|order| square_off::has_sent(order));
    }
    let mut stopped = control.strategies.iter().filter(|(_, stop)| stop.level == KillLevel::SquareOff);
    stopped.any(|(strategy, stop)| {
        book.newest_of(strategy).take_while(|order| order.created_at >= stop.at).any(|order| square_off::has_sent(order))
    })
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
        let stuck = matches!(stands, Flat::Held(_)).then(|| self.stuck(now)).filter(|stuck| stuck.counts);
        self.core.held_since = self.core.held_since.or(Some(now)).filter(|_| stuck.is_some());
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
                let whose = |book: &Book| Whose::of(book.control(), trading_date(now)).to_string();
                let text = self.line.view.read(&self.desk.client_id, whose).unwrap_or_default() + &text;
                self.line.alarm(Some(&self.desk.client_id), "SQUARE_OFF_FLAT", Level::Info, None, text);
                self.core.not_flat_paged = false;
            }
            Flat::Held(_) => {
                self.core.flat_told = false;
                let tries = self.core.tries.most();
                if let Some(stuck) = stuck.filter(|_| (tries >= most || is_late) && !self.core.not_flat_paged) {
                    self.core.not_flat_paged = true;
                    self.line.alarm(Some(&self.desk.client_id), "ALARM_SQUARE_OFF_STUCK", Level::Page, None, stuck.words(tries));
                }
            }
            Flat::Proven | Flat::NotProven => {}
        }
    }

    /// What is held that is to be squared off, and what becomes of it.
    fn stuck(&self, now: DateTime<Utc>) -> Stuck {
        let (calendar, instruments, set_back) = (&self.line.calendar, &*self.line.instruments, self.line.clock_was_set_back());
        let is_live = self.desk.broker.capabilities().is_live;
        let rests = |key: &InstrumentKey| Market::of(calendar, instruments, key, is_live, now, set_back).holds_exits();
        self.line.view.read(&self.desk.client_id, |book| Stuck::of(book, &rests, now)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::Source;
    use crate::persistence::ControlChange;
    use crate::testkit::builders::{Build, SEQ, at, book_of, broker_shows, exit, order, sbin_in, squared_off, strategy};

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
    fn of_one_strategy_what_it_held_counts_beside_what_others_hold() {
        let mis = || sbin_in(Product::Mis);
        let sold = |second| {
            let order = exit(1).by("a").side(crate::order::Side::Sell).product(Product::Mis).asks(5);
            OrderRecord { updated_at: at(second), ..order.working("1").filled(5, 5).ended(crate::order::Status::Executed, None) }
        };
        let killed = |orders: Vec<OrderRecord>, holdings: &[(&str, HoldingKey, i64)]| {
            let mut book = book_of(orders, holdings);
            book.put_control(Control::default().after(&ControlChange::Strategy(strategy("a"), KillLevel::SquareOff), "a test", "", at(0)));
            book
        };
        let shows = |net| broker_shows(&[(mis(), net)]);
        let both = [("a", mis(), 0), ("b", mis(), 7)];
        assert_eq!(stand(&killed(vec![], &[("a", mis(), 5), ("b", mis(), 7)]), &shows(12), at(0)), Flat::Held(1));
        assert_eq!(stand(&killed(vec![sold(1)], &both), &shows(12), at(2)), Flat::NotProven, "the broker does not show it");
        assert_eq!(stand(&killed(vec![sold(1)], &both), &shows(7), at(2)), Flat::Proven);
        assert_eq!(stand(&killed(vec![sold(1), order(2).by("b").sent()], &both), &shows(7), at(2)), Flat::Proven, "others go on");
        assert_eq!(stand(&killed(vec![sold(1), order(2).by("a").sent()], &both), &shows(7), at(2)), Flat::NotProven);
        let sent = OrderRecord { source: Source::System, user: square_off::SENDER.into(), created_at: at(1), ..sold(1) };
        assert!(has_closed(&killed(vec![sent.clone()], &both)) && !has_closed(&killed(vec![sold(1)], &both)));
        assert!(!has_closed(&killed(vec![OrderRecord { created_at: at(-1), ..sent }], &both)), "that was another one");
        let book = killed(vec![], &both);
        assert_eq!(Whose::of(book.control(), trading_date(at(0))).to_string(), "a: ");
        let account = Control { level: KillLevel::SquareOff, ..book.control().clone() };
        assert_eq!(Whose::of(&account, trading_date(at(0))).to_string(), "");
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
