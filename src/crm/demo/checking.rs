//! How the demo's back end compares what a caller keyed with what it knows.

use serde::Deserialize;

use super::{Customer, same_digits};
use crate::secret::Secret;

/// What a caller keyed, named by what it should be.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) struct Entry {
    /// The PIN, or those digits of it that `positions` names.
    pin: Option<String>,
    /// Places within the PIN, from 1, as in `2,4`.
    positions: Option<String>,
    /// The day of birth, as in `1984-03-27` or `19840327`.
    birth_date: Option<String>,
    /// The last four digits of the card.
    last_four: Option<String>,
    /// The one-time code.
    code: Option<String>,
}

impl Entry {
    pub(super) fn is_code(&self) -> bool {
        self.code.is_some()
    }

    /// Whether all that was keyed is right, `code` being what the customer was sent. Nothing keyed is wrong.
    pub(super) fn is_right(&self, customer: &Customer, code: Option<&Secret>) -> bool {
        let same = |keyed: &str, known: &Secret| keyed == known.expose();
        let compared = [
            compare(self.pin.as_deref(), customer.pin.as_ref(), |keyed, pin| self.is_pin(keyed, pin)),
            compare(self.birth_date.as_deref(), customer.birth_date.as_ref(), |keyed, date| {
                same_digits(keyed, date.expose())
            }),
            compare(self.last_four.as_deref(), customer.last_four.as_ref(), same),
            compare(self.code.as_deref(), code, same),
        ];
        let mut compared = compared.into_iter().flatten().peekable();
        compared.peek().is_some() && compared.all(|is_right| is_right)
    }

    fn is_pin(&self, keyed: &str, pin: &Secret) -> bool {
        let Some(positions) = self.positions.as_deref().filter(|positions| !positions.is_empty()) else {
            return keyed == pin.expose();
        };
        let digit = |place: &str| {
            let index = place.trim().parse::<usize>().ok()?.checked_sub(1)?;
            pin.expose().chars().nth(index)
        };
        let wanted: Option<String> = positions.split(',').map(digit).collect();
        wanted.is_some_and(|wanted| wanted == keyed)
    }
}

/// `None` where nothing was keyed; `false` where there is nothing to compare it with.
fn compare(
    keyed: Option<&str>,
    known: Option<&Secret>,
    is_same: impl Fn(&str, &Secret) -> bool,
) -> Option<bool> {
    let keyed = keyed?;
    Some(known.is_some_and(|known| is_same(keyed, known)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_compared() {
        let secret = |text: &str| Some(Secret::new(text.to_owned()));
        let customer = Customer {
            pin: secret("4711"),
            birth_date: secret("1984-03-27"),
            last_four: secret("4242"),
            ..Customer::default()
        };
        let code = Secret::new("123456".to_owned());
        let table = [
            (r#"{"pin":"4711"}"#, true),
            (r#"{"pin":"4712"}"#, false),
            (r#"{"pin":"4711","positions":""}"#, true),
            (r#"{"pin":"71","positions":"2,4"}"#, true),
            (r#"{"pin":"17","positions":"2,4"}"#, false),
            (r#"{"pin":"7","positions":"5"}"#, false),
            (r#"{"pin":"7","positions":"0"}"#, false),
            (r#"{"birth_date":"19840327"}"#, true),
            (r#"{"birth_date":"1984-03-27"}"#, true),
            (r#"{"birth_date":"27031984"}"#, false),
            (r#"{"last_four":"4242"}"#, true),
            (r#"{"last_four":"4242","pin":"0000"}"#, false),
            (r#"{"code":"123456"}"#, true),
            (r#"{"code":"654321"}"#, false),
            ("{}", false),
        ];
        for (keyed, expected) in table {
            let entry: Entry = serde_json::from_str(keyed).expect("an entry");
            assert_eq!(entry.is_right(&customer, Some(&code)), expected, "{keyed}");
        }
        let entry: Entry = serde_json::from_str(r#"{"code":"123456"}"#).expect("an entry");
        assert!(!entry.is_right(&customer, None), "nothing was sent");
        let entry: Entry = serde_json::from_str(r#"{"pin":""}"#).expect("an entry");
        assert!(!entry.is_right(&Customer::default(), None), "there is no PIN");
    }
}
