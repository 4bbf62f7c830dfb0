//! A file of settings. It is read from a file, as the engine reads it.
#![no_main]

use std::path::PathBuf;
use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use ordergate::config::Config;

/// Stands in the environment; no message may show it.
const SECRET: &str = "hunter2-hunter2-hunter2";

static FILE: OnceLock<PathBuf> = OnceLock::new();

fuzz_target!(|text: &str| {
    let file = FILE.get_or_init(|| std::env::temp_dir().join(format!("ordergate-fuzz-{}.toml", std::process::id())));
    std::fs::write(file, text).expect("the directory for temporary files takes a file");
    let env = [("ORDERGATE__WEBHOOK__SECRET".to_owned(), SECRET.to_owned())];
    if let Err(error) = Config::load(Some(file), env) {
        let words = error.to_string();
        assert!(!error.violations.is_empty() && (text.contains(SECRET) || !words.contains(SECRET)), "{words}");
    }
});
