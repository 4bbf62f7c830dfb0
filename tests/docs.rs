//! The documents name paths, symbols and tests. This checks that they exist.
//!
//! In every one of [`DOCUMENTS`]:
//! - a path of the repository in backticks exists, and so does the file of a relative link;
//! - in `path::name` the file has that name as a word; under a table's column `Test` it has `fn name`;
//! - a row under a column `Test` names a test, or says `compiler:`, `not built:` or `none yet`.
//!
//! The table of tags in `docs/invariants.md` is made from the code. After a change of `Tag`, write it anew with
//! `ORDERGATE_BLESS=1 cargo test --test docs`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test's helpers fail as tests do")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use ordergate::web::ROUTES;
use ordergate::web::openapi::fields_of;
use ordergate_actors::order::{REMEDIES, Tag};

const DOCUMENTS: [&str; 15] = [
    "README.md",
    "docs/connect.md",
    "docs/dashboard.md",
    "docs/openalgo.md",
    "docs/performance.md",
    "docs/seeds.md",
    "docs/invariants.md",
    "docs/architecture.md",
    "docs/runtime-semantics.md",
    "docs/operations.md",
    "docs/runbook.md",
    "docs/simulator.md",
    "docs/proof.md",
    "docs/security.md",
    "docs/strategy.md",
];
/// What a path of the repository begins with.
const ROOTS: [&str; 6] = ["actors/", "src/", "tests/", "docs/", "config/", "benches/"];
/// What a row says instead of a test.
const INSTEAD: [&str; 3] = ["compiler:", "not built:", "none yet"];
const BEGIN: &str = "<!-- tags: made by tests/docs.rs -->\n";
const END: &str = "<!-- end of tags -->";

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|cause| panic!("{}: {cause}", path.display()))
}

/// The texts in backticks.
fn quoted(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

/// The targets of links within the repository.
fn links(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|rest| rest.split(')').next()).filter(|target| !target.contains("://"))
}

fn is_path(quote: &str) -> bool {
    let path = quote.split("::").next().unwrap_or(quote);
    ROOTS.iter().any(|root| path.starts_with(root)) && !path.contains([' ', '*', '<', '{', '|'])
}

fn has_word(text: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word)
        .any(|(at, _)| !text[..at].chars().next_back().is_some_and(is_part) && !text[at + word.len()..].chars().next().is_some_and(is_part))
}

/// What is wrong with one quoted text.
fn wrong(quote: &str, is_test: bool) -> Option<String> {
    let (path, name) = quote.split_once("::").map_or((quote, None), |(path, name)| (path, Some(name)));
    let file = root().join(path);
    if !file.exists() {
        return Some(format!("`{path}` does not exist"));
    }
    let name = name?.rsplit("::").next()?;
    let wanted = if is_test { format!("fn {name}") } else { name.to_owned() };
    let is_there = file.is_file() && has_word(&text(&file), &wanted);
    (!is_there).then(|| format!("`{path}` has no `{wanted}`"))
}

/// The cells of a table's row.
fn cells(line: &str) -> Option<Vec<&str>> {
    let inner = line.trim().strip_prefix('|')?.strip_suffix('|')?;
    Some(inner.split(" | ").map(str::trim).collect())
}

fn check(document: &str) -> Vec<String> {
    let content = text(&root().join(document));
    let (mut found, mut is_fenced, mut column) = (Vec::new(), false, None);
    for (number, line) in (1..).zip(content.lines()) {
        if line.trim_start().starts_with("```") {
            is_fenced = !is_fenced;
        }
        if is_fenced {
            continue;
        }
        let mut say = |what: String| found.push(format!("{document}:{number}: {what}"));
        if line.starts_with('|') && line.chars().all(|c| "|-: ".contains(c)) {
            continue;
        }
        let row = cells(line);
        match &row {
            None => column = None,
            Some(row) => column = column.or_else(|| row.iter().position(|cell| *cell == "Test")),
        }
        let test_cell = row.as_ref().zip(column).map(|(row, column)| row.get(column).copied().unwrap_or_default());
        for quote in quoted(line).filter(|quote| is_path(quote)) {
            let is_test = test_cell.is_some_and(|cell| cell.contains(quote)) && quote.contains("::");
            wrong(quote, is_test).into_iter().for_each(&mut say);
        }
        for target in links(line) {
            let file = target.split('#').next().unwrap_or(target);
            let folder = Path::new(document).parent().unwrap();
            if !file.is_empty() && !root().join(folder).join(file).exists() {
                say(format!("the link to {target} leads nowhere"));
            }
        }
        let Some(cell) = test_cell.filter(|cell| *cell != "Test") else { continue };
        let is_shown = quoted(cell).any(|quote| is_path(quote) && quote.contains("::"));
        if !is_shown && !INSTEAD.iter().any(|word| cell.starts_with(word)) {
            say(format!("the row names no test: {line}"));
        }
    }
    found
}

