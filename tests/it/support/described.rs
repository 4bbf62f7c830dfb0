//! The answers of a house, held against the API's description: a field that is not described, one that is missing, a wrong type
//! or word, a state that is not named.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::sync::LazyLock;

use ordergate::web::openapi::document;
use ordergate::web::{ROUTES, Route};
use serde_json::Value;

use super::Reply;

static DOCUMENT: LazyLock<Value> = LazyLock::new(document);

/// What a schema may say. Anything else would be said and not looked at.
const KEYWORDS: [&str; 10] =
    ["$ref", "additionalProperties", "anyOf", "description", "enum", "format", "items", "pattern", "properties", "required"];

/// What was met: routes with the states that they answered with.
#[derive(Debug, Default, Clone)]
pub(crate) struct Met {
    pub answers: BTreeSet<(String, u16)>,
    /// Described fields that had a value, each after the schema, or the route, that says it.
    pub fields: BTreeSet<String>,
}

impl Met {
    /// An answer came.
    #[track_caller]
    pub(crate) fn take(&mut self, method: &str, path: &str, reply: &Reply) {
        let Some(route) = route(method, path) else { return };
        let name = format!("{method} {}", route.path);
        let responses = &DOCUMENT["paths"][route.path][method.to_lowercase()]["responses"];
        let status = reply.status.to_string();
        let response = match responses.get(&status) {
            Some(response) => response,
            None if reply.status >= 400 => &responses["default"],
            None => panic!("{name} answers {status}, which is not described: {:#}", reply.body),
        };
        if let Some(contents) = response["content"].as_object() {
            let kind = reply.headers.get("content-type").map_or("", |kind| kind.to_str().unwrap());
            let kind = kind.split(';').next().unwrap_or_default();
            let content = contents.get(kind).unwrap_or_else(|| panic!("{name} {status} is {kind:?}: {:#}", reply.body));
            if kind.ends_with("json") {
                let look = Look::of(&content["schema"], &reply.body, &name);
                assert!(look.misfits.is_empty(), "{name} {status} is not as described: {:#?} in {:#}", look.misfits, reply.body);
                self.fields.extend(look.fields);
            }
        } else {
            assert!(reply.body == Value::String(String::new()), "{name} {status} has a body: {:#}", reply.body);
        }
        self.answers.insert((name, reply.status));
    }
}

fn route(method: &str, path: &str) -> Option<&'static Route> {
    let fits = |pattern: &str| {
        let mut parts = path.trim_end_matches('/').split('/');
        pattern.split('/').all(|own| parts.next().is_some_and(|part| own == part || own.starts_with('{'))) && parts.next().is_none()
    };
    ROUTES.iter().find(|route| route.method == method && fits(route.path))
}

/// One look at a value.
#[derive(Debug, Default)]
struct Look {
    misfits: Vec<String>,
    fields: BTreeSet<String>,
}

impl Look {
    fn of(schema: &Value, value: &Value, name: &str) -> Self {
        let mut look = Self::default();
        look.at(schema, value, name, "");
        look
    }

    fn wrong(&mut self, at: &str, what: impl std::fmt::Display) {
        self.misfits.push(format!("{at} {what}"));
    }

    fn at(&mut self, schema: &Value, value: &Value, name: &str, at: &str) {
        let Some(said) = schema.as_object() else { return self.wrong(at, format!("has no schema: {schema}")) };
        if let Some(unknown) = said.keys().find(|key| *key != "type" && !KEYWORDS.contains(&key.as_str())) {
            self.wrong(at, format!("says {unknown}, which nobody looks at"));
        }
        if let Some(target) = schema["$ref"].as_str() {
            let name = target.trim_start_matches("#/components/schemas/");
            return self.at(&DOCUMENT["components"]["schemas"][name], value, name, at);
        }
        if let Some(any) = schema["anyOf"].as_array() {
            let looks = any.iter().map(|schema| {
                let mut look = Self::default();
                look.at(schema, value, name, at);
                look
            });
            let best = looks.min_by_key(|look| (look.misfits.len(), Reverse(look.fields.len()))).unwrap_or_default();
            self.misfits.extend(best.misfits);
            self.fields.extend(best.fields);
            return;
        }
        if !is_of_type(&schema["type"], value) {
            return self.wrong(at, format!("is {value}, no {}", schema["type"]));
        }
        if schema["enum"].as_array().is_some_and(|words| !words.contains(value)) {
            self.wrong(at, format!("is {value}, none of {}", schema["enum"]));
        }
        if let (Some(format), Some(text)) = (schema["format"].as_str(), value.as_str())
            && !is_of_format(format, text)
        {
            self.wrong(at, format!("is {text:?}, no {format}"));
        }
        for (place, row) in value.as_array().into_iter().flatten().enumerate() {
            self.at(&schema["items"], row, name, &format!("{at}[{place}]"));
        }
        if let Some(fields) = value.as_object() {
            self.object(schema, fields, name, at);
        }
    }

