//! Whether what was read of a leg fits its instrument, and whether its prices, its stop and its target fit each other.

use rust_decimal::Decimal;

use super::draft::LegDraft;
use super::exit_at::ExitAt;
use super::instrument::Instrument;
use super::money::{Price, Quantity};
use super::record::Ask;
use super::validate::Reader;
use super::words::{Exchange, OrderType, Side};

fn price_of(at: Option<ExitAt>) -> Option<Price> {
    at.and_then(ExitAt::price)
}

impl Reader {
    pub(super) fn against_instrument(&mut self, ask: &Ask, instrument: Option<&Instrument>) {
        let Some(instrument) = instrument else {
            // What is held must be closed, whatever today's master says: an exit is measured against its position instead.
            if ask.exchange.is_some() && !ask.symbol.is_empty() && !ask.is_exit() {
                self.wrong(
                    "tradingsymbol",
                    format!("{} is not in today's instrument master of {}", ask.symbol, ask.exchange.map_or("", Exchange::as_str)),
                );
            }
            return;
        };
        if !instrument.is_tradable() {
            self.wrong("tradingsymbol", format!("{} is an index: it is quoted, not traded", instrument.key));
        }
        if let Some(product) = ask.product.filter(|product| !instrument.takes(*product)) {
            self.wrong("product_type", format!("{product} is not possible in {}", instrument.key));
        }
        if let Some(quantity) = ask.quantity {
            self.lot_and_freeze(quantity, instrument);
        }
        let target = ask.target_position.and_then(|units| Quantity::new(units.abs()));
        if let Some(units) = target.filter(|units| !units.is_whole_lots(instrument.lot)) {
            self.wrong("target_position", format!("{units} is no multiple of the lot {} of {}", instrument.lot, instrument.key));
        }
        for (field, price) in [
            ("price", ask.price),
            ("trigger_price", ask.trigger_price),
            ("stop_loss", price_of(ask.stop_loss)),
            ("target", price_of(ask.target)),
        ] {
            if let Some(price) = price.filter(|price| !price.is_on_tick(instrument.tick)) {
                self.wrong(field, format!("{price} is no multiple of the tick {} of {}", instrument.tick, instrument.key));
            }
        }
    }

    fn lot_and_freeze(&mut self, quantity: Quantity, instrument: &Instrument) {
        let lot = instrument.lot.value();
        if !quantity.is_whole_lots(instrument.lot) {
            let below = quantity.value() - quantity.value().checked_rem(lot).unwrap_or(0);
            let neighbours = if below > 0 { format!("{below} or {}", below + lot) } else { format!("{lot}") };
            self.wrong("qty", format!("{quantity} is no multiple of the lot {lot} of {}; {neighbours}", instrument.key));
        }
        if let Some(max) = instrument.max_quantity().filter(|max| quantity.value() > *max) {
            self.wrong("qty", format!("{quantity} is above the freeze quantity of {}; at most {max} in one order", instrument.key));
        }
    }

    /// A stop order's limit must be reachable from its trigger; stop and target stand on their own sides of the price.
    pub(super) fn prices(&mut self, ask: &Ask, reference: Option<Price>) {
        let Some(side) = ask.leaning() else { return };
        if let (Some(OrderType::StopLimit), Some(price), Some(trigger)) = (ask.order_type, ask.price, ask.trigger_price) {
            let reachable = match side {
                Side::Buy => trigger <= price,
                Side::Sell => trigger >= price,
            };
            if !reachable {
                self.wrong("trigger_price", format!("{trigger} is on the wrong side of the limit {price} for a {side}"));
            }
        }
        let below = |lower: Price, upper: Price| match side {
            Side::Buy => lower < upper,
            Side::Sell => lower > upper,
        };
        // A distance becomes a price at the fill; against what the sender saw it must leave a price at all.
        for (field, at) in [("stop_loss", ask.stop_loss), ("target", ask.target)] {
            let Some((at, reference)) = at.filter(|at| at.price().is_none()).zip(reference) else { continue };
            let price = if field == "stop_loss" { at.below(reference.value(), side) } else { at.above(reference.value(), side) };
            if price.is_none_or(|price| price <= Decimal::ZERO || price > Price::MAX) {
                self.wrong(field, format!("{at} from {reference} is no price for a {side}"));
            }
        }
        let (stop_loss, target) = (price_of(ask.stop_loss), price_of(ask.target));
        if let Some((stop, reference)) = stop_loss.zip(reference).filter(|(stop, reference)| !below(*stop, *reference)) {
            self.wrong("stop_loss", format!("{stop} is on the wrong side of {reference} for a {side}"));
        }
        if let Some((target, reference)) = target.zip(reference).filter(|(target, reference)| !below(*reference, *target)) {
            self.wrong("target", format!("{target} is on the wrong side of {reference} for a {side}"));
        }
        if let Some((stop, target)) = stop_loss.zip(target).filter(|(stop, target)| !below(*stop, *target)) {
            self.wrong("target", format!("{target} and stop_loss {stop} are on the wrong sides of each other for a {side}"));
        }
    }

    pub(super) fn protection(&mut self, leg: &LegDraft, ask: &Ask) {
        let given = |value: &Option<String>| value.as_deref().is_some_and(|text| !text.trim().is_empty());
        if given(&leg.target) && !given(&leg.stop_loss) {
            self.wrong("target", "a target needs a stop_loss");
        }
        if ask.trailing.is_some() && !given(&leg.stop_loss) {
            self.wrong("trailing_type", "a trailing stop needs a stop_loss");
        }
        if ask.is_exit() && given(&leg.cancel_after_s) {
            self.wrong("cancel_after_s", "an EXIT is not cancelled for its age: its position is open");
        }
        if (ask.exits.trailing_step.is_some() || ask.exits.trailing_after.is_some()) && ask.trailing.is_none() {
            self.wrong("trailing_type", "trailing_step and trailing_after need a trailing stop");
        }
        if given(&leg.break_even) && !given(&leg.stop_loss) {
            self.wrong("break_even", "a move to break-even needs a stop_loss");
        }
        if ask.exits.stop_at.is_some() && !given(&leg.stop_loss) {
            self.wrong("stop_at", "says where a stop lives, and there is no stop_loss");
        }
        let seen = ask.seen_price.map(Price::value);
        if let Some(why) = ask.trailing.and_then(|trailing| trailing.overtakes(ask.exits.trailing_step, seen)) {
            self.wrong("trailing_step", why);
        }
        let times = !ask.exits.times.is_empty();
        if ask.is_exit() && (given(&leg.stop_loss) || given(&leg.target) || ask.trailing.is_some() || given(&leg.break_even) || times) {
            self.wrong("stop_loss", "an EXIT opens nothing that a stop or target could protect");
        }
    }
}
