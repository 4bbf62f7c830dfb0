//! Whether a request that carries the cookie comes from our own page. A cookie goes with every request that a browser makes
//! to us; another site's page must change nothing with it.

/// What a browser says of where a request comes from.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sent<'a> {
    /// The `Origin` header.
    pub origin: Option<&'a str>,
    /// The `Sec-Fetch-Site` header.
    pub fetch_site: Option<&'a str>,
    /// The `Host` header.
    pub host: Option<&'a str>,
}

/// Whether our own page sent it: everything that is there must say so, and something must be there. `roots` are where
/// browsers reach us through a proxy (`https://trade.example.com`), if that is not the host that they name.
#[must_use]
pub fn is_same_origin<'a>(sent: Sent<'_>, mut roots: impl Iterator<Item = &'a str>) -> bool {
    let by_site = sent.fetch_site.map(|site| site.eq_ignore_ascii_case("same-origin"));
    let by_origin = sent.origin.map(|origin| {
        let of_host = origin.split_once("://").filter(|(scheme, _)| matches!(*scheme, "http" | "https"));
        let is_host = of_host.zip(sent.host).is_some_and(|((_, authority), host)| authority.eq_ignore_ascii_case(host));
        is_host || roots.any(|root| root.eq_ignore_ascii_case(origin))
    });
    match (by_site, by_origin) {
        (None, None) => false,
        (site, origin) => site.unwrap_or(true) && origin.unwrap_or(true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_page_may() {
        let says = |origin, fetch_site| {
            let roots = ["https://trade.example.com", "https://10.8.0.1:8443"];
            is_same_origin(Sent { origin, fetch_site, host: Some("127.0.0.1:8080") }, roots.into_iter())
        };
        assert!(says(Some("http://127.0.0.1:8080"), None));
        assert!(says(Some("https://trade.example.com"), Some("same-origin")));
        assert!(says(Some("https://10.8.0.1:8443"), None) && !says(Some("https://10.8.0.1"), None));
        assert!(says(None, Some("same-origin")));
        assert!(!says(None, None), "no browser says nothing");
        assert!(!says(Some("http://127.0.0.1:9090"), None), "another port is another page");
        assert!(!says(Some("https://evil.example"), None));
        assert!(!says(Some("https://evil.example"), Some("same-origin")), "all that is there must hold");
        assert!(!says(Some("http://127.0.0.1:8080"), Some("cross-site")));
        assert!(!says(None, Some("same-site")) && !says(None, Some("none")));
        assert!(!says(Some("null"), None) && !says(Some("file://127.0.0.1:8080"), None));
    }
}
