//! What a back end's answer means.

use serde_json::Value;
use serde_json_path::JsonPath;

use crate::flow::{Answer, Attributes, Customer, Failure, Matches};

/// The longest customer identifier that is believed, in characters.
const ID_LENGTH_MAX: usize = 128;
/// The longest name that is believed, in characters.
const NAME_LENGTH_MAX: usize = 256;

/// How an answer is understood.
#[derive(Debug, Clone)]
pub enum Reading {
    /// It names the customers that match.
    LookUp(LookUp),
    /// It says whether a secret is right.
    Check(Check),
}

/// Where an answer names customers.
#[derive(Debug, Clone)]
pub struct LookUp {
    /// The customers, within the answer. A `null` is nobody.
    pub results: JsonPath,
    /// The identifier, within one of them: a text that is not empty, or a whole number.
    pub customer: JsonPath,
    /// The name, within one of them: a text, `null` or absent.
    pub name: JsonPath,
    /// The statuses that say "nobody", whatever the body.
    pub no_match: Vec<u16>,
}

/// Where an answer says yes or no.
#[derive(Debug, Clone)]
pub struct Check {
    /// The yes or no: a boolean.
    pub accepted: JsonPath,
    /// The statuses that say "no", whatever the body.
    pub rejected: Vec<u16>,
}

impl Reading {
    /// What an answer with this status means before its body is looked at; `None` if the body tells.
    pub fn of_status(&self, status: u16) -> Option<Answer> {
        match self {
            Self::LookUp(look_up) if look_up.no_match.contains(&status) => {
                Some(Answer::LookUp(Matches::None))
            }
            Self::Check(check) if check.rejected.contains(&status) => Some(Answer::Check(false)),
            _ if (200..300).contains(&status) => None,
            _ => Some(Answer::Failed(Failure::Status)),
        }
    }

    /// What the body of a successful answer means.
    pub fn of_body(&self, body: &[u8]) -> Answer {
        let answer = serde_json::from_slice(body).ok().and_then(|body: Value| match self {
            Self::LookUp(look_up) => look_up.matches(&body).map(Answer::LookUp),
            Self::Check(check) => check.verdict(&body).map(Answer::Check),
        });
        answer.unwrap_or(Answer::Failed(Failure::Garbage))
    }
}

impl LookUp {
    fn matches(&self, body: &Value) -> Option<Matches> {
        let results: Vec<&Value> =
            self.results.query(body).into_iter().filter(|node| !node.is_null()).collect();
        match results[..] {
            [] => Some(Matches::None),
            [result] => self.customer(result).map(Matches::One),
            _ => {
                let customers: Option<Vec<_>> =
                    results.into_iter().map(|result| self.customer(result)).collect();
                customers.map(Matches::Several)
            }
        }
    }

    fn customer(&self, result: &Value) -> Option<Customer> {
        let id = match self.customer.query(result).exactly_one().ok()? {
            Value::String(id) => id.clone(),
            Value::Number(id) if !id.is_f64() => id.to_string(),
            _ => return None,
        };
        let usable =
            !id.is_empty() && id.chars().count() <= ID_LENGTH_MAX && !id.chars().any(char::is_control);
        let name = self.name.query(result);
        let name = match name.at_most_one().ok()? {
            None | Some(Value::Null) => None,
            Some(Value::String(name)) if name.chars().count() <= NAME_LENGTH_MAX => {
                Some(name.trim().to_owned())
            }
            Some(_) => return None,
        };
        let name = name.filter(|name| !name.is_empty());
        usable.then(|| Customer { id, name, attributes: Attributes::new() })
    }
}

