//! The day, and what is kept of it.

use super::*;

#[test]
fn the_daily_loss_stops_entries_at_its_limit() {
    let case = |realised: i64, unrealised: i64, product| {
        Case::of(order(1)).with(|case| {
            let row =
                crate::ports::PositionRow { realised: rupees(realised), unrealised: rupees(unrealised), ..position(sbin_in(product), 0) };
            crate::testkit::builders::add_row(&mut case.findings, row);
        })
    };
    case(-500, -499, Product::Mis).passes();
    case(-500, -500, Product::Mis).refused(
        Tag::RiskLimitsExceeded,
        &["risk.daily_loss: the day stands at -1000 rupees by the broker's positions, our own fills say 0 (limit: above -1000 rupees)"],
    );
    case(-2_000, 999, Product::Nrml).refused(Tag::RiskLimitsExceeded, &["-1001"]);
    case(-2_000, 1_001, Product::Nrml).passes();
    case(0, -9_000, Product::Cnc).passes();
}

#[test]
fn the_day_that_is_kept_is_the_day_that_counts() {
    use crate::persistence::Topic;
    use crate::risk::{Hit, LimitName, Override, RiskDay, day_slot};
    let kept = |change: fn(&mut RiskDay)| {
        Case::of(order(1)).with(|case| {
            let mut day = RiskDay::on(None, crate::order::trading_date(at(0)), &case.account.limits);
            change(&mut day);
            keep(case, Topic::RiskDay, &day_slot().key, &day);
        })
    };
    kept(|_| ()).passes();
    kept(|day| day.gained = rupees(1_000)).refused(
        Tag::RiskLimitsExceeded,
        &["risk.daily_loss: the day stands at 0 rupees by the broker's positions and our own fills (limit: above 0 rupees)"],
    );
    let hit = |day: &mut RiskDay| day.hit = Some(Hit { at: at(-60), pnl: rupees(-1_100), floor: rupees(-1_000), lifted_at: None });
    kept(hit).refused(Tag::RiskLimitsExceeded, &["it was over at 2026-11-20 04:29:00 UTC with -1100"]);
    kept(|day| (day.loss_days, day.cooldown_until) = (3, NaiveDate::from_ymd_opt(2026, 11, 23)))
        .refused(Tag::RiskLimitsExceeded, &["risk.loss_days: 3 days of loss in a row: no entries before 2026-11-23"]);
    // Yesterday's breach is over.
    kept(|day| day.date = day.date.pred_opt().unwrap()).passes();
    // A limit of this morning that the settings have loosened since.
    let tight = |day: &mut RiskDay| {
        day.limits.numbers.insert(LimitName::MaxQuantity, 5.into());
    };
    kept(tight).refused(Tag::RiskLimitsExceeded, &["risk.max_quantity: 10 (limit: 5)"]);
    let set =
        Override { limit: LimitName::MaxQuantity, value: 10.into(), who: "asha".into(), reason: "test".into(), from: at(-1), until: at(1) };
    kept(tight).with(|case| keep(case, Topic::Override, "max_quantity", &set)).passes();
    let ended = Override { until: at(0), ..set };
    kept(tight).with(|case| keep(case, Topic::Override, "max_quantity", &ended)).refused(Tag::RiskLimitsExceeded, &["risk.max_quantity"]);
}

#[test]
fn a_halted_strategy_enters_nothing_until_it_is_re_armed() {
    use crate::persistence::Topic;
    use crate::risk::{Halt, Rearmed};
    let halt = |rearmed| Halt { strategy: crate::testkit::builders::strategy("trend"), reason: "8 times".into(), at: at(-5), rearmed };
    let case = |halt| Case::of(order(1)).with(|case| keep(case, Topic::Halt, "trend", &halt));
    case(halt(None)).refused(Tag::RiskLimitsExceeded, &["risk.repeats: trend is halted since", "8 times; re-arm it"]);
    case(halt(Some(Rearmed { at: at(-1), who: "asha".into(), reason: "looked".into() }))).passes();
    let out = Case::among(exit(2), &[], &[("trend", sbin_in(Product::Mis), 10)]);
    out.with(|case| keep(case, Topic::Halt, "trend", &halt(None))).passes();
}
