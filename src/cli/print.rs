//! What commands show: lines and tables, ruled on a terminal, plain elsewhere.

use std::io::{self, IsTerminal, Write};

use comfy_table::{Table, presets};
use ordergate_actors::order::{OrderRecord, clean};

/// The longest text of a cell in a list, and of one that stands beside its name.
const CELL: usize = 120;
const WHOLE: usize = 1_000;

/// What one command shows, gathered and then written at once.
#[derive(Debug)]
pub(super) struct Page {
    text: String,
    is_terminal: bool,
}

impl Page {
    pub(super) fn new() -> Self {
        Self { text: String::new(), is_terminal: io::stdout().is_terminal() }
    }

    pub(super) fn line(&mut self, line: impl AsRef<str>) -> &mut Self {
        self.text.push_str(line.as_ref());
        self.text.push('\n');
        self
    }

    /// A heading with an empty line above it.
    pub(super) fn heading(&mut self, text: impl AsRef<str>) -> &mut Self {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        self.line(text)
    }

    pub(super) fn table(&mut self, header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> &mut Self {
        self.ruled(header, rows, CELL)
    }

    /// Names and what they stand for: nothing of it is cut.
    pub(super) fn fields(&mut self, rows: impl IntoIterator<Item = (&'static str, String)>) -> &mut Self {
        self.ruled(&["field", "value"], rows.into_iter().map(|(name, value)| vec![name.to_owned(), value]), WHOLE)
    }

    fn ruled(&mut self, header: &[&str], rows: impl IntoIterator<Item = Vec<String>>, longest: usize) -> &mut Self {
        let mut table = Table::new();
        table.load_style(if self.is_terminal { presets::UTF8_FULL_CONDENSED } else { presets::NOTHING });
        table.set_header(header.iter().copied());
        // Texts from outside must not steer the terminal.
        table.add_rows(rows.into_iter().map(|row| row.iter().map(|cell| cut(cell, longest)).collect::<Vec<_>>()));
        let text = table.trim_fmt();
        self.line(text)
    }

    #[cfg(test)]
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn show(&mut self) -> io::Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(std::mem::take(&mut self.text).as_bytes())?;
        out.flush()
    }
}

/// A text that steers no terminal; one that is too long says so at its end.
fn cut(text: &str, longest: usize) -> String {
    if text.chars().count() <= longest { clean(text, longest) } else { clean(text, longest - 1) + "…" }
}

/// The columns of [`order_row`].
pub(super) const ORDER: &[&str] = &["created (UTC)", "command", "account", "order", "status", "broker no.", "filled", "words"];

/// One order in one row.
pub(super) fn order_row(order: &OrderRecord) -> Vec<String> {
    vec![
        order.created_at.format("%Y-%m-%d %H:%M:%S").to_string(),
        order.command_id.to_string(),
        order.client_id.to_string(),
        what(order),
        order.status.to_string(),
        order.broker_order_id.as_ref().map(ToString::to_string).unwrap_or_default(),
        format!("{}/{}", order.filled_quantity, order.quantity()),
        words(order),
    ]
}

/// What the order asks for: `ENTRY BUY 10 NSE:RELIANCE-EQ MIS LIMIT 1402.55 (trend)`.
pub(super) fn what(order: &OrderRecord) -> String {
    let ask = &order.ask;
    let symbol = ask.exchange.map_or_else(|| ask.symbol.to_string(), |exchange| format!("{exchange}:{}", ask.symbol));
    let words = [
        ask.intent.map(|word| word.to_string()),
        ask.side.map(|word| word.to_string()),
        ask.quantity.map(|quantity| quantity.to_string()),
        Some(symbol),
        ask.product.map(|word| word.to_string()),
        ask.order_type.map(|word| word.to_string()),
        ask.price.map(|price| price.to_string()),
        ask.trigger_price.map(|price| format!("trigger {price}")),
        ask.test_mode.map(|mode| format!("TEST {mode}")),
        Some(format!("({})", ask.strategy)),
    ];
    words.into_iter().flatten().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Why it is where it is, for people: never a bare FAILED.
pub(super) fn words(order: &OrderRecord) -> String {
    let tag = order.tag.map(|tag| format!("{} ({tag})", tag.words()));
    let parts = [tag, order.reason.as_deref().map(str::to_owned)];
    parts.into_iter().flatten().collect::<Vec<_>>().join(": ")
}

/// What a person can do about it.
pub(super) fn remedy(order: &OrderRecord) -> &'static str {
    ordergate_actors::order::remedy(order).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_that_is_too_long_says_so_and_a_field_is_shown_whole() {
        let (long, steering) = ("x".repeat(200), "a\u{1b}[2Jb".to_owned());
        let mut page = Page { text: String::new(), is_terminal: false };
        page.table(&["words"], [vec![long.clone()], vec!["y".repeat(120)], vec![steering]]);
        let lines: Vec<&str> = page.text.lines().map(str::trim).collect();
        assert_eq!(lines[1], format!("{}…", "x".repeat(119)));
        assert_eq!(lines[2], "y".repeat(120));
        assert!(!page.text.contains('\u{1b}'), "{:?}", page.text);
        page.text.clear();
        page.fields([("words", long.clone())]);
        assert!(page.text.contains(&long), "{}", page.text);
    }
}
