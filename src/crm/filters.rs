//! What a template can make of a value before it is put in: the shapes in which services want to be told numbers.
//!
//! A filter only shapes. Whatever comes out of it is escaped for its place like any other value.

use minijinja::{Environment, Error, ErrorKind};

use crate::flow::{Country, PhoneNumber};

/// How many characters `mask` leaves to be seen where it is not told.
const SEEN: usize = 2;

/// Makes the filters known.
pub(super) fn add_to(environment: &mut Environment<'_>) {
    environment.add_filter("digits", digits);
    environment.add_filter("e164", e164);
    environment.add_filter("national", national);
    environment.add_filter("mask", mask);
    environment.add_filter("soql", soql);
    environment.add_filter("odata", odata);
}

/// Has the numbering plans loaded now, where `source` needs them, so that no call waits for it.
pub(super) fn prepare(source: &str) {
    if ["e164(", "national"].iter().any(|name| source.contains(name)) {
        Country::parse("US");
    }
}

/// All but the digits is left out.
fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

/// `+12025550101`; with a country, numbers as they are dialled there, too. What is no number stays as it is.
fn e164(text: &str, country: Option<&str>) -> Result<String, Error> {
    let country = country.map(|code| Country::parse(code).ok_or_else(|| no_country(code))).transpose()?;
    let Some(number) = PhoneNumber::parse(text) else { return Ok(text.to_owned()) };
    let number = country.into_iter().fold(number, PhoneNumber::in_country);
    Ok(number.as_str().to_owned())
}

fn no_country(code: &str) -> Error {
    Error::new(ErrorKind::InvalidOperation, format!("`{code}` is no country: write two letters, such as US"))
}

/// As the number is written in its own country, `(202) 555-0101`: `national | digits` is what is dialled there.
/// What is no number of any plan stays as it is.
fn national(text: &str) -> String {
    let number = PhoneNumber::parse(text).and_then(|number| number.national());
    number.unwrap_or_else(|| text.to_owned())
}

/// Stars in place of all but the last characters.
fn mask(text: &str, seen: Option<usize>) -> String {
    let hidden = text.chars().count().saturating_sub(seen.unwrap_or(SEEN));
    std::iter::repeat_n('*', hidden).chain(text.chars().skip(hidden)).collect()
}

/// Inside the quotes of a SOQL text (Salesforce): quotes and backslashes have a backslash before them.
fn soql(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\'', "\\'")
}

/// Inside the quotes of a text of `OData` (4.01, URL conventions §5.1.1.6.1): a quote is written twice.
fn odata(text: &str) -> String {
    text.replace('\'', "''")
}

#[cfg(test)]
mod tests {
    use super::super::{Place, Template};

    fn filled(filters: &str, value: &str) -> Option<String> {
        let template =
            Template::new(&format!("{{{{ ani | {filters} }}}}"), Place::Header).expect("a template");
        template.fill_with(&[("ani", value)]).map(|text| text.to_string())
    }

    #[test]
    fn numbers_are_shaped() {
        let table = [
            ("digits", "+1 (202) 555-0101", "12025550101"),
            ("e164", "+1 (202) 555-0101", "+12025550101"),
            ("e164", "2025550101", "2025550101"),
            ("e164('US')", "2025550101", "+12025550101"),
            ("e164('GB')", "02079460000", "+442079460000"),
            ("e164", "anonymous", "anonymous"),
            ("national", "+12025550101", "(202) 555-0101"),
            ("national | digits", "+12025550101", "2025550101"),
            ("national | digits", "+491711234567", "01711234567"),
            ("national | digits", "+390612345678", "0612345678"),
            ("national", "2025550101", "2025550101"),
            ("national", "112", "112"),
            ("mask", "+12025550101", "**********01"),
            ("mask(4)", "+12025550101", "********0101"),
            ("mask(4)", "123", "123"),
            ("mask(0)", "Zoë", "***"),
            ("soql", "O'Con\\nor", "O\\'Con\\\\nor"),
            ("odata", "O'Connor", "O''Connor"),
        ];
        for (filters, value, expected) in table {
            assert_eq!(filled(filters, value).as_deref(), Some(expected), "{value} | {filters}");
        }
    }

    #[test]
    fn a_country_that_is_none_is_told_when_the_template_is_read() {
        let fault = Template::new("{{ ani | e164('Utopia') }}", Place::Path).expect_err("no country");
        assert!(fault.to_string().contains("Utopia"), "{fault}");
    }
}
