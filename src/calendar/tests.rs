use ordergate_actors::order::Exchange;
use ordergate_actors::order::calendar::Enforce;

use super::*;

fn at(directory: &Path) -> config::Calendar {
    config::Calendar { enforce: Enforce::Always, directory: Some(directory.to_owned()) }
}

fn date(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

const DECLARED: &str = "[[holiday]]\non = \"Wed 2026-12-02\"\nname = \"declared\"\nclosed = [\"EQUITY\"]\nsource = \"a notice\"\n";

#[test]
fn what_is_built_in_is_sound_and_held_for_live_accounts_only() {
    let calendar = load(&config::Calendar::default()).unwrap();
    assert!(calendar.holds(true) && !calendar.holds(false));
    assert_eq!(calendar.is_trading_day(Exchange::Nse, date("2026-12-02")), Some(true));
}

#[test]
fn a_file_of_another_name_is_added_and_one_of_the_same_name_takes_its_place() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("mine.toml"), DECLARED).unwrap();
    std::fs::write(directory.path().join("notes.txt"), "no calendar").unwrap();
    let calendar = load(&at(directory.path())).unwrap();
    assert_eq!(calendar.is_trading_day(Exchange::Nse, date("2026-12-02")), Some(false));
    assert_eq!(calendar.is_trading_day(Exchange::Nse, date("2026-12-03")), Some(true));
    assert!(calendar.holds(false), "calendar.enforce = always");

    std::fs::write(directory.path().join("2026.toml"), DECLARED).unwrap();
    let calendar = load(&at(directory.path())).unwrap();
    assert_eq!(calendar.is_trading_day(Exchange::Nse, date("2026-12-02")), Some(false));
    assert_eq!(calendar.is_trading_day(Exchange::Nse, date("2026-12-03")), None, "nothing of the built-in year is left");
}

#[test]
fn what_is_wrong_is_named_with_its_file_and_line() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("mine.toml"), DECLARED.replace("Wed", "Thu")).unwrap();
    let words = load(&at(directory.path())).unwrap_err().to_string();
    assert!(words.contains("mine.toml:2: on: 2026-12-02 is a Wed, not a Thu"), "{words}");
    let words = load(&at(&directory.path().join("nowhere"))).unwrap_err().to_string();
    assert!(words.contains("nowhere: ") && words.ends_with("correct calendar.directory"), "{words}");
}
