//! A chain of alerts that say which position a strategy is in: each begins where the one before ended. A break in the
//! chain is an alert that did not arrive; an alert that fills a break comes behind the one after it, and what it wants is
//! the past.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::reading::Reading;
use crate::order::Side;

/// The newest alert of a chain, and what was missing before it. Sizes are in the sender's own unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trail {
    /// When it was made, if it said so.
    pub made_at: Option<DateTime<Utc>>,
    /// The position before it, if it said so.
    pub before: Option<Decimal>,
    /// The position after it.
    pub position: Decimal,
    /// The step that did not arrive before it: from, to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gap: Option<(Decimal, Decimal)>,
}

/// What an alert is in its chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// It goes on where the last ended, or begins the chain.
    Next,
    /// The newest one again.
    Same,
    /// It is older than one that was acted upon.
    Overtaken(String),
    /// It goes on, but an alert before it did not arrive.
    Missed(String),
}

/// Takes an alert in; `None` if it says no position. The second is the chain after it.
#[must_use]
pub fn step(last: Option<&Trail>, reading: &Reading) -> Option<(Step, Trail)> {
    let position = reading.position?;
    let now = Trail { made_at: reading.made_at, before: reading.before, position, gap: None };
    let Some(last) = last else {
        let odd = inconsistent(reading);
        return Some((odd.map_or(Step::Next, Step::Missed), now));
    };
    if (last.made_at, last.before, last.position) == (now.made_at, now.before, now.position) && now.made_at.is_some() {
        return Some((Step::Same, last.clone()));
    }
    let is_older = matches!((now.made_at, last.made_at), (Some(now), Some(last)) if now < last);
    let fills_the_gap = last.gap.is_some_and(|gap| Some(gap) == now.before.map(|before| (before, now.position)));
    let may_be_before = !matches!((now.made_at, last.made_at), (Some(now), Some(last)) if now > last);
    if is_older || (fills_the_gap && may_be_before) {
        let words = format!("it says {}, and a newer alert of the same strategy said {}: it came late", place(&now), place(last));
        let gap = last.gap.filter(|_| !fills_the_gap);
        return Some((Step::Overtaken(words), Trail { gap, ..last.clone() }));
    }
    match now.before.filter(|before| *before != last.position) {
        Some(before) => {
            let words = format!("it says that the strategy was at {before}, and the alert before it left it at {}", last.position);
            Some((Step::Missed(words), Trail { gap: Some((last.position, before)), ..now }))
        }
        None => Some((inconsistent(reading).map_or(Step::Next, Step::Missed), now)),
    }
}

fn place(trail: &Trail) -> String {
    let before = trail.before.map_or_else(String::new, |before| format!("from {before} "));
    format!("{before}to {}", trail.position)
}

/// What the alert says of itself: before, by so much, after. `None` if it fits or does not say enough.
fn inconsistent(reading: &Reading) -> Option<String> {
    let (before, size, side, after) = (reading.before?, reading.size?, reading.action?, reading.position?);
    let moved = if side == Side::Buy { before.checked_add(size.abs()) } else { before.checked_sub(size.abs()) }?;
    (moved != after).then(|| format!("it says {side} {size} from {before}, which is {moved}, and that the strategy is at {after}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{prop_assert, prop_assert_eq, proptest};

    fn at(second: i64) -> Option<DateTime<Utc>> {
        DateTime::from_timestamp(1_700_000_000 + second, 0)
    }

    fn alert(second: i64, before: i64, after: i64) -> Reading {
        Reading {
            made_at: at(second),
            before: Some(before.into()),
            position: Some(after.into()),
            action: Some(if after >= before { Side::Buy } else { Side::Sell }),
            size: Some((after - before).abs().into()),
            ..Reading::default()
        }
    }

    /// What each alert is, in the order in which they come.
    fn walk(alerts: &[Reading]) -> Vec<Step> {
        let mut last = None;
        let mut steps = Vec::new();
        for alert in alerts {
            let (step, next) = super::step(last.as_ref(), alert).unwrap();
            steps.push(step);
            last = Some(next);
        }
        steps
    }

    fn kinds(alerts: &[Reading]) -> String {
        let letter = |step: &Step| match step {
            Step::Next => 'n',
            Step::Same => 's',
            Step::Overtaken(_) => 'o',
            Step::Missed(_) => 'm',
        };
        walk(alerts).iter().map(letter).collect()
    }

    #[test]
    fn a_chain_goes_on_and_a_resend_is_the_same() {
        assert_eq!(kinds(&[alert(0, 0, 1), alert(60, 1, 2), alert(60, 1, 2), alert(120, 2, 0)]), "nnsn");
        assert_eq!(super::step(None, &Reading::default()), None);
    }

    #[test]
    fn a_lost_alert_is_told_and_healed() {
        let steps = walk(&[alert(0, 0, 1), alert(120, 2, 3)]);
        assert!(matches!(&steps[1], Step::Missed(words) if words.contains("at 2") && words.contains("at 1")), "{steps:?}");
    }

    #[test]
    fn two_alerts_of_one_bar_in_reverse_order() {
        // Long is closed and a short opened in the same second; the second comes first.
        assert_eq!(kinds(&[alert(0, 0, 1), alert(60, 0, -1), alert(60, 1, 0)]), "nmo");
        // Closed and opened again on the same side: the late one would flatten what is wanted.
        assert_eq!(kinds(&[alert(0, 0, 1), alert(60, 0, 1), alert(60, 1, 0)]), "nmo");
        // In the right order nothing is late, in the same second or not.
        assert_eq!(kinds(&[alert(0, 0, 1), alert(60, 1, 0), alert(60, 0, 1)]), "nnn");
        assert_eq!(kinds(&[alert(0, 0, 1), alert(60, 0, 1), alert(61, 1, 0)]), "nmn", "what is newer fills no gap");
    }

    #[test]
    fn what_an_alert_says_of_itself_must_fit() {
        let mut odd = alert(0, 0, 3);
        odd.size = Some(Decimal::ONE);
        assert!(matches!(&walk(&[odd])[0], Step::Missed(words) if words.contains("is at 3")));
        let mut silent = alert(0, 0, 3);
        silent.size = None;
        assert_eq!(walk(&[silent]), [Step::Next]);
    }

    proptest! {
        /// In whatever order the alerts of a walk come, the one that was made last decides, if each was made in a second of its own.
        #[test]
        fn prop_the_newest_decides(steps in proptest::collection::vec(-3i64..4, 1..12), order in proptest::collection::vec(proptest::prelude::any::<u32>(), 12)) {
            let mut position = 0;
            let mut alerts: Vec<Reading> = Vec::new();
            for (second, step) in (0i64..).zip(&steps) {
                alerts.push(alert(second, position, position + step));
                position += step;
            }
            let mut mixed: Vec<(u32, Reading)> = order.into_iter().zip(alerts).collect();
            mixed.sort_by_key(|(place, _)| *place);
            let mut last: Option<Trail> = None;
            let mut target = None;
            for (_, alert) in &mixed {
                let (step, next) = super::step(last.as_ref(), alert).unwrap();
                if !matches!(step, Step::Overtaken(_)) {
                    target = alert.position;
                }
                prop_assert!(next.position == alert.position.unwrap() || matches!(step, Step::Overtaken(_)));
                last = Some(next);
            }
            prop_assert_eq!(target, Some(position.into()));
        }
    }
}
