//! What commands show: lines and tables, ruled on a terminal, plain elsewhere.

use std::io::{self, IsTerminal, Write};

use comfy_table::{Table, presets};
use ordergate_actors::order::{OrderRecord, Tag, clean};

/// The longest text of a cell.
const CELL: usize = 120;

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
        let mut table = Table::new();
        table.load_style(if self.is_terminal { presets::UTF8_FULL_CONDENSED } else { presets::NOTHING });
        table.set_header(header.iter().copied());
        // Texts from outside must not steer the terminal.
        table.add_rows(rows.into_iter().map(|row| row.iter().map(|cell| clean(cell, CELL)).collect::<Vec<_>>()));
        let text = table.trim_fmt();
        self.line(text)
    }

    pub(super) fn show(&mut self) -> io::Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(std::mem::take(&mut self.text).as_bytes())?;
        out.flush()
    }
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
    order.tag.map_or("", Tag::remedy)
}
