//! Whose orders the database holds.

use ordergate_actors::order::{ClientId, Strategy};
use ordergate_actors::ports::StoreError;

use super::read::ReadStore;
use super::sqlite::failed;

impl ReadStore {
    /// Whether the account has ever had an order of that strategy. It may read all of the account's orders.
    ///
    /// # Errors
    /// The disk failed.
    pub fn has_order_of(&self, client: &ClientId, strategy: &Strategy) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM orders WHERE client_id = ?1 AND strategy_name = ?2)";
        self.db.query_row(sql, [client.as_str(), strategy.as_str()], |row| row.get(0)).map_err(failed("looking for a strategy"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::SqliteStore;
    use crate::store::fixtures::{client, day, now, order};

    #[test]
    fn a_strategy_is_known_by_its_orders_and_in_its_own_account() {
        let directory = tempfile::tempdir().unwrap();
        let mut store = SqliteStore::in_directory(directory.path(), now()).unwrap();
        day(&mut store, 3);
        let read = ReadStore::open(directory.path()).unwrap();
        let known = order(1).ask.strategy;
        let other = ClientId::parse("OTHER").unwrap();
        assert!(read.has_order_of(&client(), &known).unwrap());
        assert!(!read.has_order_of(&other, &known).unwrap());
        assert!(!read.has_order_of(&client(), &Strategy::parse("nobody").unwrap()).unwrap());
    }
}
