//! The exchange freezes orders above a size: what is larger goes out as several.

use crate::order::{MAX_LEGS, Quantity};

/// The orders that so many units become. `largest` is the most that one takes, whole lots; `None`: all in one. What more
/// than [`MAX_LEGS`] orders would be needed for is left for the next round.
#[must_use]
pub fn slices(units: i64, largest: Option<i64>) -> Vec<Quantity> {
    let most = largest.filter(|largest| *largest > 0).unwrap_or(Quantity::MAX);
    let mut rest = units;
    let mut orders = Vec::new();
    while let Some(next) = Quantity::new(rest.min(most)) {
        orders.push(next);
        rest -= next.value();
        if orders.len() >= MAX_LEGS {
            break;
        }
    }
    orders
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert, prop_assert_eq, proptest};

    use super::*;

    #[test]
    fn the_rest_comes_last() {
        let of = |units, largest| slices(units, largest).iter().map(|units| units.value()).collect::<Vec<_>>();
        assert_eq!(of(4000, Some(1755)), [1755, 1755, 490]);
        assert_eq!(of(1755, Some(1755)), [1755]);
        assert_eq!(of(4000, None), [4000]);
        assert_eq!(of(0, Some(10)), [0i64; 0]);
    }

    proptest! {
        #[test]
        fn prop_nothing_is_lost_or_too_large(units in 1i64..10_000, largest in 100i64..5_000) {
            let orders = slices(units, Some(largest));
            prop_assert_eq!(orders.iter().map(|units| units.value()).sum::<i64>(), units);
            prop_assert!(orders.iter().all(|units| units.value() <= largest));
        }
    }
}
