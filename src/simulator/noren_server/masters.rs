//! The scrip master archives, in the broker's own format (Noren protocol reference, section 5.2).

use std::fmt::Write as _;

use ordergate_actors::order::{Exchange, Instrument, Kind, Right};
use rust_decimal::Decimal;

use super::listing::{Listing, expiry_text, instrument_name, precision, symbol_name};
use crate::instruments::master::archive::{BadArchive, pack};

/// The archives that exist.
pub(super) const EXCHANGES: [Exchange; 6] = [Exchange::Nse, Exchange::Bse, Exchange::Nfo, Exchange::Bfo, Exchange::Mcx, Exchange::Cds];

/// The text of one exchange: a header, a placeholder as live files have it, then its rows. Every line ends with a comma.
pub(super) fn text(listing: &Listing, exchange: Exchange) -> String {
    let (header, placeholder) = match exchange {
        Exchange::Nse | Exchange::Bse => ("Exchange,Token,LotSize,Symbol,TradingSymbol,Instrument,TickSize,", "0,0,,,,0,"),
        Exchange::Nfo | Exchange::Bfo => {
            ("Exchange,Token,LotSize,Symbol,TradingSymbol,Expiry,Instrument,OptionType,StrikePrice,TickSize,", "0,0,,,,,,0,0,")
        }
        Exchange::Mcx => {
            ("Exchange,Token,LotSize,GNGD,Symbol,TradingSymbol,Expiry,Instrument,OptionType,StrikePrice,TickSize,", "0,0,1,,,,,,0,0,")
        }
        Exchange::Cds => (
            "Exchange,Token,LotSize,Precision,Multiplier,Symbol,TradingSymbol,Expiry,Instrument,OptionType,StrikePrice,TickSize,",
            "0,0,4,1000,,,,,,0,0,",
        ),
    };
    let mut text = format!("{header}\n{exchange},{placeholder}\n");
    for row in listing.rows().iter().filter(|row| row.key.exchange == exchange) {
        line(&mut text, row);
    }
    text
}

fn line(text: &mut String, row: &Instrument) {
    let exchange = row.key.exchange;
    let extra = match exchange {
        Exchange::Mcx => format!("{},", row.rupees_per_point),
        Exchange::Cds => format!("{},{},", precision(exchange), row.rupees_per_point),
        _ => String::new(),
    };
    let (symbol, name, kind) = (symbol_name(row), &row.key.symbol, instrument_name(row));
    // The equity files count ticks in paise.
    let tail = match (&row.kind, exchange) {
        (_, Exchange::Nse | Exchange::Bse) => format!("{kind},{}", (row.tick.value() * Decimal::ONE_HUNDRED).normalize()),
        (Kind::Option { expiry, strike, right }, _) => {
            let right = if *right == Right::Call { "CE" } else { "PE" };
            format!("{},{kind},{right},{strike},{}", expiry_text(*expiry), row.tick)
        }
        (Kind::Future { expiry }, _) => format!("{},{kind},XX,-0.01,{}", expiry_text(*expiry), row.tick),
        (Kind::Equity | Kind::Index, _) => return,
    };
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{exchange},{},{},{extra}{symbol},{name},{tail},", row.token, row.lot);
}

/// The archive of one exchange.
pub(super) fn archive(listing: &Listing, exchange: Exchange) -> Result<Vec<u8>, BadArchive> {
    pack(&format!("{exchange}_symbols.txt"), text(listing, exchange).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_look_as_in_the_files() {
        let listing = Listing::new("2026-11-20".parse().unwrap()).unwrap();
        let nfo = text(&listing, Exchange::Nfo);
        assert!(
            nfo.starts_with("Exchange,Token,LotSize,Symbol,TradingSymbol,Expiry,Instrument,OptionType,StrikePrice,TickSize,\nNFO,0,0,")
        );
        assert!(nfo.contains(",65,NIFTY,NIFTY24NOV26F,24-NOV-2026,FUTIDX,XX,-0.01,0.05,\n"), "{nfo}");
        assert!(nfo.contains(",65,NIFTY,NIFTY24NOV26C25700,24-NOV-2026,OPTIDX,CE,25700,0.05,\n"), "{nfo}");
        let nse = text(&listing, Exchange::Nse);
        assert!(nse.contains("NSE,3045,1,SBIN,SBIN-EQ,EQ,5,\n") && nse.contains("NSE,2031,1,M&M,M&M-EQ,EQ,10,\n"), "{nse}");
        let mcx = text(&listing, Exchange::Mcx);
        assert!(mcx.contains(",10,1,CRUDEOILM,CRUDEOILM19DEC26,19-DEC-2026,FUTCOM,XX,-0.01,1,\n"), "{mcx}");
        for exchange in EXCHANGES {
            let text = text(&listing, exchange);
            let columns: Vec<usize> = text.lines().map(|line| line.split(',').count()).collect();
            assert!(columns.windows(2).all(|pair| pair[0] == pair[1]), "{exchange}: {columns:?}");
            assert!(!text.contains('\r') && text.lines().all(|line| line.ends_with(',')));
        }
    }
}
