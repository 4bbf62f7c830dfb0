//! Quotes and instruments (Noren protocol reference, section 5.1).

use ordergate_actors::order::{Exchange, InstrumentKey, Price};

use super::super::encode::{Body, EncodeError};
use super::{Encoder, symbol, text};

impl Encoder {
    /// `GetQuotes`.
    ///
    /// # Errors
    /// [`EncodeError`] when a field is blank.
    pub fn quote(&self, exchange: Exchange, token: u32) -> Result<Body, EncodeError> {
        self.body("GetQuotes", &vec![self.uid(), ("exch", text(exchange)), ("token", text(token))])
    }

    /// `GetSecurityInfo`.
    ///
    /// # Errors
    /// [`EncodeError`] when a field is blank.
    pub fn security_info(&self, exchange: Exchange, token: u32) -> Result<Body, EncodeError> {
        self.body("GetSecurityInfo", &vec![self.uid(), ("exch", text(exchange)), ("token", text(token))])
    }

    /// `SearchScrip`.
    ///
    /// # Errors
    /// [`EncodeError`] when the words are blank.
    pub fn search(&self, exchange: Exchange, words: &str) -> Result<Body, EncodeError> {
        self.body("SearchScrip", &vec![self.uid(), ("stext", symbol(words)), ("exch", text(exchange))])
    }

    /// `GetOptionChain`: so many strikes on each side of the middle, of the expiry of `contract`.
    ///
    /// # Errors
    /// [`EncodeError`] when a field is blank.
    pub fn option_chain(&self, contract: &InstrumentKey, middle: Price, strikes: u16) -> Result<Body, EncodeError> {
        let pairs = vec![
            self.uid(),
            ("exch", text(contract.exchange)),
            ("tsym", symbol(&contract.symbol)),
            ("strprc", text(middle)),
            ("cnt", text(strikes)),
        ];
        self.body("GetOptionChain", &pairs)
    }
}
