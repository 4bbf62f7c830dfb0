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
    logins.begin(&client(), None, "abc".into(), at(0));
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
    logins.begin(&client(), None, "def".into(), at(3));
    assert!(logins.admit(&client(), None, at(4)).is_err());
    assert_eq!(logins.admit(&client(), Some("def"), at(5)), Ok(()));
}

#[test]
fn a_link_is_good_for_an_hour_until_a_login_comes_through() {
    let logins = Logins::default();
    let link = |text: &str, second: i64| logins.link(&client(), at(second), || Ok::<_, ()>(text.to_owned())).unwrap();
    assert_eq!((link("a", 0), link("b", 1_700)), ("a".to_owned(), "a".to_owned()), "asking often makes no new link");
    assert_eq!(link("b", 1_900), "b");
    let follow = |text: &str, second: i64| logins.follow(&client(), text, at(second));
    assert!(follow("c", 1_901).is_err());
    assert!(logins.follow(&ClientId::parse("LIVE2").unwrap(), "a", at(1_901)).is_err());
    assert_eq!([follow("a", 1_901), follow("a", 1_902), follow("b", 1_902)], [Ok(()), Ok(()), Ok(())], "following uses nothing up");
    assert!(follow("a", 3_600).is_err() && follow("b", 3_600).is_ok(), "an hour");
    logins.succeeded(&client());
    assert!(follow("b", 3_601).is_err(), "somebody is in");
    assert_eq!(link("c", 3_602), "c");
}

/// A program that opens what it finds in a chat, and presses what it finds there, takes nothing from the person who comes after it,
/// or before it.
#[test]
fn who_follows_the_same_link_goes_on_with_the_same_login() {
    let logins = Logins::default();
    let begin = |link: Option<&str>, nonce: &str, second: i64| logins.begin(&client(), link, nonce.to_owned(), at(second));
    assert_eq!((begin(Some("a"), "n1", 0), begin(Some("a"), "n2", 5)), ("n1".to_owned(), "n1".to_owned()));
    assert_eq!(logins.admit(&client(), Some("n1"), at(604)), Ok(()), "and its time begins anew");
    assert_eq!(begin(Some("b"), "n3", 605), "n3", "another link is another login, and the newest counts");
    assert!(logins.admit(&client(), Some("n1"), at(606)).is_err());
    assert_eq!((begin(None, "n4", 607), begin(None, "n5", 608)), ("n4".to_owned(), "n5".to_owned()), "with a key each is its own");
    assert_eq!(begin(Some("b"), "n6", 609), "n6");
    assert_eq!(begin(Some("b"), "n7", 1_300), "n7", "too long ago");
    for _ in 0..5 {
        assert_eq!(logins.admit(&client(), Some("n7"), at(1_301)), Ok(()));
    }
    assert_eq!(begin(Some("b"), "n8", 1_302), "n8", "its tries are over");
}
