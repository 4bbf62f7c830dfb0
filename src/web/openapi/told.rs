//! What the description says of one code of [`PROBLEMS`], and which route may answer with it.

use serde_json::{Map, Value, json};

use super::problems::PROBLEMS;
use super::table::About;
use crate::web::routes::{Guard, Route};

/// About one code.
#[derive(Debug)]
pub(super) struct Told {
    code: &'static str,
    status: u16,
    when: &'static str,
    remedy: &'static str,
    /// Where it may come from: words as [`Told::is_of`] knows them, or beginnings of paths, with a method before them or without.
    at: &'static str,
}

pub(super) const fn told(code: &'static str, status: u16, when: &'static str, remedy: &'static str, at: &'static str) -> Told {
    Told { code, status, when, remedy, at }
}

impl Told {
    fn is_of(&self, route: &Route, about: &About) -> bool {
        let has_account =
            [about.query, about.body, route.path].iter().any(|text| text.split([' ', '/', '{', '}']).any(|word| word == "client_id"));
        self.at.split_whitespace().any(|word| match word {
            "credentials" => matches!(route.guard, Guard::Key | Guard::Trade | Guard::Anyone),
            "scope" => matches!(route.guard, Guard::Key | Guard::Trade),
            "cookie" => matches!(route.guard, Guard::Key | Guard::Trade | Guard::Anyone) && route.method != "GET",
            "body" => !about.body.is_empty(),
            "query" => !about.query.is_empty(),
            "account" => has_account,
            "alert" => route.guard == Guard::Secret,
            "path" => route.path.contains('{'),
            place => {
                let (method, path) = place.split_at(place.find('/').unwrap_or(0));
                (method.is_empty() || method == route.method) && route.path.starts_with(path)
            }
        })
    }
}

/// The codes, for `components`.
pub(super) fn all() -> Value {
    let rows = PROBLEMS.iter().map(|told| {
        let shown = json!({ "status": told.status, "when": told.when, "remedy": told.remedy });
        (told.code.to_owned(), shown)
    });
    Value::Object(rows.collect::<Map<_, _>>())
}

/// The codes that a route may answer with. OpenAlgo's calls answer in OpenAlgo's own words.
pub(super) fn of(route: &Route, about: &About) -> Vec<&'static str> {
    if route.guard == Guard::KeyInBody {
        return Vec::new();
    }
    PROBLEMS.iter().filter(|told| told.is_of(route, about)).map(|told| told.code).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    fn sources(directory: &Path, into: &mut Vec<String>) {
        for entry in std::fs::read_dir(directory).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() {
                sources(&path, into);
            } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("openapi/problems.rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                into.push(text.split("#[cfg(test)]").next().unwrap_or_default().to_owned());
            }
        }
    }

    /// The first text that is all of small letters after a word that makes a problem, in the code of the HTTP side.
    fn made(text: &str) -> BTreeSet<String> {
        let makers = ["Problem::new(", "Self::new(", "::bad_request(", "::conflict(", "::not_found(", "::unavailable("];
        let mut codes = BTreeSet::new();
        for maker in makers {
            for rest in text.split(maker).skip(1) {
                let head: String = rest.chars().take(120).collect();
                let before_text = head.split('"').next().unwrap_or_default();
                let quoted = head.split('"').nth(1).unwrap_or_default();
                let is_code = !quoted.is_empty() && quoted.chars().all(|letter| letter.is_ascii_lowercase() || letter == '_');
                if is_code && before_text.trim().chars().all(|letter| letter.is_alphabetic() || "_:, \n".contains(letter)) {
                    codes.insert(quoted.to_owned());
                }
            }
        }
        codes
    }

    #[test]
    fn every_code_that_the_http_side_makes_is_told_and_no_other() {
        let mut texts = Vec::new();
        sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/web"), &mut texts);
        let known: BTreeSet<String> = PROBLEMS.iter().map(|told| told.code.to_owned()).collect();
        let made: BTreeSet<String> = texts.iter().flat_map(|text| made(text)).collect();
        assert!(made.len() > 60, "the look at the sources finds them: {made:?}");
        let untold: Vec<_> = made.difference(&known).collect();
        assert!(untold.is_empty(), "they are not in the list: {untold:?}");
        let invented: Vec<_> = known.iter().filter(|code| !texts.iter().any(|text| text.contains(&format!("\"{code}\"")))).collect();
        assert!(invented.is_empty(), "nothing answers with them: {invented:?}");
    }

    #[test]
    fn the_list_is_sorted_and_each_code_says_what_to_do() {
        assert!(PROBLEMS.windows(2).all(|pair| pair[0].code < pair[1].code));
        for told in PROBLEMS {
            assert!((400..=503).contains(&told.status) && !told.when.is_empty() && !told.remedy.is_empty(), "{told:?}");
        }
    }
}
