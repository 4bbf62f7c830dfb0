//! What an option costs in the synthetic market: intrinsic value on the forward, and a time value that is largest at
//! the money and grows with the square root of the time left. Calls and puts of one strike differ by exactly
//! forward minus strike. All amounts are in hundredths of a paisa (1/10,000 rupee).

/// Yearly volatility of the synthetic market, in millionths.
const VOLATILITY: i128 = 130_000;
const YEAR_S: i128 = 365 * 86_400;
const UNIT: i128 = 1_000_000;

/// Time value over standard deviation, in millionths, at 0, 0.25, 0.5 ... 4 deviations from the money (normal model).
const CURVE: [i128; 17] =
    [398_942, 286_345, 197_797, 131_167, 83_315, 50_587, 29_307, 16_174, 8_491, 4_235, 2_004, 899, 382, 154, 58, 21, 7];

/// The value of a call and of a put.
pub(super) fn values(forward: i64, strike: i64, seconds_left: i64) -> (i64, i64) {
    let away = forward - strike;
    let time_value = time_value(forward, away.abs(), seconds_left);
    (away.max(0) + time_value, (-away).max(0) + time_value)
}

fn time_value(forward: i64, away: i64, seconds_left: i64) -> i64 {
    let seconds = i128::from(seconds_left.max(0));
    // sqrt(seconds / year) in millionths.
    let root = (seconds * UNIT * UNIT / YEAR_S).isqrt();
    let deviation = i128::from(forward) * VOLATILITY / UNIT * root / UNIT;
    if deviation <= 0 {
        return 0;
    }
    // How many quarter deviations away from the money, in millionths.
    let quarters = i128::from(away) * 4 * UNIT / deviation;
    let (cell, inside) = (usize::try_from(quarters / UNIT).unwrap_or(usize::MAX), quarters % UNIT);
    let at = |n: usize| CURVE.get(n).copied().unwrap_or(0);
    let share = at(cell) + (at(cell.saturating_add(1)) - at(cell)) * inside / UNIT;
    i64::try_from(deviation * share / UNIT).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{prop_assert, prop_assert_eq, proptest};

    const RUPEE: i64 = 10_000;
    const DAY: i64 = 86_400;

    #[test]
    fn a_week_at_the_money_costs_what_it_should() {
        let (call, put) = values(25_700 * RUPEE, 25_700 * RUPEE, 7 * DAY);
        assert_eq!(call, put);
        // 0.4 * 25,700 * 13 % * sqrt(7/365) = 184.6
        assert!((180 * RUPEE..190 * RUPEE).contains(&call), "{call}");
    }

    #[test]
    fn at_expiry_only_the_intrinsic_value_is_left() {
        assert_eq!(values(25_700 * RUPEE, 25_000 * RUPEE, 0), (700 * RUPEE, 0));
    }

    proptest! {
        #[test]
        fn prop_calls_and_puts_agree_and_strikes_are_ordered(
            forward in 100i64..100_000, strike in 100i64..100_000, step in 1i64..500, seconds in 0i64..40 * DAY,
        ) {
            let (forward, strike, step) = (forward * RUPEE, strike * RUPEE, step * RUPEE);
            let (call, put) = values(forward, strike, seconds);
            prop_assert_eq!(call - put, forward - strike);
            prop_assert!(call >= 0 && put >= 0);
            let (next_call, next_put) = values(forward, strike + step, seconds);
            // To a tenth of a paisa, which is far below a tick.
            prop_assert!(next_call <= call + 10 && next_put + 10 >= put);
        }
    }
}
