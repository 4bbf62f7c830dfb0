//! The line that realised results draw over a day.

use crate::order::Amount;

/// A running result with its highest point and its deepest fall from one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Curve {
    /// Gross rupees realised since the day began.
    pub realised: Amount,
    /// The most that it was; 0 until it is a profit.
    pub high_water: Amount,
    /// The deepest fall below a high-water mark before it, as a positive number of rupees.
    pub drawdown: Amount,
}

impl Curve {
    /// The line after one more result.
    #[must_use]
    pub fn after(self, realised: Amount) -> Self {
        let realised = self.realised.plus(realised);
        let high_water = self.high_water.max(realised);
        Self { realised, high_water, drawdown: self.drawdown.max(high_water.plus(realised.negated())) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rust_decimal::Decimal;

    #[test]
    fn the_deepest_fall_is_measured_from_the_high_before_it() {
        let points = [100, -30, 50, -200, 40];
        let curve = points.into_iter().fold(Curve::default(), |curve, step| curve.after(Amount(Decimal::from(step))));
        assert_eq!(curve.realised, Amount(Decimal::from(-40)));
        assert_eq!(curve.high_water, Amount(Decimal::from(120)));
        assert_eq!(curve.drawdown, Amount(Decimal::from(200)));
        let loss = Curve::default().after(Amount(Decimal::from(-7)));
        assert_eq!((loss.high_water, loss.drawdown), (Amount::ZERO, Amount(Decimal::from(7))), "a day begins at nothing");
    }
}
