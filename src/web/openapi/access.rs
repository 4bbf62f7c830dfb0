//! Under which heading a route stands, and what its caller needs.

use serde_json::{Value, json};

use crate::web::routes::{Guard, Route};

/// The headings in the order of a reader's interest, and the beginnings of the paths under each. The first that fits counts.
const HEADINGS: &[(&str, &str, &[&str])] = &[
    (
        "Orders",
        "Send, follow, change and cancel",
        &[
            "/dashboard/intent",
            "/dashboard/orders",
            "/dashboard/orderbook",
            "/dashboard/tradebook",
            "/dashboard/approvals",
            "/dashboard/plans",
        ],
    ),
    (
        "Positions and exits",
        "What is held, what it came to, and what ends it",
        &[
            "/dashboard/positions",
            "/dashboard/exit-rules",
            "/dashboard/differences",
            "/dashboard/told-prices",
            "/dashboard/holdings",
            "/dashboard/funds",
            "/dashboard/pnl",
        ],
    ),
    (
        "Risk and controls",
        "Limits, the kill levels, arming",
        &["/dashboard/risk", "/dashboard/kill", "/dashboard/freeze", "/dashboard/guard", "/dashboard/arm", "/dashboard/readiness"],
    ),
    (
        "Attention and alerts",
        "What waits for a person, and where it is told",
        &["/dashboard/attention", "/dashboard/alarms", "/dashboard/alerts"],
    ),
    (
        "Instruments and prices",
        "What a name means, chains, quotes",
        &["/dashboard/symbols", "/dashboard/quotes", "/dashboard/option-chain"],
    ),
    (
        "Alerts from outside",
        "Webhooks, routes, samples",
        &["/webhook", "/dashboard/routes", "/dashboard/sources", "/dashboard/connect", "/dashboard/schedule", "/dashboard/explain"],
    ),
    ("Journal and exports", "What happened, row by row", &["/dashboard/audit", "/dashboard/exports", "/dashboard/diagnostics"]),
    (
        "Accounts and access",
        "Broker logins, sessions, settings",
        &["/dashboard/session", "/dashboard/accounts", "/dashboard/broker", "/broker", "/dashboard/config"],
    ),
    ("OpenAlgo", "Its calls in its own shapes: see docs/openalgo.md", &["/api/v1"]),
    ("Health and pages", "Whether it runs; the pages and what they follow", &["/"]),
];

/// The heading of a path.
pub(super) fn tag(path: &str) -> &'static str {
    HEADINGS.iter().find(|(_, _, paths)| paths.iter().any(|begin| path.starts_with(begin))).map_or("", |(name, _, _)| name)
}

/// Every heading.
pub(super) fn tags() -> Value {
    HEADINGS.iter().map(|(name, about, _)| json!({ "name": name, "description": about })).collect()
}

/// What a caller needs: a word, and a sentence.
pub(super) fn of(route: &Route) -> Value {
    let is_read = route.method == "GET";
    let (needs, words) = match (route.guard, is_read) {
        (Guard::Nothing, _) => ("nothing", "Nothing is needed: it tells no names and no amounts."),
        (Guard::Secret, _) => ("secret", "A source's secret, in the body, the address or the signature."),
        (Guard::Key, true) => ("read", "A key or session with scope read, for all accounts and strategies."),
        (Guard::Key, false) => ("control", "A key or session with scope control, for all accounts and strategies."),
        (Guard::Trade, true) => ("read or trade", "A key or session with scope read or trade; one for named accounts sees these."),
        (Guard::Trade, false) => ("trade", "A key or session with scope trade; one for named accounts and strategies acts for these."),
        (Guard::Anyone, _) => ("any key", "Any key or session."),
        (Guard::Login, _) => ("a proof in the body", "A one-time token, a password or a key in the body: here one logs in."),
        (Guard::KeyInBody, _) => ("apikey in the body", "A key as apikey in the body: trade to act, read or trade to look."),
        (Guard::AwaitedLogin, _) => ("a link of ours", "A login that is awaited, or the ticket of the link that begins one."),
    };
    json!({ "needs": needs, "words": words })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::routes::ROUTES;

    #[test]
    fn every_route_has_a_heading_and_every_heading_a_route() {
        for route in ROUTES {
            assert!(!tag(route.path).is_empty(), "{}", route.path);
        }
        for (name, ..) in HEADINGS {
            assert!(ROUTES.iter().any(|route| tag(route.path) == *name), "{name}");
        }
        assert_eq!(
            (tag("/dashboard/exit-rules/go-on"), tag("/dashboard"), tag("/health/live")),
            ("Positions and exits", "Health and pages", "Health and pages")
        );
    }
}
