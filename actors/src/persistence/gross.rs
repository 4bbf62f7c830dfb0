//! What all strategies of an account hold together.

/// Units that an account's strategies hold in one instrument and product, by direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Gross {
    /// Sum of the long holdings.
    pub long: i64,
    /// Sum of the short holdings, as a positive number.
    pub short: i64,
}

impl Gross {
    pub(super) fn add(&mut self, net: i64, sign: i64) {
        if net > 0 {
            self.long += sign * net;
        } else {
            self.short -= sign * net;
        }
    }

    /// Long minus short: what the broker's net should be.
    #[must_use]
    pub fn net(self) -> i64 {
        self.long - self.short
    }
}
