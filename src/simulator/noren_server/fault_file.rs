//! Faults from a file: TOML with `[[fault]]` tables, or JSON with a list of rules.

use std::path::Path;

use serde_json::Value;

use super::core::FaultRule;

/// Reads the rules of a file.
///
/// # Errors
/// What is wrong with it, with the file's name.
pub fn read_faults(path: &Path) -> Result<Vec<FaultRule>, String> {
    let text = std::fs::read_to_string(path).map_err(|cause| format!("{}: {cause}", path.display()))?;
    parse(&text, path.extension().is_some_and(|end| end == "json")).map_err(|why| format!("{}: {why}", path.display()))
}

fn parse(text: &str, is_json: bool) -> Result<Vec<FaultRule>, String> {
    let value: Value = if is_json {
        serde_json::from_str(text).map_err(|bad| bad.to_string())?
    } else {
        let source = config::File::from_str(text, config::FileFormat::Toml);
        let read = config::Config::builder().add_source(source).build().and_then(config::Config::try_deserialize);
        read.map_err(|bad| bad.to_string())?
    };
    let rules = if value.is_array() { &value } else { &value["fault"] };
    let rules = rules.as_array().ok_or("no rules: TOML has them as [[fault]] tables, JSON as a list")?;
    rules.iter().map(FaultRule::from_json).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{Fault, Symptom};
    use super::*;

    #[test]
    fn toml_and_json_say_the_same() {
        let toml = "[[fault]]\nroute = \"PlaceOrder\"\nnth = 3\nfault = \"accept_then_502\"\n\n[[fault]]\nroute = \"*\"\nfault = \"slow\"\nms = 50\n";
        let json = r#"[{"route":"PlaceOrder","nth":3,"fault":"accept_then_502"},{"route":"*","fault":"slow","ms":50}]"#;
        let rules = parse(toml, false).unwrap();
        assert_eq!(rules, parse(json, true).unwrap());
        assert_eq!(rules[0], FaultRule::nth("PlaceOrder", 3, Fault::Accept { then: Symptom::BadGateway }));
        for bad in ["", "x = 1", "[[fault]]\nroute = \"PlaceOrder\"\nfault = \"nonsense\"", "[["] {
            assert!(parse(bad, false).is_err(), "{bad:?}");
        }
        assert!(read_faults(Path::new("/nowhere/faults.toml")).unwrap_err().starts_with("/nowhere/faults.toml: "));
    }
}
