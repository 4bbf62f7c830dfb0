//! How many calls a broker account may make.

use serde::Serialize;

/// Limits of one account, kept in every second and every minute, calendar and rolling. They lie below what the broker
/// publishes: calls arrive a little closer together than they were sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Budget {
    /// Calls of any kind in a second, 1 at least.
    pub per_second: u32,
    /// Calls of any kind in a minute, 1 at least.
    pub per_minute: u32,
    /// Of those of a second only kills, cancels and exits may make the last so many.
    pub reserved_per_second: u32,
    /// Of those of a minute only kills, cancels and exits may make the last so many.
    pub reserved_per_minute: u32,
    /// Entries and changes leave so many of a second to reads.
    pub reads_per_second: u32,
    /// Entries and changes leave so many of a minute to reads, evenly: with 20 one each 3 s. Beyond it reads fill half of what is
    /// common to all.
    pub reads_per_minute: u32,
    /// Orders, changes and cancels in a second at one exchange, where regulation counts them (Noren protocol reference,
    /// section 7.1); `None`: only the account is counted.
    pub per_exchange_second: Option<u32>,
}

/// What an account says otherwise than its broker; `None`: nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BudgetChange {
    /// See [`Budget::per_second`].
    pub per_second: Option<u32>,
    /// See [`Budget::per_minute`].
    pub per_minute: Option<u32>,
    /// See [`Budget::reserved_per_second`].
    pub reserved_per_second: Option<u32>,
    /// See [`Budget::reserved_per_minute`].
    pub reserved_per_minute: Option<u32>,
    /// See [`Budget::reads_per_second`].
    pub reads_per_second: Option<u32>,
    /// See [`Budget::reads_per_minute`].
    pub reads_per_minute: Option<u32>,
    /// See [`Budget::per_exchange_second`].
    pub per_exchange_second: Option<u32>,
}

impl Budget {
    /// Calls in a second and in a minute; a quarter is kept for exits, a fifth for reads. At one exchange no more than
    /// 8 orders go in a second: 10 are allowed without a registered algorithm.
    #[must_use]
    pub fn of(per_second: u32, per_minute: u32) -> Self {
        Self {
            per_second,
            per_minute,
            reserved_per_second: per_second / 4,
            reserved_per_minute: per_minute / 4,
            reads_per_second: per_second / 5,
            reads_per_minute: per_minute / 5,
            per_exchange_second: Some(8),
        }
    }

    /// A Noren account: 8 in a second and 100 in a minute, below the published 10 and 120 (Noren protocol reference,
    /// section 7.1).
    #[must_use]
    pub fn noren() -> Self {
        Self::of(8, 100)
    }

    /// The broker's budget as the account wants it. An account of a broker without a budget gets one by naming a limit.
    ///
    /// # Errors
    /// What does not fit together, with the numbers.
    pub fn changed(broker: Option<Self>, change: BudgetChange) -> Result<Option<Self>, String> {
        if change == BudgetChange::default() {
            return Ok(broker);
        }
        let per_second = change.per_second.or(broker.map(|budget| budget.per_second));
        let per_minute = change.per_minute.or(broker.map(|budget| budget.per_minute));
        let (per_second, per_minute) = match (per_second, per_minute) {
            (Some(second), Some(minute)) => (second, minute),
            (Some(second), None) => (second, second.saturating_mul(60)),
            (None, Some(minute)) => (minute, minute),
            (None, None) => return Err("shares of a budget are named, but the broker has none and no limit is named".to_owned()),
        };
        let derived = Self::of(per_second, per_minute);
        let budget = Self {
            reserved_per_second: change.reserved_per_second.unwrap_or(derived.reserved_per_second),
            reserved_per_minute: change.reserved_per_minute.unwrap_or(derived.reserved_per_minute),
            reads_per_second: change.reads_per_second.unwrap_or(derived.reads_per_second),
            reads_per_minute: change.reads_per_minute.unwrap_or(derived.reads_per_minute),
            per_exchange_second: change
                .per_exchange_second
                .or_else(|| broker.map_or(derived.per_exchange_second, |budget| budget.per_exchange_second)),
            ..derived
        };
        budget.check().map(|()| Some(budget))
    }

    /// Whether something is left for entries beside the shares of exits and reads.
    ///
    /// # Errors
    /// What does not fit together, with the numbers.
    pub fn check(&self) -> Result<(), String> {
        for (window, limit, reserved, reads) in [
            ("second", self.per_second, self.reserved_per_second, self.reads_per_second),
            ("minute", self.per_minute, self.reserved_per_minute, self.reads_per_minute),
        ] {
            if reserved.saturating_add(reads) >= limit {
                return Err(format!(
                    "{limit} calls in a {window} leave nothing for entries beside {reserved} for exits and {reads} for reads"
                ));
            }
        }
        match self.per_exchange_second.filter(|limit| *limit <= self.reserved_per_second) {
            Some(limit) => Err(format!(
                "{limit} orders in a second at one exchange leave nothing for entries beside {} for exits",
                self.reserved_per_second
            )),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_names_what_differs_and_the_rest_follows() {
        let noren = Some(Budget::noren());
        assert_eq!(Budget::changed(noren, BudgetChange::default()), Ok(noren));
        assert_eq!(Budget::changed(None, BudgetChange::default()), Ok(None));
        let change = BudgetChange { per_second: Some(4), ..BudgetChange::default() };
        assert_eq!(Budget::changed(noren, change), Ok(Some(Budget::of(4, 100))));
        assert_eq!(Budget::changed(None, change), Ok(Some(Budget::of(4, 240))));
        let change = BudgetChange { reserved_per_minute: Some(50), ..BudgetChange::default() };
        assert_eq!(Budget::changed(noren, change).unwrap().unwrap().reserved_per_minute, 50);
        let change = BudgetChange { per_exchange_second: Some(40), ..BudgetChange::default() };
        assert_eq!(Budget::changed(noren, change).unwrap().unwrap().per_exchange_second, Some(40));
    }

    #[test]
    fn shares_that_leave_nothing_for_entries_are_refused_with_the_numbers() {
        let change = BudgetChange { reserved_per_second: Some(7), ..BudgetChange::default() };
        let refusal = Budget::changed(Some(Budget::noren()), change).unwrap_err();
        assert!(refusal.contains("8 calls in a second") && refusal.contains("7 for exits"), "{refusal}");
        assert!(Budget::changed(None, change).unwrap_err().contains("no limit is named"));
    }
}
