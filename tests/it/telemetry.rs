//! Logs and metrics as the engine leaves them. One test: a process has one log.

use ordergate::config::Config;
use serde_json::Value;

#[test]
fn logs_panics_and_metrics_are_there() {
    let directory = tempfile::tempdir().unwrap();
    let env = [("ORDERGATE__STORAGE__DIRECTORY", directory.path().to_str().unwrap()), ("ORDERGATE__LOG__FORMAT", "json")];
    let config = Config::load(None, env.map(|(name, value)| (name.to_owned(), value.to_owned()))).unwrap();
    let telemetry = ordergate::telemetry::start(&config.log).unwrap();
    assert!(ordergate::telemetry::start(&config.log).is_err(), "once per process");

    tracing::info!(event = "order_status_changed", from = "CREATED", "updating");
    tracing::debug!("not said at this level");
    let thread = std::thread::Builder::new().name("doomed".to_owned()).spawn(|| panic!("the sky falls"));
    assert!(thread.unwrap().join().is_err());
    metrics::counter!("ordergate_alarms_total", "event" => "ALARM_TEST").increment(2);
    let rendered = telemetry.metrics.render();
    assert!(rendered.contains("# HELP ordergate_alarms_total Alarms raised, by name"), "{rendered}");
    assert!(rendered.contains("ordergate_alarms_total{event=\"ALARM_TEST\"} 2"), "{rendered}");

    drop(telemetry);
    let files: Vec<_> = std::fs::read_dir(&config.log.directory).unwrap().map(|file| file.unwrap().path()).collect();
    let [file] = files.as_slice() else { panic!("{files:?}") };
    assert!(file.file_name().unwrap().to_str().unwrap().starts_with("ordergate."));
    let lines: Vec<Value> = std::fs::read_to_string(file).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let find = |event: &str| lines.iter().find(|line| line["event"] == event).unwrap_or_else(|| panic!("{event}: {lines:?}"));
    assert_eq!(find("order_status_changed")["from"], "CREATED");
    let panic = find("panic");
    assert_eq!((&panic["thread"], &panic["message"]), (&"doomed".into(), &"panic: the sky falls".into()));
    assert!(panic["place"].as_str().unwrap().contains("telemetry.rs"));
    assert!(lines.iter().all(|line| line["level"] != "DEBUG"));
}
