//! What the broker's own rows say of a contract's point, held against what is known of it.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::WatcherActor;
use crate::order::InstrumentKey;
use crate::persistence::{Keep, Level, Unit};
use crate::pnl::ContractKept;
use crate::ports::PositionRow;
use crate::supervision::Shell;

impl WatcherActor {
    /// A contradiction is written down, pages once and keeps entries with real money out, until the broker's rows agree. Exits go on.
    pub(super) fn hold_against_contracts(&self, rows: &[PositionRow]) {
        let of_contracts = rows.iter().filter(|row| row.holding.instrument.exchange.rupees_per_point().is_none());
        // One product's row says it of the contract.
        let told: BTreeMap<&InstrumentKey, Decimal> =
            of_contracts.filter_map(|row| Some((&row.holding.instrument, row.per_point?))).collect();
        for keep in told.into_iter().filter_map(|(key, told)| self.point_told(key, told)) {
            self.line.post_unit(Unit::Keep(keep));
        }
    }

    fn point_told(&self, key: &InstrumentKey, told: Decimal) -> Option<Keep> {
        let client_id = &self.desk.client_id;
        let instruments = &*self.line.instruments;
        let (contract, basis) = self.line.view.read(client_id, |book| ContractKept::told(book, key, told, instruments)).flatten()?;
        let known = contract.rupees_per_point.map_or_else(|| "unknown".to_owned(), |known| known.normalize().to_string());
        let (event, text) = match contract.broker_says {
            Some(_) => (
                ("ALARM_POINT_VALUE", Level::Page),
                format!(
                    "a point of {key} is worth {known} rupees a unit by the master, and {told} by mult x prcftr of the broker's position: \
                     entries there are refused while real money moves, exits go on, and rupees shown of it may be wrong"
                ),
            ),
            None => {
                (("POINT_VALUE_AGREES", Level::Info), format!("master and broker agree: a point of {key} is worth {known} rupees a unit"))
            }
        };
        contract.keep(client_id, basis, event, (Self::NAME, text))
    }
}
