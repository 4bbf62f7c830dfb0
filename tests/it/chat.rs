//! Actions from a chat, over a server on this machine that stands in for Telegram: shown, confirmed by a code, done through the doors of
//! the dashboard, once.

use std::sync::Arc;

use ordergate::access::{Enrolment, set_password};
use ordergate::config::ChatActions;
use ordergate::web::phone::{Phone, listen};
use ordergate_actors::order::{ClientId, Status};
use ordergate_actors::persistence::{KillLevel, Level};
use ordergate_actors::ports::Clock as _;
use ordergate_actors::testkit::{morning, until};
use secrecy::SecretString;
use serde_json::{Value, json};
use totp_rs::{Builder, Secret};

use crate::alerts::Server;
use crate::support::held::{Hold, held_by};
use crate::support::{House, Plan, copy, entry, resting, secret};

/// The user who may act, in the chat that is answered.
const OWNER: i64 = 7;

fn phone(server: &Server, by_totp: bool) -> Phone {
    Phone {
        token: "12:abc".into(),
        base: server.url(""),
        chats: vec!["42".to_owned()],
        actions: Some(ChatActions { users: vec![OWNER.to_string()], by_totp }),
        secrets: Vec::new(),
    }
}

fn message(update: i64, chat: i64, user: i64, text: &str) -> Value {
    let date = morning().timestamp();
    json!({ "update_id": update, "message": { "date": date, "chat": { "id": chat }, "from": { "id": user }, "text": text } })
}

/// A chat with the bot: what is said is numbered, as Telegram does it.
struct Chat {
    server: Server,
    next: i64,
}

impl Chat {
    fn open() -> Self {
        Self { server: Server::open(), next: 1 }
    }

    /// Says something, and waits for the answer to it, and until it is confirmed: one that listens anew is not told it again.
    async fn say(&mut self, user: i64, text: &str) -> String {
        let before = self.server.got.lock().len();
        self.next += 1;
        self.server.updates.lock().say([message(self.next, 42, user, text)]);
        let is_answered = || self.server.got.lock().len() > before && self.server.updates.lock().are_confirmed();
        until(&format!("{text} is answered"), is_answered).await;
        self.server.texts().pop().unwrap()
    }

    /// Asks for an action, and confirms it with the code of the answer; both answers.
    async fn act(&mut self, text: &str) -> (String, String) {
        let shown = self.say(OWNER, text).await;
        let done = self.say(OWNER, &format!("/confirm {}", code(&shown))).await;
        (shown, done)
    }

    /// Delivers something, and waits until the bot has confirmed it: what it answers has arrived by then.
    async fn deliver(&self, updates: impl IntoIterator<Item = Value>) {
        self.server.updates.lock().say(updates);
        until("it is confirmed", || self.server.updates.lock().are_confirmed()).await;
    }
}

/// The code of an answer.
fn code(shown: &str) -> String {
    let rest = shown.split("/confirm ").nth(1).unwrap_or_else(|| panic!("there is no code in {shown}"));
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    assert_eq!(digits.len(), 6, "{shown}");
    digits
}

fn level(house: &House) -> KillLevel {
    house.engine.read(&house.client(), |book| book.control().level).unwrap()
}

/// A position of `held`, and an entry of `waits` that rests.
async fn day(house: &House) {
    house.alert(entry("held")).await;
    house.until_held("held", 10).await;
    house.alert(resting("waits")).await;
    house
        .until("the entry rests", || {
            house.orders().iter().any(|order| order.ask.strategy.as_str() == "waits" && order.status == Status::SentToBroker)
        })
        .await;
}

