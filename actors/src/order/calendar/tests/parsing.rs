//! Files of the calendar: what is sound, and everything that is wrong, by line.

use super::{Calendar, Exchange, File, calendar, date, with};

/// What is wrong with these files, as people read it.
fn wrong(files: &[(&str, &str)]) -> Vec<String> {
    let files: Vec<File> = files.iter().map(|(name, text)| File { name: (*name).to_owned(), text: (*text).to_owned() }).collect();
    match Calendar::parse(&files) {
        Ok(_) => Vec::new(),
        Err(bad) => bad.problems.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn the_files_that_are_built_in_are_sound() {
    let _sound = calendar();
}

#[test]
fn everything_wrong_is_named_at_once_with_file_and_line() {
    let one = r#"[[holiday]]
on = "Tue 2026-01-15"
name = "wrong weekday"
closed = ["EQUITY"]
source = "s"

[[holiday]]
on = "2026-01-16"
closed = ["EQITY", "MCX"]
colour = "red"

[[party]]
on = "Thu 2026-01-15"

[[session]]
segments = ["NSE"]
classes = ["SHARE", "SHRE"]
from = "2026-02-30"
windows = [
    "09:15-15:30 CONTINUOUS",
    "15:20-15:40 POST_CLOSE",
    "16:00-15:50 POST_CLOSE",
    "16:00-17:00 PARTY",
]
source = "s"
"#;
    let two = "[[covers]]\nsegments = [\"NSE\"]\nfrom = 2026-01-01\nsource = \"s\"\n[[expiry]]\nsegments = \"NFO\"\ncycle = \"DAILY\"\nweekday = \"Someday\"\nsource = 5\n";
    let found = wrong(&[("one.toml", one), ("two.toml", two)]);
    let wanted = [
        "one.toml:2: on: 2026-01-15 is a Thu, not a Tue",
        "one.toml:7: name is missing in this [[holiday]]",
        "one.toml:7: source is missing in this [[holiday]]",
        "one.toml:8: on must be a weekday and a date",
        "one.toml:9: closed: \"EQITY\" is none of EQUITY, CURRENCY",
        "one.toml:10: colour is no key of [[holiday]]",
        "one.toml:12: [[party]] is none of covers, holiday",
        "one.toml:17: classes: \"SHRE\" is none of SHARE, AUCTION_SHARE",
        "one.toml:18: from must be a date",
        "one.toml:21: the window \"15:20-15:40 POST_CLOSE\" begins before the one above it ends",
        "one.toml:22: the window \"16:00-15:50 POST_CLOSE\" ends before it begins",
        "one.toml:23: a window is \"09:15-15:30 CONTINUOUS\"",
        "two.toml:1: a [[covers]] needs from and until",
        "two.toml:6: segments must be a list",
        "two.toml:7: cycle: \"DAILY\" is none of WEEKLY, MONTHLY",
        "two.toml:8: weekday: \"Someday\" is no weekday",
        "two.toml:9: source must be text, or a list of texts",
    ];
    for start in wanted {
        assert!(found.iter().any(|problem| problem.starts_with(start)), "{start} is not among {found:#?}");
    }
}

#[test]
fn a_file_that_is_no_toml_is_named_with_its_lines() {
    let found = wrong(&[("broken.toml", "[[holiday]]\non = \n"), ("odd.toml", "holiday = 5\n")]);
    assert!(found[0].starts_with("broken.toml:2: is not TOML: "), "{found:?}");
    assert!(found.iter().any(|problem| problem == "odd.toml:1: holiday must be rows: [[holiday]]"), "{found:?}");
}

#[test]
fn facts_that_contradict_each_other_are_a_problem_and_repeated_ones_are_not() {
    let holiday = |part: &str| format!("[[holiday]]\non = \"Mon 2026-01-26\"\nname = \"n\"\n{part} = [\"MCX\"]\nsource = \"s\"\n");
    assert!(with(&holiday("closed")).is_ok(), "the same day is closed in 2026.toml");
    assert!(with(&holiday("morning_closed")).unwrap_err().to_string().contains("own.toml:1: MCX has another holiday on 2026-01-26"));
    let budget = "[[special]]\non = \"Sun 2026-02-01\"\nname = \"n\"\nsegments = [\"NSE\"]\nwindows = [\"10:00-11:00 CONTINUOUS\"]\nsource = \"s\"\n";
    assert!(with(budget).unwrap_err().to_string().contains("NSE has another special session on 2026-02-01 already: Union Budget"));
    let session = "[[session]]\nsegments = [\"CDS\"]\nclasses = [\"FUTURE\"]\nfrom = \"2026-11-20\"\nwindows = [\"09:00-17:00 CONTINUOUS\"]\nsource = \"s\"\n";
    assert!(with(session).unwrap_err().to_string().contains("CDS FUTURE has hours already"));
    let expiry = "[[expiry]]\nsegments = [\"NFO\"]\nunderlyings = [\"NIFTY\"]\ncycle = \"WEEKLY\"\nweekday = \"Thu\"\nfrom = \"2026-12-01\"\nsource = \"s\"\n";
    assert!(with(expiry).unwrap_err().to_string().contains("NFO has another Weekly expiry"));
    let agri = "[[agri]]\nclass = \"AGRI\"\nunderlyings = [\"CPO\"]\nsource = \"s\"\n";
    assert!(with(agri).unwrap_err().to_string().contains("CPO is of another class"));
}

#[test]
fn a_day_declared_in_the_middle_of_the_year_is_one_row_and_so_is_one_that_is_taken_back() {
    let closed = "[[holiday]]\non = \"Wed 2026-12-02\"\nname = \"declared\"\nclosed = [\"EQUITY\"]\nsource = \"s\"\n";
    assert_eq!(with(closed).unwrap().is_trading_day(Exchange::Nse, date("2026-12-02")), Some(false));
    let opened =
        "[[special]]\non = \"Tue 2026-11-24\"\nname = \"taken back\"\nsegments = [\"EQUITY\"]\nhours = \"NORMAL\"\nsource = \"s\"\n";
    let calendar = with(opened).unwrap();
    assert_eq!(calendar.is_trading_day(Exchange::Nfo, date("2026-11-24")), Some(true));
    assert_eq!(calendar.is_trading_day(Exchange::Cds, date("2026-11-24")), Some(false));
}
