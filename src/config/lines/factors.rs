//! Reads what shows a caller to be the customer: one PIN, or several factors in the order of asking.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use super::super::fault::Fault;
use super::super::nearest::one_of;
use super::super::section::{self, Complaint, Section};
use super::super::values;
use super::identifiers::{own_name, trust};
use super::question::{Digits, Usual, WaysOut, check_keys};
use super::spoken::{self, Where, announcement, announcement_or, usual};
use super::{Purpose, Reader};
use crate::flow::{Announcement, CodePlan, Factor, FactorKind, Need, Question, TrustLevel};
use crate::secret::Digit;

const VALID: RangeInclusive<Duration> = Duration::from_secs(30)..=Duration::from_hours(1);
const VALID_USUALLY: Duration = Duration::from_mins(5);
const RESENDS: RangeInclusive<u32> = 0..=10;
const LENGTH: RangeInclusive<u32> = 2..=values::DIGITS_MAX as u32;
const PLACES: RangeInclusive<u32> = 1..=values::DIGITS_MAX as u32;
/// A date is keyed as day, month and year, in the order of the language.
const DATE_DIGITS: usize = 8;
const CODE_DIGITS: usize = 6;

const PIN: Usual = Usual {
    ask: &["ask-secret"],
    no_match: &[&["secret-no-match-1"], &["secret-no-match-2"], &["secret-no-match-3"]],
    no_input: &[&["secret-no-input-1"], &["secret-no-input-2"]],
    too_short: &[&["secret-too-short-1"]],
    place: Where::Anywhere,
    digits: Digits::Said,
    opt_out: Some(Digit::STAR),
    ways_out: WaysOut::Apart,
    confirms: false,
};

const DATE: Usual = Usual {
    ask: &["ask-date-of-birth"],
    no_match: &[&["date-of-birth-no-match-1"]],
    no_input: &[&["date-of-birth-no-input-1"]],
    too_short: &[&["date-of-birth-too-short-1"]],
    digits: Digits::Fixed(DATE_DIGITS),
    ..PIN
};

const CODE: Usual = Usual {
    ask: &["ask-code"],
    no_match: &[&["code-no-match-1"]],
    no_input: &[&["code-no-input-1"]],
    too_short: &[&["code-too-short-1"]],
    digits: Digits::Usually(CODE_DIGITS),
    ..PIN
};

const PLACES_USUAL: Usual = Usual {
    ask: &["ask-places", "{{ positions | ordinal }}"],
    no_match: &[&["places-no-match-1", "{{ positions | ordinal }}"]],
    no_input: &[&["places-no-input-1", "{{ positions | ordinal }}"]],
    too_short: &[&["places-too-short-1", "{{ positions | ordinal }}"]],
    place: Where::Places,
    ..PIN
};

const CONTACT: Usual = Usual::choice(&["code-choose"]);
const OFFER: [&str; 4] = ["code-offer", "{{ contact | digits }}", "code-offer-key", "{{ key | digits }}"];

/// The kinds of a factor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Pin,
    Date,
    Partial,
    Code,
}

const KINDS: [(&str, Kind); 4] =
    [("pin", Kind::Pin), ("date", Kind::Date), ("partial", Kind::Partial), ("code", Kind::Code)];

impl Reader<'_, '_> {
    /// `verification`, which is one PIN, or `factors`.
    pub(super) fn factors(&mut self, section: &mut Section<'_>) -> Option<Vec<Factor>> {
        let several = section.value("factors");
        let mut one = section.section("verification", "this line's `verification`");
        if one.is_present() {
            let factor = self.factor(&mut one, "pin");
            if several.is_some() {
                let fault = Fault::at(one.span(), "this line has both `verification` and `factors`");
                one.note(fault.help("move it to the others, under a [[lines.factors]] of its own"));
            }
            one.finish();
            return Some(vec![factor?]);
        }
        let mut names = Vec::new();
        let mut factors = Vec::new();
        let inner = if several.is_some() { section.sections("factors", "this factor") } else { Vec::new() };
        let count = inner.len();
        for mut inner in inner {
            let name = own_name(&mut inner, &names, "\"pin\"").unwrap_or_default();
            factors.extend(self.factor(&mut inner, &name));
            inner.finish();
            names.push(name);
        }
        (factors.len() == count).then_some(factors)
    }

    fn factor(&mut self, section: &mut Section<'_>, name: &str) -> Option<Factor> {
        let kind =
            section.read("kind", kind).or_else(|| section.value("kind").is_none().then_some(Kind::Pin));
        let Some(kind) = kind else {
            section.excuse();
            return None;
        };
        let need = need(section);
        let usually = match kind {
            Kind::Pin => "check_pin",
            Kind::Date => "check_birth_date",
            Kind::Partial => "check_pin_digits",
            Kind::Code => "check_code",
        };
        let purpose = if kind == Kind::Partial { Purpose::Places } else { Purpose::Secret };
        let action = self.action(section, "action", usually, purpose);
        let read = match kind {
            Kind::Pin => self.question(section, &PIN, &[]).map(|question| (question, FactorKind::Whole)),
            Kind::Date => self.question(section, &DATE, &[]).map(|question| (question, FactorKind::Date)),
            Kind::Partial => self.partial(section),
            Kind::Code => self.code(section),
        };
        let (question, kind) = read?;
        Some(Factor { name: name.into(), question, kind, action: action?, need: need? })
    }

