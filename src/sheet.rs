//! Rows for a spreadsheet: CSV as RFC 4180 has it, and no cell that one would run as a formula.

use ordergate_actors::order::OrderRecord;
use ordergate_actors::persistence::chain::stored_time;
use ordergate_actors::ports::JournalRow;

/// The columns of [`journal`].
pub const JOURNAL: &str = "client_id,seq,prev_hash,at,event,command_id,signal_id,from,to,tag,reason,who,inputs";
/// The columns of [`order`].
pub const ORDER: &str = "client_id,number,command_id,created_at,strategy,execution_type,exchange,symbol,side,quantity,product,\
    order_type,price,trigger_price,stop_loss,target,status,tag,reason,filled_quantity,average_price,broker_order_id,broker_tag,\
    source,user,signal_id,basket_id,parent_command_id,signal_time,sent_at,updated_at";

/// One line, without its end.
#[must_use]
pub fn line(cells: &[&str]) -> String {
    cells.iter().map(|text| cell(text)).collect::<Vec<_>>().join(",")
}

/// A value that may not be there; then the cell is empty.
#[must_use]
pub fn maybe<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

/// Quoted where it must be. A spreadsheet takes a text that begins like this for a formula, so it gets a quote in front; a number
/// below zero stays a number.
fn cell(text: &str) -> String {
    let begins_one = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let text = if begins_one && !is_negative(text) { format!("'{text}") } else { text.to_owned() };
    if text.contains(['"', ',', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

fn is_negative(text: &str) -> bool {
    let Some(digits) = text.strip_prefix('-') else { return false };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    [whole, fraction].iter().all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
}

/// A row of the journal. Its hash is over the stored bytes, so `journal verify` checks those, not these.
#[must_use]
pub fn journal(row: &JournalRow) -> String {
    let hash: String = row.prev_hash.iter().map(|byte| format!("{byte:02x}")).collect();
    line(&[
        row.client_id.as_ref().map_or("", |client| client.as_str()),
        &row.seq.to_string(),
        &hash,
        &stored_time(row.at),
        &row.event,
        &maybe(row.command_id),
        &maybe(row.signal_id),
        row.from.map_or("", |status| status.as_str()),
        row.to.map_or("", |status| status.as_str()),
        row.tag.map_or("", |tag| tag.as_str()),
        row.reason.as_deref().unwrap_or_default(),
        &row.who,
        &row.inputs,
    ])
}

/// An order as it stands.
#[must_use]
pub fn order(order: &OrderRecord) -> String {
    let ask = &order.ask;
    line(&[
        order.client_id.as_str(),
        &order.number.to_string(),
        &order.command_id.to_string(),
        &stored_time(order.created_at),
        ask.strategy.as_str(),
        ask.intent.map_or("", |word| word.as_str()),
        ask.exchange.map_or("", |word| word.as_str()),
        &ask.symbol,
        ask.side.map_or("", |word| word.as_str()),
        &maybe(ask.quantity),
        ask.product.map_or("", |word| word.as_str()),
        ask.order_type.map_or("", |word| word.as_str()),
        &maybe(ask.price),
        &maybe(ask.trigger_price),
        &maybe(ask.stop_loss),
        &maybe(ask.target),
        order.status.as_str(),
        order.tag.map_or("", |tag| tag.as_str()),
        order.reason.as_deref().unwrap_or_default(),
        &order.filled_quantity.to_string(),
        &maybe(order.average_price),
        order.broker_order_id.as_ref().map_or("", |id| id.as_str()),
        order.broker_tag.as_str(),
        order.source.as_str(),
        &order.user,
        &order.signal_id.to_string(),
        &order.basket_id.to_string(),
        &maybe(order.parent_command_id),
        &stored_time(order.signal_time),
        &order.sent_at.map_or_else(String::new, stored_time),
        &stored_time(order.updated_at),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    #[test]
    fn a_cell_is_quoted_and_never_a_formula() {
        for (text, written) in [
            ("plain", "plain"),
            ("a,\"b\"", "\"a,\"\"b\"\"\""),
            ("=cmd()", "'=cmd()"),
            ("-12.50", "-12.50"),
            ("-7", "-7"),
            ("-1+cmd()", "'-1+cmd()"),
            ("-", "'-"),
            ("-.5", "'-.5"),
            ("+1", "'+1"),
        ] {
            assert_eq!(cell(text), written);
        }
    }

    proptest! {
        /// Whatever the texts are, a reader of CSV finds them again, each in its column.
        #[test]
        fn prop_a_line_reads_back(texts in proptest::collection::vec(any::<String>(), 1..6)) {
            let cells: Vec<&str> = texts.iter().map(String::as_str).collect();
            let written = format!("{}\r\n", line(&cells));
            let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(written.as_bytes());
            let read: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
            // A line of one empty cell is an empty line.
            if texts.len() > 1 || !texts[0].is_empty() {
                prop_assert_eq!(read.len(), 1);
                prop_assert_eq!(read[0].len(), texts.len());
                for (cell, text) in read[0].iter().zip(&texts) {
                    prop_assert!(cell == text || cell.strip_prefix('\'') == Some(text));
                }
            }
        }
    }
}
