//! What ties a data directory to its accounts.

use crate::config::{Account, Config};
use crate::store::Binding;

/// What the data directory is tied to for ever.
pub(super) fn binding(config: &Config) -> Binding {
    let brokers: std::collections::BTreeSet<&str> = config.accounts.iter().map(|account| account.broker.as_str()).collect();
    let is_live = config.accounts.iter().any(|account| account.broker.is_live());
    Binding {
        broker: brokers.into_iter().collect::<Vec<_>>().join("+"),
        accounts: config.accounts.iter().map(|account| account.client_id.to_string()).collect(),
        mode: if is_live { "LIVE" } else { "PAPER" }.to_owned(),
        traders: config.accounts.iter().filter_map(trader).collect(),
    }
}

/// Who trades an account with real money, and where: another user's positions must never meet these rows.
fn trader(account: &Account) -> Option<(String, String)> {
    let noren = account.noren.as_ref().filter(|noren| noren.is_live)?;
    let host = noren.host.split_once("://").map_or(noren.host.as_str(), |(_, rest)| rest);
    let (uid, actid) = (&noren.credentials.uid, &noren.credentials.actid);
    let user = if uid == actid { uid.clone() } else { format!("{uid}/{actid}") };
    Some((account.client_id.to_string(), format!("{user} at {}", host.to_ascii_lowercase())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn traders(text: &str) -> Vec<(String, String)> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("mine.toml");
        std::fs::write(&path, text).unwrap();
        let secret = ("ORDERGATE__ACCOUNTS__0__NOREN__CLIENT_SECRET".to_owned(), "a-secret".to_owned());
        binding(&Config::load(Some(&path), [secret]).unwrap()).traders.into_iter().collect()
    }

    #[test]
    fn the_user_and_the_host_of_real_money_are_part_of_it() {
        let live = |noren: &str| {
            format!(
                "[instruments]\nsource = \"noren\"\n[[accounts]]\nname = \"A\"\nbroker = \"noren\"\n\
                 limits = {{ daily_loss = 1, max_order_value = 1, max_quantity = 1, max_position = 1 }}\nnoren = {{ {noren} }}\n"
            )
        };
        let of = |who: &str| vec![("A".to_owned(), who.to_owned())];
        assert_eq!(traders(&live("uid = \"fa1\"")), of("FA1 at api.shoonya.com"));
        assert_eq!(traders(&live("uid = \"FA1\", actid = \"X2\", host = \"https://API.example.com/\"")), of("FA1/X2 at api.example.com"));
        assert_eq!(traders("[[accounts]]\nname = \"A\"\n"), [], "paper is nobody's");
    }
}
