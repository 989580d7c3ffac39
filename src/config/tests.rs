//! The demo's file value by value, bad files fault by fault, and whatever a file may be.

use super::*;

fn parse(text: &str) -> Result<Configuration, Faults> {
    Configuration::parse("portero.toml", text, &|name| (name == "SET").then(|| "open sesame".to_owned()))
}

#[test]
fn probe() {
    match parse(DEMO) {
        Ok(c) => println!("{c:#?}"),
        Err(f) => println!("{f}"),
    }
}
