//! Reads `conceal_unknown`, and warns where the line's own words and ways would tell what it is to conceal.

use std::ops::RangeInclusive;
use std::time::Duration;

use toml::Spanned;
use toml::de::DeValue;

use super::super::fault::Fault;
use super::super::section::{Kind, Section};
use super::super::values;
use super::super::{question_says, questions, show};
use super::Reader;
use crate::flow::{Discretion, FactorKind, Line, Piece, Source, TextPart, TrustLevel, Verdict};

const ANSWERS_AFTER: RangeInclusive<Duration> = Duration::from_millis(200)..=Duration::from_secs(10);
const ANSWERS_USUALLY_AFTER: Duration = Duration::from_secs(2);

impl Reader<'_, '_> {
    /// `conceal_unknown`: yes, no, or how.
    pub(super) fn discretion(section: &mut Section<'_>) -> Option<Discretion> {
        section.ask("conceal_unknown", Kind::Flag);
        let value = section.value("conceal_unknown");
        if let Some(mut inner) =
            value.and_then(|value| section.of("conceal_unknown", "this line's `conceal_unknown`", value))
        {
            let after = inner.read("answers_after", values::duration(ANSWERS_AFTER));
            inner.finish();
            return Some(Discretion { answers_after: after.unwrap_or(ANSWERS_USUALLY_AFTER) });
        }
        let usual = Discretion { answers_after: ANSWERS_USUALLY_AFTER };
        section.flag("conceal_unknown")?.then_some(usual)
    }
}

/// Warns of what a line that conceals cannot keep to itself, and of what is never heard there.
pub(super) fn look_over(section: &mut Section<'_>, line: &Line) {
    if line.discretion.is_none() {
        return;
    }
    let warn = |section: &Section<'_>, value: Option<&Spanned<DeValue<'_>>>, message: &str, help: &str| {
        let span = value.map_or(section.span(), Spanned::span);
        section.note(Fault::at(span, message).help(help).warning());
    };
    if line.identification.questions.is_empty() {
        let value = section.value("conceal_unknown");
        warn(
            section,
            value,
            "nobody is asked for an identifier here, so that there is none to conceal",
            "delete this",
        );
    }
    if line.by_number.as_ref().is_some_and(|by_number| by_number.trust < TrustLevel::Partial) {
        let value = section.value("identify_by_number");
        let message = "whoever shows another's number hears whether it is a customer's: a customer is not asked who is calling";
        warn(
            section,
            value,
            message,
            "say `identify_by_number = false`, or { trust = \"partial\" }, or bear with it",
        );
    }
    let identified = section.value("hand_over").and_then(|value| inside(value, "identified"));
    if identified.is_some() {
        let message = "nobody comes here: without proof callers go the way of `unidentified`, known or not";
        warn(section, identified, message, "delete it, and say there what both are to hear");
    }
    if line.service.as_ref().is_some_and(|service| service.needs == Verdict::Identified) {
        let value = section.value("service");
        let message = "without proof nobody counts as identified here";
        warn(section, value, message, "say `needs = \"verified\"`, which it comes to, or \"unidentified\"");
    }
    let chooses = |kind: &FactorKind| matches!(kind, FactorKind::Code(plan) if plan.contacts.is_some());
    if line.factors.iter().any(|factor| chooses(&factor.kind)) {
        let factors = section.value("factors").and_then(|value| value.get_ref().as_array());
        let choose = factors.into_iter().flatten().find_map(|factor| inside(factor, "choose"));
        if choose.is_some() {
            let message = "there is no choice here, which would tell of contacts: codes go to the first one";
            warn(section, choose, message, "delete it");
        }
    }
    if let Some(value) = said_unproven(line) {
        let message = format!("`{{{{ {value} }}}}` is told to nobody before the proof on this line");
        warn(section, None, &message, "move it to what the verified hear");
    }
}

/// What the section that this is says of `key`.
fn inside<'t>(value: &'t Spanned<DeValue<'t>>, key: &str) -> Option<&'t Spanned<DeValue<'t>>> {
    value.get_ref().as_table()?.get(key)
}

/// A value of the customer's that is part of what is said before they have proven to be the customer.
fn said_unproven(line: &Line) -> Option<String> {
    let unproven = Line { service: None, ..line.clone() };
    let asked = questions(&unproven).into_iter().flat_map(question_says);
    let said = asked.chain([&line.greeting, &line.next.unidentified.say]);
    said.flat_map(|announcement| &announcement.pieces).find_map(own_value)
}

/// The value of the customer's in this piece.
fn own_value(piece: &Piece) -> Option<String> {
    let is_own = |source: &&Source| matches!(source, Source::Name | Source::Attribute(_));
    match piece {
        Piece::Value(source, _) => Some(source).filter(is_own).map(show::source_word),
        Piece::Text(parts, _) => parts.iter().find_map(|part| match part {
            TextPart::Value(source) => Some(source).filter(is_own).map(show::source_word),
            TextPart::Plain(_) => None,
        }),
        Piece::Recorded(attribute, _) => Some(format!("record.{attribute}")),
        Piece::Prompt(_) | Piece::PromptIn(..) | Piece::Silence(_) => None,
    }
}
