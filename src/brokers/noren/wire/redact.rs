//! What must never be written down, and texts without it (Noren protocol reference, section 10).

/// What stands in for a secret.
pub const MASK: &str = "***";

/// Fields, out or in, whose value is a secret or personal.
const SECRET: &[&str] = &[
    "pwd",
    "factor2",
    "appkey",
    "jkey",
    "code",
    "checksum",
    "susertoken",
    "accesstoken",
    "access_token",
    "refresh_token",
    "usertoken",
    "apikey",
    "secret",
    "api_key",
    "api_secret",
    "request_code",
    "totp",
    "pan",
    "dob",
    "email",
    "ipaddr",
    "imei",
    "uname",
    "mobile",
    "m_num",
];

/// A run of letters and digits of this length is taken for a token: order and exchange numbers are shorter.
const TOKEN_LENGTH: usize = 24;

/// Whether the value of that field must not be shown.
#[must_use]
pub fn is_secret(field: &str) -> bool {
    SECRET.iter().any(|secret| secret.eq_ignore_ascii_case(field))
}

/// A text of any shape (a cut reply, a gateway's page) for a person: one line, no tokens, at most `max` characters.
#[must_use]
pub fn snippet(text: &str, max: usize) -> String {
    // What is far behind the cut is not worth the walk: a page of a gateway can be large.
    let near: String = text.chars().take(max.saturating_mul(8)).collect();
    cut(&line(&mask_runs(&mask_fields(&near))), max)
}

/// One line: control characters and runs of blanks become one blank.
#[must_use]
pub fn line(text: &str) -> String {
    text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// The first `max` characters, and a sign that there were more.
#[must_use]
pub fn cut(text: &str, max: usize) -> String {
    let mut short: String = text.chars().take(max).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

/// Masks what follows `"name"` in a text that is JSON or was once.
fn mask_fields(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut parts = text.split('"');
    out.push_str(parts.next().unwrap_or_default());
    let mut hides = false;
    for part in parts {
        out.push('"');
        let is_separator = part.trim() == ":";
        if hides && !is_separator {
            out.push_str(&masked(part));
        } else {
            out.push_str(part);
        }
        hides = (hides && is_separator) || is_secret(part.trim());
    }
    out
}

/// A bare number after a secret's colon (`": 123456,`) is hidden up to its end; a quoted value whole.
fn masked(part: &str) -> String {
    match part.trim_start().strip_prefix(':') {
        Some(bare) => {
            let end = bare.find([',', '}', ']']).unwrap_or(bare.len());
            format!(":{MASK}{}", bare.get(end..).unwrap_or_default())
        }
        None => MASK.to_owned(),
    }
}

fn mask_runs(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut run = String::new();
    for c in text.chars().chain(std::iter::once(' ')) {
        if c.is_ascii_alphanumeric() {
            run.push(c);
            continue;
        }
        out.push_str(if run.len() >= TOKEN_LENGTH { MASK } else { &run });
        run.clear();
        out.push(c);
    }
    out.pop();
    out
}
