//! The settings of Noren accounts: what starts, and what does not.

use std::path::Path;

use secrecy::ExposeSecret;

use super::{BrokerKind, Config, ConfigError, InstrumentSource};

const SECRET: (&str, &str) = ("ORDERGATE__ACCOUNTS__0__NOREN__CLIENT_SECRET", "hunter2-secret");

fn load(text: &str, env: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("mine.toml");
    std::fs::write(&path, text).unwrap();
    Config::load(Some(&path), env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
}

fn keys(error: &ConfigError) -> Vec<&str> {
    error.violations.iter().map(|violation| violation.key.as_str()).collect()
}

const SIMULATOR: &str = r#"
[[accounts]]
name = "SIM"
broker = "noren"
noren = { simulator = true, uid = "fa00001", auth = "quickauth", host = "http://127.0.0.1:9090", socket_url = "ws://127.0.0.1:9090/NorenWSTP/", password = "p-hunter2", api_key = "k-hunter2", totp_secret = "t-hunter2" }
"#;

#[test]
fn the_file_of_the_broker_loads_once_the_secret_is_there() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/shoonya.toml");
    let env = |pairs: &[(&str, &str)]| pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect::<Vec<_>>();
    let config = Config::load(Some(&path), env(&[SECRET])).unwrap();
    let account = &config.accounts[0];
    assert_eq!(account.broker, BrokerKind::Noren { is_live: true });
    assert_eq!(config.instruments.source, InstrumentSource::Noren);
    let noren = account.noren.as_ref().unwrap();
    assert_eq!(noren.credentials.client_secret.as_ref().unwrap().expose_secret(), SECRET.1);
    assert!(!format!("{config:?}").contains("hunter2"));
    let error = Config::load(Some(&path), env(&[])).unwrap_err();
    assert_eq!(keys(&error), ["accounts.0.noren.client_secret"]);
}

#[test]
fn the_file_of_flattrade_loads_once_its_key_and_secret_are_there() {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("config/flattrade.toml")).unwrap();
    let config = load(&text, &[SECRET]).unwrap();
    let noren = config.accounts[0].noren.as_ref().unwrap();
    assert_eq!(config.accounts[0].broker, BrokerKind::Noren { is_live: true });
    assert_eq!(noren.auth, crate::brokers::noren::AuthFlow::Flattrade);
    assert_eq!(noren.login_link().unwrap(), "https://auth.flattrade.in/?app_key=SET-THE-API-KEY");
    assert_eq!(keys(&load(&text, &[]).unwrap_err()), ["accounts.0.noren.client_secret"]);
    let without = text.replace("client_id = \"SET-THE-API-KEY\"", "").replace("https://authapi", "http://authapi");
    assert_eq!(keys(&load(&without, &[SECRET]).unwrap_err()), ["accounts.0.noren.client_id", "accounts.0.noren.token_url"]);
}

#[test]
fn a_simulator_on_this_machine_counts_as_paper() {
    let config = load(SIMULATOR, &[]).unwrap();
    let account = &config.accounts[0];
    assert_eq!((account.broker, account.broker.as_str()), (BrokerKind::Noren { is_live: false }, "noren-simulator"));
    let noren = account.noren.as_ref().unwrap();
    assert_eq!((noren.credentials.uid.as_str(), noren.credentials.vendor_code.as_str()), ("FA00001", "FA00001_U"));
    assert!(!config.effective.iter().any(|setting| setting.value.contains("hunter2")));
}

#[test]
fn real_money_states_its_limits_and_is_never_beside_paper() {
    let live = r#"
[[accounts]]
name = "A"
broker = "noren"
limits = { daily_loss = 100 }
noren = { uid = "FA1", host = "http://api.example.com", socket_url = "ws://api.example.com/" }
[[accounts]]
name = "B"
[account.limits]
max_quantity = 5
"#;
    let error = load(live, &[SECRET]).unwrap_err();
    let expected = [
        "accounts.0.noren.host",
        "accounts.0.noren.socket_url",
        "accounts.0.limits.max_order_value",
        "accounts.0.limits.max_quantity",
        "accounts.0.limits.max_position",
        "accounts",
        "instruments.source",
    ];
    assert_eq!(keys(&error), expected);
    // Either address elsewhere is enough for real money.
    let half = SIMULATOR.replace("ws://127.0.0.1:9090/NorenWSTP/", "wss://api.example.com/");
    let error = load(&half, &[]).unwrap_err();
    assert!(keys(&error).contains(&"accounts.0.limits.daily_loss"));
    assert!(keys(&error).contains(&"accounts.0.noren.simulator"), "a simulator is on this machine: {error}");
}

