//! Reads where a call goes next: to a target or the first of several that takes it, to another line, or to its end.

use toml::Spanned;

use super::super::fault::Fault;
use super::super::nearest::{listed, nearest};
use super::super::section::{Kind, Section, Text};
use super::{Edge, Reader, Way};
use crate::flow::{After, LineName, TargetName, Then};

/// The keys that say it, of which a section has one.
const KEYS: [&str; 4] = ["target", "targets", "line", "hang_up"];
/// What each of them can be.
const KINDS: [(&str, Kind); 4] =
    [("target", Kind::Text), ("targets", Kind::Texts), ("line", Kind::Text), ("hang_up", Kind::Flag)];
/// The most targets that are tried one after another.
const TARGETS_MAX: usize = 8;

/// Where a call goes, as far as it could be read.
#[derive(Debug, Clone)]
pub(super) enum Aim {
    At(Then),
    Unsaid,
    Faulty,
}

impl Aim {
    /// This, or `default` where nothing is said.
    pub(super) fn or(self, default: &Self) -> Self {
        if matches!(self, Self::Unsaid) { default.clone() } else { self }
    }

    pub(super) fn at(self) -> Option<Then> {
        match self {
            Self::At(then) => Some(then),
            Self::Unsaid | Self::Faulty => None,
        }
    }
}

impl Reader<'_, '_> {
    /// What `section` says of where the call goes. `way` is how callers come there.
    pub(super) fn aim(&mut self, section: &mut Section<'_>, way: Way) -> Aim {
        for (key, kind) in KINDS {
            section.ask(key, kind);
        }
        let said: Vec<_> = KEYS.into_iter().filter(|key| section.value(key).is_some()).collect();
        match said[..] {
            [] => Aim::Unsaid,
            [key] => self.aim_of(section, key, way).map_or(Aim::Faulty, Aim::At),
            [_, second, ..] => {
                let span = section.value(second).map_or(section.span(), Spanned::span);
                let fault = Fault::at(span, format!("a call cannot go two ways: {}", listed(&said)));
                section
                    .note(fault.help("keep one of them; `targets = [\"…\", \"…\"]` tries one after another"));
                Aim::Faulty
            }
        }
    }

    fn aim_of(&mut self, section: &mut Section<'_>, key: &'static str, way: Way) -> Option<Then> {
        match key {
            "target" => {
                let text = section.text(key)?;
                Some(Then::HandOver(vec![self.target(section, &text)?]))
            }
            "targets" => self.targets(section),
            "line" => {
                let text = section.text(key)?;
                self.line_named(section, &text, way).map(Then::Line)
            }
            _ => section.flag(key)?.then_some(Then::HangUp).or_else(|| {
                let span = section.value(key).map_or(section.span(), Spanned::span);
                let fault = Fault::at(span, "this does not say where the call goes");
                section.note(fault.help("delete it, and add `target`, `targets` or `line`"));
                None
            }),
        }
    }

    fn targets(&mut self, section: &mut Section<'_>) -> Option<Then> {
        let span = section.value("targets").map_or(section.span(), Spanned::span);
        let texts = section.texts("targets")?;
        if texts.is_empty() || texts.len() > TARGETS_MAX {
            let fault = Fault::at(span, format!("`targets` names {} targets", texts.len()));
            section.note(fault.help(format!("1 to {TARGETS_MAX} will do, the best first")));
            return None;
        }
        let targets: Vec<_> = texts.iter().filter_map(|text| self.target(section, text)).collect();
        (targets.len() == texts.len()).then_some(Then::HandOver(targets))
    }

    fn target(&mut self, section: &Section<'_>, text: &Text<'_>) -> Option<TargetName> {
        let (name, known) = (*text.get_ref(), &self.surroundings.targets);
        if known.contains(&name) {
            let target = TargetName::new(name);
            self.found.targets.insert(target.clone());
            return Some(target);
        }
        let fault = Fault::at(text.span(), format!("there is no target `{name}`"));
        section.note(fault.help(nearest(name, known, "targets")));
        None
    }

    fn line_named(&mut self, section: &Section<'_>, text: &Text<'_>, way: Way) -> Option<LineName> {
        let name = *text.get_ref();
        if self.names.iter().any(|known| known == name) {
            let to = LineName::new(name);
            self.edges.push(Edge { from: self.current.clone(), to: to.clone(), way, span: text.span() });
            return Some(to);
        }
        let known: Vec<&str> = self.names.iter().map(String::as_str).collect();
        let fault = Fault::at(text.span(), format!("there is no line `{name}`"));
        section.note(fault.help(nearest(name, &known, "lines")));
        None
    }

    /// What follows a question that came to nothing.
    pub(super) fn after(&mut self, section: &mut Section<'_>, way: Way) -> Option<After> {
        let mut words = Vec::new();
        for (key, after) in [("next", After::Next), ("verdict", After::Verdict)] {
            if section.flag(key) == Some(true) {
                words.push(after);
            }
        }
        match (self.aim(section, way), words.pop()) {
            (Aim::Unsaid, after) => Some(after.unwrap_or(After::Next)),
            (Aim::At(then), None) => Some(After::Then(then)),
            (Aim::At(_), Some(_)) => {
                let fault = Fault::at(section.span(), "a call cannot go two ways");
                section.note(
                    fault.help("keep one of `next`, `verdict`, `target`, `targets`, `line`, `hang_up`"),
                );
                None
            }
            (Aim::Faulty, _) => None,
        }
    }
}
