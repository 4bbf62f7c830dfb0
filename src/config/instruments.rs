//! Reads `[instruments]`.

use chrono::NaiveTime;
use ordergate_actors::order::Exchange;

use super::reader::Reader;
use super::{Account, InstrumentSource, Instruments};
use crate::instruments::Rolls;
use crate::instruments::master::EquityTick;

/// Reads the section; the accounts decide whether the sample will do.
pub(super) fn instruments(reader: &mut Reader, accounts: &[Account]) -> Instruments {
    let mut scope = reader.section("instruments");
    let source = scope.text("source", "must be sample or noren", |text| match text.trim().to_ascii_lowercase().as_str() {
        "sample" => Some(InstrumentSource::Sample),
        "noren" => Some(InstrumentSource::Noren),
        _ => None,
    });
    let url = scope.text("url", "must be an address such as https://api.shoonya.com", |text| {
        let url: reqwest::Url = text.trim().parse().ok()?;
        matches!(url.scheme(), "http" | "https").then(|| text.trim().to_owned())
    });
    let refresh_ist =
        scope.text("refresh_ist", "must be a time of day such as 08:30", |text| NaiveTime::parse_from_str(text.trim(), "%H:%M").ok());
    let keep_days = scope.number("keep_days", 1..=3_650);
    let equity_tick = scope.text("equity_tick_unit", "must be paise or rupees", EquityTick::parse);
    let rolls = [("nfo", Exchange::Nfo), ("bfo", Exchange::Bfo), ("mcx", Exchange::Mcx), ("cds", Exchange::Cds)];
    let rolls = Rolls::new(rolls.map(|(name, exchange)| (exchange, scope.number(&format!("roll_days.{name}"), 0..=30))));
    let watch = scope.texts("watch");
    let names = scope.texts("exchanges");
    let mut exchanges = Vec::new();
    for (row, name) in names.iter().enumerate() {
        match Exchange::parse(name.trim()) {
            Some(exchange) if !exchanges.contains(&exchange) => exchanges.push(exchange),
            Some(_) => reader.violate(&format!("instruments.exchanges.{row}"), "stands twice"),
            None => reader.violate(&format!("instruments.exchanges.{row}"), format!("must be one of {}", Exchange::choices())),
        }
    }
    if exchanges.is_empty() {
        reader.violate("instruments.exchanges", "must name at least one exchange");
    }
    let live = accounts.iter().find(|account| account.broker.is_live());
    if let (Some(InstrumentSource::Sample), Some(account)) = (source, live) {
        let rule =
            format!("must be noren: {} trades with real money, and lots, ticks and expiries of the sample are made up", account.client_id);
        reader.violate("instruments.source", rule);
    }
    Instruments {
        source: source.unwrap_or(InstrumentSource::Sample),
        url: url.unwrap_or_default(),
        exchanges,
        refresh_ist: refresh_ist.unwrap_or_default(),
        keep_days,
        equity_tick: equity_tick.unwrap_or_default(),
        watch,
        rolls,
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    use super::*;

    fn load(key: &str, value: &str) -> Result<Config, crate::config::ConfigError> {
        Config::load(None, [(format!("ORDERGATE__{key}"), value.to_owned())])
    }

    #[test]
    fn the_sample_is_the_default() {
        let instruments = Config::load(None, []).unwrap().instruments;
        assert_eq!((instruments.source, instruments.equity_tick), (InstrumentSource::Sample, EquityTick::Paise));
        assert_eq!(instruments.exchanges, [Exchange::Nse, Exchange::Nfo]);
        assert_eq!(instruments.rolls.days(Exchange::Mcx), 0);
        assert_eq!(load("INSTRUMENTS__ROLL_DAYS__MCX", "5").unwrap().instruments.rolls.days(Exchange::Mcx), 5);
        assert_eq!((instruments.refresh_ist.to_string(), instruments.keep_days), ("08:30:00".to_owned(), 10));
    }

    #[test]
    fn what_is_wrong_is_named_by_its_key() {
        for (key, value, rule) in [
            ("INSTRUMENTS__SOURCE", "nse", "instruments.source = \"nse\" (env ORDERGATE__INSTRUMENTS__SOURCE) must be sample or noren"),
            ("INSTRUMENTS__URL", "api.shoonya.com", "must be an address such as https://"),
            ("INSTRUMENTS__REFRESH_IST", "25:00", "must be a time of day such as 08:30"),
            ("INSTRUMENTS__EQUITY_TICK_UNIT", "cents", "must be paise or rupees"),
            ("INSTRUMENTS__EXCHANGES__0", "NCX", "must be one of NSE, BSE, NFO, BFO, MCX, CDS"),
            ("INSTRUMENTS__EXCHANGES__0", "NFO", "instruments.exchanges.1 = "),
            ("INSTRUMENTS__ROLL_DAYS__MCX", "31", "instruments.roll_days.mcx = "),
            ("ACCOUNT__QUANTITY_UNIT__MCX", "kilos", "account.quantity_unit.mcx = "),
        ] {
            let error = load(key, value).unwrap_err().to_string();
            assert!(error.contains(rule), "{rule:?} is not in {error}");
        }
    }

    #[test]
    fn the_quantity_unit_is_unsettled_until_somebody_says() {
        let unit = |config: Config| config.accounts[0].settings.quantity_units;
        assert_eq!(unit(Config::load(None, []).unwrap()), ordergate_actors::QuantityUnits::default());
        let lots = unit(load("ACCOUNTS__0__QUANTITY_UNIT__MCX", "Lots").unwrap());
        assert_eq!((lots.mcx, lots.cds), (Some(ordergate_actors::QuantityUnit::Lots), None));
    }
}
