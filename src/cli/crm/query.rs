//! What the command line sets, as what an action is asked.

use std::collections::BTreeMap;

use crate::cli::terminal;
use crate::crm::Reading;
use crate::flow::{Ani, AniSource, Attributes, Customer, PhoneNumber, Query, Trust};
use crate::secret::Secret;

/// What can be set by a name of its own.
const NAMES: [&str; 7] = ["ani", "identifier", "customer", "name", "secret", "positions", "contact"];

/// What `--set` says. It has no `Debug`, as a secret may be among it.
pub(super) struct Settings {
    values: BTreeMap<String, String>,
    record: Attributes,
}

impl Settings {
    /// Reads `NAME=VALUE`s. An attribute that is set several times has several texts.
    pub(super) fn parse(settings: &[String]) -> Result<Self, String> {
        let mut read = Self { values: BTreeMap::new(), record: Attributes::new() };
        for setting in settings {
            let Some((name, value)) = setting.split_once('=') else {
                return Err("--set wants NAME=VALUE, such as --set ani=+12025550101".to_owned());
            };
            if let Some(attribute) = name.strip_prefix("record.") {
                read.record.entry(attribute.into()).or_default().push(value.to_owned());
            } else if NAMES.contains(&name) {
                read.values.insert(name.to_owned(), value.to_owned());
            } else {
                return Err(format!("nothing is called `{name}`: it is {} or record.…", NAMES.join(", ")));
            }
        }
        Ok(read)
    }

    /// What an action that reads its answer so is asked.
    pub(super) fn query(mut self, reading: &Reading) -> Result<Query, String> {
        match reading {
            Reading::LookUp(_) => self.look_up(),
            Reading::Check(_) | Reading::Hash(_) => {
                let positions = self.positions()?;
                let customer = self.customer()?;
                let secret = self.values.remove("secret").map_or_else(|| terminal::secret("secret"), Ok);
                let secret = secret.map_err(|error| format!("no secret: {error}"))?;
                Ok(Query::Secret { customer, secret: Secret::new(secret), positions })
            }
            Reading::Sending(_) => {
                let contact = self.values.remove("contact");
                Ok(Query::Code { customer: self.customer()?, contact })
            }
            Reading::Record(_) => self.customer().map(Query::Record),
        }
    }

    fn look_up(mut self) -> Result<Query, String> {
        match (self.values.remove("ani"), self.values.remove("identifier")) {
            (Some(ani), None) => {
                let number = PhoneNumber::parse(&ani).ok_or("`ani` is no telephone number")?;
                Ok(Query::Number(Ani { number, source: AniSource::From, trust: Trust::Claimed }))
            }
            (None, Some(identifier)) => Ok(Query::Identifier(Secret::new(identifier))),
            _ => Err("this action finds customers: set either `ani` or `identifier`".to_owned()),
        }
    }

    fn customer(&mut self) -> Result<Customer, String> {
        let id = self.values.remove("customer").ok_or("this action is about a customer: set `customer`")?;
        let name = self.values.remove("name");
        Ok(Customer { id, name, attributes: std::mem::take(&mut self.record) })
    }

    fn positions(&mut self) -> Result<Vec<u8>, String> {
        let text = self.values.remove("positions").unwrap_or_default();
        let places = text.split(',').map(str::trim).filter(|place| !place.is_empty());
        let places: Result<Vec<u8>, _> = places.map(str::parse).collect();
        places.map_err(|_| "`positions` are numbers, such as 2,4".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crm::{Check, Condition, JsonPath, LookUp, Sending};

    fn path() -> JsonPath {
        JsonPath::parse("$").expect("a path")
    }

    fn query(settings: &[&str], reading: &Reading) -> Result<Query, String> {
        let settings: Vec<String> = settings.iter().map(|&setting| setting.to_owned()).collect();
        Settings::parse(&settings)?.query(reading)
    }

    fn look_up() -> Reading {
        let attributes = crate::crm::Attributes::new();
        Reading::LookUp(LookUp {
            results: path(),
            customer: path(),
            name: path(),
            attributes,
            no_match: vec![],
        })
    }

    #[test]
    fn each_kind_of_action_is_asked_its_own() {
        let number = query(&["ani=+1 202 555 0101"], &look_up());
        assert!(matches!(number, Ok(Query::Number(ani)) if ani.number.as_str() == "+12025550101"));
        let identifier = query(&["identifier=10000001"], &look_up());
        assert_eq!(identifier, Ok(Query::Identifier(Secret::new("10000001".to_owned()))));
        let check = Reading::Check(Check { accepted: Condition::Status(vec![204]), rejected: vec![] });
        let attributes = Attributes::from([("a".into(), vec!["1=2".to_owned(), "3".to_owned()])]);
        let customer = Customer { id: "7".to_owned(), name: Some("Zoë".to_owned()), attributes };
        let settings =
            ["customer=7", "name=Zoë", "secret=47", "positions=2, 4", "record.a=1=2", "record.a=3"];
        let expected =
            Query::Secret { customer, secret: Secret::new("47".to_owned()), positions: vec![2, 4] };
        assert_eq!(query(&settings, &check), Ok(expected));
        let sending = Reading::Sending(Sending { sent: None, not_sent: vec![] });
        let expected = Query::Code { customer: Customer::new("7", None), contact: Some("+1".to_owned()) };
        assert_eq!(query(&["customer=7", "contact=+1"], &sending), Ok(expected));
        let record = Reading::Record(crate::crm::Attributes::new());
        assert_eq!(query(&["customer=7"], &record), Ok(Query::Record(Customer::new("7", None))));
    }

    #[test]
    fn what_is_not_set_right_is_told() {
        let table: [(&[&str], &str); 6] = [
            (&["ani"], "NAME=VALUE"),
            (&["pin=4711"], "nothing is called `pin`"),
            (&[], "either `ani` or `identifier`"),
            (&["ani=112", "identifier=1"], "either `ani` or `identifier`"),
            (&["ani=anonymous"], "no telephone number"),
            (&["identifier"], "NAME=VALUE"),
        ];
        for (settings, expected) in table {
            let told = query(settings, &look_up()).expect_err("it is wrong");
            assert!(told.contains(expected), "{told}");
        }
    }
}
