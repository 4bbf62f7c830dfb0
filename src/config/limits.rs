//! The limits of an account.

use std::time::Duration;

use ordergate_actors::{Holds, Limits, MarginPercent, OnShortfall};
use rust_decimal::Decimal;

use super::reader::Scope;

pub(super) fn limits(scope: &mut Scope<'_>) -> Limits {
    Limits {
        max_quantity: units(scope, "limits.max_quantity", 1),
        max_order_value: scope.rupees("limits.max_order_value"),
        max_open_orders: scope.count("limits.max_open_orders", 1..=10_000_000),
        max_open_value: scope.rupees("limits.max_open_value"),
        max_position: units(scope, "limits.max_position", 1),
        max_position_underlying: units(scope, "limits.max_position_underlying", 1),
        max_short_option_lots: units(scope, "limits.max_short_option_lots", 0),
        capital_reserve: scope.rupees_or_none("limits.capital_reserve"),
        margin: MarginPercent {
            shares: percent(scope, "limits.margin_percent.shares"),
            futures: percent(scope, "limits.margin_percent.futures"),
            short_options: percent(scope, "limits.margin_percent.short_options"),
        },
        margin_refuses: holds(scope, "limits.margin_refuses", Holds::Paper),
        margin_shortfall: scope
            .text("limits.margin_shortfall", "must be square_off or page", OnShortfall::parse)
            .unwrap_or(OnShortfall::SquareOff),
        trades_per_day: scope.count("limits.trades_per_day", 1..=10_000_000),
        collar_percent: Decimal::from(scope.number("limits.collar_percent", 1..=1_000)),
        needs_quote: holds(scope, "limits.needs_quote", Holds::Live),
        messages_per_minute: scope.count("limits.messages_per_minute", 1..=10_000_000),
        daily_loss: scope.rupees("limits.daily_loss"),
        loss_warning_percent: u32::try_from(scope.number("limits.loss_warning_percent", 1..=100)).unwrap_or(100),
        loss_step: scope.rupees_or_none("limits.loss_step"),
        loss_days: scope.count("limits.loss_days", 1..=1_000),
        repeats: scope.count("limits.repeats", 1..=100_000),
        rejections: scope.count("limits.rejections", 1..=100_000),
        repeats_window: scope.seconds("limits.repeats_window_s"),
        intraday_cutoff: minutes(scope, "limits.intraday_cutoff_min"),
        intraday_cutoff_mcx: minutes(scope, "limits.intraday_cutoff_mcx_min"),
        allow: scope.texts("limits.allow"),
        ban: scope.texts("limits.ban"),
        square_off_tries: u32::try_from(scope.number("limits.square_off_tries", 1..=100)).unwrap_or(u32::MAX),
        square_off_page: scope.seconds("limits.square_off_page_s"),
    }
}

fn units(scope: &mut Scope<'_>, name: &str, least: u64) -> i64 {
    i64::try_from(scope.number(name, least..=100_000_000)).unwrap_or(i64::MAX)
}

fn percent(scope: &mut Scope<'_>, name: &str) -> Decimal {
    Decimal::from(scope.number(name, 0..=100))
}

/// For which accounts a rule holds; `stand_in` after a violation.
fn holds(scope: &mut Scope<'_>, name: &str, stand_in: Holds) -> Holds {
    scope.text(name, "must be live, paper, always or never", Holds::parse).unwrap_or(stand_in)
}

fn minutes(scope: &mut Scope<'_>, name: &str) -> Duration {
    Duration::from_secs(scope.number(name, 0..=1_440) * 60)
}
