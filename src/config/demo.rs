//! Reads `[demo]`: the stand-ins for a back end and for agents, which a real installation does without.

use std::collections::HashSet;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::fault::Fault;
use super::nearest::nearest;
use super::section::{Complaint, Section};
use super::values;
use crate::call::{Agents, Directory};
use crate::crm::demo::{Config, Customer, Fault as CustomerFault};
use crate::flow::PhoneNumber;
use crate::secret::Secret;

const STAY: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_mins(5);

/// Reads `[demo.back_end]`, if it is there.
pub(super) fn back_end(mut section: Section<'_>) -> Option<Config> {
    if !section.is_present() {
        return None;
    }
    let listen = section.need("listen", "\"127.0.0.1:8081\"", values::socket_address);
    let mut ids = HashSet::new();
    let mut customers = Vec::new();
    for mut section in section.sections("customers", "this customer") {
        customers.extend(customer(&mut section, &mut ids));
        section.finish();
    }
    section.finish();
    Some(Config { listen: listen?, customers })
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
    let numbers = section.texts("numbers").unwrap_or_default();
    let numbers = numbers.iter().filter_map(|text| section.accept(text.span(), number(text.get_ref())));
    let numbers = numbers.collect();
    let pin = section.read("pin", pin);
    let fault = section.read("fault", fault);
    Some(Customer { id: id?, name: name?, numbers, pin, fault })
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

fn pin(text: &str) -> Result<Secret, Complaint> {
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
