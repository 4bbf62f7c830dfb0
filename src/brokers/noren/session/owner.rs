//! The one task that proves tokens and logs in, and the code that a person brings.

use std::sync::atomic::Ordering;
use std::time::Duration;

use chrono::{DateTime, Utc};
use secrecy::SecretString;

use super::machine::{Busy, Step, Token, end_of_token};
use super::{Session, otp};
use crate::brokers::connection::{LoginError, LogoutError};
use crate::brokers::noren::settings::AuthFlow;
use crate::brokers::noren::wire::request::{OAuthLogin, QuickLogin};
use crate::brokers::noren::wire::{Body, Delivery, ErrorClass, ObjectReply, session as replies};
use ordergate_actors::persistence::Level;

/// Clocks are set and machines sleep: a far end is looked at again after this.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

/// Why nothing logs in after a person's logout.
const LOGGED_OUT: &str = "a person logged out; ordergate login brings the session back";

/// What a login call came to.
enum End {
    In(replies::Login),
    Refused(String),
    Later(String),
}

impl Session {
    /// Owns the session until the account's runtime ends.
    pub async fn run(&self) {
        self.load();
        loop {
            let step = self.next();
            match step {
                Step::Prove => self.prove().await,
                Step::Login => self.quick().await,
                Step::Wait => self.wake.notified().await,
                Step::WaitUntil(at) => {
                    let left = at.signed_duration_since(self.now()).to_std().unwrap_or_default();
                    let _woken = tokio::time::timeout(left.min(LONGEST_SLEEP), self.wake.notified()).await;
                }
            }
        }
    }

    /// Decides and begins in one step, so that no order call takes off in between.
    fn next(&self) -> Step {
        let mut machine = self.machine.lock();
        let flights = self.orders_under_way.load(std::sync::atomic::Ordering::Acquire);
        let step = match (machine.next(self.now(), flights), self.no_login_before(&machine)) {
            (Step::Login, Some(at)) => Step::WaitUntil(at),
            (step, _) => step,
        };
        match step {
            Step::Prove => machine.begin(Busy::Proof),
            Step::Login => machine.begin(Busy::Login),
            Step::Wait | Step::WaitUntil(_) => {}
        }
        step
    }

    /// What it would do at that time, as things stand now.
    #[cfg(test)]
    pub fn would_do(&self, at: DateTime<Utc>) -> Step {
        self.machine.lock().next(at, self.orders_under_way.load(Ordering::Acquire))
    }

    fn load(&self) {
        if self.vault.is_logged_out() {
            self.machine.lock().logged_out(LOGGED_OUT.to_owned());
            return self.announce();
        }
        match self.vault.load(self.now()) {
            Ok(Some((text, ends_at))) => self.machine.lock().kept(text, ends_at),
            Ok(None) => {}
            Err(error) => tracing::warn!(event = "kept_token_unusable", "the kept token of the broker cannot be used: {error}"),
        }
        self.announce();
    }

    /// One read with the token that we have. Only the broker's word makes it dead.
    async fn prove(&self) {
        let now = self.now();
        let token = self.machine.lock().token(now).cloned();
        let Some(token) = token else {
            self.machine.lock().failed(now, "the token has ended".to_owned());
            return;
        };
        let body = match self.encoder.user_details() {
            Ok(body) => body,
            Err(error) => return self.refused(error.to_string()),
        };
        self.goes_aside();
        let delivery = self.http.post(&body, Some(&token.text), self.settings.timeouts.read).await;
        match delivery {
            Delivery::Replied { status, body } => self.proof(&token, status, &body, now),
            Delivery::NotWritten(words) | Delivery::Lost(words) => self.failed(words),
        }
    }

    fn proof(&self, token: &Token, status: u16, body: &[u8], asked_at: DateTime<Utc>) {
        let reply = ObjectReply::read(status, body);
        self.learn(token.number, reply.class(), reply.request_time(), asked_at);
        self.heed(&reply);
        match reply {
            ObjectReply::Ok(fields) => {
                if let Some(address) = fields.text("ipaddr").and_then(|text| text.parse().ok()) {
                    self.saw_address(address, self.now());
                }
                self.machine.lock().proved(token.number);
                self.announce();
            }
            // `learn` has dealt with the token.
            ObjectReply::NotOk(refusal) if refusal.class == ErrorClass::SessionExpired => self.machine.lock().end_step(),
            ObjectReply::NotOk(refusal) => self.failed(refusal.emsg),
            // A firewall answers 403 to whom it pleases; only a 401 speaks of the token at all.
            ObjectReply::Garbled(garbled) if garbled.status == 401 => self.turned_away(token.number, garbled.to_string()),
            ObjectReply::Garbled(garbled) => self.failed(garbled.to_string()),
        }
    }

    /// Too many calls came: that holds for all others too.
    fn heed(&self, reply: &ObjectReply) {
        let Some(window) = reply.class().and_then(ErrorClass::window) else { return };
        match reply {
            ObjectReply::NotOk(refusal) => self.limited(window, refusal.emsg.clone()),
            ObjectReply::Garbled(garbled) => self.limited(window, garbled.to_string()),
            ObjectReply::Ok(_) => {}
        }
    }