impl Check {
    fn verdict(&self, body: &Value) -> Option<bool> {
        self.accepted.query(body).exactly_one().ok()?.as_bool()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> JsonPath {
        JsonPath::parse(text).expect("a path")
    }

    fn look_up(results: &str) -> Reading {
        Reading::LookUp(LookUp {
            results: path(results),
            customer: path("$.id"),
            name: path("$.name"),
            no_match: vec![404],
        })
    }

    fn check() -> Reading {
        Reading::Check(Check { accepted: path("$.accepted"), rejected: vec![401, 403] })
    }

    fn one(id: &str, name: Option<&str>) -> Answer {
        Answer::LookUp(Matches::One(Customer::new(id, name)))
    }

    const GARBAGE: Answer = Answer::Failed(Failure::Garbage);

    #[test]
    fn bodies_of_look_ups() {
        let long_id = format!(r#"{{"id":"{}"}}"#, "9".repeat(ID_LENGTH_MAX + 1));
        let long_name = format!(r#"{{"id":"1","name":"{}"}}"#, "n".repeat(NAME_LENGTH_MAX + 1));
        let table = [
            ("$", r#"{"id":"1","name":"Zoë O'Connor"}"#, one("1", Some("Zoë O'Connor"))),
            ("$", r#"{"id":10000001}"#, one("10000001", None)),
            ("$", r#"{"id":"1","name":null}"#, one("1", None)),
            ("$", r#"{"id":"1","name":"  "}"#, one("1", None)),
            ("$", "null", Answer::LookUp(Matches::None)),
            ("$.c[*]", r#"{"c":[]}"#, Answer::LookUp(Matches::None)),
            ("$.c[*]", "{}", Answer::LookUp(Matches::None)),
            ("$.c[*]", r#"{"c":[{"id":"1"}]}"#, one("1", None)),
            (
                "$.c[*]",
                r#"{"c":[{"id":"1"},{"id":"2"}]}"#,
                Answer::LookUp(Matches::Several(vec![Customer::new("1", None), Customer::new("2", None)])),
            ),
            ("$.c", r#"{"c":[{"id":"1"}]}"#, GARBAGE),
            ("$", r#"{"id":""}"#, GARBAGE),
            ("$", r#"{"id":1.5}"#, GARBAGE),
            ("$", r#"{"id":true}"#, GARBAGE),
            ("$", r#"{"id":"a\r\nb"}"#, GARBAGE),
            ("$", r#"{"name":"nobody"}"#, GARBAGE),
            ("$", r#"{"id":"1","name":7}"#, GARBAGE),
            ("$", &long_id, GARBAGE),
            ("$", &long_name, GARBAGE),
            ("$", "<html>", GARBAGE),
            ("$", "", GARBAGE),
        ];
        for (results, body, expected) in table {
            assert_eq!(look_up(results).of_body(body.as_bytes()), expected, "{body}");
        }
    }

    #[test]
    fn bodies_of_checks() {
        let table = [
            (r#"{"accepted":true}"#, Answer::Check(true)),
            (r#"{"accepted":false}"#, Answer::Check(false)),
            (r#"{"accepted":"true"}"#, GARBAGE),
            (r#"{"accepted":1}"#, GARBAGE),
            (r#"{"accepted":null}"#, GARBAGE),
            ("{}", GARBAGE),
            ("", GARBAGE),
        ];
        for (body, expected) in table {
            assert_eq!(check().of_body(body.as_bytes()), expected, "{body}");
        }
    }

    #[test]
    fn statuses_tell_before_bodies_do() {
        let nobody = Some(Answer::LookUp(Matches::None));
        let failed = Some(Answer::Failed(Failure::Status));
        let table = [
            (look_up("$"), 200, None),
            (look_up("$"), 204, None),
            (look_up("$"), 404, nobody),
            (look_up("$"), 302, failed.clone()),
            (look_up("$"), 401, failed.clone()),
            (look_up("$"), 500, failed.clone()),
            (check(), 200, None),
            (check(), 403, Some(Answer::Check(false))),
            (check(), 404, failed.clone()),
            (check(), 503, failed),
        ];
        for (reading, status, expected) in table {
            assert_eq!(reading.of_status(status), expected, "{status}");
        }
    }
}
