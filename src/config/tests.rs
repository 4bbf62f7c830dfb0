use secrecy::ExposeSecret;

use super::*;

fn env(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn load(pairs: &[(&str, &str)]) -> Result<Config, ConfigError> {
    Config::load(None, env(pairs))
}

fn load_file(text: &str, pairs: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("mine.toml");
    std::fs::write(&path, text).unwrap();
    Config::load(Some(&path), env(pairs))
}

fn keys(error: &ConfigError) -> Vec<&str> {
    error.violations.iter().map(|violation| violation.key.as_str()).collect()
}

#[test]
fn the_defaults_run_as_they_are() {
    let config = load(&[]).unwrap();
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.storage.directory, Path::new("./data"));
    assert_eq!(config.log.directory, Path::new("./data/logs"));
    let account = &config.accounts[0];
    assert_eq!((config.accounts.len(), account.client_id.as_str(), account.broker), (1, "PAPER1", BrokerKind::Paper));
    assert_eq!(account.settings.exits, ordergate_actors::exits::ExitSettings::default(), "the file and the code say the same");
    assert_eq!(account.settings.limits.max_quantity, 10_000);
    assert_eq!(config.engine_settings().min_free_bytes, 64 * 1024 * 1024);
    assert!(config.webhook.secret.is_none() && config.api.key.is_none());
    assert_eq!(config.warnings(), Vec::<String>::new());
}

#[test]
fn the_simulators_masters_are_of_the_day_at_any_hour() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/simulator.toml");
    let instruments = Config::load(Some(&file), env(&[])).unwrap().instruments;
    let early: chrono::DateTime<chrono::Utc> = "2026-11-20T00:00:30+05:30".parse().unwrap();
    let of = crate::instruments::master::plan::master_day(early, instruments.refresh_ist);
    assert_eq!(of, ordergate_actors::order::trading_date(early), "what is fetched then is not refused as of yesterday");
}

#[test]
fn the_default_waits_are_the_engines_standard() {
    let config = load(&[]).unwrap();
    // Read as often as the broker says.
    let standard = ordergate_actors::Waits::standard(Duration::ZERO);
    assert_eq!(format!("{:?}", config.accounts[0].settings.waits), format!("{standard:?}"));
}

#[test]
fn an_account_may_have_a_budget_of_its_own_and_one_that_leaves_nothing_for_entries_is_named() {
    let config = load(&[("ORDERGATE__ACCOUNTS__0__BUDGET__PER_SECOND", "4"), ("ORDERGATE__ACCOUNT__BUDGET__PER_MINUTE", "50")]).unwrap();
    let budget = config.accounts[0].settings.budget;
    assert_eq!((budget.per_second, budget.per_minute, budget.reserved_per_second), (Some(4), Some(50), None));
    assert_eq!(load(&[]).unwrap().accounts[0].settings.budget, ordergate_actors::ports::BudgetChange::default());
    let wrong = load(&[("ORDERGATE__ACCOUNT__BUDGET__PER_SECOND", "4"), ("ORDERGATE__ACCOUNT__BUDGET__RESERVED_PER_SECOND", "4")]);
    let error = wrong.unwrap_err();
    assert_eq!(keys(&error), ["accounts.0.budget"]);
    assert!(error.to_string().contains("4 calls in a second leave nothing for entries"), "{error}");
}

#[test]
fn the_default_store_options_are_the_stores_own() {
    let (storage, own) = (load(&[]).unwrap().storage, crate::store::Options::at("2026-11-20T04:00:00Z".parse().unwrap()));
    assert_eq!((storage.checkpoint_pages, storage.idle_checkpoint_pages), (own.checkpoint_pages, own.idle_checkpoint_pages));
    assert_eq!((storage.ballast_bytes, storage.busy_timeout_ms), (own.ballast_bytes, own.busy_timeout_ms));
}

#[test]
fn a_disk_that_hangs_is_said_before_it_ends_the_process() {
    let storage = load(&[]).unwrap().storage;
    assert_eq!((storage.stalled, storage.hung), (Duration::from_secs(5), Duration::from_secs(20)));
    let error = load(&[("ORDERGATE__STORAGE__HUNG_MS", "5000")]).unwrap_err();
    assert_eq!(keys(&error), ["storage.hung_ms"]);
}

