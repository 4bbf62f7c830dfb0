//! From the text of a leg to its fields, one by one. What cannot be read is named, and left out.

use std::sync::Arc;

use rust_decimal::Decimal;

use super::draft::{LegDraft, clean, is_unsafe, signed_units};
use super::exit_at::{ExitAt, ExitExtras, ExitTimes};
use super::ids::Strategy;
use super::money::{BadNumber, Price, Quantity, decimal};
use super::record::{Ask, Trailing};
use super::validate::Reader;
use super::words::{Exchange, Intent, OrderType, Product, Side, StopAt, TestMode, TrailingType, Validity};

/// The longest time after which what has not filled is cancelled, seconds: a day ends within it.
const CANCEL_AFTER_MOST_S: u32 = 86_400;

impl Reader {
    fn text<'a>(&mut self, field: &'static str, value: Option<&'a String>) -> Option<&'a str> {
        let text = value?.trim();
        if text.is_empty() {
            return None;
        }
        if text.contains("{{") || text.contains("}}") {
            self.wrong(field, format!("unresolved placeholder {:?}: the alert was not filled in", clean(text, 60)));
            return None;
        }
        Some(text)
    }

    pub(super) fn word<T>(
        &mut self,
        field: &'static str,
        value: Option<&String>,
        parse: fn(&str) -> Option<T>,
        choices: fn() -> String,
    ) -> Option<T> {
        let text = self.text(field, value)?;
        let word = parse(text);
        if word.is_none() {
            self.wrong(field, format!("{:?} is not one of {}", clean(text, 40), choices()));
        }
        word
    }

    fn price(&mut self, field: &'static str, value: Option<&String>) -> Option<Price> {
        let text = self.text(field, value)?;
        Price::parse(text).map_err(|error| self.wrong(field, format!("{:?} must be {}", clean(text, 40), error.rule))).ok()
    }

    /// Zero is what many alert templates send for "no price"; taken so only where the order type has none.
    fn price_or_zero(&mut self, field: &'static str, value: Option<&String>, wanted: bool) -> Option<Price> {
        let is_zero = value.and_then(|text| decimal(field, text.trim()).ok()).is_some_and(|number| number.is_zero());
        if is_zero && !wanted { None } else { self.price(field, value) }
    }

    pub(super) fn fields(&mut self, leg: &LegDraft) -> Ask {
        let order_type = self.word("order_type", leg.order_type.as_ref(), OrderType::parse, OrderType::choices);
        let price = self.price_or_zero("price", leg.price.as_ref(), order_type.is_some_and(OrderType::has_price));
        let trigger = self.price_or_zero("trigger_price", leg.trigger_price.as_ref(), order_type.is_some_and(OrderType::has_trigger));
        Ask {
            strategy: self.strategy(leg),
            intent: self.word("execution_type", leg.execution_type.as_ref(), Intent::parse, Intent::choices),
            exchange: self.word("exchange", leg.exchange.as_ref(), Exchange::parse, Exchange::choices),
            symbol: self.symbol(leg),
            side: self.word("direction", leg.side.as_ref(), Side::parse, Side::choices),
            quantity: self.quantity(leg),
            product: self.word("product_type", leg.product.as_ref(), Product::parse, Product::choices),
            order_type,
            validity: self.word("validity", leg.validity.as_ref(), Validity::parse, Validity::choices).unwrap_or(Validity::Day),
            price: price.filter(|_| order_type.is_none_or(OrderType::has_price)),
            trigger_price: trigger,
            seen_price: None,
            stop_loss: self.exit_at("stop_loss", leg.stop_loss.as_ref()),
            target: self.exit_at("target", leg.target.as_ref()),
            trailing: self.trailing(leg),
            exits: self.exits(leg),
            test_mode: self.word("test_mode", leg.test_mode.as_ref(), TestMode::parse, TestMode::choices),
            route: leg.route.clone().map(Arc::new),
            target_position: self.target_position(leg),
            cancel_after_s: self.cancel_after(leg),
        }
    }

    fn exit_at(&mut self, field: &'static str, value: Option<&String>) -> Option<ExitAt> {
        let text = self.text(field, value)?;
        text.parse().map_err(|error: BadNumber| self.wrong(field, format!("{:?} must be {}", clean(text, 40), error.rule))).ok()
    }

