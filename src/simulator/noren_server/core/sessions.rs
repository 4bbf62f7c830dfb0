//! Logins and tokens (Noren protocol reference, section 2). A token lives until the next 03:00 IST.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveTime, TimeDelta, Utc};
use ordergate_actors::order::ist;
use serde::{Deserialize, Serialize};

use super::request::Request;
use super::wire::sha256_hex;
use crate::simulator::noren_server::settings::TestUser;

/// How long a sign-in code can be exchanged.
const CODE_LIFE: TimeDelta = TimeDelta::minutes(5);

/// A live token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Token {
    pub(super) text: String,
    pub(super) issued_at: DateTime<Utc>,
    pub(super) expires_at: DateTime<Utc>,
}

/// The sessions of the one user.
#[derive(Debug, Clone)]
pub(super) struct Sessions {
    user: TestUser,
    single: bool,
    codes_once: bool,
    seed: String,
    issued: u64,
    live: Vec<Token>,
    codes: BTreeMap<String, DateTime<Utc>>,
    /// The one-time code that was taken last.
    used_code: Option<String>,
}

impl Sessions {
    pub(super) fn new(user: TestUser, single: bool, codes_once: bool, seed: String) -> Self {
        Self { user, single, codes_once, seed, issued: 0, live: Vec::new(), codes: BTreeMap::new(), used_code: None }
    }

    pub(super) fn live(&self) -> &[Token] {
        &self.live
    }

    pub(super) fn issued(&self) -> u64 {
        self.issued
    }

    /// Goes on with the sessions of before a restart.
    pub(super) fn restore(&mut self, live: Vec<Token>, issued: u64) {
        self.live = live;
        self.issued = issued;
    }

    /// `QuickAuth`. The one-time code may be that of any of the instants.
    pub(super) fn quick_auth(&mut self, request: &Request, now: DateTime<Utc>, instants: &[DateTime<Utc>]) -> Result<Token, String> {
        let fields = ["uid", "pwd", "factor2", "imei", "apkversion", "vc", "appkey", "source"];
        request.require(&fields)?;
        let user = &self.user;
        if request.or_empty("uid") != user.uid || request.or_empty("pwd") != sha256_hex(&user.password) {
            return Err("Invalid Input : Wrong Password".to_owned());
        }
        if request.or_empty("vc") != user.vendor {
            return Err("Invalid Input : Invalid Vendor Code".to_owned());
        }
        if request.or_empty("appkey") != sha256_hex(&format!("{}|{}", user.uid, user.api_key)) {
            return Err("Invalid Input :  Invalid App Key".to_owned());
        }
        if request.or_empty("source") != "API" {
            return Err(format!("Invalid Input : User Not enabled on : {}", request.or_empty("source")));
        }
        if !self.takes_code(&request.or_empty("factor2"), instants) {
            return Err("Invalid Input : Invalid OTP".to_owned());
        }
        Ok(self.issue(now))
    }

