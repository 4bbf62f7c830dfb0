//! Steps of ladders that the broker refused: in which words, and what these mean for the next. Pure.
//!
//! They are remembered for as long as the process runs: after a restart the next step is asked for and refused once more.

use std::collections::BTreeMap;

use chrono::{DateTime, Duration, Utc};

use super::reject::{Rejection, band_told, classify};
use crate::order::{CommandId, Price};

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::builders::{at, command, price};

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