#[actix_web::test]
async fn a_kill_is_shown_in_numbers_confirmed_once_and_never_taken_down_from_there() {
    let (mut chat, house) = (Chat::open(), House::open().await);
    day(&house).await;
    let listening = actix_web::rt::spawn(listen(house.state.clone(), phone(&chat.server, false)));
    let shown = chat.say(OWNER, "/kill 3 the feed is wrong").await;
    assert!(shown.contains("PAPER1: entries stop, 1 that wait are cancelled, 1 positions are squared off"), "{shown}");
    assert!(shown.contains("within 60 s") && shown.contains("Re-arm on the dashboard"), "{shown}");
    assert_eq!(level(&house), KillLevel::None, "nothing is done yet");
    let confirming = chat.next + 1;
    let code = code(&shown);
    let done = chat.say(OWNER, &format!("/confirm {code}")).await;
    assert_eq!(done, "PAPER1: kill level 3");
    house.until_held("held", 0).await;
    house.until_ended().await;
    let journal = house.events(Some(&house.client())).await;
    let control = journal.iter().find(|(event, _)| event == "CONTROL").unwrap();
    assert!(control.1.contains("the feed is wrong") && control.1.contains("telegram:7"), "{control:?}");
    let audit = house.get("/dashboard/audit").await;
    let row = audit.body["rows"].as_array().unwrap().iter().find(|row| row["event"] == "CONTROL").unwrap();
    assert_eq!((&row["what"], &row["who"]), (&json!("kill level 3 or more for the account"), &json!("telegram:7")), "{row:#}");
    let process = house.events(None).await;
    let rows: Vec<&str> = process.iter().map(|(event, _)| event.as_str()).filter(|event| event.starts_with("CHAT_")).collect();
    assert_eq!(rows, ["CHAT_ASKED", "CHAT_CONFIRMED", "CHAT_DONE"]);
    assert!(!format!("{process:?}").contains(&code), "a code is written nowhere");

    // A lower level takes nothing down, and there is no way back from here.
    let (shown, done) = chat.act("/kill 1").await;
    assert!(shown.contains("PAPER1: kill level 3 stands already"), "{shown}");
    assert_eq!((done.as_str(), level(&house)), ("PAPER1: kill level 3", KillLevel::SquareOff));
    for text in ["/kill 0", "/rearm all", "/buy SBIN 10"] {
        assert!(chat.say(OWNER, text).await.contains("re-arm on the dashboard"), "{text}");
    }
    assert_eq!(house.post("/dashboard/kill", json!({ "level": 0, "reason": "again" })).await.status, 200);

    // Telegram delivers again, to this process and to one that was started anew: nothing.
    let answers = chat.server.got.lock().len();
    let again =
        [message(confirming - 1, 42, OWNER, "/kill 3 the feed is wrong"), message(confirming, 42, OWNER, &format!("/confirm {code}"))];
    chat.deliver(again.clone()).await;
    listening.abort();
    let restarted = actix_web::rt::spawn(listen(house.state.clone(), phone(&chat.server, false)));
    chat.deliver(again).await;
    restarted.abort();
    assert_eq!((chat.server.got.lock().len(), level(&house)), (answers, KillLevel::None));
    house.close().await;
}

