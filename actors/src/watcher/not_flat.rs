//! What people hear of an urgent exit that does not get flat by itself: once, and again when it has moved since.

use std::fmt;

use chrono::{DateTime, Duration, Utc};
use rust_decimal::Decimal;

use super::{Concern, WatcherActor};
use crate::exits::{Halted, Ladder, Refused, Rejection, Rungs, cap};
use crate::order::{CommandId, OrderRecord, Points, Price, Side};
use crate::persistence::{Book, Level};
use crate::ports::Quote;
use crate::risk::{Left, left_by_others};

/// An exit that rests, and its market.
#[derive(Clone, Copy)]
pub(super) struct Standing<'a> {
    pub order: &'a OrderRecord,
    pub tick: Price,
    pub rungs: &'a Rungs,
    pub quote: Option<&'a Quote>,
}

impl WatcherActor {
    /// Whether people should have heard of it by now, and have not.
    pub(super) fn is_late(&self, ladder: &Ladder, now: DateTime<Utc>) -> bool {
        !ladder.is_paged && now.signed_duration_since(ladder.stepped_at) >= self.not_flat_after()
    }

    /// Whether an exit has stood at the touch for so long that people should have heard of it: since it was first seen there, or since its
    /// last step. One that the market has only just come back to is about to trade.
    pub(super) fn is_left_standing(&self, order: CommandId, ladder: &Ladder, now: DateTime<Utc>) -> bool {
        let since = self.core.at_touch.get(&order).copied().unwrap_or(now);
        self.is_late(&Ladder { stepped_at: ladder.stepped_at.max(since), ..*ladder }, now)
    }

    fn not_flat_after(&self) -> Duration {
        Duration::from_std(self.desk.settings.exits.ladder.not_flat_after).unwrap_or(Duration::MAX)
    }

    /// Pages once of a limit that the broker does not let go further. Answers how the ladder stands then.
    pub(super) fn tell_of_refusal(&self, standing: &Standing<'_>, ladder: Ladder, refused: Option<&Refused>, now: DateTime<Utc>) -> Ladder {
        let due = refused.filter(|refused| !ladder.is_paged && refused.is_due(self.not_flat_after(), now));
        let Some(refused) = due else { return ladder };
        let number = standing.order.broker_order_id.as_ref().map_or_else(String::new, |id| format!(" {id}"));
        let next = if refused.rejection == Rejection::Cutoff {
            format!("; cancel order{number} there first, which works still, then close it at the broker")
        } else {
            String::new()
        };
        self.page_not_flat(standing, &ladder, &format_args!("the broker refuses to change its limit ({}){next}", refused.words));
        Ladder { is_paged: true, ..ladder }
    }

    /// Pages once of an exit whose next step waits because others have used up the calls. It goes on by itself, and is told no more.
    pub(super) fn tell_of_its_turn(&mut self, standing: &Standing<'_>, ladder: &Ladder, now: DateTime<Utc>) {
        let order = standing.order;
        if now.signed_duration_since(ladder.stepped_at) < self.not_flat_after() {
            return;
        }
        let (strategy, symbol, id) = (&order.ask.strategy, &order.ask.symbol, order.command_id);
        let text =
            format!("NOT FLAT: the exit of {strategy} in {symbol} (order {id}) is not repriced every second any more: {}", Halted::Turn);
        self.concern(Concern { event: "ALARM_NOT_FLAT", level: Level::Page, text, command_id: Some(id) });
    }

    /// The broker neither changes it nor takes it back: it stands where it is, and no other may go beside it.
    pub(super) fn page_alive(&self, order: &OrderRecord, ladder: &Ladder, now: DateTime<Utc>) {
        let Some(instrument) = order.instrument().and_then(|key| self.line.instruments.find(&key)) else { return };
        let rungs = self.desk.settings.exits.ladder.of(&instrument.kind);
        let quote = self.fresh_quote(&instrument, now);
        let standing = Standing { order, tick: instrument.tick, rungs, quote: quote.as_ref() };
        self.page_not_flat(&standing, ladder, &Halted::Alive);
    }

    /// What is held of its position, in words, where that is not what the exit is for.
    fn held_beside(&self, order: &OrderRecord) -> String {
        let held = |book: &Book| order.holding().map_or(0, |key| book.held(&order.ask.strategy, &key).net.abs());
        let held = self.line.view.read(&self.desk.client_id, held).filter(|held| *held != order.unfilled());
        held.map_or_else(String::new, |held| format!(" ({held} are held in all)"))
    }

    /// What others have closed, or are about to close, of what an exit is for: with that in mind nobody closes it once more by hand.
    fn closed_by_others(&self, order: &OrderRecord, quote: Option<&Quote>) -> String {
        let findings = self.desk.findings.read();
        let left = self.line.view.read(&self.desk.client_id, |book| left_by_others(order, book, &findings, quote));
        match left {
            None | Some(Left::All) => String::new(),
            Some(Left::Fewer(_, why) | Left::Unknown(why)) => format!(
                ", and {why}. It is not repriced for more than is left; look at the broker before you trade there, and cancel this order first"
            ),
        }
    }

    /// Says what an exit that cannot go further by itself would cost if it did.
    pub(super) fn page_not_flat(&self, standing: &Standing<'_>, ladder: &Ladder, halted: &dyn fmt::Display) {
        let Standing { order, tick, rungs, quote } = *standing;
        let Some(side) = order.ask.side else { return };
        let shown = |price: Option<Price>| price.map_or_else(|| "none".to_owned(), |price| price.to_string());
        let (bid, ask) = quote.map_or((None, None), |quote| (quote.bid, quote.ask));
        let spread = bid.zip(ask).map_or_else(|| "unknown".to_owned(), |(bid, ask)| (ask.value() - bid.value()).to_string());
        let touch = if side == Side::Sell { bid } else { ask };
        let point = order.instrument().and_then(|key| self.line.point(&self.desk.client_id, &key));
        let units = Decimal::from(order.unfilled());
        let cost = |price: Decimal| {
            let points = Points((ladder.trigger - price).abs().saturating_mul(units));
            point.map_or_else(
                || format!("{points} points (what one is worth is not known)"),
                |point| format!("{} rupees", points.rupees(point)),
            )
        };
        let going_on = touch.map_or_else(
            || "what going on would cost nobody knows".to_owned(),
            |touch| format!("trading at the touch costs {} from the trigger at {}", cost(touch.value()), ladder.trigger),
        );
        let wider = Ladder { granted: ladder.granted + 1, ..*ladder };
        let as_far_as = cap(&wider, rungs, tick, side);
        let left = self.closed_by_others(order, quote);
        let text = format!(
            "NOT FLAT: {} of {} units of {} {} rest at {}{} after {} steps, because {halted}{left}; bid {}, ask {}, spread {spread}; {going_on}; \
             \"go on\" lets it go as far as {}, at most {}",
            order.unfilled(),
            order.quantity(),
            order.ask.strategy,
            order.ask.symbol,
            shown(order.ask.price),
            self.held_beside(order),
            ladder.steps,
            shown(bid),
            shown(ask),
            as_far_as,
            cost(as_far_as),
        );
        let next = Ladder { is_paged: true, ..*ladder };
        self.keep_ladder(order.command_id, Some(&next), Level::Info, "a person was told that it is not flat");
        self.line.alarm(Some(&self.desk.client_id), "ALARM_NOT_FLAT", Level::Page, Some(order.command_id), text);
    }
}
