//! The notation in which `answers/*.txt` says what is answered, and how it becomes JSON schemas.
//!
//! A statement begins in the first column: `Name = type` is a schema with a name, `GET /path 200 = type` an answer in JSON (several
//! states may stand there; none means 200), `GET /path 200 as text/csv` one in another form, `as nothing` one without a body. A line that
//! begins with `#` right above a named schema is its description.
//!
//! Types: `text int number bool decimal time date uuid null any fields`, a word in quotes, `Name`, `[type]`, `map of type`,
//! `{ field: type, other?: type -- words about it }`, `a | b`, `(…)`, and `type?` for one that may be null. A field with `?` after its
//! name may be absent; every other one is always there. `...Name` in an object stands for the fields of that one, which is said before.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// What was read.
#[derive(Debug, Default)]
pub(super) struct Shapes {
    /// Schemas by name.
    pub named: Map<String, Value>,
    /// Responses by status, of each method and path.
    pub answers: BTreeMap<(String, String), Map<String, Value>>,
    /// Statements that could not be read, and why. A test says that there are none.
    pub flaws: Vec<String>,
}

/// A decimal is a text: digits, never through a float.
const DECIMAL: &str = r"^-?[0-9]+(\.[0-9]+)?$";

impl Shapes {
    /// Reads texts, upon names that are known already.
    pub(super) fn read(known: Map<String, Value>, texts: &[&str]) -> Self {
        let mut shapes = Self { named: known, ..Self::default() };
        for text in texts {
            for (about, statement) in statements(text) {
                if let Err(why) = shapes.take(&about, &statement) {
                    shapes.flaws.push(format!("{why}: {statement}"));
                }
            }
        }
        shapes
    }

    fn take(&mut self, about: &str, statement: &str) -> Result<(), String> {
        let (head, what) = if let Some((head, words)) = statement.split_once(" = ") {
            (head, What::Json(self.schema(words)?))
        } else {
            let (head, kinds) = statement.split_once(" as ").ok_or("neither = nor as")?;
            (head, What::Other(kinds.split_whitespace().filter(|kind| *kind != "nothing").map(str::to_owned).collect()))
        };
        let words: Vec<&str> = head.split_whitespace().collect();
        match (words.as_slice(), what) {
            ([name], What::Json(mut schema)) => {
                if let (false, Some(fields)) = (about.is_empty(), schema.as_object_mut()) {
                    fields.insert("description".to_owned(), json!(about));
                }
                if self.named.insert((*name).to_owned(), schema).is_some() {
                    return Err(format!("{name} is said twice"));
                }
            }
            ([method, path, states @ ..], what) => {
                let states = if states.is_empty() { &["200"][..] } else { states };
                let responses = self.answers.entry(((*method).to_owned(), (*path).to_owned())).or_default();
                for state in states {
                    if responses.insert((*state).to_owned(), what.response(state)).is_some() {
                        return Err(format!("{state} is said twice"));
                    }
                }
            }
            _ => return Err("neither a name nor a route".to_owned()),
        }
        Ok(())
    }

    fn schema(&self, text: &str) -> Result<Value, String> {
        let mut reader = Reader { tokens: tokens(text)?, at: 0, named: &self.named };
        let schema = reader.either()?;
        if reader.at == reader.tokens.len() { Ok(schema) } else { Err(format!("more than a type: {:?}", reader.peek())) }
    }
}

/// What a statement says that a route answers with.
enum What {
    Json(Value),
    Other(Vec<String>),
}

impl What {
    fn response(&self, state: &str) -> Value {
        let words = match state {
            "202" => "It is under way: the body says how far.",
            "302" | "303" => "Go there.",
            "304" => "It is as you know it.",
            "503" => "It is not so: the body says why.",
            _ => "What was asked for, or what was done.",
        };
        let content: Map<String, Value> = match self {
            Self::Json(schema) => std::iter::once(("application/json".to_owned(), json!({ "schema": schema }))).collect(),
            Self::Other(kinds) => kinds.iter().map(|kind| (kind.clone(), json!({ "schema": { "type": "string" } }))).collect(),
        };
        if content.is_empty() { json!({ "description": words }) } else { json!({ "description": words, "content": content }) }
    }
}