#[test]
fn the_names_of_the_common_source_and_key_are_taken() {
    let source = load_file("[[webhook.sources]]\nname = \"webhook\"\nsecret = \"x\"\n", &[]).unwrap_err();
    let key = load_file("[[api.keys]]\nname = \"api\"\nkey = \"x\"\n", &[]).unwrap_err();
    assert_eq!((keys(&source), keys(&key)), (vec!["webhook.sources.0.name"], vec!["api.keys.0.name"]));
}

#[test]
fn the_environment_wins_over_the_file_and_the_file_over_the_default() {
    let config = load_file(
        "[server]\nlisten = \"127.0.0.1:9000\"\nworkers = 3\n[account.limits]\ndaily_loss = \"1000.50\"\n",
        &[("ORDERGATE__SERVER__LISTEN", "127.0.0.1:9001"), ("ORDERGATE__WATCHER__POLL_MS", "20"), ("ORDERGATE__API__KEY", "k")],
    )
    .unwrap();
    assert_eq!(config.server.listen.port(), 9001);
    assert_eq!(config.server.workers, 3);
    assert_eq!(config.accounts[0].settings.limits.daily_loss.to_string(), "1000.50");
    assert_eq!(config.accounts[0].settings.waits.poll, Duration::from_millis(20));
    assert_eq!(config.api.key.as_ref().unwrap().expose_secret(), "k");
    let layer = |key: &str| config.effective.iter().find(|setting| setting.key == key).unwrap().layer.to_string();
    assert_eq!(layer("server.listen"), "env ORDERGATE__SERVER__LISTEN");
    assert!(layer("server.workers").starts_with("file "));
    assert!(layer("accounts.0.limits.daily_loss").starts_with("file "));
    assert_eq!(layer("paper.seed"), "default");
}

#[test]
fn an_account_row_overrides_what_all_accounts_have() {
    let text = "[[accounts]]\nname = \"A\"\n[[accounts]]\nname = \"B\"\nlimits = { max_quantity = 5 }\nwaits.poll_hint = 1\n";
    let error = load_file(text, &[]).unwrap_err();
    assert_eq!(keys(&error), ["accounts.1.waits.poll_hint"], "a list's rows are strict too");
    let config = load_file(&text.replace("waits.poll_hint = 1\n", ""), &[("ORDERGATE__ACCOUNTS__0__PERMITS", "9999")]);
    assert_eq!(keys(&config.unwrap_err()), ["engine.mailbox"], "a mailbox must hold all permits");
    let config = load_file(
        &text.replace("waits.poll_hint = 1\n", ""),
        &[("ORDERGATE__ACCOUNTS__0__LIMITS__MAX_QUANTITY", "7"), ("ORDERGATE__ACCOUNT__LIMITS__MAX_OPEN_ORDERS", "3")],
    )
    .unwrap();
    let limits: Vec<_> =
        config.accounts.iter().map(|account| (account.settings.limits.max_quantity, account.settings.limits.max_open_orders)).collect();
    assert_eq!(limits, [(7, 3), (5, 3)]);
}

#[test]
fn everything_wrong_is_named_at_once_with_its_layer() {
    let error = load_file(
        "[server]\nlisten = \"nowhere\"\nwokers = 3\n[account.limits]\ndaily_loss = 1.5\n",
        &[
            ("ORDERGATE__WATCHER__POLL_MS", "often"),
            ("ORDERGATE__ENGINE__ENTRY_TTL_MS", "soon"),
            ("ORDERGATE__LOG__FORMAT", "xml"),
            ("ORDERGATE__ACCOUNTS__0__BROKER", "shoonya"),
            ("ORDERGATE__NO__SUCH", "1"),
        ],
    )
    .unwrap_err();
    let mut found = keys(&error);
    found.sort_unstable();
    let wanted = [
        "account.limits.daily_loss",
        "accounts.0.broker",
        "engine.entry_ttl_ms",
        "log.format",
        "no.such",
        "server.listen",
        "server.wokers",
        "watcher.poll_ms",
    ];
    assert_eq!(found, wanted);
    let words = error.to_string();
    assert!(words.contains("has 8 error(s)"), "{words}");
    assert!(words.contains("watcher.poll_ms = \"often\" (env ORDERGATE__WATCHER__POLL_MS) must be a whole number from 0"), "{words}");
    assert!(words.contains("mine.toml) must be an address and a port"), "{words}");
}

