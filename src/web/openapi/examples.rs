//! Bodies as a person would write them: for calls whose fields are many and seldom all needed.

use serde_json::Value;

use crate::web::routes::Route;

/// Method, path, body.
const EXAMPLES: &[(&str, &str, &str)] = &[
    (
        "POST",
        "/dashboard/intent/generic",
        r#"{"strategy":"manual","execution_type":"ENTRY","exchange":"NSE","symbol":"RELIANCE-EQ","side":"BUY","quantity":"10","product":"MIS","order_type":"LIMIT","price":"1390.00","stop_loss":"1%","idempotency_key":"one-key-for-one-order"}"#,
    ),
    (
        "POST",
        "/dashboard/intent/basket",
        r#"{"policy":"ALL_OR_UNWIND","orders":[{"strategy":"pair","execution_type":"ENTRY","exchange":"NSE","symbol":"SBIN-EQ","side":"BUY","quantity":"5","product":"MIS","order_type":"MARKET"},{"strategy":"pair","execution_type":"ENTRY","exchange":"NSE","symbol":"INFY-EQ","side":"SELL","quantity":"5","product":"MIS","order_type":"MARKET"}]}"#,
    ),
    ("POST", "/dashboard/intent/strategy", r#"{"strategy":"pair","action":"EXIT","idempotency_key":"one-key-for-one-exit"}"#),
    ("POST", "/dashboard/orders/{command_id}/modify", r#"{"quantity":"10","price":"1391.50"}"#),
    ("POST", "/dashboard/orders/{command_id}/resolve", r#"{"absent":true,"reason":"not in the broker's book, looked at by hand"}"#),
    ("POST", "/dashboard/orders/{command_id}/resubmit", r#"{"changes":{"price":"1389.00"}}"#),
    ("POST", "/dashboard/positions/exit", r#"{"strategy":"manual","symbol":"RELIANCE-EQ","exchange":"NSE","product":"MIS","quantity":5}"#),
    ("POST", "/dashboard/positions/exit-all", r#"{"strategy":"manual"}"#),
    (
        "POST",
        "/dashboard/exit-rules",
        r#"{"strategy":"manual","symbol":"RELIANCE-EQ","exchange":"NSE","product":"MIS","stop_loss":"1380.00","target":"2%","reason":"before the results"}"#,
    ),
    ("POST", "/dashboard/kill", r#"{"client_id":"PAPER1","level":2,"reason":"the feed is wrong"}"#),
    (
        "POST",
        "/dashboard/freeze",
        r#"{"client_id":"PAPER1","frozen":true,"open_positions":2,"reason":"the positions are hedged elsewhere"}"#,
    ),
    (
        "POST",
        "/dashboard/arm",
        r#"{"client_id":"AB1234","mode":"LIVE","duration_minutes":420,"confirm":"AB1234","reason":"the day begins"}"#,
    ),
    ("POST", "/dashboard/risk/override", r#"{"limit":"trades_per_day","value":"60","minutes":30,"reason":"the expiry"}"#),
    ("POST", "/dashboard/approvals/{command_id}", r#"{"decision":"approve","reason":"looked at the chart"}"#),
    ("POST", "/dashboard/session", r#"{"password":"YOUR_PASSWORD","totp":"123456"}"#),
    (
        "PUT",
        "/dashboard/routes",
        r#"{"route":{"name":"trend","source":"tradingview","strategy":"trend","direction":"long","instrument":"NIFTY weekly ATM CE","product":"NRML","size":"2 lots"},"reason":"a new chart"}"#,
    ),
    (
        "POST",
        "/dashboard/explain",
        r#"{"execution_type":"ENTRY","strategy_name":"trend","exchange":"NSE","product_type":"MIS","legs":[{"tradingsymbol":"SBIN-EQ","direction":"BUY","qty":10,"order_type":"MARKET"}]}"#,
    ),
    (
        "POST",
        "/webhook",
        r#"{"secret_key":"YOUR_SECRET","execution_type":"ENTRY","strategy_name":"trend","exchange":"NSE","product_type":"MIS","legs":[{"tradingsymbol":"SBIN-EQ","direction":"BUY","qty":10,"order_type":"MARKET"}]}"#,
    ),
    (
        "POST",
        "/api/v1/placeorder",
        r#"{"apikey":"YOUR_KEY","strategy":"trend","symbol":"SBIN","action":"BUY","exchange":"NSE","pricetype":"MARKET","product":"MIS","quantity":"10"}"#,
    ),
];

/// The body of a route's example, if it has one.
pub(super) fn of(route: &Route) -> Option<Value> {
    let found = EXAMPLES.iter().find(|(method, path, _)| *method == route.method && *path == route.path);
    found.and_then(|(.., body)| serde_json::from_str(body).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::openapi::fields_of;
    use crate::web::routes::ROUTES;

    #[test]
    fn an_example_is_of_a_route_and_has_the_fields_that_it_takes() {
        for (method, path, _) in EXAMPLES {
            let route = ROUTES.iter().find(|route| route.method == *method && route.path == *path).unwrap();
            let body = of(route).unwrap();
            let known: Vec<&str> = fields_of(route).1.iter().map(|name| name.trim_end_matches('!')).collect();
            for name in body.as_object().unwrap().keys() {
                assert!(known.contains(&name.as_str()), "{method} {path} takes no {name}: {known:?}");
            }
        }
    }
}