/// The statements of a text, each with the words right above it.
fn statements(text: &str) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    let mut about = String::new();
    for line in text.lines() {
        if let Some(words) = line.strip_prefix('#') {
            about = words.trim().to_owned();
        } else if line.trim().is_empty() {
            about.clear();
        } else if line.starts_with(|first: char| first.is_ascii_alphabetic()) {
            found.push((std::mem::take(&mut about), line.to_owned()));
        } else if let Some((_, statement)) = found.last_mut() {
            statement.push('\n');
            statement.push_str(line);
        }
    }
    found
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Word(String),
    Quoted(String),
    Mark(char),
    Spread,
    Note(String),
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut all = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let (token, length) = if let Some(more) = rest.strip_prefix("--") {
            let words = more.lines().next().unwrap_or_default();
            (Token::Note(words.trim().to_owned()), 2 + words.len())
        } else if rest.starts_with("...") {
            (Token::Spread, 3)
        } else if let Some(more) = rest.strip_prefix('"') {
            let word = more.split('"').next().unwrap_or_default();
            (Token::Quoted(word.to_owned()), word.len() + 2)
        } else if "{}[]():?|,".contains(first) {
            (Token::Mark(first), 1)
        } else {
            let word: String = rest.chars().take_while(|letter| letter.is_ascii_alphanumeric() || *letter == '_').collect();
            let length = word.len();
            (Token::Word(word), length)
        };
        if length == 0 {
            return Err(format!("{first:?} stands for nothing"));
        }
        all.push(token);
        rest = rest.get(length..).unwrap_or_default().trim_start();
    }
    Ok(all)
}

struct Reader<'a> {
    tokens: Vec<Token>,
    at: usize,
    named: &'a Map<String, Value>,
}

impl Reader<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn next(&mut self) -> Option<Token> {
        let token = self.peek().cloned();
        self.at += 1;
        token
    }

    fn takes(&mut self, mark: char) -> bool {
        let is_there = self.peek() == Some(&Token::Mark(mark));
        self.at += usize::from(is_there);
        is_there
    }

    fn needs(&mut self, mark: char) -> Result<(), String> {
        if self.takes(mark) { Ok(()) } else { Err(format!("no {mark} before {:?}", self.peek())) }
    }

    /// `a | b`: words in quotes become one enumeration.
    fn either(&mut self) -> Result<Value, String> {
        let mut all = vec![self.one()?];
        while self.takes('|') {
            all.push(self.one()?);
        }
        let is_null = |schema: &Value| schema["type"] == "null";
        let has_null = all.len() > 1 && all.iter().any(is_null);
        all.retain(|schema| !has_null || !is_null(schema));
        let words: Vec<Value> = all.iter().filter_map(|schema| schema["enum"].as_array()).flatten().cloned().collect();
        let schema = match all.as_slice() {
            [only] => only.clone(),
            several if several.iter().all(|schema| schema["enum"].is_array()) => json!({ "type": "string", "enum": words }),
            several => json!({ "anyOf": several }),
        };
        Ok(if has_null { or_null(schema) } else { schema })
    }

    fn one(&mut self) -> Result<Value, String> {
        let schema = match self.next() {
            Some(Token::Quoted(word)) => json!({ "type": "string", "enum": [word] }),
            Some(Token::Word(word)) => self.word(&word)?,
            Some(Token::Mark('[')) => {
                let items = self.either()?;
                self.needs(']')?;
                json!({ "type": "array", "items": items })
            }
            Some(Token::Mark('(')) => {
                let inner = self.either()?;
                self.needs(')')?;
                inner
            }
            Some(Token::Mark('{')) => self.object()?,
            other => return Err(format!("no type begins with {other:?}")),
        };
        Ok(if self.takes('?') { or_null(schema) } else { schema })
    }

    fn word(&mut self, word: &str) -> Result<Value, String> {
        Ok(match word {
            "text" => json!({ "type": "string" }),
            "int" => json!({ "type": "integer" }),
            "number" => json!({ "type": "number" }),
            "bool" => json!({ "type": "boolean" }),
            "null" => json!({ "type": "null" }),
            "decimal" => json!({ "type": "string", "format": "decimal", "pattern": DECIMAL }),
            "time" => json!({ "type": "string", "format": "date-time" }),
            "date" => json!({ "type": "string", "format": "date" }),
            "uuid" => json!({ "type": "string", "format": "uuid" }),
            "fields" => json!({ "type": "object", "additionalProperties": true }),
            "map" => {
                if self.next() != Some(Token::Word("of".to_owned())) {
                    return Err("map without of".to_owned());
                }
                json!({ "type": "object", "additionalProperties": self.one()? })
            }
            name if name.starts_with(|first: char| first.is_ascii_uppercase()) => {
                json!({ "$ref": format!("#/components/schemas/{name}") })
            }
            other => return Err(format!("{other} is no type")),
        })
    }

    fn object(&mut self) -> Result<Value, String> {
        let (mut properties, mut required) = (Map::new(), Vec::new());
        while !self.takes('}') {
            match self.next() {
                Some(Token::Mark(',')) => {}
                Some(Token::Spread) => {
                    let Some(Token::Word(name)) = self.next() else { return Err("... without a name".to_owned()) };
                    let other = self.named.get(&name).ok_or_else(|| format!("{name} is not said before it is spread"))?;
                    properties.extend(other["properties"].as_object().cloned().unwrap_or_default());
                    required.extend(other["required"].as_array().cloned().unwrap_or_default());
                }
                Some(Token::Word(name)) => {
                    if !self.takes('?') {
                        required.push(json!(name));
                    }
                    self.needs(':')?;
                    let schema = self.either()?;
                    properties.insert(name, self.with_note(schema));
                }
                other => return Err(format!("no field begins with {other:?}")),
            }
        }
        Ok(json!({ "type": "object", "required": required, "properties": properties }))
    }

    fn with_note(&mut self, mut schema: Value) -> Value {
        if let (Some(Token::Note(words)), Some(fields)) = (self.peek(), schema.as_object_mut()) {
            fields.insert("description".to_owned(), json!(words));
            self.at += 1;
        }
        schema
    }
}

