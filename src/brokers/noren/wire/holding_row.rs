//! Shares of earlier days: a row of `Holdings` (Noren protocol reference, section 4.9).

use ordergate_actors::order::{Exchange, InstrumentKey};
use ordergate_actors::ports::DeliveryRow;

use super::scalar::{FieldError, Fields};

/// What may be sold, by the broker's own formula, before what was sold of it today (`usedqty`): that is in the position
/// book, as a short.
const SALEABLE: [&str; 5] = ["btstqty", "holdqty", "unplgdqty", "benqty", "dpqty"];

/// Reads a row.
///
/// # Errors
/// [`FieldError`] when no listing or no quantity of it can be read.
pub fn read(fields: &Fields) -> Result<DeliveryRow, FieldError> {
    let mut quantity = None;
    for name in SALEABLE {
        if let Some(units) = fields.integer(name)? {
            quantity = Some(quantity.unwrap_or(0i64).saturating_add(units));
        }
    }
    // The broker lists shares at exchanges that ordergate does not know, too.
    let listings: Vec<InstrumentKey> = fields
        .objects("exch_tsym")
        .iter()
        .filter_map(|listing| Some(InstrumentKey::new(Exchange::parse(&listing.text("exch")?)?, &listing.text("tsym")?)))
        .collect();
    if listings.is_empty() {
        return Err(FieldError::Missing { field: "exch_tsym" });
    }
    let quantity = quantity.ok_or(FieldError::Missing { field: "holdqty" })?;
    Ok(DeliveryRow { listings, quantity, average_price: fields.non_zero("upldprc")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> Result<DeliveryRow, FieldError> {
        read(&Fields::parse(text).unwrap())
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
    fn a_row_without_a_quantity_or_a_listing_is_not_read_as_none() {
        let one = r#"{"exch_tsym":[{"exch":"NSE","tsym":"SBIN-EQ"}],"holdqty":"1"}"#;
        assert_eq!(read_text(one).unwrap().average_price, None);
        assert!(read_text(r#"{"exch_tsym":[{"exch":"NSE","tsym":"SBIN-EQ"}]}"#).is_err());
        assert!(read_text(r#"{"exch_tsym":[{"exch":"NCX","tsym":"X"}],"holdqty":"1"}"#).is_err());
        assert!(read_text(r#"{"holdqty":"1"}"#).is_err());
        assert!(read_text(r#"{"exch_tsym":[{"exch":"NSE","tsym":"SBIN-EQ"}],"holdqty":"many"}"#).is_err());
    }
}
