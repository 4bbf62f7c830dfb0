//! Every field that the description names is met with a value in some house: one that no answer has is no promise to anybody.

use std::collections::BTreeSet;

use ordergate::web::openapi::document;
use serde_json::Value;

use super::HOUSES;

/// Fields that none of these houses has, in `unmet.txt`, each below a line that says why.
#[derive(Default)]
struct Unmet {
    all: BTreeSet<String>,
    /// Those that a look may meet or not: they are there for a moment.
    passing: BTreeSet<String>,
}

/// The reason of those that are there for a moment.
const PASSING: &str = "# Seen for a moment";

fn unmet() -> Unmet {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/answers/unmet.txt");
    let (mut unmet, mut why) = (Unmet::default(), None);
    for line in std::fs::read_to_string(&path).unwrap().lines().map(|line| line.trim().to_owned()) {
        if line.is_empty() {
            why = None;
        } else if line.starts_with('#') {
            why = Some(line);
        } else {
            let reason = why.as_ref().unwrap_or_else(|| panic!("{line} stands below no reason"));
            if reason.starts_with(PASSING) {
                unmet.passing.insert(line.clone());
            }
            assert!(unmet.all.insert(line.clone()), "{line} stands there twice");
        }
    }
    assert!(!unmet.passing.is_empty(), "no reason begins with {PASSING}");
    unmet
}

/// The fields of a schema, named as a look at an answer names them: after the schema or the route that says them.
fn fields(schema: &Value, name: &str, into: &mut BTreeSet<String>) {
    for part in schema["anyOf"].as_array().into_iter().flatten() {
        fields(part, name, into);
    }
    fields_within(&schema["items"], name, into);
    fields_within(&schema["additionalProperties"], name, into);
    for (field, inner) in schema["properties"].as_object().into_iter().flatten() {
        let name = format!("{name}.{field}");
        fields(inner, &name, into);
        into.insert(name);
    }
}

fn fields_within(schema: &Value, name: &str, into: &mut BTreeSet<String>) {
    if schema.is_object() {
        fields(schema, name, into);
    }
}

fn described() -> BTreeSet<String> {
    let document = document();
    let mut all = BTreeSet::new();
    let text = document.to_string();
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        // What is only spread into others is met as theirs.
        if text.contains(&format!("\"#/components/schemas/{name}\"")) {
            fields(schema, name, &mut all);
        }
    }
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            for response in operation["responses"].as_object().unwrap().values() {
                for content in response["content"].as_object().into_iter().flatten() {
                    fields(&content.1["schema"], &format!("{} {path}", method.to_uppercase()), &mut all);
                }
            }
        }
    }
    all
}

#[test]
fn every_described_field_is_met_in_some_house() {
    let met: BTreeSet<String> = HOUSES.iter().flat_map(|house| house.met().fields.clone()).collect();
    let excused = unmet();
    let described = described();
    assert!(described.len() > 700, "the walk finds them: {}", described.len());
    let missing: Vec<&String> = described.iter().filter(|field| !met.contains(*field) && !excused.all.contains(*field)).collect();
    assert!(missing.is_empty(), "{} described fields are met in no house: {missing:#?}", missing.len());
    let is_met = |field: &String| met.contains(field) && !excused.passing.contains(field);
    let needless: Vec<&String> = excused.all.iter().filter(|field| is_met(field) || !described.contains(*field)).collect();
    assert!(needless.is_empty(), "these are met, or described no more: {needless:?}");
}
