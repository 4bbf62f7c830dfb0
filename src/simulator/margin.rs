//! What orders and positions block of the money of a simulated account: rules of thumb, the same for every simulated broker.

use ordergate_actors::order::{Instrument, Kind, Product, Side};
use rust_decimal::Decimal;

/// Rupees that so many units block, at that price.
pub(crate) fn blocked(instrument: &Instrument, product: Product, side: Side, quantity: i64, price: Decimal) -> Decimal {
    let units = Decimal::from(quantity).saturating_mul(instrument.rupees_per_point);
    let part = |value: Decimal, percent: i64| value.saturating_mul(units).saturating_mul(Decimal::new(percent, 2));
    match (&instrument.kind, product, side) {
        (Kind::Index, ..) | (Kind::Equity, Product::Cnc, Side::Sell) => Decimal::ZERO,
        (Kind::Equity, Product::Mis, _) => part(price, 20),
        (Kind::Future { .. }, ..) => part(price, 15),
        (Kind::Option { strike, .. }, _, Side::Sell) => part(strike.value(), 15),
        _ if is_paid_in_full(instrument, product, side) => part(price, 100),
        _ => Decimal::ZERO,
    }
}

/// Whether it is paid in full: what it loses is lost of what was paid, and of nothing else.
pub(crate) fn is_paid_in_full(instrument: &Instrument, product: Product, side: Side) -> bool {
    match (&instrument.kind, side) {
        (Kind::Equity, _) => product != Product::Mis,
        (Kind::Option { .. }, Side::Buy) => true,
        (Kind::Option { .. }, Side::Sell) | (Kind::Future { .. } | Kind::Index, _) => false,
    }
}