#[actix_web::test]
async fn entries_are_cancelled_positions_exited_and_alarms_acknowledged_by_name() {
    let (mut chat, house) = (Chat::open(), House::open().await);
    day(&house).await;
    let client = house.client();
    house.engine.line().alarm(Some(&client), "ALARM_IN_DOUBT", Level::Page, None, "of one order".to_owned());
    house.until("the alarm stands", || house.engine.read(&client, |book| book.alarms().count()) == Some(1)).await;
    let listening = actix_web::rt::spawn(listen(house.state.clone(), phone(&chat.server, false)));

    let (shown, done) = chat.act("/cancel held").await;
    assert!(shown.contains("PAPER1: 0 entries are cancelled") && done.starts_with("0 cancels"), "{shown}\n{done}");
    let (shown, done) = chat.act("/cancel waits").await;
    assert!(shown.contains("PAPER1: 1 entries are cancelled") && done.starts_with("1 cancels"), "{shown}\n{done}");
    house.until_ended().await;
    assert_eq!(level(&house), KillLevel::None);

    assert_eq!(chat.say(OWNER, "/exit nothing").await, "nothing is held under the name nothing");
    let (shown, done) = chat.act("/exit SBIN-EQ").await;
    assert!(shown.contains("exit SBIN-EQ\nPAPER1: 1 positions are exited at the market"), "{shown}");
    assert!(done.starts_with("PAPER1: 1 exits: "), "{done}");
    house.until_held("held", 0).await;
    let exit = house.orders().into_iter().find(|order| order.is_exit()).unwrap();
    let page = house.get(&format!("/dashboard/orders/{}", exit.command_id)).await;
    assert!(page.body.to_string().contains("telegram:7"), "who asked for it is on record: {:#}", page.body);
    house.alert(entry("second")).await;
    house.until_held("second", 10).await;
    let (_, done) = chat.act("/exit second").await;
    assert!(done.starts_with("PAPER1: 1 exits: "), "{done}");
    house.until_held("second", 0).await;

    assert!(chat.say(OWNER, "/ack 999999@PAPER1").await.contains("no alarm 999999@PAPER1 is open"));
    let (shown, done) = chat.act("/ack all").await;
    assert!(shown.contains("ALARM_IN_DOUBT: of one order"), "{shown}");
    assert_eq!(done, "1 of 1 alarms are marked as seen");
    listening.abort();
    house.close().await;
}

#[actix_web::test]
async fn strangers_and_wrong_codes_do_nothing_and_the_third_shuts_it_and_pages() {
    let (mut chat, house) = (Chat::open(), House::open().await);
    day(&house).await;
    let listening = actix_web::rt::spawn(listen(house.state.clone(), phone(&chat.server, false)));
    assert!(chat.say(9, "/kill 3").await.contains("you may not do that"));
    // Another chat is not answered at all.
    let answers = chat.server.got.lock().len();
    chat.deliver([message(500, 43, OWNER, "/kill 3")]).await;
    assert_eq!(chat.server.got.lock().len(), answers);

    let shown = chat.say(OWNER, "/kill 3").await;
    let right = code(&shown);
    let wrong = if right == "000000" { "000001" } else { "000000" };
    assert!(chat.say(9, &format!("/confirm {right}")).await.contains("you may not do that"), "somebody else's code");
    assert!(chat.say(OWNER, &format!("/confirm {wrong}")).await.contains("2 more wrong ones"));
    assert!(chat.say(OWNER, &format!("/confirm {wrong}")).await.contains("1 more wrong ones"));
    assert!(chat.say(OWNER, &format!("/confirm {wrong}")).await.contains("nothing is done from here for"));
    assert!(chat.say(OWNER, &format!("/confirm {right}")).await.contains("nothing is done from here for"));
    listening.abort();
    // It stays shut over a restart.
    let restarted = actix_web::rt::spawn(listen(house.state.clone(), phone(&chat.server, false)));
    assert!(chat.say(OWNER, "/kill 3").await.contains("nothing is done from here for"));
    assert!(chat.say(OWNER, "/status").await.contains("kill level 0"), "questions are answered");
    restarted.abort();
    assert_eq!(level(&house), KillLevel::None);
    let attention = house.get("/dashboard/attention").await;
    let page =
        attention.body["items"].as_array().unwrap().iter().find(|item| item["text"].as_str().unwrap().contains("too many wrong codes"));
    assert!(page.is_some(), "{:#}", attention.body);
    house.close().await;
}

