//! What a paper account tells of its money.

use super::*;

#[test]
fn its_money_is_what_the_day_began_with_less_what_is_blocked_and_lost() {
    let world = World::new();
    let settings = |cash| PaperSettings { cash, ..PaperSettings::new(world.directory.path()) };
    let open = |cash| PaperBroker::open(&settings(cash), world.table.clone(), world.market.clone(), world.clock.clone()).unwrap();
    let silent = open(None);
    assert!(!silent.tells_funds());
    assert_eq!(silent.funds().now_or_never().unwrap(), Err(NoFunds::NotTold));
    drop(silent);
    let broker = open(Some(Amount(100_000.into())));
    let told = || {
        let funds = broker.funds().now_or_never().unwrap().unwrap();
        assert!(broker.tells_funds() && funds.cash == Amount(100_000.into()));
        (funds.margin_used.0.normalize().to_string(), funds.available.0.normalize().to_string())
    };
    let words = |used: &str, available: &str| (used.to_owned(), available.to_owned());
    assert_eq!(told(), words("0", "100000"));
    // 20 % of 100 x 870 while it rests.
    let resting = world.accepted(&broker, limit(Side::Buy, 100, "870"));
    assert_eq!(told(), words("17400", "82600"));
    broker.cancel(resting).now_or_never().unwrap();
    world.accepted(&broker, limit(Side::Buy, 100, "874.50"));
    // 20 % of what it cost, and 0.50 a unit lost.
    assert_eq!(told(), words("17490", "82460"));
    // What only closes blocks nothing.
    world.accepted(&broker, limit(Side::Sell, 100, "900"));
    assert_eq!(told(), words("17490", "82460"));
    world.market.set(&share(), price("900"), price("900.50"), price("900"));
    broker.tick().unwrap();
    assert_eq!(told(), words("0", "102550"), "25.50 a unit gained");
    // Deliveries are paid in full, whatever they are worth now.
    let delivery = Terms { product: Product::Cnc, ..limit(Side::Buy, 10, "900.50") };
    world.accepted(&broker, delivery);
    assert_eq!(told(), words("9005", "93545"));
    world.wait(TimeDelta::days(1));
    assert_eq!(told(), words("9005", "90995"), "the next day begins anew, with what is carried");
}
