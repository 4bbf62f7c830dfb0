//! Steps of ladders that the broker refused: in which words, and what these mean for the next. Pure.
//!
//! They are remembered for as long as the process runs: after a restart the next step is asked for and refused once more.

use std::collections::BTreeMap;

use chrono::{DateTime, Duration, NaiveDate, Utc};

use super::reject::{Rejection, band_told, classify};
use crate::order::{CommandId, InstrumentKey, OrderRecord, Price, Tag, trading_date};
use crate::persistence::Book;

/// How the broker refused the steps of an exit from one limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The limit at which it stayed.
    pub limit: Price,
    /// When that was heard first.
    pub since: DateTime<Utc>,
    /// What was said last.
    pub words: String,
    /// What that means.
    pub rejection: Rejection,
    /// The prices that the broker named as those which the exchange takes.
    pub band: Option<(Price, Price)>,
}

impl Refused {
    /// Whether a person must hear of it now. `patience`: how long after the first refusal, where the next step may still be taken.
    #[must_use]
    pub fn is_due(&self, patience: Duration, now: DateTime<Utc>) -> bool {
        self.rejection == Rejection::Cutoff || now.signed_duration_since(self.since) >= patience
    }

    /// Whether it is asked for more slowly from now on: no price changes what was refused.
    #[must_use]
    pub fn is_slow(&self) -> bool {
        matches!(self.rejection, Rejection::Cutoff | Rejection::Session | Rejection::Margin)
    }
}

/// The refused steps of all exits.
#[derive(Debug, Default)]
pub struct Steps(BTreeMap<CommandId, Refused>);

/// How the record of an answer begins that is the broker's refusal.
const REFUSED: &str = "rejected: ";

impl Steps {
    /// What the record says of the answer to a change of an exit that stands at this limit.
    pub fn heard(&mut self, exit: CommandId, limit: Price, answer: &str, now: DateTime<Utc>) {
        let Some(words) = answer.strip_prefix(REFUSED) else { return };
        let before = self.0.remove(&exit);
        let since = before.as_ref().filter(|before| before.limit == limit).map_or(now, |before| before.since);
        let band = band_told(words).or(before.and_then(|before| before.band));
        self.0.insert(exit, Refused { limit, since, words: words.to_owned(), rejection: classify(words), band });
    }

    /// How the steps of an exit were refused that still stands there.
    #[must_use]
    pub fn at(&self, exit: CommandId, limit: Price) -> Option<&Refused> {
        self.0.get(&exit).filter(|refused| refused.limit == limit)
    }

    /// The prices that were named for an exit, wherever it stands by now.
    #[must_use]
    pub fn band(&self, exit: CommandId) -> Option<(Price, Price)> {
        self.0.get(&exit)?.band
    }

    /// Forgets exits that are not on their ladders any more.
    pub fn keep(&mut self, is_on: impl Fn(CommandId) -> bool) {
        self.0.retain(|exit, _| is_on(*exit));
    }
}

/// The lowest and the highest price that the exchange takes, as the broker named them today when it refused an exit as a new order,
/// the last time that it did. The morning's band of the master, and that of a quote, may be another.
#[must_use]
pub fn band_named(key: &InstrumentKey, book: &Book, today: NaiveDate) -> Option<(Price, Price)> {
    let is_refused = |order: &OrderRecord| order.tag == Some(Tag::BrokerRejected) && order.is_for(key);
    let refused = book.failed_exits().filter(|order| is_refused(order) && trading_date(order.updated_at) == today);
    refused.filter_map(|order| band_told(order.reason.as_deref()?)).last()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::order::{Product, Status};
    use crate::testkit::builders::{Build, at, book_of, command, exit, price, sbin_in};

    #[test]
    fn the_band_that_was_named_when_an_exit_was_refused_counts_for_the_day() {
        let refused = |number, low: &str| {
            let words = format!("RED:RULE:{{Check circuit limit}}Current:INR 94.9 LowerCircuit:INR {low} UpperCircuit:INR 105");
            let order = exit(number).product(Product::Mis).ended(Status::Failed, Some(Tag::BrokerRejected));
            OrderRecord { reason: Some(Arc::from(words)), updated_at: at(0), ..order }
        };
        let named = |orders: Vec<OrderRecord>, days: u64| {
            let today = trading_date(at(0)).checked_add_days(chrono::Days::new(days)).unwrap();
            band_named(&sbin_in(Product::Mis).instrument, &book_of(orders, &[]), today)
        };
        let margin = OrderRecord { reason: Some(Arc::from("margin shortfall")), ..refused(3, "1") };
        assert_eq!(named(vec![refused(1, "95"), margin], 0), Some((price("95"), price("105"))));
        assert_eq!(named(vec![refused(1, "95"), refused(2, "90")], 0), Some((price("90"), price("105"))), "the last one");
        assert_eq!(named(vec![refused(1, "95")], 1), None, "it is another one tomorrow");
        assert_eq!(named(vec![refused(1, "95").of("OTHER-EQ")], 0), None);
        assert_eq!(named(vec![OrderRecord { tag: Some(Tag::BrokerCancelled), ..refused(1, "95") }], 0), None);
    }

    #[test]
    fn a_refusal_counts_from_the_first_at_its_limit_and_is_past_when_that_has_moved() {
        let mut steps = Steps::default();
        let patience = Duration::seconds(3);
        for second in [10, 11, 12] {
            steps.heard(command(1), price("849.5"), "rejected: 16387: Trading Suspended", at(second));
        }
        let refused = steps.at(command(1), price("849.5")).unwrap();
        assert_eq!((refused.rejection, refused.since, refused.is_slow()), (Rejection::Other, at(10), false));
        assert!(!refused.is_due(patience, at(12)) && refused.is_due(patience, at(13)));
        assert_eq!(steps.at(command(1), price("848")), None, "it has moved");
        steps.heard(command(1), price("848"), "rejected: 16387: Trading Suspended", at(20));
        assert_eq!(steps.at(command(1), price("848")).unwrap().since, at(20));
        steps.keep(|exit| exit != command(1));
        assert_eq!(steps.at(command(1), price("848")), None);
    }

    #[test]
    fn after_the_cut_off_a_person_hears_at_once_and_what_is_no_refusal_is_none() {
        let mut steps = Steps::default();
        for answer in ["accepted", "not sent: the order has ended", "rejected, too many calls: 429", "no clear answer: 502"] {
            steps.heard(command(1), price("849.5"), answer, at(0));
            assert_eq!(steps.at(command(1), price("849.5")), None, "{answer}");
        }
        steps.heard(command(1), price("849.5"), "rejected: MIS orders are not allowed after Square off time", at(0));
        let refused = steps.at(command(1), price("849.5")).unwrap();
        assert!(refused.is_due(Duration::seconds(3), at(0)) && refused.is_slow());
    }

    #[test]
    fn the_band_that_was_named_stays_known() {
        let mut steps = Steps::default();
        let words =
            "rejected: RED:RULE:{Check circuit limit including square off order}Current:INR 90 LowerCircuit:INR 95 UpperCircuit:INR 105";
        steps.heard(command(1), price("97"), words, at(0));
        steps.heard(command(1), price("96"), "rejected: 16387: Trading Suspended", at(5));
        assert_eq!(steps.band(command(1)), Some((price("95"), price("105"))));
        assert_eq!(steps.band(command(2)), None);
    }
}