#[actix_web::test]
async fn the_authenticators_code_confirms_where_the_settings_want_it_and_once() {
    let (mut chat, house) = (Chat::open(), House::open().await);
    let listening = actix_web::rt::spawn(listen(house.state.clone(), phone(&chat.server, true)));
    assert!(chat.say(OWNER, "/kill 1").await.contains("has no authenticator app"));
    let codes = Enrolment::draw().unwrap();
    set_password(house.directory.path(), &SecretString::from("correct horse battery"), Some(&codes), house.clock.now()).unwrap();
    let totp = Builder::new().with_secret(Secret::try_from_base32(codes.secret()).unwrap()).build_noncompliant();
    let shown = chat.say(OWNER, "/kill 1").await;
    assert!(shown.contains("the code of your authenticator"), "{shown}");
    let digits = totp.generate(u64::try_from(house.clock.now().timestamp()).unwrap()).to_string();
    assert_eq!(chat.say(OWNER, &format!("/confirm {digits}")).await, "PAPER1: kill level 1");
    chat.say(OWNER, "/kill 2").await;
    assert!(chat.say(OWNER, &format!("/confirm {digits}")).await.contains("the code is wrong"), "it was used");
    assert_eq!(level(&house), KillLevel::StopEntries);
    listening.abort();
    house.close().await;
}

/// What a process leaves that holds a position of `held` and an entry of `waits`, and is killed right after the commit of that row, the
/// first of its kind after an action was confirmed.
async fn killed(text: &str, event: &'static str) -> tempfile::TempDir {
    let mut chat = Chat::open();
    let hold = Arc::new(Hold::default());
    let (store, held) = held_by(&hold);
    let house = House::with(Plan { store, ..Plan::default() }).await;
    day(&house).await;
    let listening = actix_web::rt::spawn(listen(house.state.clone(), phone(&chat.server, false)));
    let shown = chat.say(OWNER, text).await;
    hold.at(event);
    chat.server.updates.lock().say([message(chat.next + 1, 42, OWNER, &format!("/confirm {}", code(&shown)))]);
    until("the row is on disk", || hold.is_reached()).await;
    let left = tempfile::tempdir().unwrap();
    copy(house.directory.path(), left.path());
    listening.abort();
    drop(held);
    house.close().await;
    left
}

/// The next process on that directory, so much later; and what its bot says first.
async fn again(left: tempfile::TempDir, minutes: i64) -> (House, Chat, String) {
    let house = House::with(Plan { after: Some(left), later: chrono::Duration::minutes(minutes), ..Plan::default() }).await;
    let chat = Chat { server: Server::open(), next: 100 };
    let listening = actix_web::rt::spawn(listen(house.state.clone(), phone(&chat.server, false)));
    until("it is told", || !chat.server.got.lock().is_empty()).await;
    listening.abort();
    let said = chat.server.texts().pop().unwrap();
    // It is said and done once: the same process begins to listen again, and has nothing to say.
    let listening = actix_web::rt::spawn(listen(house.state.clone(), phone(&chat.server, false)));
    chat.deliver([message(99, 43, OWNER, "/status")]).await;
    listening.abort();
    assert_eq!(chat.server.got.lock().len(), 1, "{:?}", chat.server.texts());
    (house, chat, said)
}

/// The rows about actions, in order.
async fn chat_rows(house: &House) -> Vec<String> {
    house.events(None).await.into_iter().map(|(event, _)| event).filter(|event| event.contains("CHAT_")).collect()
}

/// Whether a page stands that says so.
async fn is_paged(house: &House, words: &str) -> bool {
    let attention = house.get("/dashboard/attention").await;
    attention.body["items"].as_array().unwrap().iter().any(|item| item["text"].as_str().unwrap().contains(words))
}

#[actix_web::test]
async fn a_kill_that_was_confirmed_before_a_crash_is_done_after_it_once() {
    let (house, _chat, said) = again(killed("/kill 3 the feed is wrong", "CHAT_CONFIRMED").await, 1).await;
    assert!(said.contains("kill level 3: the feed is wrong") && said.contains("is done now: PAPER1: kill level 3"), "{said}");
    assert_eq!(level(&house), KillLevel::SquareOff);
    house.until_held("held", 0).await;
    house.until_ended().await;
    assert_eq!(chat_rows(&house).await, ["CHAT_ASKED", "CHAT_CONFIRMED", "CHAT_DONE_LATE"]);
    let journal = house.events(Some(&house.client())).await;
    let controls: Vec<_> = journal.iter().filter(|(event, _)| event == "CONTROL").collect();
    assert!(matches!(controls[..], [(_, text)] if text.contains("the feed is wrong") && text.contains("telegram:7")), "{controls:?}");
    assert!(!is_paged(&house, "started anew").await);
    house.close().await;
}