    /// The sign-in page: a code for the browser to carry; `None` when password or one-time code are wrong.
    pub(super) fn authorize(&mut self, password: &str, otp: &str, now: DateTime<Utc>, instants: &[DateTime<Utc>]) -> Option<String> {
        if password != self.user.password || !self.takes_code(otp, instants) {
            return None;
        }
        let hex = self.draw("code");
        let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
        let code = format!("{}-{}-{}-{}-{}", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32));
        self.codes.insert(code.clone(), now + CODE_LIFE);
        Some(code)
    }

    /// `GenAcsTok`: a code becomes a token, once.
    pub(super) fn exchange(&mut self, request: &Request, now: DateTime<Utc>) -> Result<Token, String> {
        request.require(&["code", "checksum"])?;
        let code = request.or_empty("code");
        let wanted = sha256_hex(&format!("{}{}{code}", self.user.vendor, self.user.client_secret));
        let is_known = self.codes.get(&code).is_some_and(|until| now < *until);
        if !is_known || request.or_empty("uid") != self.user.uid || request.or_empty("checksum") != wanted {
            return Err("Invalid Input : INVALID_VERIFIER".to_owned());
        }
        self.codes.remove(&code);
        Ok(self.issue(now))
    }

    /// Flattrade's `apitoken`: the same, with other names. The API key is the vendor's name here.
    pub(super) fn exchange_at_flattrade(&mut self, request: &Request, now: DateTime<Utc>) -> Result<Token, String> {
        request.require(&["api_key", "request_code", "api_secret"])?;
        let code = request.or_empty("request_code");
        let wanted = sha256_hex(&format!("{}{code}{}", self.user.vendor, self.user.client_secret));
        let is_known = self.codes.get(&code).is_some_and(|until| now < *until);
        if !is_known || request.or_empty("api_key") != self.user.vendor || request.or_empty("api_secret") != wanted {
            return Err("Invalid Input : Invalid Request Code".to_owned());
        }
        self.codes.remove(&code);
        Ok(self.issue(now))
    }

    /// Whether that token opens anything now.
    pub(super) fn knows(&self, token: &str, now: DateTime<Utc>) -> bool {
        self.live.iter().any(|live| live.text == token && now < live.expires_at)
    }

    pub(super) fn end(&mut self, token: &str) {
        self.live.retain(|live| live.text != token);
    }

    pub(super) fn end_all(&mut self) {
        self.live.clear();
    }

    fn issue(&mut self, now: DateTime<Utc>) -> Token {
        if self.single {
            self.live.clear();
        }
        self.live.retain(|live| now < live.expires_at);
        let token = Token { text: self.draw("token"), issued_at: now, expires_at: next_cut(now) };
        self.live.push(token.clone());
        token
    }

    fn draw(&mut self, what: &str) -> String {
        self.issued += 1;
        sha256_hex(&format!("{what} {} {}", self.seed, self.issued))
    }

    /// What the sign-in page tells a person who has no authenticator at hand.
    pub(super) fn hint(&self, now: DateTime<Utc>) -> String {
        let code = totp_rs::Secret::try_from_base32(&self.user.totp_seed).ok().zip(u64::try_from(now.timestamp()).ok());
        let code = code.map_or_else(String::new, |(secret, seconds)| {
            totp_rs::Builder::new().with_secret(secret).build_noncompliant().generate(seconds).to_string()
        });
        format!("No money moves here: the password is {}, and the code of now is {code}.", self.user.password)
    }

    /// Whether the code is right, and was not taken before where each is taken once.
    fn takes_code(&mut self, code: &str, instants: &[DateTime<Utc>]) -> bool {
        let is_old = self.codes_once && self.used_code.as_deref() == Some(code);
        let is_taken = !is_old && self.code_is_right(code, instants);
        if is_taken {
            self.used_code = Some(code.to_owned());
        }
        is_taken
    }

    /// A code of the step before or after counts, as with most servers.
    fn code_is_right(&self, code: &str, instants: &[DateTime<Utc>]) -> bool {
        let Ok(secret) = totp_rs::Secret::try_from_base32(&self.user.totp_seed) else { return false };
        let totp = totp_rs::Builder::new().with_secret(secret).with_skew(1).build_noncompliant();
        instants.iter().any(|at| u64::try_from(at.timestamp()).is_ok_and(|seconds| totp.check(code, seconds).is_some()))
    }
}

