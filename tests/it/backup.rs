//! The restore drill: a copy that was made while the engine ran is verified, opened by another engine, and trades on.

use std::process::Command;

use ordergate::store::ReadStore;

use crate::support::{House, Plan, entry};

#[actix_web::test]
async fn what_was_copied_under_a_running_engine_is_restored_and_trades_on() {
    let house = House::open().await;
    house.alert(entry("a")).await;
    house.until_held("a", 10).await;
    house.until_ended().await;
    let restored = tempfile::tempdir().unwrap();
    ReadStore::open(house.directory.path()).unwrap().backup(&restored.path().join("orders.db"), 0).unwrap();
    // What comes after the copy is not in it.
    house.alert(entry("b")).await;
    house.until_held("b", 10).await;
    let prefix = house.engine.line().tag_prefix.clone();
    // The paper broker's own book, of the moment of the copy as far as the copy knows of it.
    let (client, left) = (house.client(), house.close().await);
    std::fs::create_dir(restored.path().join(client.as_str())).unwrap();
    for file in std::fs::read_dir(left.path().join(client.as_str())).unwrap().map(Result::unwrap) {
        std::fs::copy(file.path(), restored.path().join(client.as_str()).join(file.file_name())).unwrap();
    }

    let verify = Command::new(env!("CARGO_BIN_EXE_ordergate"))
        .args(["journal", "verify", "--full"])
        .env_clear()
        .env("ORDERGATE__STORAGE__DIRECTORY", restored.path())
        .output()
        .unwrap();
    assert_eq!(verify.status.code(), Some(0), "{}", String::from_utf8_lossy(&verify.stdout));

    let house = House::with(Plan { after: Some(restored), ..Plan::default() }).await;
    assert_ne!(house.engine.line().tag_prefix, prefix, "its orders are told from those of the original");
    house.until_held("a", 10).await;
    let exit = house.post("/dashboard/positions/exit", serde_json::json!({ "strategy": "a", "symbol": "SBIN-EQ" })).await;
    assert_eq!(exit.status, 202, "{:#}", exit.body);
    house.until_held("a", 0).await;
    house.close().await;
}
