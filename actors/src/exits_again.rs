//! An exit of the engine's own that goes again after one that came to nothing: no further than what the first may cost. The market has
//! moved meanwhile, and nobody has said that it may cost more.

use chrono::{DateTime, Duration, Utc};

use crate::engine::exit_leg;
use crate::exits::{Climb, Wish, band_named, carried, first_limit};
use crate::line::{Desk, Line};
use crate::order::{LegDraft, OrderType, Price, Quantity, Side, trading_date};

/// The order for a wish: at the market the first time, and then a limit inside its cap. `quantity`: `None` for all that is held.
pub(crate) fn leg_of(line: &Line, desk: &Desk, wish: &Wish<'_>, quantity: Option<Quantity>, now: DateTime<Utc>) -> LegDraft {
    let leg = exit_leg(wish.strategy, wish.key, quantity);
    match limit(line, desk, wish, now) {
        Some(price) => LegDraft { order_type: Some(OrderType::Limit.to_string()), price: Some(price.to_string()), ..leg },
        None => leg,
    }
}

/// `None`: it is the first, or nobody knows what it is for.
fn limit(line: &Line, desk: &Desk, wish: &Wish<'_>, now: DateTime<Utc>) -> Option<Price> {
    let key = &wish.key.instrument;
    let found = line.view.read(&desk.client_id, |book| {
        let held = Side::of_net(book.held(wish.strategy, wish.key).net)?;
        Some((carried(wish, book, now)?, held.opposite(), band_named(key, book, trading_date(now))))
    });
    let (ladder, side, told) = found.flatten()?;
    let instrument = line.instruments.find(key)?;
    let muted_after = Duration::from_std(desk.settings.exits.muted_after).unwrap_or(Duration::MAX);
    let quote = line.newest_quote(desk, key).filter(|quote| now.signed_duration_since(quote.at) <= muted_after);
    let last = quote.map_or(ladder.trigger, |quote| quote.last.value());
    let rungs = desk.settings.exits.ladder.of(&instrument.kind);
    let climb = Climb { side, limit: None, instrument: &instrument, quote: quote.as_ref(), told };
    first_limit(&climb, &ladder, rungs, last, now)
}
