use proptest::prelude::{prop_assert, prop_assert_eq, proptest};

use super::*;
use crate::testkit::builders::{at, rupees};

fn settings() -> Limits {
    Limits { daily_loss: rupees(2_000), loss_step: rupees(100), loss_warning_percent: 80, loss_days: 3, ..Limits::standard() }
}

fn date(day: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 11, day).unwrap()
}

fn day() -> RiskDay {
    RiskDay::on(None, date(20), &settings())
}

/// The seeds' own numbers: base 2000, step 100. Each row: the result, the floor after it, what happened.
#[test]
fn the_floor_follows_the_highest_profit_in_whole_steps() {
    use Happening::{Hit, Raised, Warned};
    let rows: &[(i64, i64, &[Happening])] = &[
        (0, -2_000, &[]),
        (99, -2_000, &[]),
        (100, -1_900, &[Raised]),
        (250, -1_800, &[Raised]),
        (199, -1_800, &[]),
        (-1_399, -1_800, &[]),
        (-1_400, -1_800, &[Warned]),
        (-1_500, -1_800, &[]),
        (2_000, 0, &[Raised]),
        (400, 0, &[Warned]),
        (1, 0, &[]),
        (2_550, 500, &[Raised]),
        (501, 500, &[Warned]),
        (500, 500, &[Hit]),
        (400, 500, &[]),
        (3_000, 1_000, &[Raised]),
        (900, 1_000, &[]),
    ];
    let mut day = day();
    for (row, (pnl, floor, happened)) in rows.iter().enumerate() {
        assert_eq!(day.see(rupees(*pnl), &settings(), at(0)), *happened, "row {row}: at {pnl}");
        assert_eq!(day.floor(rupees(2_000)), rupees(*floor), "row {row}: at {pnl}");
    }
    assert!(day.is_hit(), "once hit, hit for the day, whatever the result does");
    assert_eq!(day.hit.unwrap().pnl, rupees(500));
}

#[test]
fn without_a_step_the_floor_stays() {
    let limits = Limits { loss_step: Amount::ZERO, ..settings() };
    let mut day = day();
    assert_eq!(day.see(rupees(9_000), &limits, at(0)), []);
    assert_eq!(day.floor(rupees(2_000)), rupees(-2_000));
}

#[test]
fn a_person_may_move_the_floor_below_the_result_and_only_for_that_time() {
    let mut day = day();
    assert_eq!(day.see(rupees(-2_100), &settings(), at(0)), [Happening::Hit]);
    assert_eq!(day.see(rupees(-1_500), &settings(), at(1)), [], "a better result alone lifts nothing");
    assert!(day.is_hit());
    let wider = Limits { daily_loss: rupees(5_000), ..settings() };
    assert_eq!(day.see(rupees(-2_100), &wider, at(2)), [Happening::Lifted]);
    assert!(!day.is_hit());
    assert_eq!(day.see(rupees(-2_100), &settings(), at(3)), [Happening::Hit], "the override has ended");
    let tomorrow = RiskDay::on(Some(&day), date(23), &settings());
    assert_eq!((tomorrow.loss_days, tomorrow.is_hit()), (1, false));
}

#[test]
fn a_day_of_the_same_date_is_kept_and_a_later_one_begins_anew() {
    let mut friday = day();
    friday.see(rupees(1_000), &settings(), at(0));
    friday.see(rupees(-1_000), &settings(), at(0));
    assert!(friday.is_hit());
    assert_eq!(RiskDay::on(Some(&friday), date(20), &settings()), friday, "over a restart");
    assert_eq!(RiskDay::on(Some(&friday), date(19), &settings()), friday, "a clock that went back");
    let monday = RiskDay::on(Some(&friday), date(23), &settings());
    assert_eq!((monday.is_hit(), monday.gained, monday.loss_days), (false, Amount::ZERO, 1));
}

/// Each row: whether the day was hit, whether it was traded; then the days in a row that the next one starts with.
#[test]
fn days_of_loss_in_a_row_are_counted_over_days_without_a_trade() {
    let rows = [(true, true, 1), (true, true, 2), (false, false, 2), (false, true, 0), (true, false, 1), (false, false, 1)];
    let wide = Limits { loss_days: 100, ..settings() };
    let mut standing = RiskDay::on(None, date(2), &wide);
    for (row, (hit, traded, count)) in rows.into_iter().enumerate() {
        if hit {
            standing.see(rupees(-2_000), &wide, at(0));
        }
        standing.traded = traded;
        standing = RiskDay::on(Some(&standing), date(3 + u32::try_from(row).unwrap()), &wide);
        assert_eq!(standing.loss_days, count, "row {row}");
    }
}

