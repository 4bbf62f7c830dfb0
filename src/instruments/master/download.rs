//! Fetches one exchange's master: no sign-in, one attempt, bounded in size and time. It is stored only when it is whole.

use std::path::PathBuf;
use std::time::Duration;

use chrono::NaiveDate;
use ordergate_actors::order::Exchange;
use reqwest::redirect::Policy;

use super::archive::{BadArchive, unpack};
use super::store;
use super::{BadFacts, BadRow, EquityTick, Facts, Refused, parse, plausible};

/// The largest archive: the largest known is about 2 MB.
const ARCHIVE_MAX: usize = 64 * 1024 * 1024;
/// The largest text: the largest known is about 10 MB.
const TEXT_MAX: u64 = 256 * 1024 * 1024;
const CONNECT: Duration = Duration::from_secs(10);
const WHOLE: Duration = Duration::from_secs(120);

/// Why a master was not fetched. What was stored before stays in force.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The address is none.
    #[error("{0:?} is not an address such as https://api.shoonya.com")]
    Address(String),
    /// No answer, or it broke off.
    #[error("{url}: {cause}")]
    Http {
        /// What was asked for.
        url: String,
        /// What went wrong.
        cause: String,
    },
    /// Another answer than the file.
    #[error("{url} answered {status}")]
    Status {
        /// What was asked for.
        url: String,
        /// The answer.
        status: u16,
    },
    /// More than any master.
    #[error("{url} sent more than {ARCHIVE_MAX} bytes")]
    TooLarge {
        /// What was asked for.
        url: String,
    },
    /// The archive.
    #[error(transparent)]
    Archive(#[from] BadArchive),
    /// The file in it.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The built-in facts.
    #[error(transparent)]
    Facts(#[from] BadFacts),
    /// The disk.
    #[error("it cannot be stored: {0}")]
    Io(#[from] std::io::Error),
}

/// What was fetched and stored.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// Of which exchange.
    pub exchange: Exchange,
    /// Of which day.
    pub day: NaiveDate,
    /// Rows that can be used.
    pub rows: usize,
    /// Placeholder rows.
    pub blank: usize,
    /// Rows of things that are not traded.
    pub skipped: usize,
    /// The first rows that cannot be read.
    pub bad: Vec<BadRow>,
    /// How many cannot be read.
    pub bad_count: usize,
}

/// Fetches masters from one address into one directory.
#[derive(Debug, Clone)]
pub struct Downloader {
    client: reqwest::Client,
    base: String,
    directory: PathBuf,
    tick: EquityTick,
}

impl Downloader {
    /// Fetches from `base` (`<base>/NFO_symbols.txt.zip`) into the directory of masters.
    ///
    /// # Errors
    /// [`FetchError::Address`] when the base is not an http or https address.
    pub fn new(base: &str, directory: PathBuf, tick: EquityTick) -> Result<Self, FetchError> {
        let bad = || FetchError::Address(base.to_owned());
        let url: reqwest::Url = base.trim().parse().map_err(|_| bad())?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(bad());
        }
        let client = reqwest::Client::builder().connect_timeout(CONNECT).timeout(WHOLE).redirect(Policy::none()).no_proxy().build();
        let client = client.map_err(|error| FetchError::Http { url: base.to_owned(), cause: chain(&error) })?;
        Ok(Self { client, base: url.as_str().trim_end_matches('/').to_owned(), directory, tick })
    }

    /// The directory of masters.
    #[must_use]
    pub fn directory(&self) -> &PathBuf {
        &self.directory
    }

    pub(super) fn tick(&self) -> EquityTick {
        self.tick
    }

    /// Fetches one exchange's master and stores it as of that day, if it is whole and plausible. One attempt.
    ///
    /// # Errors
    /// [`FetchError`]; nothing was stored then.
    pub async fn fetch(&self, exchange: Exchange, day: NaiveDate) -> Result<Fetched, FetchError> {
        let archive = self.get(format!("{}/{exchange}_symbols.txt.zip", self.base)).await?;
        let this = self.clone();
        let stored = tokio::task::spawn_blocking(move || this.take(&archive, exchange, day)).await;
        stored.unwrap_or_else(|error| Err(FetchError::Io(std::io::Error::other(error))))
    }

    async fn get(&self, url: String) -> Result<Vec<u8>, FetchError> {
        let failed = |error: reqwest::Error| FetchError::Http { url: url.clone(), cause: chain(&error.without_url()) };
        let mut answer = self.client.get(&url).send().await.map_err(failed)?;
        if answer.status() != reqwest::StatusCode::OK {
            return Err(FetchError::Status { status: answer.status().as_u16(), url });
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(failed)? {
            if bytes.len() + chunk.len() > ARCHIVE_MAX {
                return Err(FetchError::TooLarge { url });
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }

    fn take(&self, archive: &[u8], exchange: Exchange, day: NaiveDate) -> Result<Fetched, FetchError> {
        let facts = Facts::built_in()?;
        let text = unpack(archive, TEXT_MAX)?;
        let parsed = parse(&text, exchange, self.tick, &facts)?;
        plausible(&parsed, store::rows_before(&self.directory, exchange, day, self.tick, &facts))?;
        store::write(&self.directory, day, exchange, &text)?;
        Ok(Fetched {
            exchange,
            day,
            rows: parsed.rows.len(),
            blank: parsed.blank,
            skipped: parsed.skipped,
            bad: parsed.bad,
            bad_count: parsed.bad_count,
        })
    }
}

/// The error with what caused it: a client's own words alone say little.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

#[cfg(test)]
#[path = "download_tests.rs"]
mod tests;
