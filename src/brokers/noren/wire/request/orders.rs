//! Orders, changes, cancels, and what they would cost (Noren protocol reference, sections 3 and 4.8).

use ordergate_actors::order::{BrokerOrderId, Instrument, OrderType, Price, Product, Side, Terms};
use ordergate_actors::ports::{BrokerOrder, Modification};
use rust_decimal::Decimal;

use super::super::encode::{Body, EncodeError, Pairs, Value};
use super::{Encoder, source, symbol, text};

/// One order whose margin is asked for.
#[derive(Debug, Clone, Copy)]
pub struct MarginLeg<'a> {
    /// What to trade.
    pub instrument: &'a Instrument,
    /// How.
    pub terms: &'a Terms,
}

impl Encoder {
    /// `PlaceOrder`.
    ///
    /// # Errors
    /// [`EncodeError`] when the order lacks a price or a trigger that its type needs.
    pub fn place(&self, order: &BrokerOrder) -> Result<Body, EncodeError> {
        self.place_as(order, order.tag.as_str())
    }

    /// `PlaceOrder` with another free text than the order's tag.
    ///
    /// # Errors
    /// As [`Encoder::place`].
    pub fn place_as(&self, order: &BrokerOrder, remarks: &str) -> Result<Body, EncodeError> {
        let terms = &order.terms;
        let mut pairs = vec![
            source(),
            self.uid(),
            self.actid(),
            ("exch", text(order.instrument.key.exchange)),
            ("tsym", symbol(&order.instrument.key.symbol)),
            ("qty", text(terms.quantity)),
            ("prc", price(terms)?),
        ];
        pairs.extend(trigger(terms)?);
        pairs.extend([
            ("dscqty", text("0")),
            ("prd", text(product_code(terms.product))),
            ("trantype", text(side_code(terms.side))),
            ("prctyp", text(type_code(terms.order_type))),
            ("mkt_protection", text("0")),
            ("ret", text(terms.validity)),
            ("remarks", text(remarks)),
        ]);
        self.body("PlaceOrder", &pairs)
    }

    /// `ModifyOrder`. The quantity is the new total, filled units included. The tag is sent again, because it is not
    /// known whether a change without it keeps it.
    ///
    /// # Errors
    /// [`EncodeError`] when the change lacks a price or a trigger that its type needs.
    pub fn modify(&self, change: &Modification) -> Result<Body, EncodeError> {
        let terms = &change.terms;
        let mut pairs = vec![
            source(),
            self.uid(),
            self.actid(),
            ("norenordno", text(&change.broker_order_id)),
            ("exch", text(change.instrument.key.exchange)),
            ("tsym", symbol(&change.instrument.key.symbol)),
            ("qty", text(terms.quantity)),
            ("prctyp", text(type_code(terms.order_type))),
            ("prc", price(terms)?),
        ];
        // A trigger of 0 on a plain limit is answered Ok and refused afterwards.
        pairs.extend(trigger(terms)?);
        pairs.extend([("ret", text(terms.validity)), ("dscqty", text("0"))]);
        pairs.extend(change.tag.as_ref().map(|tag| ("remarks", text(tag))));
        self.body("ModifyOrder", &pairs)
    }

    /// `CancelOrder`.
    ///
    /// # Errors
    /// [`EncodeError`] when a field is blank.
    pub fn cancel(&self, id: &BrokerOrderId) -> Result<Body, EncodeError> {
        self.body("CancelOrder", &vec![source(), self.uid(), ("norenordno", text(id))])
    }

    /// `GetOrderMargin` of a fresh order.
    ///
    /// # Errors
    /// [`EncodeError`] when the order lacks a price or a trigger that its type needs.
    pub fn order_margin(&self, leg: MarginLeg<'_>) -> Result<Body, EncodeError> {
        let mut pairs = vec![self.uid(), self.actid()];
        pairs.extend(margin_leg(leg)?);
        pairs.extend([("rorgqty", text("0")), ("rorgprc", text("0"))]);
        self.body("GetOrderMargin", &pairs)
    }

    /// `GetBasketMargin`: the first leg at the top, the others in a list.
    ///
    /// # Errors
    /// [`EncodeError`] when a leg lacks a price or a trigger that its type needs.
    pub fn basket_margin(&self, first: MarginLeg<'_>, others: &[MarginLeg<'_>]) -> Result<Body, EncodeError> {
        let mut pairs = vec![self.uid(), self.actid()];
        pairs.extend(margin_leg(first)?);
        let rows = others.iter().map(|leg| margin_leg(*leg)).collect::<Result<Vec<_>, _>>()?;
        pairs.push(("basketlists", Value::List(rows)));
        self.body("GetBasketMargin", &pairs)
    }
}

fn margin_leg(leg: MarginLeg<'_>) -> Result<Pairs, EncodeError> {
    let MarginLeg { instrument, terms } = leg;
    let mut pairs = vec![
        ("exch", text(instrument.key.exchange)),
        ("tsym", symbol(&instrument.key.symbol)),
        ("qty", text(terms.quantity)),
        ("prc", price(terms)?),
    ];
    pairs.extend(trigger(terms)?);
    pairs.extend([
        ("prd", text(product_code(terms.product))),
        ("trantype", text(side_code(terms.side))),
        ("prctyp", text(type_code(terms.order_type))),
    ]);
    Ok(pairs)
}

/// The limit price; `"0"` for a market order, whatever price it carries.
fn price(terms: &Terms) -> Result<Value, EncodeError> {
    match (terms.order_type.has_price(), terms.price) {
        (false, _) => Ok(text("0")),
        (true, Some(price)) => Ok(text(rupees(price))),
        (true, None) => Err(EncodeError::Incomplete { order_type: terms.order_type.as_str(), what: "price" }),
    }
}

/// The trigger, only where the type has one.
fn trigger(terms: &Terms) -> Result<Option<(&'static str, Value)>, EncodeError> {
    match (terms.order_type.has_trigger(), terms.trigger_price) {
        (false, _) => Ok(None),
        (true, Some(price)) => Ok(Some(("trgprc", text(rupees(price))))),
        (true, None) => Err(EncodeError::Incomplete { order_type: terms.order_type.as_str(), what: "trigger price" }),
    }
}

/// At least two decimals, and never fewer than the price has.
fn rupees(price: Price) -> Decimal {
    let mut value = price.value();
    if value.scale() < 2 {
        value.rescale(2);
    }
    value
}

/// The protocol's letter of a product.
#[must_use]
fn product_code(product: Product) -> &'static str {
    match product {
        Product::Mis => "I",
        Product::Nrml => "M",
        Product::Cnc => "C",
    }
}

fn side_code(side: Side) -> &'static str {
    match side {
        Side::Buy => "B",
        Side::Sell => "S",
    }
}

fn type_code(order_type: OrderType) -> &'static str {
    match order_type {
        OrderType::Market => "MKT",
        OrderType::Limit => "LMT",
        OrderType::StopLimit => "SL-LMT",
        OrderType::StopMarket => "SL-MKT",
    }
}
