//! What a login answers (Noren protocol reference, sections 2.1 and 2.2).

use chrono::{DateTime, Utc};
use ordergate_actors::order::{Exchange, Product};
use secrecy::SecretString;

use super::reply::ObjectReply;
use super::scalar::{FieldError, Fields};
use super::time;

/// A session at the broker.
#[derive(Debug, Clone)]
pub struct Login {
    /// The token of every call.
    pub token: SecretString,
    /// The user.
    pub uid: String,
    /// The account that trades.
    pub actid: String,
    /// When the token dies, if told.
    pub expires_at: Option<DateTime<Utc>>,
    /// The exchanges that the account may use, of those that ordergate knows.
    pub exchanges: Vec<Exchange>,
    /// The products that the account may use, of those that ordergate knows.
    pub products: Vec<Product>,
    /// Whether the broker wants the password changed.
    pub must_change_password: bool,
    /// The broker's clock.
    pub request_time: Option<DateTime<Utc>>,
}

/// Reads the body of a `GenAcsTok` reply, which may lack `stat`.
#[must_use]
pub fn access_token_reply(status: u16, body: &[u8]) -> ObjectReply {
    ObjectReply::read_proven_by(status, body, "access_token")
}

/// Reads the reply of `QuickAuth`.
///
/// # Errors
/// [`FieldError`] when there is no token or no user.
pub fn quick_auth(fields: &Fields) -> Result<Login, FieldError> {
    login(fields, fields.require("susertoken")?)
}

/// Reads the reply of `GenAcsTok`.
///
/// # Errors
/// [`FieldError`] when there is no token or no user.
pub fn access_token(fields: &Fields) -> Result<Login, FieldError> {
    login(fields, fields.require("access_token")?)
}

/// Reads the reply of Flattrade's `apitoken`.
///
/// # Errors
/// [`FieldError`] when there is no token or no user.
pub fn api_token(fields: &Fields) -> Result<Login, FieldError> {
    login(fields, fields.require("token")?)
}

fn login(fields: &Fields, token: String) -> Result<Login, FieldError> {
    let uid = fields.first(&["uid", "USERID", "client"]).ok_or(FieldError::Missing { field: "uid" })?;
    let products = fields.objects("prarr");
    Ok(Login {
        token: SecretString::from(token),
        actid: fields.text("actid").unwrap_or_else(|| uid.clone()),
        uid,
        // An instant in epoch seconds, in spite of its name.
        expires_at: time::first(fields, &["expires_in"]),
        exchanges: fields.texts("exarr").iter().filter_map(|name| Exchange::parse(name)).collect(),
        products: products.iter().filter_map(|row| row.text("prd")).filter_map(|code| Product::parse(&code)).collect(),
        must_change_password: fields.text("spasswordreset").is_some_and(|flag| flag.eq_ignore_ascii_case("Y")),
        request_time: time::first(fields, &["request_time"]),
    })
}
