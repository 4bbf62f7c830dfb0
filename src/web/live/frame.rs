//! What a window of time brought, told once: an order that changed ten times is one row, as it stands at the end. Pure.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use ordergate_actors::order::{ClientId, CommandId, OrderRecord};
use ordergate_actors::ports::JournalRow;
use serde_json::{Value, json};

use super::kind::{Kind, kinds_of};
use crate::web::answer::OrderRow;

/// What readers are told of one account, or of the process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct News {
    /// The account; `None` for the process.
    pub client_id: Option<ClientId>,
    /// The last row that it includes.
    pub seq: u64,
    /// By kind, the body of the event.
    pub told: Vec<(Kind, String)>,
}

/// One window's news; the same for every reader.
#[derive(Debug)]
pub(super) struct Frame {
    /// Counted from 1, over the life of the process.
    pub number: u64,
    pub news: Vec<News>,
}

#[derive(Debug, Default)]
struct Gathered {
    seq: u64,
    as_of: DateTime<Utc>,
    /// In the order in which they changed first.
    changed: Vec<CommandId>,
    orders: BTreeMap<CommandId, Option<Arc<OrderRecord>>>,
    rows: BTreeMap<Kind, Vec<Value>>,
}

/// Gathers the rows of a window.
#[derive(Debug, Default)]
pub(super) struct Window(BTreeMap<Option<ClientId>, Gathered>);

impl Window {
    /// One more row, with the order as it stands after it.
    pub(super) fn take(&mut self, row: &JournalRow, record: Option<&Arc<OrderRecord>>) {
        let gathered = self.0.entry(row.client_id.clone()).or_default();
        gathered.seq = gathered.seq.max(row.seq);
        gathered.as_of = gathered.as_of.max(row.at);
        for kind in kinds_of(row) {
            match row.command_id.filter(|_| kind == Kind::Orders) {
                Some(command_id) => {
                    if !gathered.orders.contains_key(&command_id) {
                        gathered.changed.push(command_id);
                    }
                    let slot = gathered.orders.entry(command_id).or_default();
                    if let Some(record) = record {
                        *slot = Some(Arc::clone(record));
                    }
                }
                None => gathered.rows.entry(kind).or_default().push(json!({
                    "seq": row.seq,
                    "at": row.at,
                    "event": row.event,
                    "text": row.reason,
                    "command_id": row.command_id,
                    "who": row.who,
                })),
            }
        }
    }

    /// The orders that changed and whose rows are not known here.
    pub(super) fn unknown(&self) -> Vec<(ClientId, CommandId)> {
        let of_accounts = self.0.iter().filter_map(|(client_id, gathered)| client_id.as_ref().map(|client_id| (client_id, gathered)));
        of_accounts
            .flat_map(|(client_id, gathered)| {
                let unknown = gathered.orders.iter().filter(|(_, record)| record.is_none());
                unknown.map(|(command_id, _)| (client_id.clone(), *command_id))
            })
            .collect()
    }

    /// How an order stands that was not known.
    pub(super) fn put(&mut self, record: Arc<OrderRecord>) {
        if let Some(slot) = self.0.get_mut(&Some(record.client_id.clone())).and_then(|gathered| gathered.orders.get_mut(&record.command_id))
        {
            *slot = Some(record);
        }
    }

    /// What was gathered, in words for readers.
    pub(super) fn news(self) -> Vec<News> {
        let tell = |(client_id, mut gathered): (Option<ClientId>, Gathered)| {
            let records = gathered.changed.iter().filter_map(|command_id| gathered.orders.get(command_id)).flatten();
            let orders: Vec<Value> = records.map(|record| json!(OrderRow::from(&**record))).collect();
            if !orders.is_empty() {
                gathered.rows.insert(Kind::Orders, orders);
            }
            let told = gathered.rows.into_iter().map(|(kind, changed)| (kind, body(client_id.as_ref(), gathered.as_of, &changed, false)));
            News { seq: gathered.seq, told: told.collect(), client_id: client_id.clone() }
        };
        self.0.into_iter().map(tell).collect()
    }
}

/// The news that too much has happened to be told: fetch everything.
pub(super) fn fetch_all(client_id: &ClientId, seq: u64, as_of: DateTime<Utc>) -> News {
    let told = Kind::ALL.into_iter().map(|kind| (kind, body(Some(client_id), as_of, &[], true))).collect();
    News { client_id: Some(client_id.clone()), seq, told }
}

