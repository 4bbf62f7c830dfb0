//! What a committed journal row has to say to a person: pure. A row that is read from the disk long after says the same as
//! one that was just committed.

use chrono::{DateTime, Utc};
use ordergate_actors::order::event::FILL;
use ordergate_actors::order::{Fill, OrderRecord, Status, Tag, ist};
use ordergate_actors::persistence::{CONTROL, Control, Level};
use ordergate_actors::ports::JournalRow;

use super::Alert;

/// Rows beside the orders that people hear of although they are no alarms, and how loud each is.
const NEWS: [(&str, Level); 14] = [
    (ENGINE_STARTED, Level::Info),
    (ENGINE_RESTARTED, Level::Warn),
    ("SESSION_PROVEN", Level::Info),
    ("BROKER_LOGIN", Level::Info),
    ("BROKER_LOGIN_FAILED", Level::Warn),
    (CONTROL, Level::Info),
    (super::actions::CONFIRMED, Level::Info),
    (super::actions::DONE_LATE, Level::Warn),
    ("SQUARE_OFF_FLAT", Level::Info),
    ("POINT_VALUE_AGREES", Level::Info),
    ("STRATEGY_REARMED", Level::Info),
    ("RISK_BREACH_LIFTED", Level::Info),
    (super::summary::AT_OPEN, Level::Info),
    (super::summary::AT_CLOSE, Level::Info),
];

/// The engine began after an orderly end.
pub(crate) const ENGINE_STARTED: &str = "ENGINE_STARTED";
/// The engine began, and the process before it had not ended in order.
pub(crate) const ENGINE_RESTARTED: &str = "ENGINE_RESTARTED";

/// Whether the row is about an order in a way that only the order's record makes readable.
pub(super) fn wants_order(row: &JournalRow) -> bool {
    row.command_id.is_some() && loudness(row).is_none() && (&*row.event == FILL || has_ended_badly(row))
}

/// The row as an alert; `None`: nobody needs to hear of it. `order` is the row's order as it stands now, where
/// [`wants_order`] asks for it; without it the row's own columns have to do.
#[must_use]
pub(super) fn of_row(row: &JournalRow, order: Option<&OrderRecord>) -> Option<Alert> {
    let said = row.reason.as_deref().unwrap_or_default();
    let alert = |level, event: &str, text: String| Alert {
        level,
        event: event.to_owned(),
        text,
        client_id: row.client_id.clone(),
        command_id: row.command_id,
        seq: Some(row.seq),
        at: row.at,
    };
    if let Some(level) = loudness(row) {
        return Some(alert(level, &row.event, said.to_owned()));
    }
    if &*row.event == FILL && order.is_none_or(|order| !order.is_test()) {
        return Some(alert(Level::Info, FILL, filled(row, order)));
    }
    if has_ended_badly(row) {
        let tag = row.tag?;
        return level_of_end(tag).map(|level| alert(level, tag.as_str(), ended(tag, row, order)));
    }
    let (event, level) = NEWS.iter().find(|(event, _)| *event == &*row.event)?;
    let who = match &*row.event {
        CONTROL => format!("{}: {}", row.who, changed(row)),
        super::actions::CONFIRMED | super::actions::DONE_LATE => format!("{}: ", row.who),
        _ => String::new(),
    };
    Some(alert(*level, event, format!("{who}{said}")))
}

/// What was changed of the controls, to be followed by why.
fn changed(row: &JournalRow) -> String {
    let what = serde_json::from_str::<Control>(&row.inputs).map(|control| control.what).unwrap_or_default();
    if what.is_empty() { what } else { format!("{what}: ") }
}

/// How loud an alarm is; it stands at the front of the row's inputs.
fn loudness(row: &JournalRow) -> Option<Level> {
    let word = row.inputs.strip_prefix("{\"level\":\"")?.split('"').next()?;
    Level::parse(word).filter(|level| *level > Level::Info)
}

fn has_ended_badly(row: &JournalRow) -> bool {
    row.to == Some(Status::Failed) && row.from != Some(Status::Failed)
}

/// How loud the end of an order is. Nothing is said of one that was not meant to trade, or whose work another took over.
/// That an exit failed is an alarm of its own.
fn level_of_end(tag: Tag) -> Option<Level> {
    match tag {
        Tag::TestMode | Tag::AtTarget | Tag::Superseded | Tag::Replaced => None,
        Tag::BrokerRejected
        | Tag::RateLimited
        | Tag::BrokerNotLoggedIn
        | Tag::NotSent
        | Tag::NotAtBroker
        | Tag::EngineFault
        | Tag::AbandonedAtRecovery => Some(Level::Warn),
        _ => Some(Level::Info),
    }
}

/// What an order asks for, as people say it.
fn order_words(order: &OrderRecord) -> String {
    let side = order.ask.side.map(|side| format!("{side} ")).unwrap_or_default();
    let quantity = order.ask.quantity.map(|quantity| format!("{quantity} ")).unwrap_or_default();
    format!("{side}{quantity}{} for {}", order.ask.symbol, order.ask.strategy)
}

