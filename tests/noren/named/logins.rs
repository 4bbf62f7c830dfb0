//! Logins that come one soon after the other.

use std::sync::Arc;

use super::rests;
use crate::house::{House, Plan};
use crate::matrix::{Leg, prepare};

/// A broker may take a one-time code once only. The same one twice is a wrong one, and after a wrong one nobody logs in until a person
/// does: exits would wait for that.
#[tokio::test]
async fn a_session_that_ends_within_its_one_time_code_comes_back_with_the_next() {
    let once = Plan { sim: Box::new(|sim| sim.codes_once = true), noren: Arc::new(|noren| noren.codes_once = true), ..Plan::default() };
    let house = House::with(once).await;
    // Most of the code's time is over, so that the next one is near.
    let most = chrono::Duration::seconds(25);
    house.clock.jump(most);
    house.sim().advance_time(most);
    house.sim().expire_sessions();
    let logins = || house.sim().log().into_iter().filter(|row| row.route == "QuickAuth").collect::<Vec<_>>();
    house.until("it logs in again", || logins().len() == 2).await;
    assert_eq!(logins().iter().map(|row| row.status).collect::<Vec<_>>(), [200, 200], "{:?}", logins());
    house.until_open().await;
    assert!(!house.has_alarm("ALARM_LOGIN_REFUSED"), "{}", house.told());
    // As soon as the books of the new session are there.
    prepare(&house, Leg::Exit).await.unwrap();
    rests(&house).await;
}
