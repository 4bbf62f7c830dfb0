//! What a route answers with when it was done: in which form.

use serde_json::{Value, json};

use crate::web::routes::{Guard, Route};

/// The answer of a route.
pub(super) fn of(route: &Route) -> Value {
    let kind = match (route.method, route.path) {
        ("GET", path) if path.ends_with(".csv") => "text/csv",
        ("GET", "/dashboard/events") => "text/event-stream",
        ("GET", "/metrics") => "text/plain",
        ("GET", "/" | "/dashboard" | "/dashboard/web/{name}") => "text/html",
        ("GET", _) if route.guard == Guard::AwaitedLogin => "text/html",
        _ => "application/json",
    };
    let words = if route.method == "GET" { "What was asked for." } else { "It is so, or it is under way: the body says which." };
    json!({ "description": words, "content": { kind: {} } })
}
