//! What is told of a recorded verdict under other settings is what the rules say under them.

use proptest::prelude::*;
use std::time::Duration as Wait;

use super::*;
use crate::order::Intent;
use crate::risk::{Again, Otherwise};
use crate::settings::Limits;

fn gates(case: &Case) -> Vec<GateVerdict> {
    match case.judge(Phase::Open) {
        Judgement::Clear { gates, .. } | Judgement::Refuse { gates, .. } => gates,
        other => panic!("{other:?}"),
    }
}

/// An order of so many at that price, that old, in an account that holds, works and has lost something.
fn case(quantity: i64, rupee: i64, age_ms: i64, loss: i64) -> Case {
    let limit = price(&rupee.to_string());
    let mut me = order(10).asks(quantity);
    (me.ask.order_type, me.ask.price, me.signal_time) = (Some(OrderType::Limit), Some(limit), at(0) - Duration::milliseconds(age_ms));
    let others = [order(1).by("a").asks(10).sent(), order(2).by("b").asks(10).sent()];
    Case::among(me, &others, &[("held", sbin_in(Product::Mis), 5)]).with(|case| {
        case.quote = Some(touch(Some("800"), Some("800"), "800"));
        shows_lost(&mut case.findings, loss, at(0) - Duration::milliseconds(age_ms));
    })
}

#[derive(Debug, Clone)]
struct Numbers {
    units: i64,
    rupees: i64,
    count: usize,
    percent: i64,
    loss: i64,
    wait_ms: u64,
}

fn numbers() -> impl Strategy<Value = Numbers> {
    (1..120i64, 1_000..90_000i64, 1..6usize, 1..20i64, 1..2_000i64, 1..20_000u64)
        .prop_map(|(units, rupees, count, percent, loss, wait_ms)| Numbers { units, rupees, count, percent, loss, wait_ms })
}

impl Numbers {
    fn put(&self, case: &mut Case) {
        let limits = &mut case.account.limits;
        (limits.max_quantity, limits.max_position, limits.max_position_underlying) = (self.units, self.units, self.units);
        (limits.max_order_value, limits.max_open_value) = (rupees(self.rupees), rupees(2 * self.rupees));
        (limits.max_open_orders, limits.trades_per_day, limits.loss_days) = (self.count, self.count, self.count);
        (limits.collar_percent, limits.daily_loss) = (self.percent.into(), rupees(self.loss));
        (case.settings.entry_ttl, case.account.waits.blind_after) = (Wait::from_millis(self.wait_ms), Wait::from_millis(self.wait_ms));
    }
}

fn otherwise<'a>(account: &'a AccountSettings, settings: &'a Settings) -> Otherwise<'a> {
    Otherwise { limits: &account.limits, settings, waits: &account.waits, day: None, intent: Some(Intent::Entry) }
}

proptest! {
    /// Whatever the settings were and are, what the record's numbers decide is decided as the rules decide it.
    #[test]
    fn prop_what_is_told_of_other_settings_is_what_the_rules_say(
        quantity in 1..130i64, rupee in 700..900i64, age_ms in 0..20_000i64, loss in 0..2_000i64, then in numbers(), now in numbers(),
    ) {
        let (mut before, mut after) = (case(quantity, rupee, age_ms, loss), case(quantity, rupee, age_ms, loss));
        then.put(&mut before);
        now.put(&mut after);
        for (was, is) in gates(&before).iter().zip(gates(&after)) {
            prop_assert_eq!(&was.gate, &is.gate);
            match otherwise(&after.account, &after.settings).judge(was) {
                Again::Judged { passed, limit } => prop_assert_eq!((passed, &limit), (is.passed, &is.limit), "{:?} is {:?}", was, is),
                Again::Same => prop_assert_eq!(was.passed, is.passed, "{:?} is {:?}", was, is),
                Again::Untold { limit } => prop_assert_eq!(&limit, &is.limit, "{:?} is {:?}", was, is),
            }
        }
    }
}

/// Each limit with numbers turns a verdict round by itself.
#[test]
fn each_limit_that_is_told_turns_its_verdict_round() {
    type Tighter = fn(&mut Case);
    let tight: [(&str, Tighter); 9] = [
        ("risk.max_quantity", |case| case.account.limits.max_quantity = 9),
        ("risk.max_order_value", |case| case.account.limits.max_order_value = rupees(7_999)),
        ("risk.max_open_value", |case| case.account.limits.max_open_value = rupees(7_999)),
        ("risk.max_position", |case| case.account.limits.max_position = 9),
        ("risk.max_position_underlying", |case| case.account.limits.max_position_underlying = 9),
        ("risk.trades_per_day", |case| case.account.limits.trades_per_day = 2),
        ("risk.daily_loss", |case| case.account.limits.daily_loss = rupees(100)),
        ("risk.stale_signal", |case| case.settings.entry_ttl = Wait::from_millis(999)),
        ("risk.blind", |case| case.account.waits.blind_after = Wait::from_millis(999)),
    ];
    let wide = |case: &mut Case| {
        let limits = Limits { messages_per_minute: 10_000, repeats: 1_000, ..Limits::standard() };
        case.account.limits = limits;
    };
    let loose = case(10, 800, 1_000, 500).with(wide);
    for (gate, change) in tight {
        let narrow = case(10, 800, 1_000, 500).with(wide).with(change);
        let of = |case: &Case| gates(case).into_iter().find(|verdict| verdict.gate == gate).unwrap();
        let (open, shut) = (of(&loose), of(&narrow));
        assert!(open.passed && !shut.passed, "{open:?} {shut:?}");
        let told = otherwise(&narrow.account, &narrow.settings).judge(&open);
        assert_eq!(told, Again::Judged { passed: false, limit: shut.limit.clone() }, "{gate}");
        let told = otherwise(&loose.account, &loose.settings).judge(&shut);
        assert_eq!(told, Again::Judged { passed: true, limit: open.limit.clone() }, "{gate}");
    }
}

/// What the record cannot tell is said, and a day whose floor had risen is judged from there.
#[test]
fn what_lacks_its_numbers_is_untold_and_the_floor_is_that_of_the_day() {
    let account = account();
    let settings = settings();
    let verdict = |gate: &str, passed, input: &str, limit: &str| GateVerdict {
        gate: gate.to_owned().into(),
        passed,
        input: input.to_owned(),
        limit: limit.to_owned(),
    };
    let messages = verdict(
        "risk.messages",
        true,
        "fewer in the last minute, of which 0 were changes and cancels",
        "1 orders, changes and cancels in a minute",
    );
    assert!(matches!(otherwise(&account, &settings).judge(&messages), Again::Untold { .. }));
    let known = Known::of(&book_of([], &[]), &account.limits, at(0));
    let mut day = known.day(&account.limits, at(0));
    day.gained = rupees(1_000);
    let limits = Limits { daily_loss: rupees(600), ..account.limits.clone() };
    let held = Otherwise { limits: &limits, day: Some(&day), ..otherwise(&account, &settings) };
    let stood = |pnl: &str| verdict("risk.daily_loss", true, &format!("the day stands at {pnl} rupees by both"), "above -4000 rupees");
    assert_eq!(held.judge(&stood("400")), Again::Judged { passed: false, limit: "above 400 rupees".to_owned() });
    assert_eq!(held.judge(&stood("401")), Again::Judged { passed: true, limit: "above 400 rupees".to_owned() });
}
