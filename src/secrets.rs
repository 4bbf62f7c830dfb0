//! The webhook's secret and the API key: from the settings, or drawn once and kept in the data directory for its owner
//! alone.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use crate::config::Config;
use crate::files::{Mode, private_directory, write_whole};

/// The file in the data directory.
pub const FILE: &str = "secrets.toml";
/// Stands beside it until a start has shown what it draws: a start that fails before that must not swallow it.
const NOT_SHOWN: &str = "secrets.not-shown";
const BYTES: usize = 24;

/// Why the secrets cannot be used: the engine must not start.
#[derive(Debug, thiserror::Error)]
pub enum SecretsError {
    /// Others can read the file.
    #[error("{} can be read by others (mode {mode:03o}); run: chmod 600 '{}'", path.display(), path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// The file cannot be read or written.
    #[error("cannot use {}: {cause}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// The file is not what ordergate wrote.
    #[error("{} does not hold webhook_secret and api_key: {cause}; correct it, or remove it to draw new ones", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong; never a value.
        cause: &'static str,
    },
    /// No random numbers from the system.
    #[error("cannot draw secrets: {0}")]
    Random(String),
}

impl SecretsError {
    /// Whether starting again may help: the disk failed, was full or read-only.
    #[must_use]
    pub fn may_heal(&self) -> bool {
        matches!(self, Self::Unusable { cause, .. } if crate::files::may_heal(cause))
    }
}

/// The secrets in force.
#[derive(Debug, Clone)]
pub struct Secrets {
    /// Of alerts without a source of their own.
    pub webhook_secret: SecretString,
    /// The bearer key of the dashboard API.
    pub api_key: SecretString,
    /// Whether they were drawn and no start has shown them yet: the only time that they are printed.
    pub is_first_start: bool,
}

/// What the file holds.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    webhook_secret: SecretString,
    api_key: SecretString,
}

impl Secrets {
    /// The settings' secrets, or the file's, or new ones, which are written down.
    ///
    /// # Errors
    /// [`SecretsError`]: do not start.
    pub fn load_or_draw(config: &Config) -> Result<Self, SecretsError> {
        if let Some(secrets) = Self::load(config)? {
            return Ok(secrets);
        }
        let path = config.storage.directory.join(FILE);
        let kept = Kept { webhook_secret: draw()?, api_key: draw()? };
        let text = format!(
            "# Drawn at the first start. The settings webhook.secret and api.key take precedence.\nwebhook_secret = \"{}\"\napi_key = \"{}\"\n",
            kept.webhook_secret.expose_secret(),
            kept.api_key.expose_secret()
        );
        let not_shown = config.storage.directory.join(NOT_SHOWN);
        private_directory(&config.storage.directory)
            .and_then(|()| write_whole(&not_shown, b"", Mode::Private))
            .and_then(|()| write_whole(&path, text.as_bytes(), Mode::Private))
            .map_err(|cause| SecretsError::Unusable { path, cause })?;
        Ok(Self { is_first_start: true, ..Self::of(config, Some(kept)) })
    }

    /// The secrets that are there, for commands that run beside the engine; `None` before the first start.
    ///
    /// # Errors
    /// [`SecretsError`]: the file is there and cannot be used.
    pub fn load(config: &Config) -> Result<Option<Self>, SecretsError> {
        let kept = read(&config.storage.directory.join(FILE))?;
        let is_enough = kept.is_some() || (config.webhook.secret.is_some() && config.api.key.is_some());
        let is_first_start = kept.is_some() && config.storage.directory.join(NOT_SHOWN).exists();
        Ok(is_enough.then(|| Self { is_first_start, ..Self::of(config, kept) }))
    }