/// The next 03:00 IST after that time.
pub(super) fn next_cut(now: DateTime<Utc>) -> DateTime<Utc> {
    let local = now.with_timezone(&ist());
    let cut = NaiveTime::from_hms_opt(3, 0, 0).unwrap_or_default();
    let day = if local.time() < cut { local.date_naive() } else { local.date_naive().succ_opt().unwrap_or(local.date_naive()) };
    day.and_time(cut).and_local_timezone(ist()).single().map_or(now, |at| at.with_timezone(&Utc))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn sessions(single: bool) -> Sessions {
        Sessions::new(TestUser::default(), single, false, "1".to_owned())
    }

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    pub(super) fn otp(now: DateTime<Utc>) -> String {
        let secret = totp_rs::Secret::try_from_base32("JBSWY3DPEHPK3PXP").unwrap();
        totp_rs::Builder::new().with_secret(secret).build_noncompliant().generate(now.timestamp().unsigned_abs()).to_string()
    }

    fn request(fields: serde_json::Value) -> Request {
        Request { fields: fields.as_object().unwrap().clone() }
    }

    fn login(now: DateTime<Utc>) -> serde_json::Value {
        json!({"source":"API","apkversion":"1.0.0","uid":"FA00001","pwd":sha256_hex("sim-password"),"factor2":otp(now),
            "vc":"FA00001_U","appkey":sha256_hex("FA00001|sim-key"),"imei":"abc"})
    }

    #[test]
    fn a_token_dies_at_three() {
        assert_eq!(next_cut(at("2026-11-20T05:00:00Z")), at("2026-11-20T21:30:00Z"));
        assert_eq!(next_cut(at("2026-11-20T20:00:00Z")), at("2026-11-20T21:30:00Z"));
        assert_eq!(next_cut(at("2026-11-20T21:30:00Z")), at("2026-11-21T21:30:00Z"));
        let (mut sessions, now) = (sessions(true), at("2026-11-20T05:00:00Z"));
        let token = sessions.quick_auth(&request(login(now)), now, &[now]).unwrap();
        assert_eq!(token.text.len(), 64);
        assert!(sessions.knows(&token.text, at("2026-11-20T21:29:59Z")));
        assert!(!sessions.knows(&token.text, at("2026-11-20T21:30:00Z")));
    }

    #[test]
    fn a_second_login_ends_the_first_where_only_one_is_allowed() {
        let now = at("2026-11-20T05:00:00Z");
        for single in [true, false] {
            let mut sessions = sessions(single);
            let first = sessions.quick_auth(&request(login(now)), now, &[now]).unwrap();
            let second = sessions.quick_auth(&request(login(now)), now, &[now]).unwrap();
            assert_ne!(first.text, second.text);
            assert!(sessions.knows(&second.text, now));
            assert_eq!(sessions.knows(&first.text, now), !single);
        }
    }

    #[test]
    fn a_one_time_code_is_taken_once_where_that_is_the_rule() {
        let now = at("2026-11-20T05:00:00Z");
        let mut sessions = Sessions::new(TestUser::default(), true, true, "1".to_owned());
        let mut takes = |at| sessions.quick_auth(&request(login(at)), now, &[now]).map(|_| ());
        assert_eq!(takes(now), Ok(()));
        assert_eq!(takes(now), Err("Invalid Input : Invalid OTP".to_owned()));
        assert_eq!(takes(now + TimeDelta::seconds(30)), Ok(()), "the next one is another");
    }

    #[test]
    fn every_wrong_field_has_its_text() {
        let (mut sessions, now) = (sessions(true), at("2026-11-20T05:00:00Z"));
        let mut says = |field: &str, value: &str| {
            let mut fields = login(now);
            fields[field] = value.into();
            sessions.quick_auth(&request(fields), now, &[now]).unwrap_err()
        };
        assert_eq!(says("pwd", "x"), "Invalid Input : Wrong Password");
        assert_eq!(says("factor2", "000000"), "Invalid Input : Invalid OTP");
        assert_eq!(says("appkey", "x"), "Invalid Input :  Invalid App Key");
        assert_eq!(says("imei", ""), "Invalid Input :  uid or pwd or factor2 or imei or apkversion or vc or appkey or source is Missing.");
    }

    #[test]
    fn a_code_is_good_once_and_only_with_the_right_user() {
        let (mut sessions, now) = (sessions(true), at("2026-11-20T05:00:00Z"));
        assert_eq!(sessions.authorize("wrong", &otp(now), now, &[now]), None);
        let code = sessions.authorize("sim-password", &otp(now), now, &[now]).unwrap();
        let checksum = sha256_hex(&format!("FA00001_Usim-secret{code}"));
        let ask = |uid: &str| request(json!({"code": code, "checksum": checksum, "uid": uid}));
        assert_eq!(sessions.exchange(&ask("FA2"), now).unwrap_err(), "Invalid Input : INVALID_VERIFIER");
        assert!(sessions.exchange(&ask("FA00001"), now).is_ok());
        assert!(sessions.exchange(&ask("FA00001"), now).is_err());
    }
}
