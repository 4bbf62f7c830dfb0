//! The API's description is true: its paths are the routes, its fields are those that the handlers take, and it is the committed one.

use std::collections::BTreeSet;

use ordergate::web::openapi::{document, fields_of, problems_of};
use ordergate::web::{Guard, ROUTES, Route};
use serde_json::{Map, Value, json};

use crate::support::{House, KEY, Plan, Reply};

fn pairs(document: &Value) -> BTreeSet<(String, String)> {
    let paths = document["paths"].as_object().unwrap();
    let operations = paths
        .iter()
        .flat_map(|(path, operations)| operations.as_object().unwrap().keys().map(move |method| (method.to_uppercase(), path.clone())));
    operations.collect()
}

#[test]
fn its_paths_are_the_routes_and_each_is_described() {
    let document = document();
    let routes: BTreeSet<(String, String)> = ROUTES.iter().map(|route| (route.method.to_owned(), route.path.to_owned())).collect();
    assert_eq!(pairs(&document), routes);
    for (method, path) in routes {
        let operation = &document["paths"][&path][method.to_lowercase()];
        assert!(operation["summary"].as_str().is_some_and(|words| !words.is_empty()), "{method} {path} has no line in the table");
    }
    let ids: BTreeSet<&str> = document["paths"]
        .as_object()
        .unwrap()
        .values()
        .flat_map(|all| all.as_object().unwrap().values())
        .map(|one| one["operationId"].as_str().unwrap())
        .collect();
    assert_eq!(ids.len(), ROUTES.len(), "each operation has a name of its own");
}

/// After a change of the API, write it anew with `ORDERGATE_BLESS=1 cargo test --test it openapi::`.
#[test]
fn the_committed_description_is_the_one_of_the_code() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/openapi.json");
    let text = format!("{:#}\n", document());
    if std::env::var_os("ORDERGATE_BLESS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap_or_default(), text, "write it anew: ORDERGATE_BLESS=1 cargo test --test it openapi::");
}

/// A code that is met and not named there would be news to who wrote a program by the description.
fn is_told(route: &Route, reply: &Reply) {
    if let Some(code) = reply.body["code"].as_str() {
        let all = document();
        assert!(!all["x-problems"][code].is_null(), "{code} has no line");
        assert!(problems_of(route).contains(&code), "{} {} answers {code}: {}", route.method, route.path, reply.body["detail"]);
    }
}

/// A field that no handler knows would be answered as unknown.
#[actix_web::test]
async fn every_field_that_it_names_is_taken() {
    let house = House::open().await.described();
    for route in ROUTES.iter().filter(|route| matches!(route.guard, Guard::Key | Guard::Trade | Guard::Anyone | Guard::Login)) {
        if route.path == "/dashboard/events" {
            continue;
        }
        let path = route.path.replace("{command_id}", "00000000-0000-0000-0000-000000000001").replace("{id}", "1");
        let (query, body) = fields_of(route);
        for field in query {
            let request = house.request(route.method, &format!("{path}?{field}=1")).bearer_auth(KEY);
            let reply = house.send(request).await;
            is_told(route, &reply);
            let words = reply.body.to_string();
            assert!(!words.contains("unknown field"), "{} {path} does not take {field}: {words}", route.method);
        }
        for field in body {
            // Of a type that no field has: the field is known or it is not, and nothing is done.
            let mut fields = Map::new();
            fields.insert(field.to_owned(), json!([[]]));
            let request = house.request(route.method, &path).bearer_auth(KEY).json(&fields);
            let reply = house.send(request).await;
            is_told(route, &reply);
            assert!(
                reply.status < 500 && !reply.body.to_string().contains("unknown field"),
                "{} {path} does not take {field}: {:#}",
                route.method,
                reply.body
            );
        }
    }
    let served = house.get("/dashboard/openapi.json").await;
    assert_eq!(served.body, document());
    house.close().await;
}

/// A body with what the route must have, and without an account.
fn without_account(route: &Route) -> Value {
    let document = document();
    let content = &document["paths"][route.path][route.method.to_lowercase()]["requestBody"]["content"]["application/json"];
    let mut body = content["example"].as_object().cloned().unwrap_or_default();
    for name in content["schema"]["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        let value = match name {
            "exchange" => json!("NSE"),
            "product" => json!("MIS"),
            "row" => json!(1),
            "price" => json!("1.00"),
            _ => json!("a"),
        };
        body.entry(name).or_insert(value);
    }
    body.remove("client_id");
    Value::Object(body)
}

/// Who was paged leaves the account out: two calls that only stop are for all of them then, and no other does anything.
#[actix_web::test]
async fn what_changes_something_names_its_account_where_there_are_several() {
    const OF_ALL: [&str; 2] = ["/dashboard/kill", "/dashboard/positions/exit-all"];
    let house = House::with(Plan { accounts: vec!["PAPER1", "PAPER2"], ..Plan::default() }).await;
    let is_act =
        |route: &&Route| route.method != "GET" && matches!(route.guard, Guard::Key | Guard::Trade) && !OF_ALL.contains(&route.path);
    let mut asked = 0;
    for route in ROUTES.iter().filter(is_act) {
        let (query, body) = fields_of(route);
        let request = if body.contains(&"client_id") {
            house.request(route.method, route.path).json(&without_account(route))
        } else if query.contains(&"client_id") {
            let needed = [("strategy", "a"), ("symbol", "SBIN-EQ"), ("exchange", "NSE"), ("product", "MIS")];
            let needed = needed.into_iter().filter(|(name, _)| query.contains(name)).map(|(name, value)| format!("{name}={value}"));
            let address = format!("{}?{}", route.path, needed.collect::<Vec<_>>().join("&"));
            house.request(route.method, &address).json(&without_account(route))
        } else {
            continue;
        };
        let reply = house.send(request.bearer_auth(KEY)).await;
        // Freezing names its account even where there is only one.
        let code = if route.path == "/dashboard/freeze" { "bad_request" } else { "which_account" };
        assert_eq!((reply.status, reply.body["code"].as_str()), (400, Some(code)), "{} {}: {:#}", route.method, route.path, reply.body);
        asked += 1;
    }
    assert!(asked > 15, "{asked}");
    house.close().await;
}
