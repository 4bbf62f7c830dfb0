//! The account and the settings of the simulation: wide limits, so that its faults are what stops an order.

use std::time::Duration;

use ordergate_actors::order::{Amount, ClientId};
use ordergate_actors::testkit::{wide_limits, wide_settings};
use ordergate_actors::{AccountSettings, Limits, Settings, Waits};
use rust_decimal::Decimal;

pub(crate) fn client() -> ClientId {
    ClientId::parse("SIM1").unwrap()
}

/// Whose account stands beside it in some seeds.
pub(crate) fn neighbour() -> ClientId {
    ClientId::parse("SIM2").unwrap()
}

pub(crate) fn account() -> AccountSettings {
    AccountSettings {
        client_id: client(),
        limits: Limits {
            max_quantity: 1_000,
            max_order_value: Amount(Decimal::from(10_000_000)),
            max_open_orders: 100,
            daily_loss: Amount(Decimal::from(1_000_000)),
            ..wide_limits()
        },
        waits: Waits::standard(Duration::from_secs(1)),
        permits: 64,
        permits_for_exits: 8,
        budget: ordergate_actors::ports::BudgetChange::default(),
        exits: Default::default(),
        quantity_units: Default::default(),
        arming: ordergate_actors::arming::ArmingSettings::default(),
    }
}

/// The same with limits that bind.
pub(crate) fn tight(account: AccountSettings) -> AccountSettings {
    AccountSettings {
        limits: Limits {
            max_quantity: 15,
            max_order_value: Amount(Decimal::from(15_000)),
            max_open_orders: 2,
            max_position: 25,
            max_open_value: Amount(Decimal::from(40_000)),
            trades_per_day: 6,
            ..account.limits
        },
        permits: 4,
        permits_for_exits: 1,
        ..account
    }
}

pub(crate) fn settings() -> Settings {
    Settings { max_notional: Amount(Decimal::from(100_000_000)), mailbox: 1_024, drain_deadline: Duration::from_secs(5), ..wide_settings() }
}
