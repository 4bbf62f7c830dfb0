//! What a person is called for is a page: a name in the journal alone calls nobody.

use ordergate_actors::ports::JournalRow;

/// The alarms that never come but as a page.
const PAGES: [&str; 26] = [
    "ALARM_ACTOR_RESTARTED",
    "ALARM_BLIND",
    "ALARM_CLOCK_JUMPED",
    "ALARM_DOUBLE_ORDER",
    "ALARM_EXIT_CUT",
    "ALARM_EXIT_FEED_MUTED",
    "ALARM_EXIT_OTHER_BASIS",
    "ALARM_EXIT_RULE_MISSING",
    "ALARM_EXIT_RULE_UNREADABLE",
    "ALARM_EXIT_STUCK",
    "ALARM_EXIT_TIME_MISSED",
    "ALARM_EXIT_UNCOVERS",
    "ALARM_EXIT_WAITS",
    "ALARM_HOLDING_REDUCED",
    "ALARM_IN_DOUBT",
    "ALARM_LATE_TRUTH",
    "ALARM_MANUAL_TRADE",
    "ALARM_NOT_FLAT",
    "ALARM_NO_SESSION",
    "ALARM_PLAN_STOPPED",
    "ALARM_RISK_BREACH",
    "ALARM_SQUARE_OFF_STUCK",
    "ALARM_STRANGE_TAG",
    "ALARM_STRATEGY_HALTED",
    "ALARM_TAG_MISMATCH",
    "ALARM_TRADES_NOT_TOLD",
];

/// Each of them that the chain has was said as loudly as that.
pub(crate) fn loud(rows: &[JournalRow]) -> Result<(), String> {
    let level = |row: &JournalRow| serde_json::from_str::<serde_json::Value>(&row.inputs).ok()?["level"].as_str().map(str::to_owned);
    match rows.iter().find(|row| PAGES.contains(&&*row.event) && level(row).as_deref() != Some("PAGE")) {
        Some(row) => Err(format!("{} was said at level {:?}, which calls nobody: {:?}", row.event, level(row), row.reason)),
        None => Ok(()),
    }
}
