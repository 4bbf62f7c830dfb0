//! Randomness that has no state: a number is a function of a seed and of what it is for.

/// Mixes the words into one number, so that close inputs give far outputs (splitmix64).
pub(crate) fn hash(words: &[u64]) -> u64 {
    words.iter().fold(0x9e37_79b9_7f4a_7c15, |state, word| mix(state.wrapping_add(*word).wrapping_mul(0xd134_2543_de82_ef95)))
}

fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// The hash of a name.
pub(crate) fn name(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |state, byte| (state ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

/// A number from `low` to `high`, both included.
pub(crate) fn between(low: i64, high: i64, words: &[u64]) -> i64 {
    let span = u64::try_from(high - low + 1).unwrap_or(1).max(1);
    low + i64::try_from(hash(words) % span).unwrap_or(0)
}

const UNIT: i64 = 1_000_000;

/// A smooth curve through one hashed point per period: from -1,000,000 to 1,000,000.
pub(crate) fn smooth(seed: u64, channel: u64, millis: i64, period_ms: i64) -> i64 {
    let (cell, inside) = (millis.div_euclid(period_ms), millis.rem_euclid(period_ms));
    let point = |n: i64| between(-UNIT, UNIT, &[seed, channel, n.cast_unsigned()]);
    let x = inside * UNIT / period_ms;
    // 3x² - 2x³, so that the curve has no corners.
    let weight = x * x / UNIT * (3 * UNIT - 2 * x) / UNIT;
    let (from, to) = (point(cell), point(cell + 1));
    from + (to - from) * weight / UNIT
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, prop_assert, proptest};

    proptest! {
        #[test]
        fn prop_the_curve_is_bounded_and_has_no_jumps(seed: u64, channel: u64, millis in -4_000_000_000_000i64..4_000_000_000_000) {
            let (a, b) = (smooth(seed, channel, millis, 60_000), smooth(seed, channel, millis + 1, 60_000));
            prop_assert!(a.abs() <= UNIT && b.abs() <= UNIT);
            prop_assert!((a - b).abs() <= 60, "{} to {}", a, b);
        }

        #[test]
        fn prop_between_stays_between(low in -1000i64..1000, span in 0i64..1000, word in any::<u64>()) {
            let drawn = between(low, low + span, &[word]);
            prop_assert!(drawn >= low && drawn <= low + span);
        }
    }
}
