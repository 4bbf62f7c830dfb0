//! A strategy that repeats itself, or whose orders the broker rejects again and again, is halted until a named person lets
//! it trade again. Pure; the halt is a small state of its own.

use chrono::{DateTime, Duration, Utc};
use serde::{Deserialize, Serialize};

use crate::order::{OrderRecord, Strategy, Tag};
use crate::persistence::Book;
use crate::settings::Limits;

/// Orders of a strategy that are looked at, newest first.
const LOOKED_AT: usize = 256;

/// A halt, or the end of one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Halt {
    /// The strategy.
    pub strategy: Strategy,
    /// What it did, with the numbers.
    pub reason: String,
    /// Since when.
    pub at: DateTime<Utc>,
    /// Who let it trade again; what it did before counts no longer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rearmed: Option<Rearmed>,
}

/// A person lets a halted strategy trade again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rearmed {
    /// When.
    pub at: DateTime<Utc>,
    /// Who.
    pub who: String,
    /// Why.
    pub reason: String,
}

impl Halt {
    /// Whether its entries are refused.
    #[must_use]
    pub fn stands(&self) -> bool {
        self.rearmed.is_none()
    }
}

/// Why the order's strategy is to be halted, if so: this entry would be one too many. The orders of one basket count once.
#[must_use]
pub(super) fn storm(order: &OrderRecord, book: &Book, limits: &Limits, since: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Option<String> {
    let window = Duration::from_std(limits.repeats_window).unwrap_or(Duration::MAX);
    let from = now.checked_sub_signed(window).unwrap_or(DateTime::<Utc>::MIN_UTC).max(since.unwrap_or(DateTime::<Utc>::MIN_UTC));
    let before = || book.newest_of(&order.ask.strategy).take(LOOKED_AT).filter(|other| other.number < order.number && !other.is_test());
    let rejected = before().filter(|other| other.tag == Some(Tag::BrokerRejected) && other.updated_at > from).count();
    if rejected >= limits.rejections {
        return Some(format!("the broker rejected {rejected} orders of {} within {} s", order.ask.strategy, window.num_seconds()));
    }
    let is_alike = |other: &&std::sync::Arc<OrderRecord>| {
        !other.is_exit() && other.sent_at.is_some() && other.ask.exchange == order.ask.exchange && other.ask.symbol == order.ask.symbol
    };
    let mut baskets: Vec<_> = before()
        .take_while(|other| other.created_at > from)
        .filter(is_alike)
        .filter(|other| other.basket_id != order.basket_id)
        .map(|other| other.basket_id)
        .collect();
    baskets.dedup();
    (baskets.len() >= limits.repeats).then(|| {
        format!("{} entered {} {} times within {} s", order.ask.strategy, order.ask.symbol, baskets.len() + 1, window.num_seconds())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::Status;
    use crate::testkit::builders::{Build, at, book_of, order};

    fn limits() -> Limits {
        Limits { repeats: 3, rejections: 2, repeats_window: std::time::Duration::from_secs(60), ..Limits::standard() }
    }

    fn entered(number: u64, second: i64) -> OrderRecord {
        OrderRecord { created_at: at(second), ..order(number).basket(number, 0).sent().filled(10, 10) }
    }

    fn storms(others: Vec<OrderRecord>, since: Option<i64>) -> Option<String> {
        let me = order(100).basket(100, 0);
        storm(&me, &book_of(others, &[]), &limits(), since.map(at), at(60))
    }

    #[test]
    fn one_too_many_in_the_same_instrument_halts() {
        let three = || vec![entered(1, 1), entered(2, 20), entered(3, 59)];
        assert!(storms(three(), None).unwrap().contains("4 times within 60 s"));
        assert_eq!(storms(vec![entered(1, 0), entered(2, 20), entered(3, 59)], None), None, "the first is too old");
        assert_eq!(storms(vec![entered(1, 1), entered(2, 2).of("INFY-EQ"), entered(3, 3)], None), None);
        assert_eq!(storms(vec![entered(1, 1), entered(2, 2).by("other"), entered(3, 3)], None), None);
        assert_eq!(storms(three(), Some(30)), None, "what it did before it was re-armed");
        let sides = three().into_iter().enumerate().map(|(index, order)| {
            let side = if index % 2 == 0 { crate::order::Side::Buy } else { crate::order::Side::Sell };
            order.side(side)
        });
        assert!(storms(sides.collect(), None).is_some(), "to and fro");
    }

    #[test]
    fn the_slices_of_a_basket_count_once_and_what_was_not_sent_not_at_all() {
        let slices = (1..=9).map(|number| OrderRecord { created_at: at(10), ..order(number).basket(1, 0).sent() });
        assert_eq!(storms(slices.collect(), None), None);
        let refused = (1..=9).map(|number| OrderRecord { created_at: at(10), ..order(number).basket(number, 0) });
        let refused = refused.map(|order| order.ended(Status::Failed, Some(Tag::RiskLimitsExceeded)));
        assert_eq!(storms(refused.collect(), None), None);
    }

    #[test]
    fn rejections_in_a_row_halt() {
        let rejected = |number, second| OrderRecord {
            updated_at: at(second),
            ..order(number).basket(number, 0).ended(Status::Failed, Some(Tag::BrokerRejected))
        };
        assert!(storms(vec![rejected(1, 1), rejected(2, 59)], None).unwrap().contains("rejected 2 orders"));
        assert_eq!(storms(vec![rejected(1, 0), rejected(2, 59)], None), None);
        assert_eq!(storms(vec![rejected(1, 1).test(), rejected(2, 59)], None), None);
    }
}
