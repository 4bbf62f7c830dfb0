//! The account's books (Noren protocol reference, section 4).

use ordergate_actors::order::BrokerOrderId;

use super::super::encode::{Body, EncodeError};
use super::{Encoder, text};

/// A read that is named by the account alone.
macro_rules! account_read {
    ($($(#[$doc:meta])* $name:ident = $route:literal),+ $(,)?) => {
        impl Encoder {
            $(
                $(#[$doc])*
                ///
                /// # Errors
                /// [`EncodeError`] when a field is blank.
                pub fn $name(&self) -> Result<Body, EncodeError> {
                    self.body($route, &vec![self.uid(), self.actid()])
                }
            )+
        }
    };
}

account_read!(
    /// `OrderBook`: all orders of the account today, whoever placed them.
    order_book = "OrderBook",
    /// `TradeBook`: one row for each fill of today.
    trade_book = "TradeBook",
    /// `PositionBook`.
    position_book = "PositionBook",
    /// `Limits`: the account's money.
    limits = "Limits",
);

impl Encoder {
    /// `Holdings`: what is held for delivery.
    ///
    /// # Errors
    /// [`EncodeError`] when a field is blank.
    pub fn holdings(&self) -> Result<Body, EncodeError> {
        self.body("Holdings", &vec![self.uid(), self.actid(), ("prd", text("C"))])
    }

    /// `SingleOrdHist`: the events of one order of today.
    ///
    /// # Errors
    /// [`EncodeError`] when a field is blank.
    pub fn order_history(&self, id: &BrokerOrderId) -> Result<Body, EncodeError> {
        self.body("SingleOrdHist", &vec![self.uid(), ("norenordno", text(id))])
    }
}
