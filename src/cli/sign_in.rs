//! A sign-in at the broker's page while no engine runs: the link is shown, and what the page ends on is pasted.

use std::io::{self, BufRead as _};

use serde_json::json;

use super::print::Page;
use crate::brokers::connection::{Connection, LoginError};
use crate::squareoff::SquareOffLog;

/// The longest code that is taken.
const LONGEST: usize = 512;

/// Logs in with what is configured; where a person must sign in, shows the link and takes the code. Without one, or with a broker that
/// does not answer, it goes on with the session that there is, which may come.
///
/// # Errors
/// The terminal, or the log, cannot be used.
pub(super) async fn sign_in(connection: &dyn Connection, page: &mut Page, log: &mut SquareOffLog) -> anyhow::Result<()> {
    let Err(LoginError::NeedsPerson(link)) = connection.login().await else { return Ok(()) };
    page.line(format!("a person must sign in. Open this and sign in:\n{link}"));
    page.line("Then paste the address of the page that it ends on (an error is shown there: nothing listens), or the code in it.");
    page.line("Enter alone: go on with the session of before, if there is one.").show()?;
    loop {
        let Some(code) = tokio::task::spawn_blocking(pasted).await?? else { return Ok(()) };
        match connection.take_code(code).await {
            Ok(words) => {
                log.write(json!({ "event": "SIGNED_IN", "session": words }))?;
                page.line(words).show()?;
                return Ok(());
            }
            Err(error) => {
                log.write(json!({ "event": "SIGN_IN_FAILED", "cause": error.to_string() }))?;
                page.line(format!("{error}; sign in again with the same link, and paste what it ends on")).show()?;
            }
        }
    }
}

/// The code of the next line; `None`: an empty one, or the end of the input.
fn pasted() -> io::Result<Option<String>> {
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    Ok(code(&line))
}

/// The code in what was pasted: the address with it, or the code itself.
fn code(text: &str) -> Option<String> {
    let text = text.trim();
    let address = reqwest::Url::parse(text).ok().filter(reqwest::Url::has_host);
    let code = match address {
        Some(url) => url.query_pairs().find(|(name, _)| name == "code").map(|(_, code)| code.into_owned())?,
        None => text.to_owned(),
    };
    let is_usable = (1..=LONGEST).contains(&code.len()) && code.chars().all(|c| c.is_ascii_graphic());
    is_usable.then_some(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_is_found_in_the_address_that_the_page_ends_on() {
        for (text, found) in [
            ("https://127.0.0.1:8443/dashboard/broker/callback/A1?code=abc-123&state=x\n", Some("abc-123")),
            ("http://localhost/?client=FA1&code=a%2Bb", Some("a+b")),
            ("  abc-123  \n", Some("abc-123")),
            ("https://127.0.0.1/?error=denied", None),
            ("https://127.0.0.1/?code=", None),
            ("two words", None),
            ("\n", None),
            ("", None),
        ] {
            assert_eq!(code(text).as_deref(), found, "{text:?}");
        }
        assert_eq!(code(&"a".repeat(513)), None);
    }
}
