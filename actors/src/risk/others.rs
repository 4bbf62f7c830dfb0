//! An exit goes while an order of somebody else's works on its side and both together are for more than there is: people hear of that
//! order, because ordergate cancels no order of others, and filled after ours it opens a position that nobody protects.

use chrono::{DateTime, Utc};

use super::RiskActor;
use super::room::units_of;
use crate::order::{HoldingKey, OrderRecord, Source, Terms, trading_date};
use crate::persistence::Level;
use crate::watcher::Other;

impl RiskActor {
    /// Says of each such order once in a day that it is there, and once more, louder, where an exit goes that is no stop that rests.
    pub(super) fn tell_who_closes_too(&mut self, order: &OrderRecord, terms: &Terms, now: DateTime<Utc>) {
        let Some(instrument) = order.instrument().filter(|_| order.is_exit() && !order.is_test()) else { return };
        let key = HoldingKey { instrument, product: terms.product };
        let level = if order.source == Source::Stop { Level::Warn } else { Level::Page };
        let findings = self.desk.findings.read();
        let others: Vec<Other<'_>> = findings.others_closing(&key, terms.side).collect();
        let Some(net) = findings.net(&key) else { return };
        let held = net.saturating_mul(terms.side.opposite().sign());
        let too_many = terms.quantity.value().saturating_add(units_of(&others)).saturating_sub(held.max(0));
        if too_many <= 0 {
            return;
        }
        let today = trading_date(now);
        self.told_others.retain(|(day, ..)| *day == today);
        let (told, strategy) = (&mut self.told_others, &order.ask.strategy);
        let news = others.iter().filter(|other| told.insert((today, other.row.broker_order_id.clone(), level == Level::Page)));
        let texts: Vec<String> = news
            .map(|other| {
                format!(
                    "{other} works on the side of an exit of {strategy} ({} {} {key}), and the broker has {held}: when both have filled, {too_many} are open the other way and nothing protects them. ordergate cancels no order of others: cancel it in the broker's app, unless it is for something else",
                    terms.side, terms.quantity
                )
            })
            .collect();
        drop(findings);
        for text in texts {
            self.line.alarm(Some(&self.desk.client_id), "ALARM_CLOSED_TWICE", level, Some(order.command_id), text);
        }
    }
}
