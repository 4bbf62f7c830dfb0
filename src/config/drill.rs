//! Where the process stops to be killed, for practice.

use super::Account;
use super::reader::Reader;
use crate::drill::Step;

/// The step, if one is set. A process that stops in the middle of an order must have no real money.
pub(super) fn drill(reader: &mut Reader, accounts: &[Account]) -> Option<Step> {
    let rule = "must be the number or the name of a step in docs/proof.md, for example call.during, or empty";
    let read = |text: &str| if text.trim().is_empty() { Some(None) } else { Step::parse(text).map(Some) };
    let step = reader.section("drill").text("stop_at", rule, read).flatten();
    let live = accounts.iter().find(|account| account.broker.is_live());
    if let (Some(_), Some(account)) = (step, live) {
        let rule = format!("is for a paper or a simulated broker only: {} trades with real money", account.client_id);
        reader.violate("drill.stop_at", rule);
    }
    step
}

#[cfg(test)]
mod tests {
    use crate::config::Config;
    use crate::drill::Step;

    fn load(stop_at: &str, file: &str) -> Result<Config, crate::config::ConfigError> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("mine.toml");
        std::fs::write(&path, file).unwrap();
        let env = [("ORDERGATE__DRILL__STOP_AT", stop_at), ("ORDERGATE__ACCOUNTS__0__NOREN__CLIENT_SECRET", "a-secret")];
        Config::load(Some(&path), env.map(|(name, value)| (name.to_owned(), value.to_owned())))
    }

    #[test]
    fn a_step_is_named_by_number_or_name_and_only_where_no_real_money_moves() {
        let paper = String::new();
        assert_eq!(load("", &paper).unwrap().drill, None);
        assert_eq!(load("14", &paper).unwrap().drill, Some(Step::CallDuring));
        assert_eq!(load(" Call.During ", &paper).unwrap().drill, Some(Step::CallDuring));
        let words = load("nowhere", &paper).unwrap_err().to_string();
        assert!(words.contains("drill.stop_at = \"nowhere\""), "{words}");

        let noren = |simulator: bool| {
            let (host, socket) =
                if simulator { ("http://127.0.0.1:1", "ws://127.0.0.1:1") } else { ("https://api.shoonya.com", "wss://api.shoonya.com") };
            format!(
                "[instruments]\nsource = \"noren\"\n[[accounts]]\nname = \"A\"\nbroker = \"noren\"\n\
                 limits = {{ daily_loss = 1, max_order_value = 1, max_quantity = 1, max_position = 1 }}\n\
                 noren = {{ uid = \"FA1\", simulator = {simulator}, host = \"{host}\", socket_url = \"{socket}\" }}\n"
            )
        };
        assert_eq!(load("call.during", &noren(true)).unwrap().drill, Some(Step::CallDuring));
        assert_eq!(load("", &noren(false)).unwrap().drill, None);
        let words = load("call.during", &noren(false)).unwrap_err().to_string();
        assert!(words.contains("drill.stop_at") && words.contains("A trades with real money"), "{words}");
    }
}