    fn object(&mut self, schema: &Value, fields: &serde_json::Map<String, Value>, name: &str, at: &str) {
        for needed in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if !fields.contains_key(needed) {
                self.wrong(at, format!("has no {needed}"));
            }
        }
        for (field, value) in fields {
            let at = format!("{at}.{field}");
            let other = &schema["additionalProperties"];
            match schema["properties"].get(field) {
                Some(schema) => {
                    let name = format!("{name}.{field}");
                    self.at(schema, value, &name, &at);
                    if !value.is_null() {
                        self.fields.insert(name);
                    }
                }
                None if other.is_object() => self.at(other, value, name, &at),
                None if other == true => {}
                None => self.wrong(&at, "is not described"),
            }
        }
    }
}

fn is_of_type(types: &Value, value: &Value) -> bool {
    let fits = |kind: &Value| match kind.as_str().unwrap_or_default() {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => false,
    };
    types.as_array().map_or_else(|| fits(types), |types| types.iter().any(fits))
}

fn is_of_format(format: &str, text: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    match format {
        "date-time" => text.ends_with('Z') && text.parse::<chrono::DateTime<chrono::Utc>>().is_ok(),
        "date" => text.parse::<chrono::NaiveDate>().is_ok(),
        "uuid" => text.parse::<uuid::Uuid>().is_ok(),
        // Its pattern says the same.
        "decimal" => {
            let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
            digits(whole.strip_prefix('-').unwrap_or(whole)) && digits(fraction)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn misfits(schema: Value, value: Value) -> Vec<String> {
        Look::of(&schema, &value, "").misfits
    }

    #[test]
    fn whatever_is_not_as_it_is_said_is_found() {
        let row = json!({ "type": "object", "required": ["a"], "properties": { "a": { "type": ["string", "null"], "enum": ["x", null] }, "b": { "type": "integer" } } });
        assert!(misfits(row.clone(), json!({ "a": null, "b": 1 })).is_empty());
        assert_eq!(misfits(row.clone(), json!({ "b": 1 })), [" has no a"]);
        assert_eq!(misfits(row.clone(), json!({ "a": "x", "c": 1 })), [".c is not described"]);
        assert_eq!(misfits(row.clone(), json!({ "a": "y" })).len(), 1);
        assert_eq!(misfits(row.clone(), json!({ "a": "x", "b": null })).len(), 1);
        assert_eq!(misfits(json!({ "type": "array", "items": row.clone() }), json!([{ "a": "x" }, { "a": "x", "b": 1.5 }])).len(), 1);
        assert!(misfits(json!({ "anyOf": [{ "type": "null" }, row.clone()] }), json!({ "a": "x" })).is_empty());
        assert_eq!(misfits(json!({ "anyOf": [{ "type": "null" }, row] }), json!({ "d": 1, "a": "x" })), [".d is not described"]);
        assert_eq!(misfits(json!({ "type": "object", "additionalProperties": { "type": "integer" } }), json!({ "any": "1" })).len(), 1);
        assert_eq!(misfits(json!({ "type": "string", "maxLength": 1 }), json!("x")).len(), 1, "a word that nobody looks at");
    }

    #[test]
    fn texts_are_of_their_format() {
        let is = |format: &str, text: &str| misfits(json!({ "type": "string", "format": format }), json!(text)).is_empty();
        assert!(is("decimal", "-12.50") && is("decimal", "0") && is("date", "2026-11-26") && is("date-time", "2026-11-26T04:00:00.5Z"));
        assert!(is("uuid", "01234567-89ab-7def-8123-456789abcdef"));
        for (format, text) in [
            ("decimal", "1e5"),
            ("decimal", ".5"),
            ("decimal", "5."),
            ("decimal", ""),
            ("date", "26-11-2026"),
            ("date-time", "2026-11-26T04:00:00+05:30"),
            ("uuid", "17"),
            ("shape", "x"),
        ] {
            assert!(!is(format, text), "{format} {text}");
        }
    }
}
