//! `GET /dashboard/openapi.json`: the API's description, made from [`ROUTES`], one line about each, and what each answers (`answers/*.txt`).
//! Tests hold its paths against the routes, its fields against what the handlers take, its answers against real ones, and the whole against
//! `docs/openapi.json`.

mod access;
mod answers;
mod examples;
mod problems;
mod shape;
mod table;
mod told;
mod words;

use std::sync::LazyLock;

use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Map, Value, json};

use super::pages::{self, File};
use super::routes::{Guard, ROUTES, Route};
use table::{ABOUT, About};

/// Serves the description.
pub(super) async fn serve(request: HttpRequest) -> HttpResponse {
    static READY: LazyLock<File> = LazyLock::new(|| File::new("openapi.json", document().to_string().as_bytes()));
    pages::send(&request, READY.clone())
}

/// The whole description.
#[must_use]
pub fn document() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for route in ROUTES {
        let about = about(route);
        let operations = paths.entry(route.path.to_owned()).or_insert_with(|| json!({}));
        if let Some(operations) = operations.as_object_mut() {
            operations.insert(route.method.to_ascii_lowercase(), operation(route, about));
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": { "title": "ordergate", "version": env!("CARGO_PKG_VERSION"), "description": "Decimals are texts, times are ISO 8601 in UTC. An error has a stable code and a remedy. A later version may answer with more fields. POST /api/v1/… is OpenAlgo's API: numbers there are numbers." },
        "tags": access::tags(),
        "paths": paths,
        "x-problems": told::all(),
        "components": {
            "securitySchemes": {
                "key": { "type": "http", "scheme": "bearer" },
                "session": { "type": "apiKey", "in": "cookie", "name": "og_session" },
            },
            "schemas": answers::schemas(),
        },
    })
}

/// The fields that a route takes in its query, and in its body: for the test that asks for each of them.
#[must_use]
pub fn fields_of(route: &Route) -> (Vec<&'static str>, Vec<&'static str>) {
    let names = |text: &'static str| text.split_whitespace().map(|field| field.split([':', '!']).next().unwrap_or(field)).collect();
    about(route).map_or_else(Default::default, |about| (names(about.query), names(about.body)))
}

/// The codes that a route may answer with: for the tests that meet them.
#[must_use]
pub fn problems_of(route: &Route) -> Vec<&'static str> {
    about(route).map(|about| told::of(route, about)).unwrap_or_default()
}

fn about(route: &Route) -> Option<&'static About> {
    ABOUT.iter().find(|about| about.method == route.method && about.path == route.path)
}

fn operation(route: &Route, about: Option<&About>) -> Value {
    let (summary, query, body) = about.map_or(("", "", ""), |about| (about.summary, about.query, about.body));
    let in_path = route.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let mut parameters: Vec<Value> =
        in_path.map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } })).collect();
    parameters.extend(
        fields(query).map(|(name, schema, is_needed)| json!({ "name": name, "in": "query", "required": is_needed, "schema": schema })),
    );
    let mut operation = json!({
        "operationId": id(route),
        "summary": summary,
        "tags": [access::tag(route.path)],
        "parameters": parameters,
        "security": security(route.guard),
        "x-access": access::of(route),
        "x-problems": about.map(|about| told::of(route, about)).unwrap_or_default(),
        "responses": answers::of(route),
    });
    if let (false, Some(operation)) = (body.is_empty(), operation.as_object_mut()) {
        let properties: Map<String, Value> = fields(body).map(|(name, schema, _)| (name.to_owned(), schema)).collect();
        let needed: Vec<&str> = fields(body).filter(|(_, _, is_needed)| *is_needed).map(|(name, _, _)| name).collect();
        let schema = json!({ "type": "object", "properties": properties, "required": needed });
        let mut content = json!({ "schema": schema });
        if let (Some(example), Some(content)) = (examples::of(route), content.as_object_mut()) {
            content.insert("example".to_owned(), example);
        }
        operation.insert("requestBody".to_owned(), json!({ "content": { "application/json": content } }));
    }
    operation
}

/// `get_dashboard_orders_command_id`.
fn id(route: &Route) -> String {
    let words = route.path.split(['/', '{', '}', '-', '.']).filter(|word| !word.is_empty());
    std::iter::once(route.method.to_ascii_lowercase()).chain(words.map(str::to_owned)).collect::<Vec<_>>().join("_")
}

fn security(guard: Guard) -> Value {
    match guard {
        Guard::Key | Guard::Trade | Guard::Anyone => json!([{ "key": [] }, { "session": [] }]),
        // What proves them stands in the body or in the address.
        Guard::Nothing | Guard::Secret | Guard::Login | Guard::KeyInBody | Guard::AwaitedLogin => json!([]),
    }
}

/// `name`, `name!` (needed), `name:int`, `name:BUY|SELL` (one of these words): name, schema, whether it is needed.
fn fields(text: &'static str) -> impl Iterator<Item = (&'static str, Value, bool)> {
    text.split_whitespace().map(|field| {
        let (name, kind) = field.split_once(':').unwrap_or((field, "text"));
        let schema = match kind {
            "int" => json!({ "type": "integer" }),
            "bool" => json!({ "type": "boolean" }),
            "date" => json!({ "type": "string", "format": "date" }),
            "object" => json!({ "type": "object" }),
            "list" => json!({ "type": "array", "items": { "type": "object" } }),
            "number" => json!({ "type": ["string", "integer"] }),
            words if words.contains('|') => json!({ "type": "string", "enum": words.split('|').collect::<Vec<_>>() }),
            _ => json!({ "type": "string" }),
        };
        (name.trim_end_matches('!'), schema, name.ends_with('!'))
    })
}
