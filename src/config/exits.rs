//! An account's settings of exit rules and of the ladder.

use std::time::Duration;

use ordergate_actors::exits::{ExitSettings, Ladders, RestSettings, Rungs};
use ordergate_actors::order::StopAt;
use rust_decimal::Decimal;

use super::reader::Scope;

pub(super) fn exits(scope: &mut Scope<'_>) -> ExitSettings {
    ExitSettings {
        look: scope.millis("exits.look_ms"),
        keep_every: scope.millis("exits.keep_every_ms"),
        muted_after: scope.millis("exits.muted_after_ms"),
        before_close: Duration::from_secs(scope.number("exits.before_close_s", 0..=3_600)),
        before_close_mcx: Duration::from_secs(scope.number("exits.before_close_mcx_s", 0..=3_600)),
        stop_at: scope.text("exits.stop_at", "must be engine or broker", StopAt::parse).unwrap_or(StopAt::Engine),
        resting: resting(scope),
        ladder: Ladders {
            shares: rungs(scope, "shares"),
            futures: rungs(scope, "futures"),
            options: rungs(scope, "options"),
            not_flat_after: scope.millis("exits.ladder.not_flat_after_ms"),
        },
    }
}

fn resting(scope: &mut Scope<'_>) -> RestSettings {
    let rule = "must be a percentage above 0 and below 100";
    let standard = RestSettings::default();
    RestSettings {
        limit_percent: scope.text("exits.resting.limit_percent", rule, percent).unwrap_or(standard.limit_percent),
        limit_percent_options: scope.text("exits.resting.limit_percent_options", rule, percent).unwrap_or(standard.limit_percent_options),
        move_every: scope.millis("exits.resting.move_every_ms"),
        again_after: Duration::from_secs(scope.number("exits.resting.again_after_s", 1..=86_400)),
    }
}

fn rungs(scope: &mut Scope<'_>, class: &str) -> Rungs {
    let key = |name: &str| format!("exits.ladder.{class}.{name}");
    let through =
        scope.text(&key("through"), "must be rising percentages below 100 with commas between them, for example 0.1, 0.5, 1", through);
    let cap = scope.text(&key("cap_percent"), "must be a percentage above 0 and below 100", percent);
    let spreads =
        scope.text(&key("cap_spreads"), "must be a number above 0, or 0 for no such cap", |text| text.trim().parse::<Decimal>().ok());
    Rungs {
        every: scope.millis(&key("every_ms")),
        through: through.unwrap_or_else(|| vec![Decimal::ONE]),
        cap_percent: cap.unwrap_or(Decimal::ONE),
        cap_spreads: spreads.filter(|spreads| *spreads > Decimal::ZERO),
    }
}

fn percent(text: &str) -> Option<Decimal> {
    text.trim().parse().ok().filter(|value| *value > Decimal::ZERO && *value < Decimal::ONE_HUNDRED)
}

fn through(text: &str) -> Option<Vec<Decimal>> {
    let steps: Option<Vec<Decimal>> = text.split(',').map(percent).collect();
    steps.filter(|steps| steps.windows(2).all(|pair| pair[0] < pair[1]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_rise() {
        assert_eq!(through("0.1, 0.5,1").unwrap().len(), 3);
        for text in ["", "1, 1", "2, 1", "0, 1", "50, 100", "a"] {
            assert!(through(text).is_none(), "{text:?}");
        }
    }
}
