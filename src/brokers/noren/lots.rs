//! What a quantity counts on MCX and CDS. In ordergate it is units everywhere; where the broker counts lots, quantities are
//! divided on the way out and multiplied on the way in.
//!
//! *Invariant:* out and in again is the same quantity, or nothing goes out.

use std::fmt;
use std::sync::Arc;

use ordergate_actors::order::{Amount, Exchange, Instrument, InstrumentKey, Product, Quantity, Terms};
use ordergate_actors::ports::{BookRow, Carried, Instruments, PositionRow, Refusal, TradeRow, Unlisted};
use ordergate_actors::settings::{QuantityUnit, QuantityUnits};
use rust_decimal::Decimal;

use super::wire::FieldError;
use super::wire::frames::{OrderUpdate, Shape};

/// How this account's broker counts.
pub struct Lots {
    instruments: Arc<dyn Instruments>,
    units: QuantityUnits,
    is_live: bool,
}

impl fmt::Debug for Lots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lots").field("units", &self.units).finish_non_exhaustive()
    }
}

impl Lots {
    /// `is_live`: real money moves, so what is not settled is not guessed.
    #[must_use]
    pub fn new(instruments: Arc<dyn Instruments>, units: QuantityUnits, is_live: bool) -> Self {
        Self { instruments, units, is_live }
    }

    /// What the broker counts there; `None` where nobody has found out.
    fn unit(&self, exchange: Exchange) -> Option<QuantityUnit> {
        let (unit, _) = self.setting(exchange);
        unit.or((!self.is_live).then_some(QuantityUnit::Units))
    }

    fn setting(&self, exchange: Exchange) -> (Option<QuantityUnit>, &'static str) {
        match exchange {
            Exchange::Mcx => (self.units.mcx, "quantity_unit.mcx"),
            Exchange::Cds => (self.units.cds, "quantity_unit.cds"),
            Exchange::Nse | Exchange::Bse | Exchange::Nfo | Exchange::Bfo => (Some(QuantityUnit::Units), ""),
        }
    }

    /// The terms as the broker counts them.
    ///
    /// # Errors
    /// [`Refusal`] for less than whole lots, and where it is not settled what the broker counts: an exit, too, must not be
    /// wrong by the size of a lot.
    pub fn outward(&self, instrument: &Instrument, terms: &Terms) -> Result<Terms, Refusal> {
        let key = &instrument.key;
        match self.unit(key.exchange) {
            // Where a lot is one unit, both are the same.
            _ if instrument.lot.value() == 1 => Ok(terms.clone()),
            Some(QuantityUnit::Units) => Ok(terms.clone()),
            Some(QuantityUnit::Lots) => {
                let (units, lot) = (terms.quantity.value(), instrument.lot.value());
                let lots = if units % lot == 0 { Quantity::new(units / lot) } else { None };
                let refusal = || Refusal { reason: format!("{key}: {units} units are no whole lots of {lot}, and the broker counts lots") };
                Ok(Terms { quantity: lots.ok_or_else(refusal)?, ..terms.clone() })
            }
            None => Err(Refusal {
                reason: format!(
                    "{key}: whether the broker counts units or lots there is not settled, and a guess may be wrong by the lot of {}; \
                     run `ordergate conformance`, set {} of the account to what it reports, and close the position at the broker \
                     until then",
                    instrument.lot,
                    self.setting(key.exchange).1
                ),
            }),
        }
    }

    /// Units of one count at the broker; `None`: it counts lots there, and no master has the instrument. What is not settled is
    /// taken as told: no order of ours goes there.
    fn size(&self, key: &InstrumentKey) -> Option<i64> {
        if self.unit(key.exchange) != Some(QuantityUnit::Lots) {
            return Some(1);
        }
        self.instruments.find(key).map(|found| found.lot.value())
    }

    fn size_of(&self, key: &InstrumentKey) -> Result<i64, FieldError> {
        self.size(key).ok_or_else(|| unlisted(key, Amount::ZERO))
    }

