//! Reads `[demo]`: the stand-ins for a back end and for agents, which a real installation does without.

use std::collections::HashSet;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::fault::Fault;
use super::nearest::nearest;
use super::section::{Complaint, Section};
use super::values;
use crate::call::{Agents, Directory};
use crate::crm::demo::{Config, Customer, Fault as CustomerFault, Profile};
use crate::flow::PhoneNumber;
use crate::secret::Secret;

const STAY: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_mins(5);

/// The one-time code of the demo, where its file does not say another.
const CODE: &str = "123456";

/// Reads `[demo.back_end]`, if it is there.
pub(super) fn back_end(mut section: Section<'_>) -> Option<Config> {
    if !section.is_present() {
        return None;
    }
    let listen = section.need("listen", "\"127.0.0.1:8081\"", values::socket_address);
    let code = section.read("code", digits).unwrap_or_else(|| Secret::new(CODE.to_owned()));
    let mut ids = HashSet::new();
    let mut customers = Vec::new();
    for mut section in section.sections("customers", "this customer") {
        customers.extend(customer(&mut section, &mut ids));
        section.finish();
    }
    section.finish();
    Some(Config { listen: listen?, code, customers })
}

fn customer(section: &mut Section<'_>, ids: &mut HashSet<String>) -> Option<Customer> {
    let id = section.need("id", "\"10000001\"", values::user);
    if let (Some(id), Some(text)) = (&id, section.text("id"))
        && !ids.insert(id.clone())
    {
        let fault = Fault::at(text.span(), format!("there is a customer `{id}` already"));
        section.note(fault.help("give one of the two another `id`"));
    }
    let name = section.need("name", "\"Zoë O'Connor\"", values::title);
    let numbers = list(section, "numbers", number);
    let alternate_numbers = list(section, "alternate_numbers", number);
    let account = section.read("account", values::user);
    let tracking = list(section, "tracking", values::user);
    let pin = section.read("pin", digits);
    let birth_date = section.read("birth_date", date).map(Secret::new);
    let last_four = section.read("last_four", digits);
    let profile = profile(section);
    let fault = section.read("fault", fault);
    Some(Customer {
        id: id?,
        name: name?,
        numbers,
        alternate_numbers,
        account,
        tracking,
        pin,
        birth_date,
        last_four,
        profile,
        fault,
    })
}

fn profile(section: &mut Section<'_>) -> Profile {
    Profile {
        language: section.read("language", values::language),
        segment: section.read("segment", values::title),
        contacts: list(section, "contacts", values::title),
        balance: section.read("balance", amount),
        currency: section.read("currency", values::title),
        due: section.read("due", date),
        status: section.read("status", values::title),
    }
}

fn list<T>(
    section: &mut Section<'_>,
    key: &'static str,
    parse: impl Fn(&str) -> Result<T, Complaint>,
) -> Vec<T> {
    let texts = section.texts(key).unwrap_or_default();
    texts.iter().filter_map(|text| section.accept(text.span(), parse(text.get_ref()))).collect()
}

fn date(text: &str) -> Result<String, Complaint> {
    let date: Result<jiff::civil::Date, _> = text.parse();
    date.map(|date| date.to_string())
        .map_err(|_| Complaint::new(format!("`{text}` is no date"), "write it as \"1984-03-27\""))
}

fn amount(text: &str) -> Result<String, Complaint> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (units, cents) = digits.split_once('.').unwrap_or((digits, "0"));
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    (is_number(units) && is_number(cents))
        .then(|| text.to_owned())
        .ok_or_else(|| Complaint::new(format!("`{text}` is no amount"), "write it as \"1234.56\""))
}

fn number(text: &str) -> Result<String, Complaint> {
    let number = PhoneNumber::parse(text).map(|number| number.as_str().to_owned());
    number.ok_or_else(|| {
        Complaint::new(
            format!("`{text}` is no telephone number"),
            "write it as \"+12025550101\": 3 to 15 digits",
        )
    })
}

fn digits(text: &str) -> Result<Secret, Complaint> {
    let usable =
        (1..=values::DIGITS_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    usable.then(|| Secret::new(text.to_owned())).ok_or_else(|| {
        Complaint::new("nobody could key this", format!("1 to {} digits will do", values::DIGITS_MAX))
    })
}

fn fault(text: &str) -> Result<CustomerFault, Complaint> {
    match text {
        "error" => Ok(CustomerFault::Error),
        "hang" => Ok(CustomerFault::Hang),
        _ => Err(Complaint::new(
            format!("there is no fault `{text}`"),
            nearest(text, &["error", "hang"], "faults"),
        )),
    }
}

/// Reads `[demo.agents]`, if it is there.
pub(super) fn agents(mut section: Section<'_>, lines: &Directory) -> Option<Agents> {
    if !section.is_present() {
        return None;
    }
    let user = section.need("user", "\"agents\"", |text| agents_user(text, lines));
    let stay = section.read("hang_up_after", values::duration(STAY)).unwrap_or(Duration::from_secs(10));
    section.finish();
    Some(Agents { user: user?, hang_up_after: stay })
}

/// What the agents are called, which must lead to them and not to a line.
fn agents_user(text: &str, lines: &Directory) -> Result<String, Complaint> {
    if lines.find(text, None).is_some() {
        return Err(Complaint::new(format!("`{text}` is a line"), "give the agents a name that no line has"));
    }
    values::user(text)
}
