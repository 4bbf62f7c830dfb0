//! The tag that an order carries at the broker.

use crate::order::BrokerTag;

const TAG_DIGITS: usize = 7;

/// `OG`, the directory's prefix, and the order's number in base 36: 13 letters and digits.
pub(crate) fn broker_tag(prefix: &str, number: u64) -> BrokerTag {
    let mut digits = [b'0'; TAG_DIGITS];
    let mut rest = number;
    for slot in digits.iter_mut().rev() {
        let digit = u8::try_from(rest % 36).unwrap_or(0);
        *slot = if digit < 10 { b'0' + digit } else { b'A' + (digit - 10) };
        rest /= 36;
    }
    let text = format!("OG{prefix}{}", String::from_utf8_lossy(&digits));
    BrokerTag::parse(&text).unwrap_or_else(|_| BrokerTag::for_number(number))
}

/// Reads a tag of our shape: the prefix and the order's number.
#[must_use]
pub fn read_tag(text: &str) -> Option<(&str, u64)> {
    let rest = text.strip_prefix("OG")?;
    if rest.len() != 4 + TAG_DIGITS || !rest.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase()) {
        return None;
    }
    let (prefix, digits) = rest.split_at(4);
    u64::from_str_radix(digits, 36).ok().map(|number| (prefix, number))
}

/// Reads a tag of our shape that has lost its last character on its way: the prefix, and the numbers that it may have had.
/// It proves no order: others begin so too, and a broker lets two orders carry one text. A shorter one tells nothing at all.
#[must_use]
pub fn cut_tag(text: &str) -> Option<(&str, std::ops::Range<u64>)> {
    let rest = text.strip_prefix("OG")?;
    if rest.len() != 4 + TAG_DIGITS - 1 || !rest.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase()) {
        return None;
    }
    let (prefix, digits) = rest.split_at(4);
    let first = u64::from_str_radix(digits, 36).ok()? * 36;
    Some((prefix, first..first + 36))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_that_lost_one_character_names_the_numbers_that_it_may_have_had() {
        for number in [1, 35, 36, 1_000_000] {
            let tag = broker_tag("A1B2", number);
            let (prefix, numbers) = cut_tag(&tag.as_str()[..12]).unwrap();
            assert!(prefix == "A1B2" && numbers.contains(&number));
        }
        assert_eq!((cut_tag("OGA1B20000001"), cut_tag("OGA1B200000"), cut_tag("my own note.")), (None, None, None));
    }

    #[test]
    fn a_tag_reads_back() {
        for number in [1, 35, 36, 1_000_000, 78_364_164_095] {
            let tag = broker_tag("A1B2", number);
            assert_eq!(tag.as_str().len(), 13);
            assert_eq!(read_tag(tag.as_str()), Some(("A1B2", number)));
        }
        for foreign in ["", "OG", "hello", "OGA1B200000", "OGa1b20000001", "og_dash"] {
            assert_eq!(read_tag(foreign), None, "{foreign}");
        }
    }
}
