//! Writes a master as the broker does: for the simulated broker, and as the other half of the parser's tests.

use std::fmt::Write as _;

use ordergate_actors::order::{Exchange, Instrument, Kind, Right};
use rust_decimal::Decimal;

use super::header::is_cash;
use super::{EquityTick, Facts};

/// The text of one exchange's master with those of the rows that are its own. Every line ends with a comma.
#[must_use]
pub fn render<'a>(exchange: Exchange, rows: impl IntoIterator<Item = &'a Instrument>, tick: EquityTick, facts: &Facts) -> String {
    let mut text = String::from(match exchange {
        Exchange::Nse | Exchange::Bse => "Exchange,Token,LotSize,Symbol,TradingSymbol,Instrument,TickSize,\n",
        Exchange::Mcx => "Exchange,Token,LotSize,GNGD,Symbol,TradingSymbol,Expiry,Instrument,OptionType,StrikePrice,TickSize,\n",
        Exchange::Cds => {
            "Exchange,Token,LotSize,Precision,Multiplier,Symbol,TradingSymbol,Expiry,Instrument,OptionType,StrikePrice,TickSize,\n"
        }
        Exchange::Nfo | Exchange::Bfo => "Exchange,Token,LotSize,Symbol,TradingSymbol,Expiry,Instrument,OptionType,StrikePrice,TickSize,\n",
    });
    for row in rows.into_iter().filter(|row| row.key.exchange == exchange) {
        line(&mut text, row, tick, facts);
    }
    text
}

fn line(text: &mut String, row: &Instrument, tick: EquityTick, facts: &Facts) {
    let Instrument { key, token, underlying, kind, lot, .. } = row;
    let step = match (tick, kind) {
        (EquityTick::Paise, Kind::Equity) => (row.tick.value() * Decimal::ONE_HUNDRED).normalize(),
        _ => row.tick.value(),
    };
    let extra = match key.exchange {
        Exchange::Mcx => format!("{},", row.rupees_per_point),
        Exchange::Cds => format!("4,{},", row.rupees_per_point),
        Exchange::Nse | Exchange::Bse | Exchange::Nfo | Exchange::Bfo => String::new(),
    };
    // Writing into a string does not fail.
    let _ = write!(text, "{},{token},{lot},{extra}{underlying},{},", key.exchange, key.symbol);
    let _ = match kind {
        _ if is_cash(key.exchange) => {
            let series = key.symbol.rsplit_once('-').map_or("A", |(_, series)| series);
            writeln!(text, "{},{step},", if *kind == Kind::Index { "INDEX" } else { series })
        }
        Kind::Future { expiry } => writeln!(text, "{},{},XX,-0.01,{step},", dated(*expiry), word("FUT", key.exchange, underlying, facts)),
        Kind::Option { expiry, strike, right } => {
            let letters = if *right == Right::Call { "CE" } else { "PE" };
            writeln!(text, "{},{},{letters},{strike},{step},", dated(*expiry), word("OPT", key.exchange, underlying, facts))
        }
        Kind::Equity | Kind::Index => writeln!(text, ",UND,,,{step},"),
    };
}

fn dated(day: chrono::NaiveDate) -> String {
    day.format("%d-%b-%Y").to_string().to_ascii_uppercase()
}

fn word(start: &str, exchange: Exchange, underlying: &str, facts: &Facts) -> String {
    let end = match exchange {
        Exchange::Mcx if start == "FUT" => "COM",
        Exchange::Mcx => "FUT",
        Exchange::Cds => "CUR",
        _ if facts.is_index(underlying) => "IDX",
        _ => "STK",
    };
    format!("{start}{end}")
}
