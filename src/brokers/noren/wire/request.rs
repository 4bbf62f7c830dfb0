//! The requests that ordergate makes. All values are strings, a number that does not apply is `"0"` or left out
//! (Noren protocol reference, sections 2 to 5).

mod books;
mod login;
mod market;
mod orders;

pub use login::{OAuthLogin, QuickLogin};
pub use orders::MarginLeg;

use super::encode::{Ampersand, Body, EncodeError, Pairs, Value};

/// Whose account it is. The two are equal for a retail client, and still two things.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The user who logs in.
    pub uid: String,
    /// The account that trades.
    pub actid: String,
}

/// Builds requests of one account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoder {
    account: Account,
    ampersand: Ampersand,
}

impl Encoder {
    /// For that account, with `&`, `%` and `+` written in that way.
    #[must_use]
    pub fn new(account: Account, ampersand: Ampersand) -> Self {
        Self { account, ampersand }
    }

    /// The account.
    #[must_use]
    pub fn account(&self) -> &Account {
        &self.account
    }

    fn body(&self, route: &'static str, pairs: &Pairs) -> Result<Body, EncodeError> {
        Body::new(route, pairs, self.ampersand)
    }

    fn uid(&self) -> (&'static str, Value) {
        ("uid", text(&self.account.uid))
    }

    fn actid(&self) -> (&'static str, Value) {
        ("actid", text(&self.account.actid))
    }
}

/// Where the order is said to come from.
fn source() -> (&'static str, Value) {
    ("ordersource", text("API"))
}

fn text(value: impl ToString) -> Value {
    Value::Text(value.to_string())
}

fn symbol(value: &str) -> Value {
    Value::Symbol(value.to_owned())
}