    /// They were shown to a person: the next start shows them no more.
    ///
    /// # Errors
    /// The disk failed; the next start shows them again.
    pub fn shown(config: &Config) -> io::Result<()> {
        match std::fs::remove_file(config.storage.directory.join(NOT_SHOWN)) {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }

    fn of(config: &Config, kept: Option<Kept>) -> Self {
        let (webhook, api) = kept.map(|kept| (kept.webhook_secret, kept.api_key)).unzip();
        let nothing = SecretString::default;
        Self {
            webhook_secret: config.webhook.secret.clone().or(webhook).unwrap_or_else(nothing),
            api_key: config.api.key.clone().or(api).unwrap_or_else(nothing),
            is_first_start: false,
        }
    }

    /// What the first start prints, once: where to look, and an alert to paste.
    #[must_use]
    pub fn welcome(&self, config: &Config) -> String {
        let mut listen = config.server.listen;
        if listen.ip().is_unspecified() {
            listen.set_ip(if listen.is_ipv4() { std::net::Ipv4Addr::LOCALHOST.into() } else { std::net::Ipv6Addr::LOCALHOST.into() });
        }
        let account = match config.accounts.as_slice() {
            [_] | [] => String::new(),
            [first, ..] => format!("/{}", first.client_id),
        };
        let body = serde_json::json!({
            "secret_key": self.webhook_secret.expose_secret(),
            "idempotency_key": "demo-1",
            "execution_type": "ENTRY",
            "strategy_name": "demo",
            "exchange": "NSE",
            "product_type": "MIS",
            "legs": [{"tradingsymbol": "RELIANCE-EQ", "direction": "BUY", "qty": 1, "order_type": "MARKET"}],
        });
        // A quote inside the body would end the shell's text; secrets from the settings may hold one.
        let body = body.to_string().replace('\'', "\\u0027");
        let key = self.api_key.expose_secret().replace('\'', "'\\''");
        format!(
            "\nThe first start: secrets are in {path}; they are not printed again.\n\n\
             The order book (dashboard API):\n\
             \x20 curl -sS -H 'Authorization: Bearer {key}' 'http://{listen}/dashboard/orderbook?limit=10'\n\n\
             An alert to try, sent as it is (paper: no money moves):\n\
             \x20 curl -sS -X POST 'http://{listen}/webhook{account}' -H 'Content-Type: application/json' -H 'Prefer: wait=5' -d '{body}'\n\n\
             Then: {program} verify-orders\n",
            program = invoked(std::env::args()),
            path = config.storage.directory.join(FILE).display(),
        )
    }
}

/// How this process was called, as far as another command beside it must be called the same: the program and its settings.
fn invoked(mut arguments: impl Iterator<Item = String>) -> String {
    let mut words = vec![arguments.next().unwrap_or_else(|| "ordergate".to_owned())];
    while let Some(argument) = arguments.next() {
        if argument == "--config" {
            words.extend([argument].into_iter().chain(arguments.next()));
        } else if argument.starts_with("--config=") {
            words.push(argument);
        }
    }
    words.join(" ")
}

fn read(path: &Path) -> Result<Option<Kept>, SecretsError> {
    let unusable = |cause| SecretsError::Unusable { path: path.to_path_buf(), cause };
    let found = match std::fs::metadata(path) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
        found => found.map_err(unusable)?,
    };
    refuse_open(path, &found)?;
    let text = std::fs::read_to_string(path).map_err(unusable)?;
    // The parser's own words may quote the line, and with it a secret.
    let damaged = |cause| SecretsError::Damaged { path: path.to_path_buf(), cause };
    let source = config::File::from_str(&text, config::FileFormat::Toml);
    let table = config::Config::builder().add_source(source).build().map_err(|_| damaged("it is not TOML"))?;
    let kept: Kept = table.try_deserialize().map_err(|_| damaged("a key is missing, or there is one too many"))?;
    if kept.webhook_secret.expose_secret().is_empty() || kept.api_key.expose_secret().is_empty() {
        return Err(damaged("a secret is empty"));
    }
    Ok(Some(kept))
}

/// The bytes of a file that only its owner may read.
pub(crate) fn read_private(path: &Path) -> io::Result<Vec<u8>> {
    refuse_open(path, &std::fs::metadata(path)?).map_err(io::Error::other)?;
    std::fs::read(path)
}

#[cfg(unix)]
fn refuse_open(path: &Path, found: &std::fs::Metadata) -> Result<(), SecretsError> {
    use std::os::unix::fs::PermissionsExt;
    let mode = found.permissions().mode() & 0o777;
    if mode & 0o077 == 0 { Ok(()) } else { Err(SecretsError::Open { path: path.to_path_buf(), mode }) }
}

#[cfg(not(unix))]
fn refuse_open(_path: &Path, _found: &std::fs::Metadata) -> Result<(), SecretsError> {
    Ok(())
}

