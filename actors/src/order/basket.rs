//! The order in which the legs of one basket are sent: exits first, so that margin and position are free;
//! shorts are covered before longs are sold, so that nothing stands naked; hedges are bought before shorts are sold.

use chrono::Duration;

use super::words::{Intent, Side};

/// What was bought waits so long for the short that it covers to be bought back; then it is sold all the same, and a person hears.
pub const COVER_FIRST: Duration = Duration::seconds(20);

/// The rank of a leg; lower goes first, equal ranks keep the sender's order.
#[must_use]
pub fn rank(intent: Option<Intent>, side: Option<Side>) -> u8 {
    match (intent, side) {
        (Some(Intent::Exit), Some(Side::Buy)) => 0,
        (Some(Intent::Exit), None) => 1,
        (Some(Intent::Exit), Some(Side::Sell)) => 2,
        (_, Some(Side::Buy)) => 3,
        _ => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exits_then_hedges_then_shorts() {
        let mut legs = [
            (Some(Intent::Entry), Some(Side::Sell)),
            (Some(Intent::Exit), Some(Side::Sell)),
            (Some(Intent::Entry), Some(Side::Buy)),
            (Some(Intent::Exit), Some(Side::Buy)),
        ];
        legs.sort_by_key(|(intent, side)| rank(*intent, *side));
        assert_eq!(
            legs,
            [
                (Some(Intent::Exit), Some(Side::Buy)),
                (Some(Intent::Exit), Some(Side::Sell)),
                (Some(Intent::Entry), Some(Side::Buy)),
                (Some(Intent::Entry), Some(Side::Sell)),
            ]
        );
    }
}
