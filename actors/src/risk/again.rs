//! A recorded verdict, held against other settings. Pure: it is decided by the numbers that stand in the record, and where those
//! do not tell, that is said. Each verdict is taken alone: what would have followed from another one is not.

use rust_decimal::Decimal;

use super::day::RiskDay;
use super::rules::{furthest, seconds};
use crate::order::{GateVerdict, Intent, Price, Side};
use crate::settings::{Limits, Settings, Waits};

/// What a recorded verdict is held against.
#[derive(Debug, Clone, Copy)]
pub struct Otherwise<'a> {
    /// The limits.
    pub limits: &'a Limits,
    /// The settings of the process.
    pub settings: &'a Settings,
    /// The waits of the account.
    pub waits: &'a Waits,
    /// The risk day as it stood, if one was written: how far its floor had risen.
    pub day: Option<&'a RiskDay>,
    /// What the order is for, as it was read.
    pub intent: Option<Intent>,
}

/// What becomes of a recorded verdict under other settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Again {
    /// The settings say the same of it, or nothing.
    Same,
    /// The record's numbers decide it.
    Judged {
        /// Whether the order may go on.
        passed: bool,
        /// What it is compared with now.
        limit: String,
    },
    /// It is compared with something else now, and the record lacks the numbers to say what comes of it.
    Untold {
        /// What it is compared with now.
        limit: String,
    },
}

/// The first number of a text.
fn number(text: &str) -> Option<Decimal> {
    let start = text.find(|sign: char| sign.is_ascii_digit())?;
    let is_negative = text[..start].ends_with('-');
    let digits = text[start..].split(|sign: char| !sign.is_ascii_digit() && sign != '.').next()?.trim_end_matches('.');
    let number: Decimal = digits.parse().ok()?;
    Some(if is_negative { -number } else { number })
}

/// What stands after the last such words.
fn after<'a>(text: &'a str, words: &str) -> Option<&'a str> {
    text.rsplit_once(words).map(|(_, rest)| rest)
}

