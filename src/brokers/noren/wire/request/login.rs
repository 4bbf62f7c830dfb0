//! Login and logout (Noren protocol reference, sections 2.1 to 2.3).

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use super::super::encode::{Body, EncodeError, Value};
use super::{Encoder, source, text};

/// What a legacy login with a one-time code needs.
#[derive(Debug, Clone)]
pub struct QuickLogin {
    /// The password, as the person types it.
    pub password: SecretString,
    /// The current one-time code.
    pub otp: SecretString,
    /// The vendor code (`FA12345_U`).
    pub vendor: String,
    /// The API key of the vendor code.
    pub api_key: SecretString,
    /// Any text that names this machine.
    pub imei: String,
}

/// What turns the code of a login in the browser into a token.
#[derive(Debug, Clone)]
pub struct OAuthLogin {
    /// The client id (`FA12345_U`).
    pub client_id: String,
    /// Its secret.
    pub secret: SecretString,
    /// The code of the redirect, to be used once.
    pub code: SecretString,
}

impl Encoder {
    /// `QuickAuth`: a token for a password and a one-time code.
    ///
    /// # Errors
    /// [`EncodeError`] when a field is blank.
    pub fn quick_auth(&self, login: &QuickLogin) -> Result<Body, EncodeError> {
        let key = sha256_hex(&[&self.account.uid, "|", login.api_key.expose_secret()]);
        let pairs = vec![
            ("source", text("API")),
            ("apkversion", text("1.0.0")),
            self.uid(),
            ("pwd", Value::Secret(sha256_hex(&[login.password.expose_secret()]))),
            ("factor2", secret(&login.otp)),
            ("vc", text(&login.vendor)),
            ("appkey", Value::Secret(key)),
            ("imei", Value::Secret(login.imei.clone())),
        ];
        self.body("QuickAuth", &pairs)
    }

    /// `GenAcsTok`: a token for the code of a login in the browser.
    ///
    /// # Errors
    /// [`EncodeError`] when a field is blank.
    pub fn access_token(&self, login: &OAuthLogin) -> Result<Body, EncodeError> {
        let checksum = sha256_hex(&[&login.client_id, login.secret.expose_secret(), login.code.expose_secret()]);
        let pairs = vec![("code", secret(&login.code)), ("checksum", Value::Secret(checksum)), self.uid()];
        self.body("GenAcsTok", &pairs)
    }

    /// Flattrade's `apitoken`: a token for the code of a login in the browser. Its field `api_secret` holds no secret but a hash of it.
    ///
    /// # Errors
    /// [`EncodeError`] when a field is blank.
    pub fn api_token(&self, login: &OAuthLogin) -> Result<Body, EncodeError> {
        let hash = sha256_hex(&[&login.client_id, login.code.expose_secret(), login.secret.expose_secret()]);
        let pairs = vec![
            ("api_key", Value::Secret(login.client_id.clone())),
            ("request_code", secret(&login.code)),
            ("api_secret", Value::Secret(hash)),
        ];
        Body::plain("apitoken", &pairs)
    }

    /// `Logout`.
    ///
    /// # Errors
    /// [`EncodeError`] when a field is blank.
    pub fn logout(&self) -> Result<Body, EncodeError> {
        self.body("Logout", &vec![self.uid(), source()])
    }

    /// `UserDetails`: a cheap read that proves a session.
    ///
    /// # Errors
    /// [`EncodeError`] when a field is blank.
    pub fn user_details(&self) -> Result<Body, EncodeError> {
        self.body("UserDetails", &vec![self.uid()])
    }
}

fn secret(value: &SecretString) -> Value {
    Value::Secret(value.expose_secret().to_owned())
}

/// Lower-case hex of the SHA-256 of the parts, one after the other.
fn sha256_hex(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.as_bytes());
    }
    hash.finalize().iter().fold(String::with_capacity(64), |mut hex, byte| {
        // Writing to a String cannot fail.
        let _ = fmt::Write::write_fmt(&mut hex, format_args!("{byte:02x}"));
        hex
    })
}