#[test]
fn a_public_address_is_a_root_or_nothing() {
    let of = |text: &str| load(&[("ORDERGATE__SERVER__PUBLIC_URL", text)]).map(|config| config.server.public_url);
    assert_eq!(of("").unwrap(), None);
    assert_eq!(of("https://trade.example.com/").unwrap().as_deref(), Some("https://trade.example.com"));
    let private = load(&[("ORDERGATE__SERVER__DASHBOARD_URL", "https://10.8.0.1:8443")]).unwrap().server.dashboard_url;
    assert_eq!(private.as_deref(), Some("https://10.8.0.1:8443"));
    for wrong in ["trade.example.com", "ftp://trade.example.com", "https://trade.example.com/a", "https://a@trade.example.com"] {
        assert_eq!(keys(&of(wrong).unwrap_err()), ["server.public_url"], "{wrong}");
    }
}

#[test]
fn a_file_that_is_missing_or_no_toml_is_a_violation() {
    let words = Config::load(Some(Path::new("/no/such/file.toml")), Vec::new()).unwrap_err().to_string();
    assert!(words.contains("file /no/such/file.toml cannot be read"), "{words}");
    let words = load_file("[server\n", &[]).unwrap_err().to_string();
    assert!(words.contains("is not TOML"), "{words}");
    let words = load(&[(FILE_VARIABLE, "/no/such/other.toml")]).unwrap_err().to_string();
    assert!(words.contains("/no/such/other.toml"), "{words}");
}

#[test]
fn sources_are_checked_against_accounts_and_each_other() {
    let row = |name: &str, secret: &str, rest: &str| format!("[[webhook.sources]]\nname = \"{name}\"\nsecret = \"{secret}\"\n{rest}\n");
    let text = row("tv", "sssssssssssssssss1", "accounts = [\"PAPER1\"]\nresends_on_5xx_only = true\nreplay_window_ms = 5");
    let config = load_file(&text, &[]).unwrap();
    let source = &config.webhook.sources[0];
    assert_eq!((source.name.as_str(), source.accounts.len(), source.replay_window_ms), ("tv", 1, 5));
    assert!(source.resends_on_5xx_only);

    let text = [row("tv", "same", ""), row("tv", "same", "accounts = [\"OTHER\"]"), row("x", "", "")].concat();
    let error = load_file(&text, &[]).unwrap_err();
    let mut found = keys(&error);
    found.sort_unstable();
    let wanted = ["webhook.sources.1.accounts.0", "webhook.sources.1.name", "webhook.sources.1.secret", "webhook.sources.2.secret"];
    assert_eq!(found, wanted);
}

#[test]
fn no_secret_is_ever_shown() {
    let secret = "hunter2hunter2hunter2";
    let config =
        load(&[("ORDERGATE__WEBHOOK__SECRET", secret), ("ORDERGATE__WEBHOOK__PREVIOUS_SECRET", secret), ("ORDERGATE__API__KEY", secret)])
            .unwrap();
    assert!(!format!("{config:?}").contains(secret));
    assert!(config.effective.iter().any(|setting| setting.key == "webhook.secret" && setting.value == "[set]"));
    let bad = format!("{secret} with a blank");
    let error =
        load(&[("ORDERGATE__WEBHOOK__SECRET", &bad), ("ORDERGATE__WEBHOOK__SECRETS", &bad), ("ORDERGATE__API__KEYS__0__KEYY", &bad)])
            .unwrap_err();
    assert!(!format!("{error} {error:?}").contains(secret), "{error}");
}

#[test]
fn a_misspelt_log_level_is_refused() {
    for level in ["inof", "loud=", "", "info,", "info,ordergate=dbug"] {
        assert_eq!(keys(&load(&[("ORDERGATE__LOG__LEVEL", level)]).unwrap_err()), ["log.level"], "{level:?}");
    }
    for level in ["debug", "WARN", "info,ordergate_actors=debug", "off"] {
        assert!(load(&[("ORDERGATE__LOG__LEVEL", level)]).is_ok(), "{level:?}");
    }
}