/// The floor has followed a profit, and ends the day with most of it; or a person has lifted the breach.
#[test]
fn a_day_that_keeps_a_profit_and_one_whose_breach_was_lifted_are_no_days_of_loss() {
    let before = RiskDay { loss_days: 2, traded: true, ..day() };
    let after = |results: &[i64], limits: &Limits| {
        let mut ended = before.clone();
        for pnl in results {
            ended.see(rupees(*pnl), &settings(), at(0));
        }
        assert!(ended.is_hit());
        ended.see(rupees(-2_000), limits, at(1));
        let next = RiskDay::on(Some(&ended), date(21), &settings());
        (next.loss_days, next.cooldown_until)
    };
    assert_eq!(after(&[6_000, 4_000], &settings()), (0, None), "the floor was at a profit of 4000");
    assert_eq!(after(&[2_000, 0], &settings()), (0, None), "nothing was lost");
    assert_eq!(after(&[1_900, -100], &settings()), (3, Some(date(23))), "the third");
    assert_eq!(after(&[-2_000], &Limits { daily_loss: rupees(9_000), ..settings() }), (0, None), "lifted");
    // Of a day without a trade of ours nothing is known either way.
    let mut carried = RiskDay { traded: false, ..before.clone() };
    carried.see(rupees(6_000), &settings(), at(0));
    carried.see(rupees(4_000), &settings(), at(0));
    assert_eq!(RiskDay::on(Some(&carried), date(23), &settings()).loss_days, 2);
}

#[test]
fn three_days_of_loss_in_a_row_rest_until_monday() {
    let mut standing = RiskDay::on(None, date(16), &settings());
    for next in [17, 18, 19] {
        assert_eq!(standing.cooldown_until, None);
        standing.see(rupees(-2_000), &settings(), at(0));
        standing = RiskDay::on(Some(&standing), date(next), &settings());
    }
    assert_eq!((standing.loss_days, standing.cooldown_until), (3, Some(date(23))));
    // The state is all that a restart on another day has.
    let text = serde_json::to_string(&standing).unwrap();
    let restarted = RiskDay::on(Some(&serde_json::from_str(&text).unwrap()), date(20), &settings());
    assert_eq!(restarted.cooldown_until, Some(date(23)), "Friday");
    let monday = RiskDay::on(Some(&restarted), date(23), &settings());
    assert_eq!((monday.loss_days, monday.cooldown_until), (0, None));
}

#[test]
fn the_week_after_begins_on_its_monday() {
    for (day, monday) in [(16, 23), (20, 23), (21, 23), (22, 23), (23, 30)] {
        assert_eq!(monday_after(date(day)), date(monday));
    }
}

/// The row of a breach came after another row of the day and changed nothing; the result is better by now.
#[test]
fn what_was_found_out_and_is_not_kept_is_not_forgotten() {
    let kept = day();
    let mut noted = kept.clone();
    assert_eq!(noted.see(rupees(1_000), &settings(), at(0)), [Happening::Raised]);
    assert_eq!(noted.see(rupees(-1_000), &settings(), at(1)), [Happening::Hit]);
    let mut next = kept.clone();
    assert_eq!(next.recall(&noted), [Happening::Raised, Happening::Hit]);
    assert_eq!(next.see(rupees(-900), &settings(), at(2)), []);
    assert_eq!(next, noted);
    assert_eq!(next.recall(&noted), [], "it is kept by now");
    let mut tomorrow = RiskDay::on(Some(&noted), date(23), &settings());
    assert_eq!(tomorrow.recall(&noted), []);
    // A person has lifted what was noted: that stands.
    let mut lifted = noted.clone();
    lifted.see(rupees(-900), &Limits { daily_loss: rupees(9_000), ..settings() }, at(3));
    assert!(!lifted.is_hit());
    assert_eq!(lifted.recall(&noted), []);
    assert!(!lifted.is_hit());
}

/// The halt is on disk and the breach is not, over a restart.
#[test]
fn a_halt_of_the_day_without_a_breach_is_no_halt_that_a_person_has_lifted() {
    let level = crate::persistence::KillLevel::SquareOff;
    let halted = |date, cause| DayHalt { date, level, reason: "so and so many rupees".to_owned(), at: at(5), cause };
    let loss = halted(date(20), HaltCause::Loss);
    let mut lost = day();
    assert_eq!(lost.recover(&loss, Some(rupees(-1_900)), &settings()), Some(Happening::Hit));
    let hit = lost.hit.clone().unwrap();
    assert_eq!((hit.at, hit.pnl, hit.floor, hit.lifted_at), (at(5), rupees(-2_000), rupees(-2_000), None));
    assert_eq!(lost.recover(&loss, None, &settings()), None, "it is there");
    lost.see(rupees(-1_900), &Limits { daily_loss: rupees(9_000), ..settings() }, at(6));
    assert_eq!(lost.recover(&loss, None, &settings()), None, "a person has lifted it");
    assert_eq!(day().recover(&halted(date(19), HaltCause::Loss), None, &settings()), None, "its day is over");
    let mut short = day();
    assert_eq!(short.recover(&halted(date(20), HaltCause::Margin), None, &settings()), Some(Happening::FellShort));
    assert!(short.is_over() && !short.is_hit());
}

