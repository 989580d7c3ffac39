//! Reads what callers can do by themselves: menus, what each key says, and where it leads.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use toml::Spanned;
use toml::de::DeValue;

use super::super::fault::Fault;
use super::super::nearest::nearest;
use super::super::section::{Complaint, Kind, Section, Text};
use super::identifiers::keys;
use super::onward::Aim;
use super::question::Usual;
use super::spoken::{Where, announcement};
use super::{Faulty, Purpose, Reader, Way};
use crate::flow::{Announcement, Choice, Menu, Service, Turn, Verdict};

const ROUNDS: RangeInclusive<u32> = 1..=1000;
const ROUNDS_USUALLY: u32 = 20;
/// What the first menu is called where it is not said which it is.
const START: &str = "main";

const MENU: Usual = Usual::choice(&[]);

impl Reader<'_, '_> {
    /// `service`, if it is there.
    pub(super) fn service(&mut self, section: &mut Section<'_>) -> Result<Option<Service>, Faulty> {
        let mut section = section.section("service", "this line's `service`");
        if !section.is_present() {
            return Ok(None);
        }
        let needs = section.read("needs", verdict).unwrap_or(Verdict::Identified);
        let record = match section.value("record") {
            Some(_) => self.action(&mut section, "record", "customer_record", Purpose::Record),
            None => None,
        };
        let rounds = section.number("rounds", ROUNDS).unwrap_or(ROUNDS_USUALLY);
        let menus = self.menus(&mut section);
        section.finish();
        let menus = menus.ok_or(Faulty)?;
        Ok(Some(Service { needs, record, menus, rounds }))
    }

    /// The menus, the first of which is where it begins.
    fn menus(&mut self, section: &mut Section<'_>) -> Option<Vec<Menu>> {
        if section.value("menus").is_none() {
            section.miss("menus.main", "{ ask = \"…\", keys = { 1 = { say = \"…\" } } }");
        }
        let start = section.text("start");
        let mut inner = section.section("menus", "`menus`").named_sections("menus");
        let names: Vec<&str> = inner.iter().map(|(name, _)| *name.get_ref()).collect();
        let first = match &start {
            Some(text) => Self::menu_named(section, text, &names)?,
            None => names.iter().position(|name| *name == START).unwrap_or(0),
        };
        if names.is_empty() {
            return None;
        }
        if start.is_none() && names.len() > 1 && names[first] != START {
            let fault = Fault::at(section.span(), "it is not said which menu it begins with");
            section.note(fault.help(format!("add `start = \"{}\"`, or call one `{START}`", names[0])));
        }
        let begins = inner.remove(first);
        inner.insert(0, begins);
        let names: Vec<&str> = inner.iter().map(|(name, _)| *name.get_ref()).collect();
        let mut menus = Vec::new();
        let spans: Vec<_> = inner.iter().map(|(name, _)| name.span()).collect();
        for (nth, (name, mut inner)) in inner.into_iter().enumerate() {
            menus.extend(self.menu(&mut inner, name.get_ref(), nth, &names));
            inner.finish();
        }
        if menus.len() < names.len() {
            return None;
        }
        for nth in unreached(&menus) {
            let fault = Fault::at(spans[nth].clone(), format!("no key leads to the menu `{}`", names[nth]));
            section.note(fault.help("delete it, or give a key `menu = \"…\"`").warning());
        }
        Some(menus)
    }

    fn menu(&mut self, section: &mut Section<'_>, name: &str, nth: usize, names: &[&str]) -> Option<Menu> {
        let keys = keys(section, Kind::Section, "{ say = \"…\" }");
        let mut choices = Vec::new();
        for (key, value) in &keys {
            let then = self.choice(section, value, nth, names);
            choices.extend(then.map(|choice| (*key, choice)));
        }
        let digits: Vec<_> = keys.iter().map(|(key, _)| *key).collect();
        let question = self.question(section, &MENU, &digits);
        if question.as_ref().is_some_and(|question| question.prompts.ask.pieces.is_empty()) {
            section.miss("ask", "\"menu-main\"");
            return None;
        }
        (choices.len() == keys.len()).then_some(())?;
        Some(Menu { name: name.into(), question: question?, choices })
    }

    fn choice<'t>(
        &mut self,
        section: &Section<'t>,
        value: &'t Spanned<DeValue<'t>>,
        own: usize,
        names: &[&str],
    ) -> Option<Choice> {
        let Some(mut inner) = section.of("keys", "this key", value) else {
            section.wrong("keys", "a section at each key, as in 1 = { say = \"…\", menu = \"main\" }", value);
            return None;
        };
        let is_silent = inner.value("say").is_none();
        let say = if is_silent {
            Some(Announcement::nothing())
        } else {
            announcement(&mut inner, "say", Where::Anywhere)
        };
        let aim = self.aim(&mut inner, Way::Key);
        let next = inner.flag("next") == Some(true);
        let menu = inner.text("menu");
        let said = [menu.is_some(), next, !matches!(aim, Aim::Unsaid)];
        if said.iter().filter(|said| **said).count() > 1 {
            let fault = Fault::at(inner.span(), "this key leads two ways");
            inner.note(fault.help("keep one of `menu`, `next`, `line`, `target`, `targets` and `hang_up`"));
        } else if is_silent && said == [false; 3] {
            let fault = Fault::at(inner.span(), "this key does nothing");
            inner.note(fault.help("give it `say`, `menu`, `next`, `line`, `target`, `targets` or `hang_up`"));
        }
        let then = match (menu, aim) {
            (Some(text), _) => Self::menu_named(&inner, &text, names).map(Turn::Menu),
            (None, Aim::Unsaid) if next => Some(Turn::Verdict),
            (None, Aim::Unsaid) => Some(Turn::Menu(own)),
            (None, aim) => aim.at().map(Turn::Then),
        };
        inner.finish();
        Some(Choice { say: say?, then: then? })
    }

    fn menu_named(section: &Section<'_>, text: &Text<'_>, names: &[&str]) -> Option<usize> {
        let name = *text.get_ref();
        let nth = names.iter().position(|known| *known == name);
        if nth.is_none() {
            let fault = Fault::at(text.span(), format!("there is no menu `{name}`"));
            section.note(fault.help(nearest(name, names, "menus")));
        }
        nth
    }
}

/// The menus that no way leads to from the first.
fn unreached(menus: &[Menu]) -> Vec<usize> {
    let mut reached = BTreeSet::from([0]);
    let mut left = vec![0];
    while let Some(menu) = left.pop().and_then(|nth: usize| menus.get(nth)) {
        for (_, choice) in &menu.choices {
            if let Turn::Menu(next) = choice.then
                && reached.insert(next)
            {
                left.push(next);
            }
        }
    }
    (0..menus.len()).filter(|nth| !reached.contains(nth)).collect()
}

fn verdict(text: &str) -> Result<Verdict, Complaint> {
    Verdict::parse(text).ok_or_else(|| {
        let known = [Verdict::Verified, Verdict::Identified, Verdict::Unidentified].map(Verdict::as_str);
        Complaint::new(format!("there is no verdict `{text}`"), nearest(text, &known, "verdicts"))
    })
}
