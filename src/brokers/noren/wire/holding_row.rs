//! Shares of earlier days: a row of `Holdings` (Noren protocol reference, section 4.9).

use ordergate_actors::order::InstrumentKey;
use ordergate_actors::ports::DeliveryRow;

use super::order_row::{exchange, instrument};
use super::scalar::{FieldError, Fields};

/// What may be sold, by the broker's own formula, before what is used of it (`usedqty`).
const SALEABLE: [&str; 5] = ["btstqty", "holdqty", "unplgdqty", "benqty", "dpqty"];

/// A row, and what of its units is used: sold today, or on a day before and not delivered yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The row with all of its units.
    pub row: DeliveryRow,
    /// Units that may not be sold any more.
    pub used: i64,
}

impl Held {
    /// What could be sold when the day began. What is sold today is in the position book, as a short; what else is used was gone
    /// before. `sold_today` are the units of all orders of today that sell it, whatever became of them: too many of them leave a
    /// unit here that cannot be sold, too few would take one away that is there.
    #[must_use]
    pub fn at_the_opening(self, sold_today: i64) -> DeliveryRow {
        let gone = self.used.saturating_sub(sold_today.max(0)).max(0);
        DeliveryRow { quantity: self.row.quantity.saturating_sub(gone).max(0), ..self.row }
    }
}

/// Reads a row.
///
/// # Errors
/// [`FieldError`] when no listing or no quantity of it can be read.
pub fn read(fields: &Fields) -> Result<Held, FieldError> {
    let mut quantity = None;
    for name in SALEABLE {
        if let Some(units) = fields.integer(name)? {
            quantity = Some(quantity.unwrap_or(0i64).saturating_add(units));
        }
    }
    let listings = listings(fields)?;
    let quantity = quantity.ok_or(FieldError::Missing { field: "holdqty" })?;
    let used = fields.integer("usedqty")?.unwrap_or(0);
    Ok(Held { row: DeliveryRow { listings, quantity, average_price: fields.non_zero("upldprc")? }, used })
}

/// Where it can be sold. The broker lists shares at exchanges that ordergate does not know, too: what is listed nowhere else is
/// unreadable in its exchange, and so nobody's of ours.
fn listings(fields: &Fields) -> Result<Vec<InstrumentKey>, FieldError> {
    let mut listings = Vec::new();
    let mut elsewhere = None;
    for listing in fields.objects("exch_tsym") {
        match exchange(&listing, "exch") {
            Ok(_) => listings.push(instrument(&listing)?),
            Err(unknown @ FieldError::Wrong { .. }) => elsewhere = Some(unknown),
            Err(missing) => return Err(missing),
        }
    }
    if listings.is_empty() { Err(elsewhere.unwrap_or(FieldError::Missing { field: "exch_tsym" })) } else { Ok(listings) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> Result<DeliveryRow, FieldError> {
        read(&Fields::parse(text).unwrap()).map(|held| held.row)
    }

    #[test]
    fn what_was_sold_on_a_day_before_is_not_there_and_what_is_sold_today_was() {
        let text = r#"{"exch_tsym":[{"exch":"NSE","tsym":"SBIN-EQ"}],"holdqty":"10","usedqty":"USED"}"#;
        let left = |used: &str, sold_today: i64| {
            let held = read(&Fields::parse(&text.replace("USED", used)).unwrap()).unwrap();
            held.at_the_opening(sold_today).quantity
        };
        assert_eq!([left("0", 0), left("10", 0), left("4", 0), left("14", 0)], [10, 0, 6, 0], "nothing is sold today");
        assert_eq!([left("4", 4), left("4", 9), left("7", 4)], [10, 10, 7], "four, or more that were cancelled, are");
        assert_eq!([left("-3", 0), left("", 0)], [10, 10]);
        assert!(read(&Fields::parse(&text.replace("USED", "many")).unwrap()).is_err());
    }

    #[test]
    fn what_may_be_sold_is_the_sum_of_the_brokers_formula_before_todays_sales() {
        let row = read_text(
            r#"{"stat":"Ok","exch_tsym":[{"exch":"NSE","token":"3045","tsym":"SBIN-EQ"},{"exch":"BSE","token":"500112","tsym":"SBIN"}],
                "holdqty":"10","dpqty":"2","npoadqty":"99","colqty":"50","benqty":"3","unplgdqty":"4","brkcolqty":"50","btstqty":"5",
                "btstcolqty":"50","usedqty":"7","upldprc":"801.50"}"#,
        )
        .unwrap();
        assert_eq!((row.quantity, row.average_price.map(|price| price.to_string())), (24, Some("801.50".to_owned())));
        assert_eq!(row.listings.iter().map(ToString::to_string).collect::<Vec<_>>(), ["NSE:SBIN-EQ", "BSE:SBIN"]);
    }

    #[test]
    fn a_share_that_is_listed_nowhere_here_is_a_foreign_row() {
        let share = |listings: &str| read_text(&format!(r#"{{"exch_tsym":[{listings}],"holdqty":"1"}}"#));
        let (ncx, nse) = (r#"{"exch":"NCX","tsym":"X"}"#, r#"{"exch":"NSE","tsym":"M%26M-EQ"}"#);
        let foreign = share(ncx).unwrap_err();
        assert!(super::super::reply::unreadable(&Fields::parse("{}").unwrap(), &foreign).is_foreign, "{foreign}");
        let both = share(&format!("{ncx},{nse}")).unwrap();
        assert_eq!(both.listings.iter().map(ToString::to_string).collect::<Vec<_>>(), ["NSE:M&M-EQ"]);
        // What lacks its name could be any share.
        for broken in [r#"{"exch":"NSE"}"#, r#"{"tsym":"SBIN-EQ"}"#, ""] {
            let error = share(broken).unwrap_err();
            assert!(!super::super::reply::unreadable(&Fields::parse("{}").unwrap(), &error).is_foreign, "{broken}: {error}");
        }
    }

    #[test]
    fn a_row_without_a_quantity_or_a_listing_is_not_read_as_none() {
        let one = r#"{"exch_tsym":[{"exch":"NSE","tsym":"SBIN-EQ"}],"holdqty":"1"}"#;
        assert_eq!(read_text(one).unwrap().average_price, None);
        assert!(read_text(r#"{"exch_tsym":[{"exch":"NSE","tsym":"SBIN-EQ"}]}"#).is_err());
        assert!(read_text(r#"{"exch_tsym":[{"exch":"NCX","tsym":"X"}],"holdqty":"1"}"#).is_err());
        assert!(read_text(r#"{"holdqty":"1"}"#).is_err());
        assert!(read_text(r#"{"exch_tsym":[{"exch":"NSE","tsym":"SBIN-EQ"}],"holdqty":"many"}"#).is_err());
    }
}
