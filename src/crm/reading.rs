//! What a back end's answer means.

use serde_json::Value;
use serde_json_path::JsonPath;

use super::attributes::{self, Attributes};
use super::hash::SaltedHash;
use crate::flow::{Answer, Customer, Failure, Matches};

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
    /// It gives the hash of a secret, and leaves the comparison to us.
    Hash(Hashed),
    /// It says whether a one-time code is on its way.
    Sending(Sending),
    /// It tells more of a customer.
    Record(Attributes),
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
    /// What else is told of each, within it.
    pub attributes: Attributes,
    /// The statuses that say "nobody", whatever the body.
    pub no_match: Vec<u16>,
}

/// Where an answer says yes or no.
#[derive(Debug, Clone)]
pub struct Check {
    /// What says yes. Unless it is a status, there has to be an answer to it.
    pub accepted: Condition,
    /// The statuses that say "no", whatever the body.
    pub rejected: Vec<u16>,
}

/// Where an answer gives the hash of a secret.
#[derive(Debug, Clone)]
pub struct Hashed {
    /// A PHC string; a `null` is none, and nothing that is keyed is right then.
    pub hash: JsonPath,
    /// The statuses that say that nothing that is keyed would be right, whatever the body.
    pub rejected: Vec<u16>,
}

/// What the body of an answer means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Understood {
    /// This.
    Answer(Answer),
    /// A yes, if what was keyed is what this was made of.
    Compare(SaltedHash),
}

/// Where an answer says that a code was sent.
#[derive(Debug, Clone)]
pub struct Sending {
    /// What says so; absent: any status of success does.
    pub sent: Option<Condition>,
    /// The statuses that say that it was not, whatever the body.
    pub not_sent: Vec<u16>,
}

/// What makes a yes.
#[derive(Debug, Clone)]
pub enum Condition {
    /// `true` there; `false` is a no, and anything else is garbage.
    True(JsonPath),
    /// One of these texts there, numbers and `true` and `false` being texts, too; any other text is a no.
    Equals(JsonPath, Vec<String>),
    /// One of these statuses; any other status of success is a no.
    Status(Vec<u16>),
}

impl Reading {
    /// What an answer with this status means before its body is looked at; `None` if the body tells.
    pub fn of_status(&self, status: u16) -> Option<Answer> {
        let (no, condition): (&[u16], Option<&Condition>) = match self {
            Self::LookUp(look_up) => (&look_up.no_match, None),
            Self::Check(check) => (&check.rejected, Some(&check.accepted)),
            Self::Hash(hashed) => (&hashed.rejected, None),
            Self::Sending(sending) => (&sending.not_sent, sending.sent.as_ref()),
            Self::Record(_) => (&[], None),
        };
        let is_success = (200..300).contains(&status);
        match condition {
            _ if no.contains(&status) => Some(self.says(false)),
            Some(Condition::Status(yes)) if yes.contains(&status) => Some(self.says(true)),
            Some(Condition::Status(_)) if is_success => Some(self.says(false)),
            None if is_success && matches!(self, Self::Sending(_)) => Some(self.says(true)),
            _ if is_success => None,
            _ => Some(Answer::Failed(failure_of(status))),
        }
    }

    /// What a status alone can say.
    fn says(&self, yes: bool) -> Answer {
        match self {
            Self::LookUp(_) => Answer::LookUp(Matches::None),
            Self::Check(_) | Self::Hash(_) => Answer::Check(yes),
            Self::Sending(_) => Answer::Sent(yes),
            Self::Record(_) => Answer::Failed(Failure::Status),
        }
    }

    /// What the body of a successful answer means.
    pub fn of_body(&self, body: &[u8]) -> Understood {
        let understood = serde_json::from_slice(body).ok().and_then(|body: Value| {
            let answer = match self {
                Self::Hash(hashed) => return hashed.understood(&body),
                Self::LookUp(look_up) => look_up.matches(&body).map(Answer::LookUp),
                Self::Check(check) => check.accepted.is_met(&body).map(Answer::Check),
                Self::Sending(sending) => sending.sent.as_ref()?.is_met(&body).map(Answer::Sent),
                Self::Record(record) => {
                    body.is_object().then(|| Answer::Record(attributes::read(record, &body)))
                }
            };
            answer.map(Understood::Answer)
        });
        understood.unwrap_or(Understood::Answer(Answer::Failed(Failure::Garbage)))
    }

