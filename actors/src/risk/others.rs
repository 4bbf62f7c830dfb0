//! An exit goes while an order of somebody else's works on its side and both together are for more than there is: people hear of that
//! order, because ordergate cancels no order of others, and filled after ours it opens a position that nobody protects.
//!
//! What there is only positions tell that show our last fill. Where they do not, it is said when they do.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::RiskActor;
use super::room::units_of;
use crate::order::{HoldingKey, OrderRecord, Side, Source, Terms, trading_date};
use crate::persistence::{Book, Level};
use crate::watcher::{Findings, Other};

/// An exit on its way, as others may close the same.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Goes {
    key: HoldingKey,
    side: Side,
    /// Units that it may still fill.
    units: i64,
}

/// Orders of others beside an exit.
#[derive(Debug)]
enum Beside<'a> {
    /// None that closes what is not there.
    Fine,
    /// Some, and the positions are of before our last fill: what others have there is not known.
    NotKnown,
    /// With these, so many units are open the other way.
    TooMany { others: Vec<Other<'a>>, held: i64, units: i64 },
}

fn beside<'a>(goes: &'a Goes, book: &Book, findings: &'a Findings) -> Beside<'a> {
    let others: Vec<Other<'a>> = findings.others_closing(&goes.key, goes.side).collect();
    let Some(net) = findings.net(&goes.key).filter(|_| !others.is_empty()) else { return Beside::Fine };
    // What has filled, and no trade tells of, is in the positions or not.
    let is_settled = book.owed_in(&goes.key.instrument).all(|order| !order.may_be_of(goes.key.product));
    if !is_settled || !findings.shows_last_fill(&goes.key, book) {
        return Beside::NotKnown;
    }
    let held = net.saturating_mul(goes.side.opposite().sign());
    let units = goes.units.saturating_add(units_of(&others)).saturating_sub(held.max(0));
    if units > 0 { Beside::TooMany { others, held, units } } else { Beside::Fine }
}

impl RiskActor {
    /// Says of each such order once in a day that it is there, and once more, louder, where an exit goes that is no stop that rests.
    pub(super) fn tell_who_closes_too(&mut self, order: &OrderRecord, terms: &Terms, now: DateTime<Utc>) {
        let Some(instrument) = order.instrument().filter(|_| order.is_exit() && !order.is_test()) else { return };
        let key = HoldingKey { instrument, product: terms.product };
        self.tell_who_is_beside(order, &Goes { key, side: terms.side, units: terms.quantity.value() }, now);
    }

    /// What was not known when these exits went.
    pub(super) fn tell_who_closed_too(&mut self, now: DateTime<Utc>) {
        for command_id in std::mem::take(&mut self.untold_others) {
            let found = |book: &Book| book.order(command_id).cloned();
            let Some(order) = self.line.view.read(&self.desk.client_id, found).flatten() else { continue };
            let Some((key, side)) = order.holding().zip(order.ask.side) else { continue };
            let units = if order.status.is_terminal() { 0 } else { order.unfilled() };
            self.tell_who_is_beside(&order, &Goes { key, side, units }, now);
        }
    }

    fn tell_who_is_beside(&mut self, order: &OrderRecord, goes: &Goes, now: DateTime<Utc>) {
        let level = if order.source == Source::Stop { Level::Warn } else { Level::Page };
        let desk = Arc::clone(&self.desk);
        let findings = desk.findings.read();
        let found = self.line.view.read(&self.desk.client_id, |book| beside(goes, book, &findings));
        let (others, held, too_many) = match found {
            None | Some(Beside::Fine) => return,
            Some(Beside::NotKnown) => {
                self.untold_others.insert(order.command_id);
                return;
            }
            Some(Beside::TooMany { others, held, units }) => (others, held, units),
        };
        let today = trading_date(now);
        self.told_others.retain(|(day, ..)| *day == today);
        let (told, strategy, Goes { key, side, units }) = (&mut self.told_others, &order.ask.strategy, goes);
        let news = others.iter().filter(|other| told.insert((today, other.row.broker_order_id.clone(), level == Level::Page)));
        let texts: Vec<String> = news
            .map(|other| {
                format!(
                    "{other} works on the side of an exit of {strategy} ({side} {units} {key}), and the broker has {held}: when both have filled, {too_many} are open the other way and nothing protects them. ordergate cancels no order of others: cancel it in the broker's app, unless it is for something else"
                )
            })
            .collect();
        drop(others);
        drop(findings);
        for text in texts {
            self.line.alarm(Some(&self.desk.client_id), "ALARM_CLOSED_TWICE", level, Some(order.command_id), text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::Product;
    use crate::ports::BookRow;
    use crate::testkit::book_row;
    use crate::testkit::builders::{Build, SEQ, book_of, broker_shows, exit, order, price, sbin, sbin_in};

    const MIS: Product = Product::Mis;

    /// A person has 100 of his own, and his stop for them; an entry of ours has just filled 65.
    #[test]
    fn of_positions_of_before_our_last_fill_nothing_is_said() {
        let trigger = Some(price("780").value());
        let his = BookRow { side: Side::Sell, quantity: 100, instrument: sbin(), product: MIS, trigger_price: trigger, ..book_row("X1") };
        let goes = Goes { key: sbin_in(MIS), side: Side::Sell, units: 65 };
        let told = |shown: i64, is_old: bool, orders: &[OrderRecord]| {
            let mut findings = Findings { foreign: vec![Arc::new(his.clone())], ..broker_shows(&[(sbin_in(MIS), shown)]) };
            findings.positions.as_mut().unwrap().began_seq = SEQ - u64::from(is_old);
            match beside(&goes, &book_of(orders.to_vec(), &[("trend", sbin_in(MIS), 65)]), &findings) {
                Beside::Fine => Some(0),
                Beside::NotKnown => None,
                Beside::TooMany { units, .. } => Some(units),
            }
        };
        assert_eq!((told(100, true, &[]), told(165, false, &[])), (None, Some(0)), "there are 165");
        assert_eq!((told(100, false, &[]), told(65, false, &[])), (Some(65), Some(100)));
        assert_eq!(told(100, false, &[order(1).product(MIS).working("B1").filled(10, 0)]), None, "no trade tells of it yet");
        assert_eq!(told(100, false, &[exit(1).product(Product::Nrml).working("B1").filled(10, 0)]), Some(65), "another product");
        let nobody = broker_shows(&[(sbin_in(MIS), 0)]);
        assert!(matches!(beside(&goes, &book_of([], &[]), &nobody), Beside::Fine));
    }
}