fn body(client_id: Option<&ClientId>, as_of: DateTime<Utc>, changed: &[Value], fetch_all: bool) -> String {
    let mut body = json!({ "client_id": client_id, "as_of": as_of, "changed": changed });
    if let (true, Some(fields)) = (fetch_all, body.as_object_mut()) {
        fields.insert("fetch_all".to_owned(), json!(true));
    }
    body.to_string()
}

/// How far a reader has come, by account: the number that its browser sends when it comes back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Positions(pub BTreeMap<ClientId, u64>);

impl Positions {
    /// Reads `PAPER1:17,PAPER2:4`; what cannot be read is no position.
    pub(super) fn parse(text: &str) -> Self {
        let one = |part: &str| {
            let (client_id, seq) = part.trim().rsplit_once(':')?;
            Some((ClientId::parse(client_id).ok()?, seq.parse().ok()?))
        };
        Self(text.split(',').filter_map(one).collect())
    }

    fn words(&self) -> String {
        let each: Vec<String> = self.0.iter().map(|(client_id, seq)| format!("{client_id}:{seq}")).collect();
        each.join(",")
    }

    /// The head of a stream: how soon to come back, and where it stands.
    pub(super) fn head(&self) -> String {
        format!("retry: 2000\nid: {}\n\n", self.words())
    }

    /// The text of one account's news, if the reader has not had it. Only its last event moves the position: a stream that is cut
    /// in between is resumed before all of them.
    pub(super) fn tell(&mut self, news: &News) -> Option<String> {
        let before = self.words();
        // The process's own rows have no place in the number: they are about now.
        if let Some(client_id) = &news.client_id {
            let position = self.0.get_mut(client_id).filter(|position| **position < news.seq)?;
            *position = news.seq;
        }
        let (after, last) = (self.words(), news.told.len().saturating_sub(1));
        let mut text = String::new();
        for (place, (kind, body)) in news.told.iter().enumerate() {
            let id = if place == last { &after } else { &before };
            // Writing into a text cannot fail.
            let _ = write!(text, "event: {}\nid: {id}\ndata: {body}\n\n", kind.as_str());
        }
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::super::kind::row;
    use super::*;

    fn client(name: &str) -> ClientId {
        ClientId::parse(name).unwrap()
    }

    fn of(client_id: &str, event: &str, seq: u64) -> JournalRow {
        JournalRow { client_id: Some(client(client_id)), ..row(event, None, seq) }
    }

    #[test]
    fn an_order_that_changes_often_is_told_once_and_is_looked_for_if_unknown() {
        let mut window = Window::default();
        let order = CommandId(Uuid::from_u128(1));
        for seq in 1..=3 {
            window.take(&JournalRow { command_id: Some(order), ..of("PAPER1", "FILL", seq) }, None);
        }
        assert_eq!(window.unknown(), [(client("PAPER1"), order)]);
        let news = window.news();
        assert_eq!((news.len(), news[0].seq), (1, 3));
        let kinds: Vec<Kind> = news[0].told.iter().map(|(kind, _)| *kind).collect();
        assert_eq!(kinds, [Kind::Positions, Kind::Pnl], "an order that nobody knows is not told");
        assert_eq!(news[0].told[0].1.matches("\"FILL\"").count(), 3);
    }

    #[test]
    fn positions_go_out_and_come_back() {
        let mut positions = Positions::parse("PAPER1:17, PAPER2:4,x,PAPER3:y,:5");
        assert_eq!(positions.words(), "PAPER1:17,PAPER2:4");
        assert_eq!(positions.head(), "retry: 2000\nid: PAPER1:17,PAPER2:4\n\n");
        let mut window = Window::default();
        window.take(&of("PAPER2", "ALARM_RISK_BREACH", 5), None);
        let news = window.news().remove(0);
        let text = positions.tell(&news).unwrap();
        assert!(text.starts_with("event: risk\nid: PAPER1:17,PAPER2:4\ndata: {"), "{text}");
        assert!(text.contains("event: alarms\nid: PAPER1:17,PAPER2:5\ndata: {"), "{text}");
        assert_eq!(positions.tell(&news), None, "nothing is told twice");
        let other = News { client_id: Some(client("OTHER")), ..news };
        assert_eq!(positions.tell(&other), None, "an account that the reader does not see");
    }

    #[test]
    fn the_process_is_told_without_a_position() {
        let mut positions = Positions::parse("PAPER1:17");
        let mut window = Window::default();
        window.take(&row("SIGNED_IN", None, 900), None);
        let text = positions.tell(&window.news()[0]).unwrap();
        assert!(text.starts_with("event: session\nid: PAPER1:17\ndata: {"), "{text}");
    }
}