    fn partial(&mut self, section: &mut Section<'_>) -> Option<(Question, FactorKind)> {
        if section.value("length").is_none() {
            section.miss("length", "6");
        }
        let length = section.number("length", LENGTH);
        let count = section.number("places", PLACES).unwrap_or(2);
        if let Some(length) = length.filter(|length| count >= *length) {
            let fault =
                Fault::at(section.span(), format!("{count} places of {length} are not a part of them"));
            section.note(fault.help("ask for fewer `places`, or for the whole: kind = \"pin\""));
        }
        let usual = Usual { digits: Digits::Fixed(count as usize), ..PLACES_USUAL };
        let question = self.question(section, &usual, &[])?;
        Some((question, FactorKind::Partial { length: length? as u8, count: count as u8 }))
    }

    fn code(&mut self, section: &mut Section<'_>) -> Option<(Question, FactorKind)> {
        let send = self.action(section, "send", "send_code", Purpose::Code);
        let contacts = section.read("contacts", spoken::attribute).map(Arc::from);
        let choose = self.contact(section, contacts.is_some());
        let on_its_way = announcement_or(section, "sent", "code-sent");
        let expired = announcement_or(section, "expired", "code-expired");
        let valid_for = section.read("valid_for", values::duration(VALID)).unwrap_or(VALID_USUALLY);
        let resend_key = section.read("resend_key", values::key_or_none).unwrap_or(Some(Digit::HASH));
        let resends = section.number("resends", RESENDS);
        if let (None, Some(_)) = (resend_key, resends) {
            let fault = Fault::at(
                section.span(),
                "no key has another code sent here, so that `resends` says nothing",
            );
            section.note(fault.help("delete it, or let `resend_key` be a key").warning());
        }
        let question = self.question(section, &CODE, &[])?;
        let specials = [
            ("opt_out", question.opt_out),
            ("help", question.help.as_ref().map(|(key, _)| *key)),
            ("resend_key", resend_key),
        ];
        // What there is to say of the first two is said already, where they were read.
        if resend_key
            .is_some_and(|key| key.is_decimal() || specials[..2].iter().any(|(_, other)| *other == Some(key)))
        {
            let of_others = specials[..2].iter().filter(|(_, key)| *key == resend_key).take(1).copied();
            let few: Vec<_> = of_others.chain([specials[2]]).collect();
            check_keys(section, &few, |key| key.is_decimal());
        }
        let (choose, offer) = choose?;
        let resends = resends.unwrap_or(2);
        let plan = CodePlan {
            send: send?,
            contacts,
            choose,
            offer,
            sent: on_its_way,
            expired,
            valid_for,
            resend_key,
            resends,
        };
        Some((question, FactorKind::Code(Box::new(plan))))
    }

    /// Which contact it is to be, where there are several.
    fn contact(&mut self, section: &mut Section<'_>, wanted: bool) -> Option<(Question, Announcement)> {
        let mut inner = section.section("choose", "this code's `choose`");
        if inner.is_present() && !wanted {
            let fault = Fault::at(inner.span(), "there are no contacts to choose from here");
            inner.note(
                fault.help("name the attribute that holds them: contacts = \"…\"; or delete this").warning(),
            );
        }
        let keys: Vec<Digit> = ('1'..='9').filter_map(Digit::from_char).collect();
        let question = self.question(&mut inner, &CONTACT, &keys);
        let offer =
            announcement(&mut inner, "offer", Where::Offer).unwrap_or_else(|| usual(&OFFER, Where::Offer));
        inner.finish();
        Some((question?, offer))
    }
}

fn kind(text: &str) -> Result<Kind, Complaint> {
    one_of(&KINDS, text, "kinds")
        .map_err(|help| Complaint::new(format!("there is no kind `{text}` of factor"), help))
}

/// `need`: a word, or the trust below which it is needed.
fn need(section: &mut Section<'_>) -> Option<Need> {
    const WORDS: [(&str, Need); 2] = [("required", Need::Required), ("optional", Need::Optional)];
    section.ask("need", section::Kind::Text);
    let Some(value) = section.value("need") else { return Some(Need::Required) };
    let Some(mut inner) = section.of("need", "this factor's `need`", value) else {
        return section.read("need", |text| {
            one_of(&WORDS, text, "words")
                .map_err(|help| Complaint::new(format!("a factor cannot be `{text}`"), help))
        });
    };
    let level = inner.need("below", "\"full\"", trust);
    if level == Some(TrustLevel::Any) {
        let fault =
            Fault::at(inner.span(), "no number is trusted less than that, so that this is never asked");
        inner.note(fault.help("name a higher trust, or delete the factor").warning());
    }
    inner.finish();
    level.map(Need::RequiredBelow)
}
