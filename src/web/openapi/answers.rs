//! What a route answers with. `answers/*.txt` says it, in the notation of [`super::shape`]; a test calls the routes of a house that had a
//! day, and holds each answer against it.

use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use super::shape::Shapes;
use super::words;
use crate::web::routes::{Guard, Route};

static SHAPES: LazyLock<Shapes> = LazyLock::new(|| {
    let mut known = words::all();
    known.insert("Problem".to_owned(), problem());
    let texts = TEXTS.map(|(name, built_in)| as_saved(name).unwrap_or_else(|| built_in.to_owned()));
    Shapes::read(known, &texts.each_ref().map(String::as_str))
});

macro_rules! texts {
    ($($name:literal),+ $(,)?) => { [$(($name, include_str!(concat!("answers/", $name)))),+] };
}

/// In this order: what is spread is said before.
const TEXTS: [(&str, &str); 6] = texts!["orders.txt", "positions.txt", "risk.txt", "market.txt", "house.txt", "openalgo.txt"];

/// A debug build reads the texts where they were built from, as the pages are: what is written counts at once.
fn as_saved(name: &str) -> Option<String> {
    let directory = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src/web/openapi/answers"));
    if cfg!(debug_assertions) { std::fs::read_to_string(directory.join(name)).ok() } else { None }
}

/// What is said when something is not done. Some codes add fields.
fn problem() -> Value {
    json!({
        "type": "object",
        "required": ["type", "title", "status", "code", "detail", "remedy"],
        "properties": {
            "type": { "type": "string" },
            "title": { "type": "string" },
            "status": { "type": "integer" },
            "code": { "type": "string", "description": "Stable." },
            "detail": { "type": "string" },
            "remedy": { "type": "string", "description": "What to do." },
        },
        "additionalProperties": true,
    })
}

/// The responses of a route, by status.
pub(super) fn of(route: &Route) -> Value {
    let mut responses = SHAPES.answers.get(&(route.method.to_owned(), route.path.to_owned())).cloned().unwrap_or_default();
    let (kind, name) =
        if route.guard == Guard::KeyInBody { ("application/json", "OpenAlgoError") } else { ("application/problem+json", "Problem") };
    let schema = json!({ "$ref": format!("#/components/schemas/{name}") });
    responses.insert("default".to_owned(), json!({ "description": "It is not.", "content": { kind: { "schema": schema } } }));
    Value::Object(responses)
}

/// Every schema with a name.
pub(super) fn schemas() -> Map<String, Value> {
    SHAPES.named.clone()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::web::openapi::document;
    use crate::web::routes::ROUTES;

    fn names_in(value: &Value, into: &mut BTreeSet<String>) {
        match value {
            Value::Object(fields) => {
                into.extend(fields.get("$ref").and_then(Value::as_str).map(|to| to.replace("#/components/schemas/", "")));
                fields.values().for_each(|field| names_in(field, into));
            }
            Value::Array(items) => items.iter().for_each(|item| names_in(item, into)),
            _ => {}
        }
    }

    #[test]
    fn what_is_written_can_be_read_and_is_of_the_routes() {
        assert!(SHAPES.flaws.is_empty(), "{:#?}", SHAPES.flaws);
        let routes: BTreeSet<(String, String)> = ROUTES.iter().map(|route| (route.method.to_owned(), route.path.to_owned())).collect();
        assert_eq!(SHAPES.answers.keys().cloned().collect::<BTreeSet<_>>(), routes, "each route, and no other, says what it answers");
    }

    #[test]
    fn every_name_that_is_used_is_said_and_every_other_one_is_used() {
        let document = document();
        let mut used = BTreeSet::new();
        names_in(&document, &mut used);
        // It is only spread.
        used.insert("DayFigures".to_owned());
        assert_eq!(used, document["components"]["schemas"].as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>());
    }

    #[test]
    fn every_route_says_a_form_or_that_there_is_none() {
        for route in ROUTES {
            let responses = of(route);
            let done = responses.as_object().unwrap().iter().filter(|(state, _)| *state != "default");
            for (state, response) in done {
                let content = &response["content"];
                assert_eq!(content.is_null(), matches!(state.as_str(), "302" | "303" | "304"), "{} {} {state}", route.method, route.path);
                for content in content.as_object().into_iter().flatten() {
                    assert!(content.1["schema"].is_object(), "{} {} {state}", route.method, route.path);
                }
            }
        }
    }
}