/// A new secret: 24 random bytes as hex.
///
/// # Errors
/// The system gives no random numbers.
pub(crate) fn draw() -> Result<SecretString, SecretsError> {
    let mut bytes = [0; BYTES];
    getrandom::fill(&mut bytes).map_err(|cause| SecretsError::Random(cause.to_string()))?;
    let text = bytes.iter().fold(String::with_capacity(2 * BYTES), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    });
    Ok(SecretString::from(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(directory: &Path, more: &[(&str, &str)]) -> Config {
        let place = ("ORDERGATE__STORAGE__DIRECTORY".to_owned(), directory.display().to_string());
        let more = more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Config::load(None, more.chain([place])).unwrap()
    }

    #[test]
    fn what_is_printed_to_be_called_next_has_the_settings_of_this_process() {
        let of = |words: &str| invoked(words.split(' ').map(str::to_owned));
        assert_eq!(of("ordergate"), "ordergate");
        assert_eq!(of("./og --config a.toml"), "./og --config a.toml");
        assert_eq!(of("./og serve --config=a.toml --verbose"), "./og --config=a.toml");
    }

    #[test]
    fn drawn_once_kept_and_read_again() {
        let directory = tempfile::tempdir().unwrap();
        let config = config(&directory.path().join("new/data"), &[]);
        assert!(Secrets::load(&config).unwrap().is_none());
        let first = Secrets::load_or_draw(&config).unwrap();
        assert!(first.is_first_start);
        assert_eq!(first.api_key.expose_secret().len(), 2 * BYTES);
        assert_ne!(first.api_key.expose_secret(), first.webhook_secret.expose_secret());
        // Until a start has come so far that it shows them, every one is the first.
        assert!(Secrets::load_or_draw(&config).unwrap().is_first_start);
        Secrets::shown(&config).unwrap();
        Secrets::shown(&config).unwrap();
        let second = Secrets::load_or_draw(&config).unwrap();
        assert!(!second.is_first_start);
        assert_eq!(second.api_key.expose_secret(), first.api_key.expose_secret());
        assert_eq!(second.webhook_secret.expose_secret(), first.webhook_secret.expose_secret());
        assert!(!format!("{second:?}").contains(first.api_key.expose_secret()));
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_may_read_them() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let config = config(&directory.path().join("data"), &[]);
        Secrets::load_or_draw(&config).unwrap();
        let path = config.storage.directory.join(FILE);
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(&config.storage.directory)), (0o600, 0o700));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let words = Secrets::load_or_draw(&config).unwrap_err().to_string();
        assert!(words.contains("mode 640") && words.contains("chmod 600"), "{words}");
    }

    #[test]
    fn the_settings_take_precedence_and_need_no_file_when_both_are_there() {
        let directory = tempfile::tempdir().unwrap();
        let both = config(directory.path(), &[("ORDERGATE__WEBHOOK__SECRET", "w"), ("ORDERGATE__API__KEY", "k")]);
        let secrets = Secrets::load_or_draw(&both).unwrap();
        assert_eq!((secrets.webhook_secret.expose_secret(), secrets.api_key.expose_secret()), ("w", "k"));
        assert!(!secrets.is_first_start && !directory.path().join(FILE).exists());
        let one = config(directory.path(), &[("ORDERGATE__API__KEY", "k")]);
        let secrets = Secrets::load_or_draw(&one).unwrap();
        assert!(secrets.is_first_start && secrets.api_key.expose_secret() == "k");
    }

    #[test]
    fn a_damaged_file_is_refused_without_quoting_it() {
        let directory = tempfile::tempdir().unwrap();
        let config = config(directory.path(), &[]);
        for text in ["webhook_secret = \"hunter2\"\n", "hunter2", "webhook_secret = \"\"\napi_key = \"hunter2\"\n"] {
            write_whole(&directory.path().join(FILE), text.as_bytes(), Mode::Private).unwrap();
            let error = Secrets::load_or_draw(&config).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn the_alert_to_paste_is_json_and_survives_a_shell() {
        let directory = tempfile::tempdir().unwrap();
        let config = config(directory.path(), &[("ORDERGATE__WEBHOOK__SECRET", "it's"), ("ORDERGATE__SERVER__LISTEN", "127.0.0.1:81")]);
        let words = Secrets::load_or_draw(&config).unwrap().welcome(&config);
        assert!(words.contains("http://127.0.0.1:81/webhook'"), "{words}");
        let body = words.split("-d '").nth(1).and_then(|rest| rest.split('\'').next()).unwrap();
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(body["secret_key"], "it's");
        assert_eq!(body["legs"][0]["tradingsymbol"], "RELIANCE-EQ");
    }
}
