//! What a strategy holds, changed by trades and by what was no trade of ours.

use std::sync::Arc;

use chrono::NaiveDate;
use serde_json::json;

use super::{Delta, RowText};
use crate::order::{ClientId, Fill, Holding, HoldingKey, OrderRecord, Price, Strategy, trading_date};
use crate::persistence::staged::{HoldingSlot, Staged};
use crate::persistence::unit::{ADOPTED, Adopted, Level, PRICE_TOLD, SETTLED, Telling};
use crate::pnl::{DayChange, Move, Told};
use crate::ports::Write;

impl Delta {
    /// The trade of a transition, and what the strategy holds after it.
    pub(in crate::persistence) fn fill(&mut self, record: &OrderRecord, change: DayChange, after: Holding, fill: &Fill) {
        let client = &record.client_id;
        self.writes.push(Write::Fill {
            client_id: client.clone(),
            command_id: record.command_id,
            trading_date: trading_date(fill.at),
            exchange: change.key.instrument.exchange,
            fill: fill.clone(),
            seq: change.seq,
            before: change.before,
        });
        if matches!(change.what, Move::ToldLate { .. }) {
            self.writes.push(Write::Correction { client_id: client.clone(), change: change.clone(), at: self.at });
        }
        self.put_holding(client, &change.strategy, &change.key, after, change.seq);
        self.day.push((client.clone(), change));
    }

    /// What a strategy holds has changed by no trade of ours.
    fn corrected(&mut self, client: &ClientId, change: DayChange, after: Holding) {
        self.writes.push(Write::Correction { client_id: client.clone(), change: change.clone(), at: self.at });
        self.put_holding(client, &change.strategy, &change.key, after, change.seq);
        self.day.push((client.clone(), change));
    }

    fn put_holding(&mut self, client: &ClientId, strategy: &Strategy, key: &HoldingKey, holding: Holding, seq: u64) {
        self.writes.push(Write::Holding { client_id: client.clone(), strategy: strategy.clone(), key: key.clone(), holding, at: self.at });
        self.holdings.push(((client.clone(), strategy.clone(), key.clone()), (holding, seq)));
    }

    /// A holding that the broker shows to be smaller.
    pub(in crate::persistence) fn reduce(
        &mut self,
        staged: &mut Staged,
        slot: HoldingSlot,
        (before, after): (Holding, Holding),
        (price, on): (Option<Price>, Option<NaiveDate>),
        reason: &Arc<str>,
    ) {
        let (client, strategy, key) = (&slot.0, &slot.1, &slot.2);
        let seq = self.next_seq(staged, &Some(client.clone()));
        let inputs = json!({
            "strategy": strategy, "holding": key, "net_before": before.net, "net_after": after.net, "price": price, "on": on,
        });
        let text = RowText {
            event: "HOLDING_REDUCED",
            from: None,
            reason: Some(Arc::clone(reason)),
            who: Arc::from("WatcherActor"),
            inputs: inputs.to_string(),
            level: Level::Warn,
        };
        self.row(staged, Some(client.clone()), (None, None), None, text);
        let units = before.net.abs() - after.net.abs();
        let what = match on {
            Some(on) => Move::ended(seq, units, on, price),
            None => Move::left(before, units, price),
        };
        let change = DayChange::corrected(seq, self.at, (strategy.clone(), key.clone()), before, what);
        self.corrected(client, change, after);
    }

    /// A holding that ended with its contract, on an earlier day.
    pub(in crate::persistence) fn settle(
        &mut self,
        staged: &mut Staged,
        slot: HoldingSlot,
        before: Holding,
        expiry: NaiveDate,
        reason: &Arc<str>,
    ) {
        let (client, strategy, key) = (&slot.0, &slot.1, &slot.2);
        let seq = self.next_seq(staged, &Some(client.clone()));
        let inputs = json!({ "strategy": strategy, "holding": key, "net_before": before.net, "expiry": expiry });
        let text = RowText {
            event: SETTLED,
            from: None,
            reason: Some(Arc::clone(reason)),
            who: Arc::from("WatcherActor"),
            inputs: inputs.to_string(),
            level: Level::Warn,
        };
        self.row(staged, Some(client.clone()), (None, None), None, text);
        let units = before.net.abs();
        let what = Move::ended(seq, units, expiry, None);
        let change = DayChange::corrected(seq, self.at, (strategy.clone(), key.clone()), before, what);
        self.corrected(client, change, before.reduced(units));
    }

    /// A strategy takes units over that came about elsewhere.
    pub(in crate::persistence) fn adopt(&mut self, staged: &mut Staged, adopted: &Adopted, before: Holding, after: Holding) {
        let Adopted { client_id, strategy, key, side, quantity, price, net_before: _, who, reason } = adopted;
        let seq = self.next_seq(staged, &Some(client_id.clone()));
        let inputs = json!({
            "strategy": strategy, "holding": key, "side": side, "quantity": quantity, "price": price,
            "net_before": before.net, "net_after": after.net,
        });
        let text = RowText {
            event: ADOPTED,
            from: None,
            reason: Some(Arc::clone(reason)),
            who: Arc::clone(who),
            inputs: inputs.to_string(),
            level: Level::Warn,
        };
        self.row(staged, Some(client_id.clone()), (None, None), None, text);
        let what = Move::Taken { side: *side, quantity: *quantity, price: *price };
        let change = DayChange::corrected(seq, self.at, (strategy.clone(), key.clone()), before, what);
        self.corrected(client_id, change, after);
    }

    /// A person tells the price at which the units of that change left; answers whether they may have one.
    pub(in crate::persistence) fn tell(&mut self, staged: &mut Staged, telling: &Telling, change: &DayChange) -> bool {
        let Telling { client_id, row, price, who, reason } = telling;
        let seq = self.next_seq(staged, &Some(client_id.clone()));
        let Some(priced) = change.priced(Told { price: *price, seq }) else { return false };
        let inputs = json!({ "row": row, "price": price, "before": change.what.told().map(|told| told.price) });
        let text = RowText {
            event: PRICE_TOLD,
            from: None,
            reason: Some(Arc::clone(reason)),
            who: Arc::clone(who),
            inputs: inputs.to_string(),
            level: Level::Info,
        };
        self.row(staged, Some(client_id.clone()), (None, None), None, text);
        self.writes.push(Write::Told { client_id: client_id.clone(), change: priced });
        self.told = Some(client_id.clone());
        true
    }
}