    /// A row of an order, in units.
    ///
    /// # Errors
    /// [`FieldError`] when the lot is not known.
    pub fn order(&self, row: BookRow) -> Result<BookRow, FieldError> {
        let size = self.size_of(&row.instrument)?;
        let (quantity, filled) = (times(row.quantity, size, "qty")?, times(row.filled, size, "fillshares")?);
        Ok(BookRow { quantity, filled, ..row })
    }

    /// A trade in that instrument, in units.
    ///
    /// # Errors
    /// [`FieldError`] when the lot is not known.
    pub fn trade(&self, key: &InstrumentKey, mut row: TradeRow) -> Result<TradeRow, FieldError> {
        let units = times(row.fill.quantity.value(), self.size_of(key)?, "flqty")?;
        row.fill.quantity = Quantity::new(units).ok_or(FieldError::Missing { field: "flqty" })?;
        Ok(row)
    }

    /// The same for a trade whose instrument may not be told; it matters only where lots are counted.
    ///
    /// # Errors
    /// [`FieldError`] when the instrument or its lot is needed and not known.
    pub fn trade_of(&self, key: Result<InstrumentKey, FieldError>, row: TradeRow) -> Result<TradeRow, FieldError> {
        match key {
            Ok(key) => self.trade(&key, row),
            Err(error) if self.unit(row.exchange) == Some(QuantityUnit::Lots) => Err(error),
            Err(_) => Ok(row),
        }
    }

    /// A position, in units. None are none, whatever the lot is.
    ///
    /// # Errors
    /// [`FieldError`] when the lot is not known.
    pub fn position(&self, row: PositionRow) -> Result<PositionRow, FieldError> {
        let Some(size) = self.size(&row.holding.instrument) else {
            let result = if row.holding.product == Product::Cnc { Amount::ZERO } else { row.realised.plus(row.unrealised) };
            return if row.net == 0 {
                Ok(PositionRow { per_point: None, carried: None, ..row })
            } else {
                Err(unlisted(&row.holding.instrument, result))
            };
        };
        let net = times(row.net, size, "netqty")?;
        // Told for one of what the broker counts.
        let per_point = row.per_point.and_then(|told| told.checked_div(Decimal::from(size))).map(|told| told.normalize());
        let carried =
            row.carried.map(|told| Ok::<_, FieldError>(Carried { net: times(told.net, size, "cfbuyqty")?, ..told })).transpose()?;
        Ok(PositionRow { net, per_point, carried, ..row })
    }

    /// What the stream pushed, in units.
    ///
    /// # Errors
    /// [`FieldError`] when the lot is not known: the books tell.
    pub fn update(&self, update: OrderUpdate) -> Result<OrderUpdate, FieldError> {
        let OrderUpdate { broker_order_id, shape, trade } = update;
        let key = match &shape {
            Shape::Whole(whole) => Some(whole.row.instrument.clone()),
            Shape::Sparse { .. } => None,
        };
        let shape = match shape {
            Shape::Whole(mut whole) => {
                whole.row = self.order(whole.row)?;
                Shape::Whole(whole)
            }
            sparse @ Shape::Sparse { .. } => sparse,
        };
        let trade = trade.map(|told| {
            let row = told?;
            self.trade_of(key.clone().ok_or(FieldError::Missing { field: "tsym" }), row)
        });
        Ok(OrderUpdate { broker_order_id, shape, trade })
    }
}

fn unlisted(instrument: &InstrumentKey, result: Amount) -> FieldError {
    FieldError::Unlisted(Unlisted { instrument: instrument.clone(), result })
}

fn times(count: i64, size: i64, field: &'static str) -> Result<i64, FieldError> {
    count.checked_mul(size).ok_or_else(|| FieldError::wrong(field, &count.to_string(), "a number of lots that can be counted in units"))
}
