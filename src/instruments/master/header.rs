//! The columns of a master, found by their names: their order differs between files.

use csv::ByteRecord;
use ordergate_actors::order::Exchange;

use super::Refused;

/// Where each column is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Columns {
    pub(super) exchange: usize,
    pub(super) token: usize,
    pub(super) lot: usize,
    pub(super) symbol: usize,
    pub(super) trading_symbol: usize,
    pub(super) instrument: usize,
    pub(super) tick: usize,
    /// Rupees of a point: `GNGD` on MCX, `Multiplier` on CDS.
    pub(super) factor: Option<usize>,
    /// Only in files of derivatives.
    pub(super) contract: Option<Contract>,
    /// Fields of the header, the empty one after the last comma included.
    pub(super) width: usize,
}

/// The columns that only derivatives have.
#[derive(Debug, Clone, Copy)]
pub(super) struct Contract {
    pub(super) expiry: usize,
    pub(super) option_type: usize,
    pub(super) strike: usize,
}

/// Whether the exchange's file is one of shares.
pub(super) fn is_cash(exchange: Exchange) -> bool {
    matches!(exchange, Exchange::Nse | Exchange::Bse)
}

impl Columns {
    /// Reads the first line.
    pub(super) fn of(header: &ByteRecord, exchange: Exchange) -> Result<Self, Refused> {
        let names: Vec<String> =
            header.iter().map(|name| String::from_utf8_lossy(name).trim_start_matches('\u{feff}').trim().to_ascii_lowercase()).collect();
        let at = |name: &'static str| {
            names.iter().position(|other| *other == name.to_ascii_lowercase()).ok_or_else(|| Refused::Header {
                missing: name,
                header: String::from_utf8_lossy(header.as_slice()).chars().take(120).collect(),
            })
        };
        let contract = if is_cash(exchange) {
            None
        } else {
            Some(Contract { expiry: at("Expiry")?, option_type: at("OptionType")?, strike: at("StrikePrice")? })
        };
        Ok(Self {
            exchange: at("Exchange")?,
            token: at("Token")?,
            lot: at("LotSize")?,
            symbol: at("Symbol")?,
            trading_symbol: at("TradingSymbol")?,
            instrument: at("Instrument")?,
            tick: at("TickSize")?,
            factor: match exchange {
                Exchange::Mcx => Some(at("GNGD")?),
                Exchange::Cds => Some(at("Multiplier")?),
                Exchange::Nse | Exchange::Bse | Exchange::Nfo | Exchange::Bfo => None,
            },
            contract,
            width: names.len(),
        })
    }
}