/// Logins would end each other, and both would take the same orders for theirs.
#[test]
fn one_user_at_one_host_is_one_row() {
    let twice = |changes: &[(&str, &str)]| {
        let second = changes.iter().fold(SIMULATOR.replace("SIM", "SIM2"), |text, (from, to)| text.replace(from, to));
        load(&format!("{SIMULATOR}{second}"), &[])
    };
    for changes in [&[][..], &[("fa00001", "FA00001")], &[("uid = ", "actid = \"FA9\", uid = ")]] {
        let error = twice(changes).unwrap_err();
        assert_eq!(keys(&error), ["accounts"], "{changes:?}");
        let text = error.to_string();
        assert!(text.contains("SIM2 and SIM are both FA00001 at 127.0.0.1:9090"), "{text}");
    }
    assert!(twice(&[("fa00001", "FA00002")]).is_ok());
    assert!(twice(&[(":9090", ":9091")]).is_ok(), "another broker");
    // Quotes for paper need a session too.
    let row = SIMULATOR.lines().find_map(|line| line.strip_prefix("noren = ")).unwrap();
    let paper = |row: &str| load(&format!("{SIMULATOR}[paper]\nquotes = \"noren\"\nnoren = {row}\n"), &[]);
    let text = paper(row).unwrap_err().to_string();
    assert!(text.contains("[paper.noren] and SIM are both FA00001"), "{text}");
    assert!(paper(&row.replace("fa00001", "FA00002")).is_ok());
}

/// A tunnel to the broker ends on this machine too.
#[test]
fn a_loopback_address_alone_is_real_money() {
    let tunnel = SIMULATOR.replace("simulator = true, ", "");
    let error = load(&tunnel, &[]).unwrap_err();
    assert!(keys(&error).contains(&"accounts.0.noren.host") && error.to_string().contains("simulator = true"), "{error}");
    let limits = "limits = { daily_loss = 100, max_order_value = 1000, max_quantity = 5, max_position = 5 }\n";
    let tls = tunnel.replace("http://", "https://").replace("ws://", "wss://");
    let whole = format!("{tls}{limits}\n[instruments]\nsource = \"noren\"\n");
    assert_eq!(load(&whole, &[]).unwrap().accounts[0].broker, BrokerKind::Noren { is_live: true });
}

#[test]
fn no_account_with_real_money_runs_on_the_sample() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/shoonya.toml");
    let sample = ("ORDERGATE__INSTRUMENTS__SOURCE", "sample");
    let env = [SECRET, sample].map(|(name, value)| (name.to_owned(), value.to_owned()));
    let error = Config::load(Some(&path), env).unwrap_err();
    assert_eq!(keys(&error), ["instruments.source"]);
    assert!(error.to_string().contains("SHOONYA trades with real money"), "{error}");
    assert_eq!(load(SIMULATOR, &[]).unwrap().instruments.source, InstrumentSource::Sample);
}

#[test]
fn wrong_values_are_named_with_their_keys() {
    let error = load(
        "[account.noren]\nauth = \"magic\"\nampersand = \"&\"\nbuffer_options = \"100\"\nsilence_ms = 10\nrest_prefix = \"x\"\nhots = \"y\"\n",
        &[],
    )
    .unwrap_err();
    for key in [
        "account.noren.auth",
        "account.noren.ampersand",
        "account.noren.buffer_options",
        "accounts.0.noren.silence_ms",
        "account.noren.rest_prefix",
        "account.noren.hots",
    ] {
        assert!(keys(&error).contains(&key), "{key} in {error}");
    }
}

#[cfg(unix)]
#[test]
fn a_file_of_secrets_must_be_private() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("secrets.toml");
    std::fs::write(&path, "client_secret = \"hunter2\"\n").unwrap();
    let text = format!(
        "[[accounts]]\nname = \"S\"\nbroker = \"noren\"\nnoren = {{ simulator = true, uid = \"FA1\", host = \"http://127.0.0.1:1\", socket_url = \"ws://127.0.0.1:1/\", credentials_file = {:?} }}\n",
        path.display().to_string()
    );
    let mode = |mode| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    mode(0o644);
    let error = load(&text, &[]).unwrap_err();
    assert!(keys(&error).contains(&"accounts.0.noren.credentials_file") && !error.to_string().contains("hunter2"), "{error}");
    mode(0o600);
    let config = load(&text, &[]).unwrap();
    assert_eq!(config.accounts[0].noren.as_ref().unwrap().credentials.client_secret.as_ref().unwrap().expose_secret(), "hunter2");
}

#[test]
fn paper_takes_quotes_from_an_account_that_states_no_limits_and_stays_paper() {
    assert!(load("", &[]).unwrap().paper.quotes.is_none());
    let text = "[paper]\nquotes = \"noren\"\n[paper.noren]\nuid = \"fa1\"\n";
    let secret = ("ORDERGATE__PAPER__NOREN__CLIENT_SECRET", "hunter2-secret");
    let config = load(text, &[secret]).unwrap();
    let quotes = config.paper.quotes.as_ref().unwrap();
    assert_eq!((quotes.credentials.uid.as_str(), quotes.is_live, config.accounts[0].broker), ("FA1", true, BrokerKind::Paper));
    assert!(quotes.host.starts_with("https://") && !format!("{config:?}").contains("hunter2"));
    assert_eq!(keys(&load("[paper]\nquotes = \"noren\"\n", &[]).unwrap_err()), ["paper.noren.uid", "paper.noren.client_secret"]);
    assert_eq!(keys(&load("[paper]\nquotes = \"live\"\n", &[]).unwrap_err()), ["paper.quotes"]);
    let plain = format!("{text}host = \"http://api.example.com\"\n");
    assert_eq!(keys(&load(&plain, &[secret]).unwrap_err()), ["paper.noren.host"]);
}
