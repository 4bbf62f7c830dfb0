//! Single values: numbers, times, and what is masked of them.

use super::super::redact;
use super::super::scalar::{self, FieldError};
use super::super::time;
use super::{dec, fields, utc};

#[test]
fn a_scalar_is_a_string_or_a_number_with_or_without_blanks() {
    let row = fields(r#"{"a":"65","b":65,"c":" 65.00 ","d":"  ","e":null,"f":[1],"g":101.10,"h":true}"#);
    for name in ["a", "b", "c"] {
        assert_eq!(row.integer(name), Ok(Some(65)), "{name}");
    }
    for name in ["d", "e", "f", "absent"] {
        assert_eq!(row.text(name), None, "{name}");
        assert_eq!(row.decimal(name), Ok(None), "{name}");
    }
    assert_eq!(row.decimal("g"), Ok(Some(dec("101.10"))));
    assert_eq!(row.text("h").as_deref(), Some("true"));
}

#[test]
fn a_number_is_read_exactly_or_refused() {
    let row = fields(r#"{"a":0.1,"b":1234567890123456.123456789,"c":1.5e3,"d":25E-2}"#);
    assert_eq!(row.decimal("a").unwrap().unwrap().to_string(), "0.1");
    assert_eq!(row.decimal("b").unwrap().unwrap().to_string(), "1234567890123456.123456789");
    assert_eq!(row.decimal("c"), Ok(Some(dec("1500"))));
    assert_eq!(row.decimal("d"), Ok(Some(dec("0.25"))));
    for bad in ["NaN", "inf", "1,000", "1_000", "0x10", "1e99", "1e-29", "1.2.3", "--1", "e5", "0.00000000000000000000000000001"] {
        let error = scalar::decimal("prc", bad).unwrap_err();
        assert_eq!(error, FieldError::wrong("prc", bad, "a decimal number"), "{bad}");
    }
    assert!(scalar::integer("qty", "65.5").is_err());
    assert!(scalar::integer("qty", "99999999999999999999").is_err());
}

#[test]
fn an_error_names_the_field_and_the_value() {
    let row = fields(r#"{"qty":"six"}"#);
    assert_eq!(row.integer("qty").unwrap_err().to_string(), r#"qty "six" is not a decimal number"#);
    assert_eq!(row.require("exch").unwrap_err().to_string(), "exch is missing");
}

#[test]
fn three_formats_of_time_are_one_instant() {
    let instant = utc("2022-06-14T09:36:38Z");
    for text in ["15:06:38 14-06-2022", "14-06-2022 15:06:38", "1655199398", " 1655199398 "] {
        assert_eq!(time::parse(text), Some(instant), "{text}");
    }
}

#[test]
fn a_default_of_1980_and_nonsense_are_no_time() {
    for text in [
        "01-01-1980 00:00:00",
        "00:00:00 01-01-1980",
        "0",
        "",
        "-5",
        "25:00:00 14-06-2022",
        "31-02-2026 10:00:00",
        "10:00:00",
        "99999999999999999",
    ] {
        assert_eq!(time::parse(text), None, "{text}");
    }
}

#[test]
fn secrets_are_masked_in_debug_summaries_and_cut_replies() {
    let token = "5fab0123456789abcdef0123456789abcdef0123456789abcdef0123456789ab";
    let json =
        format!(r#"{{"stat":"Ok","susertoken":"{token}","email":"x@example.test","pan":"ABCDE1234F","factor2":123456,"tsym":"SBIN-EQ"}}"#);
    let row = fields(&json);
    let cut = &json[..json.len() - 3];
    for shown in [format!("{row:?}"), row.summary(), redact::snippet(&json, 500), redact::snippet(cut, 500)] {
        for secret in [token, &token[..30], "x@example.test", "ABCDE1234F", "123456"] {
            assert!(!shown.contains(secret), "{secret} shows in {shown}");
        }
        assert!(shown.contains("SBIN-"), "{shown}");
    }
    // A reply cut in the middle of its token.
    assert!(!redact::snippet(r#"{"stat":"Ok","susertoken":"5fab01"#, 200).contains("5fab01"));
    assert_eq!(redact::snippet("order 26081200012345\n of  1500000079566637", 60), "order 26081200012345 of 1500000079566637");
}
