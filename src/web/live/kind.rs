//! What a journal row is news of. A row may be news of several things, and says so by its stable name alone: a row that is
//! read from the disk is the same news as one that was just committed.

use ordergate_actors::persistence::CONTROL;
use ordergate_actors::ports::JournalRow;

/// The kinds of news; a page listens to those that it shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Orders,
    Positions,
    Pnl,
    Risk,
    Alarms,
    Session,
    Health,
}

impl Kind {
    /// All of them, in the order in which they are told.
    pub(super) const ALL: [Self; 7] = [Self::Orders, Self::Positions, Self::Pnl, Self::Risk, Self::Alarms, Self::Session, Self::Health];

    /// The name of the event.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Orders => "orders",
            Self::Positions => "positions",
            Self::Pnl => "pnl",
            Self::Risk => "risk",
            Self::Alarms => "alarms",
            Self::Session => "session",
            Self::Health => "health",
        }
    }
}

/// How a row's name begins that is news of something beside an order.
const BEGINNINGS: [(&str, &[Kind]); 23] = [
    ("FILL", &[Kind::Positions, Kind::Pnl]),
    ("HOLDING_", &[Kind::Positions, Kind::Pnl]),
    ("PRICE_TOLD", &[Kind::Positions, Kind::Pnl]),
    ("DIFFERENCE_", &[Kind::Positions]),
    ("EXIT_RULE_", &[Kind::Positions]),
    ("EXIT_STEP", &[Kind::Positions]),
    ("RISK_", &[Kind::Risk, Kind::Pnl]),
    ("OVERRIDE_", &[Kind::Risk]),
    ("STRATEGY_REARMED", &[Kind::Risk]),
    ("HALT_", &[Kind::Risk]),
    (CONTROL, &[Kind::Risk, Kind::Session]),
    ("SQUARE_OFF_", &[Kind::Risk, Kind::Positions]),
    ("ALARM_STRATEGY_HALTED", &[Kind::Risk, Kind::Alarms]),
    ("ALARM_RISK_BREACH", &[Kind::Risk, Kind::Alarms]),
    ("ALARM_MARGIN_SHORT", &[Kind::Risk, Kind::Alarms]),
    ("ALARM_RISK_WARNING", &[Kind::Risk, Kind::Alarms]),
    ("ALARM_HOLDING_REDUCED", &[Kind::Positions, Kind::Alarms]),
    ("ALARM_", &[Kind::Alarms]),
    ("ACKNOWLEDGED", &[Kind::Alarms]),
    ("BROKER_LOGIN", &[Kind::Session]),
    ("READINESS_", &[Kind::Session]),
    ("SIGNED_", &[Kind::Session]),
    ("SESSION_", &[Kind::Session]),
];

/// What the row is news of; never of nothing.
pub(super) fn kinds_of(row: &JournalRow) -> Vec<Kind> {
    let mut kinds: Vec<Kind> = row.command_id.map(|_| Kind::Orders).into_iter().collect();
    // The first beginning that fits is the closest one.
    kinds.extend(BEGINNINGS.iter().find(|(beginning, _)| row.event.starts_with(beginning)).into_iter().flat_map(|(_, kinds)| *kinds));
    if kinds.is_empty() {
        kinds.push(Kind::Health);
    }
    kinds
}

/// A row of that name.
#[cfg(test)]
pub(super) fn row(event: &str, command_id: Option<ordergate_actors::order::CommandId>, seq: u64) -> JournalRow {
    JournalRow {
        client_id: None,
        seq,
        prev_hash: [0; 32],
        at: chrono::DateTime::UNIX_EPOCH,
        event: event.into(),
        command_id,
        signal_id: None,
        from: None,
        to: None,
        tag: None,
        reason: None,
        who: "tests".into(),
        inputs: "{}".into(),
    }
}

#[cfg(test)]
mod tests {
    use ordergate_actors::order::CommandId;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_row_is_news_of_what_its_name_says() {
        let order = Some(CommandId(Uuid::from_u128(1)));
        for (event, command_id, kinds) in [
            ("BROKER_BOOK", order, vec![Kind::Orders]),
            ("FILL", order, vec![Kind::Orders, Kind::Positions, Kind::Pnl]),
            ("ALARM_IN_DOUBT", order, vec![Kind::Orders, Kind::Alarms]),
            ("ALARM_RISK_BREACH", None, vec![Kind::Risk, Kind::Alarms]),
            ("CONTROL", None, vec![Kind::Risk, Kind::Session]),
            ("SIGNED_IN", None, vec![Kind::Session]),
            ("SIGNAL_REPLAYED", None, vec![Kind::Health]),
        ] {
            assert_eq!(kinds_of(&row(event, command_id, 1)), kinds, "{event}");
        }
    }
}
