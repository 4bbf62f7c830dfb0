//! Where a run lives: its directory, and the settings of its engine.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context as _;
use ordergate_actors::ports::Ids as _;
use secrecy::ExposeSecret as _;

use super::{Broker, Wish};
use crate::clock::RandomIds;
use crate::files::private_directory;

/// The account.
pub(super) const CLIENT: &str = "PROVE1";

/// Where all runs live.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) binary: PathBuf,
    pub(super) broker: Broker,
    root: PathBuf,
    houses: AtomicU64,
    /// Secret of the alerts and key of the API, drawn for this proof.
    pub(super) secret: String,
    pub(super) key: String,
}

impl Place {
    pub(super) fn new(wish: &Wish) -> anyhow::Result<Self> {
        let root = wish.directory.join(format!("ordergate-prove-{}", RandomIds.next()));
        private_directory(&root).with_context(|| format!("the directory of the runs, {}", root.display()))?;
        let draw = || crate::secrets::draw().map(|secret| secret.expose_secret().to_owned());
        Ok(Self { binary: wish.binary.clone(), broker: wish.broker, root, houses: AtomicU64::new(0), secret: draw()?, key: draw()? })
    }

    /// A directory for one run.
    pub(super) fn house(&self) -> anyhow::Result<House> {
        let directory = self.root.join(self.houses.fetch_add(1, Ordering::Relaxed).to_string());
        private_directory(&directory).with_context(|| directory.display().to_string())?;
        Ok(House { data: directory.join("data"), directory })
    }

    /// Everything went well: nothing is left.
    pub(super) fn clear(&self) {
        let _ = std::fs::remove_dir_all(&self.root);
    }
}

/// The directory of one run.
#[derive(Debug)]
pub(super) struct House {
    pub(super) directory: PathBuf,
    /// The engine's data.
    pub(super) data: PathBuf,
}

impl House {
    /// Writes the settings of its engine; the broker listens there, if it is a process.
    pub(super) fn settle(&self, place: &Place, broker: Option<std::net::SocketAddr>) -> anyhow::Result<PathBuf> {
        let path = self.directory.join("prove.toml");
        std::fs::write(&path, settings(&self.data, place, broker)).with_context(|| path.display().to_string())?;
        Ok(path)
    }

    /// It went well: its files go at once.
    pub(super) fn clear(&self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// The settings that differ. What is waited for to conclude something is short, because a broker on this machine answers at once;
/// what gives something up is long, because the machine may be busy. Limits are out of the way.
fn settings(data: &Path, place: &Place, broker: Option<std::net::SocketAddr>) -> String {
    let (data, Place { secret, key, .. }) = (toml_text(&data.display().to_string()), place);
    let mut text = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\nworkers = 1\n\
         [storage]\ndirectory = {data}\nballast_mb = 0\nmin_free_mb = 0\n\
         [webhook]\nsecret = \"{secret}\"\n[api]\nkey = \"{key}\"\n\
         [log]\nlevel = \"warn\"\n\
         [engine]\nsafe_mode_starts = 1000\n\
         [watcher]\npoll_ms = 100\nidle_poll_ms = 200\nbooks_poll_ms = 200\n\
         [account.waits]\nslot_deadline_ms = 5000\nquote_wait_ms = 10000\nquiet_period_ms = 300\ncancel_again_ms = 1000\ndoubt_page_ms = 5000\nblind_after_ms = 5000\n\
         [account.budget]\nper_second = 400\nper_minute = 10000\nper_exchange_second = 400\n\
         [account.limits]\nmax_open_orders = 1000\nmax_order_value = 10000000\nrepeats = 1000\nrejections = 1000\n\
         [[accounts]]\nname = \"{CLIENT}\"\n"
    );
    if let Some(broker) = broker {
        let more = format!(
            "broker = \"noren\"\n[accounts.noren]\nsimulator = true\nhost = \"http://{broker}\"\nsocket_url = \"ws://{broker}/NorenWSTP/\"\n\
             rest_prefix = \"/NorenWClientTP/\"\nauth = \"quickauth\"\nuid = \"FA00001\"\nvendor_code = \"FA00001_U\"\n\
             password = \"sim-password\"\ntotp_secret = \"JBSWY3DPEHPK3PXP\"\napi_key = \"sim-key\"\n\
             visibility_bound_ms = 1000\norder_ms = 5000\nread_ms = 2000\nbook_ms = 2000\nreconnect_first_ms = 100\nreconnect_last_ms = 500\n\
             login_again_first_ms = 200\nlogin_again_last_ms = 500\nevictions = 1000\nlogin_at = \"00:00\"\ncodes_once = false\n"
        );
        text.push_str(&more);
    }
    text
}

/// A text of a TOML file.
fn toml_text(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{escaped}\"")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{BrokerKind, Config};

    fn place(broker: Broker) -> Place {
        let secret = "0123456789abcdef0123456789abcdef".to_owned();
        Place { binary: PathBuf::new(), broker, root: PathBuf::new(), houses: AtomicU64::new(0), key: secret.clone(), secret }
    }

    #[test]
    fn the_settings_are_sound_and_move_no_money() {
        let directory = tempfile::tempdir().unwrap();
        let house = House { directory: directory.path().to_owned(), data: directory.path().join("a \"data\" directory") };
        let file = house.settle(&place(Broker::Simulated), Some("127.0.0.1:9090".parse().unwrap())).unwrap();
        let config = Config::load(Some(&file), Vec::new()).unwrap();
        assert_eq!(config.accounts[0].broker, BrokerKind::Noren { is_live: false });
        assert_eq!(config.storage.directory, house.data);
        let file = house.settle(&place(Broker::Paper), None).unwrap();
        assert_eq!(Config::load(Some(&file), Vec::new()).unwrap().accounts[0].broker, BrokerKind::Paper);
    }
}