#[test]
fn unwise_settings_are_said() {
    let outside = load(&[("ORDERGATE__SERVER__LISTEN", "0.0.0.0:8080"), ("ORDERGATE__SERVER__TRUSTED_PROXIES__0", "10.0.0.1")]).unwrap();
    let short = load(&[("ORDERGATE__WEBHOOK__SECRET", "short")]).unwrap();
    assert_eq!((outside.warnings().len(), short.warnings().len()), (1, 1));
}

/// The file is the documentation: a key without a comment, or one that the code does not know, is missing from it.
#[test]
fn every_key_of_the_default_file_has_a_comment_above_it() {
    let text = include_str!("../../config/default.toml");
    let lines: Vec<&str> = text.lines().collect();
    for (index, line) in lines.iter().enumerate() {
        let is_key = line.contains(" = ") && !line.starts_with('#');
        // A key may share the comment of the one before it.
        let is_said =
            index > 0 && (lines[index - 1].starts_with('#') || lines[index - 1].contains(" = ") || lines[index - 1].starts_with("[["));
        assert!(!is_key || is_said, "line {}: {line}", index + 1);
    }
}

#[test]
fn routes_are_read_whole_and_every_flaw_is_named() {
    let full = r#"
        [[routes]]
        name = "trend"
        source = "tradingview"
        alert_strategy = "Supertrend"
        ticker = "NSE:NIFTY"
        strategy = "trend"
        instrument = "NIFTY weekly ATM CE"
        product = "NRML"
        order_type = "MARKET"
        size = "2 lots"
        qty_unit = "lots"
        action = "buy"
        direction = "long"
        adds = 2
        entries_from = "09:20"
        entries_until = "14:45"
        trades_per_day = 5
        stop_loss = "1.5%"
        target = "30 points"
        trailing = "10 points"
        approval = true
        max_orders = 3
        on_gap = "block"
    "#;
    let routes = load_file(full, &[]).unwrap().routes;
    let (account, route) = routes.first().unwrap();
    assert_eq!((routes.len(), account.as_str(), route.adds, route.max_orders), (1, "PAPER1", 2, 3));
    assert_eq!((route.trades_per_day, route.approval, route.flaws().len()), (Some(5), true, 0));
    assert_eq!((route.on_gap, route.origin), (ordergate_actors::routes::OnGap::Block, ordergate_actors::routes::Origin::Config));

    let bad = r#"
        [[routes]]
        name = "a"
        account = "NOBODY"
        strategy = "s"
        direction = "sideways"
        [[routes]]
        name = "b"
        strategy = "s"
        direction = "long"
        size = "2 kilos"
        target = "5%"
        colour = "red"
        [[routes]]
        name = "b"
        strategy = "s"
        direction = "short"
    "#;
    let error = load_file(bad, &[]).unwrap_err();
    let wrong = keys(&error);
    for key in ["routes.0.account", "routes.0.direction", "routes.1.size", "routes.1.stop_loss", "routes.1.colour", "routes.2.name"] {
        assert!(wrong.contains(&key), "{key}: {error}");
    }
}

#[test]
fn the_limits_of_the_defaults_are_the_standard_ones_and_lists_are_the_accounts_own() {
    let config = load(&[]).unwrap();
    assert_eq!(config.accounts[0].settings.limits, ordergate_actors::Limits::standard());
    let text = "[account.limits]\nban = [\"SBIN\", \"INFY\"]\n[[accounts]]\nname = \"A\"\n[[accounts]]\nname = \"B\"\nlimits = { ban = [\"M&M\"], allow = [\"NIFTY*\"] }\n";
    let config = load_file(text, &[]).unwrap();
    let of = |index: usize| (config.accounts[index].settings.limits.allow.clone(), config.accounts[index].settings.limits.ban.clone());
    assert_eq!(of(0), (Vec::new(), vec!["SBIN".to_owned(), "INFY".to_owned()]));
    assert_eq!(of(1), (vec!["NIFTY*".to_owned()], vec!["M&M".to_owned()]));
}
