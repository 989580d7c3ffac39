//! Reads what leads to a line: numbers, patterns of numbers, a trunk; and what other lines call it.

use toml::Spanned;

use super::super::fault::Fault;
use super::super::nearest::nearest;
use super::super::section::{Complaint, Kind, Section, Text};
use super::super::values;
use super::Reader;
use crate::call::{Address, Pattern};
use crate::flow::LineName;

/// What a line will be called, as far as can be seen before it is read.
pub(super) fn glance<'t>(section: &Section<'t>) -> Option<&'t str> {
    let word = |key| section.glance(key);
    word("id").or(word("number")).or(section.glance_first("numbers")).or(word("trunk"))
}

/// Whether calls come to a line by themselves, whatever they come by may be worth.
pub(super) fn is_dialled(section: &mut Section<'_>) -> bool {
    let mut says = |key: &'static str| section.value(key).is_some();
    says("number") || says("numbers") || says("trunk") || !says("id")
}

impl Reader<'_, '_> {
    /// The line's name, and what leads to it.
    pub(super) fn numbers(&mut self, section: &mut Section<'_>) -> (Option<LineName>, Vec<Address>) {
        let mut addresses = Vec::new();
        section.ask("number", Kind::Text);
        section.ask("numbers", Kind::Texts);
        if section.value("numbers").is_some() {
            if let Some(value) = section.value("number") {
                let fault = Fault::at(value.span(), "this line has both `number` and `numbers`");
                section.note(fault.help("put it into the list"));
            }
            for text in section.texts("numbers").unwrap_or_default() {
                addresses.extend(self.address(section, &text));
            }
        } else if let Some(text) = section.text("number") {
            addresses.extend(self.address(section, &text));
        }
        if let Some(text) = section.text("trunk") {
            addresses.extend(self.trunk(section, &text));
        }
        let id = self.id(section);
        if ["id", "number", "numbers", "trunk"].iter().all(|key| section.value(key).is_none()) {
            section.miss("number", "\"1000\"");
        }
        let is_faulty = ["id", "number", "trunk"].iter().any(|key| {
            section.value(key).is_some() && section.glance(key).is_none_or(|text| values::user(text).is_err())
        });
        let name = id.or_else(|| glance(section).map(str::to_owned)).filter(|_| !is_faulty);
        (name.map(LineName::new), addresses)
    }

    fn address(&mut self, section: &Section<'_>, text: &Text<'_>) -> Option<Address> {
        let number = section.accept(text.span(), values::user(text.get_ref()))?;
        let address = Pattern::parse(&number).map_or(Address::Number(number), Address::Pattern);
        self.own(section, text, address)
    }

    fn trunk(&mut self, section: &Section<'_>, text: &Text<'_>) -> Option<Address> {
        let (name, known) = (*text.get_ref(), &self.surroundings.trunks);
        if !known.iter().any(|trunk| trunk == name) {
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            let fault = Fault::at(text.span(), format!("there is no trunk `{name}`"));
            section.note(fault.help(nearest(name, &known, "trunks")));
            return None;
        }
        self.own(section, text, Address::Trunk(name.to_owned()))
    }

    /// An address that no other line has.
    fn own(&mut self, section: &Section<'_>, text: &Text<'_>, address: Address) -> Option<Address> {
        if self.taken.insert(address.clone()) {
            return Some(address);
        }
        let fault = Fault::at(text.span(), format!("there is a line `{}` already", text.get_ref()));
        section.note(fault.help("give one of the two another number, or delete it"));
        None
    }

    fn id(&self, section: &mut Section<'_>) -> Option<String> {
        let id = section.read("id", values::user)?;
        let count = self.names.iter().filter(|name| **name == id).count();
        let span = section.value("id").map_or(section.span(), Spanned::span);
        let read = if count > 1 {
            let help = "other lines would not know which is meant: give one of them another `id`";
            Err(Complaint::new(format!("there is another line `{id}`"), help))
        } else {
            Ok(id)
        };
        section.accept(span, read)
    }
}
