//! Where the cost of an exit counts from that no rule has fired, and what the next one takes over from one that came to nothing.

use chrono::{DateTime, Duration, Utc};
use rust_decimal::Decimal;

use super::{WatcherActor, resend, square_off};
use crate::exits::{Ladder, came_to_nothing, carried_to, goes_on_with, ladder_slot};
use crate::order::{OrderRecord, OrderType, Side, Source, Status, event};
use crate::persistence::{Book, Event, Level};

/// The end of an exit is heard of within that time of its commit.
const HEARD_WITHIN: Duration = Duration::seconds(10);

/// The market when an exit was sent: the price that it would have traded at, and the spread. Rupees.
#[derive(Debug, Clone, Copy)]
pub(super) struct Touch {
    pub(super) price: Decimal,
    pub(super) spread: Option<Decimal>,
}

impl WatcherActor {
    /// Remembers the market of the moment at which an exit goes out, and writes down where the cost of the next one counts from when it
    /// has come to nothing.
    pub(super) fn hear_of_exits(&mut self, events: &[Event], now: DateTime<Utc>) {
        for event in events {
            let Some(exit) = event.record.as_deref().filter(|exit| exit.is_exit() && !exit.is_test()) else { continue };
            if &*event.row.event == event::SENT_TO_BROKER {
                let touch = self.touch_of(exit, now);
                self.core.touches.extend(touch.map(|touch| (exit.command_id, touch)));
            } else if event.row.from != Some(exit.status) && exit.status.is_terminal() {
                let touch = self.core.touches.remove(&exit.command_id);
                self.carry(exit, touch, now);
            }
        }
    }

    /// Forgets what was seen of exits that have ended; that of one which ended a moment ago is taken when its end is heard of. While exits
    /// are frozen nobody looks what their limits reach, and a clock that was set back begins anew.
    pub(super) fn forget_ended_exits(&mut self, now: DateTime<Utc>) {
        let (at_touch, touches) = (&mut self.core.at_touch, &mut self.core.touches);
        self.line.view.read(&self.desk.client_id, |book| {
            let is_open = |order: &OrderRecord| !order.status.is_terminal();
            let is_news = |order: &OrderRecord| now.signed_duration_since(order.updated_at) < HEARD_WITHIN;
            touches.retain(|exit, _| book.order(*exit).is_some_and(|order| is_open(order) || is_news(order)));
            let counts = |exit, since| !book.control().is_frozen() && since <= now && book.order(exit).is_some_and(|order| is_open(order));
            at_touch.retain(|exit, since| counts(*exit, *since));
        });
    }

    /// `None`: it is no limit through the touch that the engine has made, or nobody knows the market.
    fn touch_of(&self, exit: &OrderRecord, now: DateTime<Utc>) -> Option<Touch> {
        let is_driven = exit.source == Source::System || exit.is_protected_market();
        let side = exit.ask.side.filter(|_| is_driven && exit.working_type() == Some(OrderType::Limit))?;
        let instrument = self.line.instruments.find(&exit.instrument()?)?;
        let quote = self.fresh_quote(&instrument, now)?;
        let touch = if side == Side::Sell { quote.bid } else { quote.ask };
        let spread = quote.ask.zip(quote.bid).map(|(ask, bid)| ask.value() - bid.value());
        Some(Touch { price: touch.unwrap_or(quote.last).value(), spread })
    }

    /// The next exit of the engine's own counts from where this one did. That of a rule counts from where the rule has fired.
    fn carry(&self, exit: &OrderRecord, touch: Option<Touch>, now: DateTime<Utc>) {
        let resends = self.desk.settings.waits.resends();
        let found = self.line.view.read(&self.desk.client_id, |book| {
            let is_followed = exit.source == Source::System || resend::goes_again(book, exit, resends);
            let is_first_told = book.kept(&ladder_slot(exit.command_id)).is_none() && self.core.rules.firing(exit, book).is_none();
            (came_to_nothing(exit, now) && is_followed && is_first_told).then(|| carried_to(exit, book, now))
        });
        let Some(before) = found.flatten() else { return };
        let begun = || {
            let price = touch.map(|touch| touch.price).or(exit.ask.price.filter(|_| exit.sent_at.is_some()).map(|limit| limit.value()))?;
            Some(Ladder::new(price, touch.and_then(|touch| touch.spread), now))
        };
        let Some(ladder) = before.or_else(begun) else { return };
        let reason = format!("it came to nothing: what the next one costs counts from {}", ladder.trigger);
        self.keep_ladder(exit.command_id, Some(&ladder), Level::Info, &reason);
    }

    /// Whether an exit that has ended is gone on with, by one that is not on a ladder of its own yet: until then it needs this one's.
    pub(super) fn is_gone_on_with(&self, ended: &OrderRecord, now: DateTime<Utc>) -> bool {
        let resends = self.desk.settings.waits.resends();
        let goes_on = |book: &Book| {
            let is_held = ended.holding().is_some_and(|key| resend::is_held_still(book, ended, &key));
            if !is_held || square_off::is_over(ended, book, now) {
                return false;
            }
            let next = book.after(ended.number).filter(|next| goes_on_with(next, ended));
            let mut next = next.filter(|next| next.status != Status::Failed || came_to_nothing(next, now)).peekable();
            let is_followed = matches!(ended.source, Source::System | Source::Stop) || resend::goes_again(book, ended, resends);
            let is_wanted = is_followed || next.peek().is_some();
            is_wanted && !next.any(|next| book.kept(&ladder_slot(next.command_id)).is_some())
        };
        came_to_nothing(ended, now)
            && !self.core.rules.have_taken_back(ended)
            && self.line.view.read(&self.desk.client_id, goes_on).unwrap_or(false)
    }
}
