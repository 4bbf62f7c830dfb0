//! What the positions say, gone through in one walk, is what each of them says alone.

use std::collections::BTreeSet;

use proptest::prelude::{ProptestConfig, prop_assert_eq, proptest};

use super::*;
use crate::order::{Exchange, InstrumentKey, Side};
use crate::ports::{Carried, PositionRow};
use crate::testkit::book_row;
use crate::testkit::builders::{SEQ, at, book_of, position};

/// Of five shares under three products each; the places come in no order.
fn key(place: usize) -> HoldingKey {
    let product = [Product::Nrml, Product::Cnc, Product::Mis][place % 3];
    HoldingKey { instrument: InstrumentKey::new(Exchange::Nse, ["TCS", "ACC", "SBIN", "ITC", "M&M"][place % 5]), product }
}

fn shown((place, net, carried): (usize, i64, Option<i64>)) -> PositionRow {
    PositionRow { carried: carried.map(|net| Carried { net, from: None }), ..position(key(place), net) }
}

fn foreign((place, filled, day): (usize, i64, i64)) -> Arc<BookRow> {
    let HoldingKey { instrument, product } = key(place);
    let side = if filled < 0 { Side::Sell } else { Side::Buy };
    Arc::new(BookRow { instrument, product, side, filled: filled.abs(), at: at(day * 86_400), ..book_row("X1") })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// Rows come unsorted and some twice, strategies hold other things too, others trade there, today and before.
    #[test]
    fn prop_all_positions_together_say_what_each_says_alone(
        rows in proptest::collection::vec((0usize..15, -3i64..4, proptest::option::of(-2i64..3)), 0..12),
        held in proptest::collection::vec((0usize..15, -3i64..4), 0..8),
        others in proptest::collection::vec((0usize..15, -3i64..4, -1i64..1), 0..5),
        unshown in proptest::option::of(0usize..15),
    ) {
        let held: Vec<_> = held.into_iter().map(|(place, net)| ("trend", key(place), net)).collect();
        let book = book_of([], &held);
        let keys: BTreeSet<HoldingKey> = rows.iter().map(|(place, ..)| key(*place)).collect();
        let positions = Positions::new(rows.into_iter().map(shown).collect(), at(0), SEQ);
        let mut findings = Findings { positions: Some(positions), foreign: others.into_iter().map(foreign).collect(), ..Findings::default() };
        if let Some(place) = unshown {
            findings.elsewhere.see([&*foreign((place, 1, 0))], trading_date(at(0)));
        }
        let positions = findings.positions.as_ref().unwrap();
        let alone: Vec<_> = keys.iter().filter_map(|key| Some((key, unexplained(key, &book, &findings)?))).collect();
        let together: Vec<_> = all_unexplained(positions, &book, &findings).collect();
        prop_assert_eq!(together, alone);
    }
}
