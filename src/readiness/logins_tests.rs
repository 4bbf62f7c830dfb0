use super::*;

fn client() -> ClientId {
    ClientId::parse("LIVE1").unwrap()
}

fn at(seconds: i64) -> DateTime<Utc> {
    let start: DateTime<Utc> = "2026-11-20T03:15:00Z".parse().unwrap();
    start + TimeDelta::seconds(seconds)
}

fn begun() -> Logins {
    let logins = Logins::default();
    logins.begin(&client(), "abc".into(), at(0));
    logins
}

#[test]
fn a_login_is_awaited_until_a_code_is_taken_or_its_time_is_over() {
    assert!(Logins::default().admit(&client(), None, at(0)).is_err(), "nobody waits for it");
    let logins = begun();
    assert_eq!(logins.admit(&client(), None, at(1)), Ok(()), "some brokers do not give the state back");
    assert_eq!(logins.admit(&client(), Some("abc"), at(2)), Ok(()), "the code before was not taken");
    logins.succeeded(&client());
    assert!(logins.admit(&client(), Some("abc"), at(3)).is_err(), "used up");
    assert!(begun().admit(&client(), Some("abc"), at(601)).is_err(), "too late");
}

#[test]
fn what_does_not_belong_to_the_login_uses_nothing_up() {
    let logins = begun();
    for _ in 0..1_000 {
        assert!(logins.admit(&client(), Some("xyz"), at(1)).is_err());
    }
    for second in 0..500 {
        let _junk = logins.admit(&client(), None, at(second));
    }
    assert_eq!(logins.admit(&client(), Some("abc"), at(500)), Ok(()), "the person comes late, and with the state");
}

#[test]
fn codes_without_a_state_are_few_and_slow() {
    let logins = begun();
    let tried = |from: i64, to: i64| (from..to).filter(|second| logins.admit(&client(), None, at(*second)).is_ok()).count();
    assert_eq!(tried(0, 9), 3, "a burst");
    assert_eq!(tried(9, 500), 2, "five in all");
    let with_state = (0..20).filter(|second| logins.admit(&client(), Some("abc"), at(500 + second)).is_ok()).count();
    assert_eq!(with_state, 5);
}

#[test]
fn a_broker_that_gave_the_state_back_once_must_always() {
    let logins = begun();
    logins.admit(&client(), Some("abc"), at(1)).unwrap();
    assert!(logins.admit(&client(), None, at(2)).is_err());
    logins.succeeded(&client());
    logins.begin(&client(), "def".into(), at(3));
    assert!(logins.admit(&client(), None, at(4)).is_err());
    assert_eq!(logins.admit(&client(), Some("def"), at(5)), Ok(()));
}

#[test]
fn a_link_is_good_once_and_for_an_hour() {
    let logins = Logins::default();
    let link = |text: &str, second: i64| logins.link(&client(), at(second), || Ok::<_, ()>(text.to_owned())).unwrap();
    assert_eq!((link("a", 0), link("b", 1_700)), ("a".to_owned(), "a".to_owned()), "asking often uses no link up");
    assert_eq!(link("b", 1_900), "b");
    assert!(logins.follow(&client(), "c", at(1_901)).is_err());
    assert!(logins.follow(&ClientId::parse("LIVE2").unwrap(), "a", at(1_901)).is_err());
    assert_eq!(logins.follow(&client(), "a", at(1_901)), Ok(()));
    assert!(logins.follow(&client(), "a", at(1_902)).is_err());
    assert!(logins.follow(&client(), "b", at(1_900 + 3_600)).is_err());
}