#[actix_web::test]
async fn a_cancel_that_was_confirmed_before_a_crash_is_of_the_entries_from_before_it() {
    let left = killed("/cancel all", "CHAT_CONFIRMED").await;
    let (house, _chat, said) = again(left, 1).await;
    assert!(said.contains("is done now: 1 cancels are written down"), "{said}");
    house.until_ended().await;
    assert_eq!(level(&house), KillLevel::None);
    assert_eq!(chat_rows(&house).await.last().unwrap(), "CHAT_DONE_LATE");
    house.close().await;
}

#[actix_web::test]
async fn an_exit_that_was_confirmed_before_a_crash_is_not_sent_late_and_a_person_is_paged() {
    let (house, mut chat, said) = again(killed("/exit all", "CHAT_CONFIRMED").await, 1).await;
    assert!(said.contains("exit everything") && said.contains("It is NOT done") && said.contains("say it again"), "{said}");
    assert!(!house.orders().iter().any(|order| order.is_exit()), "nothing was sent");
    assert!(is_paged(&house, "It is NOT done").await);
    assert_eq!(chat_rows(&house).await.last().unwrap(), "ALARM_CHAT_NOT_DONE");
    // Said again it is done.
    let listening = actix_web::rt::spawn(listen(house.state.clone(), phone(&chat.server, false)));
    // What is held, and what is only being entered.
    let done = chat.act("/exit all").await.1;
    assert_eq!(done, "PAPER1: 2 exits: ACCEPTED");
    house.until_held("held", 0).await;
    listening.abort();
    house.close().await;
}

#[actix_web::test]
async fn an_exit_that_was_on_disk_before_the_crash_counts_as_done_and_is_sent_once() {
    let (house, _chat, said) = again(killed("/exit held", "INTENT_CREATED").await, 1).await;
    assert!(said.contains("it had been done"), "{said}");
    house.until_held("held", 0).await;
    assert_eq!(house.orders().iter().filter(|order| order.is_exit()).count(), 1);
    assert_eq!(chat_rows(&house).await.last().unwrap(), "CHAT_DONE");
    assert!(!is_paged(&house, "started anew").await);
    house.close().await;
}

#[actix_web::test]
async fn a_kill_that_is_on_disk_is_not_raised_again_and_an_old_one_is_not_taken_up() {
    let (house, _chat, said) = again(killed("/kill 1", "CONTROL").await, 30).await;
    assert!(said.contains("it had been done") && level(&house) == KillLevel::StopEntries, "{said}");
    let controls = house.events(Some(&house.client())).await.into_iter().filter(|(event, _)| event == "CONTROL").count();
    assert_eq!(controls, 1);
    house.close().await;

    let (house, _chat, said) = again(killed("/kill 1", "CHAT_CONFIRMED").await, 30).await;
    assert!(said.contains("It is NOT done: it was confirmed too long ago") && level(&house) == KillLevel::None, "{said}");
    assert!(is_paged(&house, "too long ago").await);
    house.close().await;
}