/// The same, or null.
fn or_null(mut schema: Value) -> Value {
    let nothing = json!({ "type": "null" });
    let Some(said) = schema.as_object_mut() else { return schema };
    if let Some(all) = said.get_mut("anyOf").and_then(Value::as_array_mut) {
        all.push(nothing);
        return schema;
    }
    let Some(kind) = said.get("type").and_then(Value::as_str).map(str::to_owned) else { return json!({ "anyOf": [schema, nothing] }) };
    said.insert("type".to_owned(), json!([kind, "null"]));
    if let Some(words) = said.get_mut("enum").and_then(Value::as_array_mut) {
        words.push(Value::Null);
    }
    schema
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Shapes {
        Shapes::read(Map::new(), &[text])
    }

    #[test]
    fn what_is_written_becomes_a_schema() {
        let shapes =
            read("# Its words.\nRow = {\n    a: text -- what it is\n    b?: decimal?\n}\nGET /x 200 503 = { ...Row, c: [Row | null] }");
        assert!(shapes.flaws.is_empty(), "{:?}", shapes.flaws);
        let row = json!({
            "type": "object", "required": ["a"], "description": "Its words.",
            "properties": { "a": { "type": "string", "description": "what it is" }, "b": { "type": ["string", "null"], "format": "decimal", "pattern": DECIMAL } },
        });
        assert_eq!(shapes.named["Row"], row);
        let responses = &shapes.answers[&("GET".to_owned(), "/x".to_owned())];
        assert_eq!(responses.keys().collect::<Vec<_>>(), ["200", "503"]);
        let schema = &responses["503"]["content"]["application/json"]["schema"];
        assert_eq!(schema["required"], json!(["a", "c"]));
        assert_eq!(schema["properties"]["b"], row["properties"]["b"]);
        let items = json!({ "anyOf": [{ "$ref": "#/components/schemas/Row" }, { "type": "null" }] });
        assert_eq!(schema["properties"]["c"]["items"], items);
    }

    #[test]
    fn words_in_quotes_are_an_enumeration_which_null_may_join() {
        let shapes = read("A = \"x\" | \"y-z\"\nB = (\"x\" | \"y\")?\nC = int | decimal | null\nD = map of int");
        assert_eq!(shapes.named["A"], json!({ "type": "string", "enum": ["x", "y-z"] }));
        assert_eq!(shapes.named["B"], json!({ "type": ["string", "null"], "enum": ["x", "y", null] }));
        assert_eq!(shapes.named["C"]["anyOf"].as_array().map(Vec::len), Some(3));
        assert_eq!(shapes.named["D"], json!({ "type": "object", "additionalProperties": { "type": "integer" } }));
    }

    #[test]
    fn other_forms_have_a_text_or_nothing() {
        let shapes = read("GET /x as text/csv\nGET /y 302 as nothing");
        assert_eq!(
            shapes.answers[&("GET".to_owned(), "/x".to_owned())]["200"]["content"]["text/csv"]["schema"],
            json!({ "type": "string" })
        );
        assert_eq!(shapes.answers[&("GET".to_owned(), "/y".to_owned())]["302"].get("content"), None);
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        for text in [
            "A = { b }",
            "A = txet",
            "A = { ...B }",
            "A = [int",
            "A = int int",
            "A = map int",
            "GET /x",
            "A = int\nA = int",
            "GET /x = int\nGET /x 200 = int",
            "A = ;",
        ] {
            assert_eq!(read(text).flaws.len(), 1, "{text}");
        }
    }
}