#[test]
fn a_shortfall_that_squares_off_ends_the_day_until_a_person_lifts_it_and_another_only_tells() {
    let short = |squares_off| Margin::Short("-5 left".into(), squares_off);
    let mut day = day();
    assert_eq!(day.see_margin(short(true), at(0)), Some(Happening::FellShort));
    assert_eq!((day.see_margin(short(true), at(1)), day.see_margin(Margin::Enough, at(2))), (None, None));
    assert_eq!(day.over_since(), Some(at(0)));
    let lifted = Lifted { at: at(3), who: "asha".into(), reason: "paid in".into() };
    day.short.as_mut().unwrap().lifted = Some(lifted);
    assert!(!day.is_over());
    assert_eq!(day.see_margin(Margin::Enough, at(4)), None);
    assert_eq!(day.see_margin(short(false), at(5)), Some(Happening::FellShort), "again");
    assert!(!day.is_over());
    assert_eq!(day.see_margin(Margin::Unknown, at(6)), None);
    assert_eq!(day.see_margin(Margin::Enough, at(7)), Some(Happening::Enough));
    assert_eq!(day.see_margin(short(false), at(8)), Some(Happening::FellShort), "it is told of anew");
    let tomorrow = RiskDay::on(Some(&day), date(23), &settings());
    assert_eq!(tomorrow.short, None);
}

#[test]
fn figures_that_a_person_calls_wrong_end_no_day_again() {
    let short = || Margin::Short("the broker shows a shortfall of margin: -5 left".to_owned(), true);
    let mut day = day();
    day.see_margin(short(), at(0));
    let halted = DayHalt {
        date: date(20),
        level: crate::persistence::KillLevel::SquareOff,
        cause: HaltCause::Margin,
        reason: day.short.as_ref().unwrap().words.clone(),
        at: at(0),
    };
    day.disbelieve(Lifted { at: at(3), who: "asha".into(), reason: "a pledge is counted twice".into() });
    assert!(!day.is_over() && day.short.as_ref().is_some_and(Shortfall::stands));
    assert_eq!((day.see_margin(short(), at(4)), day.recover(&halted, None, &settings())), (None, None), "not once more");
    assert_eq!(day.see_margin(Margin::Enough, at(5)), Some(Happening::Enough));
    // People hear of the next one, and nothing is squared off for it.
    assert_eq!(day.see_margin(short(), at(6)), Some(Happening::FellShort));
    assert!(
        !day.is_over() && day.short.as_ref().unwrap().words.ends_with("asha says that the figures are wrong (a pledge is counted twice)")
    );
    let tomorrow = RiskDay::on(Some(&day), date(23), &settings());
    assert_eq!((tomorrow.short, tomorrow.disbelieved), (None, None), "it was said of one day");
}

#[test]
fn orders_of_others_that_were_told_of_are_kept_with_the_day_up_to_a_number() {
    let id = |number: usize| BrokerOrderId::parse(&number.to_string()).unwrap();
    let ids: Vec<_> = (0..150).map(id).collect();
    let mut day = day();
    day.told_of(&ids[..1]);
    let before = day.clone();
    day.told_of(&ids[..1]);
    assert_eq!(day, before);
    day.told_of(&ids);
    let full = day.clone();
    day.told_of(&ids);
    assert_eq!((day.told_manual.len(), &day), (TOLD_MOST, &full), "it does not change for ever");
}

proptest! {
    #[test]
    fn prop_the_floor_never_falls_and_a_hit_stays(results in proptest::collection::vec(-5_000i64..5_000, 1..60), step in 0i64..700) {
        let limits = Limits { loss_step: rupees(step), ..settings() };
        let mut day = day();
        let (mut floor, mut was_hit, mut high) = (day.floor(limits.daily_loss), false, 0);
        for pnl in results {
            high = high.max(pnl);
            day.see(rupees(pnl), &limits, at(0));
            let now = day.floor(limits.daily_loss);
            prop_assert!(now >= floor, "it fell from {} to {}", floor, now);
            prop_assert!(day.is_hit() || !was_hit);
            prop_assert_eq!(now, rupees(-2_000 + high.checked_div(step).map_or(0, |steps| steps * step)));
            prop_assert!(day.is_hit() || rupees(pnl) > now, "at {} with the floor at {}", pnl, now);
            (floor, was_hit) = (now, day.is_hit());
            // What is read back is what was written.
            let text = serde_json::to_string(&day).unwrap();
            prop_assert_eq!(&serde_json::from_str::<RiskDay>(&text).unwrap(), &day);
        }
    }
}