#[actix_web::test]
async fn an_action_is_of_the_account_that_it_names_and_of_none_that_could_be_another() {
    let mut chat = Chat::open();
    let house = House::with(Plan { accounts: vec!["PAPER1", "PAPER2"], ..Plan::default() }).await;
    let [first, second] = ["PAPER1", "PAPER2"].map(|name| ClientId::parse(name).unwrap());
    let held = |client: &ClientId| house.engine.read(client, |book| book.holdings().map(|(_, _, held)| held.net).sum::<i64>()).unwrap();
    let level = |client: &ClientId| house.engine.read(client, |book| book.control().level).unwrap();
    for client in [&first, &second] {
        let alert = house.request("POST", &format!("/webhook/{client}")).json(&secret(entry("held")));
        assert_eq!(house.send(alert).await.status, 202);
        house.until("it holds", || held(client) == 10).await;
    }
    let listening = actix_web::rt::spawn(listen(house.state.clone(), phone(&chat.server, false)));
    for text in ["/exit held", "/exit SBIN-EQ"] {
        let refused = chat.say(OWNER, text).await;
        assert!(refused.contains("is in several accounts: say it again with one of @PAPER1, @PAPER2, or with @all"), "{refused}");
    }
    let refused = chat.say(OWNER, "/exit held @PAPER9").await;
    assert!(refused.contains("there is no account PAPER9: say one of @PAPER1, @PAPER2"), "{refused}");

    let (shown, done) = chat.act("/kill 1 @paper1 the feed").await;
    assert!(shown.starts_with("in PAPER1 alone: kill level 1: the feed\nPAPER1: entries stop") && !shown.contains("PAPER2"), "{shown}");
    assert_eq!((done.as_str(), level(&first), level(&second)), ("PAPER1: kill level 1", KillLevel::StopEntries, KillLevel::None));

    let (shown, done) = chat.act("/exit held @PAPER2").await;
    assert!(shown.starts_with("in PAPER2 alone: exit what held holds\nPAPER2: 1 positions are exited"), "{shown}");
    assert!(done.starts_with("PAPER2: 1 exits: ") && !done.contains("PAPER1"), "{done}");
    house.until("it is flat", || held(&second) == 0).await;
    assert_eq!(held(&first), 10);

    // One account is left that the name can mean, and it is shown.
    let (shown, _) = chat.act("/exit held").await;
    assert!(shown.starts_with("in PAPER1 alone: exit what held holds"), "{shown}");
    house.until("it is flat", || held(&first) == 0).await;
    let shown = chat.say(OWNER, "/kill 2").await;
    assert!(
        shown.contains("PAPER1: entries stop") && shown.contains("PAPER2: entries stop"),
        "without a name it is of every account: {shown}"
    );
    listening.abort();
    house.close().await;
}

#[actix_web::test]
async fn an_exit_that_is_refused_is_told_with_its_cause_and_not_as_done() {
    let (mut chat, house) = (Chat::open(), House::open().await);
    house.alert(entry("held")).await;
    house.until_held("held", 10).await;
    let exit = json!({ "strategy": "held", "execution_type": "EXIT", "exchange": "NSE", "symbol": "SBIN-EQ", "side": "SELL", "quantity": 10,
        "product": "MIS", "order_type": "LIMIT", "price": "850" });
    house.post("/dashboard/intent/generic", exit).await;
    house.until("the exit rests", || house.orders().iter().any(|order| order.is_exit() && order.broker_order_id.is_some())).await;
    let listening = actix_web::rt::spawn(listen(house.state.clone(), phone(&chat.server, false)));
    let (shown, done) = chat.act("/exit all").await;
    assert!(shown.contains("1 positions are exited at the market (1 of them have exits under way for all of it"), "{shown}");
    assert!(done.starts_with("PAPER1: 1 exits: BLOCKED\nNOT exited: SBIN-EQ of held: "), "{done}");
    assert!(done.contains("open exits cover all of the 10"), "{done}");
    assert_eq!(chat_rows(&house).await.last().unwrap(), "ALARM_CHAT_NOT_DONE");
    listening.abort();
    house.close().await;
}

