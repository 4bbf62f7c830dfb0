//! One row of a master.

use std::str::from_utf8;
use std::sync::Arc;

use chrono::NaiveDate;
use csv::ByteRecord;
use ordergate_actors::order::money::decimal;
use ordergate_actors::order::{Exchange, Instrument, InstrumentKey, Kind, Price, Quantity, Right};
use rust_decimal::Decimal;

use super::super::header::{Columns, Contract};
use super::Facts;

/// The longest trading symbol.
const SYMBOL_MAX: usize = 64;

/// What a row is.
pub(super) enum Read<'a> {
    /// A placeholder without a symbol.
    Blank,
    /// Nothing that ordergate trades.
    Skipped,
    /// An instrument.
    Row(Box<Fields<'a>>),
}

/// The fields of an instrument.
pub(super) struct Fields<'a> {
    pub(super) token: u32,
    pub(super) symbol: &'a str,
    pub(super) underlying: &'a str,
    kind: Kind,
    lot: Quantity,
    tick: Price,
    rupees_per_point: Decimal,
}

impl Fields<'_> {
    pub(super) fn instrument(self, exchange: Exchange, underlying: Arc<str>) -> Instrument {
        let Self { token, symbol, kind, lot, tick, rupees_per_point, .. } = self;
        let key = InstrumentKey::new(exchange, symbol);
        Instrument { key, token, underlying, kind, lot, rupees_per_point, tick, freeze: None, band: None }
    }
}

fn text<'a>(record: &'a ByteRecord, at: usize, name: &str) -> Result<&'a str, String> {
    let bytes = record.get(at).unwrap_or_default();
    from_utf8(bytes).map(str::trim).map_err(|_| format!("{name} is not text: {:?}", String::from_utf8_lossy(bytes)))
}

/// Reads a row; the error says what is wrong with it.
pub(super) fn read<'a>(record: &'a ByteRecord, columns: &Columns, exchange: Exchange, facts: &'a Facts) -> Result<Read<'a>, String> {
    let symbol = text(record, columns.trading_symbol, "TradingSymbol")?;
    let name = text(record, columns.symbol, "Symbol")?;
    if symbol.is_empty() {
        return Ok(Read::Blank);
    }
    // A comma inside a field moves all that follow: such a row must not be taken by chance.
    if record.len() > columns.width || record.len() + 1 < columns.width {
        return Err(format!("{} fields where the header has {}", record.len(), columns.width));
    }
    let of = text(record, columns.exchange, "Exchange")?;
    if Exchange::parse(of) != Some(exchange) {
        // Commodity files also carry rows of an exchange that ordergate does not trade.
        return if of.eq_ignore_ascii_case("NCX") {
            Ok(Read::Skipped)
        } else {
            Err(format!("Exchange = {of:?} in the file of {exchange}"))
        };
    }
    if symbol.len() > SYMBOL_MAX || !symbol.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) {
        return Err(format!(
            "TradingSymbol = {:?} is not 1 to {SYMBOL_MAX} visible characters",
            symbol.chars().take(80).collect::<String>()
        ));
    }
    let word = text(record, columns.instrument, "Instrument")?;
    let token = text(record, columns.token, "Token")?;
    let token: u32 = token.parse().map_err(|_| format!("Token = {token:?} is not a whole number"))?;
    let is_index =
        word.to_ascii_uppercase().contains("INDEX") || word.eq_ignore_ascii_case("UNDIND") || facts.index(exchange, token).is_some();
    let kind = match &columns.contract {
        None if is_index => Some(Kind::Index),
        None => Some(Kind::Equity),
        Some(contract) => contract_kind(record, contract, word)?,
    };
    let Some(kind) = kind else { return Ok(Read::Skipped) };
    let (lot, tick) = match kind {
        // An index is not traded: its row says 0, or nothing.
        Kind::Index => (
            quantity(record, columns.lot).or_else(|_| one())?,
            price(record, columns.tick).or_else(|_| Price::parse("0.05").map_err(|bad| bad.to_string()))?,
        ),
        _ => (quantity(record, columns.lot)?, price(record, columns.tick)?),
    };
    let rupees_per_point = columns.factor.map_or(Ok(Decimal::ONE), |at| factor(record, at))?;
    let underlying = if name.is_empty() { symbol } else { facts.underlying(exchange, name) };
    Ok(Read::Row(Box::new(Fields { token, symbol, underlying, kind, lot, tick, rupees_per_point })))
}

fn one() -> Result<Quantity, String> {
    Quantity::parse("1").map_err(|bad| bad.to_string())
}

fn quantity(record: &ByteRecord, at: usize) -> Result<Quantity, String> {
    Quantity::parse(text(record, at, "LotSize")?).map_err(|bad| format!("LotSize: {bad}"))
}

fn price(record: &ByteRecord, at: usize) -> Result<Price, String> {
    Price::parse(text(record, at, "TickSize")?).map_err(|bad| format!("TickSize: {bad}"))
}

/// Rupees of a point; what says none cannot be valued.
fn factor(record: &ByteRecord, at: usize) -> Result<Decimal, String> {
    let said = text(record, at, "GNGD or Multiplier")?;
    decimal("GNGD or Multiplier", said).map_err(|bad| bad.to_string()).and_then(|factor| {
        if factor > Decimal::ZERO { Ok(factor.normalize()) } else { Err(format!("GNGD or Multiplier = {said:?} is not above 0")) }
    })
}

/// A call or put by its option type; a future by `XX` or none; `None` for a spot rate, which has no expiry.
fn contract_kind(record: &ByteRecord, columns: &Contract, word: &str) -> Result<Option<Kind>, String> {
    let option_type = text(record, columns.option_type, "OptionType")?;
    let expiry = text(record, columns.expiry, "Expiry")?;
    let right = match option_type {
        "CE" => Some(Right::Call),
        "PE" => Some(Right::Put),
        "" | "XX" => None,
        other => return Err(format!("OptionType = {other:?} is not CE, PE or XX")),
    };
    if right.is_none() && (word.starts_with("UND") || (expiry.is_empty() && !word.starts_with("FUT"))) {
        return Ok(None);
    }
    let expiry =
        NaiveDate::parse_from_str(expiry, "%d-%b-%Y").map_err(|_| format!("Expiry = {expiry:?} is not a date such as 28-OCT-2025"))?;
    let strike = text(record, columns.strike, "StrikePrice")?;
    match right {
        Some(right) => {
            let strike = Price::parse(strike).map_err(|bad| format!("StrikePrice: {bad}"))?;
            Ok(Some(Kind::Option { expiry, strike, right }))
        }
        // Futures say -0.01, 0 or nothing. A strike there means that the option type is lost.
        None if strike.is_empty() || decimal("strike", strike).is_ok_and(|strike| strike <= Decimal::ZERO) => {
            Ok(Some(Kind::Future { expiry }))
        }
        None => Err(format!("OptionType = {option_type:?} with StrikePrice = {strike:?}: neither a future nor an option")),
    }
}
