//! Late truth about orders that are no longer in memory: the disk is asked whose a row is, and what the row proves is a
//! fact like any other.

use std::collections::HashSet;
use std::sync::Arc;

use actix::{Handler, Message};
use chrono::NaiveDate;
use tokio::sync::oneshot;

use super::news::{is_overtaken, news};
use super::owner::misfit;
use super::{Concern, WatcherActor};
use crate::order::{BookState, BrokerOrderId, BrokerTag, CommandId, OrderFact, OrderRecord, trading_date};
use crate::persistence::{Ask, Level, read_tag};
use crate::ports::{BookRow, Query, Rows};
use crate::supervision::guarded;

/// Rows looked up for one order book: the writer answers between two commits.
const LOOKUPS_MOST: usize = 32;
/// Rows that are remembered as looked up; then all are looked up anew.
const LOOKED_UP_KEPT: usize = 100_000;

/// What a row said when it was looked up. While it says the same, the disk is not asked again.
pub(super) type Said = (NaiveDate, BookState, i64);

/// The disk has told whose a row is. Sent by the look-up's task.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct FoundOnDisk {
    /// The row.
    row: Arc<BookRow>,
    /// The order, if there is one; `Err`: the disk did not tell.
    order: Result<Option<OrderRecord>, ()>,
    /// The account's newest journal row when the book was asked for.
    began_seq: u64,
}

/// What a row proves about an order that only the disk knows.
#[derive(Debug, PartialEq, Eq)]
enum OldRow {
    /// News of it.
    News(CommandId, OrderFact),
    /// Something that a person must look at.
    Strange(Concern),
    /// Nothing that is not known.
    Nothing,
}

/// Compares a row with the order that the disk has for it, by its number or by its tag.
fn read_old(order: Option<&OrderRecord>, row: &BookRow, tag_prefix: &str, began_seq: u64) -> OldRow {
    let is_live = row.state == BookState::Open;
    let has_our_tag = row.tag.as_deref().and_then(read_tag).is_some_and(|(prefix, _)| prefix == tag_prefix);
    let live = |why: &str| {
        OldRow::Strange(Concern {
            event: "ALARM_OLD_ORDER_LIVE",
            level: Level::Page,
            text: format!(
                "broker order {} ({} {} {}) carries our tag and is working, but {why}; cancel it at the broker",
                row.broker_order_id, row.side, row.quantity, row.instrument
            ),
            command_id: order.map(|order| order.command_id),
        })
    };
    match order {
        None if is_live && has_our_tag => live("the record has no such order"),
        None => OldRow::Nothing,
        Some(order) => match misfit(order, row) {
            Some(strange) => OldRow::Strange(strange.concern()),
            None if order.sent_at.is_none() && is_live => live("it ended here without ever being sent"),
            None => news(order, row)
                .filter(|_| order.sent_at.is_some() && !is_overtaken(order, row, began_seq))
                .map_or(OldRow::Nothing, |fact| OldRow::News(order.command_id, fact)),
        },
    }
}

impl WatcherActor {
    /// Asks the disk about rows that nobody in memory owns; what works at the broker comes first.
    pub(super) fn look_up_old(&mut self, mut rows: Vec<Arc<BookRow>>, began_seq: u64) {
        // What the broker shows no more is not asked about again.
        if self.core.looked_up.len() > rows.len().saturating_mul(2).saturating_add(LOOKUPS_MOST) {
            let shown: HashSet<&BrokerOrderId> = rows.iter().map(|row| &row.broker_order_id).collect();
            self.core.looked_up.retain(|id, _| shown.contains(id));
        }
        rows.retain(|row| self.core.looked_up.get(&row.broker_order_id) != Some(&said(row)));
        rows.sort_by_key(|row| row.state != BookState::Open);
        for row in rows.into_iter().take(LOOKUPS_MOST) {
            if self.core.looked_up.len() >= LOOKED_UP_KEPT {
                self.core.looked_up.clear();
            }
            self.core.looked_up.insert(row.broker_order_id.clone(), said(&row));
            let query = Query::OrderAtBroker {
                client_id: self.desk.client_id.clone(),
                day: trading_date(row.at),
                broker_order_id: row.broker_order_id.clone(),
                broker_tag: row.tag.as_deref().filter(|tag| read_tag(tag).is_some()).and_then(|tag| BrokerTag::parse(tag).ok()),
            };
            let (reply, answer) = oneshot::channel();
            self.line.tell_persistence(Ask(query, reply));
            let (line, client_id) = (Arc::clone(&self.line), self.desk.client_id.clone());
            actix::spawn(async move {
                let order = match answer.await {
                    Ok(Ok(Rows::Orders(orders))) => Ok(orders.into_iter().next()),
                    _ => Err(()),
                };
                line.tell_watcher(&client_id, FoundOnDisk { row, order, began_seq });
            });
        }
    }

    fn found_on_disk(&mut self, message: FoundOnDisk) {
        let FoundOnDisk { row, order, began_seq } = message;
        let Ok(order) = order else {
            // The next book asks again.
            self.core.looked_up.remove(&row.broker_order_id);
            return;
        };
        match read_old(order.as_ref(), &row, &self.line.tag_prefix, began_seq) {
            OldRow::News(command_id, fact) => self.post_facts(vec![(command_id, fact)]),
            OldRow::Strange(concern) => drop(self.concern(concern)),
            OldRow::Nothing => {}
        }
    }
}

fn said(row: &BookRow) -> Said {
    (trading_date(row.at), row.state, row.filled)
}

impl Handler<FoundOnDisk> for WatcherActor {
    type Result = ();
    fn handle(&mut self, message: FoundOnDisk, ctx: &mut Self::Context) {
        guarded(self, ctx, |actor, _, _| actor.found_on_disk(message));
    }
}

#[cfg(test)]
#[path = "old_tests.rs"]
mod tests;
