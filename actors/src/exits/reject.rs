//! What a broker's refusal of an exit means for the next try. Brokers speak in words; the words are those seen in the
//! field, and what is in none of these groups is tried again, ever more slowly.

use serde::Serialize;

use crate::order::Price;

/// Why an exit was rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Rejection {
    /// Its price was outside of what the exchange takes: priced anew.
    Circuit,
    /// The account lacks margin: a person must bring some, it is tried slowly.
    Margin,
    /// It was larger than the exchange takes: sent in smaller parts.
    Freeze,
    /// The market takes no orders now: tried when it does.
    Session,
    /// The broker takes no more orders of this product today: it squares off itself, and a person must look.
    Cutoff,
    /// It was not sent: the broker has no shares for it. Whoever buys some there buys them for himself, and a person must look.
    NothingThere,
    /// A person cancelled it: the position is kept until a person says otherwise.
    TakenBack,
    /// Anything else.
    Other,
}

const WORDS: [(Rejection, &[&str]); 5] = [
    (Rejection::Freeze, &["freeze", "max order quantity", "maximum order qty", "quantity exceeds"]),
    (Rejection::Margin, &["margin", "shortfall", "insufficient", "funds"]),
    (Rejection::Cutoff, &["square off", "squareoff", "square-off", "cut off", "cutoff", "cut-off", "mis blocked", "intraday orders are"]),
    (Rejection::Circuit, &["circuit", "price band", "outside the band", "price range", "lpp", "dpr", "execution range"]),
    (Rejection::Session, &["market is closed", "market closed", "session", "trading hours", "amo", "after market", "exchange is closed"]),
];

/// Noren ends the names of its rules with this, whatever they are about (protocol reference, section 3.6): it tells of no cut-off.
const SAYS_NOTHING: &str = "including square off order";

/// Reads the broker's words.
#[must_use]
pub fn classify(words: &str) -> Rejection {
    let words = words.to_ascii_lowercase().replace(SAYS_NOTHING, "");
    let found = WORDS.iter().find(|(_, parts)| parts.iter().any(|part| has_word(&words, part)));
    found.map_or(Rejection::Other, |(rejection, _)| *rejection)
}

/// The largest order that the broker's words name, where a refusal for its freeze quantity does: Noren ends with `Set:`, and the
/// first size that is too large.
pub(super) fn freeze_told(words: &str) -> Option<i64> {
    let (_, after) = words.rsplit_once("Set:")?;
    let digits: String = after.trim_start().chars().take_while(char::is_ascii_digit).collect();
    digits.parse::<i64>().ok()?.checked_sub(1).filter(|most| *most > 0)
}

/// The lowest and the highest price that the exchange takes, where the words of a refusal for its price name both: Noren does, as
/// `LowerCircuit:INR` and `UpperCircuit:INR`.
pub(super) fn band_told(words: &str) -> Option<(Price, Price)> {
    if classify(words) != Rejection::Circuit {
        return None;
    }
    let named = |name: &str| -> Option<Price> {
        let (_, after) = words.split_once(name)?;
        let after = after.trim_start().trim_start_matches("INR").trim_start();
        let digits: String = after.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
        Price::new(digits.parse().ok()?)
    };
    Some((named("LowerCircuit:")?, named("UpperCircuit:")?)).filter(|(low, high)| low <= high)
}

/// Whether the part stands there as words of its own: "amo" is not in "among".
fn has_word(text: &str, part: &str) -> bool {
    let is_letter = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    text.match_indices(part).any(|(at, _)| {
        let before = text.get(..at).and_then(|text| text.chars().next_back());
        let after = text.get(at + part.len()..).and_then(|text| text.chars().next());
        !is_letter(before) && !is_letter(after)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_order_is_read_where_the_broker_names_it() {
        for (words, most) in [
            ("RED:RULE:{Check Freeze qty including square off order}Current:7800 Set:1801", Some(1800)),
            ("RED:RULE:{Check Freeze qty including square off order}Current:1820 Set:1801 for C-FA00001", Some(1800)),
            ("quantity 4000 is above the freeze quantity 1800", None),
            ("RED:RULE:{Check Freeze qty}Current:5 Set:1", None),
            ("Set:", None),
            ("Set:99999999999999999999", None),
        ] {
            assert_eq!(freeze_told(words), most, "{words}");
        }
    }

    #[test]
    fn the_band_is_read_where_the_broker_names_it() {
        let price = crate::testkit::builders::price;
        let circuit = |rest: &str| band_told(&format!("RED:RULE:{{Check circuit limit including square off order}}Current:INR 90 {rest}"));
        let named = Some((price("95.05"), price("105")));
        assert_eq!(circuit("LowerCircuit:INR 95.05 UpperCircuit:INR 105:NSE.ACC-EQ for C-FA00001"), named);
        assert_eq!(circuit("LowerCircuit:95.05 UpperCircuit: 105"), named);
        for rest in ["", "LowerCircuit:INR 95", "LowerCircuit:INR 105 UpperCircuit:INR 95", "LowerCircuit:INR x UpperCircuit:INR 105"] {
            assert_eq!(circuit(rest), None, "{rest}");
        }
        assert_eq!(band_told("Margin Shortfall LowerCircuit:INR 95 UpperCircuit:INR 105"), None);
    }

    #[test]
    fn the_words_of_brokers() {
        for (words, rejection) in [
            ("RED:Margin Shortfall:INR 1200 Available", Rejection::Margin),
            ("The order price is out of the current execution range", Rejection::Circuit),
            ("price 90 is outside the band 95 to 105", Rejection::Circuit),
            ("quantity 4000 is above the freeze quantity 1800", Rejection::Freeze),
            ("Market is closed", Rejection::Session),
            ("MIS orders are not allowed after Square off time", Rejection::Cutoff),
            ("RED:'MIS' Orders are disallowed after system square off", Rejection::Cutoff),
            (
                "RED:RULE:{Check circuit limit including square off order}Current:INR 90 LowerCircuit:INR 95 UpperCircuit:INR 105:NSE.ACC-EQ for C-FA00001",
                Rejection::Circuit,
            ),
            ("RED:RULE:{Check Freeze qty including square off order}Current:7800 Set:1801", Rejection::Freeze),
            ("RED:RULE:{Check Peak Margin}Current:INR 10", Rejection::Margin),
            ("RED:Block Type:NonSqoff Reason:Continuous Debit[NSE]", Rejection::Other),
            ("ORA:AMO is stopped", Rejection::Session),
            ("one among many", Rejection::Other),
            ("", Rejection::Other),
        ] {
            assert_eq!(classify(words), rejection, "{words}");
        }
    }
}