    fn failed(&self, words: String) {
        tracing::warn!(event = "broker_login_later", uid = self.settings.credentials.uid, "no broker session yet: {words}");
        let now = self.now();
        self.machine.lock().failed(now, words);
        self.announce();
    }

    /// The gateway does not take the token, and the broker has not said that it is dead.
    fn turned_away(&self, number: u64, words: String) {
        let (now, uid) = (self.now(), &self.settings.credentials.uid);
        tracing::warn!(event = "broker_token_not_taken", uid, "the proof of the broker session met a gateway: {words}");
        let given_up = self.machine.lock().turned_away(number, now, words);
        if let Some(since) = given_up {
            self.vault.forget();
            let text = format!(
                "since {since} a gateway before the broker answers 401 without a word to every proof of the session; its token is given up, \
                 and the next login makes a new one"
            );
            self.notices().say(Level::Warn, "ALARM_TOKEN_NOT_TAKEN", text);
        }
        self.announce();
    }

    fn refused(&self, words: String) {
        tracing::error!(
            event = "broker_login_refused",
            uid = self.settings.credentials.uid,
            "the broker refuses the login: {words}; it is not tried again until a person asks for it"
        );
        let text = format!("the broker refuses the login ({words}); it is not tried again until a person logs in");
        self.notices().say(Level::Page, "ALARM_LOGIN_REFUSED", text);
        self.is_asked_for.store(false, Ordering::Release);
        self.machine.lock().refused(words);
        self.announce();
    }

    async fn quick(&self) {
        match self.quick_body().await {
            Ok(body) => self.finish(self.login_call(&body).await),
            Err(words) => self.finish(End::Refused(words)),
        }
    }

    async fn quick_body(&self) -> Result<Body, String> {
        let credentials = &self.settings.credentials;
        let missing = |name: &str| format!("the setting {name} is missing");
        let password = credentials.password.clone().ok_or_else(|| missing("password"))?;
        let api_key = credentials.api_key.clone().ok_or_else(|| missing("api_key"))?;
        let seed = credentials.totp_secret.as_ref().ok_or_else(|| missing("totp_secret"))?;
        let used = (*self.used_code.lock()).filter(|_| self.settings.codes_once);
        let code = otp::code(seed, self.now(), used).map_err(|error| error.to_string())?;
        tokio::time::sleep(code.wait).await;
        *self.used_code.lock() = Some(code.step);
        let login =
            QuickLogin { password, otp: code.text, vendor: credentials.vendor_code.clone(), api_key, imei: credentials.imei.clone() };
        self.encoder.quick_auth(&login).map_err(|error| error.to_string())
    }

    async fn login_call(&self, body: &Body) -> End {
        let asked_at = self.now();
        self.goes_aside();
        let (status, text) = match self.http.post(body, None, self.settings.timeouts.login).await {
            Delivery::Replied { status, body } => (status, body),
            Delivery::NotWritten(words) => {
                // Nobody has seen its code.
                *self.used_code.lock() = None;
                return End::Later(words);
            }
            Delivery::Lost(words) => return End::Later(words),
        };
        let reply = match self.settings.auth {
            AuthFlow::QuickAuth | AuthFlow::Flattrade => ObjectReply::read(status, &text),
            AuthFlow::OAuth => replies::access_token_reply(status, &text),
        };
        self.learn(0, None, reply.request_time(), asked_at);
        self.heed(&reply);
        match reply {
            ObjectReply::Ok(fields) => {
                let login = match self.settings.auth {
                    AuthFlow::QuickAuth => replies::quick_auth(&fields),
                    AuthFlow::OAuth => replies::access_token(&fields),
                    AuthFlow::Flattrade => replies::api_token(&fields),
                };
                match login {
                    Ok(login) if !login.uid.eq_ignore_ascii_case(&self.settings.credentials.uid) => {
                        End::Refused(format!("the broker logged in {} instead of {}", login.uid, self.settings.credentials.uid))
                    }
                    Ok(login) => End::In(login),
                    Err(error) => End::Later(format!("the broker's answer to the login cannot be used: {error}")),
                }
            }
            ObjectReply::NotOk(refusal) => match refusal.class {
                ErrorClass::RateLimited { .. } | ErrorClass::ServerTimeout => End::Later(refusal.emsg),
                // A refusal that we do not understand is a refusal: another try may lock the account.
                _ => End::Refused(refusal.emsg),
            },
            ObjectReply::Garbled(garbled) => End::Later(garbled.to_string()),
        }
    }

    fn finish(&self, end: End) {
        match end {
            End::In(login) => self.logged_in(&login.token, login.expires_at, login.must_change_password),
            End::Refused(words) => self.refused(words),
            End::Later(words) => self.failed(words),
        }
    }

