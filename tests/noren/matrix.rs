//! first light
use crate::checks::{Excuse, at_rest, journal_sound};
use crate::house::{House, entry, exit};

#[tokio::test]
async fn first_light() {
    let mut house = House::open().await;
    house.submit(entry()).await;
    at_rest(&house, Excuse::default()).await.unwrap();
    house.submit(exit()).await;
    at_rest(&house, Excuse::default()).await.unwrap();
    eprintln!("{}", house.told());
    house.kill();
    journal_sound(&house).unwrap();
}