impl Otherwise<'_> {
    /// Holds a recorded verdict against these settings.
    #[must_use]
    pub fn judge(&self, gate: &GateVerdict) -> Again {
        let limits = self.limits;
        let rupees = |amount| format!("{amount} rupees");
        let at_most = |limit: String, most: Decimal, seen: Option<Decimal>| decided(gate, limit, |_| Some(seen? <= most));
        let by_text = |limit: String| decided(gate, limit, |_| None);
        let reads = |words: &str| gate.input.contains(words);
        match gate.gate.as_ref() {
            "risk.max_quantity" => at_most(limits.max_quantity.to_string(), limits.max_quantity.into(), number(&gate.input)),
            "risk.max_order_value" => {
                at_most(rupees(limits.max_order_value), limits.max_order_value.0, after(&gate.input, " = ").and_then(number))
            }
            "risk.max_open_value" => at_most(rupees(limits.max_open_value), limits.max_open_value.0, number(&gate.input)),
            "risk.trades_per_day" => at_most(limits.trades_per_day.to_string(), limits.trades_per_day.into(), number(&gate.input)),
            "risk.max_open_orders" => self.open_orders(gate),
            "risk.max_position" => self.growing(gate, limits.max_position),
            // An instrument that the master lacks is refused whatever the limit is.
            "risk.max_position_underlying" if !reads("at the worst") => Again::Same,
            "risk.max_position_underlying" => self.growing(gate, limits.max_position_underlying),
            "risk.max_short_option_lots" => by_text(limits.max_short_option_lots.to_string()),
            "risk.price_collar" => self.collar(gate),
            "risk.margin" => by_text(format!("{} rupees left untouched", limits.capital_reserve)),
            "risk.messages" => by_text(format!("{} orders, changes and cancels in a minute", limits.messages_per_minute)),
            "risk.loss_days" => by_text(format!("fewer than {}", limits.loss_days)),
            "risk.daily_loss" => self.daily_loss(gate),
            "risk.stale_signal" => self.stale(gate),
            "risk.blind" if reads(" are ") => {
                let most = self.waits.blind_after.as_millis();
                at_most(format!("at most {most} ms old"), Decimal::from(u64::try_from(most).unwrap_or(u64::MAX)), number(&gate.input))
            }
            _ => Again::Same,
        }
    }

    /// Judges `max_open_orders` again. A refused verdict counted only up to one beyond its limit, and one that passed may have counted
    /// too many, so the old count decides only in the cases below; `None`: it does not tell.
    fn open_orders(&self, gate: &GateVerdict) -> Again {
        let most = Decimal::from(self.limits.max_open_orders);
        decided(gate, most.to_string(), |_| {
            let seen = number(&gate.input)?;
            match (gate.passed, seen <= most) {
                (true, true) => Some(true),
                (true, false) if !gate.input.starts_with("at most") => Some(false),
                (false, false) => Some(false),
                _ => None,
            }
        })
    }

    /// A position limit holds for what adds to the position only.
    fn growing(&self, gate: &GateVerdict, most: i64) -> Again {
        decided(gate, most.to_string(), |then| {
            let (seen, most) = (number(&gate.input)?, Decimal::from(most));
            if seen <= most {
                return Some(true);
            }
            match gate.passed {
                false => Some(false),
                // It stood above the limit of its day: it did not add.
                true if seen > then? => Some(true),
                true => (self.intent == Some(Intent::Entry)).then_some(false),
            }
        })
    }

    fn collar(&self, gate: &GateVerdict) -> Again {
        let percent = self.limits.collar_percent;
        let Some((said, from)) = gate.input.split_once(", from ") else { return Again::Same };
        let Some((side, price)) = said.split_once(" at ") else { return Again::Same };
        let side = if side == Side::Buy.as_str() { Side::Buy } else { Side::Sell };
        let (Some(price), Some(from)) = (Price::parse(price).ok(), Price::parse(from).ok()) else { return Again::Same };
        let far = furthest(side, from, percent);
        let beyond = if side == Side::Buy { "at most" } else { "at least" };
        let passed = if side == Side::Buy { price.value() <= far } else { price.value() >= far };
        decided(gate, format!("{beyond} {}: {percent} % beyond", far.normalize()), |_| Some(passed))
    }

    /// The floor as it would have stood on that day, however far it had risen.
    fn daily_loss(&self, gate: &GateVerdict) -> Again {
        let loss = self.limits.daily_loss;
        let floor = self.day.map_or(loss.negated(), |day| day.floor(loss));
        decided(gate, format!("above {floor} rupees"), |_| {
            let stands = after(&gate.input, "the day stands at ").and_then(|text| number(text.split(' ').next()?))?;
            let was_over = after(&gate.input, "it was over at ").and_then(|text| number(after(text, " with ")?));
            Some(stands > floor.0 && was_over.is_none_or(|hit| hit > floor.0))
        })
    }

    fn stale(&self, gate: &GateVerdict) -> Again {
        let (limit, most) = if gate.input.ends_with(" in the future") {
            let most = chrono::Duration::from_std(self.settings.future_tolerance).unwrap_or(chrono::Duration::MAX);
            (format!("at most {} ahead of our clock", seconds(most)), most)
        } else if gate.input.ends_with(" s old") {
            let most = chrono::Duration::from_std(self.settings.entry_ttl).unwrap_or(chrono::Duration::MAX);
            (format!("at most {}", seconds(most)), most)
        } else {
            return Again::Same;
        };
        decided(gate, limit, |_| Some(number(&gate.input)? <= Decimal::new(most.num_milliseconds(), 3)))
    }
}

/// The same words are the same limit; else what the numbers say. `judge` hears the number of the limit then.
fn decided(gate: &GateVerdict, limit: String, judge: impl FnOnce(Option<Decimal>) -> Option<bool>) -> Again {
    if limit == gate.limit {
        return Again::Same;
    }
    match judge(number(&gate.limit)) {
        Some(passed) => Again::Judged { passed, limit },
        None => Again::Untold { limit },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_out_of_words() {
        let read = |text| number(text).map(|number| number.to_string());
        assert_eq!(read("101").as_deref(), Some("101"));
        assert_eq!(read("-1250.50 rupees by the broker's rows, our fills say 3").as_deref(), Some("-1250.50"));
        assert_eq!(read("at most 7.").as_deref(), Some("7"));
        assert_eq!((read("no number"), read("")), (None, None));
        assert_eq!(after("3 x 800 = 2400 rupees", " = "), Some("2400 rupees"));
    }
}
