use rust_decimal::Decimal;

use super::*;
use crate::order::{Kind, Right};
use crate::settings::Limits;
use crate::testkit::builders::{future, price, rupees, share};

#[test]
fn what_an_order_takes_by_kind_product_and_side() {
    let percent = Limits::standard().margin;
    let option = || {
        let kind = Kind::Option { expiry: "2026-11-24".parse().unwrap(), strike: price("26000"), right: Right::Call };
        Instrument { kind, ..future() }
    };
    let quarter = Decimal::from(25);
    let rows = [
        (share(), Product::Cnc, Side::Buy, Basis::Full, Some(8_000)),
        (share(), Product::Cnc, Side::Sell, Basis::Nothing, Some(0)),
        (share(), Product::Mis, Side::Buy, Basis::OfValue(quarter), Some(2_000)),
        (share(), Product::Mis, Side::Sell, Basis::OfValue(quarter), Some(2_000)),
        (share(), Product::Nrml, Side::Buy, Basis::Full, Some(8_000)),
        (future(), Product::Nrml, Side::Sell, Basis::OfValue(quarter), Some(2_000)),
        (option(), Product::Nrml, Side::Buy, Basis::Full, Some(8_000)),
        (option(), Product::Mis, Side::Sell, Basis::OfStrike(quarter, price("26000")), Some(65_000)),
    ];
    for (found, product, side, basis, amount) in rows {
        let seen = Basis::of(Some(&found), side, Some(product), &percent);
        assert_eq!(
            (seen, seen.amount(10, Some(price("800")), Some(Decimal::ONE))),
            (basis, amount.map(rupees)),
            "{:?} {product} {side}",
            found.kind
        );
    }
    assert_eq!(Basis::of(None, Side::Buy, None, &percent), Basis::Full, "what no master has");
}

#[test]
fn without_a_price_only_a_strike_tells() {
    let one = Some(Decimal::ONE);
    assert_eq!(Basis::Full.amount(10, None, one), None);
    assert_eq!(Basis::OfValue(Decimal::TEN).amount(10, None, one), None);
    assert_eq!(Basis::OfStrike(Decimal::TEN, price("100")).amount(10, None, one), Some(rupees(100)));
    assert_eq!(Basis::Nothing.amount(10, None, None), Some(Amount::ZERO));
}

#[test]
fn margin_is_a_part_of_what_points_are_worth() {
    let (at, tenth) = (Some(price("75000")), Some(Decimal::new(1, 1)));
    assert_eq!(Basis::Full.amount(100, at, tenth), Some(rupees(750_000)));
    assert_eq!(Basis::OfValue(Decimal::TEN).amount(100, at, tenth), Some(rupees(75_000)));
    assert_eq!(Basis::OfStrike(Decimal::TEN, price("80000")).amount(100, None, tenth), Some(rupees(80_000)));
    for basis in [Basis::Full, Basis::OfValue(Decimal::TEN), Basis::OfStrike(Decimal::TEN, price("80000"))] {
        assert_eq!(basis.amount(100, at, None), None, "what a point is worth is not known");
    }
}
