//! Of sessions, logins and codes over their files.

use chrono::TimeDelta;
use secrecy::{ExposeSecret, SecretString};

use super::super::{Enrolment, draw_link, forget_password, set_password};
use super::*;

fn comer(minute: i64) -> Comer {
    Comer { from: "127.0.0.1".parse().ok(), agent: "tests".to_owned(), now: DateTime::UNIX_EPOCH + TimeDelta::minutes(minute) }
}

fn open(directory: &tempfile::TempDir) -> Arc<Access> {
    Arc::new(Access::open(directory.path().to_owned(), AccessSettings { free_tries: 2, ..AccessSettings::default() }))
}

fn secret(text: &str) -> SecretString {
    SecretString::from(text)
}

#[tokio::test]
async fn a_session_is_kept_over_a_restart_and_its_token_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let access = open(&directory);
    let token = draw_link(directory.path(), comer(0).now, TimeDelta::hours(1)).unwrap();
    let opened = access.by_link(token.clone(), &comer(1)).await.unwrap();
    assert!(matches!(access.by_link(token, &comer(1)).await, Err(Refused::Wrong)), "once");
    let text = std::fs::read_to_string(place(directory.path(), FILE)).unwrap();
    assert!(text.contains(&opened.session.id) && !text.contains(opened.token.expose_secret()));
    let again = open(&directory);
    let (found, ends_at) = again.session(opened.token.expose_secret(), comer(2).now).unwrap();
    assert_eq!((found.id.as_str(), ends_at), (opened.session.id.as_str(), comer(2).now + TimeDelta::hours(8)));
    assert!(again.lasts(&found.id, comer(2).now) && !again.lasts(&found.id, comer(2_000).now));
    assert_eq!(again.end(&found.id).await.unwrap().unwrap().id, found.id);
    assert!(again.session(opened.token.expose_secret(), comer(2).now).is_none());
    assert!(open(&directory).sessions(comer(2).now).is_empty(), "that it ended is on disk");
}

#[tokio::test]
async fn a_new_password_ends_the_owners_sessions() {
    let directory = tempfile::tempdir().unwrap();
    let access = open(&directory);
    set_password(directory.path(), &secret("the first password"), None, comer(0).now).unwrap();
    let opened = access.by_password(secret("the first password"), None, &comer(1)).await.unwrap();
    let by_key = access.by_key("asha", "k", &comer(1)).await.unwrap();
    let stands = |opened: &Opened, minute| access.session(opened.token.expose_secret(), comer(minute).now).is_some();
    assert!(stands(&opened, 2) && stands(&by_key, 2));
    set_password(directory.path(), &secret("the second password"), None, comer(3).now).unwrap();
    assert!(!stands(&opened, 4) && stands(&by_key, 4));
    assert_eq!(access.sessions(comer(4).now).len(), 1);
    let second = access.by_password(secret("the second password"), None, &comer(5)).await.unwrap();
    assert!(stands(&second, 6));
    forget_password(directory.path(), comer(7).now).unwrap();
    assert!(!stands(&second, 8));
    assert!(matches!(access.by_password(secret("the second password"), None, &comer(9)).await, Err(Refused::Wrong)));
}

#[tokio::test]
async fn failures_wait_and_a_code_is_taken_once() {
    let directory = tempfile::tempdir().unwrap();
    let access = open(&directory);
    let codes = Enrolment::draw().unwrap();
    set_password(directory.path(), &secret("the first password"), Some(&codes), comer(0).now).unwrap();
    assert!(matches!(access.by_password(secret("whatever it is"), None, &comer(1)).await, Err(Refused::WantsCode)));
    let shown = codes.shown(comer(1).now);
    let who = comer(1);
    let with = |password: &str, code: &str| access.by_password(secret(password), Some(code.to_owned()), &who);
    let shell = with("the first password", &shown).await.unwrap();
    assert!(access.session(shell.token.expose_secret(), comer(1).now).is_some());
    assert!(matches!(with("the first password", &shown).await, Err(Refused::Wrong)), "the same code, again");
    assert!(matches!(with("a wrong password", &shown).await, Err(Refused::Wrong)));
    assert!(matches!(with("the first password", &shown).await, Err(Refused::Wait(_))));
}

#[tokio::test]
async fn a_code_alone_is_taken_once_over_a_restart_too() {
    let directory = tempfile::tempdir().unwrap();
    let access = open(&directory);
    let now = comer(1).now;
    assert!(!access.has_codes().await.unwrap() && !access.take_code("000000".to_owned(), now).await.unwrap(), "there is none");
    let codes = Enrolment::draw().unwrap();
    set_password(directory.path(), &secret("the first password"), Some(&codes), comer(0).now).unwrap();
    assert!(access.has_codes().await.unwrap());
    let shown = codes.shown(now);
    assert!(!access.take_code(codes.shown(comer(9).now), now).await.unwrap(), "of another time");
    assert!(access.take_code(shown.clone(), now).await.unwrap());
    assert!(!access.take_code(shown.clone(), now).await.unwrap(), "again");
    assert!(!open(&directory).take_code(shown.clone(), now).await.unwrap(), "after a restart");
    let who = comer(1);
    assert!(matches!(access.by_password(secret("the first password"), Some(shown), &who).await, Err(Refused::Wrong)), "nor for a login");
}

#[tokio::test]
async fn without_a_directory_only_keys_log_in_and_damage_ends_sessions() {
    let access = Arc::new(Access::default());
    assert!(matches!(access.by_link(secret("x"), &comer(0)).await, Err(Refused::Wrong)));
    assert!(matches!(access.by_password(secret("x"), None, &comer(0)).await, Err(Refused::Wrong)));
    assert!(access.by_key("asha", "k", &comer(0)).await.is_ok());
    let directory = tempfile::tempdir().unwrap();
    open(&directory).by_key("asha", "k", &comer(0)).await.unwrap();
    files::write(&place(directory.path(), FILE), &"damaged").unwrap();
    assert!(open(&directory).sessions(comer(0).now).is_empty());
}
