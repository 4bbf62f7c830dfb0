//! Ranges of addresses: `203.0.113.7`, `10.0.0.0/8`, `2001:db8::/32`, or a preset by its name.

use std::fmt;
use std::net::IpAddr;

/// From where TradingView sends its alerts, by its own help page "How to configure webhook alerts".
const TRADINGVIEW: [&str; 4] = ["52.89.214.238", "34.212.75.30", "54.218.53.128", "52.32.178.7"];

/// Addresses that begin alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    address: IpAddr,
    /// How many bits count; 0: every address of the kind.
    bits: u32,
}

impl Range {
    /// Reads one address, or one with the number of bits that count.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (address, bits) = match text.trim().split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse().ok()?)),
            None => (text.trim(), None),
        };
        let address: IpAddr = address.parse().ok()?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.unwrap_or(most);
        (bits <= most).then_some(Self { address, bits })
    }

    /// Whether the address is one of them. An IPv4 address in IPv6 clothes is the IPv4 address.
    #[must_use]
    pub fn holds(&self, address: IpAddr) -> bool {
        let alike = |a: u128, b: u128, width: u32| {
            let rest = width.saturating_sub(self.bits);
            // A shift by the whole width is none that the machine knows.
            rest >= 128 || a >> rest == b >> rest
        };
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => alike(own.to_bits().into(), other.to_bits().into(), 32),
            (IpAddr::V6(own), IpAddr::V6(other)) => alike(own.to_bits(), other.to_bits(), 128),
            _ => false,
        }
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

/// Several of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ranges(Vec<Range>);

impl Ranges {
    /// Reads a range, or the name of a preset: `tradingview`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.trim().eq_ignore_ascii_case("tradingview") {
            return Some(TRADINGVIEW.iter().filter_map(|address| Range::parse(address)).collect());
        }
        Range::parse(text).map(|range| Self(vec![range]))
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the address is in one of them.
    #[must_use]
    pub fn hold(&self, address: IpAddr) -> bool {
        self.0.iter().any(|range| range.holds(address))
    }

    /// As a list of who may come: none listed lets everybody in; an address that is not known is in no list.
    #[must_use]
    pub fn let_in(&self, address: Option<IpAddr>) -> bool {
        self.is_empty() || address.is_some_and(|address| self.hold(address))
    }
}

impl FromIterator<Range> for Ranges {
    fn from_iter<I: IntoIterator<Item = Range>>(ranges: I) -> Self {
        Self(ranges.into_iter().collect())
    }
}

impl Extend<Range> for Ranges {
    fn extend<I: IntoIterator<Item = Range>>(&mut self, ranges: I) {
        self.0.extend(ranges);
    }
}

impl IntoIterator for Ranges {
    type Item = Range;
    type IntoIter = std::vec::IntoIter<Range>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_range_holds_what_begins_alike() {
        let ten = Range::parse("10.1.0.0/16").unwrap();
        assert!(ten.holds(ip("10.1.2.3")) && ten.holds(ip("::ffff:10.1.2.3")));
        assert!(!ten.holds(ip("10.2.0.1")) && !ten.holds(ip("::1")));
        assert!(Range::parse("0.0.0.0/0").unwrap().holds(ip("203.0.113.7")));
        assert!(!Range::parse("0.0.0.0/0").unwrap().holds(ip("2001:db8::1")));
        assert!(Range::parse("2001:db8::/32").unwrap().holds(ip("2001:db8:1::1")));
        for wrong in ["", "10.0.0.0/33", "::1/129", "10.0.0", "10.0.0.0/x", "example.com"] {
            assert_eq!(Range::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_preset_is_its_addresses_and_nobody_unknown_is_on_a_list() {
        let preset = Ranges::parse("TradingView").unwrap();
        assert!(preset.let_in(Some(ip("52.89.214.238"))) && !preset.let_in(Some(ip("52.89.214.239"))));
        assert!(!preset.let_in(None), "an address that is not known is on no list");
        assert!(Ranges::default().let_in(None), "no list lets everybody in");
        assert_eq!(Ranges::parse("trading view"), None);
    }

    proptest! {
        #[test]
        fn prop_a_range_is_its_leading_bits(own in any::<u32>(), other in any::<u32>(), bits in 0u32..=32) {
            let range = Range::parse(&format!("{}/{bits}", std::net::Ipv4Addr::from_bits(own))).unwrap();
            let mask = if bits == 0 { 0 } else { u32::MAX << (32 - bits) };
            prop_assert_eq!(range.holds(std::net::Ipv4Addr::from_bits(other).into()), own & mask == other & mask);
            prop_assert!(range.holds(std::net::Ipv4Addr::from_bits(own).into()));
        }
    }
}