fn filled(row: &JournalRow, order: Option<&OrderRecord>) -> String {
    let Ok(fill) = serde_json::from_str::<Fill>(&row.inputs) else { return "a trade was recorded".to_owned() };
    let trade = format!("{} at {}", fill.quantity, fill.price);
    match order {
        None => format!("a trade of {trade}"),
        Some(order) => {
            let is_exit = if order.is_exit() { "exit " } else { "" };
            format!("{is_exit}{}: {trade}; {} of {} filled by now", order_words(order), order.filled_quantity, order.quantity())
        }
    }
}

fn ended(tag: Tag, row: &JournalRow, order: Option<&OrderRecord>) -> String {
    let what = order
        .map_or_else(|| "an order".to_owned(), |order| format!("{}{}", if order.is_exit() { "exit " } else { "" }, order_words(order)));
    let why = order.and_then(|order| order.reason.as_deref()).or(row.reason.as_deref()).unwrap_or("no reason was given");
    format!("{what}: {}: {why} [{tag}]", tag.words())
}

/// A time of day as people in India read it.
pub(super) fn clock_words(at: DateTime<Utc>) -> String {
    at.with_timezone(&ist()).format("%-d %b %H:%M").to_string()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) fn row(event: &str, seq: u64, inputs: &str) -> JournalRow {
        JournalRow {
            client_id: ordergate_actors::order::ClientId::parse("LIVE1").ok(),
            seq,
            prev_hash: [0; 32],
            at: "2026-11-20T04:00:00Z".parse().unwrap(),
            event: event.into(),
            command_id: None,
            signal_id: None,
            from: None,
            to: None,
            tag: None,
            reason: Some("the reason".into()),
            who: "asha from 10.0.0.1".into(),
            inputs: inputs.into(),
        }
    }

    #[test]
    fn alarms_are_as_loud_as_their_row_says() {
        for (inputs, level) in [
            (r#"{"level":"PAGE"}"#, Some(Level::Page)),
            (r#"{"level":"WARN","alarm":1}"#, Some(Level::Warn)),
            (r#"{"level":"INFO"}"#, None),
            ("{}", None),
        ] {
            let alert = of_row(&row("ALARM_IN_DOUBT", 3, inputs), None);
            assert_eq!(alert.as_ref().map(|alert| alert.level), level, "{inputs}");
            assert!(alert.is_none_or(|alert| alert.seq == Some(3) && alert.text == "the reason"));
        }
    }

    #[test]
    fn news_beside_the_orders_are_told_and_the_rest_is_not() {
        let restarted = of_row(&row(ENGINE_RESTARTED, 1, "{}"), None).unwrap();
        assert_eq!((restarted.level, restarted.event.as_str()), (Level::Warn, ENGINE_RESTARTED));
        let controls = Control { what: "kill level 2 for strategy trend".to_owned(), ..Control::default() };
        let control = of_row(&row(CONTROL, 1, &serde_json::to_string(&controls).unwrap()), None).unwrap();
        assert_eq!(control.text, "asha from 10.0.0.1: kill level 2 for strategy trend: the reason");
        for event in ["SIGNAL_REPLAYED", "ACKNOWLEDGED", "EXIT_RULE_MOVED", "SIGNED_IN", "READINESS_REPORT"] {
            assert!(of_row(&row(event, 1, "{}"), None).is_none(), "{event}");
        }
    }

    #[test]
    fn an_end_tells_the_brokers_words_and_tag_once() {
        let command = ordergate_actors::order::CommandId(uuid::Uuid::from_u128(1));
        let rejected = JournalRow {
            command_id: Some(command),
            from: Some(Status::SentToBroker),
            to: Some(Status::Failed),
            tag: Some(Tag::BrokerRejected),
            ..row("FAILED", 1, "{}")
        };
        assert!(wants_order(&rejected));
        let alert = of_row(&rejected, None).unwrap();
        assert_eq!((alert.level, alert.event.as_str()), (Level::Warn, "BROKER_REJECTED"));
        assert_eq!(alert.text, "an order: rejected by the broker: the reason [BROKER_REJECTED]");
        let again = JournalRow { from: Some(Status::Failed), ..rejected.clone() };
        assert!(of_row(&again, None).is_none() && !wants_order(&again));
        for (tag, level) in [(Tag::RiskLimitsExceeded, Some(Level::Info)), (Tag::TestMode, None), (Tag::Replaced, None)] {
            assert_eq!(of_row(&JournalRow { tag: Some(tag), ..rejected.clone() }, None).map(|alert| alert.level), level, "{tag}");
        }
    }

    #[test]
    fn a_fill_tells_units_and_price() {
        let inputs = r#"{"trade_id":"1","broker_order_id":"7","quantity":10,"price":"800.50","at":"2026-11-20T04:00:00Z"}"#;
        let alert = of_row(&row("FILL", 1, inputs), None).unwrap();
        assert_eq!((alert.level, alert.text.as_str()), (Level::Info, "a trade of 10 at 800.5"));
    }
}
