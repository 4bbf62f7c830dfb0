//! How the holdings of one instrument and product were moved lately. A figure of the broker's that may lack the newest of them
//! can be bounded by what they came to, without waiting for a newer figure.

use std::collections::VecDeque;

use chrono::{DateTime, Utc};

use crate::order::Side;

/// So many of the newest moves are told apart. A read of the broker's positions takes some seconds at the most, and no broker
/// takes so many orders in that time; beyond it the answer is that it is not known.
const TOLD_APART: usize = 1_024;

/// What was moved up to a journal row, that row included. Units.
#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    seq: u64,
    bought: i64,
    sold: i64,
    /// When the newest of it traded, by the exchange's clock; `None`: it was no trade.
    traded_at: Option<DateTime<Utc>>,
}

/// The newest moves, as running sums in the order of the journal.
#[derive(Debug, Clone, Default)]
pub(super) struct Moves {
    sums: VecDeque<Sum>,
    /// What was moved before the first of them.
    before: Sum,
}

impl Moves {
    /// Notes a change of the net by that journal row, signed.
    pub(super) fn note(&mut self, seq: u64, net: i64, traded_at: Option<DateTime<Utc>>) {
        let last = self.sums.back().copied().unwrap_or(self.before);
        let (bought, sold) = (last.bought.saturating_add(net.max(0)), last.sold.saturating_sub(net.min(0)));
        self.sums.push_back(Sum { seq, bought, sold, traded_at });
        if self.sums.len() > TOLD_APART
            && let Some(oldest) = self.sums.pop_front()
        {
            self.before = oldest;
        }
    }

    /// Whether our net position, `before` at journal row `seq`, was ever `net` at or after that row, once all trades of before `shown` are
    /// counted. `None`: it is too long ago to tell.
    pub(super) fn passed(&self, seq: u64, before: i64, net: i64, shown: DateTime<Utc>) -> Option<bool> {
        if seq < self.before.seq {
            return None;
        }
        let known = self.sums.partition_point(|sum| sum.seq <= seq);
        let then = known.checked_sub(1).and_then(|at| self.sums.get(at)).unwrap_or(&self.before);
        let moved = |sum: &Sum| sum.bought.saturating_sub(then.bought).saturating_sub(sum.sold.saturating_sub(then.sold));
        let is_shown = |sum: &Sum| sum.traded_at.is_some_and(|at| at < shown);
        let since = match self.sums.range(known..).rposition(is_shown) {
            Some(last) => known + last,
            None if net == before => return Some(true),
            None => known,
        };
        Some(self.sums.range(since..).any(|sum| before.saturating_add(moved(sum)) == net))
    }

    /// Units that were moved to that side by journal rows after `seq`; `None`: it is too long ago to tell.
    pub(super) fn since(&self, seq: u64, side: Side) -> Option<i64> {
        if seq < self.before.seq {
            return None;
        }
        let known = self.sums.partition_point(|sum| sum.seq <= seq);
        let then = known.checked_sub(1).and_then(|at| self.sums.get(at)).unwrap_or(&self.before);
        let now = self.sums.back().unwrap_or(&self.before);
        Some(match side {
            Side::Buy => now.bought.saturating_sub(then.bought),
            Side::Sell => now.sold.saturating_sub(then.sold),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert_eq, proptest};

    use super::*;

    proptest! {
        /// What it tells is the plain sum over every move after that row; only what is too long ago is not told.
        #[test]
        fn prop_the_sums_are_those_of_the_moves(
            moves in proptest::collection::vec((1u64..4, -50i64..50), 0..1_500),
            asked in proptest::collection::vec(0u64..4_000, 1..20),
        ) {
            let mut kept = Moves::default();
            let mut seq = 0;
            let all: Vec<(u64, i64)> = moves.into_iter().map(|(step, net)| { seq += step; (seq, net) }).collect();
            all.iter().for_each(|(seq, net)| kept.note(*seq, *net, None));
            let forgotten = all.len().checked_sub(TOLD_APART + 1).map_or(0, |at| all[at].0);
            for since in asked {
                let sum = |sign: i64| all.iter().filter(|(seq, _)| *seq > since).map(|(_, net)| (net * sign).max(0)).sum::<i64>();
                prop_assert_eq!(kept.since(since, Side::Buy), (since >= forgotten).then(|| sum(1)));
                prop_assert_eq!(kept.since(since, Side::Sell), (since >= forgotten).then(|| sum(-1)));
                let nets = all.iter().filter(|(seq, _)| *seq > since).scan(7, |net, (_, moved)| { *net += moved; Some(*net) });
                let nets: Vec<i64> = std::iter::once(7).chain(nets).collect();
                for net in -60..60 {
                    prop_assert_eq!(kept.passed(since, 7, net, DateTime::<Utc>::MAX_UTC), (since >= forgotten).then(|| nets.contains(&net)));
                }
            }
        }
    }

    /// 10 were held; 5 were bought long ago and told only now, 3 were sold a moment ago.
    #[test]
    fn what_traded_long_before_is_shown_and_what_traded_since_may_be() {
        let at = |second| DateTime::<Utc>::UNIX_EPOCH + chrono::Duration::seconds(second);
        let mut kept = Moves::default();
        kept.note(2, 5, Some(at(100)));
        kept.note(3, -3, Some(at(200)));
        let passed = |net, shown| kept.passed(1, 10, net, at(shown)).unwrap();
        let nets = |shown| (0..20).filter(|net| passed(*net, shown)).collect::<Vec<i64>>();
        assert_eq!((nets(100), nets(101), nets(201)), (vec![10, 12, 15], vec![12, 15], vec![12]));
    }
}