    /// A distance from the fill: what a price would mean here nobody knows.
    fn distance(&mut self, field: &'static str, value: Option<&String>) -> Option<ExitAt> {
        let at = self.exit_at(field, value)?;
        if at.price().is_some() {
            self.wrong(field, format!("{at} must be a distance from the fill, 12 points or 1.5%"));
            return None;
        }
        Some(at)
    }

    fn exits(&mut self, leg: &LegDraft) -> ExitExtras {
        let times = self.text("exit_at", leg.exit_at.as_ref()).map(str::to_owned);
        let times = times.and_then(|text| {
            text.parse::<ExitTimes>().map_err(|error| self.wrong("exit_at", format!("{:?} must be {}", clean(&text, 60), error.rule))).ok()
        });
        ExitExtras {
            trailing_step: self.distance("trailing_step", leg.trailing_step.as_ref()),
            trailing_after: self.distance("trailing_after", leg.trailing_after.as_ref()),
            break_even: self.distance("break_even", leg.break_even.as_ref()),
            times: times.unwrap_or_default(),
            stop_at: self.word("stop_at", leg.stop_at.as_ref(), StopAt::parse, StopAt::choices),
        }
    }

    fn strategy(&mut self, leg: &LegDraft) -> Strategy {
        let text = self.text("strategy_name", leg.strategy.as_ref()).unwrap_or("default");
        Strategy::parse(text).unwrap_or_else(|error| {
            self.wrong("strategy_name", error.rule);
            let mut short: String = clean(text, 64);
            while short.len() > 64 {
                short.pop();
            }
            // Cleaned to at most 64 bytes without control characters, and not empty: the rule holds.
            Strategy::parse(&short).unwrap_or_else(|_| Strategy::unnamed())
        })
    }

    fn symbol(&mut self, leg: &LegDraft) -> Arc<str> {
        let Some(text) = self.text("tradingsymbol", leg.symbol.as_ref()) else { return Arc::from("") };
        if text.len() > 64 || text.chars().any(is_unsafe) {
            self.wrong("tradingsymbol", "at most 64 bytes without control characters");
        }
        Arc::from(clean(text, 64))
    }

    fn quantity(&mut self, leg: &LegDraft) -> Option<Quantity> {
        let text = self.text("qty", leg.quantity.as_ref())?;
        Quantity::parse(text).map_err(|error| self.wrong("qty", format!("{:?} must be {}", clean(text, 40), error.rule))).ok()
    }

    fn target_position(&mut self, leg: &LegDraft) -> Option<i64> {
        let text = self.text("target_position", leg.target_position.as_ref())?;
        let units = signed_units(text);
        if units.is_none() {
            let most = Quantity::MAX;
            self.wrong(
                "target_position",
                format!("{:?} must be a whole number of units from -{most} to {most}; 0 is flat", clean(text, 40)),
            );
        }
        units
    }

    fn cancel_after(&mut self, leg: &LegDraft) -> Option<u32> {
        let text = self.text("cancel_after_s", leg.cancel_after_s.as_ref())?;
        let seconds = text.parse::<u32>().ok().filter(|seconds| (1..=CANCEL_AFTER_MOST_S).contains(seconds));
        if seconds.is_none() {
            self.wrong("cancel_after_s", format!("{:?} must be whole seconds from 1 to {CANCEL_AFTER_MOST_S}", clean(text, 40)));
        }
        seconds
    }

    fn trailing(&mut self, leg: &LegDraft) -> Option<Trailing> {
        if leg.trailing_type.as_deref().is_some_and(|text| text.trim().eq_ignore_ascii_case("NONE")) {
            return None;
        }
        let kind = self.word("trailing_type", leg.trailing_type.as_ref(), TrailingType::parse, TrailingType::choices);
        let text = self.text("trailing_value", leg.trailing_value.as_ref());
        let (Some(kind), Some(text)) = (kind, text) else {
            if kind.is_some() || text.is_some() {
                self.wrong("trailing_value", "trailing_type and trailing_value go together");
            }
            return None;
        };
        match decimal("trailing_value", text) {
            Ok(value) if value > Decimal::ZERO && (kind != TrailingType::Percent || value < Decimal::ONE_HUNDRED) => {
                Some(Trailing { kind, value })
            }
            _ => {
                self.wrong("trailing_value", format!("{:?} must be greater than 0 (and less than 100 for PERCENT)", clean(text, 40)));
                None
            }
        }
    }
}
