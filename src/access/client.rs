//! Whose address a request comes from. A proxy that is trusted says so in `X-Forwarded-For`; nobody else is believed.

use std::net::IpAddr;

use super::Ranges;

/// The client's address: the peer's, or behind trusted proxies the last one named that is no trusted proxy. `None`: not
/// known.
///
/// A peer on this machine that forwards for somebody, and is not trusted, hides who that is. It must not count as this
/// machine.
#[must_use]
pub fn client_address<'a>(peer: Option<IpAddr>, forwarded: impl DoubleEndedIterator<Item = &'a str>, trusted: &Ranges) -> Option<IpAddr> {
    let peer = peer?.to_canonical();
    let mut forwarded = forwarded.flat_map(|line| line.split(',')).map(str::trim).rev().peekable();
    if !trusted.hold(peer) {
        return (!peer.is_loopback() || forwarded.peek().is_none()).then_some(peer);
    }
    // From the nearest to the farthest. What a stranger wrote stands farther than what our own proxies added.
    let mut nearest = peer;
    for named in forwarded {
        nearest = read(named)?;
        if !trusted.hold(nearest) {
            break;
        }
    }
    Some(nearest)
}

/// An address as proxies write it: with a port or without, IPv6 in brackets or without.
fn read(text: &str) -> Option<IpAddr> {
    let inner = text.trim_matches('"');
    let inner = inner.strip_prefix('[').and_then(|rest| rest.split(']').next()).unwrap_or(inner);
    let with_port = || inner.parse::<std::net::SocketAddr>().map(|address| address.ip());
    inner.parse::<IpAddr>().or_else(|_| with_port()).ok().map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(peer: &str, forwarded: &[&str], trusted: &[&str]) -> Option<String> {
        let trusted: Ranges = trusted.iter().flat_map(|text| Ranges::parse(text).unwrap()).collect();
        client_address(peer.parse().ok(), forwarded.iter().copied(), &trusted).map(|address| address.to_string())
    }

    #[test]
    fn only_a_trusted_proxy_is_believed() {
        let known = |text: &str| Some(text.to_owned());
        assert_eq!(from("203.0.113.7", &[], &[]), known("203.0.113.7"));
        assert_eq!(from("203.0.113.7", &["198.51.100.1"], &["127.0.0.1"]), known("203.0.113.7"), "a stranger forwards for nobody");
        assert_eq!(from("127.0.0.1", &["198.51.100.1"], &["127.0.0.1"]), known("198.51.100.1"));
        assert_eq!(from("127.0.0.1", &["1.2.3.4, 198.51.100.1", "10.0.0.2"], &["127.0.0.1", "10.0.0.0/8"]), known("198.51.100.1"));
        assert_eq!(from("127.0.0.1", &["10.0.0.2"], &["127.0.0.1", "10.0.0.0/8"]), known("10.0.0.2"), "proxies all the way");
        assert_eq!(from("127.0.0.1", &["[2001:db8::1]:443"], &["127.0.0.1"]), known("2001:db8::1"));
        assert_eq!(from("127.0.0.1", &["198.51.100.1:9"], &["127.0.0.1"]), known("198.51.100.1"));
        assert_eq!(from("127.0.0.1", &[], &["127.0.0.1"]), known("127.0.0.1"));
    }

    #[test]
    fn who_hides_behind_a_stranger_on_this_machine_is_not_known() {
        assert_eq!(from("127.0.0.1", &[], &[]), Some("127.0.0.1".to_owned()));
        assert_eq!(from("127.0.0.1", &["127.0.0.1"], &[]), None);
        assert_eq!(from("127.0.0.1", &["hidden"], &["127.0.0.1"]), None);
        assert_eq!(from("", &[], &[]), None);
    }
}