#[actix_web::test]
async fn an_action_that_comes_too_late_is_answered_that_nothing_was_done() {
    let (mut chat, house) = (Chat::open(), House::open().await);
    let late = |update: i64, chat: i64, text: &str| {
        let mut late = message(update, chat, OWNER, text);
        late["message"]["date"] = json!(morning().timestamp() - 300);
        late
    };
    chat.server.updates.lock().say([late(50, 43, "/kill 3"), late(51, 42, "/status"), late(52, 42, "/kill 3")]);
    let listening = actix_web::rt::spawn(listen(house.state.clone(), phone(&chat.server, false)));
    until("it is answered", || !chat.server.got.lock().is_empty()).await;
    chat.next = 100;
    chat.say(OWNER, "/help").await;
    let texts = chat.server.texts();
    assert!(texts.len() == 2 && texts[0].contains("NOTHING was done"), "a stranger and a question are not answered: {texts:?}");
    assert_eq!(level(&house), KillLevel::None);
    listening.abort();
    house.close().await;
}

/// Telegram brings a message again that no request has confirmed: by then it is old, and it was done.
#[actix_web::test]
async fn a_confirmation_that_comes_again_after_a_crash_is_not_told_as_not_done() {
    let (house, chat, said) = again(killed("/kill 3 the feed is wrong", "CHAT_CONFIRMED").await, 3).await;
    assert!(said.contains("is done now"), "{said}");
    let listening = actix_web::rt::spawn(listen(house.state.clone(), phone(&chat.server, false)));
    chat.deliver([message(3, 42, OWNER, "/confirm 482193")]).await;
    assert_eq!(chat.server.got.lock().len(), 1, "{:?}", chat.server.texts());
    listening.abort();
    house.close().await;
}

#[actix_web::test]
async fn an_exit_at_its_cost_cap_goes_on_by_a_word_from_the_phone_once() {
    let (mut chat, house) = (Chat::open(), House::open().await);
    let listening = actix_web::rt::spawn(listen(house.state.clone(), phone(&chat.server, false)));
    assert!(chat.say(OWNER, "/go all").await.contains("no exit stands at its cost cap"));
    crate::exit_rules::stopped_at_its_cap(&house).await;
    assert!(chat.say(OWNER, "/go INFY-EQ").await.contains("no exit of INFY-EQ stands at its cost cap"));
    let (shown, done) = chat.act("/go sbin-eq").await;
    assert!(shown.contains("let the exits of sbin-eq at their cost cap go on\nPAPER1: trend SBIN-EQ: 7 of 10 units rest"), "{shown}");
    assert_eq!(done, "1 exits go on, as far again beyond their cap");
    house.until_held("trend", 0).await;
    house.until_ended().await;
    let journal = house.events(Some(&house.client())).await;
    let words: Vec<&str> = journal.iter().filter(|(event, _)| event == "EXIT_GO_ON").map(|(_, text)| text.as_str()).collect();
    assert!(matches!(words[..], [only] if only.contains("telegram:7: by Telegram")), "{words:?}");
    listening.abort();
    house.close().await;
}

/// A server that sends without end must not fill the memory, and strangers who write at length must not shut the bot.
#[actix_web::test]
async fn messages_that_are_too_long_together_are_read_one_by_one() {
    let (mut chat, house) = (Chat::open(), House::open().await);
    let long = |update: i64, user: i64| message(update, 42, user, &format!("/status{}", " ".repeat(600_000)));
    chat.server.updates.lock().say([long(100, 9), long(101, OWNER)]);
    let listening = actix_web::rt::spawn(listen(house.state.clone(), phone(&chat.server, false)));
    until("they are confirmed", || chat.server.updates.lock().are_confirmed()).await;
    chat.next = 200;
    let answer = chat.say(OWNER, "/help").await;
    assert!(answer.starts_with("/status /positions") && answer.contains("/confirm CODE"), "{answer}");
    let texts = chat.server.texts();
    assert!(texts.len() == 3 && texts[1].contains("kill level 0"), "{texts:?}");
    let limits = chat.server.updates.lock().limits.clone();
    assert_eq!((limits[0], limits[1], limits.last()), (20, 1, Some(&20)), "the first was too long to be read: {limits:?}");
    listening.abort();
    house.close().await;
}