    /// What it takes out of an answer besides what it is asked for.
    pub fn attributes(&self) -> Option<&Attributes> {
        match self {
            Self::LookUp(look_up) => Some(&look_up.attributes),
            Self::Record(record) => Some(record),
            Self::Check(_) | Self::Hash(_) | Self::Sending(_) => None,
        }
    }
}

/// What a status says that is configured to say nothing.
fn failure_of(status: u16) -> Failure {
    const TOO_MANY_REQUESTS: u16 = 429;
    if (400..500).contains(&status) && status != TOO_MANY_REQUESTS {
        Failure::Refused
    } else {
        Failure::Status
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
        usable.then(|| Customer { id, name, attributes: attributes::read(&self.attributes, result) })
    }
}

impl Hashed {
    /// `None` where the answer is not as it should be.
    fn understood(&self, body: &Value) -> Option<Understood> {
        match self.hash.query(body).exactly_one().ok()? {
            Value::Null => Some(Understood::Answer(Answer::Check(false))),
            Value::String(hash) => Some(Understood::Compare(SaltedHash::new(hash.clone()))),
            _ => None,
        }
    }
}

impl Condition {
    /// `None` where the answer is not as it should be.
    fn is_met(&self, body: &Value) -> Option<bool> {
        match self {
            Self::True(path) => path.query(body).exactly_one().ok()?.as_bool(),
            Self::Equals(path, texts) => {
                let text = attributes::text(path.query(body).exactly_one().ok()?)?;
                Some(texts.contains(&text))
            }
            Self::Status(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Understood {
        fn answer(self) -> Answer {
            match self {
                Self::Answer(answer) => answer,
                Self::Compare(_) => panic!("there is nothing to compare"),
            }
        }
    }

    fn path(text: &str) -> JsonPath {
        JsonPath::parse(text).expect("a path")
    }

    fn look_up(results: &str) -> Reading {
        Reading::LookUp(LookUp {
            results: path(results),
            customer: path("$.id"),
            name: path("$.name"),
            attributes: Attributes::new(),
            no_match: vec![404],
        })
    }

    fn check() -> Reading {
        Reading::Check(Check { accepted: Condition::True(path("$.accepted")), rejected: vec![401, 403] })
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
            assert_eq!(look_up(results).of_body(body.as_bytes()).answer(), expected, "{body}");
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
            assert_eq!(check().of_body(body.as_bytes()).answer(), expected, "{body}");
        }
    }

    #[test]
    fn bodies_with_hashes() {
        let reading = Reading::Hash(Hashed { hash: path("$.pin_hash"), rejected: vec![404] });
        let no = Understood::Answer(Answer::Check(false));
        let garbage = Understood::Answer(GARBAGE);
        let table = [
            (r#"{"pin_hash":"$argon2id$"}"#, Understood::Compare(SaltedHash::new("$argon2id$".to_owned()))),
            (r#"{"pin_hash":null}"#, no),
            (r#"{"pin_hash":1234}"#, garbage.clone()),
            ("{}", garbage.clone()),
            ("", garbage),
        ];
        for (body, expected) in table {
            assert_eq!(reading.of_body(body.as_bytes()), expected, "{body}");
        }
        assert_eq!(reading.of_status(200), None);
        assert_eq!(reading.of_status(404), Some(Answer::Check(false)));
        assert_eq!(reading.of_status(500), Some(Answer::Failed(Failure::Status)));
    }

    #[test]
    fn conditions_may_be_words() {
        let texts = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
        let check = |texts| {
            let accepted = Condition::Equals(path("$.status"), texts);
            Reading::Check(Check { accepted, rejected: vec![] })
        };
        let table = [
            (texts(&["OK"]), r#"{"status":"OK"}"#, Answer::Check(true)),
            (texts(&["OK"]), r#"{"status":"ok"}"#, Answer::Check(false)),
            (texts(&["OK", "1"]), r#"{"status":1}"#, Answer::Check(true)),
            (texts(&["true"]), r#"{"status":true}"#, Answer::Check(true)),
            (texts(&["OK"]), r#"{"status":null}"#, GARBAGE),
            (texts(&["OK"]), r#"{"status":["OK"]}"#, GARBAGE),
            (texts(&["OK"]), "{}", GARBAGE),
        ];
        for (texts, body, expected) in table {
            assert_eq!(check(texts).of_body(body.as_bytes()).answer(), expected, "{body}");
        }
    }

    #[test]
    fn attributes_belong_to_each_customer() {
        let segment = attributes::Attribute {
            path: path("$.segment"),
            default: Some("standard".to_owned()),
            translate: std::collections::BTreeMap::new(),
            otherwise: None,
        };
        let attributes = Attributes::from([("segment".into(), segment)]);
        let body = br#"[{"id":"1","segment":"gold"},{"id":"2"}]"#;
        let reading = Reading::LookUp(LookUp {
            results: path("$[*]"),
            customer: path("$.id"),
            name: path("$.name"),
            attributes: attributes.clone(),
            no_match: vec![],
        });
        let Answer::LookUp(Matches::Several(customers)) = reading.of_body(body).answer() else {
            panic!("two match")
        };
        let segments: Vec<_> = customers.iter().map(|customer| customer.attribute("segment")).collect();
        assert_eq!(segments, [Some("gold"), Some("standard")]);
        let record = Reading::Record(attributes);
        let told = |texts: &[&str]| {
            let texts = texts.iter().map(|&text| text.to_owned()).collect();
            Answer::Record([("segment".into(), texts)].into())
        };
        assert_eq!(record.of_body(br#"{"segment":"gold"}"#).answer(), told(&["gold"]));
        assert_eq!(record.of_body(b"{}").answer(), told(&["standard"]));
        for body in ["[]", "null", "7", "", "<html>"] {
            assert_eq!(record.of_body(body.as_bytes()).answer(), GARBAGE, "{body}");
        }
    }

    #[test]
    fn what_was_sent_is_told_by_status_or_body() {
        let sending = |sent| Reading::Sending(Sending { sent, not_sent: vec![422] });
        let by_status = sending(None);
        let by_body = sending(Some(Condition::True(path("$.sent"))));
        let by_one_status = sending(Some(Condition::Status(vec![202])));
        let failed = Some(Answer::Failed(Failure::Status));
        let table = [
            (&by_status, 204, Some(Answer::Sent(true))),
            (&by_status, 422, Some(Answer::Sent(false))),
            (&by_status, 500, failed.clone()),
            (&by_body, 200, None),
            (&by_body, 422, Some(Answer::Sent(false))),
            (&by_one_status, 202, Some(Answer::Sent(true))),
            (&by_one_status, 200, Some(Answer::Sent(false))),
            (&by_one_status, 503, failed),
        ];
        for (reading, status, expected) in table {
            assert_eq!(reading.of_status(status), expected, "{status}");
        }
        assert_eq!(by_body.of_body(br#"{"sent":true}"#).answer(), Answer::Sent(true));
        assert_eq!(by_body.of_body(br#"{"sent":false}"#).answer(), Answer::Sent(false));
        assert_eq!(by_body.of_body(b"").answer(), GARBAGE);
    }

    #[test]
    fn statuses_tell_before_bodies_do() {
        let nobody = Some(Answer::LookUp(Matches::None));
        let failed = Some(Answer::Failed(Failure::Status));
        let refused = Some(Answer::Failed(Failure::Refused));
        let by_status = Reading::Check(Check { accepted: Condition::Status(vec![204]), rejected: vec![403] });
        let table = [
            (look_up("$"), 200, None),
            (look_up("$"), 204, None),
            (look_up("$"), 404, nobody),
            (look_up("$"), 302, failed.clone()),
            (look_up("$"), 401, refused.clone()),
            (look_up("$"), 429, failed.clone()),
            (look_up("$"), 500, failed.clone()),
            (check(), 200, None),
            (check(), 403, Some(Answer::Check(false))),
            (check(), 404, refused.clone()),
            (check(), 503, failed.clone()),
            (by_status.clone(), 204, Some(Answer::Check(true))),
            (by_status.clone(), 200, Some(Answer::Check(false))),
            (by_status.clone(), 403, Some(Answer::Check(false))),
            (by_status, 500, failed),
            (Reading::Record(Attributes::new()), 200, None),
            (Reading::Record(Attributes::new()), 404, refused),
        ];
        for (reading, status, expected) in table {
            assert_eq!(reading.of_status(status), expected, "{status}");
        }
    }
}
