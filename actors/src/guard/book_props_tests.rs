//! Of any orders that come together: exactly one passes, and given up is exactly what is missing.

use super::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Entries of one strategy that are registered at the same time: in whatever order they are judged, exactly the
    /// earliest passes, whether or not those that passed were sent in between.
    #[test]
    fn prop_of_concurrent_entries_of_one_strategy_exactly_one_passes(
        legs in proptest::collection::vec((any::<u32>(), 0usize..3, any::<bool>()), 2..8),
        sends in any::<bool>(),
    ) {
        const SYMBOLS: [&str; 3] = ["SBIN-EQ", "INFY-EQ", "M&M-EQ"];
        let mut orders: Vec<OrderRecord> = legs
            .iter()
            .zip(1u64..)
            .map(|((_, symbol, buys), number)| order(number).of(SYMBOLS[*symbol]).side(if *buys { Side::Buy } else { Side::Sell }))
            .collect();
        let mut turns: Vec<usize> = (0..orders.len()).collect();
        turns.sort_by_key(|i| legs[*i].0);
        let mut passed = Vec::new();
        for turn in turns {
            let book = book_of(orders.clone(), &[]);
            let me = orders[turn].clone();
            let terms = terms_of(&me);
            let block = GuardBook::new(&book).judge(Candidate { order: &me, terms: &terms }, &nse(SYMBOLS[legs[turn].1]), &[]);
            match block {
                Some(block) => orders[turn] = me.ended(Status::Failed, Some(block.tag)),
                None => {
                    passed.push(me.number);
                    if sends {
                        orders[turn] = me.sent();
                    }
                }
            }
        }
        prop_assert_eq!(passed, vec![1]);
    }

    /// The same for two strategies on opposite sides of one instrument.
    #[test]
    fn prop_of_two_strategies_on_opposite_sides_exactly_one_passes(later_first in any::<bool>(), sends in any::<bool>(), buys in any::<bool>()) {
        let side = if buys { Side::Buy } else { Side::Sell };
        let mut orders = [order(1).side(side), order(2).by("other").side(side.opposite())];
        let mut passed = 0;
        for turn in if later_first { [1, 0] } else { [0, 1] } {
            if judged(&orders[turn].clone(), &orders, &[]).is_none() {
                passed += 1;
                if sends {
                    orders[turn] = orders[turn].clone().sent();
                }
            } else {
                orders[turn] = orders[turn].clone().ended(Status::Failed, Some(Tag::ExecutionGuardBlocked));
            }
        }
        prop_assert_eq!(passed, 1);
    }

    #[test]
    fn prop_reductions_give_up_exactly_what_is_missing(nets in proptest::collection::vec(1i64..50, 1..6), shown in -60i64..300) {
        let names = ["a", "b", "c", "d", "e"];
        let holdings: Vec<_> = names.iter().zip(&nets).map(|(name, net)| held(name, *net)).collect();
        let book = book_of([], &holdings);
        let ours: i64 = nets.iter().sum();
        let found = reconcile_with_broker(&book, &broker_shows(&[(sbin_in(MIS), shown)]));
        let given: i64 = found.iter().flat_map(|shrunk| reductions(&book, shrunk)).map(|(_, units)| units).sum();
        prop_assert_eq!(given, (ours - shown.max(0)).max(0));
    }
}