    fn logged_in(&self, token: &SecretString, told: Option<DateTime<Utc>>, must_change_password: bool) {
        let ends_at = end_of_token(self.now(), told);
        if let Err(error) = self.vault.keep(token, ends_at) {
            tracing::warn!(event = "token_not_kept", "the broker's token could not be kept ({error}); a restart has to log in again");
        }
        self.is_asked_for.store(false, Ordering::Release);
        self.vault.log_in();
        let count = {
            let mut machine = self.machine.lock();
            machine.logged_in(token.clone(), ends_at);
            machine.logins_today(ends_at)
        };
        if count > 1 {
            let text = format!("login number {count} of the token day that ends at {ends_at}: one is enough if no other program logs in");
            self.notices().say(Level::Warn, "ALARM_EXTRA_LOGIN", text);
        }
        tracing::info!(event = "broker_logged_in", uid = self.settings.credentials.uid, %ends_at, "logged in to the broker");
        if must_change_password {
            tracing::warn!(event = "broker_password_due", "the broker wants the password changed soon");
        }
        self.announce();
    }

    /// Finishes a login that a person began: exchanges the code of the redirect. A code is tried once.
    ///
    /// # Errors
    /// [`LoginError`].
    pub async fn take_code(&self, code: String) -> Result<String, LoginError> {
        let credentials = &self.settings.credentials;
        if !self.settings.auth.needs_person() {
            return Err(LoginError::Refused("this account logs in with a password and takes no code".to_owned()));
        }
        let secret = credentials.client_secret.clone().ok_or_else(|| LoginError::Refused("client_secret is missing".to_owned()))?;
        let login = OAuthLogin { client_id: credentials.client_id.clone(), secret, code: SecretString::from(code.trim()) };
        let body = match self.settings.auth {
            AuthFlow::Flattrade => self.encoder.api_token(&login),
            AuthFlow::OAuth | AuthFlow::QuickAuth => self.encoder.access_token(&login),
        };
        let body = body.map_err(|error| LoginError::Refused(error.to_string()))?;
        {
            let mut machine = self.machine.lock();
            // Order calls are held back while a login runs: a session that works is not put aside for a code that may be junk.
            if machine.proven(self.now()).is_some() {
                return Ok(format!("{} is logged in already; the code was not needed", credentials.uid));
            }
            if machine.is_busy() || self.orders_under_way.load(std::sync::atomic::Ordering::Acquire) > 0 {
                return Err(LoginError::Later("an order call or another login is under way; sign in again in a moment".to_owned()));
            }
            machine.begin(Busy::Login);
        }
        match self.login_call(&body).await {
            End::In(login) => {
                let words = format!("logged in as {}", login.uid);
                self.finish(End::In(login));
                Ok(words)
            }
            End::Refused(words) => Err(LoginError::Refused(self.not_taken(words))),
            End::Later(words) => Err(LoginError::Later(self.not_taken(words))),
        }
    }

    /// A person ends the session: the broker is told, the token is forgotten, and nobody logs in again until a person asks.
    ///
    /// # Errors
    /// [`LogoutError`].
    pub async fn log_out(&self) -> Result<String, LogoutError> {
        let body = self.encoder.logout().map_err(|error| LogoutError::Later(error.to_string()))?;
        let token = {
            let mut machine = self.machine.lock();
            if machine.is_busy() || self.orders_under_way.load(Ordering::Acquire) > 0 {
                return Err(LogoutError::Later("an order call or a login is under way; try again in a moment".to_owned()));
            }
            // As for a login: no order takes off beside it.
            machine.begin(Busy::Login);
            machine.token(self.now()).cloned()
        };
        let uid = &self.settings.credentials.uid;
        let Some(token) = token else { return Ok(self.ended(format!("{uid} was not logged in"))) };
        self.goes_aside();
        let words = match self.http.post(&body, Some(&token.text), self.settings.timeouts.login).await {
            Delivery::Replied { status, body } => match ObjectReply::read(status, &body) {
                ObjectReply::Ok(_) => return Ok(self.ended(format!("{uid} is logged out"))),
                ObjectReply::NotOk(refusal) if refusal.class == ErrorClass::SessionExpired => {
                    return Ok(self.ended(format!("the session of {uid} was over already")));
                }
                ObjectReply::NotOk(refusal) => refusal.emsg,
                ObjectReply::Garbled(garbled) => garbled.to_string(),
            },
            Delivery::NotWritten(words) | Delivery::Lost(words) => words,
        };
        self.machine.lock().end_step();
        // It may have been done all the same.
        self.suspect(token.number);
        Err(LogoutError::Later(words))
    }

    fn ended(&self, words: String) -> String {
        tracing::info!(event = "broker_logged_out", uid = self.settings.credentials.uid, "{words}");
        self.vault.forget();
        let kept = self.vault.log_out();
        self.is_asked_for.store(false, Ordering::Release);
        self.machine.lock().logged_out(LOGGED_OUT.to_owned());
        self.announce();
        match kept {
            Ok(()) => words,
            Err(error) => format!("{words}; it could not be written down ({error}): an ordergate that starts again may log in by itself"),
        }
    }

    /// The next code may be right, and a kept token is proven as if nobody had come.
    fn not_taken(&self, words: String) -> String {
        tracing::warn!(event = "broker_code_refused", uid = self.settings.credentials.uid, "a login code was not taken: {words}");
        self.machine.lock().end_step();
        self.announce();
        words
    }
}
