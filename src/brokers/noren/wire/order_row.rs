//! An order as the broker shows it: a row of the order book, of an order's history, or of the stream (Noren protocol
//! reference, sections 4.2 to 4.4 and 6.4).

use std::sync::Arc;

use chrono::{DateTime, Utc};
use ordergate_actors::order::{BookState, BrokerOrderId, Exchange, InstrumentKey, OrderType, Product, Side};
use ordergate_actors::ports::BookRow;

use super::outcome::ORDER_NUMBER;
use super::redact;
use super::reject::RejectClass;
use super::reply;
use super::scalar::{FieldError, Fields};
use super::status;
use super::time;

const REASON_SHOWN: usize = 300;

/// What the engine's row has of it already, and whose account it is.
const KNOWN: &[&str] = &[
    "stat",
    "request_time",
    "norenordno",
    "uid",
    "actid",
    "remarks",
    "exch",
    "tsym",
    "trantype",
    "prd",
    "pcode",
    "s_prdt_ali",
    "qty",
    "fillshares",
    "avgprc",
    "prc",
    "trgprc",
    "prctyp",
    "status",
    "rejreason",
];

/// A row, and what else it tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderRow {
    /// The row for the engine.
    pub row: BookRow,
    /// What kind of refusal or cancel the reason is, if there is a reason.
    pub reject: Option<RejectClass>,
    /// Why the state is a careful guess: the order's history should be read, and a person told.
    pub doubt: Option<String>,
    /// The report type, upper case (`FILL`, `NEWACK`), where the row has one.
    pub report: Option<String>,
    /// It tells of a request about the order, not of the order.
    pub is_of_request: bool,
}

/// Reads a row. `read_at` stands in for a time that the row does not tell.
///
/// # Errors
/// [`FieldError`] when the order's number, instrument, side, product, quantity or status cannot be read.
pub fn read(fields: &Fields, read_at: DateTime<Utc>) -> Result<OrderRow, FieldError> {
    let quantity = count(fields, "qty")?.ok_or(FieldError::Missing { field: "qty" })?;
    let report = fields.first(&["rpt", "reporttype"]).map(|report| report.to_uppercase());
    let reason = fields.text("rejreason").map(|reason| redact::snippet(&reason, REASON_SHOWN));
    let reading = status::read(&fields.require("status")?, report.as_deref(), reason.as_deref());
    let told = count(fields, "fillshares")?;
    let is_of_request = reading.is_of_request;
    let (state, filled, doubt) = whole(reading, told, quantity);
    let row = BookRow {
        broker_order_id: order_number(fields)?,
        tag: fields.text("remarks").map(Arc::from),
        instrument: instrument(fields)?,
        side: side(fields)?,
        product: product(fields)?,
        quantity,
        filled,
        average_price: if filled > 0 { fields.non_zero("avgprc")? } else { None },
        price: fields.non_zero("prc")?,
        trigger_price: fields.non_zero("trgprc")?,
        order_type: fields.text("prctyp").and_then(|text| order_type(&text)),
        state,
        reason: reason.as_deref().map(Arc::from),
        at: told_at(fields).unwrap_or(read_at),
        besides: besides(fields, state),
    };
    Ok(OrderRow { row, reject: reason.as_deref().map(RejectClass::of), doubt, report, is_of_request })
}

/// All that the row of an order of ours tells beside what is read from it, once it has ended: the exchange's number, who refused or changed
/// it, from where it came. The broker's book of the day is gone tomorrow.
fn besides(fields: &Fields, state: BookState) -> Option<Arc<str>> {
    let is_ours = fields.text("remarks").is_some_and(|tag| reply::is_our_tag(&tag));
    let told = if is_ours && state != BookState::Open { fields.beside(KNOWN) } else { String::new() };
    (!told.is_empty()).then(|| Arc::from(told))
}

/// The time that the row tells of itself.
pub(in crate::brokers::noren) fn told_at(fields: &Fields) -> Option<DateTime<Utc>> {
    time::first(fields, &["norentm", "ordenttm", "exch_tm", "tm"])
}

/// `COMPLETE` means that the whole quantity is filled. Without a count it is taken at its word; with a smaller count the
/// row contradicts itself, and the order stays live until the broker says one thing.
fn whole(reading: status::Reading, told: Option<i64>, quantity: i64) -> (BookState, i64, Option<String>) {
    let filled = told.unwrap_or(if reading.state == BookState::Complete { quantity } else { 0 });
    if reading.state == BookState::Complete && filled < quantity {
        return (BookState::Open, filled, Some(format!("COMPLETE with {filled} of {quantity} filled")));
    }
    let doubt = if filled > quantity { Some(format!("{filled} filled of {quantity}")) } else { reading.doubt };
    (reading.state, filled, doubt)
}

/// A quantity: whole and not negative.
pub(super) fn count(fields: &Fields, name: &'static str) -> Result<Option<i64>, FieldError> {
    match fields.integer(name)? {
        Some(value) if value < 0 => Err(FieldError::wrong(name, &value.to_string(), "a quantity of zero or more")),
        other => Ok(other),
    }
}

/// The broker's number of the order; digits, and still only text.
pub(super) fn order_number(fields: &Fields) -> Result<BrokerOrderId, FieldError> {
    let text = fields.first(ORDER_NUMBER).ok_or(FieldError::Missing { field: "norenordno" })?;
    BrokerOrderId::parse(&text).map_err(|_| FieldError::wrong("norenordno", &text, "a broker order number"))
}

/// The exchange, under the name that it has here.
pub(super) fn exchange(fields: &Fields, name: &'static str) -> Result<Exchange, FieldError> {
    let text = fields.require(name)?;
    Exchange::parse(&text).ok_or_else(|| FieldError::wrong(name, &text, "an exchange that ordergate knows"))
}

/// The instrument, `exch` and `tsym`. A symbol that was sent percent-coded may come back so.
pub(in crate::brokers::noren) fn instrument(fields: &Fields) -> Result<InstrumentKey, FieldError> {
    let symbol = fields.require("tsym")?.replace("%26", "&");
    Ok(InstrumentKey::new(exchange(fields, "exch")?, &symbol))
}

/// What a type is called here. One that is not known says nothing.
fn order_type(text: &str) -> Option<OrderType> {
    match text.trim() {
        "LMT" => Some(OrderType::Limit),
        "MKT" => Some(OrderType::Market),
        "SL-LMT" => Some(OrderType::StopLimit),
        "SL-MKT" => Some(OrderType::StopMarket),
        _ => None,
    }
}

fn side(fields: &Fields) -> Result<Side, FieldError> {
    let text = fields.require("trantype")?;
    Side::parse(&text).ok_or_else(|| FieldError::wrong("trantype", &text, "B or S"))
}

/// The product: `prd`, or `pcode` in the stream; a code or its alias.
pub(super) fn product(fields: &Fields) -> Result<Product, FieldError> {
    let text = fields.first(&["prd", "pcode", "s_prdt_ali"]).ok_or(FieldError::Missing { field: "prd" })?;
    Product::parse(&text).ok_or_else(|| FieldError::wrong("prd", &text, "a product that ordergate knows (I, M or C)"))
}