#[test]
fn every_path_and_every_test_that_the_documents_name_exists() {
    let wrong: Vec<String> = DOCUMENTS.iter().flat_map(|document| check(document)).collect();
    assert!(wrong.is_empty(), "{} references are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// Every deliberate bug still fits the tree, and the tests that must catch it are there. Whether each is caught only
/// `tests/mutants/run.sh` tells, in an hour.
#[test]
fn every_deliberate_bug_fits_the_tree_and_names_a_test() {
    let mut patches: Vec<PathBuf> = std::fs::read_dir(root().join("tests/mutants")).unwrap().map(|entry| entry.unwrap().path()).collect();
    patches.retain(|path| path.extension().is_some_and(|extension| extension == "patch"));
    patches.sort();
    assert!(patches.len() >= 26, "{} bugs", patches.len());
    let proof = text(&root().join("docs/proof.md"));
    let mut wrong = Vec::new();
    for path in &patches {
        let (content, name) = (text(path), path.file_stem().unwrap().to_str().unwrap());
        let test = content.lines().find_map(|line| line.strip_prefix("# test: ")).unwrap_or_default();
        let tested = test.split_once("-- ").map_or("", |(_, words)| words).split_whitespace().next().unwrap_or_default();
        let function = tested.rsplit("::").next().unwrap_or_default();
        let row = proof.lines().find(|line| line.starts_with(&format!("| `{name}` |"))).unwrap_or_default();
        if function.is_empty() || !has_word(row, function) {
            wrong.push(format!("{name}: docs/proof.md does not name its test ({test})"));
        }
        match std::process::Command::new("git").args(["apply", "--check"]).arg(path).current_dir(root()).output() {
            Ok(said) if said.status.success() => {}
            Ok(said) => wrong.push(format!("{name} does not apply: {}", String::from_utf8_lossy(&said.stderr).trim())),
            // Without git nobody changes the tree either.
            Err(_) => println!("{name}: there is no git to try it with"),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A comparison that ends at the first wrong byte tells how many were right, and no test of what it answers sees that.
#[test]
fn secrets_are_compared_in_constant_time_only() {
    let source = text(&root().join("src/web/auth.rs"));
    let is_secret = |side: &str| ["digest", "given", "expected", "mac", "secret"].iter().any(|word| has_word(side, word));
    let compares = |line: &str| {
        ["==", "!="].iter().any(|sign| {
            line.split_once(sign).is_some_and(|(left, right)| {
                let last = |side: &str| side.rsplit(['(', '|', '&', ' ']).find(|part| !part.is_empty()).unwrap_or_default().to_owned();
                let first = |side: &str| side.split([')', ';', ' ']).find(|part| !part.is_empty()).unwrap_or_default().to_owned();
                is_secret(&last(left)) || is_secret(&first(right))
            })
        })
    };
    let found: Vec<&str> = source.lines().filter(|line| compares(line)).collect();
    assert!(found.is_empty(), "compared with a sign that ends early: {found:?}");
    for (function, until) in [("fn by_text", "fn by_signature"), ("fn by_signature", "fn owners"), ("pub fn holder", "pub fn named")] {
        let body = source.split_once(function).and_then(|(_, rest)| rest.split_once(until)).expect("the functions that compare").0;
        assert!(body.contains(".ct_eq("), "{function} compares without ct_eq");
    }
    for path in ["src/readiness/logins.rs", "src/brokers/noren/probe.rs", "src/access/files.rs", "src/alerts/actions.rs"] {
        assert!(text(&root().join(path)).contains(".ct_eq("), "{path} compares a secret without ct_eq");
    }
}

fn table() -> String {
    let mut table = String::from("| Tag | What people read | What to do |\n|---|---|---|\n");
    for tag in Tag::ALL {
        writeln!(table, "| `{tag}` | {} | {} |", tag.words(), tag.remedy()).unwrap();
    }
    table
}

#[test]
fn the_table_of_tags_is_the_code() {
    let path = root().join("docs/invariants.md");
    let content = text(&path);
    let (before, rest) = content.split_once(BEGIN).expect("the table's beginning is marked");
    let (found, after) = rest.split_once(END).expect("the table's end is marked");
    if std::env::var_os("ORDERGATE_BLESS").is_some() {
        std::fs::write(&path, format!("{before}{BEGIN}{}{END}{after}", table())).unwrap();
        return;
    }
    assert_eq!(found, table(), "write it anew: ORDERGATE_BLESS=1 cargo test --test docs");
}

#[test]
fn the_table_of_gates_is_the_code() {
    let content = text(&root().join("docs/invariants.md"));
    let mut table = String::from("| Gate | What to do |\n|---|---|\n");
    for (gate, words) in REMEDIES {
        writeln!(table, "| `{gate}` | {words} |").unwrap();
    }
    let found =
        content.split_once("<!-- gates: made by tests/docs.rs -->\n").and_then(|(_, rest)| rest.split_once("<!-- end of gates -->"));
    assert_eq!(found.expect("the table of gates is marked").0, table, "write it as the code has it");
}

#[test]
fn every_alarm_has_a_section_in_the_runbook() {
    let runbook = text(&root().join("docs/runbook.md"));
    let mut names = std::collections::BTreeSet::new();
    for folder in ["actors/src", "src"] {
        collect(&root().join(folder), &mut names);
    }
    news(&mut names);
    let missing: Vec<&String> = names.iter().filter(|name| !runbook.contains(&format!("## {name}\n"))).collect();
    assert!(names.len() > 10 && missing.is_empty(), "docs/runbook.md has no section for {missing:?}");
}

/// Who was paged at night pastes what stands there: the path is one of ours, the body has the fields that it takes, and no account but
/// the named one is touched.
#[test]
fn every_call_of_the_runbook_can_be_made() {
    let (mut calls, mut wrong) = (0, Vec::new());
    for document in ["docs/runbook.md", "docs/operations.md"] {
        let content = text(&root().join(document));
        for (line, call) in content.lines().flat_map(|line| calls_of(line).map(move |call| (line, call))) {
            let Some((method, rest)) = call.split_once(' ').filter(|(method, _)| ["GET", "POST", "DELETE"].contains(method)) else {
                continue;
            };
            calls += 1;
            wrong.extend(wrong_call(method, rest).map(|what| format!("{document}: {what}: {line}")));
        }
    }
    assert!(calls > 60 && wrong.is_empty(), "{calls} calls, wrong are:\n{}", wrong.join("\n"));
}

/// What a section must say, because the opposite costs money.
const MUST_SAY: [(&str, &str); 6] = [
    ("ALARM_NO_SESSION", "**Exits wait**"),
    ("ALARM_SESSION_EVICTED", "**a person must sign in**"),
    ("LOGIN NEEDED", "the link"),
    ("ALARM_POSITION_NOT_SHOWN", "/dashboard/differences/adopt"),
    ("ALARM_MARGIN_SHORT", "although_short"),
    ("ALARM_SQUARE_OFF_STUCK", "systemctl stop ordergate"),
];

#[test]
fn the_runbook_says_what_costs_money_otherwise() {
    let runbook = text(&root().join("docs/runbook.md"));
    for (name, words) in MUST_SAY {
        let section = runbook.split_once(&format!("## {name}\n")).map_or("", |(_, rest)| rest.split("\n## ").next().unwrap_or_default());
        assert!(section.contains(words), "{name} does not say {words:?}");
    }
}

/// A run without orders is not recorded, and one beside a running engine is refused: whoever follows the steps must come to a proof.
#[test]
fn the_steps_before_an_arming_lead_to_a_proof_that_it_takes() {
    let operations = text(&root().join("docs/operations.md"));
    for heading in ["## Upgrade\n", "## Go live\n"] {
        let section = operations.split_once(heading).map_or("", |(_, rest)| rest.split("\n## ").next().unwrap_or_default());
        let steps = section.split("\n\n").find(|part| part.starts_with("1. ") || part.contains("\n1. ")).unwrap_or_default();
        for words in ["conformance --account NAME --live-small-order", "systemctl stop ordergate", "A run without orders proves nothing"] {
            assert!(steps.contains(words), "the steps of {heading:?} do not say {words:?}");
        }
        assert!(!steps.contains("`ordergate conformance`"), "{heading:?} names a run that proves nothing");
    }
}

/// The calls of a line, each up to its closing backtick.
fn calls_of(line: &str) -> impl Iterator<Item = &str> {
    line.split("call ").skip(1).filter_map(|call| call.split('`').next())
}

/// What is wrong with a call: `/path '{"a":1}'`, or a path with its parameters in quotes.
fn wrong_call(method: &str, rest: &str) -> Option<String> {
    let mut quoted = rest.split('\'');
    let (address, body) = match quoted.next() {
        Some("") => (quoted.next()?, None),
        Some(address) => (address.trim_end(), quoted.next()),
        None => return Some("it has no path".to_owned()),
    };
    let (path, query) = address.split_once('?').unwrap_or((address, ""));
    let is_meant = |pattern: &str| {
        let (wanted, given): (Vec<&str>, Vec<&str>) = (pattern.split('/').collect(), path.split('/').collect());
        wanted.len() == given.len() && wanted.iter().zip(&given).all(|(wanted, given)| wanted.starts_with('{') || wanted == given)
    };
    let Some(route) = ROUTES.iter().find(|route| route.method == method && is_meant(route.path)) else {
        return Some("there is no such address".to_owned());
    };
    let (parameters, fields) = fields_of(route);
    let given: Vec<String> = match body {
        Some(body) => match serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(body) {
            Ok(body) => body.keys().cloned().collect(),
            Err(cause) => return Some(format!("the body is no JSON ({cause})")),
        },
        None => query.split('&').filter_map(|pair| pair.split('=').next()).filter(|name| !name.is_empty()).map(str::to_owned).collect(),
    };
    let known = if body.is_some() { &fields } else { &parameters };
    let unknown: Vec<&String> = given.iter().filter(|name| !known.contains(&name.as_str())).collect();
    if !unknown.is_empty() {
        return Some(format!("it takes no {unknown:?}"));
    }
    if method == "POST" && body.is_none() {
        return Some("it has no body".to_owned());
    }
    (known.contains(&"client_id") && !given.iter().any(|name| name == "client_id")).then(|| "it names no account".to_owned())
}

/// The names of alarms in quotes: what is raised, not what is talked about. And what is written at level WARN or PAGE under
/// any other name: one that stands within three lines of the level.
fn collect(folder: &Path, names: &mut std::collections::BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let is_test = path.to_str().is_some_and(|path| path.contains("test"));
        if path.is_dir() {
            collect(&path, names);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let source = text(&path);
            let found = source.match_indices("\"ALARM_").filter_map(|(at, _)| source[at + 1..].split('"').next());
            names.extend(found.filter(|name| name.len() > "ALARM_".len()).map(str::to_owned));
            names.extend(LAST_PAGES.iter().flat_map(|call| source.split(call).skip(1)).filter_map(first_text));
            let lines: Vec<&str> = source.lines().collect();
            let loud = |line: &str| !is_test && (line.contains("Level::Warn") || line.contains("Level::Page"));
            for (at, _) in lines.iter().enumerate().filter(|(_, line)| loud(line)) {
                let near = lines[at.saturating_sub(3)..=at].iter().flat_map(|line| upper_case(line));
                names.extend(near.filter(|name| name.contains('_') && !QUIET.contains(name)).map(str::to_owned));
            }
        }
    }
}

/// How the process pages what no journal holds; the name of such a page is the first text after it.
const LAST_PAGES: [&str; 2] = ["last_page(", "page_at_once("];

/// The first text in double quotes, if it stands within the call.
fn first_text(rest: &str) -> Option<String> {
    let call = rest.split_once(");").map_or(rest, |(call, _)| call);
    call.split('"').nth(1).filter(|name| name.chars().all(|c| c.is_ascii_uppercase() || c == ' ')).map(str::to_owned)
}

/// The names of journal rows that are told as WARN or PAGE although they are no alarms.
fn news(names: &mut std::collections::BTreeSet<String>) {
    let (told, actions) = (text(&root().join("src/alerts/fact.rs")), text(&root().join("src/alerts/actions.rs")));
    let rows = told.split_once("const NEWS: ").and_then(|(_, rest)| rest.split_once("];")).expect("the table of news").0;
    for row in rows.lines().filter(|row| row.contains("Level::Warn") || row.contains("Level::Page")) {
        let named = row.trim().trim_start_matches('(').split(',').next().unwrap_or_default();
        let name = named.rsplit("::").next().unwrap_or_default();
        let constant = format!("const {name}: &str = \"");
        let value =
            [&told, &actions].into_iter().find_map(|source| source.split_once(&constant)).and_then(|(_, rest)| rest.split('"').next());
        names.insert(value.unwrap_or(name.trim_matches('"')).to_owned());
    }
}

/// What stands near the level of another name, and is not told at one itself.
const QUIET: [&str; 5] = ["BROKER_LOGIN", "BROKER_REJECTED", "PLAN_ENDED", "SESSION_PROVEN", "SOURCE_COUNTED"];

/// The texts in double quotes that are a name of an event.
fn upper_case(text: &str) -> impl Iterator<Item = &str> {
    let is_name = |name: &&str| name.len() > "ALARM_".len() && name.chars().all(|c| c.is_ascii_uppercase() || c == '_');
    text.split('"').skip(1).step_by(2).filter(is_name)
}
